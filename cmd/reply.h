/* An answer as it is shown to whoever asked, whichever way it came. */
#ifndef DLV_CMD_REPLY_H
#define DLV_CMD_REPLY_H

#include "base/date.h"
#include "crypto/sha256.h"
#include "record/licence.h"

struct reply {
    enum licence_kind kind;
    uint8_t digest[SHA256_LEN];
    struct moment at;
    unsigned long long line; /* of the input; 0: there was none */
    enum verdict verdict;
    int is_detailed; /* legacy replies are not: what follows is theirs not */
    int is_found;
    struct licence licence;                /* where found */
    const struct class_names *class_names; /* the authority's */
    int32_t utc_offset_s;
    unsigned long long sequence; /* of the database */
    int has_server_time;
    int64_t server_time_s;
    const char *source;
};

/* One line on stdout: the verdict first, or a JSON object. */
void reply_print(const struct reply *reply, int is_json);

#endif
