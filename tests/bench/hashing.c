/* The bounds of dbgen and verify: their SHA-256 alone, on one core.
 *
 *   hashing ROWS     prints seconds for dbgen, for verify, and for the digests of the file's chunks
 *
 * dbgen: of each row the number and the name, and of each of its entries (1.25 of them, as
 * make_registry's rows have) the Merkle tree's leaf and node. verify: leaves and nodes again, and
 * every byte of the file, which is what the chunk digests take. */
#include "db/entry.h"
#include "db/merkle.h"
#include "record/digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BYTES_PER_ENTRY 61 /* of the file: entry, fan-out, kept nodes */

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static unsigned touched;

static double digests(unsigned long rows) {
    double start = now_s();
    for (unsigned long i = 0; i < rows; i++) {
        uint8_t digest[SHA256_LEN];
        char text[37] = "dlv:number:GJ052011000000000000000000";
        for (unsigned long n = i, at = 25; n > 0; n /= 10)
            text[at--] = (char)('0' + n % 10);
        sha256(digest, text, 26); /* "dlv:number:" and fifteen characters */
        touched += digest[0];
        sha256(digest, text, 37); /* "dlv:name:", 16 bytes of the number's digest, twelve letters */
        touched += digest[0];
    }
    return now_s() - start;
}

static double tree(unsigned long entries) {
    uint8_t entry[DB_ENTRY_LEN] = {0}, leaf[MERKLE_NODE_LEN], node[MERKLE_NODE_LEN] = {0};
    const struct further none = {NULL, 0};
    double start = now_s();
    for (unsigned long i = 0; i < entries; i++) {
        memcpy(entry, &i, sizeof i);
        entry_leaf(leaf, entry, none);
        merkle_node(node, node, leaf);
    }
    touched += node[0];
    return now_s() - start;
}

static double bytes(unsigned long count) {
    static uint8_t block[65536];
    uint8_t digest[SHA256_LEN];
    struct sha256 hash;
    double start = now_s();
    sha256_init(&hash);
    for (unsigned long done = 0; done < count; done += sizeof block)
        sha256_update(&hash, block, sizeof block);
    sha256_out(&hash, digest);
    touched += digest[0];
    return now_s() - start;
}

int main(int argc, char **argv) {
    unsigned long rows = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
    unsigned long entries = rows / 4 * 5;
    double build = digests(rows), merkle = tree(entries), file = bytes(entries * BYTES_PER_ENTRY);
    printf("%.2f %.2f %.2f\n", build + merkle, merkle + file, file);
    return touched == 0;
}
