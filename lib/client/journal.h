/* Questions that got no answer, kept in a file until a server is there again (the option --journal).
 *
 * Each is sealed with a fresh key, which is wrapped for every pinned key of the servers and then forgotten: so who
 * finds the file, and the kiosk's key with it, reads no question without a server that takes the kiosk for an
 * enrolled one. When the stop was, and the officer's reference, anybody can read.
 *
 * Several processes may use a journal at once. A question is on the disk before journal_keep returns; what is cut short
 * by a crash before that is taken away by the next one. */
#ifndef DLV_CLIENT_JOURNAL_H
#define DLV_CLIENT_JOURNAL_H

#include "base/error.h"
#include "crypto/key_set.h"
#include "wire/identity.h"

#define JOURNAL_ID_LEN 16
#define JOURNAL_REFERENCE_SIZE 65
#define JOURNAL_QUESTION_MAX 8192
#define JOURNAL_WRAPPED_MAX KEY_SET_MAX

/* An entry is a header, the reference, the wrapped keys (each the first bytes of the server key's id, two bytes for
 * its length, and the ciphertext), the question sealed by ChaCha20-Poly1305 with a nonce of zeros (additional data: what
 * stands before it, from JOURNAL_COUNT on), and the first bytes of the SHA-256 of all that, again from JOURNAL_COUNT on.
 * Numbers are little-endian. */
#define JOURNAL_MAGIC 0 /* "dlvj" */
#define JOURNAL_LEN 4   /* of the entry, in bytes */
#define JOURNAL_STATE 8 /* enum journal_state */
#define JOURNAL_COUNT 9 /* of wrapped keys */
#define JOURNAL_REFERENCE_LEN 10
#define JOURNAL_WRAPPED_LEN 12 /* of all wrapped keys */
#define JOURNAL_QUESTION_LEN 14
#define JOURNAL_STOPPED 16 /* Unix seconds */
#define JOURNAL_ID 24
#define JOURNAL_REFERENCE (JOURNAL_ID + JOURNAL_ID_LEN)
#define JOURNAL_DIGEST_LEN 16
#define JOURNAL_ENTRY_MAX                                                                          \
    (JOURNAL_REFERENCE + JOURNAL_REFERENCE_SIZE +                                                  \
     JOURNAL_WRAPPED_MAX * (OPEN_KEY_ID_LEN + 2 + RSA_LEN_MAX) + JOURNAL_QUESTION_MAX +            \
     AEAD_TAG_LEN + JOURNAL_DIGEST_LEN)

enum journal_state {
    JOURNAL_WAITS = 1,
    JOURNAL_SETTLED = 2,
    JOURNAL_REFUSED = 3 /* it waits, behind the others: a server has not opened it */
};

/* What is readable of an entry. */
struct journal_stop {
    int64_t stopped_s; /* by the kiosk's clock; 0: that could not be right */
    uint8_t id[JOURNAL_ID_LEN];
    char reference[JOURNAL_REFERENCE_SIZE]; /* empty: none was given; without control characters */
};

struct journal_wrapped {
    const uint8_t *key_id;
    const uint8_t *bytes;
    size_t len;
};

struct journal_entry {
    struct journal_stop stop;
    uint64_t at; /* in the file */
    size_t len;
    unsigned wrapped_count;
    struct journal_wrapped wrapped[JOURNAL_WRAPPED_MAX]; /* these point into `bytes` */
    size_t question_at, question_len;
    uint8_t bytes[JOURNAL_ENTRY_MAX];
};

/* 20 KiB: for static memory or the heap. */
struct journal {
    int fd;
    const char *path;
    struct journal_entry added, other; /* what it works with */
};

/* Opens a journal, which is this user's alone, or makes it. 0, or a negative code with the reason. */
int journal_open(struct journal *journal, const char *path, struct error *error);
void journal_close(struct journal *journal);

/* Keeps a question. The stop's id is made here. 0, or a negative code with the reason: then nothing is kept. */
int journal_keep(struct journal *journal, struct journal_stop *stop, const struct key_set *servers,
                 const uint8_t kiosk[KIOSK_ID_LEN], const void *question, size_t len,
                 struct random *random, struct error *error);

/* Takes the next entry in this state, from *at on, and moves that behind it; no other process is given it until it is
 * settled or left. 1 where there is one, 0 where there is none, or a negative code with the reason. */
int journal_next(struct journal *journal, uint64_t *at, enum journal_state state,
                 struct journal_entry *entry, struct error *error);

/* Decrypts the question; its length, or ERR_SIGNATURE. */
long journal_unseal(const struct journal_entry *entry, const uint8_t key[AEAD_KEY_LEN],
                    uint8_t question[JOURNAL_QUESTION_MAX]);

/* The entry is done with, for good. 0 or ERR_SYSTEM. */
int journal_settle(struct journal *journal, const struct journal_entry *entry, struct error *error);

/* The entry waits on; behind the others, where it was refused. */
void journal_leave(const struct journal *journal, const struct journal_entry *entry,
                   bool is_refused);

#endif
