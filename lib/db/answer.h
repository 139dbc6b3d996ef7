/* A question to a database, and what the database says to it. */
#ifndef DLV_DB_ANSWER_H
#define DLV_DB_ANSWER_H

#include "db/lookup_key.h"
#include "db/open.h"
#include "record/verdict.h"

#include <stdbool.h>

/* By what a licence is asked for. An entry of another kind does not answer. The numbers are those
 * in frames. */
enum ask_kind {
    ASK_NUMBER = 1, /* of a licence, current or former */
    ASK_DOCUMENT = 2,
    ASK_LEGACY = 3 /* the original's record */
};

/* "number", "document", "legacy"; "" where there is no such kind. */
const char *ask_kind_name(unsigned kind);

#define NAME_FORMS_MAX 3
#define FORMS_MAX (NAME_FORMS_MAX + 3) /* and one of each other field */

struct form_digest {
    uint8_t field; /* enum field */
    uint8_t digest[FIELD_DIGEST_LEN];
};

struct inquired {
    uint8_t kind; /* enum ask_kind */
    uint8_t form_count;
    uint8_t digest[SHA256_LEN];
    struct form_digest forms[FORMS_MAX];
};

struct db_answer {
    bool is_found;
    bool is_whole;                /* the cards of the further terms are there */
    uint8_t kind;                 /* enum entry_kind of the entry that was found */
    uint8_t terms[DB_TERMS_LEN];  /* of the licence */
    struct further further;       /* likewise; it points into the file or the frame */
    uint8_t matches[FIELD_COUNT]; /* enum field_match */
    uint8_t card_state;           /* enum card_state of the card given, where it is listed */
};

/* Whether there are no more forms than of one licence: three of a name, and one of each other field. So nobody finds out
 * a birth date by giving several. */
bool inquired_is_sound(const struct inquired *inquired);

/* The answer where nothing was found. */
struct db_answer db_answer_none(void);

/* The answer that the entry `asked` gives; of a dependent one, with the entry of its licence. Where
 * it is a licence itself, `licence` is the same. Fields are compared with the codes of `asked`, and
 * cards with those of the licence, too. */
struct db_answer db_answer_of(const struct check_fields *fields, const struct lookup_key *key,
                              const struct inquired *inquired, const uint8_t asked[DB_ENTRY_LEN],
                              const uint8_t licence[DB_ENTRY_LEN], struct further further);

/* Whether an entry of this kind answers what was asked. */
bool db_kind_answers(enum entry_kind kind, unsigned ask_kind);

/* Asks the database. `key` is that of a keyed one; NULL for a plain one. */
void db_ask(const struct db *db, const struct lookup_key *key, const struct inquired *inquired,
            struct db_answer *answer);

/* The same for `n` (at most DB_BATCH_MAX) questions. */
void db_ask_batch(const struct db *db, const struct lookup_key *key,
                  const struct inquired *inquired, size_t n, struct db_answer *answers);

/* What the answer means on a day, where classes are to be driven: the verdict, and the licence's
 * terms where it is on file (their texts point into the dictionary and the further terms). 0, or
 * ERR_FORMAT where the terms are none. */
int db_decide(const struct db_answer *answer, const struct release_facts *facts,
              const struct class_sets *sets, uint32_t day, int64_t now_s,
              const struct span *classes, unsigned class_count, struct terms *terms,
              struct outcome *outcome);

#endif
