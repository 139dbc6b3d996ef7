/* Which questions have been seen before, by any worker: a memory of fixed size.
 *
 * A question that comes again may be a client's repetition over UDP, so it is answered; but it may be a
 * listener's replay, too, so nothing is done for it that a kiosk pays for. Each question's tag is
 * practically unique, and only the ends of its session can make one that is good.
 *
 * Two Bloom filters (Bloom, 1970): new tags go into one, and when that has SEEN_TAGS of them, it takes the
 * place of the other, which is emptied. So the last SEEN_TAGS tags, at least, are known; of those that
 * are new, one in some four hundred is taken for known. */
#ifndef DLV_SERVE_SEEN_H
#define DLV_SERVE_SEEN_H

#include "crypto/aead.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define SEEN_TAGS (1u << 20)
#define SEEN_WORDS (16 * SEEN_TAGS / 64) /* sixteen bits a tag: 2 MiB */

struct seen {
    _Atomic uint32_t turn;  /* its lowest bit says which filter takes new tags */
    _Atomic uint32_t count; /* of new tags in this turn */
    _Atomic uint64_t filters[2][SEEN_WORDS];
};

/* Whether the tag was seen before; from now on it was. In memory that the workers share; to begin with,
 * zeros. */
bool seen_before(struct seen *seen, const uint8_t tag[AEAD_TAG_LEN]);

#endif
