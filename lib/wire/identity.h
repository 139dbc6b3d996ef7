/* Saying who asks, and having keys unwrapped (PROTOCOL.md, "Identity" and "Kept questions"), as functions from bytes
 * to bytes.
 *
 * In an open session an enrolled kiosk signs something that only the two ends of this session know,
 * and gets another ticket for it, which names the kiosk. It is sealed under the session's key, of
 * which an X25519 exchange is a part: who steals the server's RSA key later does not learn who has
 * asked. */
#ifndef DLV_WIRE_IDENTITY_H
#define DLV_WIRE_IDENTITY_H

#include "wire/session_frame.h"

/* Offsets in an identity. */
#define IDENTITY_KIND 0
#define IDENTITY_ZERO 1
#define IDENTITY_SIGNATURE_LEN 2
#define IDENTITY_ID 4
#define IDENTITY_SIGNATURE (IDENTITY_ID + SHA256_LEN)

/* Offsets and length of what an ADMIT frame seals. */
#define ADMITTED_GRANT SEALED_ANSWER
#define ADMIT_SEALED_LEN (ADMITTED_GRANT + GRANT_LEN)
#define ADMIT_LEN SEALED_ANSWER_LEN(ADMIT_SEALED_LEN)

/* Offsets in what an UNWRAP frame seals, at IDENTIFY_BODY and as long as an identity. */
#define UNWRAP_KEY_ID 0 /* the first bytes of the id of the server's key */
#define UNWRAP_LEN OPEN_KEY_ID_LEN
#define UNWRAP_ZERO (UNWRAP_LEN + 2)
#define UNWRAP_WRAPPED (UNWRAP_ZERO + 2)

/* Where an UNWRAPPED frame has the key, which otherwise has the form of an ADMIT. */
#define UNWRAPPED_KEY ADMITTED_GRANT
#define UNWRAPPED_KEY_LEN AEAD_KEY_LEN

/* For the client: writes and seals an IDENTIFY frame with a cookie of zeros. `random` must be fresh.
 * False where RSA fails. */
bool identity_seal(uint8_t frame[IDENTIFY_LEN], const struct session *session,
                   const struct rsa_public *server, const struct rsa_private *kiosk,
                   const uint8_t random[ASK_RANDOM_LEN]);

/* For the client: takes the ADMIT frame that came for `identify`, and the session's new ticket. */
enum admission_status identity_finish(struct session *session, const uint8_t *identify,
                                      const uint8_t *frame, size_t len);

/* For the server: answers an IDENTIFY frame of a session that was opened with any of its keys, whose cookie must
 * be zeros, and which is decrypted in place. Writes ADMIT_LEN bytes at `admit`, unless the result is
 * ADMISSION_FOREIGN: the ticket is not good, or the frame not the session's.
 *
 * In constant time for whether and which kiosk is known: an unknown or expired one and a bad signature take the
 * same steps as a good one. The random bytes come from `source` in this order: the rest of the frame's nonce,
 * then those of session_grant. */
enum admission_status session_admit(const struct session_host *host, uint8_t *frame, size_t len,
                                    int64_t now_s, const br_prng_class **source,
                                    uint8_t admit[ADMIT_LEN]);

/* Wraps a key for a server and this kiosk: server->n_len bytes. False where RSA fails. */
bool key_wrap(const struct rsa_public *server, const uint8_t kiosk[KIOSK_ID_LEN],
              const uint8_t key[UNWRAPPED_KEY_LEN], const br_prng_class **source, uint8_t *wrapped);

/* For the client: writes and seals an UNWRAP frame with a cookie of zeros about a key that was wrapped for the server's
 * key with this id. `random` must be fresh. */
void unwrap_seal(uint8_t frame[IDENTIFY_LEN], const struct session *session,
                 const uint8_t key_id[OPEN_KEY_ID_LEN], const uint8_t *wrapped, size_t wrapped_len,
                 const uint8_t random[ASK_RANDOM_LEN]);

/* For the client: takes the UNWRAPPED frame that came for `unwrap`, and the key. */
enum admission_status unwrap_finish(const struct session *session, const uint8_t *unwrap,
                                    const uint8_t *frame, size_t len,
                                    uint8_t key[UNWRAPPED_KEY_LEN]);

/* For the server: answers an UNWRAP frame as session_admit does an IDENTIFY frame. `keys` are the server's. In
 * constant time for everything that was wrapped: what does not decrypt takes the same steps. */
enum admission_status session_unwrap(const struct session_host *host,
                                     const struct rsa_private *keys, unsigned key_count,
                                     uint8_t *frame, size_t len, int64_t now_s,
                                     const br_prng_class **source, uint8_t unwrapped[ADMIT_LEN]);

#endif
