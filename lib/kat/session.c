/* Cases of the session protocol and its primitives. */
#include "wire/session.h"
#include "base/bytes.h"
#include "crypto/aead.h"
#include "crypto/hkdf.h"
#include "crypto/rsa_key.h"
#include "crypto/x25519.h"
#include "kat/run.h"
#include "serve/answer.h"

#include <string.h>

/* Up to `max` bytes, none where the field is left out. */
static int get_optional(const struct run *run, enum field_name field, uint8_t *bytes, size_t max,
                        size_t *len) {
    *len = 0;
    return kat_has(run, field) ? kat_get_hex(run, field, bytes, max, len) : 0;
}

int kat_run_x25519(struct run *run) {
    uint8_t scalar[X25519_LEN], point[X25519_LEN], expected[X25519_LEN], shared[X25519_LEN];
    int code = kat_get_bytes(run, F_SCALAR, scalar, sizeof scalar);
    if (code == 0)
        code = kat_get_bytes(run, F_POINT, point, sizeof point);
    if (code == 0)
        code = kat_get_bytes(run, F_SHARED, expected, sizeof expected);
    if (code != 0)
        return code;
    int is_good = x25519_agree(shared, scalar, point);
    if (is_good == bytes_are_zero(expected, sizeof expected) ||
        memcmp(shared, expected, sizeof shared) != 0)
        return kat_wrong(run, "X25519 differs");
    return kat_pass(run);
}

int kat_run_hkdf(struct run *run) {
    uint8_t ikm[256], salt[256], info[256], expected[256], okm[256];
    size_t ikm_len, salt_len, info_len, okm_len;
    int code = kat_get_hex(run, F_IKM, ikm, sizeof ikm, &ikm_len);
    if (code == 0)
        code = get_optional(run, F_SALT, salt, sizeof salt, &salt_len);
    if (code == 0)
        code = get_optional(run, F_INFO, info, sizeof info - 1, &info_len);
    if (code == 0)
        code = kat_get_hex(run, F_OKM, expected, sizeof expected, &okm_len);
    if (code != 0)
        return code;
    info[info_len] = '\0';
    if (memchr(info, 0, info_len) != NULL)
        return kat_malformed(run, "Info holds a zero");
    hkdf_sha256(okm, okm_len, salt, salt_len, ikm, ikm_len, (const char *)info);
    return memcmp(okm, expected, okm_len) == 0 ? kat_pass(run)
                                               : kat_wrong(run, "HKDF-SHA-256 differs");
}

int kat_run_aead(struct run *run) {
    uint8_t key[AEAD_KEY_LEN], nonce[AEAD_NONCE_LEN], aad[512], data[1024],
        expected[1024 + AEAD_TAG_LEN], tag[AEAD_TAG_LEN];
    size_t aad_len, len, sealed_len;
    int code = kat_get_bytes(run, F_KEY, key, sizeof key);
    if (code == 0)
        code = kat_get_bytes(run, F_NONCE, nonce, sizeof nonce);
    if (code == 0)
        code = get_optional(run, F_AAD, aad, sizeof aad, &aad_len);
    if (code == 0)
        code = get_optional(run, F_MSG, data, sizeof data, &len);
    if (code == 0)
        code = kat_get_hex(run, F_SEALED, expected, sizeof expected, &sealed_len);
    if (code != 0)
        return code;
    if (sealed_len != len + AEAD_TAG_LEN)
        return kat_malformed(run, "Sealed is not as long as Msg and a tag");
    aead_seal(key, nonce, aad, aad_len, data, len, tag);
    if (memcmp(data, expected, len) != 0 || memcmp(tag, expected + len, sizeof tag) != 0)
        return kat_wrong(run, "ChaCha20-Poly1305 differs");
    if (!aead_open(key, nonce, aad, aad_len, data, len, tag))
        return kat_wrong(run, "ChaCha20-Poly1305 does not open what it has sealed");
    tag[0] ^= 1;
    if (aead_open(key, nonce, aad, aad_len, data, len, tag))
        return kat_wrong(run, "ChaCha20-Poly1305 opens what was altered");
    return kat_pass(run);
}

/* --- a whole session -------------------------------------------------------------------------- */

struct transcript {
    struct rsa_private server;
    struct rsa_private kiosk;
    struct opening opening;
    struct session session;
    struct ticket_key ticket_key;
    struct answerer answerer;
    uint8_t ask[FRAME_TO_SERVER_MAX];
    size_t ask_len;
    uint8_t frame[FRAME_MAX];
};

/* Whether the field holds these bytes. 0 or a failure. */
static int compare(const struct run *run, enum field_name field, const uint8_t *bytes, size_t len,
                   const char *what) {
    static uint8_t expected[FRAME_MAX];
    size_t expected_len;
    int code = kat_get_hex(run, field, expected, sizeof expected, &expected_len);
    if (code != 0)
        return code;
    return expected_len == len && memcmp(expected, bytes, len) == 0 ? 0 : kat_wrong(run, what);
}

static int run_open(struct run *run, struct transcript *transcript) {
    uint8_t random[SESSION_SECRET_LEN + X25519_LEN + SHA256_LEN];
    struct kat_given source = {&kat_given_class, random};
    char path[PATH_MAX];
    struct error reason;
    int code = kat_get_rsa_private(run, &transcript->server);
    if (code == 0 && kat_has(run, F_KIOSK_KEY)) {
        kat_path_beside(run, F_KIOSK_KEY, path);
        if (rsa_private_load(&transcript->kiosk, path, 2048, &reason) != 0)
            code = kat_wrong(run, reason.text);
    }
    if (code == 0)
        code = kat_get_bytes(run, F_SECRET, random, SESSION_SECRET_LEN);
    if (code == 0)
        code = kat_get_bytes(run, F_EXPONENT, random + SESSION_SECRET_LEN, X25519_LEN);
    if (code == 0)
        code = kat_get_bytes(run, F_SEED, random + SESSION_SECRET_LEN + X25519_LEN, SHA256_LEN);
    if (code != 0)
        return code;
    if (!opening_begin(&transcript->opening, &transcript->server.public,
                       kat_has(run, F_KIOSK_KEY) ? &transcript->kiosk : NULL, &source.vtable))
        return kat_wrong(run, "no session can be opened");
    return compare(run, F_OPEN, transcript->opening.frame, transcript->opening.frame_len,
                   "the OPEN frame differs");
}

static const struct rsa_public *find_kiosk(const void *context, const uint8_t id[SHA256_LEN],
                                           int64_t now_s) {
    const struct transcript *transcript = context;
    uint8_t own[SHA256_LEN];
    (void)now_s;
    rsa_public_id(&transcript->kiosk.public, own);
    return memcmp(own, id, sizeof own) == 0 ? &transcript->kiosk.public : NULL;
}

static int run_accept(struct run *run, struct transcript *transcript, unsigned long long *now) {
    uint8_t secret[AEAD_KEY_LEN],
        random[SESSION_SECRET_LEN + AEAD_NONCE_LEN] = {0}, accept[ACCEPT_LEN], kiosk[KIOSK_ID_LEN];
    struct kat_given source = {&kat_given_class, random};
    struct session_host host = {.key = &transcript->server,
                                .is_anonymous_allowed = !kat_has(run, F_KIOSK_KEY),
                                .find_kiosk = kat_has(run, F_KIOSK_KEY) ? find_kiosk : NULL,
                                .kiosks = transcript,
                                .ticket_key = &transcript->ticket_key,
                                .lifetime_s = TICKET_LIFETIME_S};
    int code = kat_get_bytes(run, F_TICKET_KEY, secret, sizeof secret);
    if (code == 0)
        code = kat_get_bytes(run, F_TICKET_NONCE, random + SESSION_SECRET_LEN, AEAD_NONCE_LEN);
    if (code == 0)
        code = kat_get_bytes(run, F_SERVER_EXPONENT, host.exponent, sizeof host.exponent);
    if (code == 0)
        code = kat_get_number(run, F_NOW, now);
    if (code != 0)
        return code;
    ticket_key_init(&transcript->ticket_key, secret);
    x25519_share(host.share, host.exponent);
    rsa_public_id(&transcript->server.public, host.id);
    if (!session_accept(&host, transcript->opening.frame, transcript->opening.frame_len,
                        (int64_t)*now, &source.vtable, accept, kiosk))
        return kat_wrong(run, "a good opening was refused");
    code = compare(run, F_ACCEPT, accept, ACCEPT_LEN, "the ACCEPT frame differs");
    if (code == 0 &&
        !opening_finish(&transcript->opening, accept, ACCEPT_LEN, &transcript->session))
        code = kat_wrong(run, "the ACCEPT frame is not accepted");
    if (code == 0)
        code = compare(run, F_SESSION_KEY, transcript->session.key, SESSION_KEY_LEN,
                       "the session's key differs");
    return code;
}

static int run_ask(struct run *run, struct transcript *transcript) {
    struct question *question = &transcript->answerer.question;
    uint8_t nonce[ASK_RANDOM_LEN];
    unsigned long long at, flags;
    size_t len;
    int code = kat_get_number(run, F_AT, &at);
    if (code == 0)
        code = kat_get_number(run, F_FLAGS, &flags);
    if (code == 0)
        code = kat_get_bytes(run, F_NONCE, nonce, sizeof nonce);
    if (code == 0)
        code = kat_get_hex(run, F_DIGESTS, question->digests, sizeof question->digests, &len);
    if (code != 0)
        return code;
    question->at = (struct moment){.unix_s = (int64_t)at, .is_day = (flags & 4) != 0};
    question->wishes = (unsigned)flags & (WISH_INFO | WISH_PROOF);
    question->kind = KIND_RECORD;
    question->count = (unsigned)(len / SHA256_LEN);
    transcript->ask_len = question_seal(transcript->ask, question, transcript->session.key,
                                        transcript->session.ticket, nonce, 0);
    return compare(run, F_ASK, transcript->ask, transcript->ask_len, "the ASK frame differs");
}

/* Puts up a list of this one kiosk. */
static void enrol(struct board *board, const struct rsa_public *kiosk) {
    board->kiosks[1].count = 1;
    board->kiosks[1].sorted[0].not_after_s = INT64_MAX;
    rsa_public_id(kiosk, board->kiosks[1].sorted[0].id);
    board->kiosks_now = 1;
}

static int run_answer(struct run *run, struct transcript *transcript, int64_t now_s) {
    static struct counts counts;
    struct answerer *answerer = &transcript->answerer;
    struct board *board;
    struct error reason;
    struct ticket_ring ring;
    int code = kat_open_database(run);
    if (code == 0)
        code = kat_get_bytes(run, F_ANSWER_NONCE, answerer->nonce, sizeof answerer->nonce);
    if (code != 0)
        return code;
    if (board_open(&board, &reason) != 0)
        return kat_wrong(run, reason.text);
    for (int i = 0; i < TICKET_KEYS; i++)
        ring.keys[i] = transcript->ticket_key;
    board_set_ring(board, &ring);
    if (kat_has(run, F_KIOSK_KEY))
        enrol(board, &transcript->kiosk.public);
    /* It counts its nonces, so this is the one before. */
    uint8_t *counter = answerer->nonce + ASK_RANDOM_LEN - 4;
    store_le32(counter, load_le32(counter) - 1);
    answerer->db = &run->db;
    answerer->board = board;
    answerer->counts = &counts;
    answerer->now_s = now_s;
    size_t len =
        answer_ask(answerer, transcript->ask, transcript->ask_len, FRAME_MAX, transcript->frame);
    board_close(board);
    return compare(run, F_ANSWER, transcript->frame, len, "the ANSWER frame differs");
}

int kat_run_transcript(struct run *run) {
    static struct transcript transcript;
    unsigned long long now;
    memset(&transcript, 0, sizeof transcript);
    int code = run_open(run, &transcript);
    if (code == 0)
        code = run_accept(run, &transcript, &now);
    if (code == 0)
        code = run_ask(run, &transcript);
    if (code == 0)
        code = run_answer(run, &transcript, (int64_t)now);
    wipe(&transcript, sizeof transcript);
    return code == 0 ? kat_pass(run) : code;
}
