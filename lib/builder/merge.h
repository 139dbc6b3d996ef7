/* The third stage of a build: all facts about one licence become one entry, and the changes of a
 * change list are applied to the predecessor. What comes out does not depend on the order of rows.
 *
 * Several rows about one licence, by number:
 *   - a field given twice must be the same, or they are two people: a contradiction. Where no field
 *     can be compared, the number must have been written alike;
 *   - classes whose days are the same are put together; all others stand side by side;
 *   - of several statuses the one with the latest first day counts, and the earlier ones are kept as
 *     what was before; where two begin on one day, or a first day is not known, they contradict;
 *   - cards, codes and former numbers are gathered.
 * A licence that contradicts itself is withheld. */
#ifndef DLV_BUILDER_MERGE_H
#define DLV_BUILDER_MERGE_H

#include "builder/collect.h"
#include "builder/predecessor.h"
#include "builder/texts.h"
#include "builder/touched.h"
#include "builder/write.h"

/* Told of a contradiction between two lines; `other` is 0 where there is no other line. */
typedef void merge_conflict(void *context, uint64_t line, uint64_t other, const char *reason);

struct merge_job {
    struct collector *collector; /* it has been sorted */
    const struct texts *texts;
    struct predecessor *predecessor; /* NULL: there is none. Its entries stay unless the input
                                      * changes them */
    const struct touched *touched;   /* with a predecessor */
    const struct check_fields *fields;
    struct writer *writer;
    uint64_t total; /* facts and old entries together, for progress */
    merge_conflict *conflict;
    void *conflict_context;
    uint64_t conflict_count; /* out: contradictions */
    uint64_t joined_count;   /* out: rows that say more about a licence that another row is about */
    uint64_t withheld_count; /* out: licences withheld */
};

/* Takes every fact out of the collector, and gives the writer what it comes to. 0 or a negative code
 * with the reason; contradictions are counted and are no error. */
int merge_facts(struct merge_job *job, struct error *error);

#endif
