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
    code = db_check_lookup_key(&db->header, lookup_key_path ? lookup_key : NULL, path, error);
    if (code != 0)
        db_close(db);
    return code;
}

void database_source(const struct db_header *header, const char *path, char source[SOURCE_SIZE]) {
    const char *slash = strrchr(path, '/');
    snprintf(source, SOURCE_SIZE, "%.200s#%llu", slash ? slash + 1 : path,
             (unsigned long long)header->sequence);
}
