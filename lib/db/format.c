#include "db/format.h"

#include "base/bytes.h"
#include "base/date.h"
#include "db/merkle.h"

#include <string.h>

static const uint8_t magic[8] = {'d', 'l', 'v', '-', 'd', 'b', '\r', '\n'};

/* Offsets in the header page. */
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
    AT_SIGNATURE_LEN = 56,
    AT_ZERO_1 = 60,
    AT_AUTHORITY = 64,
    AT_LOOKUP_KEY = 96,
    AT_MERKLE_ROOT = 128,
    AT_SECTIONS = 160,
    SECTION_LEN = 48,
    AT_CLASS_NAMES = AT_SECTIONS + DB_SECTION_COUNT * SECTION_LEN,
    AT_ZERO_2 = AT_CLASS_NAMES + CLASS_COUNT * CLASS_NAME_SIZE,
};

const char *db_section_name(enum db_section_name section) {
    static const char *const names[DB_SECTION_COUNT] = {"keys", "attributes", "fan-out",
                                                        "Merkle nodes"};
    return names[section];
}

uint32_t db_fanout_bits(uint64_t count) {
    uint32_t bits = 0;
    while (bits < 32 && (uint64_t)4 << bits < count)
        bits++;
    return bits;
}

static uint64_t page_align(uint64_t len) {
    return (len + DB_PAGE - 1) / DB_PAGE * DB_PAGE;
}

void db_layout(struct db_header *header) {
    const uint64_t lens[DB_SECTION_COUNT] = {
        header->count * DB_KEY_LEN,
        header->count * DB_ATTRIBUTES_LEN,
        (((uint64_t)1 << header->fanout_bits) + 1) * DB_FANOUT_LEN,
        merkle_stored_nodes(header->count) * DB_NODE_LEN,
    };
    uint64_t offset = DB_PAGE;
    for (int i = 0; i < DB_SECTION_COUNT; i++) {
        header->sections[i].offset = offset;
        header->sections[i].len = lens[i];
        offset += page_align(lens[i]);
    }
}

uint64_t db_file_len(const struct db_header *header) {
    const struct db_section *last = &header->sections[DB_SECTION_COUNT - 1];
    return last->offset + page_align(last->len);
}

void db_header_encode(const struct db_header *header, uint8_t page[DB_SIGNED_LEN]) {
    memset(page, 0, DB_SIGNED_LEN);
    memcpy(page + AT_MAGIC, magic, sizeof magic);
    store_le32(page + AT_VERSION, DB_VERSION);
    store_le32(page + AT_FLAGS, header->flags);
    store_le64(page + AT_COUNT, header->count);
    store_le64(page + AT_SEQUENCE, header->facts.sequence);
    store_le64(page + AT_CREATED, (uint64_t)header->facts.created_s);
    store_le64(page + AT_VALID_UNTIL, (uint64_t)header->facts.valid_until_s);
    store_le32(page + AT_UTC_OFFSET, (uint32_t)header->facts.utc_offset_s);
    store_le32(page + AT_FANOUT_BITS, header->fanout_bits);
    store_le32(page + AT_SIGNATURE_LEN, header->signature_len);
    memcpy(page + AT_AUTHORITY, header->facts.authority_id, SHA256_LEN);
    memcpy(page + AT_LOOKUP_KEY, header->lookup_key_id, SHA256_LEN);
    memcpy(page + AT_MERKLE_ROOT, header->merkle_root, DB_NODE_LEN);
    for (int i = 0; i < DB_SECTION_COUNT; i++) {
        uint8_t *at = page + AT_SECTIONS + i * SECTION_LEN;
        store_le64(at, header->sections[i].offset);
        store_le64(at + 8, header->sections[i].len);
        memcpy(at + 16, header->sections[i].sha256, SHA256_LEN);
    }
    memcpy(page + AT_CLASS_NAMES, header->facts.class_names.name,
           sizeof header->facts.class_names.name);
}

int db_header_decode(struct db_header *header, const uint8_t page[DB_PAGE], struct error *error) {
    memset(header, 0, sizeof *header);
    if (memcmp(page + AT_MAGIC, magic, sizeof magic) != 0)
        return error_set(error, ERR_FORMAT,
                         "not a dlv database (its first bytes are not its magic)");
    if (load_le32(page + AT_VERSION) != DB_VERSION)
        return error_set(error, ERR_FORMAT, "format version %u (this dlv reads %d)",
                         (unsigned)load_le32(page + AT_VERSION), DB_VERSION);
    header->flags = load_le32(page + AT_FLAGS);
    header->count = load_le64(page + AT_COUNT);
    header->facts.sequence = load_le64(page + AT_SEQUENCE);
    header->facts.created_s = (int64_t)load_le64(page + AT_CREATED);
    header->facts.valid_until_s = (int64_t)load_le64(page + AT_VALID_UNTIL);
    header->facts.utc_offset_s = (int32_t)load_le32(page + AT_UTC_OFFSET);
    header->fanout_bits = load_le32(page + AT_FANOUT_BITS);
    header->signature_len = load_le32(page + AT_SIGNATURE_LEN);
    memcpy(header->facts.authority_id, page + AT_AUTHORITY, SHA256_LEN);
    memcpy(header->lookup_key_id, page + AT_LOOKUP_KEY, SHA256_LEN);
    memcpy(header->merkle_root, page + AT_MERKLE_ROOT, DB_NODE_LEN);
    memcpy(header->facts.class_names.name, page + AT_CLASS_NAMES,
           sizeof header->facts.class_names.name);

    bool is_keyed = (header->flags & DB_FLAG_KEYED) != 0;
    if (header->flags & ~DB_FLAG_KEYED)
        return error_set(error, ERR_FORMAT, "header: unknown flags");
    if (header->count < 1 || header->count > DB_COUNT_MAX)
        return error_set(error, ERR_FORMAT, "header: count out of range");
    if (header->facts.sequence < 1 || header->facts.sequence > INT64_MAX)
        return error_set(error, ERR_FORMAT, "header: sequence number out of range");
    if (!release_is_time(header->facts.created_s))
        return error_set(error, ERR_FORMAT, "header: time of creation out of range");
    if (header->facts.valid_until_s != 0 &&
        (header->facts.valid_until_s < header->facts.created_s ||
         !release_is_time(header->facts.valid_until_s)))
        return error_set(error, ERR_FORMAT, "header: valid-until out of range");
    if (header->facts.utc_offset_s < -UTC_OFFSET_MAX_S ||
        header->facts.utc_offset_s > UTC_OFFSET_MAX_S || header->facts.utc_offset_s % 60 != 0)
        return error_set(error, ERR_FORMAT, "header: UTC offset out of range");
    if (header->fanout_bits > 32)
        return error_set(error, ERR_FORMAT, "header: fan-out bits out of range");
    if (header->signature_len < 2048 / 8 || header->signature_len > RSA_LEN_MAX)
        return error_set(error, ERR_FORMAT, "header: signature length out of range");
    if (!is_keyed && !bytes_are_zero(header->lookup_key_id, SHA256_LEN))
        return error_set(error, ERR_FORMAT, "header: lookup key named, but not keyed");
    if (!class_names_are_valid(&header->facts.class_names))
        return error_set(error, ERR_FORMAT, "header: class names damaged");
    db_layout(header);
    for (int i = 0; i < DB_SECTION_COUNT; i++) {
        const uint8_t *at = page + AT_SECTIONS + i * SECTION_LEN;
        if (load_le64(at) != header->sections[i].offset ||
            load_le64(at + 8) != header->sections[i].len)
            return error_set(error, ERR_FORMAT, "header: section of %s is not where it belongs",
                             db_section_name((enum db_section_name)i));
        memcpy(header->sections[i].sha256, at + 16, SHA256_LEN);
    }
    if (!bytes_are_zero(page + AT_ZERO_1, AT_AUTHORITY - AT_ZERO_1) ||
        !bytes_are_zero(page + AT_ZERO_2, DB_SIGNED_LEN - AT_ZERO_2) ||
        !bytes_are_zero(page + DB_SIGNED_LEN + header->signature_len,
                        DB_SIGNATURE_MAX - header->signature_len))
        return error_set(error, ERR_FORMAT, "header: bytes that must be zero are not");
    return 0;
}

int db_header_verify(const struct db_header *header, const uint8_t page[DB_PAGE],
                     const struct rsa_public *authority, struct error *error) {
    uint8_t id[SHA256_LEN];
    uint8_t digest[SHA256_LEN];
    rsa_public_id(authority, id);
    if (memcmp(id, header->facts.authority_id, SHA256_LEN) != 0)
        return error_set(error, ERR_SIGNATURE,
                         "signed by another authority (its key is not the one given)");
    sha256(digest, page, DB_SIGNED_LEN);
    if (!rsa_verify(authority, digest, page + DB_SIGNED_LEN, header->signature_len))
        return error_set(error, ERR_SIGNATURE, "the authority's signature does not match");
    return 0;
}
