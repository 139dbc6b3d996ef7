/* Which questions have been seen before, by any worker: a memory of fixed size.
 *
 * A question that comes again may be a client's repetition over UDP, so it is answered; but it may be a
 * listener's replay, too, so nothing is done for it that a kiosk pays for. A question is known by a hash
 * of its whole frame under a key of this server's: who has the session's key can choose the frame's own
 * tag, but not this. What was refused is not remembered: it was not answered yet.
 *
 * Two Bloom filters (Bloom, 1970): new hashes go into one, and when that has SEEN_TAGS of them, it takes the
 * place of the other, which is emptied. So the last SEEN_TAGS frames, at least, are known; of those that
 * are new, one in some four hundred is taken for known. */
#ifndef DLV_SERVE_SEEN_H
#define DLV_SERVE_SEEN_H

#include "crypto/aead.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEEN_TAGS (1u << 20)
#define SEEN_WORDS (16 * SEEN_TAGS / 64) /* sixteen bits a tag: 2 MiB */

struct seen {
    _Atomic uint32_t turn;  /* its lowest bit says which filter takes new tags */
    _Atomic uint32_t count; /* of new tags in this turn */
    _Atomic uint64_t filters[2][SEEN_WORDS];
};

/* The hash. The key must be the same in all workers, and secret. */
void seen_hash(uint8_t hash[AEAD_TAG_LEN], const uint8_t key[AEAD_KEY_LEN], const uint8_t *frame,
               size_t len);

/* Whether a frame with this hash was seen before; and that it is seen now. In memory that the workers
 * share; to begin with, zeros. */
bool seen_before(struct seen *seen, const uint8_t hash[AEAD_TAG_LEN]);
void seen_add(struct seen *seen, const uint8_t hash[AEAD_TAG_LEN]);

#endif
