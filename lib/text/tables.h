/* What Unicode says of characters, as tables that tools/unicode.py writes. Only fold.c reads
 * them. */
#ifndef DLV_TEXT_TABLES_H
#define DLV_TEXT_TABLES_H

#include <stddef.h>
#include <stdint.h>

extern const unsigned text_unicode_version[3];

/* The lowest 24 bits: the first character of a run; the highest 8: what is true of the run. A run
 * ends where the next one begins. */
extern const uint32_t text_classes[];
extern const size_t text_class_count;
extern const uint32_t text_orders[]; /* canonical combining classes, as far as fold.c needs them */
extern const size_t text_order_count;

/* Characters that change. */
struct text_range {
    uint32_t first; /* the highest 8 bits: the step from one to the next; 0: they have targets */
    uint32_t last;
    int32_t offset; /* what is added to each; or where their targets begin, in elements */
};
extern const struct text_range text_ranges[]; /* ascending */
extern const size_t text_range_count;

/* Elements of three bytes. A target is a character, or TEXT_SEQUENCE with the length and the place
 * of a sequence. */
#define TEXT_SEQUENCE (1u << 23)
#define TEXT_SEQUENCE_LEN_SHIFT 20
extern const uint8_t text_targets[];
extern const uint8_t text_sequences[];

#endif
