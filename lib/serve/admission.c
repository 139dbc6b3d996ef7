#include "serve/admission.h"

#include "base/bytes.h"
#include "crypto/sha256.h"
#include "net/socket.h"

#include <netinet/in.h>
#include <string.h>

#define BURST_S 5 /* what may come at once: the rate of so many seconds */
#define KNOWN_S 86400

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

/* --- prefixes --------------------------------------------------------------------------------- */

/* A length of prefixes, and how many times the limit of one address such a network has. */
struct level {
    unsigned bits;
    unsigned times;
};

#define V4(bits) (96 + (bits)) /* as IPv6 writes it */

/* The network that admission_network is about is in both. */
static const struct level v4_levels[] = {{V4(32), 1}, {V4(24), 4}, {V4(16), 16}};
static const struct level v6_levels[] = {{128, 1}, {64, 2}, {56, 4}, {48, 16}};

static bool is_v4(const uint8_t address[ADDRESS_LEN]) {
    return memcmp(address, v4_prefix, sizeof v4_prefix) == 0;
}

/* A keyed hash of the first bits of an address or of a kiosk's id, all of which are whole bytes. */
static void hash_prefix(const struct admission *admission, const uint8_t *address, unsigned bits,
                        uint8_t hash[SHA256_LEN]) {
    uint8_t prefix[17];
    prefix[0] = (uint8_t)bits;
    memcpy(prefix + 1, address, bits / 8);
    hmac_sha256(hash, admission->board->cookie_key, COOKIE_KEY_LEN, prefix, 1 + bits / 8);
}

uint64_t admission_network(const struct admission *admission, const uint8_t address[ADDRESS_LEN]) {
    uint8_t hash[SHA256_LEN];
    hash_prefix(admission, address, is_v4(address) ? V4(24) : 56, hash);
    return load_le64(hash);
}

/* --- limits ----------------------------------------------------------------------------------- */

static bool take_level(const struct admission *admission, const uint8_t address[ADDRESS_LEN],
                       const struct level *level, unsigned times, int64_t now_us) {
    struct limit *sources = admission->tally->sources;
    unsigned rate = admission->per_source * level->times * times;
    uint8_t hash[SHA256_LEN];
    hash_prefix(admission, address, level->bits, hash);
    bool first = limit_take(&sources[load_le32(hash) % SOURCES], now_us, rate, rate * BURST_S);
    bool second = limit_take(&sources[load_le32(hash + 4) % SOURCES], now_us, rate, rate * BURST_S);
    return first || second;
}

bool admission_take(const struct admission *admission, const uint8_t address[ADDRESS_LEN]) {
    int64_t now_us = net_now_us();
    const struct level *levels = is_v4(address) ? v4_levels : v6_levels;
    size_t count = is_v4(address) ? sizeof v4_levels / sizeof *v4_levels
                                  : sizeof v6_levels / sizeof *v6_levels;
    bool is_known = admission_knows(admission, admission_network(admission, address));
    unsigned times = is_known ? ADMISSION_KNOWN_TIMES : 1;
    for (size_t i = 0; i < count && admission->per_source > 0; i++) {
        if (!take_level(admission, address, &levels[i], times, now_us))
            return false;
    }
    /* Strangers, however many, use up nothing of what networks with kiosks have. */
    struct limit *total =
        is_known ? &admission->tally->known_openings : &admission->tally->openings;
    return limit_take(total, now_us, admission->per_second, admission->per_second);
}

bool admission_take_kiosk(const struct admission *admission, const uint8_t kiosk[KIOSK_ID_LEN]) {
    uint8_t hash[SHA256_LEN];
    hash_prefix(admission, kiosk, 8 * KIOSK_ID_LEN, hash);
    struct limit *vouched = admission->tally->vouched;
    int64_t now_us = net_now_us();
    bool first = limit_take(&vouched[load_le32(hash) % VOUCHERS], now_us, 1, VOUCHED_BURST);
    bool second = limit_take(&vouched[load_le32(hash + 4) % VOUCHERS], now_us, 1, VOUCHED_BURST);
    return first || second;
}

/* --- networks of kiosks ----------------------------------------------------------------------- */

/* An entry holds the upper half of the network's number, and when a kiosk was seen there. */
static _Atomic uint64_t *find_known(const struct admission *admission, uint64_t network) {
    return &admission->tally->known[network % KNOWN_NETWORKS];
}

static uint32_t now_s(void) {
    return (uint32_t)(net_now_us() / 1000000);
}

void admission_note_kiosk(const struct admission *admission, uint64_t network) {
    uint64_t entry = (network & ~(uint64_t)UINT32_MAX) | now_s();
    atomic_store_explicit(find_known(admission, network), entry, memory_order_relaxed);
}

bool admission_knows(const struct admission *admission, uint64_t network) {
    uint64_t entry = atomic_load_explicit(find_known(admission, network), memory_order_relaxed);
    return entry >> 32 == network >> 32 && entry != 0 && now_s() - (uint32_t)entry < KNOWN_S;
}
