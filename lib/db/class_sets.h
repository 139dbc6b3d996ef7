/* The dictionary of a database: every set of classes that its licences hold, once (FORMAT.md,
 * "Dictionary"). A licence names its sets by number. */
#ifndef DLV_DB_CLASS_SETS_H
#define DLV_DB_CLASS_SETS_H

#include "base/error.h"
#include "crypto/sha256.h"
#include "record/terms.h"

#define CLASS_SETS_MAX 65535 /* sets; number 0 is "no classes" */

/* Bytes of a dictionary that has no sets. */
#define CLASS_SETS_EMPTY_LEN 8

/* One set and its number, by itself. */
struct numbered_set {
    uint32_t number;
    struct span text;
};

/* A dictionary, or the few sets of it that evidence brings. */
struct class_sets {
    uint32_t count;
    /* count + 1 elements of 32 bits: where each text begins and the last ends; NULL: there are only
     * the few below */
    const uint8_t *ends;
    const char *texts;
    const struct numbered_set *few;
    unsigned few_count;
};

/* Reads a dictionary, which must stay where it is. Total: any bytes may come. 0 or ERR_FORMAT. */
int class_sets_open(struct class_sets *sets, const uint8_t *bytes, size_t len, struct error *error);

/* The same for one whose count and root (class_sets_root) are known. Also ERR_SIGNATURE. */
int class_sets_open_signed(struct class_sets *sets, const uint8_t *bytes, size_t len,
                           uint32_t count, const uint8_t root[SHA256_LEN], struct error *error);

/* The text of a set; empty for number 0 and for numbers that there are not. */
struct span class_sets_text(const struct class_sets *sets, uint32_t number);

/* The number of a text; 0 where it is not there. */
uint32_t class_sets_find(const struct class_sets *sets, struct span text);

/* Whether some set has a class of this name. */
bool class_sets_name(const struct class_sets *sets, struct span name);

/* The sets are the leaves of a Merkle tree as that of the entries, SHA-256(00 | text), whose root is
 * signed. So a single set can be proved.
 *
 * The root; of no sets, the SHA-256 of nothing. */
void class_sets_root(const struct class_sets *sets, uint8_t root[SHA256_LEN]);

#define CLASS_SET_PATH_MAX 16

struct class_set_path {
    unsigned len;
    uint8_t nodes[CLASS_SET_PATH_MAX][SHA256_LEN];
};

/* The path of a set, the lowest sibling first. It takes time linear in the dictionary. */
void class_sets_prove(const struct class_sets *sets, uint32_t number, struct class_set_path *path);

/* Whether the path leads from this set to the root of `count` sets. */
bool class_set_is_proved(const uint8_t root[SHA256_LEN], uint32_t count,
                         const struct numbered_set *set, const struct class_set_path *path);

/* Bytes of the dictionary of `count` texts, which are `len` bytes together. */
static inline uint64_t class_sets_len(uint64_t count, uint64_t len) {
    return 4 + 4 * (count + 1) + len;
}

#endif
