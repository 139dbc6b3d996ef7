#include "client/session.h"

#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

void client_session_forget(struct client_session *session) {
    wipe(session, sizeof *session);
}

/* Over UDP a frame that is not what it should be may come from anybody, so it is passed over. */
static enum link_result pass_over(const struct link *link, struct error *error, const char *what) {
    return link->is_udp ? LINK_WAIT : link_fail(link, LINK_DISTRUSTED, error, what);
}

/* What is alike for every frame that may come. LINK_DONE: `frame` is its header, and the caller reads
 * on. */
static enum link_result look_at(struct link *link, const uint8_t *bytes, size_t len,
                                struct frame *frame, struct error *error) {
    if (frame_read_header(frame, bytes, len) != FRAME_OK)
        return pass_over(link, error, "it does not speak this protocol");
    return frame->type == FRAME_REFUSE ? link_take_refusal(link, frame, error) : LINK_DONE;
}

#define NOT_ENROLLED "this kiosk is not enrolled with it (or not any more)"

/* --- opening ---------------------------------------------------------------------------------- */

/* What the answer to a frame of the opening is looked at with. */
struct waiting {
    const uint8_t *frame; /* was sent, with a cookie at OPEN_COOKIE */
    size_t frame_len;
    struct client_session *session;
    struct link *link;
    int64_t cookie_ms; /* when the last cookie was taken */
};

/* Anybody may send a COOKIE, so whichever comes is tried; but the frame is not sent again for each. */
#define COOKIE_PAUSE_MS 10

/* Sends the frame once more, with the cookie that came. */
static enum link_result take_cookie(struct waiting *waiting, const uint8_t *bytes, size_t len) {
    struct opening *opening = &waiting->session->opening;
    int64_t now_ms = net_now_ms();
    uint8_t before[COOKIE_LEN];
    memcpy(before, opening->frame + OPEN_COOKIE, COOKIE_LEN);
    bool is_cookie = now_ms >= waiting->cookie_ms + COOKIE_PAUSE_MS &&
                     opening_set_cookie(opening, bytes, len) &&
                     memcmp(before, opening->frame + OPEN_COOKIE, COOKIE_LEN) != 0;
    if (is_cookie)
        waiting->cookie_ms = now_ms;
    memcpy(waiting->session->identify + IDENTIFY_COOKIE, opening->frame + OPEN_COOKIE, COOKIE_LEN);
    /* Where this fails, the frame is sent again soon. */
    if (is_cookie)
        net_send(waiting->link->fd, waiting->frame, waiting->frame_len, net_now_ms());
    return LINK_WAIT;
}

/* The same for the frames of an opening, before which a cookie may come over UDP. */
static enum link_result look_at_opening(struct waiting *waiting, const uint8_t *bytes, size_t len,
                                        struct error *error) {
    struct frame frame = {0};
    enum link_result result = look_at(waiting->link, bytes, len, &frame, error);
    bool is_cookie = waiting->link->is_udp && frame.type == FRAME_COOKIE;
    return result == LINK_DONE && is_cookie ? take_cookie(waiting, bytes, len) : result;
}

static enum link_result take_accept(void *context, uint8_t *bytes, size_t len,
                                    struct error *error) {
    struct waiting *waiting = context;
    struct link *link = waiting->link;
    enum link_result result = look_at_opening(waiting, bytes, len, error);
    if (result != LINK_DONE)
        return result;
    if (opening_finish(&waiting->session->opening, bytes, len, &waiting->session->keys))
        return LINK_DONE;
    const char *what = "it does not have the server key that was given";
    return link->is_udp ? LINK_WAIT : link_fail(link, LINK_WRONG_KEY, error, what);
}

static enum link_result take_admit(void *context, uint8_t *bytes, size_t len, struct error *error) {
    struct waiting *waiting = context;
    struct client_session *session = waiting->session;
    struct link *link = waiting->link;
    enum link_result result = look_at_opening(waiting, bytes, len, error);
    if (result != LINK_DONE)
        return result;
    switch (identity_finish(&session->keys, session->identify, bytes, len)) {
    case ADMISSION_GOOD:
        return LINK_DONE;
    case ADMISSION_NOT_ENROLLED:
        return link_fail(link, LINK_REFUSED, error, NOT_ENROLLED);
    case ADMISSION_FOREIGN:
        break;
    }
    return pass_over(link, error, "not an answer to this question");
}

/* Says in the session which kiosk this is. Over UDP the cookie of the opening still does. */
static enum link_result identify(struct client_session *session, struct link *link,
                                 const struct rsa_public *server, const struct rsa_private *kiosk,
                                 struct random *random, int64_t deadline_ms, struct error *error) {
    uint8_t nonce[ASK_RANDOM_LEN];
    struct waiting waiting = {
        .frame = session->identify, .frame_len = IDENTIFY_LEN, .session = session, .link = link};
    random_bytes(random, nonce, sizeof nonce);
    if (!identity_seal(session->identify, &session->keys, server, kiosk, nonce))
        return link_fail(link, LINK_REFUSED, error, "the key of the kiosk does not do");
    memcpy(session->identify + IDENTIFY_COOKIE, session->opening.frame + OPEN_COOKIE, COOKIE_LEN);
    return link_exchange(link, session->identify, IDENTIFY_LEN, take_admit, &waiting, deadline_ms,
                         "saying who asks", error);
}

enum link_result client_session_open(struct client_session *session, struct link *link,
                                     const struct session_identity *identity, unsigned server_key,
                                     struct random *random, int64_t deadline_ms,
                                     struct error *error) {
    const struct rsa_public *server = &identity->servers->keys[server_key];
    struct opening *opening = &session->opening;
    struct waiting waiting = {.frame = opening->frame, .session = session, .link = link};
    if (session->is_open && net_now_ms() < session->renew_ms)
        return LINK_DONE;
    if (!opening_begin(opening, server, &random->drbg.vtable))
        return link_fail(link, LINK_REFUSED, error,
                         "no session can be opened with the server's key");
    waiting.frame_len = opening->frame_len;
    enum link_result result = link_exchange(link, opening->frame, opening->frame_len, take_accept,
                                            &waiting, deadline_ms, "opening a session", error);
    if (result == LINK_DONE && identity->kiosk != NULL)
        result = identify(session, link, server, identity->kiosk, random, deadline_ms, error);
    wipe(&session->opening, sizeof session->opening);
    if (result != LINK_DONE)
        return result;
    session->is_open = true;
    /* After nine tenths of its life. */
    session->renew_ms = net_now_ms() + (int64_t)session->keys.lifetime_s * 900;
    return LINK_DONE;
}

/* --- asking ----------------------------------------------------------------------------------- */

/* What the answer to a question is looked at with. */
struct asked {
    const struct client_session *session;
    struct link *link;
    const uint8_t *ask;
    size_t ask_len;
    enum question_what what;
    struct answer *answer;
};

static enum link_result take_answer(void *context, uint8_t *bytes, size_t len,
                                    struct error *error) {
    const struct asked *asked = context;
    struct link *link = asked->link;
    struct frame frame;
    struct error reason;
    enum link_result result = look_at(link, bytes, len, &frame, error);
    if (result != LINK_DONE)
        return result;
    int code = answer_open(asked->answer, asked->what, bytes, len, asked->ask, asked->ask_len,
                           asked->session->keys.key, &reason);
    if (code == 0 && asked->answer->status == ANSWER_NOT_ENROLLED)
        return link_fail(link, LINK_REFUSED, error, NOT_ENROLLED);
    if (code == 0 && asked->answer->status == ANSWER_OVER_QUOTA) {
        link->wait_s = asked->answer->total_len;
        error_set(error, ERR_LIMIT, "%s: the quota is spent; ask again in %u seconds", link->server,
                  link->wait_s);
        return LINK_OVER_QUOTA;
    }
    if (code == 0)
        return LINK_DONE;
    /* Over UDP an answer to an earlier question may still come. */
    return code == ERR_SIGNATURE ? pass_over(link, error, reason.text)
                                 : link_fail(link, LINK_DISTRUSTED, error, reason.text);
}

size_t client_session_seal(const struct client_session *session, const struct link *link,
                           const struct question *question, size_t len_min, struct random *random,
                           uint8_t frame[FRAME_MAX]) {
    uint8_t nonce[ASK_RANDOM_LEN];
    size_t len_max = link->is_udp ? FRAME_DATAGRAM_MAX : FRAME_MAX;
    random_bytes(random, nonce, sizeof nonce);
    size_t len = question_seal(frame, question, session->keys.key, session->keys.ticket, nonce,
                               len_min < len_max ? len_min : len_max);
    return len <= len_max ? len : 0;
}

enum link_result client_session_take(const struct client_session *session, struct link *link,
                                     const uint8_t *ask, size_t ask_len, enum question_what what,
                                     struct answer *answer, int64_t deadline_ms,
                                     struct error *error) {
    struct asked asked = {session, link, ask, ask_len, what, answer};
    return link_receive(link, take_answer, &asked, deadline_ms, "asking", error);
}

enum link_result client_session_ask(struct client_session *session, struct link *link,
                                    const struct question *question, size_t len_min,
                                    struct random *random, struct answer *answer,
                                    int64_t deadline_ms, struct error *error) {
    uint8_t ask[FRAME_MAX] NOT_CLEARED;
    size_t len = client_session_seal(session, link, question, len_min, random, ask);
    struct asked asked = {session, link, ask, len, question->what, answer};
    if (len == 0)
        return link_fail(link, LINK_REFUSED, error, "the question is too long for one frame");
    return link_exchange(link, ask, len, take_answer, &asked, deadline_ms, "asking", error);
}

/* --- the release ------------------------------------------------------------------------------ */

#define FETCHED_MAX (1u << 28) /* bytes of a dictionary */

/* What a fetch is about. */
struct fetch {
    struct client_session *session;
    struct link *link;
    struct random *random;
    struct answer *answer;
    int64_t deadline_ms;
    struct error *error;
};

/* Asks for the piece from `offset` on. */
static enum link_result fetch_piece(const struct fetch *fetch, enum question_what what,
                                    const uint8_t *release_id, uint32_t offset) {
    static struct question question;
    question.what = what;
    question.count = 0;
    question.offset = offset;
    memset(question.release_id, 0, SHA256_LEN);
    if (release_id != NULL)
        memcpy(question.release_id, release_id, SHA256_LEN);
    enum link_result result =
        client_session_ask(fetch->session, fetch->link, &question, FRAME_MAX, fetch->random,
                           fetch->answer, fetch->deadline_ms, fetch->error);
    if (result == LINK_DONE && fetch->answer->status != ANSWER_GOOD)
        return link_fail(fetch->link, LINK_CHANGED, fetch->error,
                         "its database has changed just now");
    if (result == LINK_DONE && release_id != NULL &&
        memcmp(fetch->answer->release_id, release_id, SHA256_LEN) != 0)
        return link_fail(fetch->link, LINK_DISTRUSTED, fetch->error,
                         "it answers of another release than the one that was meant");
    return result;
}

/* Fetches all of something whose length is known, into `bytes`, where its first piece has come. */
static enum link_result fetch_rest(const struct fetch *fetch, enum question_what what,
                                   const uint8_t *release_id, uint8_t *bytes, size_t len) {
    enum link_result result = LINK_DONE;
    for (size_t at = 0; result == LINK_DONE;) {
        const struct answer *answer = fetch->answer;
        size_t n = answer->piece.len < len - at ? answer->piece.len : len - at;
        if (answer->total_len != len || n == 0)
            return link_fail(fetch->link, LINK_DISTRUSTED, fetch->error,
                             "a piece of its database has another length than it said");
        memcpy(bytes + at, answer->piece.bytes, n);
        at += n;
        if (at == len)
            break;
        result = fetch_piece(fetch, what, release_id, (uint32_t)at);
    }
    return result;
}

static enum link_result fetch_head(const struct fetch *fetch, struct known_release *release) {
    uint8_t id[SHA256_LEN];
    struct error reason;
    enum link_result result = fetch_piece(fetch, WHAT_HEAD, NULL, 0);
    if (result != LINK_DONE)
        return result;
    memcpy(id, fetch->answer->release_id, SHA256_LEN);
    result = fetch_rest(fetch, WHAT_HEAD, id, release->head, DB_HEAD_LEN);
    if (result != LINK_DONE)
        return result;
    if (known_release_take_head(release, &reason) != 0)
        return link_fail(fetch->link, LINK_DISTRUSTED, fetch->error, reason.text);
    if (memcmp(release->header.id, id, SHA256_LEN) != 0)
        return link_fail(fetch->link, LINK_DISTRUSTED, fetch->error,
                         "the header that it sent is not that of its database");
    return LINK_DONE;
}

static enum link_result fetch_dictionary(const struct fetch *fetch, struct known_release *release) {
    const struct db_header *header = &release->header;
    uint64_t len = header->sections[DB_DICTIONARY].len;
    struct error reason;
    release->dictionary = len <= FETCHED_MAX ? malloc((size_t)len) : NULL;
    if (release->dictionary == NULL)
        return link_fail(fetch->link, LINK_REFUSED, fetch->error,
                         "no memory for the dictionary of its database");
    enum link_result result = fetch_piece(fetch, WHAT_DICTIONARY, header->id, 0);
    if (result == LINK_DONE)
        result = fetch_rest(fetch, WHAT_DICTIONARY, header->id, release->dictionary, (size_t)len);
    if (result != LINK_DONE)
        return result;
    return class_sets_open_signed(&release->sets, release->dictionary, (size_t)len,
                                  header->set_count, header->dictionary_root, &reason) == 0
               ? LINK_DONE
               : link_fail(fetch->link, LINK_DISTRUSTED, fetch->error, reason.text);
}

static enum link_result fetch_nodes(const struct fetch *fetch, struct known_release *release) {
    const struct db_header *header = &release->header;
    size_t len = (size_t)merkle_level_count(header->count, merkle_held_level(header->count)) *
                 MERKLE_NODE_LEN;
    struct error reason;
    enum link_result result = fetch_piece(fetch, WHAT_NODES, header->id, 0);
    if (result == LINK_DONE)
        result = fetch_rest(fetch, WHAT_NODES, header->id, release->nodes, len);
    if (result != LINK_DONE)
        return result;
    return known_release_take_nodes(release, len, &reason) == 0
               ? LINK_DONE
               : link_fail(fetch->link, LINK_DISTRUSTED, fetch->error, reason.text);
}

enum link_result client_session_fetch(struct client_session *session, struct link *link,
                                      bool wants_nodes, struct random *random,
                                      struct known_release *release, int64_t *server_time_s,
                                      int64_t deadline_ms, struct error *error) {
    static struct answer answer;
    const struct fetch fetch = {session, link, random, &answer, deadline_ms, error};
    known_release_forget(release);
    enum link_result result = fetch_head(&fetch, release);
    *server_time_s = answer.server_time_s;
    if (result == LINK_DONE)
        result = fetch_dictionary(&fetch, release);
    if (result == LINK_DONE && wants_nodes)
        result = fetch_nodes(&fetch, release);
    release->is_known = result == LINK_DONE;
    return result;
}
