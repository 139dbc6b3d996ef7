/* A client's session (wire/PROTOCOL.md): opening it, and asking in it, over a link to one server. A
 * session outlives its link, and is good with every server that shares the ticket key. */
#ifndef DLV_CLIENT_SESSION_H
#define DLV_CLIENT_SESSION_H

#include "client/link.h"
#include "client/release.h"
#include "crypto/key_set.h"
#include "crypto/random.h"
#include "wire/answer.h"
#include "wire/identity.h"
#include "wire/receipt_frame.h"

#define SESSION_RENEW_MS                                                                           \
    900 /* of each second of its life: after nine tenths it is renewed, or opened anew */

/* Secret: wipe after use. */
struct client_session {
    bool is_open;
    int64_t opened_s;     /* by this machine's clock */
    int64_t renew_ms;     /* when it is to be opened anew */
    int64_t ends_ms;      /* when it ends */
    int64_t renewable_ms; /* until when it can be renewed; 0: not */
    struct session keys;
    struct opening opening;         /* or renewal, while one is under way */
    uint8_t identify[IDENTIFY_LEN]; /* likewise; or an UNWRAP */
};

/* Whose keys a session is opened with. */
struct session_identity {
    const struct key_set *servers;   /* pinned: the server has one of them */
    const struct rsa_private *kiosk; /* NULL: anonymous */
};

/* What asking needs room for; for static memory or the heap. */
struct session_work {
    struct question question;
    struct answer answer;
};

/* What a client asks with, and until when. */
struct session_talk {
    struct client_session *session;
    struct link *link;
    struct random *random;
    struct session_work *work;
    int64_t deadline_ms;
    int64_t
        extension_ms; /* each answer to a question puts the deadline off until then; 0: it does not */
    struct error *error;
};

/* Opens a session, unless there is one that need not be renewed yet, with the one of the pinned keys that is at
 * `server_key`. Where the server has granted it, that costs one round trip and no RSA: a renewal. LINK_DONE, or
 * another result with the reason; LINK_WRONG_KEY where the server does not have this key, which `has_other_keys`
 * makes the end of it also where other servers may have it. */
enum link_result client_session_open(struct session_talk *talk,
                                     const struct session_identity *identity, unsigned server_key,
                                     bool has_other_keys);

/* The session has the keys that were granted `age_ms` ago, when this machine's clock stood at `opened_s`: says how
 * long it is good. */
void client_session_begin(struct client_session *session, int64_t opened_s, int64_t age_ms);

/* Questions that are asked together. */
struct session_questions {
    unsigned count;
    enum question_what what;         /* of all of them, */
    const enum question_what *whats; /* or of each by itself; NULL: that above */
    /* Writes a question, and the length that its frame has at least, as far as the link takes frames so
     * long. */
    void (*form)(void *context, unsigned index, struct question *question, size_t *len_min);
    /* Takes the answer, which is authentic, and good until this returns. LINK_DONE, or another outcome
     * with the reason. */
    enum link_result (*take)(void *context, unsigned index, struct answer *answer,
                             struct error *error);
    void *context;
};

/* Asks them in the session, several at a time, and takes their answers, in any order. */
enum link_result client_session_ask(struct session_talk *talk,
                                    const struct session_questions *questions);

/* Fetches what is to be known of the server's release: its head and dictionary, and, where
 * `wants_nodes`, the Merkle nodes. Nothing of it has been judged, but that it belongs together. The
 * time that the server gave is at *server_time_s. */
enum link_result client_session_fetch(struct session_talk *talk, bool wants_nodes,
                                      struct known_release *release, int64_t *server_time_s);

/* Fetches `len` bytes from `offset` on, a multiple of SYNC_UNIT, of the release with this id (WHAT_RELEASE), or of the
 * list of changes that leads on from it (WHAT_CHANGES). LINK_CHANGED where the server does not have that (any
 * more). */
enum link_result client_session_fetch_sync(struct session_talk *talk, enum question_what what,
                                           const uint8_t id[SHA256_LEN], uint64_t offset,
                                           uint8_t *bytes, size_t len);

/* Has the key of a kept question unwrapped, which was wrapped for the server's key with this id. LINK_DONE also where
 * the server says no: then *is_unwrapped is false. */
enum link_result client_session_unwrap(struct session_talk *talk,
                                       const uint8_t key_id[OPEN_KEY_ID_LEN],
                                       const uint8_t *wrapped, size_t wrapped_len,
                                       uint8_t key[UNWRAPPED_KEY_LEN], bool *is_unwrapped);

/* Has a receipt given for this claim. LINK_DONE also where the server gives none: then *is_given is false. Kiosk and claim are
 * filled in; nothing is checked. */
enum link_result client_session_receipt(struct session_talk *talk, const struct rsa_private *kiosk,
                                        const uint8_t claim[RECEIPT_CLAIM_LEN],
                                        struct receipt *receipt, bool *is_given);

/* Learns what may still be asked about. */
enum link_result client_session_fetch_quota(struct session_talk *talk, struct quota_left *left);

/* Wipes it. */
void client_session_forget(struct client_session *session);

#endif
