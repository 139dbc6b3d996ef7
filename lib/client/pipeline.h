/* Asking all questions of a bundle in a session. They are packed into frames, of which several are under way
 * at a time. Where the link is lost in the middle, what was answered by then is kept, and the rest can be
 * asked over another one. */
#ifndef DLV_CLIENT_PIPELINE_H
#define DLV_CLIENT_PIPELINE_H

#include "client/bundle.h"
#include "client/session.h"

/* Decides whether an answer is believed (trust_answer). 0 or a negative code with the reason. */
typedef int pipeline_judge(void *context, const struct question *question, struct answer *answer,
                           struct error *error);

/* Secret: wipe after use. For static memory or the heap. */
struct pipeline {
    const struct db_header *release; /* that is meant */
    bool is_udp;
    bool is_proved;
    pipeline_judge *judge;
    void *context;
    int disbelief; /* why an answer is not believed */
    struct bundle *bundle;
    /* what it works with */
    const struct link *link;
    unsigned frame_count;
    unsigned frame_firsts[BUNDLE_MAX + 1]; /* the first item of each frame */
    unsigned left[BUNDLE_MAX]; /* the frames that are asked, because they were not answered yet */
    bool is_answered[BUNDLE_MAX]; /* each frame */
    bool is_too_long[BUNDLE_MAX]; /* its answer did not fit */
    unsigned part_at[BUNDLE_MAX]; /* the first item of such a frame that is not answered yet */
    unsigned part_first;          /* of a frame whose answer did not fit, what is asked at a time */
    unsigned part_count;
    bool is_part_too_long;
    struct question question;
};

/* Begins with a bundle: nothing of it is answered yet. */
void pipeline_begin(struct pipeline *pipeline, struct bundle *bundle);

/* Asks what of the bundle is not answered yet, and fills in what comes of it. LINK_DONE, or
 * another outcome with the reason: LINK_CHANGED where the server's release is another one by now,
 * LINK_NOT_BELIEVED where `judge` said so. */
enum link_result pipeline_ask(struct pipeline *pipeline, struct session_talk *talk);

#endif
