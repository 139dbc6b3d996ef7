/* Tickets (PROTOCOL.md, "Tickets"). A ticket is a session that the server has sealed with a key of
 * its own and that the client keeps. So servers store no sessions, and every server with the key
 * can answer.
 *
 * A renewal ticket is a kiosk's right to another session without RSA: it holds a secret that both can
 * derive from the session's key, but from which that key does not follow. */
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
#define RENEWAL_SEALED_LEN (TICKET_SEALED_LEN + 8)
#define RENEWAL_LEN (TICKET_KEY_ID_LEN + AEAD_NONCE_LEN + RENEWAL_SEALED_LEN + AEAD_TAG_LEN)

#define RENEWAL_LIFETIME_S (25 * 3600) /* how long a renewal ticket can be used */
/* How long sessions follow one from the other without RSA at most, and how much less that may be. */
#define RENEWAL_CHAIN_S (7 * 86400)
#define RENEWAL_CHAIN_JITTER_S 86400

/* What tickets are bound to: elsewhere they are good for nothing. */
struct ticket_binding {
    uint8_t server_id[SHA256_LEN]; /* rsa_public_id of the server's key */
    uint8_t digest[SHA256_LEN];    /* of that and the authority's */
};

/* This is a secret. Its owner wipes it when it is no longer used. */
struct ticket_key {
    uint8_t server_id[SHA256_LEN]; /* not secret: of the key that sessions were opened with */
    uint8_t id[TICKET_KEY_ID_LEN]; /* not secret */
    uint8_t key[AEAD_KEY_LEN];
    /* of renewal tickets: sessions that follow from one end by then; 0: no such limit */
    int64_t chain_limit_s;
};

/* What a ticket or a renewal ticket holds. Secret: wipe after use. */
struct ticket {
    /* of a renewal ticket, the secret (ticket_renewal_secret) */
    uint8_t session_key[SESSION_KEY_LEN];
    uint8_t kiosk[KIOSK_ID_LEN]; /* zeros for an anonymous client */
    int64_t expires_s;           /* Unix seconds */
    int64_t chain_ends_s; /* of a renewal ticket: until then sessions follow one from the other */
};

/* What the keys that are derived from a secret are for. */
enum ticket_use { TICKET_SESSIONS, TICKET_RENEWALS };

/* Binds to these two, of which the ids (rsa_public_id) are given. */
void ticket_bind(struct ticket_binding *binding, const uint8_t server_id[SHA256_LEN],
                 const uint8_t authority_id[SHA256_LEN]);

/* Derives the ticket key of a period (an hour, or of renewal tickets a day, counted from 1970), and its id,
 * from 32 secret bytes. */
void ticket_key_init(struct ticket_key *key, enum ticket_use use,
                     const uint8_t secret[AEAD_KEY_LEN], const struct ticket_binding *binding,
                     int64_t period);

/* The first of the keys that is bound to the server's key with this id; NULL: none is. */
const struct ticket_key *ticket_key_of(const struct ticket_key *keys, unsigned key_count,
                                       const uint8_t server_id[SHA256_LEN]);

/* Seals a ticket. `nonce` must be random. */
void ticket_seal(uint8_t sealed[TICKET_LEN], const struct ticket *ticket,
                 const struct ticket_key *key, const uint8_t nonce[AEAD_NONCE_LEN]);

/* Opens a ticket with the one of `key_count` keys that it names, which is returned. NULL where no such
 * key is there, or where the ticket was not sealed with it. The caller must check whether it has
 * expired. */
const struct ticket_key *ticket_open(struct ticket *ticket, const uint8_t sealed[TICKET_LEN],
                                     const struct ticket_key *keys, unsigned key_count);

/* The same for renewal tickets, under keys of their own. */
void renewal_seal(uint8_t sealed[RENEWAL_LEN], const struct ticket *ticket,
                  const struct ticket_key *key, const uint8_t nonce[AEAD_NONCE_LEN]);
const struct ticket_key *renewal_open(struct ticket *ticket, const uint8_t sealed[RENEWAL_LEN],
                                      const struct ticket_key *keys, unsigned key_count);

/* Whether it can be a renewal ticket that was sealed within its lifetime by a server whose clock is at most an hour
 * off: whoever has had its key could make it say anything. */
bool renewal_is_good(const struct ticket *ticket, int64_t now_s);

/* The secret by which a session is renewed. */
void ticket_renewal_secret(uint8_t secret[SESSION_KEY_LEN],
                           const uint8_t session_key[SESSION_KEY_LEN]);

#endif
