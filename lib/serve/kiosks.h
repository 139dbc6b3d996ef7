/* The kiosks that are enrolled: a text file.
 *
 *   surat-17 MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A... 2027-03-31 quota=120/600/10000 sync=2000
 *   revoke surat-9
 *   revoke SHA256:XbnG0yvc+xD/c2vdGLm+KHC+MC81ZIDDD4we/FML2ls
 *   # end 1
 *
 * Each line ends with a line feed: one that does not may have been cut off. A line enrols a kiosk: its
 * name, its SubjectPublicKeyInfo (DER) in base64, and, where there are such, a last day or moment, a
 * quota: licences asked about in a minute, at once, and in a day; and `sync=MIB`: it may fetch releases, so many
 * MiB a day.
 *
 * When the file is read again, who is no longer in it is removed; but a file may have been cut off, or
 * made from a query that failed. So that takes the line "# end COUNT" behind the last kiosk, with the
 * number of kiosks, and where more than ten and more than 1 % go, or all, "# end COUNT removing N".
 * Without it nobody is removed, except whom a line revokes: that is always done, whatever else is wrong
 * in the file. '#' begins a comment. */
#ifndef DLV_SERVE_KIOSKS_H
#define DLV_SERVE_KIOSKS_H

#include "crypto/rsa_key.h"
#include "wire/ticket.h"

#define KIOSKS_MAX 262144
#define KIOSK_NAME_SIZE 40

/* Licences that a kiosk may ask about, and what it may fetch. */
struct quota {
    uint32_t minute; /* in the long run */
    uint32_t burst;  /* at once */
    uint32_t day;
    uint32_t sync_mib; /* of releases and lists of changes, a day; 0: nothing */
};

#define QUOTA_MAX 1000000000
#define SYNC_MIB_MAX (1 << 24)
static const struct quota quota_default = {120, 600, 10000, 0};

struct kiosk {
    uint8_t id[SHA256_LEN]; /* rsa_public_id */
    int64_t not_after_s;    /* Unix seconds; INT64_MAX where the kiosk is enrolled without an end */
    struct quota quota;
    uint32_t key_at; /* of its SubjectPublicKeyInfo in `keys` */
    uint16_t key_len;
    bool is_revoked; /* only while the list is read */
    char name[KIOSK_NAME_SIZE];
};

#define KIOSKS_KEY_BYTES ((size_t)KIOSKS_MAX * 304) /* a key of 2048 bits takes 294 */

/* This is large. It belongs in memory that the kernel zeroes and gives page by page, because most
 * of it is never touched: some 400 bytes a kiosk are, 100 MiB for KIOSKS_MAX of them. */
struct kiosks {
    uint32_t count;
    uint32_t keys_len;
    struct kiosk sorted[KIOSKS_MAX]; /* by id */
    uint8_t keys[KIOSKS_KEY_BYTES];
};

/* Reads "MINUTE/BURST/DAY", which is changed by it. False where it is something else. */
bool quota_parse(struct quota *quota, char *text);

/* What came of reading the file again. */
struct kiosks_change {
    unsigned added, removed, revoked;
    unsigned unlisted;     /* who is not in the file any more, and was not removed */
    char why_kept[160];    /* the reason of that */
    unsigned unknown;      /* revoked without being enrolled: perhaps misspelt */
    char unknown_name[80]; /* the first of them */
};

/* Reads the file into `next`, in view of the list that has been in use (NULL: none). 0, or a negative code
 * with a reason that names file and line: then `next` is the old list without those whom the file
 * revokes, or nothing of use where there was none. A day lasts to its end in UTC. */
int kiosks_load(struct kiosks *next, const struct kiosks *old, const char *path,
                struct kiosks_change *change, struct error *error);

/* Finds the kiosk whose id begins with the id_len bytes (16 or 32) at `id`. NULL where there is
 * none. */
const struct kiosk *kiosks_find(const struct kiosks *kiosks, const uint8_t *id, size_t id_len);

/* The kiosk's key. False where there is none. */
bool kiosks_key(const struct kiosks *kiosks, const struct kiosk *kiosk, struct rsa_public *key);

#endif
