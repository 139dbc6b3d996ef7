#include "unit.h"

#include "base/bytes.h"
#include "crypto/rsa_key.h"
#include "wire/answer.h"
#include "wire/identity.h"

static struct rsa_private server_key, kiosk_key, other_key;
static struct random randomness;
static uint8_t kiosk_id[SHA256_LEN];
static int64_t kiosk_until_s;

static const struct session no_session;

static const struct rsa_public *find_kiosk(const void *context, const uint8_t *id, size_t id_len,
                                           int64_t now_s) {
    (void)context;
    return memcmp(id, kiosk_id, id_len) == 0 && now_s < kiosk_until_s ? &kiosk_key.public : NULL;
}

static struct ticket_binding binding;

static struct session_host host_of(struct ticket_key *ticket_key) {
    static const uint8_t secret[AEAD_KEY_LEN] = {42};
    struct session_host host = {.key = &server_key,
                                .find_kiosk = find_kiosk,
                                .ticket_keys = ticket_key,
                                .ticket_key_count = 1,
                                .lifetime_s = 3600};
    x25519_generate(host.exponent, host.share, &randomness);
    rsa_public_id(&server_key.public, host.id);
    ticket_bind(&binding, host.id, host.id);
    ticket_key_init(ticket_key, TICKET_SESSIONS, secret, &binding, 3);
    kiosk_until_s = 5000;
    return host;
}

/* A whole opening: whether the server accepts, and the client does, too. */
static bool open_session(const struct session_host *host, int64_t now_s, struct session *session) {
    static struct opening opening;
    uint8_t accept[ACCEPT_LEN];
    CHECK(opening_begin(&opening, &server_key.public, &no_session, &randomness.drbg.vtable));
    CHECK(opening.frame_len == OPEN_LEN(server_key.public.n_len));
    return session_accept(host, opening.frame, opening.frame_len, now_s, &randomness.drbg.vtable,
                          accept) &&
           opening_finish(&opening, accept, ACCEPT_LEN, session);
}

/* Says in the session who asks; what comes of it. */
static enum admission_status say_who(const struct session_host *host, struct session *session,
                                     const struct rsa_private *kiosk, int64_t now_s) {
    static const uint8_t nonce[ASK_RANDOM_LEN] = {7};
    uint8_t frame[IDENTIFY_LEN], sent[IDENTIFY_LEN], admit[ADMIT_LEN];
    CHECK(identity_seal(frame, session, &server_key.public, kiosk, nonce));
    memcpy(sent, frame, sizeof sent);
    enum admission_status status =
        session_admit(host, sent, sizeof sent, now_s, &randomness.drbg.vtable, admit);
    if (status != ADMISSION_FOREIGN)
        CHECK(identity_finish(session, frame, admit, ADMIT_LEN) == status);
    return status;
}

static void test_who_may_open(void) {
    struct ticket_key ticket_key;
    struct session_host host = host_of(&ticket_key);
    struct session session, other;
    struct ticket ticket;
    CHECK(open_session(&host, 1000, &session));
    CHECK(session.lifetime_s == 3600 && session.server_time_s == 1000);
    CHECK(ticket_open(&ticket, session.ticket, &ticket_key, 1) && ticket.expires_s == 4600);
    CHECK(memcmp(ticket.session_key, session.key, SESSION_KEY_LEN) == 0 &&
          bytes_are_zero(ticket.kiosk, KIOSK_ID_LEN));
    CHECK(say_who(&host, &session, &kiosk_key, 2000) == ADMISSION_GOOD);
    CHECK(session.server_time_s == 2000 && session.lifetime_s == 3600);
    CHECK(ticket_open(&ticket, session.ticket, &ticket_key, 1) && ticket.expires_s == 5600);
    CHECK(memcmp(ticket.session_key, session.key, SESSION_KEY_LEN) == 0 &&
          memcmp(ticket.kiosk, kiosk_id, KIOSK_ID_LEN) == 0);
    other = session;
    CHECK(say_who(&host, &session, &other_key, 2000) == ADMISSION_NOT_ENROLLED); /* unknown */
    CHECK(say_who(&host, &session, &kiosk_key, 5000) == ADMISSION_NOT_ENROLLED); /* expired */
    CHECK(memcmp(&session, &other, sizeof session) == 0);                        /* unchanged */
    CHECK(say_who(&host, &session, &kiosk_key, 5601) == ADMISSION_FOREIGN); /* the ticket has */
    CHECK(say_who(&host, &session, &kiosk_key, 4999) == ADMISSION_GOOD);
    host.find_kiosk = NULL;
    CHECK(say_who(&host, &session, &kiosk_key, 2000) == ADMISSION_NOT_ENROLLED);
    host.key = &other_key; /* not the pinned server */
    CHECK(!open_session(&host, 1000, &session));
}

/* A signature is good in its own session only, and with the server it was meant for. */
static void test_identities(void) {
    static const uint8_t nonce[ASK_RANDOM_LEN] = {7};
    struct ticket_key ticket_key;
    struct session_host host = host_of(&ticket_key);
    struct session session, second;
    uint8_t frame[IDENTIFY_LEN], sent[IDENTIFY_LEN], admit[ADMIT_LEN];
    CHECK(open_session(&host, 1000, &session) && open_session(&host, 1000, &second));
    CHECK(identity_seal(frame, &session, &server_key.public, &kiosk_key, nonce));
    for (size_t i = 0; i < IDENTIFY_LEN; i += i < IDENTIFY_BODY ? 1 : 13) {
        memcpy(sent, frame, sizeof sent);
        sent[i] ^= 1;
        CHECK(session_admit(&host, sent, sizeof sent, 1000, &randomness.drbg.vtable, admit) ==
              ADMISSION_FOREIGN);
    }
    for (size_t cut = 0; cut < IDENTIFY_LEN; cut += 17) {
        memcpy(sent, frame, sizeof sent);
        CHECK(session_admit(&host, sent, cut, 1000, &randomness.drbg.vtable, admit) ==
              ADMISSION_FOREIGN);
    }
    /* The signature of this session, sealed in another one. */
    memcpy(sent, frame, sizeof sent);
    uint8_t *body = sent + IDENTIFY_BODY, *tag = body + IDENTITY_LEN;
    CHECK(aead_open(session.key, sent + IDENTIFY_NONCE, sent, IDENTIFY_BODY, body, IDENTITY_LEN,
                    tag));
    memcpy(sent + IDENTIFY_TICKET, second.ticket, TICKET_LEN);
    aead_seal(second.key, sent + IDENTIFY_NONCE, sent, IDENTIFY_BODY, body, IDENTITY_LEN, tag);
    CHECK(session_admit(&host, sent, sizeof sent, 1000, &randomness.drbg.vtable, admit) ==
          ADMISSION_NOT_ENROLLED);
    /* Another server, with the same ticket keys. */
    memcpy(sent, frame, sizeof sent);
    rsa_public_id(&other_key.public, ticket_key.server_id);
    CHECK(session_admit(&host, sent, sizeof sent, 1000, &randomness.drbg.vtable, admit) ==
          ADMISSION_NOT_ENROLLED);
    rsa_public_id(&server_key.public, ticket_key.server_id);
    memcpy(sent, frame, sizeof sent);
    CHECK(session_admit(&host, sent, sizeof sent, 1000, &randomness.drbg.vtable, admit) ==
          ADMISSION_GOOD);
    for (size_t i = 0; i < ADMIT_LEN; i++) {
        admit[i] ^= 0x10;
        CHECK(identity_finish(&session, frame, admit, ADMIT_LEN) == ADMISSION_FOREIGN);
        admit[i] ^= 0x10;
        CHECK(identity_finish(&session, frame, admit, i) == ADMISSION_FOREIGN);
    }
    frame[IDENTIFY_NONCE + 3] ^= 1; /* the answer to another frame */
    CHECK(identity_finish(&session, frame, admit, ADMIT_LEN) == ADMISSION_FOREIGN);
    frame[IDENTIFY_NONCE + 3] ^= 1;
    CHECK(identity_finish(&session, frame, admit, ADMIT_LEN) == ADMISSION_GOOD);
}

static void test_openings_altered(void) {
    static struct opening opening;
    static uint8_t frame[OPEN_MAX];
    struct ticket_key ticket_key;
    struct session_host host = host_of(&ticket_key);
    struct session session;
    uint8_t accept[ACCEPT_LEN];
    CHECK(opening_begin(&opening, &server_key.public, &no_session, &randomness.drbg.vtable));
    size_t len = opening.frame_len;
    for (size_t i = 0; i < len; i += i < OPEN_CIPHERTEXT ? 1 : 37) {
        memcpy(frame, opening.frame, len);
        frame[i] ^= 0x01;
        bool is_accepted = session_accept(&host, frame, len, 1, &randomness.drbg.vtable, accept);
        bool is_finished = is_accepted && opening_finish(&opening, accept, ACCEPT_LEN, &session);
        /* Another share is another session, which the client does not take for its own. */
        CHECK(is_finished == (i >= OPEN_COOKIE && i < OPEN_KEY_ID));
        bool is_for_key = i < OPEN_KEY_ID || i >= OPEN_SHARE;
        CHECK(is_accepted == (i >= OPEN_COOKIE && i < OPEN_CIPHERTEXT && is_for_key));
    }
    for (size_t cut = 0; cut < len; cut++)
        CHECK(!session_accept(&host, opening.frame, cut, 1, &randomness.drbg.vtable, accept));
    CHECK(session_accept(&host, opening.frame, len, 1, &randomness.drbg.vtable, accept));
    for (size_t i = 0; i < ACCEPT_LEN; i++) {
        CHECK(!opening_finish(&opening, accept, i, &session));
        accept[i] ^= 0x80;
        /* X25519 ignores the top bit of a share (RFC 7748); the transcript does not. */
        CHECK(!opening_finish(&opening, accept, ACCEPT_LEN, &session));
        accept[i] ^= 0x80;
    }
    CHECK(opening_finish(&opening, accept, ACCEPT_LEN, &session));
    /* A share that makes X25519 give zero. */
    memset(accept + FRAME_HEADER_LEN, 0, X25519_LEN);
    CHECK(!opening_finish(&opening, accept, ACCEPT_LEN, &session));
}

/* --- renewals --------------------------------------------------------------------------------- */

static bool renew(const struct session_host *host, const struct session *session, int64_t now_s,
                  struct session *renewed) {
    static struct opening opening;
    uint8_t accept[ACCEPT_LEN];
    opening_renew(&opening, &server_key.public, session, &randomness.drbg.vtable);
    CHECK(opening.frame_len == RENEW_LEN);
    bool is_good =
        session_renew(host, opening.frame, RENEW_LEN, now_s, &randomness.drbg.vtable, accept);
    if (is_good)
        CHECK(opening_finish(&opening, accept, ACCEPT_LEN, renewed));
    return is_good;
}

static struct session_host renewing_host(struct ticket_key *ticket_key,
                                         struct ticket_key *renewal_key, struct session *session) {
    static const uint8_t secret[AEAD_KEY_LEN] = {43};
    struct session_host host = host_of(ticket_key);
    ticket_key_init(renewal_key, TICKET_RENEWALS, secret, &binding, 0);
    host.renewal_keys = renewal_key;
    host.renewal_key_count = 1;
    kiosk_until_s = INT64_MAX;
    CHECK(open_session(&host, 1000, session));
    CHECK(session->renewal_lifetime_s == 0 && bytes_are_zero(session->renewal, RENEWAL_LEN));
    CHECK(say_who(&host, session, &kiosk_key, 1000) == ADMISSION_GOOD);
    CHECK(session->renewal_lifetime_s == RENEWAL_LIFETIME_S);
    return host;
}

/* Sessions follow one from the other, each with its own keys, until the chain ends. */
static void test_a_chain(void) {
    struct ticket_key ticket_key, renewal_key;
    struct session session, renewed;
    struct ticket ticket;
    struct session_host host = renewing_host(&ticket_key, &renewal_key, &session);
    int64_t now_s = 1000, step_s = RENEWAL_LIFETIME_S, ended_s = 0;
    for (int i = 0; ended_s == 0; i++) {
        CHECK(renewal_open(&ticket, session.renewal, &renewal_key, 1));
        int64_t chain_ends_s = ticket.chain_ends_s;
        CHECK(chain_ends_s > 1000 + RENEWAL_CHAIN_S - RENEWAL_CHAIN_JITTER_S &&
              chain_ends_s <= 1000 + RENEWAL_CHAIN_S && i < 20);
        CHECK(!renew(&host, &session, now_s + RENEWAL_LIFETIME_S + 1, &renewed)); /* expired */
        now_s += session.renewal_lifetime_s < step_s ? session.renewal_lifetime_s - 1 : step_s;
        if (!renew(&host, &session, now_s, &renewed)) {
            ended_s = now_s;
            break;
        }
        CHECK(memcmp(renewed.key, session.key, SESSION_KEY_LEN) != 0 &&
              renewed.lifetime_s == 3600 && renewed.server_time_s == now_s);
        CHECK(ticket_open(&ticket, renewed.ticket, &ticket_key, 1) &&
              memcmp(ticket.kiosk, kiosk_id, KIOSK_ID_LEN) == 0 &&
              memcmp(ticket.session_key, renewed.key, SESSION_KEY_LEN) == 0);
        session = renewed;
        if (session.renewal_lifetime_s < 3)
            ended_s = now_s + session.renewal_lifetime_s;
    }
    CHECK(!renew(&host, &session, ended_s + 2, &renewed));
    CHECK(ended_s >= 1000 + RENEWAL_CHAIN_S - RENEWAL_CHAIN_JITTER_S - 3 &&
          ended_s <= 1000 + RENEWAL_CHAIN_S);
}

static void test_renewals_refused(void) {
    static struct opening opening;
    struct ticket_key ticket_key, renewal_key;
    struct session session, renewed;
    struct session_host host = renewing_host(&ticket_key, &renewal_key, &session);
    uint8_t frame[RENEW_LEN], accept[ACCEPT_LEN];
    CHECK(renew(&host, &session, 2000, &renewed));
    opening_renew(&opening, &server_key.public, &session, &randomness.drbg.vtable);
    for (size_t i = 0; i < RENEW_LEN; i++) {
        memcpy(frame, opening.frame, RENEW_LEN);
        frame[i] ^= 1;
        bool is_accepted =
            session_renew(&host, frame, RENEW_LEN, 2000, &randomness.drbg.vtable, accept);
        bool is_cookie = i >= OPEN_COOKIE && i < OPEN_KEY_ID;
        CHECK(is_accepted == is_cookie); /* the rest is proved */
        CHECK(!is_accepted || opening_finish(&opening, accept, ACCEPT_LEN, &renewed));
        CHECK(!session_renew(&host, opening.frame, i, 2000, &randomness.drbg.vtable, accept));
    }
    kiosk_until_s = 2000; /* its last day */
    CHECK(!renew(&host, &session, 2000, &renewed) && renew(&host, &session, 1999, &renewed));
    kiosk_until_s = INT64_MAX;
    rsa_public_id(&other_key.public, renewal_key.server_id); /* sealed with another server key */
    CHECK(!renew(&host, &session, 2000, &renewed));
    rsa_public_id(&server_key.public, renewal_key.server_id);
    session.key[0] ^= 1; /* who has the renewal ticket, but not the session's key */
    opening_renew(&opening, &server_key.public, &session, &randomness.drbg.vtable);
    CHECK(!session_renew(&host, opening.frame, RENEW_LEN, 2000, &randomness.drbg.vtable, accept));
    session.key[0] ^= 1;
    /* The same frame twice: the two answers have nothing in common. */
    uint8_t again[ACCEPT_LEN];
    opening_renew(&opening, &server_key.public, &session, &randomness.drbg.vtable);
    CHECK(session_renew(&host, opening.frame, RENEW_LEN, 2000, &randomness.drbg.vtable, accept) &&
          session_renew(&host, opening.frame, RENEW_LEN, 2000, &randomness.drbg.vtable, again));
    CHECK(memcmp(accept + ACCEPT_RANDOM, again + ACCEPT_RANDOM, ACCEPT_RANDOM_LEN) != 0);
    CHECK(opening_finish(&opening, accept, ACCEPT_LEN, &renewed) &&
          opening_finish(&opening, again, ACCEPT_LEN, &session) &&
          memcmp(session.key, renewed.key, SESSION_KEY_LEN) != 0);
    session = renewed;
    /* Made by who has had the key: it says more than any server has sealed. */
    struct ticket forged;
    uint8_t nonce[AEAD_NONCE_LEN] = {3};
    CHECK(renewal_open(&forged, session.renewal, &renewal_key, 1));
    forged.chain_ends_s = INT64_MAX;
    renewal_seal(session.renewal, &forged, &renewal_key, nonce);
    CHECK(!renew(&host, &session, 2000, &renewed));
    forged.chain_ends_s = 2000 + RENEWAL_CHAIN_S;
    forged.expires_s = INT64_MAX;
    renewal_seal(session.renewal, &forged, &renewal_key, nonce);
    CHECK(!renew(&host, &session, 2000, &renewed));
    forged.expires_s = 3000;
    renewal_seal(session.renewal, &forged, &renewal_key, nonce);
    renewal_key.chain_limit_s = 2000 + 2 * 86400; /* an old secret's */
    CHECK(renew(&host, &session, 2000, &renewed));
    CHECK(renewal_open(&forged, renewed.renewal, &renewal_key, 1) &&
          forged.chain_ends_s <= 2000 + 2 * 86400 && forged.chain_ends_s > 2000 + 86400);
    renewal_key.chain_limit_s = 0;
    host.find_kiosk = NULL;
    CHECK(!renew(&host, &session, 2000, &renewed));
    host.find_kiosk = find_kiosk;
    host.renewal_key_count = 0;
    CHECK(!renew(&host, &session, 2000, &renewed));
}

/* --- tickets ---------------------------------------------------------------------------------- */

static void test_tickets(void) {
    static const uint8_t secrets[3][AEAD_KEY_LEN] = {{1}, {2}, {3}};
    struct ticket_key keys[3];
    struct ticket ticket = {.expires_s = 77, .kiosk = {9}, .session_key = {8}}, got;
    uint8_t sealed[TICKET_LEN], nonce[AEAD_NONCE_LEN] = {5};
    for (int i = 0; i < 3; i++)
        ticket_key_init(&keys[i], TICKET_SESSIONS, secrets[i], &binding, 0);
    ticket_seal(sealed, &ticket, &keys[2], nonce);
    CHECK(ticket_open(&got, sealed, keys, 3) && got.expires_s == 77 && got.kiosk[0] == 9 &&
          got.session_key[0] == 8);
    for (unsigned count = 0; count < 3; count++) /* its key is forgotten, though it lies behind */
        CHECK(!ticket_open(&got, sealed, keys, count));
    for (size_t i = 0; i < TICKET_LEN; i++) {
        sealed[i] ^= 4;
        CHECK(!ticket_open(&got, sealed, keys, 3));
        sealed[i] ^= 4;
    }
}

/* A ticket key is that of its use, secret, period, server and authority. */
static void test_ticket_binding(void) {
    static const uint8_t secret[AEAD_KEY_LEN] = {9}, one[SHA256_LEN] = {1}, two[SHA256_LEN] = {2};
    struct ticket_binding bindings[3];
    struct ticket_key keys[5];
    ticket_bind(&bindings[0], one, two);
    ticket_bind(&bindings[1], two, one);
    ticket_bind(&bindings[2], one, one);
    for (int i = 0; i < 3; i++)
        ticket_key_init(&keys[i], TICKET_SESSIONS, secret, &bindings[i], 5);
    ticket_key_init(&keys[3], TICKET_SESSIONS, secret, &bindings[0], 6);
    ticket_key_init(&keys[4], TICKET_RENEWALS, secret, &bindings[0], 5);
    for (int i = 0; i < 5; i++) {
        for (int other = 0; other < i; other++)
            CHECK(memcmp(keys[i].key, keys[other].key, AEAD_KEY_LEN) != 0 &&
                  memcmp(keys[i].id, keys[other].id, TICKET_KEY_ID_LEN) != 0);
    }
}

static void test_cookies(void) {
    static const uint8_t key[COOKIE_KEY_LEN] = {7};
    uint8_t cookie[COOKIE_LEN];
    cookie_make(cookie, key, "\x7f\0\0\1\x1f\x90", 6, 1000);
    CHECK(cookie_check(cookie, key, "\x7f\0\0\1\x1f\x90", 6, 1000));
    CHECK(cookie_check(cookie, key, "\x7f\0\0\1\x1f\x90", 6, 1000 + COOKIE_LIFETIME_S));
    CHECK(!cookie_check(cookie, key, "\x7f\0\0\1\x1f\x90", 6, 1001 + COOKIE_LIFETIME_S));
    CHECK(!cookie_check(cookie, key, "\x7f\0\0\1\x1f\x90", 6, 999)); /* from the future */
    CHECK(!cookie_check(cookie, key, "\x7f\0\0\1\x1f\x91", 6, 1000));
    for (size_t i = 0; i < COOKIE_LEN; i++) {
        cookie[i] ^= 1;
        CHECK(!cookie_check(cookie, key, "\x7f\0\0\1\x1f\x90", 6, 1000));
        cookie[i] ^= 1;
    }
}

/* --- questions and answers -------------------------------------------------------------------- */

static void fill_question(struct question *question, unsigned count, enum question_what what) {
    memset(question, 0, sizeof *question);
    question->what = what;
    question->count = count;
    question->release_id[5] = 9;
    for (unsigned i = 0; i < count; i++) {
        struct inquired *item = &question->items[i];
        item->kind = (uint8_t)(i % 3 == 2 ? ASK_DOCUMENT : ASK_NUMBER);
        item->form_count =
            (uint8_t)(item->kind == ASK_NUMBER && count < 20 ? i % (FORMS_MAX + 1) : 0);
        memset(item->digest, (int)(i * 7), SHA256_LEN);
        for (unsigned f = 0; f < item->form_count; f++) {
            item->forms[f].field = (uint8_t)(f < 3 ? FIELD_NAME : f - 1);
            memset(item->forms[f].digest, (int)(f + i), FIELD_DIGEST_LEN);
        }
    }
}

static const uint8_t further_bytes[] = {3, 3, 0, 1, 2, 0};

static void fill_answer(struct answer *answer, unsigned count, enum question_what what) {
    memset(answer, 0, sizeof *answer);
    answer->server_time_s = 1000;
    answer->release_id[31] = 3;
    answer->count = count;
    for (unsigned i = 0; i < count; i++) {
        struct db_answer *entry = &answer->entries[i];
        *entry = db_answer_none();
        if (i % 2 == 0) {
            entry->is_found = true;
            entry->kind = (uint8_t)(i / 2 % 4);
            entry->terms[3] = (uint8_t)i;
            entry->matches[1 + i % 4] = FIELD_SAME;
            entry->card_state = CARD_LOST;
            if (count < 20)
                entry->further = (struct further){further_bytes, sizeof further_bytes};
        }
    }
    for (unsigned i = 0; i < count && what == WHAT_PROOFS; i++) {
        struct proof *proof = &answer->proofs[i];
        proof->entry_count = 1 + i % 2;
        proof->node_count = 3 * i;
        proof->entries[0].index = 123456789;
        proof->entries[0].further = (struct further){further_bytes, sizeof further_bytes};
        memset(proof->nodes, (int)i, sizeof proof->nodes);
    }
}

static bool is_same_entry(const struct db_answer *a, const struct db_answer *b) {
    return a->is_found == b->is_found && a->kind == b->kind && a->card_state == b->card_state &&
           memcmp(a->matches, b->matches, sizeof a->matches) == 0 &&
           memcmp(a->terms, b->terms, DB_TERMS_LEN) == 0 && a->further.len == b->further.len &&
           (a->further.len == 0 || memcmp(a->further.bytes, b->further.bytes, a->further.len) == 0);
}

static void test_asking(unsigned count, enum question_what what, size_t len_min) {
    static const uint8_t key[SESSION_KEY_LEN] = {1}, nonce[ASK_RANDOM_LEN] = {2},
                         ticket[TICKET_LEN] = {3};
    static uint8_t ask[FRAME_MAX], copy[FRAME_MAX], frame[FRAME_MAX];
    static struct question question, got;
    static struct answer answer, got_answer;
    fill_question(&question, count, what);
    size_t ask_len = question_seal(ask, &question, key, ticket, nonce, len_min),
           own = question_len(&question);
    CHECK(ask_len == (len_min > own ? len_min : own));
    memcpy(copy, ask, ask_len);
    CHECK(question_open(&got, copy, ask_len, key) == QUESTION_GOOD);
    CHECK(got.what == what && got.count == count && got.offset == 0 &&
          memcmp(got.release_id, question.release_id, SHA256_LEN) == 0);
    for (unsigned i = 0; i < count; i++)
        CHECK(memcmp(&got.items[i], &question.items[i],
                     2 + SHA256_LEN + question.items[i].form_count * sizeof(struct form_digest)) ==
              0);
    for (size_t i = 0; i < ask_len; i += i < 300 ? 1 : 7) {
        memcpy(copy, ask, ask_len);
        CHECK(question_open(&got, copy, i, key) == QUESTION_FOREIGN);
        memcpy(copy, ask, ask_len);
        copy[i] ^= 0x10;
        CHECK(question_open(&got, copy, ask_len, key) == QUESTION_FOREIGN);
    }

    /* An answer is as long as its question. */
    size_t len = ask_len;
    fill_answer(&answer, count, what);
    CHECK(answer_write(frame, len, &answer, what));
    answer_seal(frame, len, ask, ask_len, key, nonce);
    memcpy(copy, frame, len);
    CHECK(answer_open(&got_answer, what, copy, len, ask, ask_len, key, NULL) == 0);
    CHECK(got_answer.server_time_s == 1000 && got_answer.release_id[31] == 3 &&
          got_answer.count == count);
    for (unsigned i = 0; i < count; i++)
        CHECK(what == WHAT_PROOFS ? got_answer.proofs[i].node_count == 3 * i
                                  : is_same_entry(&got_answer.entries[i], &answer.entries[i]));
    for (size_t i = 0; i < len; i += i < ANSWER_BODY || i > 3000 ? 1 : 5) {
        memcpy(copy, frame, len);
        CHECK(answer_open(&got_answer, what, copy, i, ask, ask_len, key, NULL) != 0);
        memcpy(copy, frame, len);
        copy[i] ^= 0x10;
        CHECK(answer_open(&got_answer, what, copy, len, ask, ask_len, key, NULL) != 0);
    }
    /* The answer to another question of the session. */
    ask[ASK_NONCE + 3] ^= 1;
    memcpy(copy, frame, len);
    CHECK(answer_open(&got_answer, what, copy, len, ask, ask_len, key, NULL) == ERR_SIGNATURE);
    ask[ASK_NONCE + 3] ^= 1;
    ask[ask_len - 1] ^= 1;
    memcpy(copy, frame, len);
    CHECK(answer_open(&got_answer, what, copy, len, ask, ask_len, key, NULL) == ERR_SIGNATURE);
}

/* What does not fit is not cut off. */
static void test_too_long(void) {
    static uint8_t frame[FRAME_MAX];
    static struct answer answer;
    fill_answer(&answer, 4, WHAT_ANSWERS);
    size_t need = ANSWER_LEN(2 * (FOUND_FURTHER + sizeof further_bytes) + 2);
    CHECK(answer_write(frame, need, &answer, WHAT_ANSWERS));
    CHECK(!answer_write(frame, need - 1, &answer, WHAT_ANSWERS));
}

/* What one side has sealed is never taken for what the other says. */
static void test_directions(void) {
    static const uint8_t key[SESSION_KEY_LEN] = {1}, nonce[ASK_RANDOM_LEN] = {2},
                         ticket[TICKET_LEN] = {3};
    static uint8_t ask[FRAME_MAX], frame[FRAME_MAX], aad[ANSWER_BODY + AEAD_TAG_LEN];
    static struct question question, got;
    static struct answer answer;
    fill_question(&question, 1, WHAT_ANSWERS);
    size_t ask_len = question_seal(ask, &question, key, ticket, nonce, 0), len = ask_len;
    fill_answer(&answer, 1, WHAT_ANSWERS);
    CHECK(answer_write(frame, len, &answer, WHAT_ANSWERS));
    answer_seal(frame, len, ask, ask_len, key, nonce);

    uint8_t *tag = frame + len - AEAD_TAG_LEN;
    size_t body_len = len - ANSWER_BODY - AEAD_TAG_LEN;
    for (uint8_t direction = 0; direction < 4; direction++) {
        memcpy(aad + ANSWER_BODY, ask + ask_len - AEAD_TAG_LEN, AEAD_TAG_LEN);
        memcpy(aad, frame, ANSWER_BODY);
        CHECK(aead_open(key, frame + ANSWER_NONCE, aad, sizeof aad, frame + ANSWER_BODY, body_len,
                        tag));
        frame[ANSWER_NONCE] = aad[ANSWER_NONCE] = direction;
        aead_seal(key, frame + ANSWER_NONCE, aad, sizeof aad, frame + ANSWER_BODY, body_len, tag);
        static uint8_t copy[FRAME_MAX];
        memcpy(copy, frame, len);
        bool is_taken = answer_open(&answer, WHAT_ANSWERS, copy, len, ask, ask_len, key, NULL) == 0;
        CHECK(is_taken == (direction == NONCE_ANSWER));
    }

    tag = ask + ask_len - AEAD_TAG_LEN;
    body_len = ask_len - ASK_BODY - AEAD_TAG_LEN;
    for (uint8_t direction = 0; direction < 4; direction++) {
        static uint8_t copy[FRAME_MAX];
        CHECK(aead_open(key, ask + ASK_NONCE, ask, ASK_BODY, ask + ASK_BODY, body_len, tag));
        ask[ASK_NONCE] = direction;
        aead_seal(key, ask + ASK_NONCE, ask, ASK_BODY, ask + ASK_BODY, body_len, tag);
        memcpy(copy, ask, ask_len);
        bool is_taken = question_open(&got, copy, ask_len, key) == QUESTION_GOOD;
        CHECK(is_taken == (direction == NONCE_ASK));
    }
}

/* Sealed as it should be, but no question. */
static void test_bad_question(void) {
    static const uint8_t key[SESSION_KEY_LEN] = {1}, nonce[ASK_RANDOM_LEN], ticket[TICKET_LEN];
    static uint8_t ask[FRAME_MAX];
    static struct question question, got;
    for (int what = 0; what < 10; what++) {
        for (unsigned count = 0; count < 6; count += 5) {
            fill_question(&question, count, (enum question_what)what);
            size_t len = question_seal(ask, &question, key, ticket, nonce, 0);
            bool is_good =
                count == 0 ? what > WHAT_PROOFS && what <= WHAT_QUOTA : what == WHAT_ANSWERS;
            CHECK(question_open(&got, ask, len, key) ==
                  (is_good ? QUESTION_GOOD : QUESTION_MALFORMED));
        }
    }
    static const struct inquired bad[] = {{.kind = 0},
                                          {.kind = 4},
                                          {.kind = ASK_DOCUMENT, .form_count = 1},
                                          {.kind = ASK_NUMBER, .form_count = 1}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        fill_question(&question, 1, WHAT_ANSWERS);
        question.items[0] = bad[i];
        size_t len = question_seal(ask, &question, key, ticket, nonce, 0);
        CHECK(question_open(&got, ask, len, key) == QUESTION_MALFORMED);
    }
    /* An offset where none belongs. */
    fill_question(&question, 1, WHAT_ANSWERS);
    question.offset = 1;
    size_t len = question_seal(ask, &question, key, ticket, nonce, 0);
    CHECK(question_open(&got, ask, len, key) == QUESTION_MALFORMED);
}

static void test_headers(void) {
    struct frame frame;
    CHECK(frame_read_header(&frame, (const uint8_t *)"dlv\2\3\0\12\1", 8) == FRAME_OK);
    CHECK(frame.type == FRAME_ASK && frame.len == 266);
    for (size_t i = 0; i < 8; i++)
        CHECK(frame_read_header(&frame, (const uint8_t *)"dlv\2\3\0\12\1", i) == FRAME_WAIT);
    CHECK(frame_read_header(&frame, (const uint8_t *)"dlv\1", 4) == FRAME_OTHER_VERSION);
    CHECK(frame_read_header(&frame, (const uint8_t *)"dlw", 3) == FRAME_FOREIGN);
    CHECK(frame_read_header(&frame, (const uint8_t *)"C", 1) == FRAME_FOREIGN);
    CHECK(frame_read_header(&frame, (const uint8_t *)"dlv\2\3\0\7\0", 8) == FRAME_FOREIGN);
    CHECK(frame_read_header(&frame, (const uint8_t *)"dlv\2\3\1\12\0", 8) == FRAME_FOREIGN);
}

int main(void) {
    CHECK(random_open(&randomness, NULL) == 0);
    CHECK(rsa_generate(&server_key, 2048, &randomness));
    CHECK(rsa_generate(&kiosk_key, 2048, &randomness));
    CHECK(rsa_generate(&other_key, 2048, &randomness));
    rsa_public_id(&kiosk_key.public, kiosk_id);
    test_headers();
    test_who_may_open();
    test_identities();
    test_ticket_binding();
    test_a_chain();
    test_renewals_refused();
    test_openings_altered();
    test_tickets();
    test_cookies();
    test_asking(1, WHAT_ANSWERS, 0);
    test_asking(1, WHAT_ANSWERS, 500);
    test_asking(QUESTION_MAX, WHAT_ANSWERS, 0);
    test_asking(12, WHAT_ANSWERS, 1232);
    test_asking(QUESTION_PROVED_MAX, WHAT_PROOFS, 2500);
    test_too_long();
    test_directions();
    test_bad_question();
    return unit_end("session");
}
