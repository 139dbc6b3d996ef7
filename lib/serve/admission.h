/* Who may have a key-holder's time now: limits on its work in total and from each source.
 *
 * A source is a prefix of an address, and there are several lengths at once: whoever has a whole network
 * has no more than that network's limit. Limits are leaky buckets (serve/limit.h), in a table of fixed
 * size. Each prefix has two places in it, by a keyed hash, and is stopped only where both are full: so a
 * flood of sources does not stop the others, and nobody can choose whose place he shares. */
#ifndef DLV_SERVE_ADMISSION_H
#define DLV_SERVE_ADMISSION_H

#include "serve/board.h"

#include <stdbool.h>
#include <sys/socket.h>

struct admission {
    const struct board *board;
    struct tally *tally;
    unsigned per_second; /* jobs in total, of networks with kiosks and of others; 0: no limit */
    unsigned per_source; /* and from one address; 0: no limit. Networks have a multiple of it */
};

#define ADDRESS_LEN 18 /* of an address and port, IPv4 as IPv6 writes it (RFC 4291, 2.5.5.2) */
void admission_address(uint8_t bytes[ADDRESS_LEN], const struct sockaddr_storage *address);

/* A number for the network that the address is in (an IPv4 /24, an IPv6 /56), by a keyed hash. */
uint64_t admission_network(const struct admission *admission, const uint8_t address[ADDRESS_LEN]);

/* Whether one more job from this source is allowed, by the limits of its prefixes and by the limit for
 * all. A job that is allowed is counted. */
bool admission_take(const struct admission *admission, const uint8_t address[ADDRESS_LEN]);

/* Whether this kiosk, which has shown a ticket, may have one more job that nobody else pays for: one a second,
 * and VOUCHED_BURST at once. */
#define VOUCHED_BURST 16
bool admission_take_kiosk(const struct admission *admission, const uint8_t kiosk[KIOSK_ID_LEN]);

/* An enrolled kiosk of this network has said who it is; and whether one has within the last day. Such
 * networks come first, and have ADMISSION_KNOWN_TIMES the limits. */
#define ADMISSION_KNOWN_TIMES 16
void admission_note_kiosk(const struct admission *admission, uint64_t network);
bool admission_knows(const struct admission *admission, uint64_t network);

#endif
