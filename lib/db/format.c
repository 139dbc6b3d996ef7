#include "db/format.h"

#include "base/bytes.h"
#include "base/date.h"
#include "db/merkle.h"
#include "text/fold.h"

#include <string.h>

static const char magic[] = "dlv-db\r\n";

const struct file_kind db_file_kind = {.what = "a dlv database", .mark = magic, .mode = 0644};

/* Offsets in the header page, as FORMAT.md names them. */
enum {
    AT_MAGIC = 0,
    AT_VERSION = 8,
    AT_FLAGS = 12,
    AT_COUNT = 16,
    AT_SEQUENCE = 24,
    AT_CREATED = 32,
    AT_VALID_UNTIL = 40,
    AT_UTC_OFFSET = 48,
    AT_FANOUT_BITS = 52,
    AT_HISTORY_SINCE = 56,
    AT_MATCHING_VERSION = 60,
    AT_UNICODE_VERSION = 62,
    AT_AUTHORITY = 64,
    AT_LOOKUP_KEY = 96,
    AT_MERKLE_ROOT = 128,
    AT_PREDECESSOR = 160,
    AT_DICTIONARY_ROOT = 192,
    AT_CHUNKS_SHA256 = 224,
    AT_FIELDS = 256,
    AT_CALLING_CODE = 260,
    AT_NATIONAL_MIN = 264,
    AT_NATIONAL_MAX = 265,
    AT_FURTHER_MAX = 266,
    AT_SET_COUNT = 268,
    AT_SECTIONS = 272,
    SECTION_LEN = 16,
    AT_NAME = AT_SECTIONS + DB_SECTION_COUNT * SECTION_LEN,
    AT_ZERO_2 = AT_NAME + DB_NAME_MAX,
    AT_COVERAGE = 1024,
    AT_PATTERNS = AT_COVERAGE + COVERAGE_MAX,
    AT_ZERO_3 = AT_PATTERNS + COVERAGE_MAX
};

enum {
    FLAG_KEYED = 1,
    FLAG_TEST = 2,
    FLAG_LEGACY = 4,
    FLAG_DROPS_SENIOR = 8,
    FLAGS_KNOWN = FLAG_KEYED | FLAG_TEST | FLAG_LEGACY | FLAG_DROPS_SENIOR
};

/* What stands in the field for history that is not limited. */
#define HISTORY_NOT_LIMITED UINT32_MAX

/* Offsets in the page of signatures. */
enum {
    AT_SIGNATURE_COUNT = 0,
    AT_FIRST_SIGNATURE = 64,
    SIGNATURE_KEY = 0, /* SHA-256 of the key's SubjectPublicKeyInfo */
    SIGNATURE_LEN = 32,
    SIGNATURE_BYTES = 64,
    SIGNATURE_SLOT = SIGNATURE_BYTES + RSA_LEN_MAX,
    SIGNATURES_MAX = (DB_PAGE - AT_FIRST_SIGNATURE) / SIGNATURE_SLOT
};

const char *db_section_name(enum db_section_name section) {
    static const char *const names[DB_SECTION_COUNT] = {
        "entries", "fan-out", "Merkle nodes", "further terms", "dictionary", "chunk digests"};
    return names[section];
}

uint32_t db_fanout_bits(uint64_t count) {
    uint32_t bits = 0;
    while (bits < 32 && (uint64_t)2 << bits < count)
        bits++;
    return bits;
}

static uint64_t page_align(uint64_t len) {
    return (len + DB_PAGE - 1) / DB_PAGE * DB_PAGE;
}

void db_layout(struct db_header *header) {
    struct db_section *sections = header->sections;
    uint64_t offset = DB_HEAD_LEN;
    sections[DB_ENTRIES].len = header->count * DB_ENTRY_LEN;
    sections[DB_FANOUT].len = (((uint64_t)1 << header->fanout_bits) + 1) * DB_FANOUT_LEN;
    sections[DB_MERKLE].len = merkle_stored_nodes(header->count) * DB_NODE_LEN;
    for (int i = 0; i < DB_SECTION_COUNT; i++) {
        sections[i].offset = offset;
        if (i == DB_CHUNKS)
            sections[i].len = (offset - DB_HEAD_LEN + DB_CHUNK - 1) / DB_CHUNK * SHA256_LEN;
        offset += page_align(sections[i].len);
    }
}

uint64_t db_file_len(const struct db_header *header) {
    const struct db_section *last = &header->sections[DB_SECTION_COUNT - 1];
    return last->offset + page_align(last->len);
}

/* --- the header page -------------------------------------------------------------------------- */

void db_header_encode(struct db_header *header, uint8_t page[DB_PAGE]) {
    const struct release_facts *facts = &header->facts;
    const struct matching_rules *rules = &facts->rules;
    memset(page, 0, DB_PAGE);
    memcpy(page + AT_MAGIC, magic, strlen(magic));
    store_le32(page + AT_VERSION, DB_VERSION);
    store_le32(page + AT_FLAGS, (header->is_keyed ? FLAG_KEYED : 0u) |
                                    (facts->is_test ? FLAG_TEST : 0u) |
                                    (facts->has_legacy ? FLAG_LEGACY : 0u) |
                                    (rules->drops_senior ? FLAG_DROPS_SENIOR : 0u));
    store_le64(page + AT_COUNT, header->count);
    store_le64(page + AT_SEQUENCE, facts->sequence);
    store_le64(page + AT_CREATED, (uint64_t)facts->created_s);
    store_le64(page + AT_VALID_UNTIL, (uint64_t)facts->valid_until_s);
    store_le32(page + AT_UTC_OFFSET, (uint32_t)facts->utc_offset_s);
    store_le32(page + AT_FANOUT_BITS, header->fanout_bits);
    store_le32(page + AT_HISTORY_SINCE, facts->history_since == DAY_NO_START
                                            ? HISTORY_NOT_LIMITED
                                            : facts->history_since - DAY_FIRST);
    store_le16(page + AT_MATCHING_VERSION, MATCHING_VERSION);
    page[AT_UNICODE_VERSION] = TEXT_UNICODE_MAJOR;
    page[AT_UNICODE_VERSION + 1] = TEXT_UNICODE_MINOR;
    memcpy(page + AT_AUTHORITY, facts->authority_id, SHA256_LEN);
    memcpy(page + AT_LOOKUP_KEY, header->lookup_key_id, SHA256_LEN);
    memcpy(page + AT_MERKLE_ROOT, header->merkle_root, DB_NODE_LEN);
    memcpy(page + AT_PREDECESSOR, facts->predecessor_id, SHA256_LEN);
    memcpy(page + AT_DICTIONARY_ROOT, header->dictionary_root, SHA256_LEN);
    memcpy(page + AT_CHUNKS_SHA256, header->chunks_sha256, SHA256_LEN);
    memcpy(page + AT_FIELDS, facts->fields.fields, CHECK_FIELDS_MAX);
    memcpy(page + AT_CALLING_CODE, rules->calling_code, sizeof rules->calling_code);
    page[AT_NATIONAL_MIN] = (uint8_t)rules->national_min;
    page[AT_NATIONAL_MAX] = (uint8_t)rules->national_max;
    store_le16(page + AT_FURTHER_MAX, (uint16_t)header->further_max);
    store_le32(page + AT_SET_COUNT, header->set_count);
    for (int i = 0; i < DB_SECTION_COUNT; i++) {
        store_le64(page + AT_SECTIONS + i * SECTION_LEN, header->sections[i].offset);
        store_le64(page + AT_SECTIONS + i * SECTION_LEN + 8, header->sections[i].len);
    }
    memcpy(page + AT_NAME, facts->name, strnlen(facts->name, DB_NAME_MAX));
    memcpy(page + AT_COVERAGE, facts->coverage, strnlen(facts->coverage, COVERAGE_MAX));
    memcpy(page + AT_PATTERNS, facts->patterns, strnlen(facts->patterns, COVERAGE_MAX));
    sha256(header->id, page, DB_PAGE);
}

/* Copies a text that zeros fill up. False where it does not end, or something follows. */
static bool read_text(char *text, const uint8_t *bytes, size_t size) {
    memcpy(text, bytes, size);
    size_t len = strnlen(text, size);
    return len < size && bytes_are_zero(bytes + len, size - len);
}

static bool read_rules(struct matching_rules *rules, const uint8_t *page) {
    rules->national_min = page[AT_NATIONAL_MIN];
    rules->national_max = page[AT_NATIONAL_MAX];
    if (!read_text(rules->calling_code, page + AT_CALLING_CODE, sizeof rules->calling_code))
        return false;
    for (const char *digit = rules->calling_code; *digit != '\0'; digit++) {
        if (*digit < '0' || *digit > '9')
            return false;
    }
    return rules->national_min <= rules->national_max && rules->national_max <= 20 &&
           (rules->national_min > 0 || rules->national_max == 0) && rules->calling_code[0] != '0';
}

/* Reads and checks what the authority says of the release. NULL, or what is wrong. */
static const char *read_facts(struct release_facts *facts, const uint8_t *page) {
    uint32_t history = load_le32(page + AT_HISTORY_SINCE);
    facts->sequence = load_le64(page + AT_SEQUENCE);
    facts->created_s = (int64_t)load_le64(page + AT_CREATED);
    facts->valid_until_s = (int64_t)load_le64(page + AT_VALID_UNTIL);
    facts->utc_offset_s = (int32_t)load_le32(page + AT_UTC_OFFSET);
    facts->history_since = history == HISTORY_NOT_LIMITED ? DAY_NO_START : history + DAY_FIRST;
    memcpy(facts->authority_id, page + AT_AUTHORITY, SHA256_LEN);
    memcpy(facts->predecessor_id, page + AT_PREDECESSOR, SHA256_LEN);
    memcpy(facts->fields.fields, page + AT_FIELDS, CHECK_FIELDS_MAX);
    while (facts->fields.count < CHECK_FIELDS_MAX &&
           facts->fields.fields[facts->fields.count] != FIELD_NONE)
        facts->fields.count++;
    if (facts->sequence < 1 || facts->sequence > INT64_MAX)
        return "sequence number out of range";
    if (!release_is_time(facts->created_s))
        return "time of creation out of range";
    if (facts->valid_until_s != 0 &&
        (facts->valid_until_s < facts->created_s || !release_is_time(facts->valid_until_s)))
        return "valid-until out of range";
    if (facts->utc_offset_s < -UTC_OFFSET_MAX_S || facts->utc_offset_s > UTC_OFFSET_MAX_S ||
        facts->utc_offset_s % 60 != 0)
        return "UTC offset out of range";
    if (history != HISTORY_NOT_LIMITED && history > DAY_LAST - DAY_FIRST)
        return "start of its history out of range";
    if (!check_fields_are_valid(&facts->fields) || page[AT_FIELDS + CHECK_FIELDS_MAX] != 0)
        return "check fields damaged";
    if (!read_rules(&facts->rules, page))
        return "calling code damaged";
    if (!read_text(facts->name, page + AT_NAME, DB_NAME_MAX) || !release_is_name(facts->name))
        return "name damaged";
    if (!read_text(facts->coverage, page + AT_COVERAGE, COVERAGE_MAX) ||
        !coverage_is_valid(facts->coverage))
        return "coverage damaged";
    if (!read_text(facts->patterns, page + AT_PATTERNS, COVERAGE_MAX) ||
        !patterns_are_valid(facts->patterns))
        return "number patterns damaged";
    return NULL;
}

/* Reads the sections and checks that they are where they belong. NULL, or what is wrong. */
static const char *read_sections(struct db_header *header, const uint8_t *page) {
    const uint8_t *at = page + AT_SECTIONS;
    struct db_section *further = &header->sections[DB_FURTHER];
    struct db_section *dictionary = &header->sections[DB_DICTIONARY];
    further->len = load_le64(at + DB_FURTHER * SECTION_LEN + 8);
    dictionary->len = load_le64(at + DB_DICTIONARY * SECTION_LEN + 8);
    if (further->len >> 52 != 0 || further->len % FURTHER_UNIT != 0 ||
        dictionary->len < CLASS_SETS_EMPTY_LEN || dictionary->len > UINT32_MAX ||
        header->further_max > FURTHER_MAX)
        return "length of a section out of range";
    db_layout(header);
    for (int i = 0; i < DB_SECTION_COUNT; i++, at += SECTION_LEN) {
        if (load_le64(at) != header->sections[i].offset ||
            load_le64(at + 8) != header->sections[i].len)
            return "a section is not where it belongs";
    }
    return NULL;
}

static const char *read_header(struct db_header *header, const uint8_t *page) {
    uint32_t flags = load_le32(page + AT_FLAGS);
    header->count = load_le64(page + AT_COUNT);
    header->fanout_bits = load_le32(page + AT_FANOUT_BITS);
    header->further_max = load_le16(page + AT_FURTHER_MAX);
    header->set_count = load_le32(page + AT_SET_COUNT);
    header->is_keyed = (flags & FLAG_KEYED) != 0;
    header->facts.is_test = (flags & FLAG_TEST) != 0;
    header->facts.has_legacy = (flags & FLAG_LEGACY) != 0;
    header->facts.rules.drops_senior = (flags & FLAG_DROPS_SENIOR) != 0;
    memcpy(header->lookup_key_id, page + AT_LOOKUP_KEY, SHA256_LEN);
    memcpy(header->merkle_root, page + AT_MERKLE_ROOT, DB_NODE_LEN);
    memcpy(header->dictionary_root, page + AT_DICTIONARY_ROOT, SHA256_LEN);
    memcpy(header->chunks_sha256, page + AT_CHUNKS_SHA256, SHA256_LEN);
    sha256(header->id, page, DB_PAGE);
    if (flags & ~(uint32_t)FLAGS_KNOWN)
        return "unknown flags";
    if (header->count < 1 || header->count > DB_COUNT_MAX)
        return "count out of range";
    if (header->fanout_bits > 32)
        return "fan-out bits out of range";
    if (!header->is_keyed && !bytes_are_zero(header->lookup_key_id, SHA256_LEN))
        return "lookup key named, but not keyed";
    if (header->set_count > CLASS_SETS_MAX)
        return "count of class sets out of range";
    if (!bytes_are_zero(page + AT_ZERO_2, AT_COVERAGE - AT_ZERO_2) ||
        !bytes_are_zero(page + AT_ZERO_3, DB_PAGE - AT_ZERO_3))
        return "unused bytes are not zero";
    const char *wrong = read_facts(&header->facts, page);
    return wrong != NULL ? wrong : read_sections(header, page);
}

int db_header_decode(struct db_header *header, const uint8_t page[DB_PAGE], struct error *error) {
    memset(header, 0, sizeof *header);
    if (memcmp(page + AT_MAGIC, magic, strlen(magic)) != 0)
        return error_set(error, ERR_FORMAT,
                         "not a dlv database (its first bytes are not its magic)");
    if (load_le32(page + AT_VERSION) != DB_VERSION)
        return error_set(error, ERR_FORMAT, "format version %u (this dlv reads %d)",
                         (unsigned)load_le32(page + AT_VERSION), DB_VERSION);
    unsigned matching = load_le16(page + AT_MATCHING_VERSION);
    unsigned major = page[AT_UNICODE_VERSION], minor = page[AT_UNICODE_VERSION + 1];
    if (matching != MATCHING_VERSION || major != TEXT_UNICODE_MAJOR || minor != TEXT_UNICODE_MINOR)
        return error_set(
            error, ERR_FORMAT, "matching form %u with Unicode %u.%u (this dlv has %d with %u.%u)",
            matching, major, minor, MATCHING_VERSION, TEXT_UNICODE_MAJOR, TEXT_UNICODE_MINOR);
    const char *wrong = read_header(header, page);
    return wrong == NULL ? 0 : error_set(error, ERR_FORMAT, "header: %s", wrong);
}

/* --- signatures ------------------------------------------------------------------------------- */

void db_signatures_encode(uint8_t page[DB_PAGE], const uint8_t authority_id[SHA256_LEN],
                          const uint8_t *signature, size_t len) {
    uint8_t *slot = page + AT_FIRST_SIGNATURE;
    memset(page, 0, DB_PAGE);
    store_le32(page + AT_SIGNATURE_COUNT, 1);
    memcpy(slot + SIGNATURE_KEY, authority_id, SHA256_LEN);
    store_le32(slot + SIGNATURE_LEN, (uint32_t)len);
    memcpy(slot + SIGNATURE_BYTES, signature, len);
}

/* Whether the bytes of the page that hold no signature are zero: nothing else may hide there. */
static bool signatures_are_clean(const uint8_t *page, uint32_t count) {
    const uint8_t *slot = page + AT_FIRST_SIGNATURE;
    bool are = bytes_are_zero(page + 4, AT_FIRST_SIGNATURE - 4);
    for (uint32_t i = 0; are && i < count; i++, slot += SIGNATURE_SLOT) {
        uint32_t len = load_le32(slot + SIGNATURE_LEN);
        are = len <= RSA_LEN_MAX &&
              bytes_are_zero(slot + SIGNATURE_LEN + 4, SIGNATURE_BYTES - SIGNATURE_LEN - 4) &&
              bytes_are_zero(slot + SIGNATURE_BYTES + len, RSA_LEN_MAX - len);
    }
    return are && bytes_are_zero(slot, (size_t)(page + DB_PAGE - slot));
}

int db_header_verify(const struct db_header *header, const uint8_t signatures[DB_PAGE],
                     const struct key_set *authorities, struct error *error) {
    const uint8_t *id = header->facts.authority_id;
    uint32_t count = load_le32(signatures + AT_SIGNATURE_COUNT);
    int place = key_set_find(authorities, id, SHA256_LEN);
    if (place < 0) {
        char fingerprint[RSA_FINGERPRINT_SIZE];
        rsa_fingerprint_of_id(id, fingerprint);
        return error_set(error, ERR_SIGNATURE,
                         "signed by another authority, %s (its key is not the one given)",
                         fingerprint);
    }
    if (count < 1 || count > SIGNATURES_MAX || !signatures_are_clean(signatures, count))
        return error_set(error, ERR_FORMAT, "the page of signatures is damaged");
    const struct rsa_public *authority = &authorities->keys[place];
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *slot = signatures + AT_FIRST_SIGNATURE + i * SIGNATURE_SLOT;
        uint32_t len = load_le32(slot + SIGNATURE_LEN);
        if (memcmp(slot + SIGNATURE_KEY, id, SHA256_LEN) == 0 && len == authority->n_len &&
            rsa_verify(authority, header->id, slot + SIGNATURE_BYTES, len))
            return 0;
    }
    return error_set(error, ERR_SIGNATURE, "the authority's signature does not match");
}
