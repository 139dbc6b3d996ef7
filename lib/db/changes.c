#include "db/changes.h"

#include "base/bytes.h"

#include <string.h>

#define MAGIC_LEN 8
static const char magic[MAGIC_LEN + 1] = "dlv-ch\r\n";

const struct file_kind changes_file_kind = {
    .what = "a list of changes of dlv", .mark = magic, .mode = 0644};

/* Offsets in the first page. */
enum {
    AT_VERSION = MAGIC_LEN,
    AT_FROM = 16,
    AT_FROM_SEQUENCE = 48,
    AT_DICTIONARY_LEN = 56,
    AT_RECORDS_LEN = 64,
    AT_SHA256 = 72,
    AT_ZERO = 104
};

#define RECORDS_LEN_MAX ((uint64_t)1 << 40)
#define DICTIONARY_LEN_MAX ((uint64_t)1 << 28)

void changes_head_encode(uint8_t page[CHANGES_HEAD_LEN], const struct changes_head *head) {
    memset(page, 0, CHANGES_HEAD_LEN);
    memcpy(page, magic, MAGIC_LEN);
    store_le32(page + AT_VERSION, CHANGES_VERSION);
    memcpy(page + AT_FROM, head->from_id, SHA256_LEN);
    store_le64(page + AT_FROM_SEQUENCE, head->from_sequence);
    store_le64(page + AT_DICTIONARY_LEN, head->dictionary_len);
    store_le64(page + AT_RECORDS_LEN, head->records_len);
    memcpy(page + AT_SHA256, head->sha256, SHA256_LEN);
}

int changes_head_decode(struct changes_head *head, const uint8_t page[CHANGES_HEAD_LEN],
                        struct error *error) {
    if (memcmp(page, magic, MAGIC_LEN) != 0)
        return error_set(error, ERR_FORMAT, "is not %s", changes_file_kind.what);
    if (load_le32(page + AT_VERSION) != CHANGES_VERSION)
        return error_set(error, ERR_FORMAT, "a list of changes of version %u, not %d",
                         load_le32(page + AT_VERSION), CHANGES_VERSION);
    memcpy(head->from_id, page + AT_FROM, SHA256_LEN);
    head->from_sequence = load_le64(page + AT_FROM_SEQUENCE);
    head->dictionary_len = load_le64(page + AT_DICTIONARY_LEN);
    head->records_len = load_le64(page + AT_RECORDS_LEN);
    memcpy(head->sha256, page + AT_SHA256, SHA256_LEN);
    if (head->from_sequence == 0 || head->from_sequence > INT64_MAX ||
        head->dictionary_len > DICTIONARY_LEN_MAX || head->records_len > RECORDS_LEN_MAX ||
        load_le32(page + AT_VERSION + 4) != 0 ||
        !bytes_are_zero(page + AT_ZERO, CHANGES_HEAD_LEN - AT_ZERO))
        return error_set(error, ERR_FORMAT, "a list of changes with an impossible first page");
    return 0;
}

int change_list_open(struct change_list *list, const uint8_t *bytes, size_t len,
                     const struct key_set *authorities, struct error *error) {
    uint8_t digest[SHA256_LEN];
    struct sha256 hash;
    *list = (struct change_list){.at = NULL};
    if (len < CHANGES_DICTIONARY)
        return error_set(error, ERR_FORMAT, "is cut short, or no list of changes");
    int code = changes_head_decode(&list->head, bytes, error);
    if (code != 0)
        return code;
    if (len != changes_len(&list->head))
        return error_set(error, ERR_FORMAT, "is cut short, or too long");
    list->to_head = bytes + CHANGES_HEAD_LEN;
    code = db_header_decode(&list->to, list->to_head, error);
    if (code == 0)
        code = db_header_verify(&list->to, list->to_head + DB_SIGNATURES, authorities, error);
    if (code != 0)
        return code;
    if (len > db_file_len(&list->to) + CHANGES_DICTIONARY)
        return error_set(error, ERR_FORMAT, "is longer than the release that it leads to");
    sha256_init(&hash);
    sha256_update(&hash, bytes + CHANGES_HEAD_LEN, len - CHANGES_HEAD_LEN);
    sha256_out(&hash, digest);
    if (memcmp(digest, list->head.sha256, SHA256_LEN) != 0)
        return error_set(error, ERR_FORMAT, "is damaged: its digest is another one");
    if (list->head.dictionary_len > 0)
        code = class_sets_open_signed(&list->sets, bytes + CHANGES_DICTIONARY,
                                      (size_t)list->head.dictionary_len, list->to.set_count,
                                      list->to.dictionary_root, error);
    list->at = bytes + CHANGES_DICTIONARY + list->head.dictionary_len;
    list->end = bytes + len;
    return code;
}

/* --- records ---------------------------------------------------------------------------------- */

/* Takes `len` bytes. NULL where there are fewer. */
static const uint8_t *take(struct change_list *list, size_t len) {
    if ((size_t)(list->end - list->at) < len)
        return NULL;
    const uint8_t *bytes = list->at;
    list->at += len;
    return bytes;
}

/* A number in groups of seven bits, the lowest first; all but the last byte have their highest bit set. */
static bool take_number(struct change_list *list, uint64_t *number) {
    const uint8_t *byte;
    *number = 0;
    for (unsigned shift = 0; shift < 63; shift += 7) {
        if ((byte = take(list, 1)) == NULL)
            return false;
        *number |= (uint64_t)(*byte & 0x7f) << shift;
        if (*byte < 0x80)
            return true;
    }
    return false;
}

static bool take_entry(struct change_list *list, struct change_record *record) {
    size_t from = record->kind == CHANGE_ADDS ? 0 : ENTRY_CODES;
    const uint8_t *bytes = take(list, DB_ENTRY_LEN - from), *len;
    if (bytes == NULL)
        return false;
    memcpy(record->entry + from, bytes, DB_ENTRY_LEN - from);
    const uint8_t *terms = record->entry + ENTRY_TERMS;
    if (terms_kind(terms) != ENTRY_LICENCE || !terms_have_further(terms))
        return true;
    if ((len = take(list, FURTHER_HEAD_LEN)) == NULL)
        return false;
    record->further.len = load_le16(len);
    record->further.bytes = take(list, record->further.len);
    return record->further.len > 0 && record->further.len <= FURTHER_MAX &&
           record->further.bytes != NULL;
}

int change_list_next(struct change_list *list, struct change_record *record) {
    const uint8_t *kind;
    if (list->at == list->end)
        return 0;
    memset(record, 0, sizeof *record);
    if (!take_number(list, &record->kept) || (kind = take(list, 1)) == NULL ||
        *kind < CHANGE_REMOVES || *kind > CHANGE_ADDS)
        return ERR_FORMAT;
    record->kind = (enum change_kind) * kind;
    return record->kind == CHANGE_REMOVES || take_entry(list, record) ? 1 : ERR_FORMAT;
}

size_t change_record_encode(uint8_t bytes[CHANGE_RECORD_MAX], const struct change_record *record) {
    size_t len = 0, from = record->kind == CHANGE_ADDS ? 0 : ENTRY_CODES;
    uint64_t kept = record->kept;
    for (; kept >= 0x80; kept >>= 7)
        bytes[len++] = (uint8_t)(kept | 0x80);
    bytes[len++] = (uint8_t)kept;
    bytes[len++] = (uint8_t)record->kind;
    if (record->kind == CHANGE_REMOVES)
        return len;
    memcpy(bytes + len, record->entry + from, DB_ENTRY_LEN - from);
    len += DB_ENTRY_LEN - from;
    if (record->further.len == 0)
        return len;
    store_le16(bytes + len, (uint16_t)record->further.len);
    memcpy(bytes + len + FURTHER_HEAD_LEN, record->further.bytes, record->further.len);
    return len + FURTHER_HEAD_LEN + record->further.len;
}
