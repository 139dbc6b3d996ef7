/* Databases made for tests, without a registry: the licences 0 .. count - 1. */
#ifndef DLV_TESTS_DATABASE_H
#define DLV_TESTS_DATABASE_H

#include "builder/settings.h"
#include "db/entry.h"

/* Licence `number`: valid for eleven days from the day of its number. */
struct licence database_licence(uint64_t number);

/* The key of licence `number`. */
typedef void database_key(uint8_t key[DB_KEY_LEN], uint64_t number);

/* Writes such a database to settings->path. The number of entries in it, or a negative code. */
int64_t database_make(const struct build_settings *settings, uint64_t count, database_key *key_of,
                      struct error *error);

#endif
