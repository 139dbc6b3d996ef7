/* Asking a database file, as a kiosk without network does. Its answers have the same form as a
 * server's, and are judged by the same rules (trust.h). Others may change the file meanwhile: each answer is
 * made of a copy of the bytes that it takes, and these are proved to the root that was signed. So the file
 * as a whole need not be checked (db_verify), and asking takes milliseconds however large it is. */
#ifndef DLV_CLIENT_OFFLINE_H
#define DLV_CLIENT_OFFLINE_H

#include "client/bundle.h"
#include "client/trust.h"
#include "db/open.h"

struct offline_settings {
    const char *path;
    const struct key_set *authorities;
    const struct lookup_key *lookup_key; /* NULL: of a plain database */
    struct trust *trust;
};

struct offline {
    struct offline_settings settings;
    struct db db;
    struct known_release release;
    /* what offline_ask works with */
    struct question question;
    struct answer answer;
    uint8_t further[QUESTION_PROVED_MAX][2][FURTHER_MAX]; /* of its entries */
};

/* Opens the file, checks its signature, and decides whether it may be used at `now_s`. 0, or a negative code
 * with the reason. */
int offline_open(struct offline *offline, const struct offline_settings *settings, int64_t now_s,
                 struct error *error);

/* Asks what is in the bundle, whose answers are valid until offline_close. 0, or a negative code with
 * the reason. */
int offline_ask(struct offline *offline, struct bundle *bundle, int64_t now_s, struct error *error);

void offline_close(struct offline *offline);

#endif
