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

void ticket_key_init(struct ticket_key *key, const uint8_t secret[AEAD_KEY_LEN],
                     const struct ticket_binding *binding, int64_t period) {
    static const char purpose[] = "dlv session 2 ticket key",
                      id_purpose[] = "dlv session 2 ticket key id";
    uint8_t salt[SHA256_LEN + 8], id[SHA256_LEN];
    memcpy(salt, binding->digest, SHA256_LEN);
    store_le64(salt + SHA256_LEN, (uint64_t)period);
    hkdf_sha256(key->key, sizeof key->key, salt, sizeof salt, secret, AEAD_KEY_LEN, purpose,
                sizeof purpose - 1);
    hmac_sha256(id, key->key, sizeof key->key, id_purpose, sizeof id_purpose - 1);
    memcpy(key->id, id, sizeof key->id);
    memcpy(key->server_id, binding->server_id, SHA256_LEN);
}

const struct ticket_key *ticket_key_of(const struct ticket_key *keys, unsigned key_count,
                                       const uint8_t server_id[SHA256_LEN]) {
    for (unsigned i = 0; i < key_count; i++) {
        if (memcmp(keys[i].server_id, server_id, SHA256_LEN) == 0)
            return &keys[i];
    }
    return NULL;
}

void ticket_seal(uint8_t sealed[TICKET_LEN], const struct ticket *ticket,
                 const struct ticket_key *key, const uint8_t nonce[AEAD_NONCE_LEN]) {
    uint8_t *body = sealed + TICKET_KEY_ID_LEN + AEAD_NONCE_LEN;
    memcpy(sealed, key->id, TICKET_KEY_ID_LEN);
    memcpy(sealed + TICKET_KEY_ID_LEN, nonce, AEAD_NONCE_LEN);
    memcpy(body, ticket->session_key, SESSION_KEY_LEN);
    memcpy(body + SESSION_KEY_LEN, ticket->kiosk, KIOSK_ID_LEN);
    store_le64(body + SESSION_KEY_LEN + KIOSK_ID_LEN, (uint64_t)ticket->expires_s);
    aead_seal(key->key, nonce, sealed, TICKET_KEY_ID_LEN, body, TICKET_SEALED_LEN,
              body + TICKET_SEALED_LEN);
}

const struct ticket_key *ticket_open(struct ticket *ticket, const uint8_t sealed[TICKET_LEN],
                                     const struct ticket_key *keys, unsigned key_count) {
    const uint8_t *body = sealed + TICKET_KEY_ID_LEN + AEAD_NONCE_LEN;
    uint8_t opened[TICKET_SEALED_LEN];
    unsigned i = 0;
    while (i < key_count && memcmp(keys[i].id, sealed, TICKET_KEY_ID_LEN) != 0)
        i++;
    if (i == key_count)
        return NULL;
    memcpy(opened, body, sizeof opened);
    bool is_ours = aead_open(keys[i].key, sealed + TICKET_KEY_ID_LEN, sealed, TICKET_KEY_ID_LEN,
                             opened, sizeof opened, body + TICKET_SEALED_LEN);
    if (is_ours) {
        memcpy(ticket->session_key, opened, SESSION_KEY_LEN);
        memcpy(ticket->kiosk, opened + SESSION_KEY_LEN, KIOSK_ID_LEN);
        ticket->expires_s = (int64_t)load_le64(opened + SESSION_KEY_LEN + KIOSK_ID_LEN);
    }
    wipe(opened, sizeof opened);
    return is_ours ? &keys[i] : NULL;
}
