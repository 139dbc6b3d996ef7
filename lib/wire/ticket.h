/* Tickets: a session, sealed by the server under a key of its own and kept by the client, so that
 * servers keep nothing and any that has the key can answer (PROTOCOL.md, "Tickets"). */
#ifndef DLV_WIRE_TICKET_H
#define DLV_WIRE_TICKET_H

#include "crypto/aead.h"

#include <stdbool.h>
#include <stdint.h>

#define SESSION_KEY_LEN AEAD_KEY_LEN
#define KIOSK_ID_LEN 16 /* of the SHA-256 of the kiosk's SubjectPublicKeyInfo, the first bytes */

#define TICKET_KEY_ID_LEN 4
#define TICKET_SEALED_LEN (SESSION_KEY_LEN + KIOSK_ID_LEN + 8)
#define TICKET_LEN (TICKET_KEY_ID_LEN + AEAD_NONCE_LEN + TICKET_SEALED_LEN + AEAD_TAG_LEN)

/* A secret: wiped when it goes out of use. */
struct ticket_key {
    uint8_t id[TICKET_KEY_ID_LEN]; /* not secret */
    uint8_t key[AEAD_KEY_LEN];
};

struct ticket {
    uint8_t session_key[SESSION_KEY_LEN];
    uint8_t kiosk[KIOSK_ID_LEN]; /* zeros: anonymous */
    int64_t expires_s;           /* Unix seconds */
};

/* The key that 32 secret bytes stand for, with its id. */
void ticket_key_init(struct ticket_key *key, const uint8_t secret[AEAD_KEY_LEN]);

/* `nonce` is random. */
void ticket_seal(uint8_t sealed[TICKET_LEN], const struct ticket *ticket,
                 const struct ticket_key *key, const uint8_t nonce[AEAD_NONCE_LEN]);

/* Opens a ticket with the one of `key_count` keys that it names. 1, or 0 where there is none or it
 * is not ours. Whether it has expired is for the caller to say. */
bool ticket_open(struct ticket *ticket, const uint8_t sealed[TICKET_LEN],
                 const struct ticket_key *keys, unsigned key_count);

#endif
