/* What a client remembers between runs: the highest sequence number that it has seen of each
 * authority's database, one small file each, so that no server can go back to an older one. */
#ifndef DLV_CLIENT_STATE_H
#define DLV_CLIENT_STATE_H

#include "base/error.h"
#include "crypto/sha256.h"

#include <stdint.h>

/* Compares `sequence` with what `folder` remembers of the authority, and remembers it where it is
 * higher. Several clients may do so at once. 0; ERR_CONFLICT where it is lower; or another code:
 * then nothing is known. The reason says which. */
int client_state_check(const char *folder, const uint8_t authority_id[SHA256_LEN],
                       uint64_t sequence, struct error *error);

#endif
