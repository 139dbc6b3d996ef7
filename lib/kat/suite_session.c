/* Cases of X25519, ChaCha20-Poly1305, and whole sessions. */
#include "kat/suites.h"

#include "base/bytes.h"
#include "crypto/aead.h"
#include "crypto/rsa_key.h"
#include "crypto/x25519.h"
#include "kat/database.h"
#include "kat/key.h"
#include "wire/identity.h"
#include "wire/respond.h"

#include <string.h>

#define TICKET_LIFETIME_S 3600
#define RENEWAL_PERIOD_S 86400

/* Shared is zeros where the point is one of the few that must be refused. */
enum kat_outcome kat_x25519(struct kat_vector *vector) {
    uint8_t scalar[X25519_LEN], point[X25519_LEN], expected[X25519_LEN], shared[X25519_LEN];
    if (!kat_get_bytes(vector, F_SCALAR, scalar, sizeof scalar) ||
        !kat_get_bytes(vector, F_POINT, point, sizeof point) ||
        !kat_get_bytes(vector, F_SHARED, expected, sizeof expected))
        return KAT_FAILED;
    bool is_good = x25519_agree(shared, scalar, point);
    if (is_good == bytes_are_zero(expected, sizeof expected) ||
        memcmp(shared, expected, sizeof shared) != 0)
        return kat_fail(vector, "X25519 differs");
    return KAT_PASSED;
}

/* --- ChaCha20-Poly1305 ------------------------------------------------------------------------ */

struct aead_case {
    uint8_t key[AEAD_KEY_LEN];
    uint8_t nonce[64];
    size_t nonce_len;
    uint8_t aad[KAT_VALUE_MAX];
    size_t aad_len;
    uint8_t data[KAT_VALUE_MAX];
    size_t len;
    uint8_t expected[KAT_VALUE_MAX];
    size_t expected_len;
    uint8_t tag[AEAD_TAG_LEN];
};

static bool read_aead(const struct kat_vector *vector, struct aead_case *aead) {
    return kat_get_bytes(vector, F_KEY, aead->key, sizeof aead->key) &&
           kat_get_hex(vector, F_NONCE, aead->nonce, sizeof aead->nonce, &aead->nonce_len) &&
           kat_get_optional(vector, F_AAD, aead->aad, sizeof aead->aad, &aead->aad_len);
}

/* Closed by Sealed, which is the ciphertext and its tag. */
static enum kat_outcome aead_sealed(struct kat_vector *vector, struct aead_case *aead) {
    size_t sealed_len, len;
    if (!read_aead(vector, aead) ||
        !kat_get_optional(vector, F_MSG, aead->data, sizeof aead->data, &len) ||
        !kat_get_hex(vector, F_SEALED, aead->expected, sizeof aead->expected, &sealed_len))
        return KAT_FAILED;
    if (aead->nonce_len != AEAD_NONCE_LEN || sealed_len != len + AEAD_TAG_LEN)
        return kat_fail(vector, "Nonce has not 12 bytes, or Sealed is not Msg and a tag long");
    aead_seal(aead->key, aead->nonce, aead->aad, aead->aad_len, aead->data, len, aead->tag);
    if (memcmp(aead->data, aead->expected, len) != 0 ||
        memcmp(aead->tag, aead->expected + len, AEAD_TAG_LEN) != 0)
        return kat_fail(vector, "ChaCha20-Poly1305 differs");
    if (!aead_open(aead->key, aead->nonce, aead->aad, aead->aad_len, aead->data, len, aead->tag))
        return kat_fail(vector, "ChaCha20-Poly1305 does not open what it has sealed");
    aead->tag[0] ^= 1;
    if (aead_open(aead->key, aead->nonce, aead->aad, aead->aad_len, aead->data, len, aead->tag))
        return kat_fail(vector, "ChaCha20-Poly1305 opens what was altered");
    return KAT_PASSED;
}

/* Closed by Result: CT and Tag open to Msg, or must not open. */
static enum kat_outcome aead_opened(struct kat_vector *vector, struct aead_case *aead) {
    size_t tag_len, message_len;
    enum kat_expected expected;
    if (!read_aead(vector, aead) ||
        !kat_get_optional(vector, F_CT, aead->data, sizeof aead->data, &aead->len) ||
        !kat_get_optional(vector, F_MSG, aead->expected, sizeof aead->expected, &message_len) ||
        !kat_get_hex(vector, F_TAG, aead->tag, sizeof aead->tag, &tag_len) ||
        !kat_get_result(vector, &expected))
        return KAT_FAILED;
    /* dlv has no function that takes a nonce or a tag of another length, so these do not open. */
    bool is_open = aead->nonce_len == AEAD_NONCE_LEN && tag_len == AEAD_TAG_LEN &&
                   aead_open(aead->key, aead->nonce, aead->aad, aead->aad_len, aead->data,
                             aead->len, aead->tag);
    if (is_open && expected == KAT_MUST_PASS &&
        (message_len != aead->len || memcmp(aead->data, aead->expected, message_len) != 0))
        return kat_fail(vector, "ChaCha20-Poly1305 opens to another message");
    return kat_compare_result(vector, expected, is_open, "ChaCha20-Poly1305 tag");
}

enum kat_outcome kat_aead(struct kat_vector *vector) {
    static struct aead_case aead;
    memset(&aead, 0, sizeof aead);
    return kat_has(vector, F_SEALED) ? aead_sealed(vector, &aead) : aead_opened(vector, &aead);
}

/* --- a whole session -------------------------------------------------------------------------- */

struct session_case {
    struct rsa_private server;
    struct rsa_private kiosk;
    struct opening opening;
    struct session session;
    struct ticket_key ticket_key, renewal_key;
    struct response_memory memory;
    uint8_t ask[FRAME_MAX];
    size_t ask_len;
    uint8_t frame[FRAME_MAX];
    uint8_t expected[FRAME_MAX];
    unsigned long long now;
};

/* Whether a field holds these bytes. */
static bool compare(const struct kat_vector *vector, struct session_case *session,
                    enum kat_field field, const uint8_t *bytes, size_t len, const char *what) {
    size_t expected_len;
    if (!kat_get_hex(vector, field, session->expected, sizeof session->expected, &expected_len))
        return false;
    if (expected_len == len && memcmp(session->expected, bytes, len) == 0)
        return true;
    kat_fail(vector, what);
    return false;
}

static bool load_kiosk(const struct kat_vector *vector, struct session_case *session) {
    char path[PATH_MAX], pem[RSA_PEM_MAX];
    struct error reason;
    if (!kat_has(vector, F_KIOSK_KEY))
        return true;
    kat_path_beside(vector, F_KIOSK_KEY, path);
    ssize_t len = file_read(path, pem, sizeof pem, &reason);
    if (len >= 0 && rsa_private_read_pem(&session->kiosk, pem, (size_t)len, &reason) == 0)
        return true;
    kat_fail(vector, reason.text);
    return false;
}

static bool open_session(const struct kat_vector *vector, struct session_case *session) {
    uint8_t random[SESSION_SECRET_LEN + X25519_LEN + SHA256_LEN];
    struct kat_given source = {&kat_given_class, random};
    if (!kat_get_rsa_private(vector, &session->server) || !load_kiosk(vector, session) ||
        !kat_get_bytes(vector, F_SECRET, random, SESSION_SECRET_LEN) ||
        !kat_get_bytes(vector, F_EXPONENT, random + SESSION_SECRET_LEN, X25519_LEN) ||
        !kat_get_bytes(vector, F_SEED, random + SESSION_SECRET_LEN + X25519_LEN, SHA256_LEN))
        return false;
    if (!opening_begin(&session->opening, &session->server.public, &session->session,
                       &source.vtable)) {
        kat_fail(vector, "no session can be opened");
        return false;
    }
    return compare(vector, session, F_OPEN, session->opening.frame, session->opening.frame_len,
                   "the OPEN frame differs");
}

/* The list of enrolled kiosks is the one kiosk of the case. */
static const struct rsa_public *find_kiosk(const void *context, const uint8_t *id, size_t id_len,
                                           int64_t now_s) {
    const struct session_case *session = context;
    uint8_t own[SHA256_LEN];
    (void)now_s;
    rsa_public_id(&session->kiosk.public, own);
    return memcmp(own, id, id_len) == 0 ? &session->kiosk.public : NULL;
}

/* The ticket keys of the case, bound to its server and to the authority of its database. */
static bool make_ticket_key(struct kat_vector *vector, struct session_case *session,
                            const uint8_t server_id[SHA256_LEN]) {
    static const char purpose[] = "dlv session 2 renewals";
    uint8_t secret[AEAD_KEY_LEN], renewing[AEAD_KEY_LEN];
    struct ticket_binding binding;
    if (!kat_get_bytes(vector, F_TICKET_KEY, secret, sizeof secret) || !kat_open_database(vector))
        return false;
    ticket_bind(&binding, server_id, vector->database->db.header.facts.authority_id);
    ticket_key_init(&session->ticket_key, TICKET_SESSIONS, secret, &binding,
                    (int64_t)(session->now / TICKET_LIFETIME_S));
    hmac_sha256(renewing, secret, sizeof secret, purpose, sizeof purpose - 1);
    ticket_key_init(&session->renewal_key, TICKET_RENEWALS, renewing, &binding,
                    (int64_t)(session->now / RENEWAL_PERIOD_S));
    return true;
}

static struct session_host make_host(const struct session_case *session, bool has_kiosk) {
    struct session_host host = {.key = &session->server,
                                .find_kiosk = has_kiosk ? find_kiosk : NULL,
                                .kiosks = session,
                                .ticket_keys = &session->ticket_key,
                                .ticket_key_count = 1,
                                .renewal_keys = &session->renewal_key,
                                .renewal_key_count = 1,
                                .lifetime_s = TICKET_LIFETIME_S};
    rsa_public_id(&session->server.public, host.id);
    return host;
}

static bool accept_session(struct kat_vector *vector, struct session_case *session) {
    uint8_t accept[ACCEPT_LEN];
    uint8_t random[SESSION_SECRET_LEN + ACCEPT_RANDOM_LEN + AEAD_NONCE_LEN] = {0};
    struct kat_given source = {&kat_given_class, random};
    struct session_host host = make_host(session, false);
    if (!kat_get_bytes(vector, F_TICKET_NONCE, random + SESSION_SECRET_LEN,
                       ACCEPT_RANDOM_LEN + AEAD_NONCE_LEN) ||
        !kat_get_bytes(vector, F_SERVER_EXPONENT, host.exponent, sizeof host.exponent) ||
        !kat_get_number(vector, F_NOW, &session->now) || !make_ticket_key(vector, session, host.id))
        return false;
    x25519_share(host.share, host.exponent);
    if (!session_accept(&host, session->opening.frame, session->opening.frame_len,
                        (int64_t)session->now, &source.vtable, accept)) {
        kat_fail(vector, "a good opening was refused");
        return false;
    }
    if (!compare(vector, session, F_ACCEPT, accept, ACCEPT_LEN, "the ACCEPT frame differs"))
        return false;
    if (!opening_finish(&session->opening, accept, ACCEPT_LEN, &session->session)) {
        kat_fail(vector, "the ACCEPT frame is not accepted");
        return false;
    }
    return compare(vector, session, F_SESSION_KEY, session->session.key, SESSION_KEY_LEN,
                   "the session's key differs");
}

/* The kiosk says who it is, and gets another ticket. */
static bool identify(const struct kat_vector *vector, struct session_case *session) {
    uint8_t nonce[ASK_RANDOM_LEN], frame[IDENTIFY_LEN], sent[IDENTIFY_LEN], admit[ADMIT_LEN];
    uint8_t random[ASK_RANDOM_LEN + 2 * AEAD_NONCE_LEN];
    struct kat_given source = {&kat_given_class, random};
    const struct session_host host = make_host(session, true);
    if (!kat_has(vector, F_KIOSK_KEY))
        return true;
    if (!kat_get_bytes(vector, F_IDENTIFY_NONCE, nonce, sizeof nonce) ||
        !kat_get_bytes(vector, F_ADMIT_NONCE, random, sizeof random))
        return false;
    if (!identity_seal(frame, &session->session, &session->server.public, &session->kiosk, nonce)) {
        kat_fail(vector, "the kiosk cannot sign");
        return false;
    }
    if (!compare(vector, session, F_IDENTIFY, frame, IDENTIFY_LEN, "the IDENTIFY frame differs"))
        return false;
    memcpy(sent, frame, sizeof sent);
    if (session_admit(&host, sent, sizeof sent, (int64_t)session->now, &source.vtable, admit) !=
        ADMISSION_GOOD) {
        kat_fail(vector, "an enrolled kiosk is not admitted");
        return false;
    }
    if (!compare(vector, session, F_ADMIT, admit, ADMIT_LEN, "the ADMIT frame differs"))
        return false;
    if (identity_finish(&session->session, frame, admit, ADMIT_LEN) == ADMISSION_GOOD)
        return true;
    kat_fail(vector, "the ADMIT frame is not accepted");
    return false;
}

/* The kiosk renews its session, beside the one that it goes on with. */
static bool renew(const struct kat_vector *vector, struct session_case *session) {
    uint8_t exponent[X25519_LEN], random[ACCEPT_RANDOM_LEN + 2 * AEAD_NONCE_LEN],
        accept[ACCEPT_LEN];
    struct kat_given source = {&kat_given_class, exponent},
                     server_source = {&kat_given_class, random};
    struct session_host host = make_host(session, true);
    struct session renewed;
    if (!kat_has(vector, F_KIOSK_KEY))
        return true;
    if (!kat_get_bytes(vector, F_RENEW_EXPONENT, exponent, sizeof exponent) ||
        !kat_get_bytes(vector, F_RENEW_NONCE, random, sizeof random) ||
        !kat_get_bytes(vector, F_SERVER_EXPONENT, host.exponent, sizeof host.exponent))
        return false;
    x25519_share(host.share, host.exponent);
    opening_renew(&session->opening, &session->server.public, &session->session, &source.vtable);
    if (!compare(vector, session, F_RENEW, session->opening.frame, RENEW_LEN,
                 "the RENEW frame differs"))
        return false;
    if (!session_renew(&host, session->opening.frame, RENEW_LEN, (int64_t)session->now,
                       &server_source.vtable, accept) ||
        !compare(vector, session, F_RENEWED, accept, ACCEPT_LEN,
                 "the ACCEPT frame of the renewal differs"))
        return false;
    return opening_finish(&session->opening, accept, ACCEPT_LEN, &renewed) &&
           compare(vector, session, F_RENEWED_KEY, renewed.key, SESSION_KEY_LEN,
                   "the renewed session's key differs");
}

/* Reads items as they stand in a question. */
static bool read_items(struct question *question, const uint8_t *bytes, size_t len) {
    question->count = 0;
    while (len > 0) {
        struct inquired *item = &question->items[question->count++];
        if (question->count > QUESTION_MAX || len < ITEM_FORMS ||
            bytes[ITEM_FORM_COUNT] > FORMS_MAX)
            return false;
        item->kind = bytes[ITEM_KIND];
        item->form_count = bytes[ITEM_FORM_COUNT];
        memcpy(item->digest, bytes + ITEM_DIGEST, SHA256_LEN);
        bytes += ITEM_FORMS;
        len -= ITEM_FORMS;
        for (unsigned i = 0; i < item->form_count; i++) {
            if (len < FORM_LEN)
                return false;
            item->forms[i].field = bytes[0];
            memcpy(item->forms[i].digest, bytes + 1, FIELD_DIGEST_LEN);
            bytes += FORM_LEN;
            len -= FORM_LEN;
        }
    }
    return true;
}

static bool ask(const struct kat_vector *vector, struct session_case *session) {
    struct question *question = &session->memory.question;
    uint8_t nonce[ASK_RANDOM_LEN], items[FRAME_MAX];
    unsigned long long what, offset, padded;
    size_t len;
    if (!kat_get_number(vector, F_WHAT, &what) || !kat_get_number(vector, F_OFFSET, &offset) ||
        !kat_get_number(vector, F_PADDED, &padded) ||
        !kat_get_bytes(vector, F_RELEASE, question->release_id, SHA256_LEN) ||
        !kat_get_bytes(vector, F_NONCE, nonce, sizeof nonce) ||
        !kat_get_optional(vector, F_ITEMS, items, sizeof items, &len))
        return false;
    question->what = (enum question_what)what;
    question->offset = (uint32_t)offset;
    if (!read_items(question, items, len)) {
        kat_fail(vector, "Items are malformed");
        return false;
    }
    session->ask_len = question_seal(session->ask, question, session->session.key,
                                     session->session.ticket, nonce, (size_t)padded);
    return compare(vector, session, F_ASK, session->ask, session->ask_len, "the ASK frame differs");
}

static bool answer(struct kat_vector *vector, struct session_case *session) {
    uint8_t nonce[ASK_RANDOM_LEN];
    struct ticket ticket;
    size_t len;
    if (!kat_open_database(vector) || !kat_get_bytes(vector, F_ANSWER_NONCE, nonce, sizeof nonce))
        return false;
    const struct response_source source = {.db = &vector->database->db,
                                           .lookup_key = kat_lookup_key(vector),
                                           .now_s = (int64_t)session->now,
                                           .is_anonymous_allowed = !kat_has(vector, F_KIOSK_KEY)};
    if (!ticket_open(&ticket, session->ask + ASK_TICKET, &session->ticket_key, 1)) {
        kat_fail(vector, "the ticket does not open");
        return false;
    }
    respond(&source, &ticket, session->ask, session->ask_len, nonce, &session->memory,
            session->frame, &len);
    return compare(vector, session, F_ANSWER, session->frame, len, "the ANSWER frame differs");
}

/* Every frame of a session, from the OPEN frame to the answer. */
enum kat_outcome kat_session(struct kat_vector *vector) {
    static struct session_case session;
    memset(&session, 0, sizeof session);
    bool is_right = open_session(vector, &session) && accept_session(vector, &session) &&
                    identify(vector, &session) && renew(vector, &session) &&
                    ask(vector, &session) && answer(vector, &session);
    wipe(&session, sizeof session);
    return is_right ? KAT_PASSED : KAT_FAILED;
}
