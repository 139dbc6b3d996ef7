#include "client/journal.h"

#include "base/bytes.h"
#include "base/file.h"
#include "base/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const uint8_t magic[4] = "dlvj";
static const uint8_t nonce[AEAD_NONCE_LEN];

#define FILE_MAX (16 << 20)
#define END_LOCK                                                                                   \
    ((uint64_t)1 << 40) /* a place behind every entry: who has it locked may change the length */
#define LOCK_MS 5000
#define LOCK_PAUSE_MS 10

/* --- locks ------------------------------------------------------------------------------------- */

/* Locks or unlocks one byte. False where another process has it. */
static bool lock_byte(const struct journal *journal, uint64_t at, short type) {
    struct flock lock = {
        .l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)at, .l_len = 1, .l_pid = 0};
    return fcntl(journal->fd, F_OFD_SETLK, &lock) == 0;
}

static void unlock(const struct journal *journal, const struct journal_entry *entry) {
    lock_byte(journal, entry->at, F_UNLCK);
}

static int lock_end(const struct journal *journal, struct error *error) {
    const struct timespec pause = {0, LOCK_PAUSE_MS * 1000000L};
    for (int waited_ms = 0; !lock_byte(journal, END_LOCK, F_WRLCK); waited_ms += LOCK_PAUSE_MS) {
        if ((errno != EAGAIN && errno != EACCES && errno != EINTR) || waited_ms >= LOCK_MS)
            return error_set_errno(error, "%s: cannot be locked", journal->path);
        nanosleep(&pause, NULL);
    }
    return 0;
}

static void unlock_end(const struct journal *journal) {
    lock_byte(journal, END_LOCK, F_UNLCK);
}

/* --- entries ------------------------------------------------------------------------------------ */

static void digest_of(uint8_t digest[SHA256_LEN], const uint8_t *bytes, size_t len) {
    sha256(digest, bytes + JOURNAL_COUNT, len - JOURNAL_COUNT - JOURNAL_DIGEST_LEN);
}

/* What of a file is an entry. */
enum found { FOUND_ENTRY, FOUND_END, FOUND_CUT, FOUND_DAMAGE };

/* The length that follows from the others, so that no damage passes for an end that was cut off. */
static size_t length_of(const uint8_t header[JOURNAL_REFERENCE]) {
    size_t len = JOURNAL_REFERENCE + AEAD_TAG_LEN + JOURNAL_DIGEST_LEN;
    len += load_le16(header + JOURNAL_REFERENCE_LEN);
    len += load_le16(header + JOURNAL_WRAPPED_LEN);
    return len + load_le16(header + JOURNAL_QUESTION_LEN);
}

/* A reference is not authenticated before the entry is opened, and is shown on terminals. */
static void take_reference(char *reference, const uint8_t *bytes, size_t left) {
    uint32_t character;
    for (size_t len; left > 0; left -= len, bytes += len, reference += len) {
        len = utf8_decode(bytes, left, &character);
        bool is_shown = len > 0 && !utf8_is_unsafe(character);
        len = len > 0 ? len : 1;
        if (is_shown)
            memcpy(reference, bytes, len);
        else
            memset(reference, '?', len);
    }
}

/* Takes an entry apart that is whole. False where it is none. */
static bool parse(struct journal_entry *entry) {
    const uint8_t *bytes = entry->bytes;
    uint8_t digest[SHA256_LEN];
    digest_of(digest, bytes, entry->len);
    size_t end = entry->len - JOURNAL_DIGEST_LEN, at = JOURNAL_REFERENCE;
    size_t reference_len = load_le16(bytes + JOURNAL_REFERENCE_LEN);
    if (memcmp(digest, bytes + end, JOURNAL_DIGEST_LEN) != 0 ||
        reference_len >= JOURNAL_REFERENCE_SIZE || bytes[JOURNAL_STATE] < JOURNAL_WAITS ||
        bytes[JOURNAL_STATE] > JOURNAL_REFUSED || bytes[JOURNAL_COUNT] > JOURNAL_WRAPPED_MAX)
        return false;
    memset(&entry->stop, 0, sizeof entry->stop);
    entry->stop.stopped_s = (int64_t)load_le64(bytes + JOURNAL_STOPPED);
    memcpy(entry->stop.id, bytes + JOURNAL_ID, JOURNAL_ID_LEN);
    take_reference(entry->stop.reference, bytes + at, reference_len);
    at += reference_len;
    for (entry->wrapped_count = 0; entry->wrapped_count < bytes[JOURNAL_COUNT];
         entry->wrapped_count++) {
        struct journal_wrapped *wrapped = &entry->wrapped[entry->wrapped_count];
        if (end - at < OPEN_KEY_ID_LEN + 2)
            return false;
        *wrapped = (struct journal_wrapped){.key_id = bytes + at,
                                            .bytes = bytes + at + OPEN_KEY_ID_LEN + 2,
                                            .len = load_le16(bytes + at + OPEN_KEY_ID_LEN)};
        at += OPEN_KEY_ID_LEN + 2;
        if (wrapped->len > RSA_LEN_MAX || wrapped->len > end - at)
            return false;
        at += wrapped->len;
    }
    entry->question_at = at;
    entry->question_len = load_le16(bytes + JOURNAL_QUESTION_LEN);
    return entry->question_len <= JOURNAL_QUESTION_MAX &&
           end - at == entry->question_len + AEAD_TAG_LEN;
}

/* Reads what stands at a place. What a crash has left at the end is not damage. */
static enum found read_entry(const struct journal *journal, uint64_t at, uint64_t file_len,
                             struct journal_entry *entry) {
    uint64_t left = file_len - at;
    entry->at = at;
    if (left == 0)
        return FOUND_END;
    size_t read_len = left < sizeof entry->bytes ? (size_t)left : sizeof entry->bytes;
    if (file_read_at(journal->fd, entry->bytes, read_len, at) != 0)
        return FOUND_DAMAGE;
    bool is_rest = read_len == left; /* it may be one that was cut short */
    if (is_rest && bytes_are_zero(entry->bytes, read_len))
        return FOUND_CUT;
    if (memcmp(entry->bytes, magic, read_len < sizeof magic ? read_len : sizeof magic) != 0)
        return FOUND_DAMAGE;
    if (read_len < JOURNAL_REFERENCE)
        return FOUND_CUT;
    entry->len = load_le32(entry->bytes + JOURNAL_LEN);
    if (entry->len != length_of(entry->bytes) || entry->len > sizeof entry->bytes)
        return FOUND_DAMAGE;
    if (entry->len > read_len)
        return FOUND_CUT;
    if (parse(entry))
        return FOUND_ENTRY;
    /* Of a file that a crash has cut short, some file systems keep the length, and fill it with zeros. */
    bool is_last = entry->len == left;
    return is_last && bytes_are_zero(entry->bytes + entry->len - JOURNAL_DIGEST_LEN,
                                     JOURNAL_DIGEST_LEN)
               ? FOUND_CUT
               : FOUND_DAMAGE;
}

static int damaged(const struct journal *journal, uint64_t at, struct error *error) {
    return error_set(error, ERR_FORMAT,
                     "%s: not a journal of dlv from byte %llu on; move it away to begin anew",
                     journal->path, (unsigned long long)at);
}

/* The length of the file. */
static int file_len_of(const struct journal *journal, uint64_t *len, struct error *error) {
    struct stat status;
    if (fstat(journal->fd, &status) != 0)
        return error_set_errno(error, "%s", journal->path);
    *len = (uint64_t)status.st_size;
    return 0;
}

/* The end of the last whole entry, and whether any waits. With the end locked. */
static int find_end(struct journal *journal, uint64_t *end, bool *waits, struct error *error) {
    struct journal_entry *entry = &journal->other;
    uint64_t file_len;
    int code = file_len_of(journal, &file_len, error);
    *waits = false;
    for (*end = 0; code == 0; *end += entry->len) {
        enum found found = read_entry(journal, *end, file_len, entry);
        if (found == FOUND_DAMAGE)
            return damaged(journal, *end, error);
        if (found != FOUND_ENTRY)
            break;
        *waits |= entry->bytes[JOURNAL_STATE] != JOURNAL_SETTLED;
    }
    return code;
}

/* --- opening ------------------------------------------------------------------------------------ */

int journal_open(struct journal *journal, const char *path, struct error *error) {
    struct stat status;
    journal->path = path;
    journal->fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (journal->fd < 0)
        return error_set_errno(error, "%s", path);
    if (fstat(journal->fd, &status) != 0 || !S_ISREG(status.st_mode) ||
        status.st_uid != geteuid() || (status.st_mode & 077) != 0) {
        journal_close(journal);
        return error_set(error, ERR_FORMAT,
                         "%s: a journal is a file that is this user's alone (mode 0600)", path);
    }
    return 0;
}

void journal_close(struct journal *journal) {
    if (journal->fd >= 0)
        close(journal->fd);
    journal->fd = -1;
}

/* --- keeping ------------------------------------------------------------------------------------ */

/* Writes an entry at entry->bytes. False where RSA fails. */
static bool write_entry(struct journal_entry *entry, const struct journal_stop *stop,
                        const struct key_set *servers, const uint8_t kiosk[KIOSK_ID_LEN],
                        const void *question, size_t len, struct random *random) {
    uint8_t key[AEAD_KEY_LEN], digest[SHA256_LEN], *bytes = entry->bytes;
    size_t reference_len = strlen(stop->reference), at = JOURNAL_REFERENCE;
    bool is_good = true;
    random_bytes(random, key, sizeof key);
    memset(bytes, 0, JOURNAL_REFERENCE);
    memcpy(bytes, magic, sizeof magic);
    bytes[JOURNAL_STATE] = JOURNAL_WAITS;
    bytes[JOURNAL_COUNT] = (uint8_t)servers->count;
    store_le16(bytes + JOURNAL_REFERENCE_LEN, (uint16_t)reference_len);
    store_le16(bytes + JOURNAL_QUESTION_LEN, (uint16_t)len);
    store_le64(bytes + JOURNAL_STOPPED, (uint64_t)stop->stopped_s);
    memcpy(bytes + JOURNAL_ID, stop->id, JOURNAL_ID_LEN);
    memcpy(bytes + at, stop->reference, reference_len);
    at += reference_len;
    for (unsigned i = 0; i < servers->count && is_good; i++) {
        const struct rsa_public *server = &servers->keys[i];
        memcpy(bytes + at, servers->ids[i], OPEN_KEY_ID_LEN);
        store_le16(bytes + at + OPEN_KEY_ID_LEN, (uint16_t)server->n_len);
        at += OPEN_KEY_ID_LEN + 2;
        is_good = key_wrap(server, kiosk, key, &random->drbg.vtable, bytes + at);
        at += server->n_len;
    }
    store_le16(bytes + JOURNAL_WRAPPED_LEN, (uint16_t)(at - JOURNAL_REFERENCE - reference_len));
    memcpy(bytes + at, question, len);
    aead_seal(key, nonce, bytes + JOURNAL_COUNT, at - JOURNAL_COUNT, bytes + at, len,
              bytes + at + len);
    wipe(key, sizeof key);
    entry->len = at + len + AEAD_TAG_LEN + JOURNAL_DIGEST_LEN;
    store_le32(bytes + JOURNAL_LEN, (uint32_t)entry->len);
    digest_of(digest, bytes, entry->len);
    memcpy(bytes + entry->len - JOURNAL_DIGEST_LEN, digest, JOURNAL_DIGEST_LEN);
    return is_good;
}

/* Appends it, instead of what a crash has left there. With the end locked. */
static int append(const struct journal *journal, const struct journal_entry *entry, uint64_t end,
                  struct error *error) {
    if (end + entry->len > FILE_MAX)
        return error_set(error, ERR_LIMIT, "%s: full: too much waits for an answer", journal->path);
    if (ftruncate(journal->fd, (off_t)end) == 0 &&
        file_write_at(journal->fd, entry->bytes, entry->len, end) == 0 && fsync(journal->fd) == 0 &&
        file_sync_folder(journal->path) == 0)
        return 0;
    error_set_errno(error, "%s", journal->path);
    if (ftruncate(journal->fd, (off_t)end) != 0)
        return ERR_SYSTEM; /* the next one will */
    return ERR_SYSTEM;
}

int journal_keep(struct journal *journal, struct journal_stop *stop, const struct key_set *servers,
                 const uint8_t kiosk[KIOSK_ID_LEN], const void *question, size_t len,
                 struct random *random, struct error *error) {
    uint64_t end;
    bool waits;
    if (len > JOURNAL_QUESTION_MAX)
        return error_set(error, ERR_LIMIT, "%s: too long a question to be kept", journal->path);
    random_bytes(random, stop->id, sizeof stop->id);
    if (!write_entry(&journal->added, stop, servers, kiosk, question, len, random))
        return error_set(error, ERR_FORMAT, "%s: RSA fails with a server's key", journal->path);
    int code = lock_end(journal, error);
    if (code != 0)
        return code;
    code = find_end(journal, &end, &waits, error);
    if (code == 0)
        code = append(journal, &journal->added, end, error);
    unlock_end(journal);
    return code;
}

/* --- taking them out ---------------------------------------------------------------------------- */

/* What is no entry: damage; or others have settled all that was there, and new ones stand elsewhere. */
static int look_again(struct journal *journal, struct error *error) {
    uint64_t end;
    bool waits;
    int code = lock_end(journal, error);
    if (code != 0)
        return code;
    code = find_end(journal, &end, &waits, error);
    unlock_end(journal);
    return code;
}

int journal_next(struct journal *journal, uint64_t *at, enum journal_state state,
                 struct journal_entry *entry, struct error *error) {
    for (;;) {
        uint64_t file_len;
        int code = file_len_of(journal, &file_len, error);
        if (code != 0)
            return code;
        if (*at >= file_len)
            return 0;
        enum found found = read_entry(journal, *at, file_len, entry);
        if (found == FOUND_DAMAGE)
            return look_again(journal, error);
        if (found != FOUND_ENTRY)
            return 0; /* or it is being written just now */
        *at += entry->len;
        if (entry->bytes[JOURNAL_STATE] != state || !lock_byte(journal, entry->at, F_WRLCK))
            continue;
        /* Another process may have settled it meanwhile. */
        if (file_read_at(journal->fd, entry->bytes, JOURNAL_REFERENCE, entry->at) == 0 &&
            entry->bytes[JOURNAL_STATE] == state &&
            memcmp(entry->bytes + JOURNAL_ID, entry->stop.id, JOURNAL_ID_LEN) == 0)
            return 1;
        unlock(journal, entry);
    }
}

long journal_unseal(const struct journal_entry *entry, const uint8_t key[AEAD_KEY_LEN],
                    uint8_t question[JOURNAL_QUESTION_MAX]) {
    const uint8_t *sealed = entry->bytes + entry->question_at;
    memcpy(question, sealed, entry->question_len);
    return aead_open(key, nonce, entry->bytes + JOURNAL_COUNT, entry->question_at - JOURNAL_COUNT,
                     question, entry->question_len, sealed + entry->question_len)
               ? (long)entry->question_len
               : ERR_SIGNATURE;
}

/* 0, or ERR_SYSTEM with errno set. */
static int set_state(const struct journal *journal, const struct journal_entry *entry,
                     enum journal_state state) {
    uint8_t byte = (uint8_t)state;
    return file_write_at(journal->fd, &byte, 1, entry->at + JOURNAL_STATE);
}

void journal_leave(const struct journal *journal, const struct journal_entry *entry,
                   bool is_refused) {
    if (is_refused && set_state(journal, entry, JOURNAL_REFUSED) != 0)
        errno = 0; /* then it waits in front, which costs time alone */
    unlock(journal, entry);
}

int journal_settle(struct journal *journal, const struct journal_entry *entry,
                   struct error *error) {
    uint64_t end;
    bool waits;
    int code = set_state(journal, entry, JOURNAL_SETTLED) == 0 && fdatasync(journal->fd) == 0
                   ? 0
                   : error_set_errno(error, "%s", journal->path);
    /* Where nothing waits any more, nothing stays. */
    if (code == 0 && lock_byte(journal, END_LOCK, F_WRLCK)) {
        if (find_end(journal, &end, &waits, error) == 0 && !waits && ftruncate(journal->fd, 0) != 0)
            code = error_set_errno(error, "%s", journal->path);
        unlock_end(journal);
    }
    unlock(journal, entry);
    return code;
}
