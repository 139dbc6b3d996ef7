#include "client/session.h"

#include "base/bytes.h"

void client_session_forget(struct client_session *session) {
    wipe(session, sizeof *session);
}

/* What a frame is looked at with. */
struct waiting {
    struct client_session *session;
    struct link *link;
    struct answer *answer; /* while a question is asked */
    bool has_cookie;       /* while a session is opened */
};

/* Over UDP a frame that is not what it should be may come from anybody, so it is passed over. */
static enum outcome pass_over(const struct waiting *waiting, struct error *error,
                              const char *what) {
    return waiting->link->is_udp ? LINK_WAIT
                                 : link_fail(waiting->link, LINK_DISTRUSTED, error, what);
}

/* --- opening ---------------------------------------------------------------------------------- */

/* Sends the OPEN frame once more, with the cookie that came. */
static enum outcome take_cookie(struct waiting *waiting, size_t len, struct error *error) {
    struct opening *opening = &waiting->session->opening;
    waiting->has_cookie = opening_set_cookie(opening, waiting->link->in, len);
    if (waiting->has_cookie &&
        net_send(waiting->link->fd, opening->frame, opening->frame_len, net_now_ms() + 1000) != 0)
        return link_fail(waiting->link, LINK_LOST, error, "opening a session");
    return LINK_WAIT;
}

static enum outcome take_accept(void *context, size_t len, struct error *error) {
    struct waiting *waiting = context;
    struct link *link = waiting->link;
    struct frame frame;
    if (frame_read_header(&frame, link->in, len) != FRAME_OK)
        return pass_over(waiting, error, "it does not speak this protocol");
    if (link->is_udp && frame.type == FRAME_COOKIE && !waiting->has_cookie)
        return take_cookie(waiting, len, error);
    if (frame.type == FRAME_REFUSE)
        return link_take_refusal(link, &frame, error);
    if (opening_finish(&waiting->session->opening, link->in, len, &waiting->session->keys))
        return LINK_DONE;
    return pass_over(waiting, error, "it does not have the server key that was given");
}

enum outcome client_session_open(struct client_session *session, struct link *link,
                                 const struct session_identity *identity, struct random *random,
                                 int64_t deadline_ms, struct error *error) {
    struct waiting waiting = {.session = session, .link = link};
    if (session->is_open && net_now_ms() < session->renew_ms)
        return LINK_DONE;
    if (!opening_begin(&session->opening, identity->server, identity->kiosk, &random->drbg.vtable))
        return link_fail(link, LINK_REFUSED, error,
                         "no session can be opened with the key of the server or of the kiosk");
    enum outcome outcome =
        link_exchange(link, session->opening.frame, session->opening.frame_len, take_accept,
                      &waiting, deadline_ms, "opening a session", error);
    wipe(&session->opening, sizeof session->opening);
    if (outcome != LINK_DONE)
        return outcome;
    session->is_open = true;
    /* After nine tenths of its life. */
    session->renew_ms = net_now_ms() + (int64_t)session->keys.lifetime_s * 900;
    return LINK_DONE;
}

/* --- asking ----------------------------------------------------------------------------------- */

static enum outcome take_answer(void *context, size_t len, struct error *error) {
    const struct waiting *waiting = context;
    const struct client_session *session = waiting->session;
    struct link *link = waiting->link;
    struct frame frame;
    struct error reason;
    if (frame_read_header(&frame, link->in, len) != FRAME_OK)
        return pass_over(waiting, error, "it does not speak this protocol");
    if (frame.type == FRAME_REFUSE)
        return link_take_refusal(link, &frame, error);
    int code = answer_open(waiting->answer, link->in, len, session->ask, session->ask_len,
                           session->keys.key, &reason);
    if (code == 0)
        return LINK_DONE;
    /* Over UDP an answer to an earlier question may still come. */
    return code == ERR_SIGNATURE ? pass_over(waiting, error, reason.text)
                                 : link_fail(link, LINK_DISTRUSTED, error, reason.text);
}

enum outcome client_session_ask(struct client_session *session, struct link *link,
                                const struct question *question, struct random *random,
                                struct answer *answer, int64_t deadline_ms, struct error *error) {
    uint8_t nonce[ASK_RANDOM_LEN];
    struct waiting waiting = {.session = session, .link = link, .answer = answer};
    /* Over UDP no answer is longer than its question, so a question that asks for the names of the
     * classes is padded. */
    size_t len_min = link->is_udp && question->wishes & WISH_INFO
                         ? ANSWER_LEN(question->count) + ANSWER_INFO_LEN
                         : 0;
    random_bytes(random, nonce, sizeof nonce);
    session->ask_len = question_seal(session->ask, question, session->keys.key,
                                     session->keys.ticket, nonce, len_min);
    return link_exchange(link, session->ask, session->ask_len, take_answer, &waiting, deadline_ms,
                         "asking", error);
}
