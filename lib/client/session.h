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

/* Secret: wipe after use. */
struct client_session {
    bool is_open;
    int64_t renew_ms; /* when it is to be opened anew */
    struct session keys;
    struct opening opening;         /* while one is under way */
    uint8_t identify[IDENTIFY_LEN]; /* likewise */
};

/* Whose keys a session is opened with. */
struct session_identity {
    const struct key_set *servers;   /* pinned: the server has one of them */
    const struct rsa_private *kiosk; /* NULL: anonymous */
};

/* Opens a session over the link, unless there is one that need not be renewed yet, with the one of the
 * pinned keys that is at `server_key`. LINK_DONE, or another result with the reason; LINK_WRONG_KEY
 * where the server does not have this key. */
enum link_result client_session_open(struct client_session *session, struct link *link,
                                     const struct session_identity *identity, unsigned server_key,
                                     struct random *random, int64_t deadline_ms,
                                     struct error *error);

/* Seals a question in a frame of at least `len_min` bytes, as far as the link takes frames so long.
 * Returns its length, or 0 where the question does not fit. */
size_t client_session_seal(const struct client_session *session, const struct link *link,
                           const struct question *question, size_t len_min, struct random *random,
                           uint8_t frame[FRAME_MAX]);

/* Receives the answer to a frame that was sent. `answer` is authentic, and points into memory of the
 * link that is good until the next frame is received. */
enum link_result client_session_take(const struct client_session *session, struct link *link,
                                     const uint8_t *ask, size_t ask_len, enum question_what what,
                                     struct answer *answer, int64_t deadline_ms,
                                     struct error *error);

/* Asks a question in the session: seals, sends, and receives. */
enum link_result client_session_ask(struct client_session *session, struct link *link,
                                    const struct question *question, size_t len_min,
                                    struct random *random, struct answer *answer,
                                    int64_t deadline_ms, struct error *error);

/* Fetches what is to be known of the server's release: its head and dictionary, and, where
 * `wants_nodes`, the Merkle nodes. Nothing of it has been judged, but that it belongs together. The
 * time that the server gave is at *server_time_s. */
enum link_result client_session_fetch(struct client_session *session, struct link *link,
                                      bool wants_nodes, struct random *random,
                                      struct known_release *release, int64_t *server_time_s,
                                      int64_t deadline_ms, struct error *error);

/* Wipes it. */
void client_session_forget(struct client_session *session);

#endif
