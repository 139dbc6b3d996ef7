/* A worker's way of answering: respond (lib/wire) with this worker's database, tickets, nonces and
 * counts. */
#ifndef DLV_SERVE_ANSWERER_H
#define DLV_SERVE_ANSWERER_H

#include "crypto/random.h"
#include "serve/admission.h"
#include "serve/audit_rings.h"
#include "serve/change_lists.h"
#include "serve/quotas.h"
#include "serve/ticket_cache.h"
#include "wire/respond.h"

/* Secret: wipe after use. */
struct answerer {
    struct response_source source; /* its owner keeps now_s up to date */
    const struct board *board;
    struct counts *counts;
    struct random *random;
    uint8_t nonce[ASK_RANDOM_LEN];
    struct response_memory memory;
    struct ticket_cache tickets;
    struct seen *seen;                 /* of all workers */
    struct quotas *quotas;             /* likewise */
    const struct admission *admission; /* names networks */
    const struct quota *anonymous;     /* the quota of a network; NULL: none */
    const struct serve_settings *settings;
    struct audit_desk
        *desk; /* where questions are noted; NULL: nowhere. Its owner keeps it up to date */
    struct change_lists lists; /* that lead to the release in use */
    uint8_t piece[SYNC_PIECE]; /* of one of them */
    bool was_new;              /* the last question that was answered had not come before */
    bool is_repeated;          /* it had; neither, where it costs nothing */
    uint64_t asker;            /* the kiosk that asked it; 0: nobody in particular */
    /* the question that is being answered */
    const struct known_ticket *known;
    const uint8_t *peer; /* its address; NULL: `network` says where it came from */
    uint64_t network;
    uint8_t frame_hash[AEAD_TAG_LEN]; /* seen_hash */
    struct quota_use *use;            /* of the kiosk; NULL: of nobody in particular */
};

/* To be called when the random source was seeded anew: nonces go on from another random place. */
void answerer_renew_nonces(struct answerer *answerer);

/* Answers the ASK frame at `ask`, which is decrypted in place, with a frame at `out`: an ANSWER or a
 * REFUSE. It came from `peer`, and the answer is at most as long; or where that is NULL over TCP from `network`
 * (admission_network), and the answer has at most FRAME_MAX bytes. Returns its length, at least FRAME_HEADER_LEN. */
size_t answerer_ask(struct answerer *answerer, const uint8_t *peer, uint64_t network, uint8_t *ask,
                    size_t ask_len, uint8_t *out);

/* Notes one licence that was asked about, by a kiosk or by nobody in particular (zeros). */
struct audit_asked {
    const uint8_t *kiosk;  /* KIOSK_ID_LEN bytes */
    const uint8_t *digest; /* SHA256_LEN */
    uint8_t kind;          /* enum ask_kind, or AUDIT_RECEIPT */
    bool is_proved, is_repeated, is_slip;
    unsigned found;         /* enum found */
    const uint8_t *terms;   /* of the licence that was found */
    const uint8_t *matches; /* of its fields; NULL: they were not compared */
    uint8_t card;
};
void answerer_note(struct answerer *answerer, const struct audit_asked *asked);

/* Whether `count` licences can be noted, or need not be (a response_source's record). */
enum recording answerer_record(void *context, unsigned count);

/* Sets up what the source calls. */
void answerer_init(struct answerer *answerer);

#endif
