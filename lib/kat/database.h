/* The database that verdicts and sessions of a vector file are about. Inside kat/ only. */
#ifndef DLV_KAT_DATABASE_H
#define DLV_KAT_DATABASE_H

#include "db/lookup_key.h"
#include "db/open.h"
#include "kat/vector.h"

struct kat_database {
    bool is_open;
    struct db db;
    struct lookup_key lookup_key;
};

/* Opens and verifies [Database] under [Authority] and [LookupKey], unless it is open. False with
 * the reason. */
bool kat_open_database(struct kat_vector *vector);

/* The lookup key of the open database; NULL for a plain one. */
const struct lookup_key *kat_lookup_key(const struct kat_vector *vector);

void kat_close_database(struct kat_vector *vector);

#endif
