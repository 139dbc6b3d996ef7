#include "serve/server_keys.h"

#include "crypto/known_key.h"
#include "os/secret_memory.h"

#include <string.h>
#include <time.h>

#define BITS_MIN 2048

/* Who has the private key of an authority signs databases; a server must not. */
static int check_apart(const struct key_set *servers, const struct key_set *authorities,
                       struct error *error) {
    char fingerprint[RSA_FINGERPRINT_SIZE];
    for (unsigned i = 0; i < servers->count; i++) {
        if (key_set_find(authorities, servers->ids[i], SHA256_LEN) < 0)
            continue;
        rsa_fingerprint_of_id(servers->ids[i], fingerprint);
        return error_set(error, ERR_CONFLICT,
                         "the server's key is the authority's, too (%s, in --key and in "
                         "--authority): take it out where it does not belong; what signs databases "
                         "has no place on a server",
                         fingerprint);
    }
    return 0;
}

static bool are_same(const struct key_set *a, const struct key_set *b) {
    return a->count == b->count && memcmp(a->ids, b->ids, a->count * sizeof *a->ids) == 0;
}

int server_keys_renew_own(struct serve_settings *settings, struct error *error) {
    static struct key_set servers;
    struct private_key_set *own = secret_memory_open(sizeof *own);
    if (own == NULL)
        return error_set_errno(error, "no memory for keys");
    int code = private_key_set_load(own, settings->key_paths.items, settings->key_paths.count,
                                    BITS_MIN, error);
    if (code == 0) {
        key_set_of_private(&servers, own);
        for (unsigned i = 0; i < servers.count && code == 0 && !settings->is_demo; i++)
            code = known_key_check(servers.ids[i], error);
    }
    if (code == 0) {
        code = check_apart(&servers, &settings->public.authorities, error);
    }
    if (code == 0 && settings->signer != NULL) {
        uint8_t id[SHA256_LEN];
        rsa_public_id(&settings->signer->key.public, id);
        if (key_set_find(&servers, id, SHA256_LEN) >= 0)
            code = error_set(error, ERR_CONFLICT,
                             "the server's key is the one that signs receipts, too");
    }
    if (code != 0 || are_same(&servers, &settings->public.servers)) {
        secret_memory_close(own, sizeof *own);
        return code;
    }
    secret_memory_close(settings->keys, sizeof *own);
    settings->keys = own;
    settings->public.servers = servers;
    return 1;
}

int server_keys_renew_authorities(struct serve_settings *settings, struct error *error) {
    static struct key_set authorities;
    int code = key_set_load(&authorities, settings->authority_paths.items,
                            settings->authority_paths.count, BITS_MIN, error);
    if (code == 0)
        code = check_apart(&settings->public.servers, &authorities, error);
    if (code != 0 || are_same(&authorities, &settings->public.authorities))
        return code;
    settings->public.authorities = authorities;
    return 1;
}

/* Loads what signs receipts. */
static int load_signer(const struct serve_settings *settings, struct receipt_signer *signer,
                       struct error *error) {
    static struct certificate certificate;
    uint8_t id[SHA256_LEN], certified_id[SHA256_LEN];
    int code = rsa_private_load(&signer->key, settings->receipt_key_path, BITS_MIN, error);
    if (code != 0)
        return code;
    const char *path = settings->receipt_certificate_path;
    ssize_t len = certificate_load(signer->certificate, path, error);
    if (len < 0)
        return (int)len;
    signer->certificate_len = (size_t)len;
    struct error reason;
    if (certificate_read(&certificate, signer->certificate, (size_t)len,
                         &settings->public.authorities, &reason) != 0)
        return error_set(error, ERR_SIGNATURE, "%s: %s", path, reason.text);
    rsa_public_id(&signer->key.public, id);
    rsa_public_id(&certificate.key, certified_id);
    if (memcmp(id, certified_id, SHA256_LEN) != 0)
        return error_set(error, ERR_CONFLICT, "%s: is not of the key in %s", path,
                         settings->receipt_key_path);
    if (key_set_find(&settings->public.servers, id, SHA256_LEN) >= 0 ||
        key_set_find(&settings->public.authorities, id, SHA256_LEN) >= 0)
        return error_set(error, ERR_CONFLICT,
                         "%s: is a key of the server or the authority, too: make another one "
                         "(dlv keygen --type receipt)",
                         settings->receipt_key_path);
    if (!settings->is_demo && known_key_check(id, error) != 0)
        return ERR_CONFLICT;
    if (certificate.until_s < time(NULL))
        return error_set(error, ERR_CONFLICT, "%s: has run out: have the key certified anew", path);
    signer->from_s = certificate.from_s;
    signer->until_s = certificate.until_s;
    return 0;
}

int server_keys_renew_receipts(struct serve_settings *settings, struct error *error) {
    if (settings->receipt_key_path == NULL)
        return 0;
    struct receipt_signer *before = settings->signer;
    struct receipt_signer *signer = secret_memory_open(sizeof *signer);
    if (signer == NULL)
        return error_set_errno(error, "no memory for keys");
    int code = load_signer(settings, signer, error);
    bool is_same = code == 0 && before != NULL &&
                   signer->certificate_len == before->certificate_len &&
                   memcmp(signer->certificate, before->certificate, before->certificate_len) == 0;
    if (code != 0 || is_same) {
        secret_memory_close(signer, sizeof *signer);
        return code;
    }
    secret_memory_close(before, sizeof *before);
    settings->signer = signer;
    return 1;
}

bool server_keys_serve(struct serve_settings *settings, const struct db_header *in_use) {
    const struct key_set before = settings->public.served;
    struct server_public *public = &settings->public;
    int kept = key_set_find(&before, in_use->facts.authority_id, SHA256_LEN);
    bool is_withdrawn =
        key_set_find(&public->authorities, in_use->facts.authority_id, SHA256_LEN) < 0;
    public->served = public->authorities;
    /* It takes the last place, where all are taken: what it has signed is in use. */
    if (is_withdrawn && public->served.count == KEY_SET_MAX)
    public->served.count--;
    if (is_withdrawn && kept >= 0)
        key_set_add(&public->served, &before.keys[kept]);
    return is_withdrawn;
}

void server_keys_forget(struct serve_settings *settings) {
    secret_memory_close(settings->keys, sizeof *settings->keys);
    secret_memory_close(settings->signer, sizeof *settings->signer);
    settings->keys = NULL;
    settings->signer = NULL;
}
