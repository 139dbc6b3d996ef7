#include "serve/server_keys.h"

#include "crypto/known_key.h"
#include "os/secret_memory.h"

#include <string.h>

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
    if (code != 0 || are_same(&servers, &settings->public.servers)) {
        secret_memory_close(own, sizeof *own);
        return code;
    }
    server_keys_forget(settings);
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
    settings->keys = NULL;
}
