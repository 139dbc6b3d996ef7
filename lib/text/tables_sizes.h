/* Written by tools/unicode.py from the Unicode character database 15.0.0.
 * Copyright of the data: 1991-2022 Unicode, Inc. (Unicode License, www.unicode.org/terms_of_use). */
#ifndef DLV_TEXT_TABLES_SIZES_H
#define DLV_TEXT_TABLES_SIZES_H

#define TEXT_UNICODE_MAJOR 15
#define TEXT_UNICODE_MINOR 0
#define TEXT_CLASSES_COUNT 2085
#define TEXT_ORDERS_COUNT 460
#define TEXT_RANGES_COUNT 269
#define TEXT_TARGETS_COUNT 2908
#define TEXT_SEQUENCES_COUNT 353

#endif
