#include "builder/write.h"

#include "base/bytes.h"
#include "base/file.h"
#include "builder/runs.h"
#include "db/find.h"
#include "db/merkle.h"
#include "db/open.h"
#include "record/classes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define BATCH (1u << 14)      /* entries that are written at once */
#define PIECE (1u << 10)      /* entries of one unit of work; a multiple of MERKLE_BLOCK */
#define LEVEL_PIECE (1u << 9) /* nodes of one unit of work on a level of the tree */
#define WRITE_OUT (1u << 26)  /* bytes that the disk is given at a time */
#define CHUNK (1u << 14)      /* bytes of one read; small, as threads have little stack */
#define FURTHER_BUFFER (1u << 18)

struct write_batch {
    struct writer *writer;
    uint64_t offset; /* where the batch goes */
    size_t count;
    uint8_t entries[BATCH * DB_ENTRY_LEN];
};

/* --- entries, as they come -------------------------------------------------------------------- */

int writer_open(struct writer *writer, const struct build_settings *settings, int fd,
                struct error *error) {
    *writer = (struct writer){.settings = settings, .fd = fd, .further_fd = -1};
    writer->filling = malloc(sizeof *writer->filling);
    writer->writing = malloc(sizeof *writer->writing);
    writer->further = malloc(FURTHER_BUFFER);
    writer->sets = malloc(sizeof *writer->sets);
    writer->parallel = malloc(sizeof *writer->parallel);
    if (writer->sets != NULL)
        texts_init(writer->sets);
    if (writer->parallel != NULL)
        parallel_open(writer->parallel, settings->thread_count);
    if (writer->filling == NULL || writer->writing == NULL || writer->further == NULL ||
        writer->sets == NULL || writer->parallel == NULL) {
        writer_abort(writer);
        return error_set(error, ERR_MEMORY, "no memory");
    }
    writer->filling->writer = writer->writing->writer = writer;
    writer->filling->count = writer->writing->count = 0;
    writer->further_fd = runs_open_temporary(settings->temporary_folder, error);
    if (writer->further_fd < 0) {
        writer_abort(writer);
        return ERR_SYSTEM;
    }
    return 0;
}

void writer_abort(struct writer *writer) {
    int saved = errno;
    if (writer->parallel != NULL)
        parallel_close(writer->parallel);
    if (writer->sets != NULL)
        texts_free(writer->sets);
    if (writer->further_fd >= 0)
        close(writer->further_fd);
    free(writer->filling);
    free(writer->writing);
    free(writer->further);
    free(writer->sets);
    free(writer->final_numbers);
    free(writer->dictionary_bytes);
    free(writer->parallel);
    *writer = (struct writer){.further_fd = -1};
    errno = saved;
}

uint32_t writer_probe_set(void *context, struct span text) {
    const struct writer *writer = context;
    (void)text;
    return writer->sets->count < CLASS_SETS_MAX;
}

uint32_t writer_set_number(void *context, struct span text) {
    struct writer *writer = context;
    uint32_t number = texts_number(writer->sets, text);
    return number <= CLASS_SETS_MAX ? number : 0;
}

static void note_failure(struct writer *writer, int code) {
    if (code != 0 && writer->code == 0) {
        writer->code = code;
        writer->error_number = errno;
    }
}

static int write_batch(void *context, uint64_t unit, uint64_t end) {
    struct write_batch *batch = context;
    (void)unit, (void)end; /* the batch is one unit */
    return file_write_at(batch->writer->fd, batch->entries, batch->count * DB_ENTRY_LEN,
                         batch->offset);
}

/* Begins to write the batch that is full, and goes on filling the other one. */
static void turn_batch(struct writer *writer) {
    note_failure(writer, parallel_wait(writer->parallel));
    struct write_batch *full = writer->filling;
    writer->filling = writer->writing;
    writer->writing = full;
    writer->filling->count = 0;
    full->offset = DB_HEAD_LEN + writer->written;
    uint64_t before = writer->written;
    writer->written += full->count * DB_ENTRY_LEN;
    if (before / WRITE_OUT != writer->written / WRITE_OUT)
        file_write_out(writer->fd, DB_HEAD_LEN + before / WRITE_OUT * WRITE_OUT, WRITE_OUT);
    if (writer->code == 0 && full->count > 0)
        parallel_start(writer->parallel, 1, 1, write_batch, full);
}

static void flush_further(struct writer *writer) {
    if (writer->code == 0)
        note_failure(writer,
                     file_write_at(writer->further_fd, writer->further, writer->further_used,
                                   writer->further_len - writer->further_used));
    writer->further_used = 0;
}

/* Appends further terms. Returns where they begin in their section. */
static uint64_t put_further(struct writer *writer, const uint8_t *further, size_t len) {
    size_t room = (size_t)further_room(len);
    uint64_t at = writer->further_len;
    if (writer->further_used + room > FURTHER_BUFFER)
        flush_further(writer);
    uint8_t *out = writer->further + writer->further_used;
    store_le16(out, (uint16_t)len);
    memcpy(out + FURTHER_HEAD_LEN, further, len);
    memset(out + FURTHER_HEAD_LEN + len, 0, room - FURTHER_HEAD_LEN - len);
    writer->further_used += room;
    writer->further_len += room;
    if (len > writer->further_max)
        writer->further_max = len;
    return at;
}

void writer_put(struct writer *writer, const uint8_t key[DB_KEY_LEN],
                const uint8_t codes[CODES_LEN], const uint8_t terms[DB_TERMS_LEN],
                const uint8_t *further, size_t further_len) {
    struct write_batch *batch = writer->filling;
    uint8_t *entry = batch->entries + batch->count * DB_ENTRY_LEN;
    memcpy(entry, key, DB_KEY_LEN);
    memcpy(entry + ENTRY_CODES, codes, CODES_LEN);
    memcpy(entry + ENTRY_TERMS, terms, DB_TERMS_LEN);
    if (further_len > 0)
        terms_set_further(entry + ENTRY_TERMS, put_further(writer, further, further_len));
    writer->count++;
    if (++batch->count == BATCH)
        turn_batch(writer);
}

/* --- the dictionary --------------------------------------------------------------------------- */

struct numbered {
    struct span text;
    uint32_t number;
};

static int compare_sets(const void *a, const void *b) {
    return span_compare(((const struct numbered *)a)->text, ((const struct numbered *)b)->text);
}

/* Writes the dictionary from the sorted sets, and gives each its final number. */
static void write_dictionary(struct writer *writer, const struct numbered *sets, uint32_t count) {
    uint8_t *ends = writer->dictionary_bytes + 4;
    char *texts = (char *)writer->dictionary_bytes + class_sets_len(count, 0);
    size_t at = 0;
    store_le32(writer->dictionary_bytes, count);
    store_le32(ends, 0);
    for (uint32_t i = 0; i < count; i++) {
        memcpy(texts + at, sets[i].text.text, sets[i].text.len);
        at += sets[i].text.len;
        store_le32(ends + (size_t)4 * (i + 1), (uint32_t)at);
        writer->final_numbers[sets[i].number] = (uint16_t)(i + 1);
    }
}

/* Sorts the sets into the dictionary. */
static int number_sets(struct writer *writer, struct error *error) {
    uint32_t count = writer->sets->count < CLASS_SETS_MAX ? writer->sets->count : CLASS_SETS_MAX;
    struct numbered *sets = malloc((count + 1) * sizeof *sets);
    size_t len = 0;
    for (uint32_t i = 0; i < count && sets != NULL; i++) {
        sets[i] = (struct numbered){texts_get(writer->sets, i + 1), i + 1};
        len += sets[i].text.len;
    }
    len = (size_t)class_sets_len(count, len);
    writer->final_numbers = calloc(CLASS_SETS_MAX + 1, sizeof *writer->final_numbers);
    writer->dictionary_bytes = malloc(len);
    if (sets == NULL || writer->final_numbers == NULL || writer->dictionary_bytes == NULL) {
        free(sets);
        return error_set(error, ERR_MEMORY, "no memory");
    }
    qsort(sets, count, sizeof *sets, compare_sets);
    write_dictionary(writer, sets, count);
    free(sets);
    return class_sets_open(&writer->dictionary, writer->dictionary_bytes, len, error);
}

/* --- the passes once all is known -------------------------------------------------------------- */

struct pass {
    struct writer *writer;
    struct db_header *header;
    uint8_t *further; /* the section of further terms, mapped; NULL: it is empty */
};

static uint32_t final_number(void *context, uint32_t number) {
    const struct writer *writer = context;
    return writer->final_numbers[number];
}

/* Puts the final numbers of sets into an entry and its further terms, and computes its leaf. */
static int finish_entry(const struct pass *pass, uint8_t *entry, uint8_t leaf[MERKLE_NODE_LEN]) {
    const struct further_section section = {pass->further, pass->writer->further_len};
    uint8_t *terms = entry + ENTRY_TERMS;
    struct further further = {NULL, 0};
    if (terms_kind(terms) == ENTRY_LICENCE) {
        if (!terms_further(terms, &section, &further))
            return ERR_FORMAT;
        uint8_t *items = further.len > 0 ? pass->further + (further.bytes - pass->further) : NULL;
        terms_renumber(terms, items, further.len, final_number, pass->writer);
    }
    entry_leaf(leaf, entry, further);
    return 0;
}

/* Writes the fan-out elements that the entries first .. end decide. They are the elements after the
 * bucket of the entry before `first`, up to the bucket of the last one, or, after the very last
 * entry, up to the end of the fan-out. `before` is the key before `first`; NULL: there is none. */
static int write_fanout(const struct pass *pass, uint64_t first, uint64_t end,
                        const uint8_t *before, const uint8_t *entries) {
    uint32_t bits = pass->header->fanout_bits;
    uint64_t offset = pass->header->sections[DB_FANOUT].offset;
    uint64_t bucket = before == NULL ? 0 : db_bucket(before, bits) + 1;
    uint8_t buffer[4096];
    size_t used = 0;
    offset += bucket * DB_FANOUT_LEN;
    for (uint64_t i = first; i <= end; i++, entries += DB_ENTRY_LEN) {
        if (i == end && end != pass->header->count)
            break;
        uint64_t own = i == end ? (uint64_t)1 << bits : db_bucket(entries, bits);
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

/* Reads a piece of the entries back, finishes it, and writes what follows from it. */
static int finish_piece(void *context, uint64_t first, uint64_t end) {
    const struct pass *pass = context;
    uint8_t bytes[(PIECE + 1) * DB_ENTRY_LEN] NOT_CLEARED;
    uint8_t leaves[MERKLE_BLOCK * MERKLE_NODE_LEN], nodes[PIECE / MERKLE_BLOCK * MERKLE_NODE_LEN];
    uint64_t before = first == 0 ? 0 : 1;
    uint64_t offset = pass->header->sections[DB_ENTRIES].offset + first * DB_ENTRY_LEN;
    size_t len = (size_t)(end - first) * DB_ENTRY_LEN;
    uint8_t *entries = bytes + before * DB_ENTRY_LEN;
    if (file_read_at(pass->writer->fd, bytes, len + (size_t)before * DB_ENTRY_LEN,
                     offset - before * DB_ENTRY_LEN) != 0)
        return ERR_SYSTEM;
    if (first % (64 * PIECE) == 0)
        build_report(pass->writer->settings, "finishing", "entries", first, pass->writer->count);
    for (uint64_t block = first; block < end; block += MERKLE_BLOCK) {
        uint64_t count = end - block < MERKLE_BLOCK ? end - block : MERKLE_BLOCK;
        for (uint64_t i = 0; i < count; i++) {
            int code = finish_entry(pass, entries + (block - first + i) * DB_ENTRY_LEN,
                                    leaves + i * MERKLE_NODE_LEN);
            if (code != 0)
                return code;
        }
        merkle_root_of(nodes + (block - first) / MERKLE_BLOCK * MERKLE_NODE_LEN, leaves, count);
    }
    if (file_write_at(pass->writer->fd, entries, len, offset) != 0 ||
        file_write_at(
            pass->writer->fd, nodes, (size_t)merkle_block_count(end - first) * MERKLE_NODE_LEN,
            pass->header->sections[DB_MERKLE].offset + first / MERKLE_BLOCK * MERKLE_NODE_LEN) != 0)
        return ERR_SYSTEM;
    return write_fanout(pass, first, end, before ? bytes : NULL, entries);
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
                          .offset = pass->header->sections[DB_MERKLE].offset};
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

/* Writes the sections that are in memory, and the zeros that fill the last page of each. */
static int write_sections(const struct pass *pass) {
    const uint8_t zeros[DB_PAGE] = {0};
    const struct db_section *sections = pass->header->sections;
    int fd = pass->writer->fd, code = 0;
    if (sections[DB_FURTHER].len > 0)
        code = file_write_at(fd, pass->further, (size_t)sections[DB_FURTHER].len,
                             sections[DB_FURTHER].offset);
    if (code == 0)
        code = file_write_at(fd, pass->writer->dictionary_bytes,
                             (size_t)sections[DB_DICTIONARY].len, sections[DB_DICTIONARY].offset);
    for (int i = 0; code == 0 && i < DB_SECTION_COUNT; i++) {
        size_t beyond = (size_t)(sections[i].len % DB_PAGE);
        if (beyond != 0)
            code = file_write_at(fd, zeros, DB_PAGE - beyond, sections[i].offset + sections[i].len);
    }
    return code;
}

/* The digests of chunks of the file, which is read back for them. */
static int digest_chunk(void *context, uint64_t chunk, uint64_t end) {
    const struct pass *pass = context;
    uint8_t buffer[CHUNK] NOT_CLEARED, digest[SHA256_LEN];
    uint64_t at = DB_HEAD_LEN + chunk * DB_CHUNK, stop = at + DB_CHUNK;
    const struct db_section *digests = &pass->header->sections[DB_CHUNKS];
    struct sha256 hash;
    (void)end; /* one chunk at a time */
    if (stop > digests->offset)
        stop = digests->offset;
    sha256_init(&hash);
    for (size_t n; at < stop; at += n) {
        n = stop - at < CHUNK ? (size_t)(stop - at) : CHUNK;
        if (file_read_at(pass->writer->fd, buffer, n, at) != 0)
            return ERR_SYSTEM;
        sha256_update(&hash, buffer, n);
    }
    sha256_out(&hash, digest);
    return file_write_at(pass->writer->fd, digest, SHA256_LEN,
                         digests->offset + chunk * SHA256_LEN);
}

static int digest_chunks(const struct pass *pass) {
    struct db_section *digests = &pass->header->sections[DB_CHUNKS];
    uint8_t buffer[CHUNK];
    struct sha256 hash;
    parallel_start(pass->writer->parallel, digests->len / SHA256_LEN, 1, digest_chunk,
                   (void *)(uintptr_t)pass);
    int code = parallel_wait(pass->writer->parallel);
    sha256_init(&hash);
    for (uint64_t at = 0; code == 0 && at < digests->len; at += CHUNK) {
        size_t n = digests->len - at < CHUNK ? (size_t)(digests->len - at) : CHUNK;
        code = file_read_at(pass->writer->fd, buffer, n, digests->offset + at);
        sha256_update(&hash, buffer, n);
    }
    sha256_out(&hash, pass->header->chunks_sha256);
    return code;
}

/* Compares the chunks, as they are on the disk, with the digests that were signed. */
static int check_chunks(const struct pass *pass, struct error *error) {
    const struct build_settings *settings = pass->writer->settings;
    int code = digest_chunks(pass);
    return code != 0 || memcmp(pass->header->chunks_sha256, settings->known->chunks_sha256,
                               SHA256_LEN) == 0
               ? code
               : error_set(error, ERR_SIGNATURE, "%s: the disk has not kept what was written",
                           settings->path);
}

/* Compares the whole file, as it is on the disk, with what was meant. Whatever went wrong on the way
 * there is found before anything is signed. */
static int check_written(const struct pass *pass, struct error *error) {
    const struct build_settings *settings = pass->writer->settings;
    struct db db;
    struct error reason;
    build_report(settings, "checking", "entries", 0, 0);
    if (file_drop_cached(pass->writer->fd) != 0)
        return ERR_SYSTEM;
    if (settings->known != NULL) /* the authority has checked what these digests are of */
        return check_chunks(pass, error);
    int code = db_open_unsigned(&db, pass->writer->fd, settings->path, pass->header, &reason);
    if (code == 0) {
        code = db_verify(&db, settings->thread_count, settings->path, NULL, &reason);
        db_close(&db);
    }
    return code == 0 ? 0
                     : error_set(error, code, "%.900s: the disk has not kept what was written",
                                 reason.text);
}

static int write_head(const struct pass *pass, struct error *error) {
    const struct build_settings *settings = pass->writer->settings;
    uint8_t head[DB_HEAD_LEN] = {0};
    struct db_header again;
    db_header_encode(pass->header, head);
    /* A header that nobody could open is never published. */
    int code = db_header_decode(&again, head, error);
    if (code == 0 && settings->known != NULL &&
        memcmp(again.id, settings->known->id, SHA256_LEN) != 0)
        code = error_set(error, ERR_SIGNATURE,
                         "%s: what came out is not the release that was signed", settings->path);
    return code == 0 ? file_write_at(pass->writer->fd, head, sizeof head, 0) : code;
}

/* Writes the page of signatures: of the authority that builds it, or those that are known. */
static int make_signatures(const struct pass *pass, uint8_t page[DB_PAGE], struct error *error) {
    const struct build_settings *settings = pass->writer->settings;
    uint8_t signature[RSA_LEN_MAX];
    if (settings->known != NULL) {
        memcpy(page, settings->known_head + DB_SIGNATURES, DB_PAGE);
        return 0;
    }
    if (!rsa_sign(settings->authority, pass->header->id, signature))
        return error_set(error, ERR_SIGNATURE, "signing with the authority's key failed");
    db_signatures_encode(page, pass->header->facts.authority_id, signature,
                         settings->authority->public.n_len);
    return 0;
}

/* Checks the signature of what is on the disk, where it is one of our own. */
static int check_signature(const struct pass *pass, const uint8_t *head, struct error *error) {
    const struct build_settings *settings = pass->writer->settings;
    struct key_set own = {0};
    struct db_header again;
    if (settings->known != NULL)
        return memcmp(head, settings->known_head, DB_HEAD_LEN) == 0
                   ? 0
                   : error_set(error, ERR_SIGNATURE, "%s: the disk has not kept what was written",
                               settings->path);
    key_set_add(&own, &settings->authority->public);
    int code = db_header_decode(&again, head, error);
    if (code == 0)
        code = db_header_verify(&again, head + DB_SIGNATURES, &own, error);
    return code == 0 ? 0 : error_prefix(error, code, settings->path);
}

/* Signs the header, and checks the signature as it is on the disk. */
static int write_signature(const struct pass *pass, struct error *error) {
    uint8_t head[DB_HEAD_LEN];
    int code = make_signatures(pass, head + DB_SIGNATURES, error);
    if (code != 0)
        return code;
    if (file_write_at(pass->writer->fd, head + DB_SIGNATURES, DB_HEAD_LEN - DB_SIGNATURES,
                      DB_SIGNATURES) != 0 ||
        file_drop_cached(pass->writer->fd) != 0 ||
        file_read_at(pass->writer->fd, head, sizeof head, 0) != 0)
        return ERR_SYSTEM;
    return check_signature(pass, head, error);
}

static void begin_header(const struct writer *writer, struct db_header *header) {
    const struct build_settings *settings = writer->settings;
    memset(header, 0, sizeof *header);
    header->count = writer->count;
    header->facts = settings->known != NULL ? settings->known->facts : settings->facts;
    header->fanout_bits = db_fanout_bits(header->count);
    header->further_max = (uint32_t)writer->further_max;
    header->set_count = writer->dictionary.count;
    class_sets_root(&writer->dictionary, header->dictionary_root);
    header->sections[DB_FURTHER].len = writer->further_len;
    header->sections[DB_DICTIONARY].len =
        load_le32(writer->dictionary.ends + (size_t)4 * writer->dictionary.count) +
        class_sets_len(writer->dictionary.count, 0);
    if (settings->known != NULL) {
        header->is_keyed = settings->known->is_keyed;
        memcpy(header->lookup_key_id, settings->known->lookup_key_id, SHA256_LEN);
    } else {
        rsa_public_id(&settings->authority->public, header->facts.authority_id);
    }
    if (settings->lookup_key != NULL) {
        header->is_keyed = true;
        memcpy(header->lookup_key_id, settings->lookup_key->id, SHA256_LEN);
    }
    db_layout(header);
}

static int damaged(const struct writer *writer, struct error *error) {
    return error_set(error, ERR_FORMAT,
                     "%s: the disk has not kept what was written: the temporary "
                     "file in %s is damaged",
                     writer->settings->path, writer->settings->temporary_folder);
}

static int write_rest(struct pass *pass, struct error *error) {
    struct writer *writer = pass->writer;
    parallel_start(writer->parallel, pass->header->count, PIECE, finish_piece, pass);
    int code = parallel_wait(writer->parallel);
    if (code == ERR_FORMAT)
        return damaged(writer, error);
    if (code == 0)
        code = write_levels(pass);
    if (code == 0)
        code = write_sections(pass);
    if (code == 0 && ftruncate(writer->fd, (off_t)db_file_len(pass->header)) != 0)
        code = ERR_SYSTEM;
    if (code == 0)
        code = digest_chunks(pass);
    if (code == 0)
        code = write_head(pass, error);
    if (code == 0)
        code = check_written(pass, error);
    return code == 0 ? write_signature(pass, error) : code;
}

static int finish(struct writer *writer, struct db_header *header, struct error *error) {
    struct pass pass = {writer, header, NULL};
    turn_batch(writer);
    note_failure(writer, parallel_wait(writer->parallel));
    flush_further(writer);
    if (writer->code != 0) {
        errno = writer->error_number;
        return writer->code;
    }
    int code = number_sets(writer, error);
    if (code != 0)
        return code;
    begin_header(writer, header);
    if (writer->further_len > 0) {
        struct stat status;
        /* What the disk has lost at its end would be a signal. */
        if (fstat(writer->further_fd, &status) != 0 ||
            (uint64_t)status.st_size != writer->further_len)
            return damaged(writer, error);
        pass.further = mmap(NULL, (size_t)writer->further_len, PROT_READ | PROT_WRITE, MAP_SHARED,
                            writer->further_fd, 0);
        if (pass.further == MAP_FAILED)
            return ERR_SYSTEM;
    }
    code = write_rest(&pass, error);
    if (pass.further != NULL)
        munmap(pass.further, (size_t)writer->further_len);
    return code;
}

int writer_finish(struct writer *writer, struct db_header *header, struct error *error) {
    const char *path = writer->settings->path;
    int code = finish(writer, header, error);
    if (code == ERR_SYSTEM)
        error_set_errno(error, "%s: cannot be written", path);
    writer_abort(writer);
    return code;
}
