/* Fetching a register's newest release from a server (wire/PROTOCOL.md): as lists of changes where they lead
 * from the release that is here to the server's, else as a whole, in chunks. What has been fetched is kept in
 * two files until it is used, so that a run that was killed goes on where it was. */
#ifndef DLV_CLIENT_SYNC_H
#define DLV_CLIENT_SYNC_H

#include "client/client.h"
#include "db/changes.h"

#define SYNC_LISTS_MAX 8

enum sync_outcome {
    SYNC_NOTHING, /* the release that is here is the server's */
    SYNC_LISTS,   /* lists of changes have been fetched that lead to it */
    SYNC_WHOLE    /* its whole file has been fetched, whose chunks are those that were signed */
};

struct sync {
    const struct db_header *own; /* of the release that is here; NULL: there is none */
    int own_fd;                  /* its file; -1: there is none */
    bool is_own_damaged;         /* its file is not whole, so no list leads on from it */
    bool without_lists;          /* they have failed */
    /* where lists, one behind the other, and the whole file are kept: for reading and writing */
    int lists_fd, whole_fd;
    uint64_t rate; /* bytes a second; 0: no limit */
    /* told of what there is of what is to be fetched; may be NULL */
    void (*progress)(uint64_t done, uint64_t total);
    /* what came of it */
    enum sync_outcome outcome;
    struct db_header header; /* of the server's release */
    uint64_t fetched;        /* bytes of them that came over the network */
    /* working memory */
    int64_t started_ms;
    uint64_t room; /* bytes that there is room for in the whole file */
    uint8_t *digests;
    uint8_t buffer[DB_CHUNK];
};

/* A client_work, with the structure above as its context. */
enum link_result sync_fetch(void *context, struct session_talk *talk,
                            const struct known_release *release);

#endif
