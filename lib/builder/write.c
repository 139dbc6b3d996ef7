#include "builder/write.h"

#include "base/bytes.h"
#include "base/file.h"
#include "db/find.h"
#include "db/merkle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BATCH (1u << 15)        /* entries; a multiple of PIECE */
#define PIECE (1u << 10)        /* entries of one unit of work on a batch; of MERKLE_BLOCK */
#define FANOUT_PIECE (1u << 10) /* entries of one unit of work on the fan-out */
#define LEVEL_PIECE (1u << 9)   /* nodes of one unit of work on a level of the tree */
#define WRITE_OUT (1u << 26)    /* bytes of keys that the disk is given at a time */
#define CHUNK (1u << 14) /* bytes of one read or write; small, as threads have little stack */

struct write_batch {
    struct writer *writer;
    size_t count;
    uint8_t keys[BATCH * DB_KEY_LEN];
    uint8_t attributes[BATCH * DB_ATTRIBUTES_LEN];
    uint8_t nodes[BATCH / MERKLE_BLOCK * MERKLE_NODE_LEN];
};

/* --- sections --------------------------------------------------------------------------------- */

static void section_open(struct write_section *section, int fd, uint64_t offset) {
    section->fd = fd;
    section->offset = offset;
    section->len = 0;
    sha256_init(&section->hash);
}

static int section_append(struct write_section *section, const uint8_t *bytes, size_t len) {
    sha256_update(&section->hash, bytes, len);
    int code = file_write_at(section->fd, bytes, len, section->offset + section->len);
    section->len += len;
    return code;
}

/* Moves a section towards the start of its file. Reading is always ahead of writing, so the two may
 * overlap. */
static int section_move(struct write_section *section, uint64_t offset) {
    uint8_t buffer[CHUNK];
    for (uint64_t at = 0; offset != section->offset && at < section->len; at += CHUNK) {
        size_t n = section->len - at < CHUNK ? (size_t)(section->len - at) : CHUNK;
        if (file_read_at(section->fd, buffer, n, section->offset + at) != 0 ||
            file_write_at(section->fd, buffer, n, offset + at) != 0)
            return ERR_SYSTEM;
    }
    section->offset = offset;
    return 0;
}

/* Takes bytes that already stand in the file, behind the section's end, into the section. */
static int section_extend(struct write_section *section, uint64_t len) {
    uint8_t buffer[CHUNK];
    while (section->len < len) {
        size_t n = len - section->len < CHUNK ? (size_t)(len - section->len) : CHUNK;
        if (file_read_at(section->fd, buffer, n, section->offset + section->len) != 0)
            return ERR_SYSTEM;
        sha256_update(&section->hash, buffer, n);
        section->len += n;
    }
    return 0;
}

/* --- batches, as entries come ----------------------------------------------------------------- */

int writer_open(struct writer *writer, const struct build_settings *settings, int fd,
                uint64_t count_max, struct error *error) {
    struct db_header most = {.count = count_max, .fanout_bits = db_fanout_bits(count_max)};
    *writer = (struct writer){.settings = settings, .fd = fd};
    db_layout(&most);
    section_open(&writer->keys, fd, most.sections[DB_KEYS].offset);
    section_open(&writer->attributes, fd, most.sections[DB_ATTRIBUTES].offset);
    section_open(&writer->nodes, fd, most.sections[DB_MERKLE].offset);
    writer->filling = calloc(1, sizeof *writer->filling);
    writer->writing = calloc(1, sizeof *writer->writing);
    writer->parallel = malloc(sizeof *writer->parallel);
    if (writer->parallel != NULL)
        parallel_open(writer->parallel, settings->thread_count);
    if (writer->filling == NULL || writer->writing == NULL || writer->parallel == NULL) {
        writer_abort(writer);
        return error_set(error, ERR_MEMORY, "no memory");
    }
    writer->filling->writer = writer->writing->writer = writer;
    return 0;
}

void writer_abort(struct writer *writer) {
    int saved = errno;
    if (writer->parallel != NULL)
        parallel_close(writer->parallel);
    free(writer->filling);
    free(writer->writing);
    free(writer->parallel);
    writer->parallel = NULL;
    writer->filling = writer->writing = NULL;
    errno = saved;
}

/* The digest of a section is a chain, so each section is one unit. The longest is begun first. */
enum { UNIT_KEYS, UNIT_ATTRIBUTES, UNIT_PIECES };

static int batch_unit(void *context, uint64_t unit, uint64_t end) {
    struct write_batch *batch = context;
    (void)end; /* units come one at a time */
    if (unit == UNIT_KEYS)
        return section_append(&batch->writer->keys, batch->keys, batch->count * DB_KEY_LEN);
    if (unit == UNIT_ATTRIBUTES)
        return section_append(&batch->writer->attributes, batch->attributes,
                              batch->count * DB_ATTRIBUTES_LEN);
    size_t first = (size_t)(unit - UNIT_PIECES) * PIECE;
    size_t last = batch->count - first < PIECE ? batch->count : first + PIECE;
    for (size_t i = first; i < last; i += MERKLE_BLOCK)
        merkle_block(batch->nodes + i / MERKLE_BLOCK * MERKLE_NODE_LEN,
                     batch->keys + i * DB_KEY_LEN, batch->attributes + i * DB_ATTRIBUTES_LEN,
                     last - i < MERKLE_BLOCK ? last - i : MERKLE_BLOCK);
    return 0;
}

/* Waits until the batch that is being written has been written. */
static void finish_batch(struct writer *writer) {
    struct write_batch *batch = writer->writing;
    int code = parallel_wait(writer->parallel);
    if (code == 0 && batch->count > 0)
        code = section_append(&writer->nodes, batch->nodes,
                              (size_t)merkle_block_count(batch->count) * MERKLE_NODE_LEN);
    for (; writer->keys.len - writer->written_out >= WRITE_OUT; writer->written_out += WRITE_OUT)
        file_write_out(writer->fd, writer->keys.offset + writer->written_out, WRITE_OUT);
    batch->count = 0;
    if (code != 0 && writer->code == 0) {
        writer->code = code;
        writer->error_number = errno;
    }
}

/* Begins to write the batch that is full, and goes on filling the other one. */
static void turn_batch(struct writer *writer) {
    finish_batch(writer);
    struct write_batch *full = writer->filling;
    writer->filling = writer->writing;
    writer->writing = full;
    if (writer->code == 0 && full->count > 0)
        parallel_start(writer->parallel, UNIT_PIECES + (full->count + PIECE - 1) / PIECE, 1,
                       batch_unit, full);
    else
        full->count = 0;
}

void writer_put(struct writer *writer, const uint8_t key[DB_KEY_LEN],
                const uint8_t attributes[DB_ATTRIBUTES_LEN]) {
    struct write_batch *batch = writer->filling;
    memcpy(batch->keys + batch->count * DB_KEY_LEN, key, DB_KEY_LEN);
    memcpy(batch->attributes + batch->count * DB_ATTRIBUTES_LEN, attributes, DB_ATTRIBUTES_LEN);
    writer->count++;
    if (++batch->count == BATCH)
        turn_batch(writer);
}

/* --- the passes once the number of entries is known ------------------------------------------- */

struct pass {
    struct writer *writer;
    struct db_header *header;
};

/* Writes the fan-out elements that the entries first .. end decide. They are the elements after the
 * bucket of the entry before `first`, up to the bucket of the last one, or, after the very last
 * entry, up to the end of the fan-out. `keys` begins with the key before `first`, if there is one.
 */
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

/* Reads a piece of the keys back and writes its part of the fan-out. */
static int write_fanout(void *context, uint64_t first, uint64_t end) {
    const struct pass *pass = context;
    uint8_t keys[(FANOUT_PIECE + 1) * DB_KEY_LEN];
    uint64_t before = first == 0 ? 0 : 1;
    int code = file_read_at(pass->writer->fd, keys, (size_t)(end - first + before) * DB_KEY_LEN,
                            pass->header->sections[DB_KEYS].offset + (first - before) * DB_KEY_LEN);
    if (first % (64 * FANOUT_PIECE) == 0)
        build_report(pass->writer->settings, "finishing", "entries", first, pass->writer->count);
    return code == 0 ? write_fanout_piece(pass, first, end, keys) : code;
}

/* A level of the tree, and where the level above it is written. */
struct level {
    int fd;
    uint64_t count; /* nodes */
    uint64_t offset;
    uint64_t above_offset;
};

/* Writes the nodes above those from `first` to `end`. `end` is even, except at the level's end. */
static int write_level(void *context, uint64_t first, uint64_t end) {
    const struct level *level = context;
    uint8_t below[LEVEL_PIECE * MERKLE_NODE_LEN], above[LEVEL_PIECE / 2 * MERKLE_NODE_LEN];
    uint64_t count = end - first;
    if (file_read_at(level->fd, below, (size_t)count * MERKLE_NODE_LEN,
                     level->offset + first * MERKLE_NODE_LEN) != 0)
        return ERR_SYSTEM;
    for (uint64_t i = 0; i < (count + 1) / 2; i++)
        merkle_parent(above + i * MERKLE_NODE_LEN, below, count, i);
    return file_write_at(level->fd, above, (size_t)(count + 1) / 2 * MERKLE_NODE_LEN,
                         level->above_offset + first / 2 * MERKLE_NODE_LEN);
}

/* Writes the tree above the blocks. Its last node is the root. */
static int write_levels(const struct pass *pass) {
    const struct writer *writer = pass->writer;
    struct level level = {.fd = writer->fd,
                          .count = merkle_block_count(pass->header->count),
                          .offset = writer->nodes.offset};
    while (level.count > 1) {
        level.above_offset = level.offset + level.count * MERKLE_NODE_LEN;
        parallel_start(writer->parallel, level.count, LEVEL_PIECE, write_level, &level);
        int code = parallel_wait(writer->parallel);
        if (code != 0)
            return code;
        level.offset = level.above_offset;
        level.count = (level.count + 1) / 2;
    }
    return file_read_at(writer->fd, pass->header->merkle_root, MERKLE_NODE_LEN, level.offset);
}

/* The digests of sections that were not written in order. */
enum { UNIT_NODES, UNIT_FANOUT, UNIT_COUNT };

static int digest_unit(void *context, uint64_t unit, uint64_t end) {
    const struct pass *pass = context;
    struct write_section *nodes = &pass->writer->nodes;
    struct db_section *fanout = &pass->header->sections[DB_FANOUT];
    struct write_section section;
    (void)end; /* units come one at a time */
    if (unit == UNIT_NODES)
        return section_extend(nodes, pass->header->sections[DB_MERKLE].len);
    section_open(&section, pass->writer->fd, fanout->offset);
    int code = section_extend(&section, fanout->len);
    sha256_out(&section.hash, fanout->sha256);
    return code;
}

/* Writes the zeros that fill the last page of each section. */
static int fill_pages(const struct pass *pass) {
    const uint8_t zeros[DB_PAGE] = {0};
    for (int i = 0; i < DB_SECTION_COUNT; i++) {
        const struct db_section *section = &pass->header->sections[i];
        size_t beyond = (size_t)(section->len % DB_PAGE);
        if (beyond != 0 && file_write_at(pass->writer->fd, zeros, DB_PAGE - beyond,
                                         section->offset + section->len) != 0)
            return ERR_SYSTEM;
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

static void begin_header(const struct writer *writer, struct db_header *header) {
    const struct build_settings *settings = writer->settings;
    memset(header, 0, sizeof *header);
    header->count = writer->count;
    header->facts = settings->facts;
    header->fanout_bits = db_fanout_bits(header->count);
    header->signature_len = (uint32_t)settings->authority->public.n_len;
    rsa_public_id(&settings->authority->public, header->facts.authority_id);
    if (settings->lookup_key != NULL) {
        header->flags |= DB_FLAG_KEYED;
        memcpy(header->lookup_key_id, settings->lookup_key->id, SHA256_LEN);
    }
    db_layout(header);
}

static int write_rest(struct writer *writer, struct db_header *header, struct error *error) {
    struct pass pass = {writer, header};
    turn_batch(writer);
    finish_batch(writer);
    if (writer->code != 0) {
        errno = writer->error_number;
        return writer->code;
    }
    begin_header(writer, header);
    int code = section_move(&writer->attributes, header->sections[DB_ATTRIBUTES].offset);
    if (code == 0)
        code = section_move(&writer->nodes, header->sections[DB_MERKLE].offset);
    if (code == 0) {
        parallel_start(writer->parallel, header->count, FANOUT_PIECE, write_fanout, &pass);
        code = parallel_wait(writer->parallel);
    }
    if (code == 0)
        code = write_levels(&pass);
    if (code == 0) {
        parallel_start(writer->parallel, UNIT_COUNT, 1, digest_unit, &pass);
        code = parallel_wait(writer->parallel);
    }
    if (code == 0)
        code = fill_pages(&pass);
    if (code == 0 && ftruncate(writer->fd, (off_t)db_file_len(header)) != 0)
        code = ERR_SYSTEM;
    if (code != 0)
        return code;
    sha256_out(&writer->keys.hash, header->sections[DB_KEYS].sha256);
    sha256_out(&writer->attributes.hash, header->sections[DB_ATTRIBUTES].sha256);
    sha256_out(&writer->nodes.hash, header->sections[DB_MERKLE].sha256);
    return write_header(&pass, error);
}

int writer_finish(struct writer *writer, struct db_header *header, struct error *error) {
    int code = write_rest(writer, header, error);
    if (code == ERR_SYSTEM)
        error_set_errno(error, "%s: cannot be written", writer->settings->path);
    writer_abort(writer);
    return code;
}
