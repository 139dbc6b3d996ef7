/* The protocol of the scripts that dlv replaces, as functions from bytes to bytes.
 *
 * Each connection carries one exchange. There are no frames:
 *
 *   client  "Client: OK"
 *   server  its RSA key, PEM SubjectPublicKeyInfo
 *   client  RSA-OAEP (SHA-1, MGF1-SHA-1, no label) of 64 lower-case hex digits: the record's SHA-256
 *   server  one of the two answers below
 *   client  "Quit"
 *   server  "Server stopped\n", and closes
 *
 * The protocol does not prove who the server is, and does not protect the answer: an attacker in
 * between can give any answer. */
#ifndef DLV_WIRE_LEGACY_H
#define DLV_WIRE_LEGACY_H

#include "crypto/rsa.h"

#include <stdbool.h>

#define LEGACY_HELLO "Client: OK"
#define LEGACY_VALID "Server: This person has valid license"
#define LEGACY_INVALID "Server: Invalid : Catch him/her"
#define LEGACY_QUIT "Quit"
#define LEGACY_STOPPED "Server stopped\n"

#define LEGACY_QUESTION_LEN (2 * SHA256_LEN) /* the digest in hex */
#define LEGACY_KEY_MAX 2048                  /* bytes of PEM that a client accepts */

/* --- the server's side ------------------------------------------------------------------------ */

enum legacy_server_step {
    LEGACY_SERVER_WAIT,     /* more bytes are needed */
    LEGACY_SERVER_SEND_KEY, /* send the key */
    LEGACY_SERVER_DECRYPT,  /* `buffer` holds `modulus_len` bytes of ciphertext; decrypt, answer,
                               and then call legacy_server_answered */
    LEGACY_SERVER_SEND_STOPPED, /* send LEGACY_STOPPED and close */
    LEGACY_SERVER_REFUSE        /* not this protocol: close without a word */
};

struct legacy_server {
    int state;
    size_t modulus_len;
    size_t len;
    uint8_t buffer[RSA_LEN_MAX];
};

void legacy_server_init(struct legacy_server *server, size_t modulus_len);

/* How many bytes of the current message are still missing; 0 while none is expected. */
size_t legacy_server_wants(const struct legacy_server *server);

/* Takes the bytes that have arrived, up to the end of the current message, and says at *used how
 * many these were. Total: any bytes may come. */
enum legacy_server_step legacy_server_take(struct legacy_server *server, const uint8_t *bytes,
                                           size_t len, size_t *used);

/* To be called when the answer to LEGACY_SERVER_DECRYPT has been given. */
void legacy_server_answered(struct legacy_server *server);

/* Reads the digest in a decrypted question. False where it is not 64 lower-case hex digits. */
bool legacy_question_digest(uint8_t digest[SHA256_LEN], const uint8_t *question, size_t len);

/* --- the client's side ------------------------------------------------------------------------ */

enum legacy_client_step {
    LEGACY_CLIENT_WAIT,    /* more bytes are needed */
    LEGACY_CLIENT_KEY,     /* `buffer` holds `len` bytes of PEM: encrypt the question, send it, and
                              call legacy_client_asked */
    LEGACY_CLIENT_VALID,   /* the answer; send LEGACY_QUIT */
    LEGACY_CLIENT_INVALID, /* likewise */
    LEGACY_CLIENT_REFUSE   /* not this protocol */
};

struct legacy_client {
    int state;
    size_t len;
    char buffer[LEGACY_KEY_MAX];
};

/* Begins, for a client that has sent LEGACY_HELLO. */
void legacy_client_init(struct legacy_client *client);

/* Takes the bytes that have arrived. Total: any bytes may come. */
enum legacy_client_step legacy_client_take(struct legacy_client *client, const uint8_t *bytes,
                                           size_t len);

void legacy_client_asked(struct legacy_client *client);

/* Encrypts the question about `digest`: key->n_len bytes at `ciphertext`. False where the key is
 * too short for it. In constant time. */
bool legacy_question(const struct rsa_public *key, const uint8_t digest[SHA256_LEN],
                     struct random *random, uint8_t *ciphertext);

#endif
