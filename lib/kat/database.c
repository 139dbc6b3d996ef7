#include "kat/database.h"

#include "base/parallel.h"
#include "crypto/rsa_key.h"

void kat_close_database(struct kat_vector *vector) {
    if (vector->database->is_open)
        db_close(&vector->database->db);
    vector->database->is_open = false;
}

const struct lookup_key *kat_lookup_key(const struct kat_vector *vector) {
    return kat_has(vector, F_LOOKUP_KEY) ? &vector->database->lookup_key : NULL;
}

/* Keys of vectors are no secrets, and need not be kept as such. */
static int load_lookup_key(struct lookup_key *key, const char *path, struct error *reason) {
    uint8_t bytes[LOOKUP_KEY_LEN];
    ssize_t len = file_read(path, bytes, sizeof bytes, reason);
    if (len < 0)
        return (int)len;
    if (len != LOOKUP_KEY_LEN)
        return error_set(reason, ERR_FORMAT, "%s: not a lookup key", path);
    lookup_key_init(key, bytes);
    return 0;
}

/* Opens what the fields name. 0 or a negative code with the reason, which names no line. */
static int open_named(struct kat_vector *vector, struct error *reason) {
    struct kat_database *database = vector->database;
    struct key_set authorities;
    char path[PATH_MAX];
    kat_path_beside(vector, F_AUTHORITY, path);
    const char *const authority_path = path;
    int code = key_set_load(&authorities, &authority_path, 1, 2048, reason);
    if (code == 0 && kat_has(vector, F_LOOKUP_KEY)) {
        kat_path_beside(vector, F_LOOKUP_KEY, path);
        code = load_lookup_key(&database->lookup_key, path, reason);
    }
    kat_path_beside(vector, F_DATABASE, path);
    if (code == 0)
        code = db_open(&database->db, path, &authorities, reason);
    if (code != 0)
        return code;
    database->is_open = true;
    code = db_check_lookup_key(&database->db.header, kat_lookup_key(vector), path, reason);
    return code == 0 ? db_verify(&database->db, parallel_processors(), path, NULL, reason) : code;
}

bool kat_open_database(struct kat_vector *vector) {
    struct error reason;
    if (vector->database->is_open)
        return true;
    if (!kat_has(vector, F_DATABASE) || !kat_has(vector, F_AUTHORITY)) {
        kat_fail(vector, "[Database] and [Authority] are needed");
        return false;
    }
    if (open_named(vector, &reason) == 0)
        return true;
    kat_close_database(vector);
    kat_fail(vector, reason.text);
    return false;
}
