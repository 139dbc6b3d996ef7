/* Databases made for tests, without a registry: the licences 0 .. count - 1. */
#ifndef DLV_TESTS_DATABASE_H
#define DLV_TESTS_DATABASE_H

#include "builder/settings.h"
#include "db/entry.h"

/* The first day on which licence `number` is valid; it is for eleven days. Every fifth has three
 * groups of classes, and so further terms. */
uint32_t database_day(uint64_t number);

/* The key of licence `number`. */
typedef void database_key(uint8_t key[DB_KEY_LEN], uint64_t number);

/* Writes such a database to settings->path. The number of entries in it, or a negative code. */
int64_t database_make(const struct build_settings *settings, uint64_t count, database_key *key_of,
                      struct error *error);

#endif
