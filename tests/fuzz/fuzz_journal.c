/* The file of --journal: whatever is in it is read to its end, or it is damaged; what waits is found once, and settled.
 * Where the first byte is odd, the digests are made to fit, so that what is behind them is reached. */
#include "client/journal.h"

#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Writes the digest of each entry, as far as their lengths lead. */
static void mend(uint8_t *bytes, size_t size) {
    for (size_t at = 0; size - at >= JOURNAL_REFERENCE;) {
        size_t len = load_le32(bytes + at + JOURNAL_LEN);
        uint8_t digest[SHA256_LEN];
        if (len < JOURNAL_REFERENCE + AEAD_TAG_LEN + JOURNAL_DIGEST_LEN || len > size - at)
            return;
        sha256(digest, bytes + at + JOURNAL_COUNT, len - JOURNAL_COUNT - JOURNAL_DIGEST_LEN);
        memcpy(bytes + at + len - JOURNAL_DIGEST_LEN, digest, JOURNAL_DIGEST_LEN);
        at += len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct journal journal = {.fd = -1, .path = "journal"};
    static struct journal_entry entry;
    static uint8_t bytes[1 << 16];
    static const uint8_t key[AEAD_KEY_LEN];
    static uint8_t question[JOURNAL_QUESTION_MAX];
    struct error error;
    uint64_t at = 0, before = 0;
    int found;
    enum journal_state state = size > 0 && data[0] & 2 ? JOURNAL_REFUSED : JOURNAL_WAITS;
    if (journal.fd < 0)
        journal.fd = memfd_create("journal", MFD_CLOEXEC);
    if (size < 1 || size > sizeof bytes)
        return 0;
    memcpy(bytes, data + 1, size - 1);
    if (data[0] & 1)
        mend(bytes, size - 1);
    if (ftruncate(journal.fd, 0) != 0 ||
        pwrite(journal.fd, bytes, size - 1, 0) != (ssize_t)(size - 1))
        abort();
    while ((found = journal_next(&journal, &at, state, &entry, &error)) > 0) {
        if (at <= before || entry.question_at + entry.question_len > entry.len ||
            strlen(entry.stop.reference) >= JOURNAL_REFERENCE_SIZE)
            abort();
        for (unsigned i = 0; i < entry.wrapped_count; i++) {
            if (entry.wrapped[i].bytes + entry.wrapped[i].len > entry.bytes + entry.question_at)
                abort();
        }
        before = at;
        if (journal_unseal(&entry, key, question) >= 0)
            abort(); /* nobody guesses a tag */
        if (journal_settle(&journal, &entry, &error) != 0)
            abort();
    }
    at = 0;
    if (found == 0 && journal_next(&journal, &at, state, &entry, &error) > 0)
        abort(); /* all are settled */
    return 0;
}
