/* Opening a session, and renewing it (PROTOCOL.md, "Opening" and "Renewal"), as functions from bytes to
 * bytes.
 *
 * The client sends a fresh secret under the RSA key of the server, which it has pinned, and an
 * X25519 share; the server answers with its own share and a ticket. The session's key comes from
 * both, so only the holder of the RSA key can answer, and who steals that key later cannot read
 * what was said before. Who the client is, it says inside the session (wire/identity.h).
 *
 * A kiosk that has said who it is gets a renewal ticket, too. With that it opens its next session without
 * RSA: a secret that follows from the session before takes the place of the one that is sent, and the
 * X25519 exchange is new. */
#ifndef DLV_WIRE_SESSION_H
#define DLV_WIRE_SESSION_H

#include "crypto/rsa.h"
#include "crypto/x25519.h"
#include "wire/cookie.h"
#include "wire/frame.h"
#include "wire/ticket.h"

#include <stdbool.h>

#define SESSION_SECRET_LEN 32

#define OPEN_KEY_ID_LEN 4 /* the first bytes of the id of the server's key */

/* Offsets in an OPEN frame, and as far as the renewal ticket in a RENEW frame, which has zeros behind it. */
#define OPEN_COOKIE FRAME_HEADER_LEN
#define OPEN_KEY_ID (OPEN_COOKIE + COOKIE_LEN)
#define OPEN_SHARE (OPEN_KEY_ID + OPEN_KEY_ID_LEN)
#define OPEN_RENEWAL (OPEN_SHARE + X25519_LEN)
#define OPEN_PROOF (OPEN_RENEWAL + RENEWAL_LEN)
#define OPEN_PROOF_LEN 16
#define OPEN_CIPHERTEXT (OPEN_PROOF + OPEN_PROOF_LEN)

/* Length of an OPEN frame to a server whose modulus has `n_len` bytes. */
#define OPEN_LEN(n_len) (OPEN_CIPHERTEXT + (n_len))
#define OPEN_MAX OPEN_LEN(RSA_LEN_MAX)

/* Offsets and lengths in an ACCEPT frame. */
#define ACCEPT_SHARE FRAME_HEADER_LEN
#define ACCEPT_RANDOM (ACCEPT_SHARE + X25519_LEN)
#define ACCEPT_RANDOM_LEN 16
#define ACCEPT_GRANT (ACCEPT_RANDOM + ACCEPT_RANDOM_LEN)
#define ACCEPT_LEN (ACCEPT_GRANT + GRANT_LEN + AEAD_TAG_LEN)
#define RENEW_LEN ACCEPT_LEN

/* Offsets in what is granted, as ACCEPT and ADMIT frames seal it. */
#define GRANT_TICKET 0
#define GRANT_LIFETIME (GRANT_TICKET + TICKET_LEN)
#define GRANT_TIME (GRANT_LIFETIME + 4)
#define GRANT_RENEWAL_LIFETIME (GRANT_TIME + 8)
#define GRANT_RENEWAL (GRANT_RENEWAL_LIFETIME + 4)
#define GRANT_LEN (GRANT_RENEWAL + RENEWAL_LEN)

/* --- the client's side ------------------------------------------------------------------------ */

/* An opening under way. Secret: wipe after use. */
struct opening {
    uint8_t secret[SESSION_SECRET_LEN];
    uint8_t exponent[X25519_LEN];
    uint8_t transcript[SHA256_LEN];
    size_t frame_len;
    uint8_t frame[OPEN_MAX]; /* the frame to send, OPEN or RENEW; its cookie is zeros */
};

/* An open session. Secret: wipe after use. */
struct session {
    uint8_t key[SESSION_KEY_LEN];
    uint8_t ticket[TICKET_LEN];
    uint32_t lifetime_s;   /* how long the ticket is good, from when it was made */
    int64_t server_time_s; /* when the ticket was made, in Unix seconds */
    /* how long the session can be renewed, from then; 0: not (any more) */
    uint32_t renewal_lifetime_s;
    uint8_t renewal[RENEWAL_LEN]; /* zeros: none was granted */
};

/* Begins an opening. It shows the renewal ticket of the session before with this server key, by which it is
 * preferred where many want a session; zeros: there is none. False where RSA fails (the server's key is too
 * short for OAEP with SHA-256). The random bytes come from `source` in this order: the secret, the exponent,
 * OAEP's seed. */
bool opening_begin(struct opening *opening, const struct rsa_public *server,
                   const struct session *before, const br_prng_class **source);

/* Begins the renewal of a session that was opened with this server key. The random bytes are the exponent. */
void opening_renew(struct opening *opening, const struct rsa_public *server,
                   const struct session *session, const br_prng_class **source);

/* Takes the server's ACCEPT frame. False where it does not come from the holder of the server's
 * key, or, of a renewal, from the server with whom the session before was. */
bool opening_finish(const struct opening *opening, const uint8_t *frame, size_t len,
                    struct session *session);

/* --- the server's side ------------------------------------------------------------------------ */

/* Finds an enrolled kiosk's key by the first bytes of the SHA-256 of its SubjectPublicKeyInfo, at least
 * KIOSK_ID_LEN. NULL where there is none, or where its enrolment has expired. */
typedef const struct rsa_public *(*session_find_kiosk)(const void *context, const uint8_t *id,
                                                       size_t id_len, int64_t now_s);

struct session_host {
    const struct rsa_private *key; /* which the client must mean */
    uint8_t id[SHA256_LEN];        /* rsa_public_id of the key */
    session_find_kiosk find_kiosk; /* NULL: no kiosk is enrolled */
    const void *kiosks;            /* passed to find_kiosk */
    bool is_anonymous_allowed;     /* to have receipts, as who is no kiosk */
    /* all of them open; the first one that is bound to the server's key seals */
    const struct ticket_key *ticket_keys;
    unsigned ticket_key_count;
    /* the same for renewal tickets; 0: none is granted */
    const struct ticket_key *renewal_keys;
    unsigned renewal_key_count;
    uint32_t lifetime_s; /* how long a ticket is good, in seconds */
    /* The server's exponent and its share. Several openings may use the same pair. It must be wiped
     * no later than the ticket key, which opens the same sessions. */
    uint8_t exponent[X25519_LEN];
    uint8_t share[X25519_LEN];
    int64_t made_s; /* when the exponent was made; for the owner's use */
};

/* Answers an OPEN frame: writes ACCEPT_LEN bytes at `accept`, with a ticket for an anonymous client.
 * The cookie is ignored; the caller has checked it where it matters. False where the opening is
 * refused: then `accept` holds nothing of use.
 *
 * In constant time for everything that was sent: a ciphertext that does not decrypt takes the same
 * steps as a good opening. The random bytes come from `source` in this order: the stand-in secret,
 * the frame's, the ticket's nonce. */
bool session_accept(const struct session_host *host, const uint8_t *frame, size_t len,
                    int64_t now_s, const br_prng_class **source, uint8_t accept[ACCEPT_LEN]);

/* Whether whoever has written this OPEN or RENEW frame has the secret of the renewal ticket in it. */
bool session_proves(const uint8_t *frame, size_t len, const struct ticket *renewal);

/* Answers a RENEW frame in the same way, with tickets for the kiosk that its renewal ticket names. False
 * where that is not good (any more), its kiosk is not enrolled (any more), or its chain has ended. The random
 * bytes come from `source` in this order: the frame's, the ticket's nonce, the renewal ticket's. */
bool session_renew(const struct session_host *host, const uint8_t *frame, size_t len, int64_t now_s,
                   const br_prng_class **source, uint8_t accept[ACCEPT_LEN]);

/* Writes what is granted with this ticket, and the renewal ticket that comes with it, where there are keys
 * for those, and its chain has not ended. The random bytes are the nonces of both. */
void session_grant(const struct session_host *host, const uint8_t server_id[SHA256_LEN],
                   const struct ticket *ticket, int64_t now_s, const br_prng_class **source,
                   uint8_t grant[GRANT_LEN]);

/* For the client: takes what was granted. */
void session_take_grant(struct session *session, const uint8_t grant[GRANT_LEN]);

#endif
