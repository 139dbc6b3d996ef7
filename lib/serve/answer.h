/* Answering questions of open sessions: frame in, frame out, whatever carries them. No system call,
 * no allocation, nothing kept but what a connection may remember of its ticket. */
#ifndef DLV_SERVE_ANSWER_H
#define DLV_SERVE_ANSWER_H

#include "crypto/random.h"
#include "db/find.h"
#include "serve/board.h"
#include "wire/question.h"

struct answerer {
    const struct db *db;
    const struct lookup_key *lookup_key; /* NULL: of a plain database */
    const struct board *board;
    struct counts *counts;
    struct random *random;
    int64_t now_s; /* Unix seconds; kept up to date by its owner */
    uint8_t nonce[ASK_RANDOM_LEN];
    struct question question; /* scratch */
    struct db_answer found[QUESTION_MAX];
    struct answer answer;
};

/* A ticket that has been opened. Secret: wipe after use. */
struct known_ticket {
    int is_known;
    unsigned kiosks_now; /* the list it was checked against */
    struct ticket opened;
    uint8_t sealed[TICKET_LEN];
};

/* Answers the ASK frame at `ask`, which is decrypted in place, by a frame of at most `max` bytes at
 * `out`: an ANSWER, or a REFUSE. `known` is what the connection remembers, all zeros at first, or
 * NULL. Returns its length, at least FRAME_HEADER_LEN; max is ANSWER_LEN(0) or more. */
size_t answer_ask(struct answerer *answerer, struct known_ticket *known, uint8_t *ask,
                  size_t ask_len, size_t max, uint8_t *out);

/* Writes a refusal; returns its length. */
size_t answer_refuse(uint8_t *out, enum refusal reason);

#endif
