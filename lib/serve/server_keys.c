#include "serve/server_keys.h"

#include "base/bytes.h"
#include "os/secret_memory.h"

#include <string.h>

#define BITS_MIN 2048

int server_keys_load(const struct serve_settings *settings, struct private_key_set *own,
                     struct server_public *public, struct error *error) {
    int code = key_set_load(&public->authorities, settings->authority_paths.items,
                            settings->authority_paths.count, BITS_MIN, error);
    if (code == 0)
        code = private_key_set_load(own, settings->key_paths.items, settings->key_paths.count,
                                    BITS_MIN, error);
    if (code != 0)
        return code;
    key_set_of_private(&public->servers, own);
    for (unsigned i = 0; i < public->servers.count; i++) {
        if (key_set_find(&public->authorities, public->servers.ids[i], SHA256_LEN) < 0)
            continue;
        wipe(own, sizeof *own);
        return error_set(error, ERR_CONFLICT,
                         "the server's key is the authority's, which signs databases and does not "
                         "belong on a server: make another (dlv keygen)");
    }
    return 0;
}

/* A database whose authority is not believed any more would be answered from all the same. */
static int check_authority(const struct server_public *public, const struct db_header *in_use,
                           struct error *error) {
    char fingerprint[RSA_FINGERPRINT_SIZE];
    if (key_set_find(&public->authorities, in_use->facts.authority_id, SHA256_LEN) >= 0)
        return 0;
    rsa_fingerprint_of_id(in_use->facts.authority_id, fingerprint);
    return error_set(error, ERR_CONFLICT,
                     "the authority %s has signed the database in use: keep its key until another "
                     "database is",
                     fingerprint);
}

static bool are_same(const struct key_set *a, const struct key_set *b) {
    return a->count == b->count && memcmp(a->ids, b->ids, a->count * sizeof *a->ids) == 0;
}

int server_keys_renew(struct serve_settings *settings, const struct db_header *in_use,
                      struct error *error) {
    static struct server_public public;
    struct private_key_set *own = secret_memory_open(sizeof *own);
    if (own == NULL)
        return error_set_errno(error, "no memory for keys");
    int code = server_keys_load(settings, own, &public, error);
    if (code == 0 && in_use != NULL)
        code = check_authority(&public, in_use, error);
    bool has_changed = code == 0 && (!are_same(&public.servers, &settings->public.servers) ||
                                     !are_same(&public.authorities, &settings->public.authorities));
    if (!has_changed) {
        secret_memory_close(own, sizeof *own);
        return code;
    }
    server_keys_forget(settings);
    settings->keys = own;
    settings->public = public;
    return 1;
}

void server_keys_forget(struct serve_settings *settings) {
    secret_memory_close(settings->keys, sizeof *settings->keys);
    settings->keys = NULL;
}
