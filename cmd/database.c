#include "database.h"

#include "crypto/rsa_key.h"

#include <stdio.h>
#include <string.h>

int database_open(struct db *db, struct lookup_key *lookup_key, const char *path,
                  const char *authority_path, const char *lookup_key_path, struct error *error) {
    struct rsa_public authority;
    int code = rsa_public_load(&authority, authority_path, 2048, error);
    if (code == 0 && lookup_key_path != NULL)
        code = lookup_key_load(lookup_key, lookup_key_path, error);
    if (code == 0)
        code = db_open(db, path, &authority, error);
    if (code != 0)
        return code;
    int is_keyed = (db->header.flags & DB_FLAG_KEYED) != 0;
    if (is_keyed && lookup_key_path == NULL)
        code = error_set(error, ERR_FORMAT, "%s: keyed (its --lookup-key is needed)", path);
    else if (!is_keyed && lookup_key_path != NULL)
        code = error_set(error, ERR_FORMAT, "%s: not keyed, but --lookup-key is given", path);
    else if (is_keyed && memcmp(db->header.lookup_key_id, lookup_key->id, SHA256_LEN) != 0)
        code = error_set(error, ERR_FORMAT, "%s: keyed with another lookup key than %s", path,
                         lookup_key_path);
    if (code != 0)
        db_close(db);
    return code;
}

void database_source(const struct db_header *header, const char *path, char source[SOURCE_SIZE]) {
    const char *slash = strrchr(path, '/');
    snprintf(source, SOURCE_SIZE, "%.200s#%llu", slash ? slash + 1 : path,
             (unsigned long long)header->sequence);
}
