/* One entry of the database as bytes: a key and its attributes. FORMAT.md, "Attributes", has every
 * bit. */
#ifndef DLV_DB_ENTRY_H
#define DLV_DB_ENTRY_H

#include "record/licence.h"

#include <stdbool.h>

#define DB_KEY_LEN 32
#define DB_ATTRIBUTES_LEN 8
#define DB_ENTRY_LEN (DB_KEY_LEN + DB_ATTRIBUTES_LEN)

/* Writes the attributes that say what `licence` says. */
void db_attributes_encode(uint8_t bytes[DB_ATTRIBUTES_LEN], const struct licence *licence);

/* Reads attributes into *licence. Total: any bytes may come. False where the bytes are no
 * attributes (a status, a kind or a date out of range). */
bool db_attributes_decode(struct licence *licence, const uint8_t bytes[DB_ATTRIBUTES_LEN]);

/* Read one field each. The attributes need not be well formed. */
uint8_t db_attributes_kind(const uint8_t bytes[DB_ATTRIBUTES_LEN]);
uint8_t db_attributes_status(const uint8_t bytes[DB_ATTRIBUTES_LEN]);

#endif
