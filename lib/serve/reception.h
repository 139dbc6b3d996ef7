/* OPEN and IDENTIFY frames at the door: whether one goes to a key-holder, or what it is told instead. TCP and
 * UDP are received the same way, except that UDP wants a cookie first. */
#ifndef DLV_SERVE_RECEPTION_H
#define DLV_SERVE_RECEPTION_H

#include "serve/admission.h"
#include "wire/frame.h"

struct reception {
    struct admission admission;
    struct counts *counts;
};

/* Room for the longest reply. */
#define RECEPTION_REPLY_MAX (FRAME_HEADER_LEN + COOKIE_LEN)

/* Receives an OPEN or IDENTIFY frame of `len` bytes from `peer`.
 *
 * wants_cookie  over UDP, where nobody has shown yet that the address is the sender's own
 * has_room      false: as many openings wait for key-holders as may
 * Returns 0 where the frame goes to a key-holder; its cookie is then zeros. Otherwise returns the
 * length of the reply at `reply`: a COOKIE, or a REFUSE. */
size_t reception_take(const struct reception *reception, const struct sockaddr_storage *peer,
                      bool wants_cookie, bool has_room, uint8_t *frame, size_t len,
                      uint8_t reply[RECEPTION_REPLY_MAX]);

#endif
