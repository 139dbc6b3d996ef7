/* Tickets (PROTOCOL.md, "Tickets"). A ticket is a session that the server has sealed with a key of
 * its own and that the client keeps. So servers store no sessions, and every server with the key
 * can answer. */
#ifndef DLV_WIRE_TICKET_H
#define DLV_WIRE_TICKET_H

#include "crypto/aead.h"
#include "crypto/sha256.h"

#include <stdbool.h>
#include <stdint.h>

#define SESSION_KEY_LEN AEAD_KEY_LEN
#define KIOSK_ID_LEN 16 /* the first bytes of the SHA-256 of the kiosk's SubjectPublicKeyInfo */

#define TICKET_KEY_ID_LEN 4
#define TICKET_SEALED_LEN (SESSION_KEY_LEN + KIOSK_ID_LEN + 8)
#define TICKET_LEN (TICKET_KEY_ID_LEN + AEAD_NONCE_LEN + TICKET_SEALED_LEN + AEAD_TAG_LEN)

/* This is a secret. Its owner wipes it when it is no longer used. */
struct ticket_key {
    uint8_t id[TICKET_KEY_ID_LEN]; /* not secret */
    uint8_t key[AEAD_KEY_LEN];
};

struct ticket {
    uint8_t session_key[SESSION_KEY_LEN];
    uint8_t kiosk[KIOSK_ID_LEN]; /* zeros for an anonymous client */
    int64_t expires_s;           /* Unix seconds */
};

/* What tickets are bound to, of the ids (rsa_public_id) of the server's key and of the authority's:
 * elsewhere they are good for nothing. */
void ticket_binding(uint8_t binding[SHA256_LEN], const uint8_t server_id[SHA256_LEN],
                    const uint8_t authority_id[SHA256_LEN]);

/* Derives the ticket key of a period (an hour, counted from 1970), and its id, from 32 secret bytes. */
void ticket_key_init(struct ticket_key *key, const uint8_t secret[AEAD_KEY_LEN],
                     const uint8_t binding[SHA256_LEN], int64_t period);

/* Seals a ticket. `nonce` must be random. */
void ticket_seal(uint8_t sealed[TICKET_LEN], const struct ticket *ticket,
                 const struct ticket_key *key, const uint8_t nonce[AEAD_NONCE_LEN]);

/* Opens a ticket with the one of `key_count` keys that it names. False where no such key is there,
 * or where the ticket was not sealed with it. The caller must check whether it has expired. */
bool ticket_open(struct ticket *ticket, const uint8_t sealed[TICKET_LEN],
                 const struct ticket_key *keys, unsigned key_count);

#endif
