/* A client's connection: bytes in, steps of its protocol, bytes out. It never waits. */
#ifndef DLV_SERVE_CONNECTION_H
#define DLV_SERVE_CONNECTION_H

#include "base/list.h"
#include "wire/legacy.h"

struct connection {
    int fd; /* -1: this slot is free */
    uint32_t index;
    uint32_t generation; /* counts the slot's uses, so that a late reply finds nobody */
    uint32_t interest;   /* what epoll watches for */
    int64_t deadline_ms;
    struct list age;   /* in the order of acceptance */
    struct list queue; /* waiting for a key-holder */
    int is_decided;    /* its first byte has chosen a protocol */
    int is_waiting;    /* for a decryption */
    int closes;        /* once everything is sent */
    const char *out;   /* what is still to be sent; constant text */
    size_t out_len;
    struct legacy_server legacy;
};

/* The text every legacy connection is sent first. */
struct connection_key {
    char pem[RSA_LEN_MAX * 3];
    size_t pem_len;
    size_t modulus_len;
};

enum connection_step {
    CONNECTION_READ,    /* nothing to do before more can be read */
    CONNECTION_WRITE,   /* nothing to do before more can be written */
    CONNECTION_DECRYPT, /* legacy.buffer is to be decrypted; then connection_answer */
    CONNECTION_WAIT,    /* a decryption is under way */
    CONNECTION_CLOSE    /* over; *reason says why */
};

/* For an accepted socket in a slot whose index and generation are set. */
void connection_init(struct connection *connection, int fd, int64_t deadline_ms);

/* Goes on as far as it can without waiting. */
enum connection_step connection_advance(struct connection *connection,
                                        const struct connection_key *key, int is_legacy_allowed,
                                        const char **reason);

/* The answer to what was decrypted: constant text. */
void connection_answer(struct connection *connection, const char *text);

#endif
