#include "wire/identity.h"

#include "base/bytes.h"
#include "crypto/rsa_key.h"

#include <string.h>

enum { IDENTITY_KIOSK = 1 };

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

/* --- the client's side ------------------------------------------------------------------------ */

bool identity_seal(uint8_t frame[IDENTIFY_LEN], const struct session *session,
                   const struct rsa_public *server, const struct rsa_private *kiosk,
                   const uint8_t random[ASK_RANDOM_LEN]) {
    uint8_t server_id[SHA256_LEN], digest[SHA256_LEN];
    uint8_t *identity = frame + IDENTIFY_BODY;
    memset(frame, 0, IDENTIFY_LEN);
    frame_write_header(frame, FRAME_IDENTIFY, 0, IDENTIFY_LEN);
    memcpy(frame + IDENTIFY_TICKET, session->ticket, TICKET_LEN);
    frame[IDENTIFY_NONCE] = NONCE_ASK;
    memcpy(frame + IDENTIFY_NONCE + 1, random, ASK_RANDOM_LEN);
    identity[IDENTITY_KIND] = IDENTITY_KIOSK;
    store_le16(identity + IDENTITY_SIGNATURE_LEN, (uint16_t)kiosk->public.n_len);
    rsa_public_id(&kiosk->public, identity + IDENTITY_ID);
    rsa_public_id(server, server_id);
    signed_digest(digest, server_id, session->key);
    if (!rsa_sign(kiosk, digest, identity + IDENTITY_SIGNATURE))
        return false;
    aead_seal(session->key, frame + IDENTIFY_NONCE, frame, IDENTIFY_BODY, identity, IDENTITY_LEN,
              identity + IDENTITY_LEN);
    return true;
}

enum admission_status identity_finish(struct session *session, const uint8_t *identify,
                                      const uint8_t *frame, size_t len) {
    struct frame header;
    uint8_t admitted[ADMIT_SEALED_LEN];
    if (frame_read_header(&header, frame, len) != FRAME_OK || header.type != FRAME_ADMIT ||
        header.len != len || len != ADMIT_LEN || frame[ADMIT_NONCE] != NONCE_ANSWER ||
        memcmp(frame + ADMIT_QUESTION_NONCE, identify + IDENTIFY_NONCE, AEAD_NONCE_LEN) != 0)
        return ADMISSION_FOREIGN;
    memcpy(admitted, frame + ADMIT_BODY, sizeof admitted);
    if (!aead_open(session->key, frame + ADMIT_NONCE, frame, ADMIT_BODY, admitted, sizeof admitted,
                   frame + ADMIT_BODY + ADMIT_SEALED_LEN) ||
        admitted[ADMITTED_STATUS] > ADMISSION_NOT_ENROLLED ||
        !bytes_are_zero(admitted + ADMITTED_ZERO, ADMITTED_GRANT - ADMITTED_ZERO))
        return ADMISSION_FOREIGN;
    if (admitted[ADMITTED_STATUS] == ADMISSION_NOT_ENROLLED)
        return ADMISSION_NOT_ENROLLED;
    session_take_grant(session, admitted + ADMITTED_GRANT);
    return ADMISSION_GOOD;
}

/* --- the server's side ------------------------------------------------------------------------ */

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
    memset(admit, 0, ADMIT_LEN);
    frame_write_header(admit, FRAME_ADMIT, 0, ADMIT_LEN);
    memcpy(admit + ADMIT_QUESTION_NONCE, identify + IDENTIFY_NONCE, AEAD_NONCE_LEN);
    admit[ADMIT_NONCE] = NONCE_ANSWER;
    (*source)->generate(source, admit + ADMIT_NONCE + 1, ASK_RANDOM_LEN);
    admitted[ADMITTED_STATUS] = is_admitted ? ADMISSION_GOOD : ADMISSION_NOT_ENROLLED;
    if (is_admitted) {
        memcpy(ticket->kiosk, identify + IDENTIFY_BODY + IDENTITY_ID, KIOSK_ID_LEN);
        ticket->expires_s = now_s + host->lifetime_s;
        ticket->chain_ends_s = 0; /* it begins */
        session_grant(host, server_id, ticket, now_s, source, admitted + ADMITTED_GRANT);
    }
    aead_seal(ticket->session_key, admit + ADMIT_NONCE, admit, ADMIT_BODY, admitted,
              ADMIT_SEALED_LEN, admitted + ADMIT_SEALED_LEN);
}

enum admission_status session_admit(const struct session_host *host, uint8_t *frame, size_t len,
                                    int64_t now_s, const br_prng_class **source,
                                    uint8_t admit[ADMIT_LEN]) {
    struct frame header;
    struct ticket ticket;
    enum admission_status status = ADMISSION_FOREIGN;
    uint8_t *identity = frame + IDENTIFY_BODY;
    if (frame_read_header(&header, frame, len) != FRAME_OK || header.type != FRAME_IDENTIFY ||
        header.len != len || len != IDENTIFY_LEN || frame[IDENTIFY_NONCE] != NONCE_ASK)
        return status;
    const struct ticket_key *opening =
        ticket_open(&ticket, frame + IDENTIFY_TICKET, host->ticket_keys, host->ticket_key_count);
    if (opening == NULL)
        return status;
    /* The session was opened with this key of the server's, which need not be its first. */
    const uint8_t *server_id = opening->server_id;
    if (ticket.expires_s >= now_s &&
        aead_open(ticket.session_key, frame + IDENTIFY_NONCE, frame, IDENTIFY_BODY, identity,
                  IDENTITY_LEN, identity + IDENTITY_LEN)) {
        bool is_admitted = check_identity(host, server_id, identity, ticket.session_key, now_s);
        write_admit(host, server_id, frame, &ticket, is_admitted, now_s, source, admit);
        status = is_admitted ? ADMISSION_GOOD : ADMISSION_NOT_ENROLLED;
    }
    wipe(&ticket, sizeof ticket);
    return status;
}
