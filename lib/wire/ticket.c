#include "wire/ticket.h"

#include "base/bytes.h"
#include "crypto/hkdf.h"

#include <string.h>

void ticket_bind(struct ticket_binding *binding, const uint8_t server_id[SHA256_LEN],
                 const uint8_t authority_id[SHA256_LEN]) {
    static const char purpose[] = "dlv session 2 tickets";
    struct sha256 hash;
    sha256_init(&hash);
    sha256_update(&hash, purpose, sizeof purpose - 1);
    sha256_update(&hash, server_id, SHA256_LEN);
    sha256_update(&hash, authority_id, SHA256_LEN);
    sha256_out(&hash, binding->digest);
    memcpy(binding->server_id, server_id, SHA256_LEN);
}

void ticket_key_init(struct ticket_key *key, enum ticket_use use,
                     const uint8_t secret[AEAD_KEY_LEN], const struct ticket_binding *binding,
                     int64_t period) {
    static const char id_purpose[] = "dlv session 2 ticket key id";
    const char *purpose =
        use == TICKET_SESSIONS ? "dlv session 2 ticket key" : "dlv session 2 renewal key";
    uint8_t salt[SHA256_LEN + 8], id[SHA256_LEN];
    memcpy(salt, binding->digest, SHA256_LEN);
    store_le64(salt + SHA256_LEN, (uint64_t)period);
    hkdf_sha256(key->key, sizeof key->key, salt, sizeof salt, secret, AEAD_KEY_LEN, purpose,
                strlen(purpose));
    hmac_sha256(id, key->key, sizeof key->key, id_purpose, sizeof id_purpose - 1);
    memcpy(key->id, id, sizeof key->id);
    memcpy(key->server_id, binding->server_id, SHA256_LEN);
    key->chain_limit_s = 0;
}

const struct ticket_key *ticket_key_of(const struct ticket_key *keys, unsigned key_count,
                                       const uint8_t server_id[SHA256_LEN]) {
    for (unsigned i = 0; i < key_count; i++) {
        if (memcmp(keys[i].server_id, server_id, SHA256_LEN) == 0)
            return &keys[i];
    }
    return NULL;
}

/* --- sealing ---------------------------------------------------------------------------------- */

#define KIOSK SESSION_KEY_LEN
#define EXPIRES (KIOSK + KIOSK_ID_LEN)
#define CHAIN_ENDS (EXPIRES + 8)
#define BODY (TICKET_KEY_ID_LEN + AEAD_NONCE_LEN)

static void seal(uint8_t *sealed, size_t len, const struct ticket *ticket,
                 const struct ticket_key *key, const uint8_t nonce[AEAD_NONCE_LEN]) {
    uint8_t *body = sealed + BODY;
    memcpy(sealed, key->id, TICKET_KEY_ID_LEN);
    memcpy(sealed + TICKET_KEY_ID_LEN, nonce, AEAD_NONCE_LEN);
    memcpy(body, ticket->session_key, SESSION_KEY_LEN);
    memcpy(body + KIOSK, ticket->kiosk, KIOSK_ID_LEN);
    store_le64(body + EXPIRES, (uint64_t)ticket->expires_s);
    if (len == RENEWAL_SEALED_LEN)
        store_le64(body + CHAIN_ENDS, (uint64_t)ticket->chain_ends_s);
    aead_seal(key->key, nonce, sealed, TICKET_KEY_ID_LEN, body, len, body + len);
}

static const struct ticket_key *open_sealed(struct ticket *ticket, const uint8_t *sealed,
                                            size_t len, const struct ticket_key *keys,
                                            unsigned key_count) {
    const uint8_t *body = sealed + BODY;
    uint8_t opened[RENEWAL_SEALED_LEN] = {0};
    unsigned i = 0;
    while (i < key_count && memcmp(keys[i].id, sealed, TICKET_KEY_ID_LEN) != 0)
        i++;
    if (i == key_count)
        return NULL;
    memcpy(opened, body, len);
    bool is_ours = aead_open(keys[i].key, sealed + TICKET_KEY_ID_LEN, sealed, TICKET_KEY_ID_LEN,
                             opened, len, body + len);
    if (is_ours) {
        memcpy(ticket->session_key, opened, SESSION_KEY_LEN);
        memcpy(ticket->kiosk, opened + KIOSK, KIOSK_ID_LEN);
        ticket->expires_s = (int64_t)load_le64(opened + EXPIRES);
        ticket->chain_ends_s = (int64_t)load_le64(opened + CHAIN_ENDS);
    }
    wipe(opened, sizeof opened);
    return is_ours ? &keys[i] : NULL;
}

void ticket_seal(uint8_t sealed[TICKET_LEN], const struct ticket *ticket,
                 const struct ticket_key *key, const uint8_t nonce[AEAD_NONCE_LEN]) {
    seal(sealed, TICKET_SEALED_LEN, ticket, key, nonce);
}

void renewal_seal(uint8_t sealed[RENEWAL_LEN], const struct ticket *ticket,
                  const struct ticket_key *key, const uint8_t nonce[AEAD_NONCE_LEN]) {
    seal(sealed, RENEWAL_SEALED_LEN, ticket, key, nonce);
}

const struct ticket_key *ticket_open(struct ticket *ticket, const uint8_t sealed[TICKET_LEN],
                                     const struct ticket_key *keys, unsigned key_count) {
    return open_sealed(ticket, sealed, TICKET_SEALED_LEN, keys, key_count);
}

const struct ticket_key *renewal_open(struct ticket *ticket, const uint8_t sealed[RENEWAL_LEN],
                                      const struct ticket_key *keys, unsigned key_count) {
    return open_sealed(ticket, sealed, RENEWAL_SEALED_LEN, keys, key_count);
}

#define CLOCK_S 3600

bool renewal_is_good(const struct ticket *ticket, int64_t now_s) {
    return ticket->expires_s >= now_s &&
           ticket->expires_s <= now_s + RENEWAL_LIFETIME_S + CLOCK_S &&
           ticket->chain_ends_s <= now_s + RENEWAL_CHAIN_S + CLOCK_S;
}

void ticket_renewal_secret(uint8_t secret[SESSION_KEY_LEN],
                           const uint8_t session_key[SESSION_KEY_LEN]) {
    static const char purpose[] = "dlv session 2 renewal";
    hmac_sha256(secret, session_key, SESSION_KEY_LEN, purpose, sizeof purpose - 1);
}
