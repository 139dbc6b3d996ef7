/* The lists of changes (db/changes.h) that lead to the release in use: files beside the database, which kiosks
 * that may do so fetch. SEQUENCE.changes is the one that leads to that release, and says which one it comes
 * from. They are only read: whoever uses one checks what comes of it. */
#ifndef DLV_SERVE_CHANGE_LISTS_H
#define DLV_SERVE_CHANGE_LISTS_H

#include "db/changes.h"

#define CHANGE_LISTS_MAX 8

struct change_lists {
    unsigned count;
    struct {
        int fd;
        struct changes_head head;
    } lists[CHANGE_LISTS_MAX];
};

/* Opens the list that leads to the release, the one that leads to the release before, and so on, as far as
 * they are there, in the folder of the database. */
void change_lists_open(struct change_lists *lists, const char *db_path, uint64_t sequence);

/* Takes one over that is open. False where it is no list, or there is no room: then it is closed. */
bool change_lists_add(struct change_lists *lists, int fd);

void change_lists_close(struct change_lists *lists);

/* Reads up to `max` bytes from `offset` on of the list that leads on from a release. Returns how many, with the
 * length of the whole list; -1: there is no such list, or it cannot be read. */
ssize_t change_lists_read(const struct change_lists *lists, const uint8_t from_id[SHA256_LEN],
                          uint64_t offset, uint8_t *bytes, size_t max, uint64_t *total);

#endif
