/* Answering questions of open sessions: frame in, frame out, whatever carries them. No system call,
 * no allocation, nothing kept but some tickets that have been opened, to be quicker next time. */
#ifndef DLV_SERVE_ANSWER_H
#define DLV_SERVE_ANSWER_H

#include "crypto/random.h"
#include "db/find.h"
#include "serve/board.h"
#include "wire/question.h"

/* A ticket that has been opened. */
struct known_ticket {
    int is_known;
    unsigned kiosks_now; /* the list it was checked against */
    struct ticket opened;
    uint8_t sealed[TICKET_LEN];
};

#define KNOWN_TICKETS 4096 /* a power of two */

/* Secret: wipe after use. */
struct answerer {
    const struct db *db;
    const struct lookup_key *lookup_key; /* NULL: of a plain database */
    const struct board *board;
    struct counts *counts;
    struct random *random;
    int64_t now_s; /* Unix seconds; kept up to date by its owner */
    uint8_t nonce[ASK_RANDOM_LEN];
    struct question question; /* scratch */
    struct answer answer;
    struct known_ticket known[KNOWN_TICKETS]; /* by their tags, which are as good as random */
};

/* Answers the ASK frame at `ask`, which is decrypted in place, by a frame of at most `max` bytes at
 * `out`: an ANSWER, or a REFUSE. Returns its length, at least FRAME_HEADER_LEN; max is
 * ANSWER_LEN(0) or more. */
size_t answer_ask(struct answerer *answerer, uint8_t *ask, size_t ask_len, size_t max,
                  uint8_t *out);

/* Writes a refusal; returns its length. */
size_t answer_refuse(uint8_t *out, enum refusal reason);

#endif
