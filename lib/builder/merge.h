/* The third stage of a build: every key comes to the writer once, in order. Entries with the same
 * key are brought together, and the changes of a change list are applied to the predecessor. */
#ifndef DLV_BUILDER_MERGE_H
#define DLV_BUILDER_MERGE_H

#include "builder/collect.h"
#include "builder/predecessor.h"
#include "builder/write.h"

/* What became of the entries. */
struct merge_summary {
    uint64_t duplicate_count;   /* entries that were there already, with the same attributes */
    uint64_t conflict_count;    /* entries that contradict an earlier one */
    uint64_t conflict_lines[2]; /* the first such pair in the input: earlier and later line */
    uint8_t conflict_kind;
    uint64_t absent_count; /* removals of entries that the predecessor does not have */
    uint64_t absent_line;  /* the first in the input */
    uint8_t absent_kind;
};

/* Takes every entry out of the collector, which has been sorted, and gives the writer what remains.
 *
 * predecessor  open, or NULL where there is none. Its entries stay unless the input sets or removes
 *              them. Where the input does both to one key, setting it wins; for a record that is a
 *              conflict.
 * total        entries of the collector and the predecessor together, for progress
 * Returns 0; ERR_CONFLICT where two entries have one key but different attributes, or an entry is
 * removed that is not there (the summary says which); ERR_FORMAT where a key has another kind in the
 * predecessor; or another code with the reason. */
int merge_entries(struct collector *collector, struct predecessor *predecessor,
                  struct writer *writer, uint64_t total, struct merge_summary *summary,
                  struct error *error);

#endif
