/* Cases of SHA-256 and HMAC-SHA-256. */
#include "crypto/sha256.h"
#include "kat/run.h"

#include <string.h>

int kat_run_sha256(struct run *run) {
    uint8_t message[VALUE_MAX], expected[SHA256_LEN], digest[SHA256_LEN];
    size_t len;
    unsigned long long bits;
    if (!kat_is(run, F_LENGTH, "32"))
        return kat_skip(run);
    int code = kat_get_number(run, F_LEN, &bits);
    if (code == 0)
        code = kat_get_hex(run, F_MSG, message, sizeof message, &len);
    if (code == 0)
        code = kat_get_digest(run, F_MD, expected);
    if (code != 0)
        return code;
    if (bits % 8 != 0 || bits / 8 > len || (bits / 8 < len && bits != 0))
        return kat_malformed(run, "Len and Msg do not agree");
    sha256(digest, message, (size_t)bits / 8);
    return memcmp(digest, expected, SHA256_LEN) == 0 ? kat_pass(run)
                                                     : kat_wrong(run, "SHA-256 differs");
}

/* CAVP's Monte Carlo test: 1000 digests a step, each of the last three. */
int kat_run_sha256_monte(struct run *run) {
    uint8_t chain[3 * SHA256_LEN], expected[SHA256_LEN], digest[SHA256_LEN];
    unsigned long long step;
    int code = kat_get_number(run, F_COUNT, &step);
    if (code == 0)
        code = kat_get_digest(run, F_MD, expected);
    if (code != 0)
        return code;
    if (run->monte_next < 0 || step != (unsigned)run->monte_next)
        return kat_malformed(run, "COUNT out of order, or no Seed");
    for (int i = 0; i < 3; i++)
        memcpy(chain + i * SHA256_LEN, run->monte_seed, SHA256_LEN);
    for (int i = 0; i < 1000; i++) {
        sha256(digest, chain, sizeof chain);
        memmove(chain, chain + SHA256_LEN, 2 * SHA256_LEN);
        memcpy(chain + 2 * SHA256_LEN, digest, SHA256_LEN);
    }
    memcpy(run->monte_seed, digest, SHA256_LEN);
    run->monte_next++;
    return memcmp(digest, expected, SHA256_LEN) == 0 ? kat_pass(run)
                                                     : kat_wrong(run, "SHA-256 differs");
}

int kat_run_hmac(struct run *run) {
    uint8_t key[VALUE_MAX], message[VALUE_MAX], expected[SHA256_LEN], mac[SHA256_LEN];
    size_t key_len, message_len, mac_len;
    if (!kat_is(run, F_LENGTH, "32"))
        return kat_skip(run);
    int code = kat_get_hex(run, F_KEY, key, sizeof key, &key_len);
    if (code == 0)
        code = kat_get_hex(run, F_MSG, message, sizeof message, &message_len);
    if (code == 0)
        code = kat_get_hex(run, F_MAC, expected, sizeof expected, &mac_len);
    if (code != 0)
        return code;
    if (mac_len < 8)
        return kat_malformed(run, "Mac shorter than 8 bytes");
    hmac_sha256(mac, key, key_len, message, message_len);
    return memcmp(mac, expected, mac_len) == 0 ? kat_pass(run)
                                               : kat_wrong(run, "HMAC-SHA-256 differs");
}
