#include "audit/read.h"

#include "base/bytes.h"
#include "base/file.h"
#include "base/format.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void audit_segment_name(char name[AUDIT_NAME_SIZE], unsigned segment) {
    format_text(name, AUDIT_NAME_SIZE, "%08u.audit", segment);
}

/* The number that a name says; 0: it is not that of a file of a log. */
static unsigned segment_of(const char *text) {
    char name[AUDIT_NAME_SIZE];
    unsigned segment = 0;
    for (unsigned i = 0; i < 8 && text[i] >= '0' && text[i] <= '9'; i++)
        segment = segment * 10 + (unsigned)(text[i] - '0');
    audit_segment_name(name, segment);
    return strcmp(name, text) == 0 ? segment : 0;
}

static int find_segments(struct audit_reading *reading, int folder, struct error *error) {
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *names = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;
    if (names == NULL)
        return error_set_errno(error, "%s", reading->folder);
    while ((entry = readdir(names)) != NULL) {
        unsigned segment = segment_of(entry->d_name);
        struct stat status;
        if (segment == 0)
            continue;
        if (fstatat(fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0)
            reading->total += (uint64_t)status.st_size;
        if (reading->first_segment == 0 || segment < reading->first_segment)
            reading->first_segment = segment;
        if (segment > reading->last_segment)
            reading->last_segment = segment;
    }
    closedir(names);
    return 0;
}

/* --- blocks ----------------------------------------------------------------------------------- */

static int wrong(const struct audit_reading *reading, const struct audit_block *block,
                 unsigned segment, const char *what, struct error *error) {
    return error_set(error, ERR_SIGNATURE, "%s/%08u.audit: block %llu %s", reading->folder, segment,
                     (unsigned long long)block->number, what);
}

/* Each worker's records are there once, and in their order. */
static const char *take_records(struct audit_reading *reading, const struct audit_block *block) {
    for (uint32_t at = 0; at < block->len; at += AUDIT_RECORD_LEN) {
        const uint8_t *bytes = reading->block + AUDIT_HEADER_LEN + at;
        struct audit_record record;
        if (!audit_record_is_sound(bytes))
            return "has a record with a value that has no meaning";
        audit_record_decode(&record, bytes);
        uint64_t *next = &reading->next_counts[record.worker];
        if (*next != UINT64_MAX && record.count != *next)
            return record.count < *next ? "has a record twice, or out of order"
                                        : "lacks a record that was before";
        *next = record.count + 1;
    }
    reading->questions += block->len / AUDIT_RECORD_LEN;
    reading->unsigned_questions += block->len / AUDIT_RECORD_LEN;
    return NULL;
}

static const char *take_start(struct audit_reading *reading, const uint8_t *content) {
    const uint8_t *run = content + 2 * SHA256_LEN;
    bool is_first_seen = bytes_are_zero(reading->run, AUDIT_RUN_LEN) && reading->first_block != 1;
    /* The same run goes on where it was; and one that may have begun before what is here is not known yet. */
    if (memcmp(reading->run, run, AUDIT_RUN_LEN) != 0 && !is_first_seen)
        memset(reading->next_counts, 0, sizeof reading->next_counts);
    memcpy(reading->run, run, AUDIT_RUN_LEN);
    return reading->keys == NULL || key_set_find(reading->keys, content, SHA256_LEN) >= 0
               ? NULL
               : "says that another key signs the log";
}

static const char *take_checkpoint(struct audit_reading *reading, const struct audit_block *block,
                                   const uint8_t *content) {
    uint8_t digest[SHA256_LEN];
    bool is_signed = reading->keys == NULL;
    audit_checkpoint_digest(digest, reading->block);
    for (unsigned i = 0; !is_signed && i < reading->keys->count; i++)
        is_signed = rsa_verify(&reading->keys->keys[i], digest, content, block->len);
    if (!is_signed)
        return "is a checkpoint that this key has not signed";
    reading->checkpoint = block->number;
    reading->checkpoint_ms = block->time_ms;
    memcpy(reading->checkpoint_digest, reading->digest, SHA256_LEN);
    reading->unsigned_questions = 0;
    return NULL;
}

/* Takes a whole block. NULL, or what is wrong with it. */
static const char *take_block(struct audit_reading *reading, const struct audit_block *block,
                              unsigned segment) {
    const uint8_t *content = reading->block + AUDIT_HEADER_LEN;
    bool is_first = reading->first_block == 0;
    if (is_first && (segment == 1) != (block->number == 1))
        return segment == 1 ? "is not the first one"
                            : "is the first one, and not in the first file";
    if (block->number == 1 && !bytes_are_zero(block->before, SHA256_LEN))
        return "is the first, and names one before";
    if (!is_first && block->number != reading->last_block + 1)
        return "does not follow the one before";
    if (!is_first && memcmp(block->before, reading->digest, SHA256_LEN) != 0)
        return "does not follow the one before: one of the two was changed";
    if (is_first) {
        reading->first_block = block->number;
        reading->first_ms = block->time_ms;
        if (block->number != 1) /* what was before is not here */
            memset(reading->next_counts, 0xFF, sizeof reading->next_counts);
        if (block->number - 1 == reading->wanted)
            reading->has_wanted = memcmp(block->before, reading->wanted_digest, SHA256_LEN) == 0;
    }
    sha256(reading->digest, reading->block, AUDIT_HEADER_LEN + block->len);
    reading->last_block = block->number;
    reading->last_ms = block->time_ms;
    if (block->number == reading->wanted)
        reading->has_wanted = memcmp(reading->digest, reading->wanted_digest, SHA256_LEN) == 0;
    return block->kind == AUDIT_QUESTIONS ? take_records(reading, block)
           : block->kind == AUDIT_START   ? take_start(reading, content)
                                          : take_checkpoint(reading, block, content);
}

/* --- files ------------------------------------------------------------------------------------ */

/* Whether there is nothing but zeros from here on: a file system may leave that where a machine failed. */
static bool is_zero_from(int fd, uint64_t at, uint64_t size) {
    uint8_t bytes[4096];
    while (at < size) {
        size_t len = size - at < sizeof bytes ? (size_t)(size - at) : sizeof bytes;
        if (file_read_at(fd, bytes, len, at) != 0 || !bytes_are_zero(bytes, len))
            return false;
        at += len;
    }
    return true;
}

static int read_blocks(struct audit_reading *reading, unsigned segment, int fd, uint64_t size,
                       struct error *error) {
    bool is_last = segment == reading->last_segment;
    uint64_t at = 0;
    while (at < size) {
        struct audit_block block = {.number = reading->last_block + 1};
        bool has_header = size - at >= AUDIT_HEADER_LEN;
        if (has_header && file_read_at(fd, reading->block, AUDIT_HEADER_LEN, at) != 0)
            return error_set_errno(error, "%s/%08u.audit", reading->folder, segment);
        bool is_block = has_header && audit_block_decode(&block, reading->block);
        if (has_header && !is_block && !(is_last && is_zero_from(fd, at, size)))
            return wrong(reading, &block, segment, "is none: its header was changed", error);
        if (!is_block || size - at < AUDIT_HEADER_LEN + (uint64_t)block.len) {
            reading->cut_len = size - at;
            reading->last_size = at;
            return is_last ? 0 : wrong(reading, &block, segment, "is cut off", error);
        }
        if (file_read_at(fd, reading->block + AUDIT_HEADER_LEN, block.len, at + AUDIT_HEADER_LEN) !=
            0)
            return error_set_errno(error, "%s/%08u.audit", reading->folder, segment);
        const char *what = take_block(reading, &block, segment);
        if (what != NULL)
            return wrong(reading, &block, segment, what, error);
        if (reading->take != NULL)
            reading->take(reading->context, &block, reading->block + AUDIT_HEADER_LEN);
        at += AUDIT_HEADER_LEN + block.len;
        reading->done += AUDIT_HEADER_LEN + block.len;
        if (reading->tell != NULL)
            reading->tell(reading->done, reading->total);
    }
    reading->last_size = size;
    return 0;
}

static int read_segment(struct audit_reading *reading, int folder, unsigned segment,
                        struct error *error) {
    char name[AUDIT_NAME_SIZE];
    struct stat status;
    audit_segment_name(name, segment);
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    bool is_file = fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
    if (!is_file) {
        error_set(error, ERR_SIGNATURE, "%s/%s: a file of the log is missing, or none",
                  reading->folder, name);
        if (fd >= 0)
            close(fd);
        return ERR_SIGNATURE;
    }
    int code = read_blocks(reading, segment, fd, (uint64_t)status.st_size, error);
    close(fd);
    return code;
}

int audit_read(struct audit_reading *reading, struct error *error) {
    int folder = reading->folder_fd > 0 ? reading->folder_fd
                                        : open(reading->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return error_set_errno(error, "%s", reading->folder);
    int code = find_segments(reading, folder, error);
    if (reading->from_segment != 0)
        reading->first_segment = reading->from_segment;
    for (unsigned i = reading->first_segment; code == 0 && i != 0 && i <= reading->last_segment;
         i++)
        code = read_segment(reading, folder, i, error);
    if (folder != reading->folder_fd)
        close(folder);
    if (code == 0 && reading->wanted != 0 && !reading->has_wanted)
        return error_set(error, ERR_SIGNATURE, "%s: the checkpoint at block %llu is not in it",
                         reading->folder, (unsigned long long)reading->wanted);
    return code;
}
