/* What a database says to a question. */
#ifndef DLV_DB_ANSWER_H
#define DLV_DB_ANSWER_H

#include "record/licence.h"

#include <stdbool.h>

struct db_answer {
    enum verdict verdict;
    bool is_found;
    struct licence licence; /* zeros where nothing was found */
};

/* The answer where the licence was found, with the verdict on `day` (days since 0001-01-01, in the
 * authority's calendar). */
struct db_answer db_answer_found(const struct licence *licence, uint32_t day);

/* The answer where nothing was found. */
struct db_answer db_answer_none(void);

bool db_answer_is_same(const struct db_answer *one, const struct db_answer *other);

#endif
