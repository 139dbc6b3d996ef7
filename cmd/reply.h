/* An answer as it is shown to whoever asked, whether it came from a server, a file or a server of
 * the original protocol. */
#ifndef DLV_CMD_REPLY_H
#define DLV_CMD_REPLY_H

#include "base/date.h"
#include "crypto/sha256.h"
#include "db/answer.h"
#include "db/release.h"

struct reply {
    enum licence_kind kind; /* what was asked */
    const uint8_t *digest;  /* SHA256_LEN bytes */
    struct moment at;
    uint64_t line; /* of the input; 0: the question was not on a line */
    struct db_answer answer;
    /* NULL for a reply of the original protocol, which says nothing but the verdict. */
    const struct release_facts *release;
    bool has_server_time;
    int64_t server_time_s;
    const char *source; /* who says so: "licences.db#7" */
};

/* Prints one line on stdout: the verdict and what it rests on, or a JSON object. */
void reply_print(const struct reply *reply, bool is_json);

#endif
