#include "builder/predecessor.h"

#include <string.h>

int predecessor_open(struct predecessor *predecessor, const char *path,
                     const struct key_set *authorities, const struct lookup_key *lookup_key,
                     unsigned thread_count, struct error *error) {
    memset(predecessor, 0, sizeof *predecessor);
    predecessor->path = path;
    int code = db_open(&predecessor->db, path, authorities, error);
    if (code == 0)
        code = db_check_lookup_key(&predecessor->db.header, lookup_key, path, error);
    if (code == 0)
        code = db_verify(&predecessor->db, thread_count, path, NULL, error);
    if (code != 0)
        predecessor_close(predecessor);
    predecessor->sets = predecessor->db.sets;
    return code;
}

void predecessor_close(struct predecessor *predecessor) {
    db_close(&predecessor->db);
}

int predecessor_next(struct predecessor *predecessor, const uint8_t **entry,
                     struct further *further, struct error *error) {
    const struct db *db = &predecessor->db;
    if (predecessor->at == db->header.count)
        return 0;
    *entry = db_entry(db, predecessor->at++);
    if (!terms_further(*entry + ENTRY_TERMS, &db->further, further))
        return error_set(error, ERR_FORMAT, "%s: further terms outside their section",
                         predecessor->path);
    return 1;
}
