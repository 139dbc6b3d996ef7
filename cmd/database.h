/* Opening a database for questions on the command line, and citing it. */
#ifndef DLV_CMD_DATABASE_H
#define DLV_CMD_DATABASE_H

#include "db/lookup_key.h"
#include "db/open.h"

/* Opens `path` under the authority's public key at `authority_path`. Where `lookup_key_path` is
 * not NULL it is loaded and must be the database's. 0, or a negative code with the reason. */
int database_open(struct db *db, struct lookup_key *lookup_key, const char *path,
                  const char *authority_path, const char *lookup_key_path, struct error *error);

/* The file's name and sequence number, as answers cite it ("licences.db#7"). */
#define SOURCE_SIZE 256
void database_source(const struct db_header *header, const char *path, char source[SOURCE_SIZE]);

#endif
