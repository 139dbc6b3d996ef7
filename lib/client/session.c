#include "client/session.h"

#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

void client_session_forget(struct client_session *session) {
    wipe(session, sizeof *session);
}

/* Over UDP a frame that is not what it should be may come from anybody, so it is passed over. */
static enum link_result pass_over(const struct link *link, struct error *error, const char *what) {
    return link->is_udp ? LINK_WAIT : link_fail(link, LINK_DISTRUSTED, error, what);
}

#define NOT_ENROLLED "this kiosk is not enrolled with it (not any more, or --key is missing)"

/* --- opening ---------------------------------------------------------------------------------- */

/* A link_frames.form of one frame. */
static size_t form_open(void *context, unsigned index, uint8_t frame[FRAME_MAX]) {
    const struct opening *opening = &((struct session_talk *)context)->session->opening;
    (void)index;
    memcpy(frame, opening->frame, opening->frame_len);
    return opening->frame_len;
}

static size_t form_identify(void *context, unsigned index, uint8_t frame[FRAME_MAX]) {
    (void)index;
    memcpy(frame, ((struct session_talk *)context)->session->identify, IDENTIFY_LEN);
    return IDENTIFY_LEN;
}

static enum link_result take_accept(void *context, uint8_t *bytes, size_t len,
                                    struct link_slot **slot, struct error *error) {
    struct session_talk *talk = context;
    struct client_session *session = talk->session;
    *slot = &talk->link->slots[0];
    if (opening_finish(&session->opening, bytes, len, &session->keys))
        return LINK_DONE;
    const char *what = "it does not have the server key that was given";
    return talk->link->is_udp ? LINK_WAIT : link_fail(talk->link, LINK_WRONG_KEY, error, what);
}

static enum link_result take_admit(void *context, uint8_t *bytes, size_t len,
                                   struct link_slot **slot, struct error *error) {
    struct session_talk *talk = context;
    struct client_session *session = talk->session;
    *slot = &talk->link->slots[0];
    switch (identity_finish(&session->keys, session->identify, bytes, len)) {
    case ADMISSION_GOOD:
        return LINK_DONE;
    case ADMISSION_NOT_ENROLLED:
        return link_fail(talk->link, LINK_REFUSED, error, NOT_ENROLLED);
    case ADMISSION_FOREIGN:
        break;
    }
    return pass_over(talk->link, error, "not an answer to this question");
}

/* Says in the session which kiosk this is. Over UDP the cookie of the opening still does. */
static enum link_result identify(struct session_talk *talk, const struct rsa_public *server,
                                 const struct rsa_private *kiosk) {
    struct client_session *session = talk->session;
    const struct link_frames frames = {.count = 1,
                                       .form = form_identify,
                                       .take = take_admit,
                                       .context = talk,
                                       .cookie_at = IDENTIFY_COOKIE,
                                       .doing = "saying who asks",
                                       .deadline_ms = &talk->deadline_ms};
    uint8_t nonce[ASK_RANDOM_LEN];
    random_bytes(talk->random, nonce, sizeof nonce);
    if (!identity_seal(session->identify, &session->keys, server, kiosk, nonce))
        return link_fail(talk->link, LINK_REFUSED, talk->error, "the key of the kiosk does not do");
    return link_exchange(talk->link, &frames, talk->error);
}

/* --- what else a key-holder answers in a session ------------------------------------------------ */

/* A frame in the form of an IDENTIFY that was sealed, and what takes its answer. */
struct inside {
    struct session_talk *talk;
    enum admission_status (*finish)(const struct session *keys, const uint8_t *asked,
                                    const uint8_t *frame, size_t len, void *taken);
    void *taken;
    enum admission_status status;
};

static size_t form_inside(void *context, unsigned index, uint8_t frame[FRAME_MAX]) {
    return form_identify(((struct inside *)context)->talk, index, frame);
}

static enum link_result take_inside(void *context, uint8_t *bytes, size_t len,
                                    struct link_slot **slot, struct error *error) {
    struct inside *inside = context;
    const struct client_session *session = inside->talk->session;
    *slot = &inside->talk->link->slots[0];
    inside->status = inside->finish(&session->keys, session->identify, bytes, len, inside->taken);
    return inside->status != ADMISSION_FOREIGN
               ? LINK_DONE
               : pass_over(inside->talk->link, error, "not an answer to this question");
}

/* Sends the frame. LINK_DONE also where the server says no: then *is_good is false. */
static enum link_result exchange_inside(struct inside *inside, const char *doing, bool *is_good) {
    struct session_talk *talk = inside->talk;
    const struct link_frames frames = {.count = 1,
                                       .form = form_inside,
                                       .take = take_inside,
                                       .context = inside,
                                       .cookie_at = IDENTIFY_COOKIE,
                                       .doing = doing,
                                       .deadline_ms = &talk->deadline_ms};
    enum link_result result = link_exchange(talk->link, &frames, talk->error);
    *is_good = result == LINK_DONE && inside->status == ADMISSION_GOOD;
    return result;
}

static enum admission_status finish_receipt(const struct session *keys, const uint8_t *asked,
                                            const uint8_t *frame, size_t len, void *taken) {
    return receipt_take(keys, asked, frame, len, taken);
}

enum link_result client_session_receipt(struct session_talk *talk, const struct rsa_private *kiosk,
                                        const uint8_t claim[RECEIPT_CLAIM_LEN],
                                        struct receipt *receipt, bool *is_given) {
    struct inside inside = {.talk = talk, .finish = finish_receipt, .taken = receipt};
    uint8_t nonce[ASK_RANDOM_LEN], id[SHA256_LEN] = {0};
    random_bytes(talk->random, nonce, sizeof nonce);
    receipt_ask(talk->session->identify, &talk->session->keys, claim, nonce);
    if (kiosk != NULL)
        rsa_public_id(&kiosk->public, id);
    memcpy(receipt->kiosk, id, RECEIPT_KIOSK_LEN);
    memcpy(receipt->claim, claim, RECEIPT_CLAIM_LEN);
    return exchange_inside(&inside, "having a receipt given", is_given);
}

static enum admission_status finish_unwrap(const struct session *keys, const uint8_t *asked,
                                           const uint8_t *frame, size_t len, void *taken) {
    return unwrap_finish(keys, asked, frame, len, taken);
}

enum link_result client_session_unwrap(struct session_talk *talk,
                                       const uint8_t key_id[OPEN_KEY_ID_LEN],
                                       const uint8_t *wrapped, size_t wrapped_len,
                                       uint8_t key[UNWRAPPED_KEY_LEN], bool *is_unwrapped) {
    struct inside inside = {.talk = talk, .finish = finish_unwrap, .taken = key};
    uint8_t nonce[ASK_RANDOM_LEN];
    random_bytes(talk->random, nonce, sizeof nonce);
    unwrap_seal(talk->session->identify, &talk->session->keys, key_id, wrapped, wrapped_len, nonce);
    return exchange_inside(&inside, "asking what was kept", is_unwrapped);
}

/* --- opening, and renewing ------------------------------------------------------------------------ */

/* Sends the opening or renewal that has begun. */
static enum link_result exchange_keys(struct session_talk *talk, bool is_renewal,
                                      bool has_other_keys, int64_t deadline_ms) {
    const struct link_frames frames = {.count = 1,
                                       .form = form_open,
                                       .take = take_accept,
                                       .context = talk,
                                       .cookie_at = OPEN_COOKIE,
                                       .doing =
                                           is_renewal ? "renewing a session" : "opening a session",
                                       .ends_when_busy = is_renewal,
                                       .has_other_keys = has_other_keys,
                                       .deadline_ms = &deadline_ms};
    enum link_result result = link_exchange(talk->link, &frames, talk->error);
    wipe(&talk->session->opening, sizeof talk->session->opening);
    return result;
}

void client_session_begin(struct client_session *session, int64_t opened_s, int64_t age_ms) {
    const struct session *keys = &session->keys;
    int64_t now_ms = net_now_ms() - age_ms;
    session->opened_s = opened_s;
    session->renew_ms = now_ms + (int64_t)keys->lifetime_s * SESSION_RENEW_MS;
    session->ends_ms = now_ms + (int64_t)keys->lifetime_s * 1000;
    session->renewable_ms =
        keys->renewal_lifetime_s > 0 ? now_ms + (int64_t)keys->renewal_lifetime_s * 1000 : 0;
    session->is_open = session->renew_ms > net_now_ms();
}

/* Renews the session, where that can be done. LINK_SESSION_ENDED where it cannot: where it has been refused, or where
 * half of the time has passed without an answer. */
static enum link_result renew(struct session_talk *talk, const struct rsa_public *server,
                              bool has_other_keys) {
    struct client_session *session = talk->session;
    int64_t now_ms = net_now_ms();
    if (now_ms >= session->renewable_ms)
        return LINK_SESSION_ENDED;
    opening_renew(&session->opening, server, &session->keys, &talk->random->drbg.vtable);
    enum link_result result =
        exchange_keys(talk, true, has_other_keys, now_ms + (talk->deadline_ms - now_ms) / 2);
    if (result == LINK_TIMED_OUT) {
        link_let_all_in(talk->link);
        result = LINK_SESSION_ENDED;
    }
    if (result == LINK_SESSION_ENDED)
        session->renewable_ms = 0;
    return result;
}

/* Opens one with RSA. */
static enum link_result open_anew(struct session_talk *talk,
                                  const struct session_identity *identity,
                                  const struct rsa_public *server, bool has_other_keys) {
    struct client_session *session = talk->session;
    if (!opening_begin(&session->opening, server, &session->keys, &talk->random->drbg.vtable))
        return link_fail(talk->link, LINK_REFUSED, talk->error,
                         "no session can be opened with the server's key");
    enum link_result result = exchange_keys(talk, false, has_other_keys, talk->deadline_ms);
    if (result == LINK_DONE && identity->kiosk != NULL)
        result = identify(talk, server, identity->kiosk);
    return result;
}

enum link_result client_session_open(struct session_talk *talk,
                                     const struct session_identity *identity, unsigned server_key,
                                     bool has_other_keys) {
    const struct rsa_public *server = &identity->servers->keys[server_key];
    struct client_session *session = talk->session;
    if (session->is_open && net_now_ms() < session->renew_ms)
        return LINK_DONE;
    enum link_result result = renew(talk, server, has_other_keys);
    /* The old one is still good for a tenth of its life. */
    if (result == LINK_BUSY && session->is_open && net_now_ms() < session->ends_ms)
        return LINK_DONE;
    if (result == LINK_SESSION_ENDED)
        result = open_anew(talk, identity, server, has_other_keys);
    if (result == LINK_DONE)
        client_session_begin(session, time(NULL), 0);
    return result;
}

/* --- asking ----------------------------------------------------------------------------------- */

/* What questions are asked with. */
struct asking {
    struct session_talk *talk;
    const struct session_questions *questions;
};

static enum question_what what_of(const struct session_questions *questions, unsigned index) {
    return questions->whats != NULL ? questions->whats[index] : questions->what;
}

/* A link_frames.form. */
static size_t form_ask(void *context, unsigned index, uint8_t frame[FRAME_MAX]) {
    const struct asking *asking = context;
    const struct session *keys = &asking->talk->session->keys;
    struct question *question = &asking->talk->work->question;
    size_t len_min = 0;
    size_t len_max = asking->talk->link->is_udp ? FRAME_DATAGRAM_MAX : FRAME_MAX;
    uint8_t nonce[ASK_RANDOM_LEN];
    question->what = what_of(asking->questions, index);
    question->is_about_slips = false;
    asking->questions->form(asking->questions->context, index, question, &len_min);
    random_bytes(asking->talk->random, nonce, sizeof nonce);
    size_t len = question_seal(frame, question, keys->key, keys->ticket, nonce,
                               len_min < len_max ? len_min : len_max);
    return len <= len_max ? len : 0;
}

/* The question that a frame names as its own. NULL: none that is under way. */
static struct link_slot *question_of(struct link *link, const uint8_t *bytes, size_t len) {
    for (unsigned i = 0; i < LINK_WINDOW && len > ANSWER_BODY; i++) {
        struct link_slot *slot = &link->slots[i];
        if (slot->is_used &&
            memcmp(bytes + ANSWER_QUESTION_NONCE, slot->frame + ASK_NONCE, AEAD_NONCE_LEN) == 0)
            return slot;
    }
    return NULL;
}

/* What an answer says instead of answering. */
static enum link_result take_status(struct link *link, const struct answer *answer, bool is_sync,
                                    struct error *error) {
    if (answer->status == ANSWER_NOT_ENROLLED)
        return link_fail(link, LINK_REFUSED, error, NOT_ENROLLED);
    if (answer->status == ANSWER_NO_RIGHT)
        return link_fail(link, LINK_REFUSED, error,
                         "this kiosk may not fetch releases: its line has no sync=MIB");
    if (answer->status == ANSWER_UNRECORDED)
        return link_fail(link, LINK_BUSY, error,
                         "it cannot record what it is asked just now, so it answers nobody");
    if (answer->status != ANSWER_OVER_QUOTA)
        return LINK_DONE;
    link->wait_s = answer->total_len;
    if (is_sync)
        error_set(
            error, ERR_LIMIT,
            "%s: the quota is spent; ask again in %u seconds: of the MiB that this kiosk may fetch a day "
            "none is left just now, and what has come is kept",
            link_name(link), link->wait_s);
    else
        error_set(error, ERR_LIMIT, "%s: the quota is spent; ask again in %u seconds",
                  link_name(link), link->wait_s);
    return LINK_OVER_QUOTA;
}

/* A link_frames.take. Over UDP an answer to an earlier question may still come. */
static enum link_result take_answer(void *context, uint8_t *bytes, size_t len,
                                    struct link_slot **slot, struct error *error) {
    const struct asking *asking = context;
    struct link *link = asking->talk->link;
    struct answer *answer = &asking->talk->work->answer;
    struct error reason;
    *slot = question_of(link, bytes, len);
    if (*slot == NULL)
        return pass_over(link, error, "not an answer to this question");
    int code = answer_open(answer, what_of(asking->questions, (*slot)->index), bytes, len,
                           (*slot)->frame, (*slot)->len, asking->talk->session->keys.key, &reason);
    if (code == ERR_SIGNATURE)
        return pass_over(link, error, reason.text);
    if (code != 0)
        return link_fail(link, LINK_DISTRUSTED, error, reason.text);
    enum link_result result = take_status(
        link, answer, question_is_sync(what_of(asking->questions, (*slot)->index)), error);
    return result == LINK_DONE
               ? asking->questions->take(asking->questions->context, (*slot)->index, answer, error)
               : result;
}

enum link_result client_session_ask(struct session_talk *talk,
                                    const struct session_questions *questions) {
    struct asking asking = {talk, questions};
    const struct link_frames frames = {.count = questions->count,
                                       .form = form_ask,
                                       .take = take_answer,
                                       .context = &asking,
                                       .doing = "asking",
                                       .deadline_ms = &talk->deadline_ms,
                                       .extension_ms = talk->extension_ms};
    return link_exchange(talk->link, &frames, talk->error);
}

/* --- the release ------------------------------------------------------------------------------ */

#define FETCHED_MAX (1u << 28) /* bytes of a dictionary */

/* Something of a release that is fetched in pieces. */
struct fetch {
    const struct link *link;
    const uint8_t *release_id; /* that is meant; NULL: whichever the server has */
    uint8_t *bytes;
    size_t len;
    size_t piece_len; /* of all pieces but the last one */
    uint64_t start;   /* where `bytes` are in what is fetched */
    bool is_sync; /* that is a release or a list of changes: offsets are in units of SYNC_UNIT */
    uint8_t found_id[SHA256_LEN];
    bool is_found;
    int64_t server_time_s;
};

/* A session_questions.form. */
static void form_piece(void *context, unsigned index, struct question *question, size_t *len_min) {
    const struct fetch *fetch = context;
    question->count = 0;
    uint64_t offset = fetch->start + (uint64_t)index * fetch->piece_len;
    question->offset = (uint32_t)(fetch->is_sync ? offset / SYNC_UNIT : offset);
    memset(question->release_id, 0, SHA256_LEN);
    if (fetch->release_id != NULL)
        memcpy(question->release_id, fetch->release_id, SHA256_LEN);
    *len_min = fetch->is_sync ? 0 : FRAME_MAX;
}

/* A session_questions.take. */
static enum link_result take_piece(void *context, unsigned index, struct answer *answer,
                                   struct error *error) {
    struct fetch *fetch = context;
    size_t at = index * fetch->piece_len, left = fetch->len - at;
    size_t len = left < fetch->piece_len ? left : fetch->piece_len;
    bool is_other = fetch->is_found && memcmp(answer->release_id, fetch->found_id, SHA256_LEN) != 0;
    if (answer->status != ANSWER_GOOD || (is_other && fetch->release_id == NULL))
        return link_fail(fetch->link, LINK_CHANGED, error, "its database has changed just now");
    if (!fetch->is_sync && fetch->release_id != NULL &&
        memcmp(answer->release_id, fetch->release_id, SHA256_LEN) != 0)
        return link_fail(fetch->link, LINK_DISTRUSTED, error,
                         "it answers of another release than the one that was meant");
    if ((!fetch->is_sync && answer->total_len != fetch->start + fetch->len) ||
        answer->piece.len < len)
        return link_fail(fetch->link, LINK_DISTRUSTED, error,
                         "a piece of its database has another length than it said");
    memcpy(fetch->bytes + at, answer->piece.bytes, len);
    memcpy(fetch->found_id, answer->release_id, SHA256_LEN);
    fetch->is_found = true;
    fetch->server_time_s = answer->server_time_s;
    return LINK_DONE;
}

static void fetch_begin(struct fetch *fetch, const struct session_talk *talk) {
    fetch->link = talk->link;
    fetch->piece_len = (talk->link->is_udp ? FRAME_DATAGRAM_MAX : FRAME_MAX) - ANSWER_LEN(0);
}

/* Fetches all of something whose length is known. */
static enum link_result fetch_all(struct session_talk *talk, enum question_what what,
                                  struct fetch *fetch) {
    fetch_begin(fetch, talk);
    const struct session_questions questions = {
        .count = (unsigned)((fetch->len + fetch->piece_len - 1) / fetch->piece_len),
        .what = what,
        .form = form_piece,
        .take = take_piece,
        .context = fetch};
    return fetch->len > 0 ? client_session_ask(talk, &questions) : LINK_DONE;
}

/* The first piece of the dictionary is asked for together with the head, before its length is known: often that is
 * all of it, and a round trip is saved. */
#define HEAD_PIECES_MAX (DB_HEAD_LEN / (FRAME_DATAGRAM_MAX - ANSWER_LEN(0)) + 1)

struct first_flight {
    struct fetch head;
    unsigned head_count;
    size_t early_len;
    uint8_t early_id[SHA256_LEN]; /* the release that it is of */
    uint8_t early[FRAME_MAX];
};

/* A session_questions.form. */
static void form_first(void *context, unsigned index, struct question *question, size_t *len_min) {
    const struct first_flight *flight = context;
    form_piece((void *)(uintptr_t)&flight->head, index % flight->head_count, question, len_min);
}

/* A session_questions.take. */
static enum link_result take_first(void *context, unsigned index, struct answer *answer,
                                   struct error *error) {
    struct first_flight *flight = context;
    if (index < flight->head_count)
        return take_piece(&flight->head, index, answer, error);
    if (answer->status != ANSWER_GOOD)
        return link_fail(flight->head.link, LINK_CHANGED, error,
                         "its database has changed just now");
    flight->early_len =
        answer->piece.len < answer->total_len ? answer->piece.len : answer->total_len;
    memcpy(flight->early, answer->piece.bytes, flight->early_len);
    memcpy(flight->early_id, answer->release_id, SHA256_LEN);
    return LINK_DONE;
}

static enum link_result fetch_head(struct session_talk *talk, struct known_release *release,
                                   struct first_flight *flight) {
    enum question_what whats[HEAD_PIECES_MAX + 1];
    struct fetch *head = &flight->head;
    struct error reason;
    *head = (struct fetch){.bytes = release->head, .len = DB_HEAD_LEN};
    fetch_begin(head, talk);
    flight->head_count = (unsigned)((DB_HEAD_LEN + head->piece_len - 1) / head->piece_len);
    flight->early_len = 0;
    for (unsigned i = 0; i <= flight->head_count; i++)
        whats[i] = i < flight->head_count ? WHAT_HEAD : WHAT_DICTIONARY;
    const struct session_questions questions = {.count = flight->head_count + 1,
                                                .whats = whats,
                                                .form = form_first,
                                                .take = take_first,
                                                .context = flight};
    enum link_result result = client_session_ask(talk, &questions);
    if (result != LINK_DONE)
        return result;
    if (known_release_take_head(release, &reason) != 0)
        return link_fail(talk->link, LINK_DISTRUSTED, talk->error, reason.text);
    if (memcmp(release->header.id, head->found_id, SHA256_LEN) != 0)
        return link_fail(talk->link, LINK_DISTRUSTED, talk->error,
                         "the header that it sent is not that of its database");
    return LINK_DONE;
}

/* Takes what came with the head, and fetches the rest. */
static enum link_result fetch_dictionary(struct session_talk *talk, struct known_release *release,
                                         const struct first_flight *flight) {
    const struct db_header *header = &release->header;
    uint64_t len = header->sections[DB_DICTIONARY].len;
    struct error reason;
    release->dictionary = len <= FETCHED_MAX ? malloc((size_t)len + 1) : NULL;
    if (release->dictionary == NULL)
        return link_fail(talk->link, LINK_REFUSED, talk->error,
                         "no memory for the dictionary of its database");
    bool is_same = memcmp(flight->early_id, header->id, SHA256_LEN) == 0;
    size_t have = is_same && flight->early_len <= len ? flight->early_len : 0;
    memcpy(release->dictionary, flight->early, have);
    struct fetch fetch = {.release_id = header->id,
                          .bytes = release->dictionary + have,
                          .start = have,
                          .len = (size_t)len - have};
    enum link_result result = fetch_all(talk, WHAT_DICTIONARY, &fetch);
    if (result != LINK_DONE)
        return result;
    return known_release_take_dictionary(release, (size_t)len, &reason) == 0
               ? LINK_DONE
               : link_fail(talk->link, LINK_DISTRUSTED, talk->error, reason.text);
}

static enum link_result fetch_nodes(struct session_talk *talk, struct known_release *release) {
    const struct db_header *header = &release->header;
    size_t len = (size_t)merkle_level_count(header->count, merkle_held_level(header->count)) *
                 MERKLE_NODE_LEN;
    struct error reason;
    struct fetch fetch = {.release_id = header->id, .bytes = release->nodes, .len = len};
    enum link_result result = fetch_all(talk, WHAT_NODES, &fetch);
    if (result != LINK_DONE)
        return result;
    return known_release_take_nodes(release, len, &reason) == 0
               ? LINK_DONE
               : link_fail(talk->link, LINK_DISTRUSTED, talk->error, reason.text);
}

enum link_result client_session_fetch_quota(struct session_talk *talk, struct quota_left *left) {
    uint8_t bytes[QUOTA_LEFT_LEN];
    struct fetch fetch = {.bytes = bytes, .len = sizeof bytes};
    enum link_result result = fetch_all(talk, WHAT_QUOTA, &fetch);
    if (result == LINK_DONE)
        quota_left_decode(left, bytes);
    return result;
}

enum link_result client_session_fetch_sync(struct session_talk *talk, enum question_what what,
                                           const uint8_t id[SHA256_LEN], uint64_t offset,
                                           uint8_t *bytes, size_t len) {
    struct fetch fetch = {
        .release_id = id, .bytes = bytes, .len = len, .is_sync = true, .start = offset};
    return fetch_all(talk, what, &fetch);
}

enum link_result client_session_fetch(struct session_talk *talk, bool wants_nodes,
                                      struct known_release *release, int64_t *server_time_s) {
    struct first_flight flight;
    known_release_forget(release);
    enum link_result result = fetch_head(talk, release, &flight);
    *server_time_s = flight.head.server_time_s;
    if (result == LINK_DONE)
        result = fetch_dictionary(talk, release, &flight);
    if (result == LINK_DONE && wants_nodes)
        result = fetch_nodes(talk, release);
    release->is_known = result == LINK_DONE;
    return result;
}
