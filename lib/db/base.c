#include "db/base.h"

#include "base/file.h"
#include "db/open.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int db_base_open(struct db_base *base, const char *path, const struct rsa_public *authority,
                 const struct lookup_key *lookup_key, struct error *error) {
    struct db db;
    memset(base, 0, sizeof *base);
    base->path = path;
    base->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (base->fd < 0)
        return error_set_errno(error, "%s", path);
    int code = db_open_fd(&db, base->fd, path, authority, error);
    if (code == 0) {
        base->header = db.header;
        code = db_check_lookup_key(&db.header, lookup_key, path, error);
        db_close(&db);
    }
    if (code != 0)
        db_base_close(base);
    sha256_init(&base->hashes[0]);
    sha256_init(&base->hashes[1]);
    return code;
}

void db_base_close(struct db_base *base) {
    int saved = errno;
    if (base->fd >= 0)
        close(base->fd);
    base->fd = -1;
    errno = saved;
}

static int read_chunk(struct db_base *base, struct error *error) {
    const struct db_section *sections = base->header.sections;
    uint64_t left = base->header.count - base->at;
    size_t n = left < DB_BASE_CHUNK ? (size_t)left : DB_BASE_CHUNK;
    if (file_read_at(base->fd, base->keys, n * DB_KEY_LEN,
                     sections[DB_KEYS].offset + base->at * DB_KEY_LEN) != 0 ||
        file_read_at(base->fd, base->attributes, n * DB_ATTRIBUTES_LEN,
                     sections[DB_ATTRIBUTES].offset + base->at * DB_ATTRIBUTES_LEN) != 0)
        return error_set_errno(error, "%s: cannot be read", base->path);
    sha256_update(&base->hashes[0], base->keys, n * DB_KEY_LEN);
    sha256_update(&base->hashes[1], base->attributes, n * DB_ATTRIBUTES_LEN);
    base->chunk_count = n;
    base->chunk_at = 0;
    return 0;
}

/* What was read must be what the authority signed before it is signed again. */
static int check_digests(const struct db_base *base, struct error *error) {
    static const enum db_section_name names[2] = {DB_KEYS, DB_ATTRIBUTES};
    for (int i = 0; i < 2; i++) {
        uint8_t digest[SHA256_LEN];
        sha256_out(&base->hashes[i], digest);
        if (memcmp(digest, base->header.sections[names[i]].sha256, SHA256_LEN) != 0)
            return error_set(error, ERR_SIGNATURE,
                             "%s: section of %s: its SHA-256 is not the signed one", base->path,
                             db_section_name(names[i]));
    }
    return 0;
}

int db_base_next(struct db_base *base, const uint8_t **key, const uint8_t **attributes,
                 struct error *error) {
    struct licence licence;
    if (base->at == base->header.count)
        return check_digests(base, error);
    if (base->chunk_at == base->chunk_count) {
        int code = read_chunk(base, error);
        if (code != 0)
            return code;
    }
    *key = base->keys + base->chunk_at * DB_KEY_LEN;
    *attributes = base->attributes + base->chunk_at * DB_ATTRIBUTES_LEN;
    if (!db_attributes_decode(&licence, *attributes))
        return error_set(error, ERR_FORMAT, "%s: entry %llu: impossible attributes", base->path,
                         (unsigned long long)base->at);
    base->has_documents |= licence.kind == KIND_DOCUMENT;
    base->chunk_at++;
    base->at++;
    return 1;
}
