#include "db/write.h"

#include "base/bytes.h"
#include "base/file.h"
#include "base/parallel.h"
#include "db/find.h"
#include "db/merkle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE (1u << 14) /* entries of one unit of parallel work, a multiple of MERKLE_BLOCK */
#define CHUNK (1u << 16) /* bytes of one read or write */

/* A section on its way into a file: hashed and written piece by piece. */
struct section_writer {
    int fd;
    int failed_errno; /* of the first write that failed */
    uint64_t offset;
    struct sha256 hash;
    size_t used;
    uint8_t buffer[CHUNK];
};

static struct section_writer *section_open(int fd, uint64_t offset) {
    struct section_writer *section = malloc(sizeof *section);
    if (section == NULL)
        return NULL;
    section->fd = fd;
    section->failed_errno = 0;
    section->offset = offset;
    section->used = 0;
    sha256_init(&section->hash);
    return section;
}

static void section_flush(struct section_writer *section) {
    sha256_update(&section->hash, section->buffer, section->used);
    if (section->failed_errno == 0 &&
        file_write_at(section->fd, section->buffer, section->used, section->offset) != 0)
        section->failed_errno = errno;
    section->offset += section->used;
    section->used = 0;
}

/* `len` is a power of two of at most a page, always the same in one section. */
static void section_put(struct section_writer *section, const uint8_t *bytes, size_t len) {
    memcpy(section->buffer + section->used, bytes, len);
    section->used += len;
    if (section->used == sizeof section->buffer)
        section_flush(section);
}

/* The digest of all that was put. 0, or ERR_SYSTEM with errno set. */
static int section_close(struct section_writer *section, uint8_t digest[SHA256_LEN]) {
    section_flush(section);
    sha256_out(&section->hash, digest);
    errno = section->failed_errno;
    return section->failed_errno == 0 ? 0 : ERR_SYSTEM;
}

static void report(const struct db_build_settings *settings, const char *phase, uint64_t done,
                   uint64_t total) {
    if (settings->progress != NULL)
        settings->progress(settings->progress_context, phase, done, total);
}

/* --- keys and attributes, as they come ------------------------------------------------------- */

int db_writer_open(struct db_writer *writer, const struct db_build_settings *settings, int fd,
                   const char *folder, struct error *error) {
    *writer = (struct db_writer){.settings = settings, .fd = fd, .attributes = -1};
    writer->attributes = runs_temporary(folder, error);
    if (writer->attributes < 0)
        return writer->attributes;
    writer->sections[0] = section_open(fd, DB_PAGE);
    writer->sections[1] = section_open(writer->attributes, 0);
    if (writer->sections[0] == NULL || writer->sections[1] == NULL) {
        db_writer_abort(writer);
        return error_set(error, ERR_MEMORY, "no memory");
    }
    return 0;
}

void db_writer_abort(struct db_writer *writer) {
    if (writer->attributes >= 0)
        close(writer->attributes);
    writer->attributes = -1;
    for (int i = 0; i < 2; i++) {
        free(writer->sections[i]);
        writer->sections[i] = NULL;
    }
}

void db_writer_put(struct db_writer *writer, const struct sort_entry *entry) {
    section_put(writer->sections[0], entry->sort_key, DB_KEY_LEN);
    section_put(writer->sections[1], entry->attributes, DB_ATTRIBUTES_LEN);
    writer->count++;
}

/* --- the passes after all are counted -------------------------------------------------------- */

struct pass {
    const struct db_writer *writer;
    struct db_header *header;
};

/* Moves the attributes behind the keys. */
static int copy_attributes(const struct pass *pass) {
    uint8_t buffer[CHUNK];
    const struct db_section *section = &pass->header->sections[DB_ATTRIBUTES];
    for (uint64_t at = 0; at < section->len; at += CHUNK) {
        size_t n = section->len - at < CHUNK ? (size_t)(section->len - at) : CHUNK;
        if (file_read_at(pass->writer->attributes, buffer, n, at) != 0 ||
            file_write_at(pass->writer->fd, buffer, n, section->offset + at) != 0)
            return ERR_SYSTEM;
    }
    return 0;
}

/* Fan-out elements that entries first .. end decide: those after the bucket of the entry before
 * `first`, up to the bucket of the last one (or, after the very last entry, to the end). `keys`
 * begins with the key before `first`, where there is one. */
static int write_fanout_piece(const struct pass *pass, uint64_t first, uint64_t end,
                              const uint8_t *keys) {
    uint32_t bits = pass->header->fanout_bits;
    uint64_t offset = pass->header->sections[DB_FANOUT].offset;
    uint64_t bucket = first == 0 ? 0 : db_bucket(keys, bits) + 1;
    uint8_t buffer[4096];
    size_t used = 0;
    keys += first == 0 ? 0 : DB_KEY_LEN;
    offset += bucket * DB_FANOUT_LEN;
    for (uint64_t i = first; i <= end; i++, keys += DB_KEY_LEN) {
        if (i == end && end != pass->header->count)
            break;
        uint64_t own = i == end ? (uint64_t)1 << bits : db_bucket(keys, bits);
        for (; bucket <= own; bucket++) {
            store_le32(buffer + used, (uint32_t)i);
            used += DB_FANOUT_LEN;
            if (used < sizeof buffer)
                continue;
            if (file_write_at(pass->writer->fd, buffer, used, offset) != 0)
                return ERR_SYSTEM;
            offset += used;
            used = 0;
        }
    }
    return file_write_at(pass->writer->fd, buffer, used, offset);
}

static int write_blocks_piece(const struct pass *pass, uint64_t first, uint64_t end,
                              const uint8_t *keys, const uint8_t *attributes) {
    uint8_t nodes[PIECE / MERKLE_BLOCK * MERKLE_NODE_LEN];
    size_t used = 0;
    for (uint64_t i = first; i < end; i += MERKLE_BLOCK, used += MERKLE_NODE_LEN) {
        size_t n = end - i < MERKLE_BLOCK ? (size_t)(end - i) : MERKLE_BLOCK;
        merkle_block(nodes + used, keys + (i - first) * DB_KEY_LEN,
                     attributes + (i - first) * DB_ATTRIBUTES_LEN, n);
    }
    return file_write_at(pass->writer->fd, nodes, used,
                         pass->header->sections[DB_MERKLE].offset +
                             first / MERKLE_BLOCK * MERKLE_NODE_LEN);
}

/* Reads a piece of entries back and writes what follows from it. */
static int write_piece(void *context, uint64_t first, uint64_t end) {
    const struct pass *pass = context;
    const struct db_section *sections = pass->header->sections;
    uint64_t before = first == 0 ? 0 : 1;
    size_t n = (size_t)(end - first);
    uint8_t *keys = malloc((n + 1) * DB_ENTRY_LEN);
    if (keys == NULL)
        return ERR_MEMORY;
    uint8_t *attributes = keys + (n + 1) * DB_KEY_LEN;
    int code = file_read_at(pass->writer->fd, keys, (n + before) * DB_KEY_LEN,
                            sections[DB_KEYS].offset + (first - before) * DB_KEY_LEN);
    if (code == 0)
        code = file_read_at(pass->writer->fd, attributes, n * DB_ATTRIBUTES_LEN,
                            sections[DB_ATTRIBUTES].offset + first * DB_ATTRIBUTES_LEN);
    if (code == 0)
        code = write_fanout_piece(pass, first, end, keys);
    if (code == 0)
        code = write_blocks_piece(pass, first, end, keys + before * DB_KEY_LEN, attributes);
    int saved = errno;
    free(keys);
    errno = saved;
    if (code == 0 && first % (64 * PIECE) == 0)
        report(pass->writer->settings, "hashing", first, pass->header->count);
    return code;
}

/* Hashes `len` bytes of the file from `offset` on into `hash`. */
static int hash_range(int fd, struct sha256 *hash, uint64_t offset, uint64_t len) {
    uint8_t buffer[CHUNK];
    while (len > 0) {
        size_t n = len < CHUNK ? (size_t)len : CHUNK;
        if (file_read_at(fd, buffer, n, offset) != 0)
            return ERR_SYSTEM;
        sha256_update(hash, buffer, n);
        offset += n;
        len -= n;
    }
    return 0;
}

/* The level above the `count` nodes at `offset`, written behind them. */
static int write_level(int fd, uint64_t offset, uint64_t count) {
    uint8_t below[CHUNK], above[CHUNK / 2];
    uint64_t to = offset + count * MERKLE_NODE_LEN;
    while (count > 0) {
        uint64_t n = count < CHUNK / MERKLE_NODE_LEN ? count : CHUNK / MERKLE_NODE_LEN;
        if (file_read_at(fd, below, (size_t)n * MERKLE_NODE_LEN, offset) != 0)
            return ERR_SYSTEM;
        for (uint64_t i = 0; i < (n + 1) / 2; i++)
            merkle_parent(above + i * MERKLE_NODE_LEN, below, n, i);
        if (file_write_at(fd, above, (size_t)(n + 1) / 2 * MERKLE_NODE_LEN, to) != 0)
            return ERR_SYSTEM;
        offset += n * MERKLE_NODE_LEN;
        to += (n + 1) / 2 * MERKLE_NODE_LEN;
        count -= n;
    }
    return 0;
}

/* The tree above the blocks; its last node is the root. */
static int write_levels(const struct pass *pass) {
    const struct db_section *section = &pass->header->sections[DB_MERKLE];
    uint64_t offset = section->offset;
    uint64_t count = merkle_block_count(pass->header->count);
    while (count > 1) {
        int code = write_level(pass->writer->fd, offset, count);
        if (code != 0)
            return code;
        offset += count * MERKLE_NODE_LEN;
        count = (count + 1) / 2;
    }
    return file_read_at(pass->writer->fd, pass->header->merkle_root, MERKLE_NODE_LEN, offset);
}

/* Digests of what was not written in order, and the zeros behind each section. */
static int close_sections(const struct pass *pass) {
    static const uint8_t zeros[DB_PAGE];
    for (int i = 0; i < DB_SECTION_COUNT; i++) {
        struct db_section *section = &pass->header->sections[i];
        struct sha256 hash;
        size_t beyond = (size_t)(section->len % DB_PAGE);
        if (beyond != 0 && file_write_at(pass->writer->fd, zeros, DB_PAGE - beyond,
                                         section->offset + section->len) != 0)
            return ERR_SYSTEM;
        if (i == DB_KEYS || i == DB_ATTRIBUTES)
            continue;
        sha256_init(&hash);
        if (hash_range(pass->writer->fd, &hash, section->offset, section->len) != 0)
            return ERR_SYSTEM;
        sha256_out(&hash, section->sha256);
    }
    return 0;
}

static int write_header(const struct pass *pass, struct error *error) {
    uint8_t page[DB_PAGE] = {0};
    uint8_t digest[SHA256_LEN];
    db_header_encode(pass->header, page);
    sha256(digest, page, DB_SIGNED_LEN);
    if (!rsa_sign(pass->writer->settings->authority, digest, page + DB_SIGNED_LEN))
        return error_set(error, ERR_SIGNATURE, "signing with the authority's key failed");
    return file_write_at(pass->writer->fd, page, sizeof page, 0);
}

static void header_begin(const struct db_writer *writer, struct db_header *header) {
    const struct db_build_settings *settings = writer->settings;
    memset(header, 0, sizeof *header);
    header->count = writer->count;
    header->sequence = settings->sequence;
    header->created_s = settings->created_s;
    header->valid_until_s = settings->valid_until_s;
    header->utc_offset_s = settings->utc_offset_s;
    header->class_names = settings->class_names;
    header->fanout_bits = db_fanout_bits(header->count);
    header->signature_len = (uint32_t)settings->authority->public.n_len;
    rsa_public_id(&settings->authority->public, header->authority_id);
    if (settings->lookup_key != NULL) {
        header->flags |= DB_FLAG_KEYED;
        memcpy(header->lookup_key_id, settings->lookup_key->id, SHA256_LEN);
    }
    db_layout(header);
}

static int write_rest(const struct db_writer *writer, struct db_header *header,
                      struct error *error) {
    struct pass pass = {writer, header};
    header_begin(writer, header);
    int code = section_close(writer->sections[0], header->sections[DB_KEYS].sha256);
    if (code == 0)
        code = section_close(writer->sections[1], header->sections[DB_ATTRIBUTES].sha256);
    if (code == 0)
        code = copy_attributes(&pass);
    if (code == 0)
        code =
            parallel_run(writer->settings->thread_count, header->count, PIECE, write_piece, &pass);
    if (code == 0)
        code = write_levels(&pass);
    if (code == 0)
        code = close_sections(&pass);
    return code == 0 ? write_header(&pass, error) : code;
}

int db_writer_finish(struct db_writer *writer, struct db_header *header, struct error *error) {
    int code = write_rest(writer, header, error);
    if (code == ERR_SYSTEM)
        error_set_errno(error, "%s: cannot be written", writer->settings->path);
    else if (code == ERR_MEMORY)
        error_set(error, code, "no memory");
    db_writer_abort(writer);
    return code;
}
