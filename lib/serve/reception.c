#include "serve/reception.h"

#include "net/socket.h"
#include "wire/identity.h"
#include "wire/respond.h"

#include <string.h>

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

/* Whether an OPEN frame means one of our keys. */
static bool is_for_us(const struct reception *reception, const uint8_t *frame, size_t len) {
    const struct key_set *own = &board_keys(reception->admission.board)->servers;
    int place = len > OPEN_SHARE ? key_set_find(own, frame + OPEN_KEY_ID, OPEN_KEY_ID_LEN) : -1;
    return place >= 0 && len == OPEN_LEN(own->keys[place].n_len);
}

size_t reception_take(const struct reception *reception, const uint8_t peer[ADDRESS_LEN],
                      bool wants_cookie, bool has_room, uint8_t *frame, size_t len,
                      uint8_t reply[RECEPTION_REPLY_MAX]) {
    bool is_identify = frame[FRAME_TYPE] == FRAME_IDENTIFY;
    if (is_identify ? len != IDENTIFY_LEN : !is_for_us(reception, frame, len))
        return refuse(reception, COUNT_REFUSED_OPENING, REFUSED_OPENING, reply);
    size_t cookie_len = wants_cookie ? check_cookie(reception, peer, frame, reply) : 0;
    if (cookie_len > 0)
        return cookie_len;
    if (!admission_take(&reception->admission, peer))
        return refuse(reception, COUNT_REFUSED_LIMIT, REFUSED_BUSY, reply);
    if (!has_room)
        return refuse(reception, COUNT_REFUSED_BUSY, REFUSED_BUSY, reply);
    memset(frame + OPEN_COOKIE, 0, COOKIE_LEN);
    if (!is_identify)
        count(reception->counts, COUNT_OPENINGS);
    return 0;
}

size_t reception_busy(const struct reception *reception, uint8_t reply[RECEPTION_REPLY_MAX]) {
    return refuse(reception, COUNT_REFUSED_BUSY, REFUSED_BUSY, reply);
}

bool reception_take_legacy(const struct reception *reception, const uint8_t peer[ADDRESS_LEN]) {
    bool is_taken = admission_take(&reception->admission, peer);
    if (!is_taken)
        count(reception->counts, COUNT_REFUSED_LIMIT);
    return is_taken;
}

void reception_label(const struct reception *reception, const uint8_t peer[ADDRESS_LEN],
                     struct job *job) {
    job->network = admission_network(&reception->admission, peer);
    job->is_known = admission_knows(&reception->admission, job->network);
    job->deadline_ms = net_now_ms() + JOB_DEADLINE_MS;
}
