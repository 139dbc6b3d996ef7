#include "db/build.h"

#include "base/bytes.h"
#include "base/file.h"
#include "db/find.h"
#include "db/merkle.h"
#include "db/sort.h"

#include <stdlib.h>
#include <string.h>

struct db_builder {
    const struct db_build_settings *settings;
    struct sort_entry *entries;
    size_t count;
    size_t capacity;
};

int db_build_open(struct db_builder **builder, const struct db_build_settings *settings,
                  struct error *error) {
    *builder = calloc(1, sizeof **builder);
    if (*builder == NULL)
        return error_set(error, ERR_MEMORY, "no memory");
    (*builder)->settings = settings;
    return 0;
}

void db_build_abort(struct db_builder *builder) {
    if (builder != NULL)
        free(builder->entries);
    free(builder);
}

int db_build_add(struct db_builder *builder, const uint8_t digest[SHA256_LEN],
                 const struct licence *licence, uint64_t line, struct error *error) {
    if (builder->count == builder->capacity) {
        size_t capacity = builder->capacity == 0 ? 65536 : builder->capacity * 2;
        void *grown =
            builder->count >= DB_COUNT_MAX || capacity > SIZE_MAX / sizeof *builder->entries
                ? NULL
                : realloc(builder->entries, capacity * sizeof *builder->entries);
        if (grown == NULL)
            return error_set(error, ERR_MEMORY, "no memory for more than %zu entries",
                             builder->count);
        builder->entries = grown;
        builder->capacity = capacity;
    }
    struct sort_entry *entry = &builder->entries[builder->count++];
    lookup_key_apply(builder->settings->lookup_key, digest, entry->sort_key);
    for (int i = 0; i < 8; i++)
        entry->sort_key[DB_KEY_LEN + i] = (uint8_t)(line >> (56 - 8 * i));
    db_attributes_encode(entry->attributes, licence);
    return 0;
}

/* Drops entries that are there already. Entries are sorted by key, then by line. */
static int merge_duplicates(struct db_builder *builder, struct db_build_summary *summary) {
    struct sort_entry *entries = builder->entries;
    size_t kept = 0;
    for (size_t i = 0; i < builder->count; i++) {
        if (kept == 0 || memcmp(entries[kept - 1].sort_key, entries[i].sort_key, DB_KEY_LEN) != 0) {
            entries[kept++] = entries[i];
            continue;
        }
        if (memcmp(entries[kept - 1].attributes, entries[i].attributes, DB_ATTRIBUTES_LEN) == 0) {
            summary->duplicate_count++;
            continue;
        }
        uint64_t line = sort_entry_line(&entries[i]);
        if (summary->conflict_count++ == 0 || line < summary->conflict_lines[1]) {
            struct licence licence;
            db_attributes_decode(&licence, entries[i].attributes);
            summary->conflict_kind = licence.kind;
            summary->conflict_lines[0] = sort_entry_line(&entries[kept - 1]);
            summary->conflict_lines[1] = line;
        }
    }
    builder->count = kept;
    return summary->conflict_count == 0 ? 0 : ERR_CONFLICT;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* A section on its way into the file: hashed and written piece by piece. */
struct section_writer {
    int fd;
    int failed; /* a write did, errno says why */
    uint64_t offset;
    struct sha256 hash;
    size_t used;
    uint8_t buffer[1 << 16];
};

static void section_begin(struct section_writer *writer, int fd, const struct db_section *section) {
    writer->fd = fd;
    writer->failed = 0;
    writer->offset = section->offset;
    writer->used = 0;
    sha256_init(&writer->hash);
}

static void section_flush(struct section_writer *writer) {
    sha256_update(&writer->hash, writer->buffer, writer->used);
    if (!writer->failed)
        writer->failed = file_write_at(writer->fd, writer->buffer, writer->used, writer->offset);
    writer->offset += writer->used;
    writer->used = 0;
}

/* `len` is at most a page. */
static void section_put(struct section_writer *writer, const void *bytes, size_t len) {
    if (len > sizeof writer->buffer - writer->used)
        section_flush(writer);
    memcpy(writer->buffer + writer->used, bytes, len);
    writer->used += len;
}

/* Fills the section's last page with zeros, which its digest does not cover. */
static int section_end(struct section_writer *writer, struct db_section *section) {
    static const uint8_t zeros[DB_PAGE];
    section_flush(writer);
    sha256_out(&writer->hash, section->sha256);
    size_t beyond = (size_t)(section->len % DB_PAGE);
    if (!writer->failed && beyond != 0)
        writer->failed = file_write_at(writer->fd, zeros, DB_PAGE - beyond, writer->offset);
    return writer->failed;
}

static void report(const struct db_builder *builder, const char *phase, uint64_t done,
                   uint64_t total) {
    if (builder->settings->progress != NULL)
        builder->settings->progress(builder->settings->progress_context, phase, done, total);
}

static int write_keys(const struct db_builder *builder, struct section_writer *writer,
                      struct db_section *section, int fd) {
    section_begin(writer, fd, section);
    for (size_t i = 0; i < builder->count; i++)
        section_put(writer, builder->entries[i].sort_key, DB_KEY_LEN);
    return section_end(writer, section);
}

static int write_attributes(const struct db_builder *builder, struct section_writer *writer,
                            struct db_section *section, int fd) {
    section_begin(writer, fd, section);
    for (size_t i = 0; i < builder->count; i++)
        section_put(writer, builder->entries[i].attributes, DB_ATTRIBUTES_LEN);
    return section_end(writer, section);
}

static int write_fanout(const struct db_builder *builder, struct section_writer *writer,
                        struct db_header *header, int fd) {
    struct db_section *section = &header->sections[DB_FANOUT];
    uint8_t element[DB_FANOUT_LEN];
    uint64_t bucket = 0;
    section_begin(writer, fd, section);
    for (size_t i = 0; i <= builder->count; i++) {
        uint64_t own = i == builder->count
                           ? (uint64_t)1 << header->fanout_bits
                           : db_bucket(builder->entries[i].sort_key, header->fanout_bits);
        store_le32(element, (uint32_t)i);
        for (; bucket <= own; bucket++)
            section_put(writer, element, sizeof element);
    }
    return section_end(writer, section);
}

static void merkle_block_of(const struct db_builder *builder, size_t first, uint8_t *node) {
    uint8_t keys[MERKLE_BLOCK * DB_KEY_LEN];
    uint8_t attributes[MERKLE_BLOCK * DB_ATTRIBUTES_LEN];
    size_t n = builder->count - first;
    if (n > MERKLE_BLOCK)
        n = MERKLE_BLOCK;
    for (size_t i = 0; i < n; i++) {
        memcpy(keys + i * DB_KEY_LEN, builder->entries[first + i].sort_key, DB_KEY_LEN);
        memcpy(attributes + i * DB_ATTRIBUTES_LEN, builder->entries[first + i].attributes,
               DB_ATTRIBUTES_LEN);
    }
    merkle_block(node, keys, attributes, n);
}

/* Also sets the header's root. */
static int write_merkle(const struct db_builder *builder, struct section_writer *writer,
                        struct db_header *header, int fd, struct error *error) {
    uint64_t blocks = merkle_block_count(header->count);
    uint64_t stored = merkle_stored_nodes(header->count);
    uint8_t *nodes = malloc((size_t)stored * MERKLE_NODE_LEN);
    if (nodes == NULL)
        return error_set(error, ERR_MEMORY, "no memory for the Merkle nodes");
    for (uint64_t i = 0; i < blocks; i++) {
        if (i % 65536 == 0)
            report(builder, "hashing", i * MERKLE_BLOCK, header->count);
        merkle_block_of(builder, (size_t)i * MERKLE_BLOCK, nodes + i * MERKLE_NODE_LEN);
    }
    merkle_fill(nodes, header->count);
    memcpy(header->merkle_root, nodes + (stored - 1) * MERKLE_NODE_LEN, MERKLE_NODE_LEN);
    section_begin(writer, fd, &header->sections[DB_MERKLE]);
    for (uint64_t i = 0; i < stored; i++)
        section_put(writer, nodes + i * MERKLE_NODE_LEN, MERKLE_NODE_LEN);
    free(nodes);
    return section_end(writer, &header->sections[DB_MERKLE]);
}

static int write_header(const struct db_builder *builder, const struct db_header *header, int fd,
                        struct error *error) {
    uint8_t page[DB_PAGE] = {0};
    uint8_t digest[SHA256_LEN];
    db_header_encode(header, page);
    sha256(digest, page, DB_SIGNED_LEN);
    if (!rsa_sign(builder->settings->authority, digest, page + DB_SIGNED_LEN))
        return error_set(error, ERR_SIGNATURE, "signing with the authority's key failed");
    return file_write_at(fd, page, sizeof page, 0);
}

static void header_begin(const struct db_builder *builder, struct db_header *header) {
    const struct db_build_settings *settings = builder->settings;
    memset(header, 0, sizeof *header);
    header->count = builder->count;
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

/* Writes all of the file; ERR_SYSTEM leaves errno for the caller to word. */
static int write_file(const struct db_builder *builder, struct db_header *header, int fd,
                      struct error *error) {
    struct section_writer writer;
    header_begin(builder, header);
    report(builder, "writing", 0, header->count);
    int code = write_keys(builder, &writer, &header->sections[DB_KEYS], fd);
    if (code == 0)
        code = write_attributes(builder, &writer, &header->sections[DB_ATTRIBUTES], fd);
    if (code == 0)
        code = write_fanout(builder, &writer, header, fd);
    if (code == 0)
        code = write_merkle(builder, &writer, header, fd, error);
    if (code == 0)
        code = write_header(builder, header, fd, error);
    if (code == ERR_SYSTEM)
        return error_set_errno(error, "%s: cannot be written", builder->settings->path);
    return code;
}

int db_build_finish(struct db_builder *builder, struct db_build_summary *summary,
                    struct error *error) {
    struct atomic_file file;
    memset(summary, 0, sizeof *summary);
    if (builder->count == 0) {
        db_build_abort(builder);
        return error_set(error, ERR_FORMAT, "no licences to write");
    }
    report(builder, "sorting", 0, builder->count);
    sort_entries(builder->entries, builder->count);
    int code = merge_duplicates(builder, summary);
    if (code != 0)
        error_set(error, code, "entries contradict each other");
    else if (builder->count > DB_COUNT_MAX)
        code = error_set(error, ERR_LIMIT, "more than %lu entries", (unsigned long)DB_COUNT_MAX);
    if (code == 0)
        code = atomic_file_open(&file, builder->settings->path, 0644, error);
    if (code == 0) {
        code = write_file(builder, &summary->header, file.fd, error);
        if (code == 0)
            code = atomic_file_commit(&file, 1, error);
        else
            atomic_file_abort(&file);
    }
    db_build_abort(builder);
    return code;
}
