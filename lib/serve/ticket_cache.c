#include "serve/ticket_cache.h"

#include "base/bytes.h"

#include <string.h>

/* Until when the ticket's kiosk may ask; 0: not at all. Whether an anonymous client may ask is
 * decided where it asks. */
static int64_t kiosk_until(const struct board *board, const uint8_t id[KIOSK_ID_LEN],
                           struct quota *quota) {
    if (bytes_are_zero(id, KIOSK_ID_LEN))
        return INT64_MAX;
    const struct kiosk *kiosk = board_find_kiosk(board, id);
    if (kiosk != NULL)
        *quota = kiosk->quota;
    return kiosk != NULL ? kiosk->not_after_s : 0;
}

/* Opens a ticket and puts it into its place. False where it is not ours. */
static bool learn(struct known_ticket *known, const struct board *board,
                  const uint8_t sealed[TICKET_LEN], unsigned kiosks_now, unsigned ring_now) {
    const struct ticket_ring *ring = board_ring(board);
    struct ticket opened;
    if (ticket_open(&opened, sealed, ring->keys, ring->count) == NULL)
        return false;
    int64_t until_s = kiosk_until(board, opened.kiosk, &known->quota);
    if (opened.expires_s > until_s)
        opened.expires_s = until_s;
    known->is_known = true;
    known->kiosks_now = kiosks_now;
    known->ring_now = ring_now;
    known->opened = opened;
    memcpy(known->sealed, sealed, TICKET_LEN);
    wipe(&opened, sizeof opened);
    return true;
}

const struct known_ticket *ticket_cache_open(struct ticket_cache *cache, const struct board *board,
                                             const uint8_t sealed[TICKET_LEN], int64_t now_s) {
    unsigned kiosks_now = atomic_load_explicit(&board->kiosks_now, memory_order_acquire);
    unsigned ring_now = atomic_load_explicit(&board->ring_now, memory_order_acquire);
    unsigned place = load_le16(sealed + TICKET_LEN - AEAD_TAG_LEN) % TICKET_CACHE_SIZE;
    struct known_ticket *known = &cache->known[place];
    bool is_known = known->is_known && known->kiosks_now == kiosks_now &&
                    known->ring_now == ring_now && memcmp(known->sealed, sealed, TICKET_LEN) == 0;
    if (!is_known && !learn(known, board, sealed, kiosks_now, ring_now))
        return NULL;
    return known->opened.expires_s >= now_s ? known : NULL;
}

void ticket_cache_forget(struct ticket_cache *cache, const struct board *board, int64_t now_s) {
    unsigned kiosks_now = atomic_load_explicit(&board->kiosks_now, memory_order_acquire);
    unsigned ring_now = atomic_load_explicit(&board->ring_now, memory_order_acquire);
    for (unsigned i = 0; i < TICKET_CACHE_SIZE; i++) {
        struct known_ticket *known = &cache->known[i];
        if (known->is_known && (known->kiosks_now != kiosks_now || known->ring_now != ring_now ||
                                known->opened.expires_s < now_s))
            wipe(known, sizeof *known);
    }
}
