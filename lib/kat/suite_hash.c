/* Cases of SHA-256, HMAC-SHA-256 and HKDF-SHA-256. */
#include "kat/suites.h"

#include "base/bytes.h"
#include "crypto/hkdf.h"

#include <string.h>

enum length_check { LENGTH_OURS, LENGTH_OTHER, LENGTH_UNKNOWN };

/* [L] says which hash a case is for, by the length of its output. */
static enum length_check check_length(const struct kat_vector *vector) {
    static const char *const others[] = {"20", "28", "48", "64"};
    if (kat_is(vector, F_LENGTH, "32"))
        return LENGTH_OURS;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (kat_is(vector, F_LENGTH, others[i]))
            return LENGTH_OTHER;
    }
    kat_fail(vector, "[L] is missing, or is not the output length of a hash (20, 28, 32, 48, 64)");
    return LENGTH_UNKNOWN;
}

static enum kat_outcome compare_digest(const struct kat_vector *vector,
                                       const uint8_t digest[SHA256_LEN],
                                       const uint8_t expected[SHA256_LEN]) {
    return memcmp(digest, expected, SHA256_LEN) == 0 ? KAT_PASSED
                                                     : kat_fail(vector, "SHA-256 differs");
}

enum kat_outcome kat_sha256(struct kat_vector *vector) {
    uint8_t message[KAT_VALUE_MAX], expected[SHA256_LEN], digest[SHA256_LEN];
    size_t len;
    unsigned long long bits;
    enum length_check length = check_length(vector);
    if (length != LENGTH_OURS)
        return length == LENGTH_OTHER ? KAT_SKIPPED : KAT_FAILED;
    if (!kat_get_number(vector, F_LEN, &bits) ||
        !kat_get_hex(vector, F_MSG, message, sizeof message, &len) ||
        !kat_get_bytes(vector, F_MD, expected, sizeof expected))
        return KAT_FAILED;
    if (bits % 8 != 0 || bits / 8 > len || (bits / 8 < len && bits != 0))
        return kat_fail(vector, "Len and Msg do not agree");
    sha256(digest, message, (size_t)bits / 8);
    return compare_digest(vector, digest, expected);
}

/* CAVP's Monte Carlo test: 1000 digests a step, each of the last three. */
enum kat_outcome kat_sha256_monte(struct kat_vector *vector) {
    uint8_t chain[3 * SHA256_LEN], expected[SHA256_LEN], digest[SHA256_LEN];
    unsigned long long step;
    enum length_check length = check_length(vector);
    if (length != LENGTH_OURS)
        return length == LENGTH_OTHER ? KAT_SKIPPED : KAT_FAILED;
    if (!kat_get_number(vector, F_COUNT, &step) ||
        !kat_get_bytes(vector, F_MD, expected, sizeof expected))
        return KAT_FAILED;
    if (vector->monte_next < 0 || step != (unsigned)vector->monte_next)
        return kat_fail(vector, "COUNT out of order, or no Seed");
    for (int i = 0; i < 3; i++)
        memcpy(chain + i * SHA256_LEN, vector->monte_seed, SHA256_LEN);
    for (int i = 0; i < 1000; i++) {
        sha256(digest, chain, sizeof chain);
        memmove(chain, chain + SHA256_LEN, 2 * SHA256_LEN);
        memcpy(chain + 2 * SHA256_LEN, digest, SHA256_LEN);
    }
    memcpy(vector->monte_seed, digest, SHA256_LEN);
    vector->monte_next++;
    return compare_digest(vector, digest, expected);
}

/* The MAC of Msg under Key. */
static bool compute_mac(const struct kat_vector *vector, uint8_t mac[SHA256_LEN]) {
    uint8_t key[KAT_VALUE_MAX], message[KAT_VALUE_MAX];
    size_t key_len, message_len;
    if (!kat_get_optional(vector, F_KEY, key, sizeof key, &key_len) ||
        !kat_get_optional(vector, F_MSG, message, sizeof message, &message_len))
        return false;
    hmac_sha256(mac, key, key_len, message, message_len);
    return true;
}

enum kat_outcome kat_hmac(struct kat_vector *vector) {
    uint8_t expected[SHA256_LEN], mac[SHA256_LEN];
    size_t mac_len;
    enum length_check length = check_length(vector);
    if (length != LENGTH_OURS)
        return length == LENGTH_OTHER ? KAT_SKIPPED : KAT_FAILED;
    if (!kat_has(vector, F_KEY) || !kat_has(vector, F_MSG))
        return kat_fail(vector, "Key and Msg are needed");
    if (!kat_get_hex(vector, F_MAC, expected, sizeof expected, &mac_len) ||
        !compute_mac(vector, mac))
        return KAT_FAILED;
    if (mac_len < 8)
        return kat_fail(vector, "Mac is shorter than 8 bytes");
    return memcmp(mac, expected, mac_len) == 0 ? KAT_PASSED
                                               : kat_fail(vector, "HMAC-SHA-256 differs");
}

/* A tag that belongs to the message, or one that does not. A tag may be cut short. */
enum kat_outcome kat_hmac_tag(struct kat_vector *vector) {
    uint8_t tag[SHA256_LEN], mac[SHA256_LEN];
    size_t tag_len;
    enum kat_expected expected;
    if (!kat_get_result(vector, &expected) ||
        !kat_get_hex(vector, F_TAG, tag, sizeof tag, &tag_len) || !compute_mac(vector, mac))
        return KAT_FAILED;
    if (tag_len < 8)
        return kat_fail(vector, "Tag is shorter than 8 bytes");
    return kat_compare_result(vector, expected, bytes_are_equal(mac, tag, tag_len),
                              "HMAC-SHA-256 tag");
}

enum kat_outcome kat_hkdf(struct kat_vector *vector) {
    uint8_t ikm[KAT_VALUE_MAX], salt[KAT_VALUE_MAX], info[KAT_VALUE_MAX], expected[KAT_VALUE_MAX],
        okm[KAT_VALUE_MAX];
    size_t ikm_len, salt_len, info_len, okm_len = 0;
    unsigned long long size = 0;
    if (!kat_get_hex(vector, F_IKM, ikm, sizeof ikm, &ikm_len) ||
        !kat_get_optional(vector, F_SALT, salt, sizeof salt, &salt_len) ||
        !kat_get_optional(vector, F_INFO, info, sizeof info, &info_len) ||
        !kat_get_optional(vector, F_OKM, expected, sizeof expected, &okm_len))
        return KAT_FAILED;
    if (kat_has(vector, F_RESULT)) { /* an output that is too long must be refused */
        enum kat_expected result;
        if (!kat_get_result(vector, &result) || !kat_get_number(vector, F_SIZE, &size))
            return KAT_FAILED;
        if (size > sizeof okm)
            return kat_fail(vector, "Size is larger than 16384");
        return kat_compare_result(
            vector, result,
            hkdf_sha256(okm, (size_t)size, salt, salt_len, ikm, ikm_len, info, info_len),
            "output length of HKDF-SHA-256");
    }
    if (!hkdf_sha256(okm, okm_len, salt, salt_len, ikm, ikm_len, info, info_len) ||
        memcmp(okm, expected, okm_len) != 0)
        return kat_fail(vector, "HKDF-SHA-256 differs");
    return KAT_PASSED;
}
