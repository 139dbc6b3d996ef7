#include "client/pipeline.h"

#include <string.h>

/* --- frames ----------------------------------------------------------------------------------- */

/* Decides which items go into which frame. Returns the number of frames. */
static unsigned pack(struct pipeline *pipeline) {
    const struct bundle *bundle = pipeline->bundle;
    bool is_udp = pipeline->link->is_udp, is_proved = pipeline->is_proved;
    size_t len_max = is_udp ? FRAME_DATAGRAM_MAX : FRAME_MAX, len = len_max;
    unsigned count_max = !is_proved ? QUESTION_MAX : is_udp ? 1 : QUESTION_PROVED_MAX;
    unsigned frames = 0, in_frame = 0;
    for (unsigned i = 0; i < bundle->count; i++) {
        size_t item = ITEM_FORMS + (size_t)bundle->items[i].form_count * FORM_LEN;
        if (in_frame == count_max || len + item > len_max) {
            pipeline->frame_firsts[frames++] = i;
            in_frame = 0;
            len = ASK_LEN_MIN;
        }
        in_frame++;
        len += item;
    }
    pipeline->frame_firsts[frames] = bundle->count;
    return frames;
}

/* Makes the question about `count` items. */
static void form_question(struct pipeline *pipeline, unsigned first, unsigned count) {
    struct question *question = &pipeline->question;
    question->what = pipeline->is_proved ? WHAT_PROOFS : WHAT_ANSWERS;
    question->offset = 0;
    question->count = count;
    memcpy(question->release_id, pipeline->release->id, SHA256_LEN);
    memcpy(question->items, pipeline->bundle->items + first, count * sizeof *question->items);
}

static void form_frame(struct pipeline *pipeline, unsigned frame) {
    unsigned first = pipeline->frame_firsts[frame];
    form_question(pipeline, first, pipeline->frame_firsts[frame + 1] - first);
}

/* --- answers ---------------------------------------------------------------------------------- */

/* Judges the answer to the question, whose first item is `first`, and keeps what it says.
 * *is_too_long: it said that it would not fit. */
static enum link_result take_answer(struct pipeline *pipeline, unsigned first, bool *is_too_long,
                                    struct error *error) {
    struct answer *answer = &pipeline->answer;
    *is_too_long = answer->status == ANSWER_TOO_LONG;
    if (*is_too_long)
        return LINK_DONE;
    if (answer->status == ANSWER_OTHER_RELEASE)
        return link_fail(pipeline->link, LINK_CHANGED, error, "its database has changed just now");
    pipeline->disbelief = pipeline->judge(pipeline->context, &pipeline->question, answer, error);
    if (pipeline->disbelief != 0)
        return LINK_NOT_BELIEVED;
    bundle_keep(pipeline->bundle, first, answer, pipeline->is_proved);
    return LINK_DONE;
}

/* --- one frame after the other ------------------------------------------------------------------ */

/* Asks about `count` items in one frame. */
static enum link_result ask_frame(struct pipeline *pipeline, unsigned first, unsigned count,
                                  size_t len_min, bool *is_too_long, struct error *error) {
    form_question(pipeline, first, count);
    enum link_result result = client_session_ask(
        pipeline->session, pipeline->link, &pipeline->question, len_min, pipeline->random,
        &pipeline->answer, net_now_ms() + pipeline->timeout_ms, error);
    return result == LINK_DONE ? take_answer(pipeline, first, is_too_long, error) : result;
}

/* Asks about the items of a frame whose answer did not fit: ever fewer of them at a time, with all
 * the padding that there can be. */
static enum link_result ask_in_parts(struct pipeline *pipeline, unsigned frame,
                                     struct error *error) {
    unsigned at = pipeline->frame_firsts[frame], end = pipeline->frame_firsts[frame + 1];
    unsigned size = end - at > 1 ? (end - at) / 2 : 1;
    enum link_result result = LINK_DONE;
    while (at < end && result == LINK_DONE) {
        unsigned count = end - at < size ? end - at : size;
        bool is_too_long = false;
        result = ask_frame(pipeline, at, count, FRAME_MAX, &is_too_long, error);
        if (!is_too_long)
            at += count;
        else if (count > 1)
            size = count / 2;
        else
            return link_fail(pipeline->link, LINK_REFUSED, error,
                             "its answer does not fit into a frame (over UDP, ask over TCP)");
    }
    return result;
}

static enum link_result ask_alone(struct pipeline *pipeline, unsigned frame, struct error *error) {
    unsigned first = pipeline->frame_firsts[frame];
    form_frame(pipeline, frame);
    return ask_frame(pipeline, first, pipeline->question.count,
                     answer_room(&pipeline->question, pipeline->release),
                     &pipeline->is_too_long[frame], error);
}

/* --- several at a time -------------------------------------------------------------------------- */

/* Seals the frames from `first` on, and sends them. */
static enum link_result send_volley(struct pipeline *pipeline, struct volley *volley,
                                    unsigned first, unsigned frames, struct error *error) {
    size_t len = 0;
    volley->first = first;
    volley->count = frames - first < VOLLEY_MAX ? frames - first : VOLLEY_MAX;
    for (unsigned i = 0; i < volley->count; i++) {
        form_frame(pipeline, first + i);
        volley->at[i] = len;
        len += client_session_seal(pipeline->session, pipeline->link, &pipeline->question,
                                   answer_room(&pipeline->question, pipeline->release),
                                   pipeline->random, volley->bytes + len);
    }
    volley->at[volley->count] = len;
    return link_send(pipeline->link, volley->bytes, len, net_now_ms() + pipeline->timeout_ms,
                     "asking", error);
}

/* Takes the answers to the frames of a volley, which come in their order. */
static enum link_result take_volley(struct pipeline *pipeline, const struct volley *volley,
                                    struct error *error) {
    enum link_result result = LINK_DONE;
    for (unsigned i = 0; i < volley->count && result == LINK_DONE; i++) {
        unsigned frame = volley->first + i;
        const uint8_t *ask = volley->bytes + volley->at[i];
        size_t ask_len = volley->at[i + 1] - volley->at[i];
        form_frame(pipeline, frame);
        result = client_session_take(pipeline->session, pipeline->link, ask, ask_len,
                                     pipeline->question.what, &pipeline->answer,
                                     net_now_ms() + pipeline->timeout_ms, error);
        if (result == LINK_DONE)
            result = take_answer(pipeline, pipeline->frame_firsts[frame],
                                 &pipeline->is_too_long[frame], error);
    }
    return result;
}

/* Asks all frames, a volley ahead. What is under way, at most 32 KiB each way, has room in the
 * buffers of the sockets, so that neither side waits for the other to read. */
static enum link_result ask_in_volleys(struct pipeline *pipeline, unsigned frames,
                                       struct error *error) {
    struct volley *volleys = pipeline->volleys;
    unsigned turn = 0;
    enum link_result result = send_volley(pipeline, &volleys[0], 0, frames, error);
    for (unsigned next = 0; result == LINK_DONE && next < frames; turn ^= 1) {
        next = volleys[turn].first + volleys[turn].count;
        if (next < frames)
            result = send_volley(pipeline, &volleys[turn ^ 1], next, frames, error);
        if (result == LINK_DONE)
            result = take_volley(pipeline, &volleys[turn], error);
    }
    return result;
}

enum link_result pipeline_ask(struct pipeline *pipeline, struct error *error) {
    unsigned frames = pack(pipeline);
    bool is_alone = pipeline->link->is_udp || frames == 1;
    enum link_result result = LINK_DONE;
    bundle_begin(pipeline->bundle, pipeline->release->id);
    for (unsigned frame = 0; frame < frames && is_alone && result == LINK_DONE; frame++)
        result = ask_alone(pipeline, frame, error);
    if (!is_alone)
        result = ask_in_volleys(pipeline, frames, error);
    for (unsigned frame = 0; frame < frames && result == LINK_DONE; frame++) {
        if (pipeline->is_too_long[frame])
            result = ask_in_parts(pipeline, frame, error);
    }
    return result;
}
