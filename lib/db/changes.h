/* A list of changes: what leads from one release of a register to the next one (FORMAT.md, "Lists of
 * changes"). It carries the signed head of the release that it leads to, and is not signed itself: whatever
 * it says, nothing but that release can come of it, or an error. Nothing here reads or writes files. */
#ifndef DLV_DB_CHANGES_H
#define DLV_DB_CHANGES_H

#include "base/file.h"
#include "crypto/sha256.h"
#include "db/format.h"

#define CHANGES_VERSION 1
#define CHANGES_HEAD_LEN DB_PAGE
/* where the dictionary begins, behind the head of the release that the list leads to */
#define CHANGES_DICTIONARY ((size_t)CHANGES_HEAD_LEN + DB_HEAD_LEN)

/* What a list of changes is as a file. */
extern const struct file_kind changes_file_kind;

/* The first page of a list. */
struct changes_head {
    uint8_t from_id[SHA256_LEN]; /* of the release that it is about */
    uint64_t from_sequence;
    uint64_t dictionary_len; /* of the dictionary of the next release; 0: it stays the same */
    uint64_t records_len;
    uint8_t sha256[SHA256_LEN]; /* of all that follows the first page */
};

void changes_head_encode(uint8_t page[CHANGES_HEAD_LEN], const struct changes_head *head);

/* Reads the first page. Total: any bytes may come. 0, or ERR_FORMAT with the reason. */
int changes_head_decode(struct changes_head *head, const uint8_t page[CHANGES_HEAD_LEN],
                        struct error *error);

/* Bytes of the whole list. */
static inline uint64_t changes_len(const struct changes_head *head) {
    return CHANGES_DICTIONARY + head->dictionary_len + head->records_len;
}

/* A list in memory. */
struct change_list {
    struct changes_head head;
    struct db_header to;     /* of the release that it leads to */
    const uint8_t *to_head;  /* DB_HEAD_LEN bytes of that */
    struct class_sets sets;  /* its dictionary; not set where it stays the same */
    const uint8_t *at, *end; /* the records that are left */
};

/* Reads a list, which must stay where it is, and as it is: nobody else may be able to change it. Total: any bytes may
 * come. 0, or ERR_FORMAT or ERR_SIGNATURE with the reason: it is damaged, longer than the release that it leads to, or
 * the head in it is not signed by one of the authorities. */
int change_list_open(struct change_list *list, const uint8_t *bytes, size_t len,
                     const struct key_set *authorities, struct error *error);

enum change_kind {
    CHANGE_REMOVES = 1, /* the next entry of the old release goes */
    CHANGE_ALTERS = 2,  /* it says something else */
    CHANGE_ADDS = 3     /* another one comes before it */
};

/* One record. */
struct change_record {
    uint64_t kept; /* entries of the old release that stay as they are before this one */
    enum change_kind kind;
    /* the entry as it is in the new release, the place of its further terms zero; without a key where it is
     * altered, and nothing where it goes */
    uint8_t entry[DB_ENTRY_LEN];
    struct further further;
};

#define CHANGE_RECORD_MAX (10 + 1 + DB_ENTRY_LEN + FURTHER_HEAD_LEN + FURTHER_MAX)

/* The next record: 1; 0 at the end; or ERR_FORMAT. Its further terms are in the list. Whether its terms are possible
 * only terms_read shows. */
int change_list_next(struct change_list *list, struct change_record *record);

/* Writes a record. Returns its length. */
size_t change_record_encode(uint8_t bytes[CHANGE_RECORD_MAX], const struct change_record *record);

#endif
