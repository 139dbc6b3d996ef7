#include "db/entry.h"

#include "base/bytes.h"
#include "base/date.h"

/* Where the fields begin in the 64 bits of the attributes. */
enum { DAY_BITS = 22, SHIFT_VALID_TO = 22, SHIFT_CLASSES = 44, SHIFT_STATUS = 60, SHIFT_KIND = 62 };

void db_attributes_encode(uint8_t bytes[DB_ATTRIBUTES_LEN], const struct licence *licence) {
    store_le64(bytes, (uint64_t)licence->valid_from |
                          (uint64_t)licence->valid_to << SHIFT_VALID_TO |
                          (uint64_t)licence->classes << SHIFT_CLASSES |
                          (uint64_t)licence->status << SHIFT_STATUS |
                          (uint64_t)licence->kind << SHIFT_KIND);
}

uint8_t db_attributes_kind(const uint8_t bytes[DB_ATTRIBUTES_LEN]) {
    return (uint8_t)(load_le64(bytes) >> SHIFT_KIND);
}

uint8_t db_attributes_status(const uint8_t bytes[DB_ATTRIBUTES_LEN]) {
    return (uint8_t)(load_le64(bytes) >> SHIFT_STATUS & 3);
}

bool db_attributes_decode(struct licence *licence, const uint8_t bytes[DB_ATTRIBUTES_LEN]) {
    const uint64_t day_mask = (1u << DAY_BITS) - 1;
    uint64_t v = load_le64(bytes);
    licence->valid_from = (uint32_t)(v & day_mask);
    licence->valid_to = (uint32_t)(v >> SHIFT_VALID_TO & day_mask);
    licence->classes = (uint16_t)(v >> SHIFT_CLASSES);
    licence->status = db_attributes_status(bytes);
    licence->kind = db_attributes_kind(bytes);
    return licence->valid_from <= licence->valid_to && licence->valid_to <= DATE_DAY_MAX &&
           licence->status != 0 && licence->kind != KIND_ANY;
}
