#include "wire/proxy.h"

#include <stdbool.h>
#include <string.h>

/* Offsets in a header. */
enum { AT_VERSION = 12, AT_FAMILY = 13, AT_LEN = 14, AT_ADDRESSES = 16 };

enum { VERSION_LOCAL = 0x20, VERSION_PROXY = 0x21, TCP4 = 0x11, TCP6 = 0x21 };

/* Lengths of the addresses and ports of source and destination. */
enum { TCP4_LEN = 12, TCP6_LEN = 36 };

enum proxy_result proxy_read(const uint8_t *bytes, size_t len, size_t *header_len,
                             uint8_t address[PROXY_ADDRESS_LEN]) {
    static const uint8_t signature[AT_VERSION] = "\r\n\r\n\0\r\nQUIT\n";
    size_t compared = len < sizeof signature ? len : sizeof signature;
    if (memcmp(bytes, signature, compared) != 0)
        return PROXY_FOREIGN;
    if (len < AT_ADDRESSES)
        return PROXY_WAIT;
    size_t rest = (size_t)bytes[AT_LEN] << 8 | bytes[AT_LEN + 1];
    bool is_proxy = bytes[AT_VERSION] == VERSION_PROXY;
    *header_len = AT_ADDRESSES + rest;
    if ((!is_proxy && bytes[AT_VERSION] != VERSION_LOCAL) || *header_len > PROXY_HEADER_MAX)
        return PROXY_FOREIGN;
    if (len < *header_len)
        return PROXY_WAIT;
    const uint8_t *source = bytes + AT_ADDRESSES;
    memset(address, 0, PROXY_ADDRESS_LEN);
    if (is_proxy && bytes[AT_FAMILY] == TCP4 && rest >= TCP4_LEN) {
        address[10] = address[11] = 0xFF;
        memcpy(address + 12, source, 4);
        memcpy(address + 16, source + 8, 2);
        return PROXY_SOURCE;
    }
    if (is_proxy && bytes[AT_FAMILY] == TCP6 && rest >= TCP6_LEN) {
        memcpy(address, source, 16);
        memcpy(address + 16, source + 32, 2);
        return PROXY_SOURCE;
    }
    return PROXY_NOBODY;
}
