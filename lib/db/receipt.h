/* Receipts (EVIDENCE.md, "Receipts"): what a server says, signed, of when it was asked and by whom. With the evidence
 * it is for, a receipt is a file that anybody can check years later.
 *
 * One signature serves all receipts of a few milliseconds: it is of the root of a Merkle tree (merkle.h) whose leaves
 * they are, as in Roughtime. */
#ifndef DLV_DB_RECEIPT_H
#define DLV_DB_RECEIPT_H

#include "base/file.h"
#include "crypto/certificate.h"
#include "db/evidence.h"
#include "db/merkle.h"

#define RECEIPT_BATCH_MAX 64 /* receipts under one signature */
#define RECEIPT_PATH_MAX 6   /* hence nodes in a path */
#define RECEIPT_KIOSK_LEN 16
#define RECEIPT_CLAIM_LEN SHA256_LEN
#define RECEIPT_NONCE_LEN 32
#define RECEIPT_OFFICER_MAX 63
#define RECEIPT_SKEW_S 300 /* so far before its release was made a receipt may be: clocks differ */

struct receipt {
    /* what is signed: */
    uint8_t
        kiosk[RECEIPT_KIOSK_LEN]; /* the first bytes of its key's id; zeros: nobody in particular */
    int64_t time_ms;              /* the server's, Unix milliseconds */
    uint8_t release_id[SHA256_LEN];   /* that the server had then: SHA-256 of its header page */
    uint8_t claim[RECEIPT_CLAIM_LEN]; /* receipt_claim */
    /* where it stands among those that were signed together: */
    unsigned index, count;
    unsigned path_len;
    uint8_t path[RECEIPT_PATH_MAX][MERKLE_NODE_LEN];
    size_t signature_len;
    uint8_t signature[RSA_LEN_MAX];
    size_t certificate_len; /* of the key that has signed */
    uint8_t certificate[CERTIFICATE_MAX];
};

/* What a kiosk has the server sign: the digest of what the file says, and of a nonce without which nobody learns from it
 * what was asked. */
void receipt_claim(uint8_t claim[RECEIPT_CLAIM_LEN], const uint8_t nonce[RECEIPT_NONCE_LEN],
                   const char *text, size_t len);

/* The leaf of a receipt. */
void receipt_leaf(uint8_t leaf[MERKLE_NODE_LEN], const struct receipt *receipt);

/* The tree of those that are signed together: the leaves, and level by level what stands above them. */
struct receipt_tree {
    unsigned count; /* of leaves, 1 to RECEIPT_BATCH_MAX */
    uint8_t levels[RECEIPT_PATH_MAX + 1][RECEIPT_BATCH_MAX][MERKLE_NODE_LEN];
};

/* Computes what stands above the leaves, which are there. Returns the root. */
const uint8_t *receipt_tree_finish(struct receipt_tree *tree);

/* Gives the receipt of a leaf its place in a finished tree, and its path. */
void receipt_place(struct receipt *receipt, const struct receipt_tree *tree, unsigned index);

/* The digest that a receipt key signs for a tree of so many receipts with this root, and this certificate. */
void receipt_signed_digest(uint8_t digest[SHA256_LEN], unsigned count, const uint8_t *certificate,
                           size_t certificate_len, const uint8_t root[MERKLE_NODE_LEN]);

/* Checks path, signature and certificate. 0, or ERR_SIGNATURE or ERR_FORMAT with the reason. */
int receipt_check(const struct receipt *receipt, const struct key_set *authorities,
                  struct certificate *certificate, struct error *error);

/* --- the file ----------------------------------------------------------------------------------- */

extern const struct file_kind receipt_file_kind;

/* What a receipt file has around its evidence. */
#define RECEIPT_MARK "dlv receipt 1" /* its first line */
#define RECEIPT_LINES_MAX 8192

/* Writes "officer = TEXT" behind the evidence, where there is one; returns where the text ends. */
char *receipt_write_officer(char *out, const char *officer);

/* Writes what comes behind what was claimed. */
char *receipt_write(char *out, const uint8_t nonce[RECEIPT_NONCE_LEN],
                    const struct receipt *receipt);

/* What a receipt file has behind its evidence. */
struct receipt_lines {
    char officer[RECEIPT_OFFICER_MAX + 1]; /* empty: none */
    uint8_t nonce[RECEIPT_NONCE_LEN];
    struct receipt receipt; /* whose claim is the one of the text before */
};

struct lines;

/* Reads them, in the file whose text begins at `text`. Total. 0 or ERR_FORMAT. */
int receipt_read(struct receipt_lines *read, struct lines *lines, const char *text);

/* Reads a whole file. Total. 0 or ERR_FORMAT. */
int receipt_file_read(struct evidence *evidence, struct receipt_lines *read, const char *text,
                      size_t len, struct error *error);

#endif
