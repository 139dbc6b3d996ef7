/* The kiosks that are enrolled: a text file, one a line: NAME, SubjectPublicKeyInfo (DER) in
 * base64, and, where there is one, a last day or moment; '#' begins a comment.
 *
 *   surat-17  MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A...  2027-03-31 */
#ifndef DLV_SERVE_KIOSKS_H
#define DLV_SERVE_KIOSKS_H

#include "crypto/rsa_key.h"
#include "wire/ticket.h"

#define KIOSKS_MAX 65536

struct kiosk {
    uint8_t id[SHA256_LEN]; /* rsa_public_id */
    int64_t not_after_s;    /* Unix seconds; INT64_MAX where the kiosk is enrolled without an end */
    uint32_t key;           /* its place in `keys` */
};

/* This is large. It belongs in memory that the kernel zeroes and gives page by page, because most
 * of it is never touched. */
struct kiosks {
    uint32_t count;
    struct kiosk sorted[KIOSKS_MAX]; /* by id */
    struct rsa_public keys[KIOSKS_MAX];
};

/* Reads the file. 0, or a negative code with a reason that names file and line; then `kiosks` holds
 * nothing of use. A day lasts to its end in UTC. */
int kiosks_load(struct kiosks *kiosks, const char *path, struct error *error);

/* Finds the kiosk whose id begins with the id_len bytes (16 or 32) at `id`. NULL where there is
 * none. */
const struct kiosk *kiosks_find(const struct kiosks *kiosks, const uint8_t *id, size_t id_len);

#endif
