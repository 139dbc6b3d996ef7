#include "db/open.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads `len` bytes at the start of the file. 0, ERR_SYSTEM, or ERR_FORMAT where it is shorter. */
static int read_head(int fd, uint8_t *bytes, size_t len) {
    size_t done = 0;
    while (done < len) {
        ssize_t n = pread(fd, bytes + done, len - done, (off_t)done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ERR_SYSTEM;
        if (n == 0)
            return ERR_FORMAT;
        done += (size_t)n;
    }
    return 0;
}

/* Finds the sections in the map, and reads the dictionary. */
static int open_sections(struct db *db, struct error *error) {
    const struct db_section *sections = db->header.sections;
    const struct db_section *dictionary = &sections[DB_DICTIONARY];
    const uint8_t *map = db->map;
    db->entries = map + sections[DB_ENTRIES].offset;
    db->fanout = map + sections[DB_FANOUT].offset;
    db->merkle = map + sections[DB_MERKLE].offset;
    db->further =
        (struct further_section){map + sections[DB_FURTHER].offset, sections[DB_FURTHER].len};
    return class_sets_open_signed(&db->sets, map + dictionary->offset, (size_t)dictionary->len,
                                  db->header.set_count, db->header.dictionary_root, error);
}

/* Opens and maps `fd`; the reason does not yet name the file. The header is either signed by one
 * of the authorities or the one that is expected. */
static int open_mapped(struct db *db, int fd, const struct key_set *authorities,
                       const struct db_header *expected, struct error *error) {
    uint8_t head[DB_HEAD_LEN];
    struct stat status;
    int code = read_head(fd, head, sizeof head);
    if (code == ERR_SYSTEM || fstat(fd, &status) != 0)
        return error_set_errno(error, "cannot be read");
    if (code != 0)
        return error_set(error, ERR_FORMAT, "not a dlv database (shorter than its header)");
    code = db_header_decode(&db->header, head, error);
    if (code == 0 && expected == NULL)
        code = db_header_verify(&db->header, head + DB_SIGNATURES, authorities, error);
    else if (code == 0 && memcmp(db->header.id, expected->id, SHA256_LEN) != 0)
        code = error_set(error, ERR_FORMAT, "another header than was written");
    if (code != 0)
        return code;
    uint64_t want = db_file_len(&db->header);
    if ((uint64_t)status.st_size != want)
        return error_set(error, ERR_FORMAT, "%lld bytes long (want %llu)",
                         (long long)status.st_size, (unsigned long long)want);
    bool is_too_large = want > SIZE_MAX;
    db->map_len = (size_t)want;
    db->map = is_too_large ? MAP_FAILED : mmap(NULL, db->map_len, PROT_READ, MAP_SHARED, fd, 0);
    if (db->map == MAP_FAILED) {
        db->map = NULL;
        if (sizeof(void *) < 8 && (is_too_large || errno == ENOMEM))
            return error_set(
                error, ERR_LIMIT,
                "too large for the addresses of a machine of 32 bits, %llu MiB: ask a server, "
                "or a database of fewer regions",
                (unsigned long long)(want >> 20));
        return error_set_errno(error, "cannot be mapped");
    }
    /* The header was checked in a copy, so the mapped pages must still be the same. */
    if (memcmp(db->map, head, sizeof head) != 0)
        code = error_set(error, ERR_FORMAT, "changed while it was opened");
    if (code == 0)
        code = open_sections(db, error);
    if (code != 0)
        db_close(db);
    return code;
}

int db_open_fd(struct db *db, int fd, const char *name, const struct key_set *authorities,
               struct error *error) {
    memset(db, 0, sizeof *db);
    int code = open_mapped(db, fd, authorities, NULL, error);
    return code == 0 ? 0 : error_prefix(error, code, name);
}

int db_open_unsigned(struct db *db, int fd, const char *name, const struct db_header *header,
                     struct error *error) {
    memset(db, 0, sizeof *db);
    int code = open_mapped(db, fd, NULL, header, error);
    return code == 0 ? 0 : error_prefix(error, code, name);
}

int db_open(struct db *db, const char *path, const struct key_set *authorities,
            struct error *error) {
    if (file_name_missing(path, error) != 0)
        return ERR_FORMAT;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return error_set_errno(error, "%s", path);
    int code = db_open_fd(db, fd, path, authorities, error);
    close(fd);
    return code;
}

int db_read_header(struct db_header *header, const char *path, const struct key_set *authorities,
                   struct error *error) {
    uint8_t head[DB_HEAD_LEN];
    if (file_name_missing(path, error) != 0)
        return ERR_FORMAT;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return error_set_errno(error, "%s", path);
    int code = read_head(fd, head, sizeof head);
    if (code == ERR_SYSTEM)
        error_set_errno(error, "%s", path);
    int saved = errno;
    close(fd);
    errno = saved;
    if (code == ERR_FORMAT)
        return error_set(error, code, "%s: not a dlv database (shorter than its header)", path);
    if (code != 0)
        return code;
    code = db_header_decode(header, head, error);
    if (code == 0 && authorities != NULL)
        code = db_header_verify(header, head + DB_SIGNATURES, authorities, error);
    return code == 0 ? 0 : error_prefix(error, code, path);
}

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14 */
#endif

/* Returns where a part begins in memory, and cuts its length at the end of the file. */
static uint8_t *part(const struct db *db, size_t offset, size_t *len) {
    if (*len > db->map_len - offset)
        *len = db->map_len - offset;
    return (uint8_t *)db->map + offset;
}

void db_expect_few(const struct db *db) {
    madvise(db->map, db->map_len, MADV_RANDOM);
}

int db_populate(const struct db *db, size_t offset, size_t len, const char *name,
                struct error *error) {
    uint8_t *start = part(db, offset, &len);
    /* Where the file system can (ext4, xfs), the file is read and mapped in huge pages, which saves
     * misses of the translation buffer. Elsewhere the kernel refuses this, which does no harm. */
    if (offset == 0)
        madvise(db->map, db->map_len, MADV_HUGEPAGE);
    if (madvise(start, len, MADV_POPULATE_READ) == 0)
        return 0;
    if (errno != EINVAL)
        return error_set_errno(error, "%s: cannot be read into memory", name);
    /* An older kernel does not know this advice, so every page is touched. */
    const volatile uint8_t *bytes = start;
    for (size_t at = 0; at < len; at += DB_PAGE)
        (void)bytes[at];
    return 0;
}

int db_lock(const struct db *db, size_t offset, size_t len, const char *name, struct error *error) {
    const uint8_t *start = part(db, offset, &len);
    if (mlock(start, len) == 0)
        return 0;
    return error_set_errno(error, "%s: cannot be locked in memory (see RLIMIT_MEMLOCK)", name);
}

void db_unload(const struct db *db, size_t offset, size_t len) {
    uint8_t *start = part(db, offset, &len);
    munlock(start, len);
    madvise(start, len, MADV_DONTNEED);
}

int db_check_lookup_key(const struct db_header *header, const struct lookup_key *key,
                        const char *name, struct error *error) {
    bool is_keyed = header->is_keyed;
    if (is_keyed && key == NULL)
        return error_set(error, ERR_FORMAT, "%s: keyed, so its lookup key is needed", name);
    if (!is_keyed && key != NULL)
        return error_set(error, ERR_FORMAT, "%s: not keyed, but a lookup key is given", name);
    if (is_keyed && memcmp(header->lookup_key_id, key->id, SHA256_LEN) != 0)
        return error_set(error, ERR_FORMAT, "%s: keyed with another lookup key", name);
    return 0;
}

void db_close(struct db *db) {
    if (db->map != NULL)
        munmap(db->map, db->map_len);
    memset(db, 0, sizeof *db);
}
