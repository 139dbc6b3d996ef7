/* OPEN, IDENTIFY, RENEW and UNWRAP frames at the door: whether one goes to a key-holder, or what it is told
 * instead. TCP and UDP are received the same way, except that UDP wants a cookie first.
 *
 * What an enrolled kiosk sends with a renewal ticket or in its session, and the IDENTIFY that belongs to an
 * opening, is paid for: it needs nothing of what strangers share, so they cannot use that up. But only once:
 * what comes again may be a listener's replay, and is its source's. */
#ifndef DLV_SERVE_RECEPTION_H
#define DLV_SERVE_RECEPTION_H

#include "serve/admission.h"
#include "serve/requests.h"
#include "wire/frame.h"

struct reception {
    struct admission admission;
    struct counts *counts;
};

/* Room for the longest reply. */
#define RECEPTION_REPLY_MAX (FRAME_HEADER_LEN + COOKIE_LEN)

/* There is no room for a job: writes what its client is told. */
size_t reception_busy(const struct reception *reception, uint8_t reply[RECEPTION_REPLY_MAX]);

/* Whether a question of the original protocol, which costs as much as an opening, may be given to a
 * key-holder. Then the job says where it waits. */
bool reception_take_legacy(const struct reception *reception, const uint8_t peer[ADDRESS_LEN],
                           struct job *job);

/* Receives an OPEN, IDENTIFY, RENEW or UNWRAP frame of `len` bytes from `peer`.
 *
 * wants_cookie  over UDP, where nobody has shown yet that the address is the sender's own
 * job           NULL: there is no memory for one more
 * Returns 0 where the frame goes to a key-holder; its cookie is then zeros, and the job says where it waits.
 * Otherwise returns the length of the reply at `reply`: a COOKIE, or a REFUSE. */
size_t reception_take(const struct reception *reception, const uint8_t peer[ADDRESS_LEN],
                      bool wants_cookie, struct job *job, uint8_t *frame, size_t len,
                      uint8_t reply[RECEPTION_REPLY_MAX]);

#endif
