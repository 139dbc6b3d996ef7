/* What Unicode says of characters, as tables that tools/unicode.py writes (tables.c, tables_sizes.h). The binary
 * carries them compressed, and takes them apart before main begins (tables_unpack.c). Only fold.c reads them. */
#ifndef DLV_TEXT_TABLES_H
#define DLV_TEXT_TABLES_H

#include "text/tables_sizes.h"

#include <stdint.h>

struct text_tables {
    /* The lowest 24 bits: the first character of a run; the highest 8: what is true of the run. A run
     * ends where the next one begins. */
    uint32_t classes[TEXT_CLASSES_COUNT];
    /* likewise: canonical combining classes, as far as fold.c needs them */
    uint32_t orders[TEXT_ORDERS_COUNT];
    /* Characters that change, in ascending ranges. Of each range the first one; the highest 8 bits: the step from
     * one to the next; 0: they have targets. */
    uint32_t range_firsts[TEXT_RANGES_COUNT];
    uint32_t range_lasts[TEXT_RANGES_COUNT];
    uint32_t range_offsets
        [TEXT_RANGES_COUNT]; /* what is added to each (modulo 2^32); or where its targets begin */
    /* A target is a character, or TEXT_SEQUENCE with the length and the place of a sequence. */
    uint32_t targets[TEXT_TARGETS_COUNT];
    uint32_t sequences[TEXT_SEQUENCES_COUNT];
};

#define TEXT_SEQUENCE (1u << 23)
#define TEXT_SEQUENCE_LEN_SHIFT 20

extern struct text_tables text_tables;

#endif
