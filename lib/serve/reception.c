#include "serve/reception.h"

#include "base/bytes.h"
#include "net/socket.h"
#include "wire/identity.h"
#include "wire/respond.h"

#include <string.h>
#include <time.h>

static size_t refuse(const struct reception *reception, enum count_name name, enum refusal reason,
                     uint8_t reply[RECEPTION_REPLY_MAX]) {
    count(reception->counts, name);
    return respond_refuse(reply, reason);
}

/* No RSA operation is spent before the client has shown that it receives what is sent to its
 * address. Returns the length of the COOKIE frame that asks for it, or 0 where it has. */
static size_t check_cookie(const struct reception *reception, const uint8_t peer[ADDRESS_LEN],
                           const uint8_t *frame, uint8_t reply[RECEPTION_REPLY_MAX]) {
    const uint8_t *key = reception->admission.board->cookie_key;
    uint32_t now_s = (uint32_t)(net_now_ms() / 1000);
    if (cookie_check(frame + OPEN_COOKIE, key, peer, ADDRESS_LEN, now_s))
        return 0;
    count(reception->counts, COUNT_COOKIES);
    frame_write_header(reply, FRAME_COOKIE, 0, FRAME_HEADER_LEN + COOKIE_LEN);
    cookie_make(reply + FRAME_HEADER_LEN, key, peer, ADDRESS_LEN, now_s);
    return FRAME_HEADER_LEN + COOKIE_LEN;
}

static bool is_in_session(const uint8_t *frame) {
    return frame[FRAME_TYPE] == FRAME_IDENTIFY || frame[FRAME_TYPE] == FRAME_UNWRAP ||
           frame[FRAME_TYPE] == FRAME_RECEIPT;
}

/* Whether an OPEN or RENEW frame means one of our keys, or one of a session has its length. */
static bool is_for_us(const struct reception *reception, const uint8_t *frame, size_t len) {
    const struct key_set *own = &board_keys(reception->admission.board)->servers;
    if (is_in_session(frame))
        return len == IDENTIFY_LEN;
    int place = len > OPEN_SHARE ? key_set_find(own, frame + OPEN_KEY_ID, OPEN_KEY_ID_LEN) : -1;
    return place >= 0 &&
           len == (frame[FRAME_TYPE] == FRAME_RENEW ? RENEW_LEN : OPEN_LEN(own->keys[place].n_len));
}

/* --- tickets that are shown ------------------------------------------------------------------- */

/* What a ticket that is shown is worth. */
enum shown { SHOWN_BAD, SHOWN_AGAIN, SHOWN_FIRST };

static bool is_enrolled(const struct board *board, const uint8_t id[KIOSK_ID_LEN], int64_t now_s) {
    const struct kiosk *kiosk = board_find_kiosk(board, id);
    return kiosk != NULL && kiosk->not_after_s >= now_s;
}

/* Of an IDENTIFY, which is paid for once a session, and only by who has not said yet who he is; and of an UNWRAP or a
 * RECEIPT, which are an enrolled kiosk's. */
static enum shown look_at_session(const struct reception *reception, const uint8_t *frame,
                                  uint8_t hash[AEAD_TAG_LEN], uint8_t kiosk[KIOSK_ID_LEN]) {
    const struct board *board = reception->admission.board;
    const struct ticket_ring *ring = board_ring(board);
    int64_t now_s = time(NULL);
    struct ticket ticket;
    if (ticket_open(&ticket, frame + IDENTIFY_TICKET, ring->keys, ring->count) == NULL)
        return SHOWN_BAD;
    bool is_identify = frame[FRAME_TYPE] == FRAME_IDENTIFY;
    if (!is_identify)
        seen_hash(hash, board->seen_key, frame + IDENTIFY_TICKET, IDENTIFY_LEN - IDENTIFY_TICKET);
    else
        seen_hash(hash, board->seen_key, ticket.session_key, SESSION_KEY_LEN);
    /* Tickets travel in the clear: who has only heard one must not use up what is its owner's. */
    bool is_sealed = identity_is_sealed(frame, &ticket);
    wipe(ticket.session_key, sizeof ticket.session_key);
    if (ticket.expires_s < now_s || !is_sealed)
        return SHOWN_BAD;
    memcpy(kiosk, ticket.kiosk, KIOSK_ID_LEN);
    bool is_anonymous = bytes_are_zero(ticket.kiosk, KIOSK_ID_LEN);
    if (!is_identify)
        return is_enrolled(board, kiosk, now_s) ? SHOWN_FIRST : SHOWN_AGAIN;
    return is_anonymous ? SHOWN_FIRST : SHOWN_AGAIN;
}

/* Of an OPEN or RENEW, whose renewal ticket is its sender's own. What is looked at is the frame but for its cookie. */
static enum shown look_at_renewal(const struct reception *reception, const uint8_t *frame,
                                  size_t len, uint8_t hash[AEAD_TAG_LEN],
                                  uint8_t kiosk[KIOSK_ID_LEN]) {
    const struct board *board = reception->admission.board;
    const struct ticket_ring *ring = board_ring(board);
    int64_t now_s = time(NULL);
    struct ticket ticket;
    bool is_good =
        renewal_open(&ticket, frame + OPEN_RENEWAL, ring->renewals, ring->renewal_count) != NULL &&
        renewal_is_good(&ticket, now_s) && session_proves(frame, len, &ticket) &&
        is_enrolled(board, ticket.kiosk, now_s);
    wipe(ticket.session_key, sizeof ticket.session_key);
    if (!is_good)
        return SHOWN_BAD;
    memcpy(kiosk, ticket.kiosk, KIOSK_ID_LEN);
    seen_hash(hash, board->seen_key, frame + OPEN_KEY_ID, len - OPEN_KEY_ID);
    return SHOWN_FIRST;
}

/* What the ticket in a frame is worth. What is worth something is remembered, and counted as the kiosk's. */
static enum shown look_at(const struct reception *reception, const uint8_t *frame, size_t len) {
    struct seen *seen = &reception->admission.tally->seen;
    uint8_t hash[AEAD_TAG_LEN], kiosk[KIOSK_ID_LEN];
    bool is_identify = frame[FRAME_TYPE] == FRAME_IDENTIFY;
    enum shown shown = is_in_session(frame) ? look_at_session(reception, frame, hash, kiosk)
                                            : look_at_renewal(reception, frame, len, hash, kiosk);
    if (shown == SHOWN_FIRST &&
        (seen_before(seen, hash) ||
         (!is_identify && !admission_take_kiosk(&reception->admission, kiosk))))
        shown = SHOWN_AGAIN;
    if (shown == SHOWN_FIRST)
        seen_add(seen, hash);
    return shown;
}

/* --- the door --------------------------------------------------------------------------------- */

static void label(const struct reception *reception, const uint8_t peer[ADDRESS_LEN],
                  struct job *job) {
    job->network = admission_network(&reception->admission, peer);
    job->queue = admission_knows(&reception->admission, job->network) ? QUEUE_KNOWN : QUEUE_OTHER;
    job->deadline_ms = net_now_ms() + JOB_DEADLINE_MS;
}

size_t reception_take(const struct reception *reception, const uint8_t peer[ADDRESS_LEN],
                      bool wants_cookie, struct job *job, uint8_t *frame, size_t len,
                      uint8_t reply[RECEPTION_REPLY_MAX]) {
    enum shown shown = SHOWN_BAD;
    bool is_open = frame[FRAME_TYPE] == FRAME_OPEN, is_renew = frame[FRAME_TYPE] == FRAME_RENEW;
    bool needs_private_key = is_open || frame[FRAME_TYPE] == FRAME_UNWRAP;
    if (!is_for_us(reception, frame, len))
        return refuse(reception, COUNT_REFUSED_OPENING, REFUSED_OPENING, reply);
    /* Before anything is counted as the kiosk's. */
    if (is_renew && job == NULL)
        return refuse(reception, COUNT_REFUSED_BUSY, REFUSED_BUSY, reply);
    /* A renewal is so cheap, and its ticket so certain, that it needs no cookie. */
    if (is_renew)
        shown = look_at(reception, frame, len);
    if (is_renew && shown == SHOWN_BAD)
        return refuse(reception, COUNT_REFUSED_SESSION, REFUSED_SESSION, reply);
    bool needs_cookie = wants_cookie && shown != SHOWN_FIRST;
    size_t cookie_len = needs_cookie ? check_cookie(reception, peer, frame, reply) : 0;
    if (cookie_len > 0)
        return cookie_len;
    if (job == NULL)
        return refuse(reception, COUNT_REFUSED_BUSY, REFUSED_BUSY, reply);
    if (!is_renew)
        shown = look_at(reception, frame, len);
    if (shown != SHOWN_FIRST && !admission_take(&reception->admission, peer))
        return refuse(reception, COUNT_REFUSED_LIMIT, REFUSED_BUSY, reply);
    memset(frame + OPEN_COOKIE, 0, COOKIE_LEN);
    label(reception, peer, job);
    if (shown == SHOWN_FIRST)
        job->queue = needs_private_key ? QUEUE_KNOWN : QUEUE_SHORT;
    if (frame[FRAME_TYPE] == FRAME_RECEIPT)
        job->queue = QUEUE_RECEIPTS;
    /* Not a replay, and from where it says. */
    job->shows_network = shown == SHOWN_FIRST && (!wants_cookie || needs_cookie);
    if (is_open)
        count(reception->counts, COUNT_OPENINGS);
    return 0;
}

size_t reception_busy(const struct reception *reception, uint8_t reply[RECEPTION_REPLY_MAX]) {
    return refuse(reception, COUNT_REFUSED_BUSY, REFUSED_BUSY, reply);
}

bool reception_take_legacy(const struct reception *reception, const uint8_t peer[ADDRESS_LEN],
                           struct job *job) {
    bool is_taken = admission_take(&reception->admission, peer);
    if (!is_taken)
        count(reception->counts, COUNT_REFUSED_LIMIT);
    label(reception, peer, job);
    job->queue = QUEUE_LEGACY;
    return is_taken;
}
