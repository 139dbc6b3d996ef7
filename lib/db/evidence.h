/* The evidence file (EVIDENCE.md): an answer with its proof, for people who do not have the
 * database. */
#ifndef DLV_DB_EVIDENCE_H
#define DLV_DB_EVIDENCE_H

#include "base/date.h"
#include "base/file.h"
#include "db/lookup_key.h"
#include "db/proof.h"

#define EVIDENCE_CLASSES_MAX 16 /* classes asked about */
#define EVIDENCE_MAX (1u << 18) /* length of the longest file, in bytes */

extern const struct file_kind evidence_file_kind;

/* A set of classes that the licence holds, with its path in the dictionary. */
struct proved_set {
    struct numbered_set set;
    struct class_set_path path;
};

/* Large: for static memory. */
struct evidence {
    struct inquired inquired;
    struct form number; /* of ASK_NUMBER: its matching form */
    struct moment at;   /* that it says it was asked about; nothing proves that */
    unsigned class_count;
    struct span classes[EVIDENCE_CLASSES_MAX];
    uint8_t head[DB_HEAD_LEN]; /* header and signatures */
    struct proof proof;        /* up to the root */
    unsigned set_count;
    struct proved_set sets[TERMS_GROUPS_MAX];
    struct numbered_set set_list[TERMS_GROUPS_MAX]; /* what evidence_check makes of them */
    size_t text_len;                                /* of the texts that all of these point into */
    char texts[1u << 17];
};

/* What evidence shows. */
struct evidence_result {
    struct db_header header;
    struct db_answer answer;
    struct terms terms; /* where the licence is on file */
    struct outcome outcome;
};

/* Adds the sets of classes that the licence of a proof holds, from the database's dictionary. */
void evidence_add_sets(struct evidence *evidence, const struct class_sets *sets, size_t code_len);

/* Writes the file's text, at most EVIDENCE_MAX bytes and a NUL. Returns its length. */
size_t evidence_write(const struct evidence *evidence, char *text);

/* Reads such a text. Total: any bytes may come. 0, or ERR_FORMAT with a reason that names the
 * line. */
int evidence_read(struct evidence *evidence, const char *text, size_t len, struct error *error);

struct lines; /* db/lines.h */

/* The same for lines behind which others may come. */
int evidence_take(struct evidence *evidence, struct lines *lines);

/* Checks the evidence against the authorities' keys and, for a keyed database, its lookup key (NULL
 * for a plain one): what it shows for the moment `at`, which is the checker's choice. 0, or a negative code
 * with the reason; ERR_LIMIT where the release does not speak for that moment. */
int evidence_check(struct evidence *evidence, const struct key_set *authorities,
                   const struct lookup_key *lookup_key, const struct moment *at,
                   struct evidence_result *result, struct error *error);

#endif
