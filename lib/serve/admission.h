/* Who may have a session opened now: limits on openings in total and from each source. A source is
 * an IPv4 address or an IPv6 /64; by a keyed hash, so that nobody can choose whose limit he shares.
 */
#ifndef DLV_SERVE_ADMISSION_H
#define DLV_SERVE_ADMISSION_H

#include "serve/board.h"

#include <stdbool.h>
#include <sys/socket.h>

struct admission {
    const struct board *board;
    struct tally *tally;
    unsigned per_second; /* openings in total; 0: no limit */
    unsigned per_source; /* and from one source */
};

#define ADDRESS_LEN 18 /* of an address and port, IPv4 as IPv6 writes it (RFC 4291, 2.5.5.2) */
void admission_address(uint8_t bytes[ADDRESS_LEN], const struct sockaddr_storage *address);

/* Whether one more opening from this source is allowed, by its own limit and by the limit for all.
 * An opening that is allowed is counted. */
bool admission_take(const struct admission *admission, const struct sockaddr_storage *address);

#endif
