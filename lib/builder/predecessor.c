#include "builder/predecessor.h"

#include "base/file.h"
#include "db/open.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int predecessor_open(struct predecessor *predecessor, const char *path,
                     const struct rsa_public *authority, const struct lookup_key *lookup_key,
                     struct error *error) {
    struct db db;
    memset(predecessor, 0, sizeof *predecessor);
    predecessor->path = path;
    predecessor->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (predecessor->fd < 0)
        return error_set_errno(error, "%s", path);
    int code = db_open_fd(&db, predecessor->fd, path, authority, error);
    if (code == 0) {
        predecessor->header = db.header;
        code = db_check_lookup_key(&db.header, lookup_key, path, error);
        db_close(&db);
    }
    if (code != 0)
        predecessor_close(predecessor);
    sha256_init(&predecessor->hashes[0]);
    sha256_init(&predecessor->hashes[1]);
    return code;
}

void predecessor_close(struct predecessor *predecessor) {
    int saved = errno;
    if (predecessor->fd >= 0)
        close(predecessor->fd);
    predecessor->fd = -1;
    errno = saved;
}

static int read_chunk(struct predecessor *predecessor, struct error *error) {
    const struct db_section *sections = predecessor->header.sections;
    uint64_t left = predecessor->header.count - predecessor->at;
    size_t n = left < PREDECESSOR_CHUNK ? (size_t)left : PREDECESSOR_CHUNK;
    if (file_read_at(predecessor->fd, predecessor->keys, n * DB_KEY_LEN,
                     sections[DB_KEYS].offset + predecessor->at * DB_KEY_LEN) != 0 ||
        file_read_at(predecessor->fd, predecessor->attributes, n * DB_ATTRIBUTES_LEN,
                     sections[DB_ATTRIBUTES].offset + predecessor->at * DB_ATTRIBUTES_LEN) != 0)
        return error_set_errno(error, "%s: cannot be read", predecessor->path);
    sha256_update(&predecessor->hashes[0], predecessor->keys, n * DB_KEY_LEN);
    sha256_update(&predecessor->hashes[1], predecessor->attributes, n * DB_ATTRIBUTES_LEN);
    predecessor->chunk_count = n;
    predecessor->chunk_at = 0;
    return 0;
}

/* Entries are signed again only if they are what the authority has signed before. */
static int check_digests(const struct predecessor *predecessor, struct error *error) {
    static const enum db_section_name names[2] = {DB_KEYS, DB_ATTRIBUTES};
    for (int i = 0; i < 2; i++) {
        uint8_t digest[SHA256_LEN];
        sha256_out(&predecessor->hashes[i], digest);
        if (memcmp(digest, predecessor->header.sections[names[i]].sha256, SHA256_LEN) != 0)
            return error_set(error, ERR_SIGNATURE,
                             "%s: section of %s: its SHA-256 is not the signed one",
                             predecessor->path, db_section_name(names[i]));
    }
    return 0;
}

int predecessor_next(struct predecessor *predecessor, const uint8_t **key,
                     const uint8_t **attributes, struct error *error) {
    struct licence licence;
    if (predecessor->at == predecessor->header.count)
        return check_digests(predecessor, error);
    if (predecessor->chunk_at == predecessor->chunk_count) {
        int code = read_chunk(predecessor, error);
        if (code != 0)
            return code;
    }
    *key = predecessor->keys + predecessor->chunk_at * DB_KEY_LEN;
    *attributes = predecessor->attributes + predecessor->chunk_at * DB_ATTRIBUTES_LEN;
    if (!db_attributes_decode(&licence, *attributes))
        return error_set(error, ERR_FORMAT, "%s: entry %llu: impossible attributes",
                         predecessor->path, (unsigned long long)predecessor->at);
    predecessor->has_documents |= licence.kind == KIND_DOCUMENT;
    predecessor->chunk_at++;
    predecessor->at++;
    return 1;
}
