#include "wire/identity.h"

#include "base/bytes.h"
#include "crypto/rsa_key.h"

#include <string.h>

enum { IDENTITY_KIOSK = 1 };

/* --- identity ------------------------------------------------------------------------------------ */

/* The digest that the kiosk signs: of this server's id, and of what follows from the session's key
 * alone. Nobody who is not an end of this session can use the signature. */
static void signed_digest(uint8_t digest[SHA256_LEN], const uint8_t server_id[SHA256_LEN],
                          const uint8_t session_key[SESSION_KEY_LEN]) {
    static const char purpose[] = "dlv session 2 identity", prefix[] = "dlv session 2 kiosk";
    uint8_t binder[SHA256_LEN];
    struct sha256 hash;
    hmac_sha256(binder, session_key, SESSION_KEY_LEN, purpose, sizeof purpose - 1);
    sha256_init(&hash);
    sha256_update(&hash, prefix, sizeof prefix - 1);
    sha256_update(&hash, server_id, SHA256_LEN);
    sha256_update(&hash, binder, sizeof binder);
    sha256_out(&hash, digest);
    wipe(binder, sizeof binder);
}

bool identity_seal(uint8_t frame[IDENTIFY_LEN], const struct session *session,
                   const struct rsa_public *server, const struct rsa_private *kiosk,
                   const uint8_t random[ASK_RANDOM_LEN]) {
    uint8_t server_id[SHA256_LEN], digest[SHA256_LEN];
    uint8_t *identity = frame + IDENTIFY_BODY;
    session_frame_begin(frame, FRAME_IDENTIFY, session, random);
    identity[IDENTITY_KIND] = IDENTITY_KIOSK;
    store_le16(identity + IDENTITY_SIGNATURE_LEN, (uint16_t)kiosk->public.n_len);
    rsa_public_id(&kiosk->public, identity + IDENTITY_ID);
    rsa_public_id(server, server_id);
    signed_digest(digest, server_id, session->key);
    if (!rsa_sign(kiosk, digest, identity + IDENTITY_SIGNATURE))
        return false;
    session_frame_seal(frame, session);
    return true;
}

enum admission_status identity_finish(struct session *session, const uint8_t *identify,
                                      const uint8_t *frame, size_t len) {
    uint8_t admitted[ADMIT_SEALED_LEN];
    if (!session_frame_open_answer(session, FRAME_ADMIT, identify, frame, len, admitted,
                                   sizeof admitted))
        return ADMISSION_FOREIGN;
    if (admitted[ADMITTED_STATUS] == ADMISSION_NOT_ENROLLED)
        return ADMISSION_NOT_ENROLLED;
    session_take_grant(session, admitted + ADMITTED_GRANT);
    return ADMISSION_GOOD;
}

/* Whether the identity is that of an enrolled kiosk. Where kiosks are enrolled, a signature is
 * verified in every case, so that the time does not tell whether a kiosk is known. */
static bool check_identity(const struct session_host *host, const uint8_t server_id[SHA256_LEN],
                           const uint8_t identity[IDENTITY_LEN],
                           const uint8_t session_key[SESSION_KEY_LEN], int64_t now_s) {
    uint8_t digest[SHA256_LEN];
    if (host->find_kiosk == NULL)
        return false;
    const struct rsa_public *kiosk =
        host->find_kiosk(host->kiosks, identity + IDENTITY_ID, SHA256_LEN, now_s);
    bool is_known =
        kiosk != NULL && identity[IDENTITY_KIND] == IDENTITY_KIOSK && identity[IDENTITY_ZERO] == 0;
    const struct rsa_public *key = kiosk != NULL ? kiosk : &host->key->public;
    signed_digest(digest, server_id, session_key);
    bool is_signed = rsa_verify(key, digest, identity + IDENTITY_SIGNATURE, key->n_len);
    is_signed &= load_le16(identity + IDENTITY_SIGNATURE_LEN) == key->n_len;
    return is_known & is_signed;
}

/* Writes the ADMIT frame. The old ticket becomes the new one. */
static void write_admit(const struct session_host *host, const uint8_t server_id[SHA256_LEN],
                        const uint8_t *identify, struct ticket *ticket, bool is_admitted,
                        int64_t now_s, const br_prng_class **source, uint8_t admit[ADMIT_LEN]) {
    uint8_t *admitted = admit + ADMIT_BODY;
    session_frame_begin_answer(admit, FRAME_ADMIT, identify, ADMIT_SEALED_LEN, source);
    admitted[ADMITTED_STATUS] = is_admitted ? ADMISSION_GOOD : ADMISSION_NOT_ENROLLED;
    if (is_admitted) {
        memcpy(ticket->kiosk, identify + IDENTIFY_BODY + IDENTITY_ID, KIOSK_ID_LEN);
        ticket->expires_s = now_s + host->lifetime_s;
        ticket->chain_ends_s = 0; /* it begins */
        session_grant(host, server_id, ticket, now_s, source, admitted + ADMITTED_GRANT);
    }
    session_frame_seal_answer(admit, ADMIT_SEALED_LEN, ticket);
}

enum admission_status session_admit(const struct session_host *host, uint8_t *frame, size_t len,
                                    int64_t now_s, const br_prng_class **source,
                                    uint8_t admit[ADMIT_LEN]) {
    struct ticket ticket;
    const struct ticket_key *opening =
        session_frame_open(host, FRAME_IDENTIFY, frame, len, now_s, &ticket);
    if (opening == NULL)
        return ADMISSION_FOREIGN;
    /* The session was opened with this key of the server's, which need not be its first. */
    const uint8_t *server_id = opening->server_id;
    bool is_admitted =
        check_identity(host, server_id, frame + IDENTIFY_BODY, ticket.session_key, now_s);
    write_admit(host, server_id, frame, &ticket, is_admitted, now_s, source, admit);
    wipe(&ticket, sizeof ticket);
    return is_admitted ? ADMISSION_GOOD : ADMISSION_NOT_ENROLLED;
}

/* --- keys that are unwrapped ----------------------------------------------------------------------- */

static const char wrapped_label[] = "dlv kept question 1";

/* What is wrapped: the key, and for whom. */
#define WRAPPED_LEN (UNWRAPPED_KEY_LEN + KIOSK_ID_LEN)

bool key_wrap(const struct rsa_public *server, const uint8_t kiosk[KIOSK_ID_LEN],
              const uint8_t key[UNWRAPPED_KEY_LEN], const br_prng_class **source,
              uint8_t *wrapped) {
    uint8_t message[WRAPPED_LEN];
    memcpy(message, key, UNWRAPPED_KEY_LEN);
    memcpy(message + UNWRAPPED_KEY_LEN, kiosk, KIOSK_ID_LEN);
    bool is_wrapped = rsa_oaep_encrypt(server, RSA_SHA256, wrapped_label, sizeof wrapped_label - 1,
                                       source, message, sizeof message, wrapped);
    wipe(message, sizeof message);
    return is_wrapped;
}

void unwrap_seal(uint8_t frame[IDENTIFY_LEN], const struct session *session,
                 const uint8_t key_id[OPEN_KEY_ID_LEN], const uint8_t *wrapped, size_t wrapped_len,
                 const uint8_t random[ASK_RANDOM_LEN]) {
    uint8_t *body = frame + IDENTIFY_BODY;
    session_frame_begin(frame, FRAME_UNWRAP, session, random);
    memcpy(body + UNWRAP_KEY_ID, key_id, OPEN_KEY_ID_LEN);
    store_le16(body + UNWRAP_LEN, (uint16_t)wrapped_len);
    memcpy(body + UNWRAP_WRAPPED, wrapped, wrapped_len);
    session_frame_seal(frame, session);
}

enum admission_status unwrap_finish(const struct session *session, const uint8_t *unwrap,
                                    const uint8_t *frame, size_t len,
                                    uint8_t key[UNWRAPPED_KEY_LEN]) {
    uint8_t body[ADMIT_SEALED_LEN];
    if (!session_frame_open_answer(session, FRAME_UNWRAPPED, unwrap, frame, len, body, sizeof body))
        return ADMISSION_FOREIGN;
    enum admission_status status = (enum admission_status)body[ADMITTED_STATUS];
    memcpy(key, body + UNWRAPPED_KEY, UNWRAPPED_KEY_LEN);
    wipe(body, sizeof body);
    return status;
}

/* The key that is meant; some key in any case, so that the time does not tell whether it is there. */
static const struct rsa_private *find_key(const struct rsa_private *keys, unsigned key_count,
                                          const uint8_t *body, bool *is_found) {
    const struct rsa_private *found = keys;
    uint8_t id[SHA256_LEN];
    *is_found = false;
    for (unsigned i = 0; i < key_count && !*is_found; i++) {
        rsa_public_id(&keys[i].public, id);
        *is_found = memcmp(id, body + UNWRAP_KEY_ID, OPEN_KEY_ID_LEN) == 0;
        found = *is_found ? &keys[i] : found;
    }
    *is_found &= load_le16(body + UNWRAP_LEN) == found->public.n_len &&
                 bytes_are_zero(body + UNWRAP_ZERO, UNWRAP_WRAPPED - UNWRAP_ZERO);
    return found;
}

enum admission_status session_unwrap(const struct session_host *host,
                                     const struct rsa_private *keys, unsigned key_count,
                                     uint8_t *frame, size_t len, int64_t now_s,
                                     const br_prng_class **source, uint8_t unwrapped[ADMIT_LEN]) {
    struct ticket ticket;
    uint8_t wrapped[RSA_LEN_MAX], *answer = unwrapped + ADMIT_BODY;
    const uint8_t *body = frame + IDENTIFY_BODY;
    bool is_good;
    if (session_frame_open(host, FRAME_UNWRAP, frame, len, now_s, &ticket) == NULL)
        return ADMISSION_FOREIGN;
    bool is_enrolled = host->find_kiosk != NULL &&
                       host->find_kiosk(host->kiosks, ticket.kiosk, KIOSK_ID_LEN, now_s) != NULL;
    const struct rsa_private *key = find_key(keys, key_count, body, &is_good);
    size_t wrapped_len = key->public.n_len;
    memcpy(wrapped, body + UNWRAP_WRAPPED, wrapped_len);
    is_good &= rsa_oaep_decrypt(key, RSA_SHA256, wrapped_label, sizeof wrapped_label - 1, wrapped,
                                &wrapped_len);
    is_good &= wrapped_len == WRAPPED_LEN;
    is_good &= bytes_are_equal(wrapped + UNWRAPPED_KEY_LEN, ticket.kiosk, KIOSK_ID_LEN);
    is_good &= is_enrolled;
    session_frame_begin_answer(unwrapped, FRAME_UNWRAPPED, frame, ADMIT_SEALED_LEN, source);
    answer[ADMITTED_STATUS] = (uint8_t)(is_good ^ 1);
    for (unsigned i = 0; i < UNWRAPPED_KEY_LEN; i++)
        answer[UNWRAPPED_KEY + i] = wrapped[i] & (uint8_t)-is_good;
    session_frame_seal_answer(unwrapped, ADMIT_SEALED_LEN, &ticket);
    wipe(wrapped, sizeof wrapped);
    wipe(&ticket, sizeof ticket);
    return (enum admission_status)(is_good ^ 1);
}
