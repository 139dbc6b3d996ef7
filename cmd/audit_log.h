/* What applets have in common that read audit logs. */
#ifndef DLV_CMD_AUDIT_LOG_H
#define DLV_CMD_AUDIT_LOG_H

#include "crypto/key_set.h"

#include <stdbool.h>

/* Checks a whole log, and says what is in it. `checkpoint` is what an earlier check has printed, which must be
 * in it; NULL: none. Returns the exit status: EXIT_NOT_VALID where it is whole, but questions have not been
 * signed in time. */
int audit_verify(const char *folder, const struct key_set *keys, const char *checkpoint,
                 bool is_json);

/* "2026-11-29T14:00:00.123Z". */
#define AUDIT_TIME_SIZE 32
void audit_time_format(char text[AUDIT_TIME_SIZE], int64_t unix_ms);

#endif
