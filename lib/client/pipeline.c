#include "client/pipeline.h"

#include <string.h>

/* --- frames ----------------------------------------------------------------------------------- */

/* Decides which items go into which frame. */
static void pack(struct pipeline *pipeline) {
    const struct bundle *bundle = pipeline->bundle;
    bool is_udp = pipeline->is_udp, is_proved = pipeline->is_proved;
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
    pipeline->frame_count = frames;
}

void pipeline_begin(struct pipeline *pipeline, struct bundle *bundle) {
    pipeline->bundle = bundle;
    pack(pipeline);
    memset(pipeline->is_answered, 0, sizeof pipeline->is_answered);
    memset(pipeline->is_too_long, 0, sizeof pipeline->is_too_long);
    bundle_begin(bundle, pipeline->release->id);
}

/* Makes the question about `count` items. */
static void form_question(const struct pipeline *pipeline, struct question *question,
                          unsigned first, unsigned count) {
    question->what = pipeline->is_proved ? WHAT_PROOFS : WHAT_ANSWERS;
    question->offset = 0;
    question->count = count;
    question->is_about_slips = pipeline->bundle->are_slips;
    memcpy(question->release_id, pipeline->release->id, SHA256_LEN);
    memcpy(question->items, pipeline->bundle->items + first, count * sizeof *question->items);
}

/* --- answers ---------------------------------------------------------------------------------- */

/* Judges the answer about `count` items from `first` on, and keeps what it says. *is_too_long: it said
 * that it would not fit. */
static enum link_result take_answer(struct pipeline *pipeline, unsigned first, unsigned count,
                                    struct answer *answer, bool *is_too_long, struct error *error) {
    *is_too_long = answer->status == ANSWER_TOO_LONG;
    if (*is_too_long)
        return LINK_DONE;
    if (answer->status == ANSWER_OTHER_RELEASE)
        return link_fail(pipeline->link, LINK_CHANGED, error, "its database has changed just now");
    form_question(pipeline, &pipeline->question, first, count);
    pipeline->disbelief = pipeline->judge(pipeline->context, &pipeline->question, answer, error);
    if (pipeline->disbelief != 0)
        return LINK_NOT_BELIEVED;
    return bundle_keep(pipeline->bundle, first, answer, pipeline->is_proved)
               ? LINK_DONE
               : link_fail(pipeline->link, LINK_DISTRUSTED, error, "its answers are too long");
}

/* --- all frames ------------------------------------------------------------------------------- */

/* A session_questions.form. */
static void form_frame(void *context, unsigned index, struct question *question, size_t *len_min) {
    const struct pipeline *pipeline = context;
    const unsigned *firsts = pipeline->frame_firsts + pipeline->left[index];
    form_question(pipeline, question, firsts[0], firsts[1] - firsts[0]);
    *len_min = answer_room(question, pipeline->release);
}

/* A session_questions.take. */
static enum link_result take_frame(void *context, unsigned index, struct answer *answer,
                                   struct error *error) {
    struct pipeline *pipeline = context;
    unsigned frame = pipeline->left[index];
    const unsigned *firsts = pipeline->frame_firsts + frame;
    enum link_result result = take_answer(pipeline, firsts[0], firsts[1] - firsts[0], answer,
                                          &pipeline->is_too_long[frame], error);
    pipeline->is_answered[frame] = result == LINK_DONE;
    pipeline->part_at[frame] = firsts[0];
    return result;
}

/* --- answers that did not fit ------------------------------------------------------------------- */

static void form_part(void *context, unsigned index, struct question *question, size_t *len_min) {
    const struct pipeline *pipeline = context;
    (void)index;
    form_question(pipeline, question, pipeline->part_first, pipeline->part_count);
    *len_min = FRAME_MAX;
}

static enum link_result take_part(void *context, unsigned index, struct answer *answer,
                                  struct error *error) {
    struct pipeline *pipeline = context;
    (void)index;
    return take_answer(pipeline, pipeline->part_first, pipeline->part_count, answer,
                       &pipeline->is_part_too_long, error);
}

/* Asks about the items of a frame whose answer did not fit: ever fewer of them at a time, with all
 * the padding that there can be. */
static enum link_result ask_in_parts(struct pipeline *pipeline, unsigned frame,
                                     struct session_talk *talk) {
    const struct session_questions questions = {.count = 1,
                                                .what = pipeline->is_proved ? WHAT_PROOFS
                                                                            : WHAT_ANSWERS,
                                                .form = form_part,
                                                .take = take_part,
                                                .context = pipeline};
    unsigned at = pipeline->part_at[frame], end = pipeline->frame_firsts[frame + 1];
    unsigned size = end - at > 1 ? (end - at) / 2 : 1;
    enum link_result result = LINK_DONE;
    while (at < end && result == LINK_DONE) {
        pipeline->part_first = at;
        pipeline->part_count = end - at < size ? end - at : size;
        pipeline->is_part_too_long = false;
        result = client_session_ask(talk, &questions);
        if (result != LINK_DONE)
            break;
        if (!pipeline->is_part_too_long)
            at += pipeline->part_count;
        else if (pipeline->part_count > 1)
            size = pipeline->part_count / 2;
        else
            return link_fail(talk->link, LINK_REFUSED, talk->error,
                             "its answer does not fit into a frame (over UDP, ask over TCP)");
    }
    pipeline->part_at[frame] = at;
    pipeline->is_too_long[frame] = result != LINK_DONE;
    return result;
}

enum link_result pipeline_ask(struct pipeline *pipeline, struct session_talk *talk) {
    struct session_questions left = {.what = pipeline->is_proved ? WHAT_PROOFS : WHAT_ANSWERS,
                                     .form = form_frame,
                                     .take = take_frame,
                                     .context = pipeline};
    enum link_result result = LINK_DONE;
    pipeline->link = talk->link;
    for (unsigned frame = 0; frame < pipeline->frame_count; frame++) {
        if (!pipeline->is_answered[frame])
            pipeline->left[left.count++] = frame;
    }
    if (left.count > 0)
        result = client_session_ask(talk, &left);
    for (unsigned frame = 0; frame < pipeline->frame_count && result == LINK_DONE; frame++) {
        if (pipeline->is_too_long[frame])
            result = ask_in_parts(pipeline, frame, talk);
    }
    return result;
}
