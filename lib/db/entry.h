/* One entry of the database as bytes (FORMAT.md, "Entries" and "Further terms"): the only place that
 * packs and unpacks them. */
#ifndef DLV_DB_ENTRY_H
#define DLV_DB_ENTRY_H

#include "db/class_sets.h"
#include "record/fields.h"
#include "record/terms.h"

#define DB_KEY_LEN 32
#define DB_TERMS_LEN 16
#define DB_ENTRY_LEN (DB_KEY_LEN + CODES_LEN + DB_TERMS_LEN)

/* Offsets in an entry. */
#define ENTRY_CODES DB_KEY_LEN
#define ENTRY_TERMS (DB_KEY_LEN + CODES_LEN)

/* The numbers are those in the file. All but the first depend on a licence: what is asked of them
 * is answered from that one. */
enum entry_kind { ENTRY_LICENCE = 0, ENTRY_DOCUMENT = 1, ENTRY_FORMER = 2, ENTRY_LEGACY = 3 };

/* "licence", "document", "former number", "legacy record". */
const char *entry_kind_name(unsigned kind);

/* Further terms of a licence: items, without their length and padding. */
struct further {
    const uint8_t *bytes;
    size_t len; /* 0: the licence has none */
};

#define FURTHER_MAX 2040   /* bytes of items */
#define FURTHER_HEAD_LEN 2 /* their length, before them in the section */
#define FURTHER_UNIT 8     /* what the section is divided into */

/* The section of further terms, in memory. */
struct further_section {
    const uint8_t *bytes;
    uint64_t len;
};

/* The functions below take the last DB_TERMS_LEN bytes of an entry. */

enum entry_kind terms_kind(const uint8_t terms[DB_TERMS_LEN]);

/* The current status of a licence. */
uint8_t terms_status(const uint8_t terms[DB_TERMS_LEN]);

/* Whether a licence has further terms, and where they begin in their section, in bytes. */
bool terms_have_further(const uint8_t terms[DB_TERMS_LEN]);
uint64_t terms_further_at(const uint8_t terms[DB_TERMS_LEN]);
void terms_set_further(uint8_t terms[DB_TERMS_LEN], uint64_t at);

/* The further terms of a licence in `section`. False where they are not inside it. */
bool terms_further(const uint8_t terms[DB_TERMS_LEN], const struct further_section *section,
                   struct further *further);

/* Bytes that items of this length take in the section. */
static inline uint64_t further_room(size_t len) {
    return (FURTHER_HEAD_LEN + len + FURTHER_UNIT - 1) / FURTHER_UNIT * FURTHER_UNIT;
}

/* The leading 120 bits of the key of the licence that an entry depends on. */
#define LICENCE_PREFIX_LEN 15
const uint8_t *terms_licence_prefix(const uint8_t terms[DB_TERMS_LEN]);

/* Writes the terms of an entry that depends on the licence with this key. */
void terms_write_dependent(uint8_t terms[DB_TERMS_LEN], enum entry_kind kind,
                           const uint8_t licence_key[DB_KEY_LEN]);

/* Finds the number of a set of classes; 0 where it is not in the dictionary. */
typedef uint32_t class_set_number(void *context, struct span text);

/* Writes the terms of a licence: 16 bytes, with the place of further terms zero, and further terms
 * where they do not fit. The lists in `terms` are sorted on the way. Returns the length of the
 * further terms, ERR_LIMIT where there are too many of them, or ERR_FORMAT where a day or a status
 * cannot be stored. */
int terms_write(uint8_t bytes[DB_TERMS_LEN], uint8_t further[FURTHER_MAX], struct terms *terms,
                size_t code_len, class_set_number *number_of, void *context);

/* Reads the terms of a licence. Texts point into the dictionary and the further terms. Total: any
 * bytes may come. False where they are none, or, where `is_whole`, not the one encoding of what they
 * say. They are not whole where cards were cut off, as in answers that are not proved. */
bool terms_read(struct terms *terms, const uint8_t bytes[DB_TERMS_LEN], struct further further,
                const struct class_sets *sets, size_t code_len, bool is_whole);

/* Where the items about cards begin: what comes before can be shown to anybody who asks. */
size_t further_len_without_cards(struct further further);

/* How a card stands that has this check code. 0 where the licence does not list it, else enum
 * card_state. */
uint8_t further_card(struct further further, const uint8_t *code, size_t code_len);

/* Replaces each number of a set by what `renumber` makes of it. Total: any bytes may come; what is no item of a set
 * stays. */
typedef uint32_t class_set_renumber(void *context, uint32_t number);
void terms_renumber(uint8_t bytes[DB_TERMS_LEN], uint8_t *further, size_t further_len,
                    class_set_renumber *renumber, void *context);

/* Makes the place of an entry's further terms zero, as the Merkle leaf has it. */
void entry_clear_place(uint8_t entry[DB_ENTRY_LEN]);

/* The Merkle leaf: SHA-256(00 | entry | further terms), the place of further terms taken as zero. */
void entry_leaf(uint8_t leaf[SHA256_LEN], const uint8_t entry[DB_ENTRY_LEN],
                struct further further);

#endif
