/* Asking servers in the session protocol, and not taking their word for more than need be. */
#ifndef DLV_CMD_ONLINE_H
#define DLV_CMD_ONLINE_H

#include "client/session.h"
#include "db/lookup_key.h"

struct online_settings {
    const char *servers;
    const char *server_key_path;
    const char *kiosk_key_path;  /* NULL: anonymous */
    const char *authority_path;  /* NULL: answers are not proved */
    const char *lookup_key_path; /* of a keyed database, for proofs */
    const char *state_folder;    /* NULL: nothing is remembered */
    int is_udp;
    int proves;
    int64_t stale_ok_s;
    int64_t timeout_ms;
    int64_t max_skew_s;
};

struct online {
    struct online_settings settings;
    struct rsa_public server_key;
    struct rsa_private kiosk;
    struct rsa_public authority;
    struct lookup_key lookup_key;
    struct client client;
    struct answer answer;           /* the last one */
    struct class_names class_names; /* of the database with ... */
    uint64_t info_sequence;         /* ... this number; 0: not known yet */
    uint64_t sequence_seen;         /* the highest in this run */
};

/* Loads the keys. EXIT_OK, or EXIT_TROUBLE after saying why. */
int online_open(struct online *online, const struct online_settings *settings);

/* Asks about `question`, whose wishes are set here. The answer is online->answer. EXIT_OK, or
 * EXIT_TROUBLE after saying why. */
int online_ask(struct online *online, struct question *question);

void online_close(struct online *online);

#endif
