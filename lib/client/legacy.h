/* Asking a server over TCP in the legacy protocol. */
#ifndef DLV_CLIENT_LEGACY_H
#define DLV_CLIENT_LEGACY_H

#include "crypto/random.h"
#include "crypto/sha256.h"
#include "net/socket.h"

#include <stdbool.h>

struct client_legacy_answer {
    bool is_valid;     /* all that this protocol says */
    unsigned key_bits; /* of the key the server sent, unauthenticated */
    char server[NET_HOST_SIZE + NET_PORT_SIZE + 1]; /* who answered, as it was named */
};

/* Asks about `digest`, one connection, trying each of `servers` ("host:port,host:port", port 8080
 * where there is none) until one answers; each may take timeout_ms. 0, or the last server's
 * failure: ERR_SYSTEM, ERR_TIMEOUT, or ERR_FORMAT (not this protocol, no whole answer). */
int client_legacy_ask(const char *servers, const uint8_t digest[SHA256_LEN], struct random *random,
                      int64_t timeout_ms, struct client_legacy_answer *answer, struct error *error);

#endif
