#include "crypto/certificate.h"

#include "base/bytes.h"

#include <string.h>

/* Offsets. */
#define CERTIFICATE_FROM 0
#define CERTIFICATE_UNTIL 8
#define CERTIFICATE_KEY_LEN 16
#define CERTIFICATE_KEY 18

const struct file_kind certificate_file_kind = {
    .what = "a certificate of a receipt key", .mark = CERTIFICATE_MARK, .mode = 0644};

#define PURPOSE "dlv receipt key 1"

size_t certificate_make(uint8_t bytes[CERTIFICATE_MAX], const struct rsa_public *key,
                        int64_t from_s, int64_t until_s, const struct rsa_private *issuer) {
    uint8_t der[RSA_PUBLIC_DER_MAX], digest[SHA256_LEN];
    size_t der_len = rsa_public_encode(key, der);
    if (der_len > RSA_PUBLIC_DER_LONGEST)
        return 0;
    store_le64(bytes + CERTIFICATE_FROM, (uint64_t)from_s);
    store_le64(bytes + CERTIFICATE_UNTIL, (uint64_t)until_s);
    store_le16(bytes + CERTIFICATE_KEY_LEN, (uint16_t)der_len);
    memcpy(bytes + CERTIFICATE_KEY, der, der_len);
    size_t len = CERTIFICATE_KEY + der_len;
    sha256_for(digest, PURPOSE, bytes, len);
    return rsa_sign(issuer, digest, bytes + len) ? len + issuer->public.n_len : 0;
}

int certificate_read(struct certificate *certificate, const uint8_t *bytes, size_t len,
                     const struct key_set *issuers, struct error *error) {
    uint8_t digest[SHA256_LEN];
    size_t key_len = len > CERTIFICATE_KEY ? load_le16(bytes + CERTIFICATE_KEY_LEN) : 0;
    if (key_len == 0 || key_len > len - CERTIFICATE_KEY ||
        rsa_public_decode(&certificate->key, bytes + CERTIFICATE_KEY, key_len) != 0 ||
        rsa_bits(&certificate->key) < 2048)
        return error_set(error, ERR_FORMAT, "the certificate of the receipt key is malformed");
    certificate->from_s = (int64_t)load_le64(bytes + CERTIFICATE_FROM);
    certificate->until_s = (int64_t)load_le64(bytes + CERTIFICATE_UNTIL);
    size_t signed_len = CERTIFICATE_KEY + key_len;
    sha256_for(digest, PURPOSE, bytes, signed_len);
    for (unsigned i = 0; i < issuers->count; i++) {
        if (!rsa_verify(&issuers->keys[i], digest, bytes + signed_len, len - signed_len))
            continue;
        memcpy(certificate->issuer_id, issuers->ids[i], SHA256_LEN);
        return 0;
    }
    return error_set(error, ERR_SIGNATURE,
                     "the certificate of the receipt key is not signed by an authority given");
}

size_t certificate_write_text(char text[CERTIFICATE_TEXT_MAX], const uint8_t *bytes, size_t len) {
    size_t mark_len = sizeof CERTIFICATE_MARK - 1;
    memcpy(text, CERTIFICATE_MARK, mark_len);
    hex_encode(text + mark_len, bytes, len);
    text[mark_len + 2 * len] = '\n';
    return mark_len + 2 * len + 1;
}

ssize_t certificate_load(uint8_t bytes[CERTIFICATE_MAX], const char *path, struct error *error) {
    char text[CERTIFICATE_TEXT_MAX];
    size_t mark_len = sizeof CERTIFICATE_MARK - 1;
    ssize_t len = file_read(path, text, sizeof text, error);
    if (len < 0)
        return len;
    size_t left = (size_t)len > mark_len ? (size_t)len - mark_len : 0;
    while (left > 0 && text[mark_len + left - 1] == '\n')
        left--;
    long decoded = left > 0 && memcmp(text, CERTIFICATE_MARK, mark_len) == 0
                       ? hex_decode(bytes, CERTIFICATE_MAX, text + mark_len, left)
                       : -1;
    return decoded > 0
               ? (ssize_t)decoded
               : error_set(
                     error, ERR_FORMAT,
                     "%s: is not a certificate of a receipt key (dlv keygen --certify makes one)",
                     path);
}
