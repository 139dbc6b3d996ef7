#include "client/state.h"

#include "base/bytes.h"
#include "base/file.h"
#include "base/format.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define NAME_BYTES 16 /* of the authority's id */

/* What the file says; 0 where there is none. */
static int read_sequence(const char *path, unsigned long long *sequence, struct error *error) {
    char text[32] = "";
    *sequence = 0;
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return 0;
    ssize_t len = file_read(path, text, sizeof text - 1, error);
    if (len < 0)
        return (int)len;
    text[len] = '\0';
    text[strcspn(text, "\n")] = '\0';
    if (text_parse_count(text, INT64_MAX, sequence) != 0)
        return error_set(error, ERR_FORMAT, "%s: not a sequence number; remove it to begin anew",
                         path);
    return 0;
}

static int compare(const char *path, uint64_t sequence, struct error *error) {
    unsigned long long seen;
    char text[32];
    int code = read_sequence(path, &seen, error);
    if (code != 0 || seen == sequence)
        return code;
    if (seen > sequence)
        return error_set(error, ERR_CONFLICT,
                         "its database has sequence number %llu, but %llu has been seen before "
                         "(remembered in %s)",
                         (unsigned long long)sequence, seen, path);
    size_t len = format_text(text, sizeof text, "%llu\n", (unsigned long long)sequence);
    return file_replace(path, text, len, 0600, 1, error);
}

int client_state_check(const char *folder, const uint8_t authority_id[SHA256_LEN],
                       uint64_t sequence, struct error *error) {
    char path[PATH_MAX], name[2 * NAME_BYTES + 1];
    hex_encode(name, authority_id, NAME_BYTES);
    if (format_text(path, sizeof path, "%s/%s.sequence", folder, name) >= sizeof path)
        return error_set(error, ERR_LIMIT, "%s: too long a name", folder);
    int lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock < 0 || flock(lock, LOCK_EX) != 0) {
        error_set_errno(error, "%s", folder);
        if (lock >= 0)
            close(lock);
        return ERR_SYSTEM;
    }
    int code = compare(path, sequence, error);
    close(lock);
    return code;
}
