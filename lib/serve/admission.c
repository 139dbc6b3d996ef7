#include "serve/admission.h"

#include "base/bytes.h"
#include "crypto/sha256.h"
#include "net/socket.h"

#include <netinet/in.h>
#include <string.h>

#define BURST_S 5 /* what may come at once: the rate of so many seconds */

static const uint8_t v4_prefix[12] = {[10] = 0xFF, [11] = 0xFF};

void admission_address(uint8_t bytes[ADDRESS_LEN], const struct sockaddr_storage *address) {
    memset(bytes, 0, ADDRESS_LEN);
    if (address->ss_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof v6);
        memcpy(bytes, &v6.sin6_addr, 16);
        memcpy(bytes + 16, &v6.sin6_port, 2);
    } else if (address->ss_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        memcpy(bytes, v4_prefix, sizeof v4_prefix);
        memcpy(bytes + 12, &v4.sin_addr, 4);
        memcpy(bytes + 16, &v4.sin_port, 2);
    }
}

static struct limit *limit_of(const struct admission *admission,
                              const struct sockaddr_storage *address) {
    uint8_t bytes[ADDRESS_LEN], mac[SHA256_LEN];
    admission_address(bytes, address);
    size_t len = memcmp(bytes, v4_prefix, sizeof v4_prefix) == 0 ? 16 : 8;
    hmac_sha256(mac, admission->board->cookie_key, COOKIE_KEY_LEN, bytes, len);
    return &admission->tally->sources[load_le32(mac) % SOURCES];
}

bool admission_take(const struct admission *admission, const struct sockaddr_storage *address) {
    int64_t now_us = net_now_us();
    return limit_take(limit_of(admission, address), now_us, admission->per_source,
                      admission->per_source * BURST_S) &&
           limit_take(&admission->tally->openings, now_us, admission->per_second,
                      admission->per_second);
}
