#include "wire/ticket.h"

#include "base/bytes.h"
#include "crypto/sha256.h"

#include <string.h>

void ticket_key_init(struct ticket_key *key, const uint8_t secret[AEAD_KEY_LEN]) {
    static const char purpose[] = "dlv session 2 ticket key id";
    uint8_t id[SHA256_LEN];
    hmac_sha256(id, secret, AEAD_KEY_LEN, purpose, sizeof purpose - 1);
    memcpy(key->id, id, sizeof key->id);
    memcpy(key->key, secret, sizeof key->key);
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

bool ticket_open(struct ticket *ticket, const uint8_t sealed[TICKET_LEN],
                 const struct ticket_key *keys, unsigned key_count) {
    const uint8_t *body = sealed + TICKET_KEY_ID_LEN + AEAD_NONCE_LEN;
    uint8_t opened[TICKET_SEALED_LEN];
    unsigned i = 0;
    while (i < key_count && memcmp(keys[i].id, sealed, TICKET_KEY_ID_LEN) != 0)
        i++;
    if (i == key_count)
        return false;
    memcpy(opened, body, sizeof opened);
    bool is_ours = aead_open(keys[i].key, sealed + TICKET_KEY_ID_LEN, sealed, TICKET_KEY_ID_LEN,
                             opened, sizeof opened, body + TICKET_SEALED_LEN);
    if (is_ours) {
        memcpy(ticket->session_key, opened, SESSION_KEY_LEN);
        memcpy(ticket->kiosk, opened + SESSION_KEY_LEN, KIOSK_ID_LEN);
        ticket->expires_s = (int64_t)load_le64(opened + SESSION_KEY_LEN + KIOSK_ID_LEN);
    }
    wipe(opened, sizeof opened);
    return is_ours;
}
