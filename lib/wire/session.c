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

/* The hash of the opening or renewal: the server that is meant, and the frame without its cookie. */
static void hash_opening(uint8_t transcript[SHA256_LEN], const uint8_t server_id[SHA256_LEN],
                         const uint8_t *frame, size_t len) {
    hash_pieces(transcript, PROTOCOL " open", server_id, SHA256_LEN, frame, FRAME_HEADER_LEN,
                frame + OPEN_KEY_ID, len - OPEN_KEY_ID);
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
    hash_pieces(salt, PROTOCOL " accept", transcript, SHA256_LEN, accept, ACCEPT_GRANT, "", 0);
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

/* What proves that the renewal ticket is the sender's own: without it, who has seen the ticket could use it up. It
 * is over all of the frame but the cookie and itself. */
static void prove_renewal(uint8_t proof[OPEN_PROOF_LEN], const uint8_t secret[SESSION_SECRET_LEN],
                          const uint8_t *frame, size_t len) {
    uint8_t digest[SHA256_LEN], mac[SHA256_LEN];
    hash_pieces(digest, PROTOCOL " shown", frame, FRAME_HEADER_LEN, frame + OPEN_KEY_ID,
                OPEN_PROOF - OPEN_KEY_ID, frame + OPEN_CIPHERTEXT, len - OPEN_CIPHERTEXT);
    hmac_sha256(mac, secret, SESSION_SECRET_LEN, digest, sizeof digest);
    memcpy(proof, mac, OPEN_PROOF_LEN);
}

bool session_proves(const uint8_t *frame, size_t len, const struct ticket *renewal) {
    uint8_t proof[OPEN_PROOF_LEN];
    prove_renewal(proof, renewal->session_key, frame, len);
    return bytes_are_equal(proof, frame + OPEN_PROOF, sizeof proof);
}

/* Writes a frame as far as its renewal ticket, and zeros. */
static void begin(struct opening *opening, enum frame_type type, size_t len,
                  const uint8_t server_id[SHA256_LEN], const uint8_t renewal[RENEWAL_LEN],
                  const br_prng_class **source) {
    uint8_t *frame = opening->frame;
    opening->frame_len = len;
    memset(frame, 0, len);
    frame_write_header(frame, type, 0, len);
    memcpy(frame + OPEN_KEY_ID, server_id, OPEN_KEY_ID_LEN);
    draw(source, opening->exponent, X25519_LEN);
    x25519_share(frame + OPEN_SHARE, opening->exponent);
    memcpy(frame + OPEN_RENEWAL, renewal, RENEWAL_LEN);
}

bool opening_begin(struct opening *opening, const struct rsa_public *server,
                   const struct session *before, const br_prng_class **source) {
    uint8_t server_id[SHA256_LEN], secret[SESSION_SECRET_LEN];
    size_t len = OPEN_LEN(server->n_len);
    rsa_public_id(server, server_id);
    draw(source, opening->secret, SESSION_SECRET_LEN);
    begin(opening, FRAME_OPEN, len, server_id, before->renewal, source);
    if (!rsa_oaep_encrypt(server, RSA_SHA256, oaep_label, sizeof oaep_label - 1, source,
                          opening->secret, SESSION_SECRET_LEN, opening->frame + OPEN_CIPHERTEXT))
        return false;
    if (!bytes_are_zero(before->renewal, RENEWAL_LEN)) {
        ticket_renewal_secret(secret, before->key);
        prove_renewal(opening->frame + OPEN_PROOF, secret, opening->frame, len);
        wipe(secret, sizeof secret);
    }
    hash_opening(opening->transcript, server_id, opening->frame, len);
    return true;
}

void opening_renew(struct opening *opening, const struct rsa_public *server,
                   const struct session *session, const br_prng_class **source) {
    uint8_t server_id[SHA256_LEN];
    rsa_public_id(server, server_id);
    ticket_renewal_secret(opening->secret, session->key);
    begin(opening, FRAME_RENEW, RENEW_LEN, server_id, session->renewal, source);
    prove_renewal(opening->frame + OPEN_PROOF, opening->secret, opening->frame, RENEW_LEN);
    hash_opening(opening->transcript, server_id, opening->frame, RENEW_LEN);
}

void session_take_grant(struct session *session, const uint8_t grant[GRANT_LEN]) {
    memcpy(session->ticket, grant + GRANT_TICKET, TICKET_LEN);
    session->lifetime_s = load_le32(grant + GRANT_LIFETIME);
    session->server_time_s = (int64_t)load_le64(grant + GRANT_TIME);
    session->renewal_lifetime_s = load_le32(grant + GRANT_RENEWAL_LIFETIME);
    memcpy(session->renewal, grant + GRANT_RENEWAL, RENEWAL_LEN);
}

bool opening_finish(const struct opening *opening, const uint8_t *frame, size_t len,
                    struct session *session) {
    struct frame header;
    struct session_keys keys;
    uint8_t common[X25519_LEN], grant[GRANT_LEN];
    const uint8_t *body = frame + ACCEPT_GRANT;
    if (frame_read_header(&header, frame, len) != FRAME_OK || header.type != FRAME_ACCEPT ||
        header.len != len || len != ACCEPT_LEN)
        return false;
    bool is_good = x25519_agree(common, opening->exponent, frame + ACCEPT_SHARE);
    derive_keys(&keys, opening->transcript, frame, opening->secret, common);
    memcpy(grant, body, sizeof grant);
    is_good &= aead_open(keys.accept, nonce_zero, "", 0, grant, sizeof grant, body + GRANT_LEN);
    if (is_good) {
        memcpy(session->key, keys.session, SESSION_KEY_LEN);
        session_take_grant(session, grant);
    }
    wipe(&keys, sizeof keys);
    wipe(common, sizeof common);
    return is_good;
}

/* --- the server's side ------------------------------------------------------------------------ */

/* A renewal ticket for the kiosk of this ticket, whose chain may begin with it. Returns how long the session
 * can be renewed. */
static uint32_t grant_renewal(const struct ticket *ticket, const struct ticket_key *key,
                              int64_t now_s, const uint8_t nonce[AEAD_NONCE_LEN],
                              uint8_t sealed[RENEWAL_LEN]) {
    struct ticket renewal = *ticket;
    if (renewal.chain_ends_s == 0)
        renewal.chain_ends_s =
            now_s + RENEWAL_CHAIN_S - (int64_t)(load_le32(nonce) % RENEWAL_CHAIN_JITTER_S);
    renewal.expires_s = now_s + RENEWAL_LIFETIME_S;
    ticket_renewal_secret(renewal.session_key, ticket->session_key);
    int64_t left_s = renewal.chain_ends_s - now_s;
    renewal_seal(sealed, &renewal, key, nonce);
    wipe(&renewal, sizeof renewal);
    return (uint32_t)(left_s < RENEWAL_LIFETIME_S ? left_s : RENEWAL_LIFETIME_S);
}

void session_grant(const struct session_host *host, const uint8_t server_id[SHA256_LEN],
                   const struct ticket *ticket, int64_t now_s, const br_prng_class **source,
                   uint8_t grant[GRANT_LEN]) {
    uint8_t nonce[AEAD_NONCE_LEN];
    const struct ticket_key *renewing =
        ticket_key_of(host->renewal_keys, host->renewal_key_count, server_id);
    memset(grant, 0, GRANT_LEN);
    draw(source, nonce, sizeof nonce);
    ticket_seal(grant + GRANT_TICKET, ticket,
                ticket_key_of(host->ticket_keys, host->ticket_key_count, server_id), nonce);
    store_le32(grant + GRANT_LIFETIME, host->lifetime_s);
    store_le64(grant + GRANT_TIME, (uint64_t)now_s);
    if (renewing == NULL || bytes_are_zero(ticket->kiosk, KIOSK_ID_LEN))
        return;
    draw(source, nonce, sizeof nonce);
    uint32_t lifetime_s = grant_renewal(ticket, renewing, now_s, nonce, grant + GRANT_RENEWAL);
    store_le32(grant + GRANT_RENEWAL_LIFETIME, lifetime_s);
}

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

/* Derives the keys of the session and writes its ACCEPT frame. The ticket says for whom, and until when its
 * chain lasts; the rest of it becomes the session's. */
static bool write_accept(const struct session_host *host, const uint8_t *frame, size_t len,
                         const uint8_t secret[SESSION_SECRET_LEN], struct ticket *ticket,
                         int64_t now_s, const br_prng_class **source, uint8_t accept[ACCEPT_LEN]) {
    uint8_t transcript[SHA256_LEN], common[X25519_LEN];
    uint8_t *grant = accept + ACCEPT_GRANT;
    struct session_keys keys;
    if (ticket_key_of(host->ticket_keys, host->ticket_key_count, host->id) == NULL)
        return false;
    frame_write_header(accept, FRAME_ACCEPT, 0, ACCEPT_LEN);
    memcpy(accept + ACCEPT_SHARE, host->share, X25519_LEN);
    /* Several openings may use the same share, and a replayed one the same secret: what is sealed once with a key must
     * be the only thing that is. */
    draw(source, accept + ACCEPT_RANDOM, ACCEPT_RANDOM_LEN);
    bool is_good = x25519_agree(common, host->exponent, frame + OPEN_SHARE);
    hash_opening(transcript, host->id, frame, len);
    derive_keys(&keys, transcript, accept, secret, common);
    memcpy(ticket->session_key, keys.session, SESSION_KEY_LEN);
    ticket->expires_s = now_s + host->lifetime_s;
    session_grant(host, host->id, ticket, now_s, source, grant);
    aead_seal(keys.accept, nonce_zero, "", 0, grant, GRANT_LEN, grant + GRANT_LEN);
    wipe(common, sizeof common);
    wipe(&keys, sizeof keys);
    wipe(ticket, sizeof *ticket);
    return is_good;
}

static bool is_frame_of(const struct session_host *host, const uint8_t *frame, size_t len,
                        enum frame_type type, size_t wanted_len) {
    struct frame header;
    return frame_read_header(&header, frame, len) == FRAME_OK && header.type == type &&
           header.len == len && len == wanted_len &&
           memcmp(frame + OPEN_KEY_ID, host->id, OPEN_KEY_ID_LEN) == 0;
}

bool session_accept(const struct session_host *host, const uint8_t *frame, size_t len,
                    int64_t now_s, const br_prng_class **source, uint8_t accept[ACCEPT_LEN]) {
    uint8_t secret[SESSION_SECRET_LEN];
    struct ticket ticket = {.kiosk = {0}};
    if (!is_frame_of(host, frame, len, FRAME_OPEN, OPEN_LEN(host->key->public.n_len)))
        return false;
    draw(source, secret, sizeof secret);
    bool is_good = decrypt_secret(secret, host->key, frame + OPEN_CIPHERTEXT);
    is_good &= write_accept(host, frame, len, secret, &ticket, now_s, source, accept);
    wipe(secret, sizeof secret);
    return is_good;
}

/* Opens the renewal ticket of a frame, as far as it is good now. */
static bool open_renewal(const struct session_host *host, const uint8_t *frame, int64_t now_s,
                         struct ticket *ticket) {
    const struct ticket_key *key =
        renewal_open(ticket, frame + OPEN_RENEWAL, host->renewal_keys, host->renewal_key_count);
    if (key == NULL || memcmp(key->server_id, host->id, SHA256_LEN) != 0 ||
        !renewal_is_good(ticket, now_s) || ticket->chain_ends_s <= now_s ||
        host->find_kiosk == NULL ||
        host->find_kiosk(host->kiosks, ticket->kiosk, KIOSK_ID_LEN, now_s) == NULL)
        return false;
    /* What was sealed under a secret that is not used any more leads to nothing that lasts longer. */
    int64_t limit_s =
        key->chain_limit_s - (int64_t)(load_le32(frame + OPEN_RENEWAL + TICKET_KEY_ID_LEN) %
                                       (RENEWAL_CHAIN_JITTER_S / 2));
    if (key->chain_limit_s != 0 && ticket->chain_ends_s > limit_s)
        ticket->chain_ends_s = limit_s;
    return ticket->chain_ends_s > now_s;
}

bool session_renew(const struct session_host *host, const uint8_t *frame, size_t len, int64_t now_s,
                   const br_prng_class **source, uint8_t accept[ACCEPT_LEN]) {
    uint8_t secret[SESSION_SECRET_LEN];
    struct ticket ticket;
    if (!is_frame_of(host, frame, len, FRAME_RENEW, RENEW_LEN) ||
        !bytes_are_zero(frame + OPEN_CIPHERTEXT, RENEW_LEN - OPEN_CIPHERTEXT))
        return false;
    bool is_good = open_renewal(host, frame, now_s, &ticket);
    if (is_good) {
        memcpy(secret, ticket.session_key, sizeof secret);
        is_good = session_proves(frame, len, &ticket);
        is_good &= write_accept(host, frame, len, secret, &ticket, now_s, source, accept);
    }
    wipe(secret, sizeof secret);
    wipe(&ticket, sizeof ticket);
    return is_good;
}
