/* What the server's processes have in common: three pieces of shared memory.
 *
 * The notice board is written by the parent and read by its children: ticket keys, the cookie key,
 * public keys, the kiosks. What changes has two places; the parent fills the one that is not in use and
 * then points to it. It is kept out of core files and, where allowed, locked in memory. It is a file in
 * memory that is sealed before there is any child, so a child can only map it for reading, and can change
 * nothing about that: what the parent reads there is what it has written itself.
 * The tally is written by the children: limits, counts, and which questions have been seen. So are the
 * quotas (quotas.h). What the parent reads of these may be anything: it is copied once, into figures that
 * are printed, and never says where anything is or how much there is of it. */
#ifndef DLV_SERVE_BOARD_H
#define DLV_SERVE_BOARD_H

#include "serve/counts.h"
#include "serve/kiosks.h"
#include "serve/limit.h"
#include "serve/quotas.h"
#include "serve/seen.h"
#include "serve/serve.h"
#include "wire/cookie.h"
#include "wire/ticket.h"

#include <stdatomic.h>

#define TICKET_PERIOD_S 3600   /* how long a ticket key seals new tickets */
#define TICKET_LIFETIME_S 3600 /* how long a ticket can be used */
#define TICKET_SECRETS 3
#define TICKET_KEYS_MAX (TICKET_SECRETS * KEY_SET_MAX * KEY_SET_MAX)
#define RENEWAL_PERIOD_S 86400 /* how long a key seals new renewal tickets */
#define RENEWAL_SECRETS 6
#define RENEWAL_KEYS_MAX (RENEWAL_SECRETS * KEY_SET_MAX * KEY_SET_MAX)

/* Every key opens the tickets that it sealed; the first one of each key of the server's seals new
 * ones. */
struct ticket_ring {
    unsigned count;
    struct ticket_key keys[TICKET_KEYS_MAX];
    unsigned renewal_count;
    struct ticket_key renewals[RENEWAL_KEYS_MAX];
};

struct board {
    /* how often each worker has been started: whoever was shut out may be another one now */
    _Atomic unsigned worker_starts[SERVE_PROCESSES_MAX];
    _Atomic bool is_unleased;     /* there is no lease on the database (os/file_use.h) */
    _Atomic unsigned audit_turns; /* how often the audit log was told to begin another file */
    _Atomic bool audit_ends;      /* no worker is left, so the recorder ends */
    uint8_t cookie_key[COOKIE_KEY_LEN];
    uint8_t seen_key[AEAD_KEY_LEN]; /* of seen_hash */
    _Atomic unsigned ring_now;
    struct ticket_ring rings[2];
    _Atomic unsigned keys_now;
    struct server_public keys[2];
    /* how many lists there have been; the lowest bit says which place is in use */
    _Atomic unsigned kiosks_now;
    struct kiosks kiosks[2];
};

#define SOURCES 65536 /* limits of sources (admission.h): half a MiB */
#define KNOWN_NETWORKS 16384
#define VOUCHERS 16384

struct tally {
    struct limit openings;       /* of networks where no kiosk was seen */
    struct limit known_openings; /* and of those where one was */
    struct limit sources[SOURCES];
    struct limit vouched[VOUCHERS];         /* of kiosks that show a renewal ticket */
    _Atomic uint64_t known[KNOWN_NETWORKS]; /* where kiosks have been seen (admission.h) */
    struct seen seen;
    struct counts counts[]; /* one a worker */
};

/* Shared memory, zeroed. 0 or ERR_SYSTEM. The board's descriptor is for board_attach. */
int board_open(struct board **board, int *fd, struct error *error);
int quotas_open(struct quotas **quotas, struct error *error);
int tally_open(struct tally **tally, unsigned worker_count, struct error *error);

/* For a child, which does not inherit the parent's view: its own one, for reading. Closes the descriptor.
 * NULL with errno set where that fails. */
const struct board *board_attach(int fd);

static inline const struct ticket_ring *board_ring(const struct board *board) {
    return &board->rings[atomic_load_explicit(&board->ring_now, memory_order_acquire) & 1];
}

static inline const struct server_public *board_keys(const struct board *board) {
    return &board->keys[atomic_load_explicit(&board->keys_now, memory_order_acquire) & 1];
}

/* The list of kiosks that is in use; NULL where there is none. */
static inline const struct kiosks *board_kiosks(const struct board *board) {
    unsigned now = atomic_load_explicit(&board->kiosks_now, memory_order_acquire);
    return now != 0 ? &board->kiosks[now & 1] : NULL;
}

/* The kiosk with this id on that list; NULL where it is not there, or no list is. */
const struct kiosk *board_find_kiosk(const struct board *board, const uint8_t id[KIOSK_ID_LEN]);

/* For the parent: publishes new ticket keys, new public keys, or a new list. Ticket keys that are not
 * good any more are wiped; the others stay in the other place until the next change. */
void board_set_ring(struct board *board, const struct ticket_ring *ring);
void board_set_keys(struct board *board, const struct server_public *keys);

/* Where the file is wrong, the old list goes on, without those whom the file revokes. */
int board_load_kiosks(struct board *board, const char *path, struct kiosks_change *change,
                      struct error *error);

#endif
