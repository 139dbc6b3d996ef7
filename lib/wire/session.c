#include "wire/session.h"

#include "base/bytes.h"
#include "crypto/hkdf.h"
#include "crypto/rsa_key.h"

#include <string.h>

#define PROTOCOL "dlv session 2"
static const char oaep_label[] = PROTOCOL " open";

static const uint8_t nonce_zero[AEAD_NONCE_LEN]; /* the nonce for keys that seal only once */

/* --- what both sides compute ------------------------------------------------------------------ */

/* SHA-256 of the purpose followed by three pieces, which may be empty. */
static void hash_pieces(uint8_t digest[SHA256_LEN], const char *purpose, const void *a,
                        size_t a_len, const void *b, size_t b_len, const void *c, size_t c_len) {
    struct sha256 hash;
    sha256_init(&hash);
    sha256_update(&hash, purpose, strlen(purpose));
    sha256_update(&hash, a, a_len);
    sha256_update(&hash, b, b_len);
    sha256_update(&hash, c, c_len);
    sha256_out(&hash, digest);
}

/* The hash of the opening: the server that is meant, and the frame without its cookie. */
static void hash_opening(uint8_t transcript[SHA256_LEN], const uint8_t server_id[SHA256_LEN],
                         const uint8_t *frame, size_t n_len) {
    hash_pieces(transcript, PROTOCOL " open", server_id, SHA256_LEN, frame, FRAME_HEADER_LEN,
                frame + OPEN_KEY_ID, OPEN_LEN(n_len) - OPEN_KEY_ID);
}

struct session_keys {
    uint8_t accept[AEAD_KEY_LEN];
    uint8_t session[SESSION_KEY_LEN];
};

/* Derives the keys from both secrets and everything that was sent. */
static void derive_keys(struct session_keys *keys, const uint8_t transcript[SHA256_LEN],
                        const uint8_t *accept, const uint8_t secret[SESSION_SECRET_LEN],
                        const uint8_t common[X25519_LEN]) {
    uint8_t salt[SHA256_LEN], both[SESSION_SECRET_LEN + X25519_LEN];
    hash_pieces(salt, PROTOCOL " accept", transcript, SHA256_LEN, accept,
                FRAME_HEADER_LEN + X25519_LEN, "", 0);
    memcpy(both, secret, SESSION_SECRET_LEN);
    memcpy(both + SESSION_SECRET_LEN, common, X25519_LEN);
    hkdf_sha256(keys, sizeof *keys, salt, sizeof salt, both, sizeof both, PROTOCOL " keys",
                sizeof PROTOCOL " keys" - 1);
    wipe(both, sizeof both);
}

/* --- the client's side ------------------------------------------------------------------------ */

static void draw(const br_prng_class **source, void *bytes, size_t len) {
    (*source)->generate(source, bytes, len);
}

bool opening_begin(struct opening *opening, const struct rsa_public *server,
                   const br_prng_class **source) {
    uint8_t server_id[SHA256_LEN];
    uint8_t *frame = opening->frame;
    opening->frame_len = OPEN_LEN(server->n_len);
    frame_write_header(frame, FRAME_OPEN, 0, opening->frame_len);
    rsa_public_id(server, server_id);
    memset(frame + OPEN_COOKIE, 0, COOKIE_LEN);
    memcpy(frame + OPEN_KEY_ID, server_id, OPEN_KEY_ID_LEN);
    draw(source, opening->secret, SESSION_SECRET_LEN);
    draw(source, opening->exponent, X25519_LEN);
    x25519_share(frame + OPEN_SHARE, opening->exponent);
    if (!rsa_oaep_encrypt(server, RSA_SHA256, oaep_label, sizeof oaep_label - 1, source,
                          opening->secret, SESSION_SECRET_LEN, frame + OPEN_CIPHERTEXT))
        return false;
    hash_opening(opening->transcript, server_id, frame, server->n_len);
    return true;
}

bool opening_finish(const struct opening *opening, const uint8_t *frame, size_t len,
                    struct session *session) {
    struct frame header;
    struct session_keys keys;
    uint8_t common[X25519_LEN], sealed[ACCEPT_SEALED_LEN];
    const uint8_t *body = frame + FRAME_HEADER_LEN + X25519_LEN;
    if (frame_read_header(&header, frame, len) != FRAME_OK || header.type != FRAME_ACCEPT ||
        header.len != len || len != ACCEPT_LEN)
        return false;
    bool is_good = x25519_agree(common, opening->exponent, frame + FRAME_HEADER_LEN);
    derive_keys(&keys, opening->transcript, frame, opening->secret, common);
    memcpy(sealed, body, sizeof sealed);
    is_good &=
        aead_open(keys.accept, nonce_zero, "", 0, sealed, sizeof sealed, body + ACCEPT_SEALED_LEN);
    if (is_good) {
        memcpy(session->key, keys.session, SESSION_KEY_LEN);
        memcpy(session->ticket, sealed, TICKET_LEN);
        session->lifetime_s = load_le32(sealed + TICKET_LEN);
        session->server_time_s = (int64_t)load_le64(sealed + TICKET_LEN + 4);
    }
    wipe(&keys, sizeof keys);
    wipe(common, sizeof common);
    return is_good;
}

/* --- the server's side ------------------------------------------------------------------------ */

/* Decrypts the client's secret. Where the ciphertext holds none, `secret` keeps the random stand-in
 * that it came with. Only the result tells which of the two it is; the steps are the same. */
static bool decrypt_secret(uint8_t secret[SESSION_SECRET_LEN], const struct rsa_private *key,
                           const uint8_t *ciphertext) {
    uint8_t data[RSA_LEN_MAX];
    size_t len = key->public.n_len;
    memcpy(data, ciphertext, len);
    bool is_good = rsa_oaep_decrypt(key, RSA_SHA256, oaep_label, sizeof oaep_label - 1, data, &len);
    is_good &= len == SESSION_SECRET_LEN;
    uint8_t mask = (uint8_t)-is_good;
    for (size_t i = 0; i < SESSION_SECRET_LEN; i++)
        secret[i] = (uint8_t)((data[i] & mask) | (secret[i] & ~mask));
    wipe(data, sizeof data);
    return is_good;
}

/* Derives the keys of the session and writes its ACCEPT frame. */
static bool write_accept(const struct session_host *host, const uint8_t transcript[SHA256_LEN],
                         const uint8_t secret[SESSION_SECRET_LEN], const uint8_t *client_share,
                         int64_t now_s, const br_prng_class **source, uint8_t accept[ACCEPT_LEN]) {
    uint8_t common[X25519_LEN], nonce[AEAD_NONCE_LEN];
    uint8_t *body = accept + FRAME_HEADER_LEN + X25519_LEN;
    struct session_keys keys;
    struct ticket ticket;
    const struct ticket_key *sealing =
        ticket_key_of(host->ticket_keys, host->ticket_key_count, host->id);
    if (sealing == NULL)
        return false;
    frame_write_header(accept, FRAME_ACCEPT, 0, ACCEPT_LEN);
    draw(source, nonce, sizeof nonce);
    memcpy(accept + FRAME_HEADER_LEN, host->share, X25519_LEN);
    bool is_good = x25519_agree(common, host->exponent, client_share);
    derive_keys(&keys, transcript, accept, secret, common);
    memcpy(ticket.session_key, keys.session, SESSION_KEY_LEN);
    memset(ticket.kiosk, 0, KIOSK_ID_LEN);
    ticket.expires_s = now_s + host->lifetime_s;
    ticket_seal(body, &ticket, sealing, nonce);
    store_le32(body + TICKET_LEN, host->lifetime_s);
    store_le64(body + TICKET_LEN + 4, (uint64_t)now_s);
    aead_seal(keys.accept, nonce_zero, "", 0, body, ACCEPT_SEALED_LEN, body + ACCEPT_SEALED_LEN);
    wipe(common, sizeof common);
    wipe(&keys, sizeof keys);
    wipe(&ticket, sizeof ticket);
    return is_good;
}

bool session_accept(const struct session_host *host, const uint8_t *frame, size_t len,
                    int64_t now_s, const br_prng_class **source, uint8_t accept[ACCEPT_LEN]) {
    struct frame header;
    size_t n_len = host->key->public.n_len;
    uint8_t transcript[SHA256_LEN], secret[SESSION_SECRET_LEN];
    if (frame_read_header(&header, frame, len) != FRAME_OK || header.type != FRAME_OPEN ||
        header.len != len || len != OPEN_LEN(n_len) ||
        memcmp(frame + OPEN_KEY_ID, host->id, OPEN_KEY_ID_LEN) != 0)
        return false;
    draw(source, secret, sizeof secret);
    bool is_good = decrypt_secret(secret, host->key, frame + OPEN_CIPHERTEXT);
    hash_opening(transcript, host->id, frame, n_len);
    is_good &= write_accept(host, transcript, secret, frame + OPEN_SHARE, now_s, source, accept);
    wipe(secret, sizeof secret);
    return is_good;
}
