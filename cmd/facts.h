/* What a database says of itself, printed. */
#ifndef DLV_CMD_FACTS_H
#define DLV_CMD_FACTS_H

#include "db/format.h"

#include <stdbool.h>

/* How far it can be believed. */
enum facts_checked { FACTS_UNCHECKED, FACTS_SIGNED, FACTS_VERIFIED };

/* Prints the header of the file `path` as lines or as one object. `authority` is the fingerprint of
 * its key. */
void print_facts(const char *path, const struct db_header *header, const char *authority,
                 enum facts_checked checked, bool is_json);

#endif
