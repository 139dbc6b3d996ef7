#include "crypto/rsa_key.h"

#include "base/bytes.h"
#include "base/file.h"
#include "base/format.h"
#include "crypto/key_kind.h"

#include <bearssl_pem.h>
#include <bearssl_x509.h> /* br_encode_rsa_pkcs8_der */
#include <stdio.h>
#include <string.h>

#define DER_MAX 4096 /* a PKCS#8 key of 4096 bits takes 2.4 kB */

enum { DER_INTEGER = 0x02, DER_BIT_STRING = 0x03, DER_OCTET_STRING = 0x04, DER_SEQUENCE = 0x30 };

/* AlgorithmIdentifier of rsaEncryption (1.2.840.113549.1.1.1, NULL). */
static const uint8_t rsa_encryption[] = {0x30, 0x0D, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86,
                                         0xF7, 0x0D, 0x01, 0x01, 0x01, 0x05, 0x00};

/* --- writing DER ------------------------------------------------------------------------------ */

static size_t der_header_len(size_t len) {
    return len < 0x80 ? 2 : len < 0x100 ? 3 : 4;
}

static uint8_t *der_put_header(uint8_t *out, uint8_t tag, size_t len) {
    *out++ = tag;
    if (len >= 0x100) {
        *out++ = 0x82;
        *out++ = (uint8_t)(len >> 8);
    } else if (len >= 0x80) {
        *out++ = 0x81;
    }
    *out++ = (uint8_t)len;
    return out;
}

/* Length of an unsigned number as INTEGER contents: a zero goes before a set top bit. */
static size_t der_integer_len(const uint8_t *number, size_t len) {
    return len + (number[0] >> 7);
}

static uint8_t *der_put_integer(uint8_t *out, const uint8_t *number, size_t len) {
    out = der_put_header(out, DER_INTEGER, der_integer_len(number, len));
    if (number[0] >> 7)
        *out++ = 0;
    memcpy(out, number, len);
    return out + len;
}

size_t rsa_public_encode(const struct rsa_public *key, uint8_t der[RSA_PUBLIC_DER_MAX]) {
    size_t n_len = der_integer_len(key->n, key->n_len);
    size_t e_len = der_integer_len(key->e, key->e_len);
    size_t pair_len = der_header_len(n_len) + n_len + der_header_len(e_len) + e_len;
    size_t bits_len = 1 + der_header_len(pair_len) + pair_len;
    size_t info_len = sizeof rsa_encryption + der_header_len(bits_len) + bits_len;

    uint8_t *out = der_put_header(der, DER_SEQUENCE, info_len);
    memcpy(out, rsa_encryption, sizeof rsa_encryption);
    out = der_put_header(out + sizeof rsa_encryption, DER_BIT_STRING, bits_len);
    *out++ = 0; /* no unused bits */
    out = der_put_header(out, DER_SEQUENCE, pair_len);
    out = der_put_integer(out, key->n, key->n_len);
    out = der_put_integer(out, key->e, key->e_len);
    return (size_t)(out - der);
}

void rsa_public_id(const struct rsa_public *key, uint8_t id[SHA256_LEN]) {
    uint8_t der[RSA_PUBLIC_DER_MAX];
    sha256(id, der, rsa_public_encode(key, der));
}

void rsa_fingerprint_of_id(const uint8_t id[SHA256_LEN], char text[RSA_FINGERPRINT_SIZE]) {
    char base64[BASE64_LEN(SHA256_LEN) + 1];
    base64_encode(base64, id, SHA256_LEN);
    format_text(text, RSA_FINGERPRINT_SIZE, "SHA256:%.43s", base64);
}

void rsa_fingerprint(const struct rsa_public *key, char text[RSA_FINGERPRINT_SIZE]) {
    uint8_t id[SHA256_LEN];
    rsa_public_id(key, id);
    rsa_fingerprint_of_id(id, text);
}

size_t rsa_public_write_pem(const struct rsa_public *key, char *pem) {
    uint8_t der[RSA_PUBLIC_DER_MAX];
    size_t len = rsa_public_encode(key, der);
    return br_pem_encode(pem, der, len, "PUBLIC KEY", BR_PEM_LINE64);
}

size_t rsa_private_write_pem(const struct rsa_private *key, char *pem) {
    uint8_t d[RSA_LEN_MAX];
    uint8_t der[DER_MAX];
    br_rsa_public_key public = {0};
    uint8_t n[RSA_LEN_MAX];
    uint8_t e[RSA_LEN_MAX];
    memcpy(n, key->public.n, key->public.n_len);
    memcpy(e, key->public.e, key->public.e_len);
    public = (br_rsa_public_key){n, key->public.n_len, e, key->public.e_len};
    uint32_t exponent = 0;
    for (size_t i = 0; i < key->public.e_len && i < 4; i++)
        exponent = exponent << 8 | e[i];
    size_t d_len = br_rsa_compute_privexp_get_default()(d, &key->key, exponent);
    size_t der_len = br_encode_rsa_pkcs8_der(der, &key->key, &public, d, d_len);
    size_t len = br_pem_encode(pem, der, der_len, "PRIVATE KEY", BR_PEM_LINE64);
    wipe(d, sizeof d);
    wipe(der, sizeof der);
    return len;
}

/* --- reading PEM ------------------------------------------------------------------------------ */

struct der_sink {
    size_t len; /* this may exceed DER_MAX, where the object is too large */
    uint8_t *bytes;
};

static void der_append(void *context, const void *data, size_t len) {
    struct der_sink *sink = context;
    if (sink->len <= DER_MAX && len <= DER_MAX - sink->len)
        memcpy(sink->bytes + sink->len, data, len);
    sink->len = len <= DER_MAX ? sink->len + len : DER_MAX + 1;
    if (sink->len > DER_MAX)
        sink->len = DER_MAX + 1;
}

/* Decodes the first object named `name` or "RSA " `name` into `der` (DER_MAX bytes). Returns its
 * length, or 0 where there is none, or it is damaged or too large. *is_pkcs1 says which name. */
static size_t pem_find(const char *pem, size_t len, const char *name, uint8_t *der,
                       bool *is_pkcs1) {
    br_pem_decoder_context decoder;
    struct der_sink sink = {0, der};
    bool is_wanted = false;
    size_t result = 0;
    /* The last line need not end with a line feed. */
    static const char line_feed = '\n';

    br_pem_decoder_init(&decoder);
    for (size_t at = 0; at <= len;) {
        if (at < len && pem[at] == '\r') { /* BearSSL's banners end with a line feed alone */
            at++;
            continue;
        }
        const char *stop = at < len ? memchr(pem + at, '\r', len - at) : NULL;
        size_t run_len = (stop ? (size_t)(stop - pem) : len) - at;
        at += at < len ? br_pem_decoder_push(&decoder, pem + at, run_len)
                       : br_pem_decoder_push(&decoder, &line_feed, 1);
        switch (br_pem_decoder_event(&decoder)) {
        case BR_PEM_BEGIN_OBJ: {
            const char *found = br_pem_decoder_name(&decoder);
            *is_pkcs1 = strncmp(found, "RSA ", 4) == 0;
            is_wanted = strcmp(found + (*is_pkcs1 ? 4 : 0), name) == 0;
            br_pem_decoder_setdest(&decoder, is_wanted ? der_append : NULL, &sink);
            break;
        }
        case BR_PEM_END_OBJ:
            if (is_wanted) {
                result = sink.len > DER_MAX ? 0 : sink.len;
                goto done;
            }
            break;
        case BR_PEM_ERROR:
            goto done;
        default:
            break;
        }
    }
done:
    wipe(&decoder, sizeof decoder);
    return result;
}

/* --- reading DER ------------------------------------------------------------------------------ */

struct der {
    const uint8_t *at;
    size_t len;
};

/* Takes the element `tag` off the front of `in`, with its contents at *contents. False where it is
 * not there. Lengths must be minimal, as DER demands. */
static bool der_take(struct der *in, uint8_t tag, struct der *contents) {
    if (in->len < 2 || in->at[0] != tag)
        return false;
    size_t header = 2;
    size_t len = in->at[1];
    if (len == 0x81 && in->len >= 3) {
        header = 3;
        len = in->at[2];
        if (len < 0x80)
            return false;
    } else if (len == 0x82 && in->len >= 4) {
        header = 4;
        len = (size_t)in->at[2] << 8 | in->at[3];
        if (len < 0x100)
            return false;
    } else if (len >= 0x80) {
        return false;
    }
    if (len > in->len - header)
        return false;
    *contents = (struct der){in->at + header, len};
    in->at += header + len;
    in->len -= header + len;
    return true;
}

/* A positive INTEGER of at most RSA_LEN_MAX bytes. */
static bool der_take_number(struct der *in, uint8_t number[RSA_LEN_MAX], size_t *len) {
    struct der contents;
    if (!der_take(in, DER_INTEGER, &contents) || contents.len == 0 || contents.at[0] >> 7)
        return false;
    if (contents.len > 1 && contents.at[0] == 0) {
        if (!(contents.at[1] >> 7))
            return false;
        contents.at++;
        contents.len--;
    }
    if (contents.len > RSA_LEN_MAX)
        return false;
    memcpy(number, contents.at, contents.len);
    *len = contents.len;
    return true;
}

/* RSAPublicKey ::= SEQUENCE { modulus, publicExponent } */
static bool der_take_pair(struct der *in, struct rsa_public *key) {
    struct der pair;
    return der_take(in, DER_SEQUENCE, &pair) && der_take_number(&pair, key->n, &key->n_len) &&
           der_take_number(&pair, key->e, &key->e_len) && pair.len == 0;
}

static bool der_take_algorithm(struct der *in) {
    if (in->len < sizeof rsa_encryption ||
        memcmp(in->at, rsa_encryption, sizeof rsa_encryption) != 0)
        return false;
    in->at += sizeof rsa_encryption;
    in->len -= sizeof rsa_encryption;
    return true;
}

/* SubjectPublicKeyInfo ::= SEQUENCE { algorithm, subjectPublicKey BIT STRING } */
static bool der_take_info(struct der *in, struct rsa_public *key) {
    struct der info, bits;
    if (!der_take(in, DER_SEQUENCE, &info) || !der_take_algorithm(&info) ||
        !der_take(&info, DER_BIT_STRING, &bits) || info.len != 0 || bits.len < 1 || bits.at[0] != 0)
        return false;
    bits.at++;
    bits.len--;
    return der_take_pair(&bits, key) && bits.len == 0;
}

int rsa_public_decode(struct rsa_public *key, const uint8_t *der, size_t len) {
    struct der in = {der, len};
    memset(key, 0, sizeof *key);
    return der_take_info(&in, key) && in.len == 0 && rsa_public_is_sane(key) ? 0 : ERR_FORMAT;
}

int rsa_public_decode_pkcs1(struct rsa_public *key, const uint8_t *der, size_t len) {
    struct der in = {der, len};
    memset(key, 0, sizeof *key);
    return der_take_pair(&in, key) && in.len == 0 && rsa_public_is_sane(key) ? 0 : ERR_FORMAT;
}

/* Says what the file is instead of a key, as far as that can be told. */
static int no_key(const char *pem, size_t len, bool wants_private, struct error *error) {
    const char *what = wants_private ? "private" : "public";
    const char *kind = key_kind(pem, len, wants_private);
    if (kind != NULL)
        return error_set(error, ERR_FORMAT, "no PEM %s key: it is %s", what, kind);
    return error_set(error, ERR_FORMAT, "no PEM %s key (want -----BEGIN %s KEY-----)", what,
                     wants_private ? "PRIVATE" : "PUBLIC");
}

int rsa_public_read_pem(struct rsa_public *key, const char *pem, size_t len, struct error *error) {
    uint8_t der[DER_MAX];
    bool is_pkcs1;
    struct der in = {der, pem_find(pem, len, "PUBLIC KEY", der, &is_pkcs1)};
    if (in.len == 0)
        return no_key(pem, len, false, error);
    memset(key, 0, sizeof *key);
    if (!(is_pkcs1 ? der_take_pair(&in, key) : der_take_info(&in, key)) || in.len != 0)
        return error_set(error, ERR_FORMAT,
                         "the public key is not one of RSA (openssl genrsa makes one), or damaged");
    if (!rsa_public_is_sane(key))
        return error_set(error, ERR_FORMAT, "not a usable RSA key (want %d to %d bits)",
                         RSA_BITS_MIN, RSA_BITS_MAX);
    return 0;
}

/* Takes a number and keeps it behind what `store` holds so far. */
static bool keep_number(struct der *in, struct rsa_private *key, size_t *used, unsigned char **part,
                        size_t *part_len) {
    uint8_t number[RSA_LEN_MAX];
    bool ok = der_take_number(in, number, part_len) && *part_len <= sizeof key->store - *used;
    if (ok) {
        *part = key->store + *used;
        memcpy(*part, number, *part_len);
        *used += *part_len;
    }
    wipe(number, sizeof number);
    return ok;
}

/* RSAPrivateKey ::= SEQUENCE { 0, n, e, d, p, q, dp, dq, iq } */
static bool der_take_private(struct der *in, struct rsa_private *key) {
    struct der sequence, version, d;
    size_t used = 0;
    br_rsa_private_key *k = &key->key;
    if (!der_take(in, DER_SEQUENCE, &sequence) || !der_take(&sequence, DER_INTEGER, &version) ||
        version.len != 1 || version.at[0] != 0 ||
        !der_take_number(&sequence, key->public.n, &key->public.n_len) ||
        !der_take_number(&sequence, key->public.e, &key->public.e_len) ||
        !der_take(&sequence, DER_INTEGER, &d) ||
        !keep_number(&sequence, key, &used, &k->p, &k->plen) ||
        !keep_number(&sequence, key, &used, &k->q, &k->qlen) ||
        !keep_number(&sequence, key, &used, &k->dp, &k->dplen) ||
        !keep_number(&sequence, key, &used, &k->dq, &k->dqlen) ||
        !keep_number(&sequence, key, &used, &k->iq, &k->iqlen) || sequence.len != 0)
        return false;
    k->n_bitlen = rsa_bits(&key->public);
    return true;
}

/* PrivateKeyInfo ::= SEQUENCE { 0, algorithm, privateKey OCTET STRING, attributes OPTIONAL } */
static bool der_take_private_info(struct der *in, struct rsa_private *key) {
    struct der info, version, octets;
    if (!der_take(in, DER_SEQUENCE, &info) || !der_take(&info, DER_INTEGER, &version) ||
        version.len != 1 || version.at[0] != 0 || !der_take_algorithm(&info) ||
        !der_take(&info, DER_OCTET_STRING, &octets))
        return false;
    return der_take_private(&octets, key) && octets.len == 0;
}

/* Checks a private key that has been read; wipes it where it is not good. */
static int finish_private(struct rsa_private *key, bool is_read) {
    if (is_read && rsa_private_is_consistent(key))
        return 0;
    wipe(key, sizeof *key);
    return ERR_FORMAT;
}

int rsa_private_decode(struct rsa_private *key, const uint8_t *der, size_t len) {
    struct der in = {der, len};
    memset(key, 0, sizeof *key);
    return finish_private(key, der_take_private_info(&in, key) && in.len == 0);
}

int rsa_private_decode_pkcs1(struct rsa_private *key, const uint8_t *der, size_t len) {
    struct der in = {der, len};
    memset(key, 0, sizeof *key);
    return finish_private(key, der_take_private(&in, key) && in.len == 0);
}

int rsa_private_read_pem(struct rsa_private *key, const char *pem, size_t len,
                         struct error *error) {
    uint8_t der[DER_MAX];
    bool is_pkcs1;
    size_t der_len = pem_find(pem, len, "PRIVATE KEY", der, &is_pkcs1);
    if (der_len == 0)
        return no_key(pem, len, true, error);
    int code = is_pkcs1 ? rsa_private_decode_pkcs1(key, der, der_len)
                        : rsa_private_decode(key, der, der_len);
    wipe(der, sizeof der);
    if (code == 0)
        return 0;
    return error_set(
        error, ERR_FORMAT,
        "the private key is not one of RSA with %d to %d bits (openssl genrsa makes one), "
        "or damaged",
        RSA_BITS_MIN, RSA_BITS_MAX);
}

/* --- files ------------------------------------------------------------------------------------ */

/* Where one key is wanted, nobody can say which of several is meant. */
static int check_single(const char *pem, size_t len, const char *path, struct error *error) {
    static const char mark[] = "-----BEGIN ";
    const char *first = memmem(pem, len, mark, sizeof mark - 1);
    size_t rest = first != NULL ? len - (size_t)(first + 1 - pem) : 0;
    return rest == 0 || memmem(first + 1, rest, mark, sizeof mark - 1) == NULL
               ? 0
               : error_set(error, ERR_FORMAT, "%s: more than one key, and one is wanted here",
                           path);
}

static int check_bits(const struct rsa_public *key, const char *path, unsigned bits_min,
                      struct error *error) {
    if (rsa_bits(key) >= bits_min)
        return 0;
    return error_set(error, ERR_FORMAT, "%s: the key has %u bits (want at least %u)", path,
                     rsa_bits(key), bits_min);
}

int rsa_public_load(struct rsa_public *key, const char *path, unsigned bits_min,
                    struct error *error) {
    char pem[RSA_PEM_MAX];
    ssize_t len = file_read(path, pem, sizeof pem, error);
    if (len < 0)
        return (int)len;
    int code = rsa_public_read_pem(key, pem, (size_t)len, error);
    if (code != 0)
        return error_prefix(error, code, path);
    code = check_single(pem, (size_t)len, path, error);
    if (code != 0)
        return code;
    return check_bits(key, path, bits_min, error);
}

int rsa_private_load(struct rsa_private *key, const char *path, unsigned bits_min,
                     struct error *error) {
    char pem[RSA_PEM_MAX];
    ssize_t len = file_read_secret(path, pem, sizeof pem, error);
    if (len < 0)
        return (int)len;
    int code = rsa_private_read_pem(key, pem, (size_t)len, error);
    if (code == 0 && check_single(pem, (size_t)len, path, error) != 0) {
        wipe(pem, sizeof pem);
        wipe(key, sizeof *key);
        return ERR_FORMAT;
    }
    wipe(pem, sizeof pem);
    if (code != 0)
        return error_prefix(error, code, path);
    code = check_bits(&key->public, path, bits_min, error);
    if (code != 0)
        wipe(key, sizeof *key);
    return code;
}
