/* The cookie that a UDP client must send back before a server spends an RSA operation on it: it
 * shows that the client receives what is sent to its address. The server keeps nothing. */
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

/* The cookie of whoever is at `address` (bytes of address and port), at `now_s` of any clock in
 * seconds that servers sharing `key` have in common. */
void cookie_make(uint8_t cookie[COOKIE_LEN], const uint8_t key[COOKIE_KEY_LEN], const void *address,
                 size_t address_len, uint32_t now_s);

/* 1 if it is that address's and not older than COOKIE_LIFETIME_S, else 0. */
bool cookie_check(const uint8_t cookie[COOKIE_LEN], const uint8_t key[COOKIE_KEY_LEN],
                  const void *address, size_t address_len, uint32_t now_s);

#endif
