/* What a client knows of the release that it asks: the header, which says how questions are to be
 * formed and what answers mean; the dictionary of class sets; and the Merkle nodes at which proofs
 * end. It is fetched from a server once, or read from a file. */
#ifndef DLV_CLIENT_RELEASE_H
#define DLV_CLIENT_RELEASE_H

#include "db/merkle.h"
#include "db/open.h"
#include "db/proof.h"

struct known_release {
    bool is_known;
    bool has_nodes; /* `nodes` has been checked against the root */
    struct db_header header;
    struct class_sets sets;
    struct held_nodes held; /* the nodes, or the root alone */
    uint8_t head[DB_HEAD_LEN];
    uint8_t nodes[MERKLE_HELD_MAX * MERKLE_NODE_LEN];
    uint8_t *dictionary; /* what the sets point into */
};

/* Zeroes it, and frees its dictionary. */
void known_release_forget(struct known_release *release);

/* Takes the release of an open file: copies of its head and dictionary, which are checked as they are here,
 * since others may change the file. 0, or a negative code with the reason. */
int known_release_of_file(struct known_release *release, const struct db *db, struct error *error);

/* Takes the head that came from a server. 0, or ERR_FORMAT with the reason. */
int known_release_take_head(struct known_release *release, struct error *error);

/* Takes the dictionary that came: `len` bytes at release->dictionary. 0, or a negative code where it is not the one
 * that the head names. */
int known_release_take_dictionary(struct known_release *release, size_t len, struct error *error);

/* Takes the nodes that came, where they are of the release's root. 0 or ERR_SIGNATURE. */
int known_release_take_nodes(struct known_release *release, size_t len, struct error *error);

/* Makes a proof that ends at the nodes one that ends at the root. False where it has no room. */
bool known_release_extend(const struct known_release *release, struct proof *proof);

#endif
