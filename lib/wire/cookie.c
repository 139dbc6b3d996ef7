#include "wire/cookie.h"

#include "base/bytes.h"

#include <string.h>

#define ADDRESS_MAX 32

void cookie_make(uint8_t cookie[COOKIE_LEN], const uint8_t key[COOKIE_KEY_LEN], const void *address,
                 size_t address_len, uint32_t now_s) {
    uint8_t message[4 + ADDRESS_MAX] = {0}, mac[SHA256_LEN];
    if (address_len > ADDRESS_MAX)
        address_len = ADDRESS_MAX;
    store_le32(message, now_s);
    memcpy(message + 4, address, address_len);
    hmac_sha256(mac, key, COOKIE_KEY_LEN, message, sizeof message);
    memcpy(cookie, message, 4);
    memcpy(cookie + 4, mac, COOKIE_MAC_LEN);
}

bool cookie_check(const uint8_t cookie[COOKIE_LEN], const uint8_t key[COOKIE_KEY_LEN],
                  const void *address, size_t address_len, uint32_t now_s) {
    uint8_t expected[COOKIE_LEN];
    uint32_t made_s = load_le32(cookie);
    cookie_make(expected, key, address, address_len, made_s);
    return now_s - made_s <= COOKIE_LIFETIME_S && bytes_are_equal(expected, cookie, COOKIE_LEN);
}
