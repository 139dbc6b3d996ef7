/* Asking all questions of an bundle in a session. They are packed into frames. Over TCP several
 * frames are under way at a time, so that client and server work at once; over UDP each is sent again
 * until it is answered. */
#ifndef DLV_CLIENT_PIPELINE_H
#define DLV_CLIENT_PIPELINE_H

#include "client/bundle.h"
#include "client/session.h"

#define VOLLEY_MAX 4 /* frames that are sent together; two volleys are under way */

/* Frames that are under way, one behind the other. */
struct volley {
    unsigned first; /* number of the first frame */
    unsigned count;
    size_t at[VOLLEY_MAX + 1]; /* where each begins, and where the last one ends */
    uint8_t bytes[VOLLEY_MAX * FRAME_MAX];
};

/* Decides whether an answer is believed (trust_answer). 0 or a negative code with the reason. */
typedef int pipeline_judge(void *context, const struct question *question, struct answer *answer,
                           struct error *error);

/* Secret: wipe after use. For static memory or the heap. */
struct pipeline {
    struct client_session *session;
    struct link *link;
    struct random *random;
    const struct db_header *release; /* that is meant */
    bool is_proved;
    pipeline_judge *judge;
    void *context;
    int64_t timeout_ms; /* for each frame */
    int disbelief;      /* why an answer is not believed */
    struct bundle *bundle;
    /* what it works with */
    unsigned frame_firsts[BUNDLE_MAX + 1]; /* the first item of each frame */
    bool is_too_long[BUNDLE_MAX];          /* its answer did not fit */
    struct volley volleys[2];
    struct question question;
    struct answer answer;
};

/* Asks all of the bundle, and fills in what comes of it. LINK_DONE, or
 * another outcome with the reason: LINK_CHANGED where the server's release is another one by now,
 * LINK_NOT_BELIEVED where `judge` said so. After any of these the link must be closed, since answers
 * may still come. */
enum link_result pipeline_ask(struct pipeline *pipeline, struct error *error);

#endif
