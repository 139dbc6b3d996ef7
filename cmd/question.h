/* A question as the command line or a line of input asks it, and how it is formed for a release. */
#ifndef DLV_CMD_QUESTION_H
#define DLV_CMD_QUESTION_H

#include "base/error.h"
#include "db/answer.h"
#include "db/evidence.h"
#include "db/release.h"

#define QUERY_TEXT_MAX 2048 /* bytes of a line */

/* Texts are the caller's; empty: not given. */
struct query {
    uint64_t line; /* of the input; 0: the question was not on a line */
    uint8_t kind;  /* enum ask_kind */
    struct span number;
    struct span fields[FIELD_COUNT]; /* by enum field */
    uint8_t digest[SHA256_LEN];      /* of a document or a legacy record */
    bool is_bad;                     /* it cannot be asked, for this reason */
    char reason[256];
    struct form form; /* of the number, once it has been formed */
};

/* Marks a query as one that cannot be asked. */
void query_refuse(struct query *query, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Takes NAME PHONE LICENCE apart. Where no phone stands in it, the query is bad. */
void query_take_record(struct query *query, struct span record);

/* Takes the digest of a document. EXIT_OK, or EXIT_TROUBLE after saying why. */
int query_take_document(struct query *query, const char *path);

/* Takes the classes of a list with commas between; NULL is the empty list. EXIT_OK, or EXIT_TROUBLE
 * after saying why. */
int query_take_classes(const char *list, struct span classes[EVIDENCE_CLASSES_MAX],
                       unsigned *count);

/* Takes the moment that --at gives; NULL leaves *at as it is. EXIT_OK, or EXIT_TROUBLE after saying why. */
int query_take_moment(const char *text, struct moment *at);

/* Whether the number, where it asks by one, can be one at all, whatever the release. False: it is bad. */
bool query_check_number(struct query *query);

/* Forms the query for a release whose rules are known. False where it cannot be asked: then it is
 * bad. */
bool query_form(struct query *query, const struct release_facts *facts, struct inquired *item);

/* What a number that was not found is: unknown, or not one that this register speaks about; or the
 * query is bad, because it is no number at all. */
enum verdict query_missed(struct query *query, const struct release_facts *facts);

#endif
