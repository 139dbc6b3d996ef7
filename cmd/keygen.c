#include "applet.h"

#include "print.h"

#include "base/bytes.h"
#include "base/date.h"
#include "base/file.h"
#include "base/format.h"
#include "crypto/certificate.h"
#include "crypto/known_key.h"
#include "db/lookup_key.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *type, *output, *certified, *authority;
static bool force;
static uint64_t bits, days;

static const struct option options[] = {
    OPTION_TEXT("-t, --type TYPE", &type),
    OPTION_TEXT("-o, --output PREFIX", &output),
    OPTION_COUNT("-b, --bits N", &bits, 2048, RSA_BITS_MAX, 0, "bits"),
    OPTION_TEXT("--certify PUB", &certified),
    OPTION_TEXT("--authority-key KEY", &authority),
    OPTION_COUNT("--days N", &days, 1, 3650, 90, "days"),
    OPTION_FLAG("-f, --force", &force),
    OPTIONS_END,
};

static const struct file_kind secret_file = {
    .what = "a key of this type", .exact_len = LOOKUP_KEY_LEN, .mode = 0600, .is_private = true};
static const struct file_kind private_file = {
    .what = "a key of this type", .mark = "-----BEGIN ", .mode = 0600, .is_private = true};
static const struct file_kind public_file = {
    .what = "a public key", .mark = "-----BEGIN ", .mode = 0644};

/* One key takes the place of another of its type, nothing else. */
static enum file_replacing replacing(void) {
    return force ? REPLACE_KIND : REPLACE_NOTHING;
}

static int refuse(int code, const struct error *error) {
    return trouble("%s%s", error->text,
                   code == ERR_EXISTS && !force ? " (--force replaces it)" : "");
}

static int write_secret(struct random *random) {
    struct error error;
    uint8_t bytes[LOOKUP_KEY_LEN];
    random_bytes(random, bytes, sizeof bytes);
    int code = file_write(output, bytes, sizeof bytes, &secret_file, replacing(), &error);
    wipe(bytes, sizeof bytes);
    return code == 0 ? EXIT_OK : refuse(code, &error);
}

static int write_pair(const struct rsa_private *key) {
    char path[2][PATH_MAX];
    char pem[RSA_PEM_MAX];
    char fingerprint[RSA_FINGERPRINT_SIZE];
    struct error error;
    format_text(path[0], sizeof path[0], "%s.key", output);
    format_text(path[1], sizeof path[1], "%s.pub", output);
    /* Both names must be free before the first is written. */
    int code = file_check_place(path[0], &private_file, replacing(), &error);
    if (code == 0)
        code = file_check_place(path[1], &public_file, replacing(), &error);
    if (code != 0)
        return refuse(code, &error);
    size_t len = rsa_private_write_pem(key, pem);
    code = file_write(path[0], pem, len, &private_file, replacing(), &error);
    wipe(pem, sizeof pem);
    if (code == 0) {
        len = rsa_public_write_pem(&key->public, pem);
        code = file_write(path[1], pem, len, &public_file, replacing(), &error);
    }
    if (code != 0)
        return refuse(code, &error);
    rsa_fingerprint(&key->public, fingerprint);
    puts(fingerprint);
    return finish_output();
}

/* Has the authority's key sign that another one signs receipts from now on. */
static int certify(void) {
    static struct rsa_private issuer;
    static struct rsa_public key;
    static uint8_t bytes[CERTIFICATE_MAX];
    static char text[CERTIFICATE_TEXT_MAX];
    char fingerprint[RSA_FINGERPRINT_SIZE], until[TIME_TEXT_SIZE];
    struct error error;
    int64_t now_s = time(NULL);
    int status = EXIT_OK, code = rsa_public_load(&key, certified, 2048, &error);
    if (code == 0)
        code = rsa_private_load(&issuer, authority, 2048, &error);
    if (code != 0)
        return trouble("%s", error.text);
    uint8_t id[SHA256_LEN];
    rsa_public_id(&key, id);
    if (known_key_check(id, &error) != 0)
        return trouble("%s: %s", certified, error.text);
    if (memcmp(key.n, issuer.public.n, sizeof key.n) == 0)
        return trouble(
            "%s: is the authority's own key, which signs databases: give receipts one of their own",
            certified);
    size_t len = certificate_make(bytes, &key, now_s, now_s + (int64_t)days * 86400, &issuer);
    if (len == 0)
        status = trouble("%s: no certificate could be made for it", certified);
    len = certificate_write_text(text, bytes, len);
    if (status == EXIT_OK &&
        (code = file_write(output, text, len, &certificate_file_kind, replacing(), &error)) != 0)
        status = refuse(code, &error);
    wipe(&issuer, sizeof issuer);
    if (status == EXIT_OK) {
        rsa_fingerprint(&key, fingerprint);
        time_format(until, now_s + (int64_t)days * 86400, 0);
        print("%s signs receipts until %s\n", fingerprint, until);
        status = finish_output();
    }
    return status;
}

static int run_keygen(int operand_count, char **operands) {
    static const struct {
        const char *name;
        unsigned bits;
    } types[] = {{"authority", 3072}, {"server", 2048}, {"kiosk", 2048}, {"log", 2048},
                 {"receipt", 2048},   {"lookup", 0},    {"ticket", 0},   {"audit", 0}};
    size_t i = 0;
    struct random random;
    struct error error;

    if (operand_count > 0)
        return usage_error("\"%s\" is not expected here", operands[0]);
    if (certified != NULL || authority != NULL)
        return certified == NULL || authority == NULL || output == NULL || type != NULL
                   ? usage_error("--certify, --authority-key and --output go together")
                   : certify();
    if (type == NULL || output == NULL)
        return usage_error("--type and --output are needed");
    while (i < sizeof types / sizeof types[0] && strcmp(types[i].name, type) != 0)
        i++;
    if (i == sizeof types / sizeof types[0])
        return usage_error(
            "--type \"%s\" is none of authority, server, kiosk, log, receipt, lookup, ticket, audit",
            type);
    if (types[i].bits == 0 && bits != 0)
        return usage_error("--bits: a %s key always has 256", type);
    if (bits == 0)
        bits = types[i].bits;
    if (bits % 8 != 0)
        return usage_error("--bits %llu is not a multiple of 8", (unsigned long long)bits);
    size_t output_len = strlen(output);
    if (output_len == 0 || output[output_len - 1] == '/')
        return usage_error("--output \"%s\" is not the name of a file", output);
    if (output_len > PATH_MAX - 64)
        return usage_error("--output is too long");
    if (random_open(&random, &error) != 0)
        return trouble("%s", error.text);

    int status;
    if (types[i].bits == 0) {
        status = write_secret(&random);
    } else {
        struct rsa_private key;
        status = rsa_generate(&key, (unsigned)bits, &random) && rsa_private_is_consistent(&key)
                     ? write_pair(&key)
                     : trouble("no key could be generated");
        wipe(&key, sizeof key);
    }
    wipe(&random, sizeof random);
    return status;
}

const struct applet applet_keygen = {
    .name = "keygen",
    .summary = "make the keys of an authority, a server, a kiosk, a keyed database or an audit log",
    .user = FOR_ADMINS,
    .options = options,
    .needs_cryptography = true,
    .run = run_keygen,
};
