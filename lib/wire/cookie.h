/* The cookie that a UDP client must send back before the server spends an RSA operation on it. It
 * shows that the client receives what is sent to its address. The server stores nothing for it. */
#ifndef DLV_WIRE_COOKIE_H
#define DLV_WIRE_COOKIE_H

#include "crypto/sha256.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COOKIE_KEY_LEN 32
#define COOKIE_MAC_LEN 16
#define COOKIE_LEN (4 + COOKIE_MAC_LEN)
#define COOKIE_LIFETIME_S 30

/* Makes the cookie for the client at `address` (the bytes of its address and port). `now_s` comes
 * from any clock in seconds that all servers with this `key` share. */
void cookie_make(uint8_t cookie[COOKIE_LEN], const uint8_t key[COOKIE_KEY_LEN], const void *address,
                 size_t address_len, uint32_t now_s);

/* Whether the cookie was made for that address and is not older than COOKIE_LIFETIME_S. */
bool cookie_check(const uint8_t cookie[COOKIE_LEN], const uint8_t key[COOKIE_KEY_LEN],
                  const void *address, size_t address_len, uint32_t now_s);

#endif
