/* Every function that takes a secret, run by valgrind with its secrets marked as undefined:
 * memcheck then reports each branch and each address that depends on one (A. Langley's method).
 * What runs are the objects of the release.
 *
 * What is public by design is said here, by wrappers that the linker puts between the objects
 * (declassify): the bit lengths of RSA's factors, what is sent, a signature, whether a seal is good
 * where the answer shows it anyway. BearSSL decides openly whether OAEP's padding is good, though
 * not why it is bad; that one function of its is not looked into.
 *
 * Each step says "good" only where the function did what it should. A function that refuses at once
 * would have nothing to hide. */
#include "base/bytes.h"
#include "crypto/hkdf.h"
#include "crypto/rsa_key.h"
#include "db/lookup_key.h"
#include "wire/cookie.h"
#include "wire/identity.h"
#include "wire/legacy.h"
#include "wire/receipt_frame.h"
#include "wire/respond.h"

#include "valgrind/memcheck.h"

#include <stdio.h>
#include <string.h>

static void classify(const void *secret, size_t len) {
    VALGRIND_MAKE_MEM_UNDEFINED(secret, len);
}

static void declassify(const void *public, size_t len) {
    VALGRIND_MAKE_MEM_DEFINED(public, len);
}

/* --- what is public by design ----------------------------------------------------------------- */

/* What a step makes public: reset before each. */
static struct {
    bool opened;        /* whether a seal is good ... */
    size_t opened_from; /* ... and the plaintext from this offset on */
    bool agreed;        /* whether X25519 came to more than zero */
} shown;
static unsigned verifications; /* how often a signature was verified */

void __real_br_i31_decode(uint32_t *x, const void *source, size_t len);
void __wrap_br_i31_decode(uint32_t *x, const void *source, size_t len);
void __wrap_br_i31_decode(uint32_t *x, const void *source, size_t len) {
    __real_br_i31_decode(x, source, len);
    declassify(x, sizeof *x); /* the announced bit length */
}

uint32_t __real_br_rsa_oaep_unpad(const br_hash_class *hash, const void *label, size_t label_len,
                                  void *data, size_t *len);
uint32_t __wrap_br_rsa_oaep_unpad(const br_hash_class *hash, const void *label, size_t label_len,
                                  void *data, size_t *len);
uint32_t __wrap_br_rsa_oaep_unpad(const br_hash_class *hash, const void *label, size_t label_len,
                                  void *data, size_t *len) {
    VALGRIND_DISABLE_ERROR_REPORTING;
    uint32_t is_good = __real_br_rsa_oaep_unpad(hash, label, label_len, data, len);
    VALGRIND_ENABLE_ERROR_REPORTING;
    classify(&is_good, sizeof is_good);
    classify(len, sizeof *len);
    return is_good;
}

static br_rsa_pkcs1_sign real_sign;
static br_rsa_pkcs1_vrfy real_verify;

static uint32_t sign_and_show(const unsigned char *oid, const unsigned char *hash, size_t hash_len,
                              const br_rsa_private_key *key, unsigned char *signature) {
    uint32_t is_good = real_sign(oid, hash, hash_len, key, signature);
    declassify(&is_good, sizeof is_good);
    declassify(signature, (key->n_bitlen + 7) / 8);
    return is_good;
}

static uint32_t verify_and_count(const unsigned char *signature, size_t len,
                                 const unsigned char *oid, size_t hash_len,
                                 const br_rsa_public_key *key, unsigned char *hash) {
    verifications++;
    return real_verify(signature, len, oid, hash_len, key, hash);
}

br_rsa_pkcs1_sign __real_br_rsa_pkcs1_sign_get_default(void);
br_rsa_pkcs1_sign __wrap_br_rsa_pkcs1_sign_get_default(void);
br_rsa_pkcs1_sign __wrap_br_rsa_pkcs1_sign_get_default(void) {
    real_sign = __real_br_rsa_pkcs1_sign_get_default();
    return sign_and_show;
}

br_rsa_pkcs1_vrfy __real_br_rsa_pkcs1_vrfy_get_default(void);
br_rsa_pkcs1_vrfy __wrap_br_rsa_pkcs1_vrfy_get_default(void);
br_rsa_pkcs1_vrfy __wrap_br_rsa_pkcs1_vrfy_get_default(void) {
    real_verify = __real_br_rsa_pkcs1_vrfy_get_default();
    return verify_and_count;
}

/* What a kiosk signs follows from the session's key by a function that cannot be turned round. */
bool __real_rsa_sign(const struct rsa_private *key, const uint8_t digest[SHA256_LEN],
                     uint8_t *signature);
bool __wrap_rsa_sign(const struct rsa_private *key, const uint8_t digest[SHA256_LEN],
                     uint8_t *signature);
bool __wrap_rsa_sign(const struct rsa_private *key, const uint8_t digest[SHA256_LEN],
                     uint8_t *signature) {
    declassify(digest, SHA256_LEN);
    return __real_rsa_sign(key, digest, signature);
}

bool __real_rsa_verify(const struct rsa_public *key, const uint8_t digest[SHA256_LEN],
                       const uint8_t *signature, size_t len);
bool __wrap_rsa_verify(const struct rsa_public *key, const uint8_t digest[SHA256_LEN],
                       const uint8_t *signature, size_t len);
bool __wrap_rsa_verify(const struct rsa_public *key, const uint8_t digest[SHA256_LEN],
                       const uint8_t *signature, size_t len) {
    declassify(digest, SHA256_LEN);
    return __real_rsa_verify(key, digest, signature, len);
}

void __real_x25519_share(uint8_t share[X25519_LEN], const uint8_t secret[X25519_LEN]);
void __wrap_x25519_share(uint8_t share[X25519_LEN], const uint8_t secret[X25519_LEN]);
void __wrap_x25519_share(uint8_t share[X25519_LEN], const uint8_t secret[X25519_LEN]) {
    __real_x25519_share(share, secret);
    declassify(share, X25519_LEN); /* it is sent */
}

bool __real_x25519_agree(uint8_t *common, const uint8_t *secret, const uint8_t *peer_share);
bool __wrap_x25519_agree(uint8_t *common, const uint8_t *secret, const uint8_t *peer_share);
bool __wrap_x25519_agree(uint8_t *common, const uint8_t *secret, const uint8_t *peer_share) {
    bool is_good = __real_x25519_agree(common, secret, peer_share);
    if (shown.agreed)
        declassify(&is_good, sizeof is_good);
    return is_good;
}

bool __real_rsa_oaep_encrypt(const struct rsa_public *key, enum rsa_hash hash, const void *label,
                             size_t label_len, const br_prng_class **prng, const void *message,
                             size_t message_len, uint8_t *ciphertext);
bool __wrap_rsa_oaep_encrypt(const struct rsa_public *key, enum rsa_hash hash, const void *label,
                             size_t label_len, const br_prng_class **prng, const void *message,
                             size_t message_len, uint8_t *ciphertext);
bool __wrap_rsa_oaep_encrypt(const struct rsa_public *key, enum rsa_hash hash, const void *label,
                             size_t label_len, const br_prng_class **prng, const void *message,
                             size_t message_len, uint8_t *ciphertext) {
    bool is_good = __real_rsa_oaep_encrypt(key, hash, label, label_len, prng, message, message_len,
                                           ciphertext);
    declassify(&is_good, sizeof is_good);
    declassify(ciphertext, key->n_len); /* it is sent */
    return is_good;
}

/* Whether the number to be encrypted is below the modulus, as a padded one always is. */
uint32_t __real_br_i31_decode_mod(uint32_t *x, const void *source, size_t len, const uint32_t *m);
uint32_t __wrap_br_i31_decode_mod(uint32_t *x, const void *source, size_t len, const uint32_t *m);
uint32_t __wrap_br_i31_decode_mod(uint32_t *x, const void *source, size_t len, const uint32_t *m) {
    uint32_t is_below = __real_br_i31_decode_mod(x, source, len, m);
    declassify(&is_below, sizeof is_below);
    return is_below;
}

bool __real_aead_open(const uint8_t *key, const uint8_t *nonce, const void *aad, size_t aad_len,
                      void *data, size_t len, const uint8_t *tag);
bool __wrap_aead_open(const uint8_t *key, const uint8_t *nonce, const void *aad, size_t aad_len,
                      void *data, size_t len, const uint8_t *tag);
bool __wrap_aead_open(const uint8_t *key, const uint8_t *nonce, const void *aad, size_t aad_len,
                      void *data, size_t len, const uint8_t *tag) {
    bool is_good = __real_aead_open(key, nonce, aad, aad_len, data, len, tag);
    if (shown.opened)
        declassify(&is_good, sizeof is_good);
    if (shown.opened_from < len)
        declassify((uint8_t *)data + shown.opened_from, len - shown.opened_from);
    return is_good;
}

/* --- keys ------------------------------------------------------------------------------------- */

static struct rsa_private server, kiosk;
static struct random randomness;
static struct ticket_key ticket_key, renewal_key;

/* The parts of a private key, except the top bytes of the factors, which say how long these are. */
static void classify_key(const struct rsa_private *key) {
    const br_rsa_private_key *k = &key->key;
    classify(k->p + 1, k->plen - 1);
    classify(k->q + 1, k->qlen - 1);
    classify(k->dp, k->dplen);
    classify(k->dq, k->dqlen);
    classify(k->iq, k->iqlen);
}

static void draw(void *bytes, size_t len) {
    random_bytes(&randomness, bytes, len);
    declassify(bytes, len);
}

static bool make_keys(const char *server_path, const char *kiosk_path) {
    uint8_t secret[AEAD_KEY_LEN], id[SHA256_LEN];
    struct ticket_binding binding;
    if (random_open(&randomness, NULL) != 0 ||
        rsa_private_load(&server, server_path, 2048, NULL) != 0 ||
        rsa_private_load(&kiosk, kiosk_path, 2048, NULL) != 0)
        return false;
    draw(secret, sizeof secret);
    rsa_public_id(&server.public, id);
    ticket_bind(&binding, id, id);
    ticket_key_init(&ticket_key, TICKET_SESSIONS, secret, &binding, 0);
    ticket_key_init(&renewal_key, TICKET_RENEWALS, secret, &binding, 0);
    classify_key(&server);
    classify_key(&kiosk);
    classify(&ticket_key.key, sizeof ticket_key.key);
    classify(&renewal_key.key, sizeof renewal_key.key);
    classify(&randomness.drbg.K, sizeof randomness.drbg.K);
    classify(&randomness.drbg.V, sizeof randomness.drbg.V);
    return true;
}

/* --- steps ------------------------------------------------------------------------------------ */

static int bad_steps;
static unsigned complaints;

/* Ends a step: what came out is public now. */
static void report(const char *name, bool is_good) {
    declassify(&is_good, sizeof is_good);
    unsigned total = VALGRIND_COUNT_ERRORS;
    printf("%-28s %s, %u complaints\n", name, is_good ? "good" : "NOT WHAT IT SHOULD DO",
           total - complaints);
    complaints = total;
    bad_steps += !is_good;
    shown.opened = shown.agreed = false;
    shown.opened_from = SIZE_MAX;
}

static bool is_same(const void *a, const void *b, size_t len) {
    declassify(a, len);
    declassify(b, len);
    return memcmp(a, b, len) == 0;
}

static void step_primitives(void) {
    uint8_t key[32], data[100], mac[SHA256_LEN], again[SHA256_LEN], out[80];
    draw(key, sizeof key);
    draw(data, sizeof data);
    hmac_sha256(mac, key, sizeof key, data, sizeof data);
    classify(key, sizeof key);
    classify(data, sizeof data);
    hmac_sha256(again, key, sizeof key, data, sizeof data);
    report("hmac_sha256", is_same(mac, again, sizeof mac));
    classify(key, sizeof key);
    bool is_made = hkdf_sha256(out, sizeof out, "salt", 4, key, sizeof key, "info", 4);
    report("hkdf_sha256", is_made);
    bool is_equal = bytes_are_equal(key, key, sizeof key);
    report("bytes_are_equal", is_equal);
    random_bytes(&randomness, out, sizeof out);
    report("random_bytes", true);
}

static void step_rsa(void) {
    static const char label[] = "label";
    uint8_t message[32], sealed[RSA_LEN_MAX], digest[SHA256_LEN] = {3}, signature[RSA_LEN_MAX];
    size_t len = server.public.n_len;
    draw(message, sizeof message);
    uint8_t copy[32];
    memcpy(copy, message, sizeof copy);
    classify(message, sizeof message);
    bool is_sealed = rsa_oaep_encrypt(&server.public, RSA_SHA256, label, sizeof label,
                                      &randomness.drbg.vtable, message, sizeof message, sealed);
    report("rsa_oaep_encrypt", is_sealed);
    bool is_open = rsa_oaep_decrypt(&server, RSA_SHA256, label, sizeof label, sealed, &len);
    declassify(&len, sizeof len);
    declassify(&is_open, sizeof is_open);
    report("rsa_oaep_decrypt", is_open && len == sizeof copy && is_same(sealed, copy, len));
    bool is_signed = rsa_sign(&server, digest, signature);
    report("rsa_sign",
           is_signed && rsa_verify(&server.public, digest, signature, server.public.n_len));
}

static void step_curve(void) {
    uint8_t secrets[2][X25519_LEN], shares[2][X25519_LEN], common[2][X25519_LEN];
    for (int i = 0; i < 2; i++)
        x25519_generate(secrets[i], shares[i], &randomness);
    bool is_agreed = x25519_agree(common[0], secrets[0], shares[1]);
    is_agreed &= x25519_agree(common[1], secrets[1], shares[0]);
    declassify(&is_agreed, sizeof is_agreed);
    report("x25519", is_agreed && is_same(common[0], common[1], X25519_LEN));
}

static void step_lookup_key(void) {
    struct lookup_key key, plain_key;
    uint8_t bytes[LOOKUP_KEY_LEN], digest[SHA256_LEN] = {1}, stored[SHA256_LEN],
                                   expected[SHA256_LEN];
    draw(bytes, sizeof bytes);
    lookup_key_init(&plain_key, bytes);
    lookup_key_apply(&plain_key, digest, expected);
    classify(bytes, sizeof bytes);
    lookup_key_init(&key, bytes);
    lookup_key_apply(&key, digest, stored);
    report("lookup_key_apply", is_same(stored, expected, sizeof stored));
    lookup_key_apply_field(&plain_key, digest, expected);
    lookup_key_apply_field(&key, digest, stored);
    report("lookup_key_apply_field", is_same(stored, expected, sizeof stored));
}

static void step_cookie(void) {
    uint8_t key[COOKIE_KEY_LEN], cookie[COOKIE_LEN];
    draw(key, sizeof key);
    classify(key, sizeof key);
    cookie_make(cookie, key, "address", 7, 1000);
    declassify(cookie, sizeof cookie);
    bool is_good = cookie_check(cookie, key, "address", 7, 1001);
    declassify(&is_good, sizeof is_good);
    cookie[9] ^= 1;
    bool is_bad = cookie_check(cookie, key, "address", 7, 1001);
    declassify(&is_bad, sizeof is_bad);
    report("cookie_check", is_good && !is_bad);
}

static void step_ticket(void) {
    struct ticket ticket = {.expires_s = 77}, opened;
    uint8_t sealed[TICKET_LEN], nonce[AEAD_NONCE_LEN] = {5}, session_key[SESSION_KEY_LEN];
    draw(session_key, sizeof session_key);
    memcpy(ticket.session_key, session_key, sizeof session_key);
    classify(ticket.session_key, sizeof ticket.session_key);
    ticket_seal(sealed, &ticket, &ticket_key, nonce);
    declassify(sealed, sizeof sealed);
    report("ticket_seal", true);
    shown.opened = true;
    shown.opened_from = SESSION_KEY_LEN; /* who asks, and until when */
    bool is_open = ticket_open(&opened, sealed, &ticket_key, 1);
    report("ticket_open", is_open && opened.expires_s == 77 &&
                              is_same(opened.session_key, session_key, sizeof session_key));
}

/* --- a session -------------------------------------------------------------------------------- */

static bool is_kiosk_known;
static const uint8_t *opened_wrapped; /* what an UNWRAP has sealed, which is public: a ciphertext */

/* The identity is what the client says of itself, so it is public once it has been opened: `id`,
 * and the signature behind it. */
static const struct rsa_public *find_kiosk(const void *context, const uint8_t *id, size_t id_len,
                                           int64_t now_s) {
    (void)context, (void)now_s;
    if (id_len == SHA256_LEN)
        declassify(id - IDENTITY_ID, IDENTITY_LEN);
    else if (opened_wrapped != NULL)
        declassify(opened_wrapped, IDENTITY_LEN);
    return is_kiosk_known ? &kiosk.public : NULL;
}

/* A server's part of an opening. In whatever way it fails, it takes the same steps. */
static bool accept_one(const struct session_host *host, const uint8_t *frame, size_t len,
                       uint8_t accept[ACCEPT_LEN]) {
    bool is_accepted = session_accept(host, frame, len, 1000, &randomness.drbg.vtable, accept);
    declassify(&is_accepted, sizeof is_accepted);
    declassify(accept, ACCEPT_LEN);
    return is_accepted;
}

/* The same of saying who asks: no complaint, and one signature verified. */
static enum admission_status admit_one(const struct session_host *host, const uint8_t *identify,
                                       uint8_t admit[ADMIT_LEN]) {
    uint8_t frame[IDENTIFY_LEN];
    memcpy(frame, identify, sizeof frame);
    verifications = 0;
    shown.opened = true;
    shown.opened_from = SESSION_KEY_LEN; /* of the ticket: who asks, and until when */
    enum admission_status status =
        session_admit(host, frame, sizeof frame, 1000, &randomness.drbg.vtable, admit);
    declassify(&status, sizeof status);
    declassify(admit, ADMIT_LEN);
    return status;
}

static void step_identity(const struct session_host *host, struct session *session) {
    static const uint8_t nonce[ASK_RANDOM_LEN] = {3};
    uint8_t identify[IDENTIFY_LEN], admit[ADMIT_LEN], spare[ADMIT_LEN];
    bool is_sealed = identity_seal(identify, session, &server.public, &kiosk, nonce);
    declassify(identify, sizeof identify);
    report("identity_seal", is_sealed);
    is_kiosk_known = true;
    enum admission_status status = admit_one(host, identify, admit);
    report("session_admit", status == ADMISSION_GOOD && verifications == 1);
    is_kiosk_known = false;
    status = admit_one(host, identify, spare);
    report("  of an unknown kiosk", status == ADMISSION_NOT_ENROLLED && verifications == 1);
    shown.opened = true;
    shown.opened_from = 0; /* the ticket, sealed, and times */
    status = identity_finish(session, identify, admit, ADMIT_LEN);
    declassify(&status, sizeof status);
    report("identity_finish", status == ADMISSION_GOOD && session->lifetime_s == 60);
}

/* A key of a kept question, in the session of the kiosk that it is for. What was wrapped is public, what comes of it is
 * not. */
static bool unwrap_one(const struct session_host *host, const struct session *session,
                       const uint8_t *wrapped, uint8_t unwrap[IDENTIFY_LEN],
                       uint8_t unwrapped[ADMIT_LEN]) {
    static const uint8_t nonce[ASK_RANDOM_LEN] = {4};
    uint8_t frame[IDENTIFY_LEN];
    unwrap_seal(unwrap, session, host->id, wrapped, server.public.n_len, nonce);
    declassify(unwrap, IDENTIFY_LEN);
    memcpy(frame, unwrap, sizeof frame);
    shown.opened = true;
    shown.opened_from = SESSION_KEY_LEN;
    opened_wrapped = frame + IDENTIFY_BODY;
    enum admission_status status = session_unwrap(host, &server, 1, frame, sizeof frame, 1000,
                                                  &randomness.drbg.vtable, unwrapped);
    declassify(&status, sizeof status);
    declassify(unwrapped, ADMIT_LEN);
    opened_wrapped = NULL;
    return status == ADMISSION_GOOD;
}

static void step_unwrap(const struct session_host *host, const struct session *session) {
    uint8_t key[UNWRAPPED_KEY_LEN], found[UNWRAPPED_KEY_LEN], id[SHA256_LEN], wrapped[RSA_LEN_MAX];
    uint8_t unwrap[IDENTIFY_LEN], unwrapped[ADMIT_LEN];
    draw(key, sizeof key);
    classify(key, sizeof key);
    rsa_public_id(&kiosk.public, id);
    bool is_wrapped = key_wrap(&server.public, id, key, &randomness.drbg.vtable, wrapped);
    declassify(wrapped, sizeof wrapped);
    report("key_wrap", is_wrapped);
    is_kiosk_known = true;
    report("session_unwrap", unwrap_one(host, session, wrapped, unwrap, unwrapped));
    shown.opened = true;
    shown.opened_from = 0; /* the status; the key is only copied */
    enum admission_status status =
        unwrap_finish(session, unwrap, unwrapped, sizeof unwrapped, found);
    declassify(&status, sizeof status);
    report("unwrap_finish", status == ADMISSION_GOOD && is_same(found, key, sizeof key));
    wrapped[9] ^= 1;
    report("  of a bad ciphertext", !unwrap_one(host, session, wrapped, unwrap, unwrapped));
}

/* What a receipt says is public; the session's key, under which it comes, is not. */
static void step_receipt(const struct session_host *host, const struct session *session) {
    static const uint8_t nonce[ASK_RANDOM_LEN] = {5}, claim[RECEIPT_CLAIM_LEN] = {6};
    static uint8_t answer[RECEIPTED_LEN];
    static struct receipt_order order;
    static struct receipt taken;
    uint8_t asked[IDENTIFY_LEN], frame[IDENTIFY_LEN];
    receipt_ask(asked, session, claim, nonce);
    declassify(asked, IDENTIFY_LEN);
    memcpy(frame, asked, sizeof frame);
    shown.opened = true;
    shown.opened_from = SESSION_KEY_LEN;
    opened_wrapped = frame + IDENTIFY_BODY;
    enum admission_status status =
        receipt_order_begin(host, true, frame, sizeof frame, 1000000, host->id,
                            &randomness.drbg.vtable, &order, answer);
    declassify(&status, sizeof status);
    order.receipt.count = 1;
    receipt_order_give(&order, answer);
    declassify(answer, sizeof answer);
    opened_wrapped = NULL;
    report("receipt_order_begin", status == ADMISSION_GOOD);
    shown.opened = true;
    shown.opened_from = 0;
    status = receipt_take(session, asked, answer, sizeof answer, &taken);
    declassify(&status, sizeof status);
    report("receipt_take", status == ADMISSION_GOOD && taken.time_ms == 1000000);
}

/* A renewal ticket's kiosk and times are public once it has been opened; its secret is not. */
static void step_renewal(const struct session_host *host, struct session *session) {
    static struct opening opening;
    uint8_t accept[ACCEPT_LEN];
    opening_renew(&opening, &server.public, session, &randomness.drbg.vtable);
    declassify(opening.frame, opening.frame_len);
    report("opening_renew", true);
    is_kiosk_known = true;
    shown.opened = shown.agreed = true;
    shown.opened_from = SESSION_KEY_LEN;
    bool is_renewed = session_renew(host, opening.frame, opening.frame_len, 1000,
                                    &randomness.drbg.vtable, accept);
    declassify(&is_renewed, sizeof is_renewed);
    declassify(accept, ACCEPT_LEN);
    report("session_renew", is_renewed);
    shown.opened = shown.agreed = true;
    shown.opened_from = 0;
    bool is_finished = opening_finish(&opening, accept, ACCEPT_LEN, session);
    report("opening_finish", is_finished && session->renewal_lifetime_s > 0);
}

static void step_opening(void) {
    static uint8_t frame[OPEN_MAX];
    static struct opening opening;
    static struct session session;
    uint8_t accept[ACCEPT_LEN], spare[ACCEPT_LEN];
    struct session_host host = {.key = &server,
                                .find_kiosk = find_kiosk,
                                .ticket_keys = &ticket_key,
                                .ticket_key_count = 1,
                                .renewal_keys = &renewal_key,
                                .renewal_key_count = 1,
                                .lifetime_s = 60};
    rsa_public_id(&server.public, host.id);
    x25519_generate(host.exponent, host.share, &randomness);

    bool is_begun = opening_begin(&opening, &server.public, &session, &randomness.drbg.vtable);
    declassify(opening.frame, opening.frame_len);
    report("opening_begin", is_begun);

    bool is_accepted = accept_one(&host, opening.frame, opening.frame_len, accept);
    report("session_accept", is_accepted);
    memcpy(frame, opening.frame, opening.frame_len);
    frame[OPEN_CIPHERTEXT + 9] ^= 1;
    is_accepted = accept_one(&host, frame, opening.frame_len, spare);
    report("  of a bad ciphertext", !is_accepted);

    shown.opened = shown.agreed = true;
    shown.opened_from = 0; /* the ticket, sealed, and times */
    bool is_finished = opening_finish(&opening, accept, ACCEPT_LEN, &session);
    report("opening_finish", is_finished && session.lifetime_s == 60);
    step_identity(&host, &session);
    step_unwrap(&host, &session);
    step_receipt(&host, &session);
    step_renewal(&host, &session);
}

static uint32_t no_set(void *context, struct span text) {
    (void)context, (void)text;
    return 0;
}

/* A question and its answer, from a database of one entry. */
static void step_asking(void) {
    static uint8_t entry[DB_ENTRY_LEN], fanout[2 * DB_FANOUT_LEN] = {[DB_FANOUT_LEN] = 1};
    static uint8_t ask[FRAME_MAX], kept[FRAME_MAX], out[FRAME_MAX], further[FURTHER_MAX];
    static struct response_memory memory;
    static struct question question = {.what = WHAT_ANSWERS, .count = 1};
    static struct answer answer;
    static struct terms terms = {.status = STATUS_VALID, .since = DAY_UNKNOWN, .until = DAY_NO_END};
    const struct db db = {
        .header = {.count = 1, .facts.sequence = 7}, .entries = entry, .fanout = fanout};
    const struct response_source source = {.db = &db, .now_s = 1000, .is_anonymous_allowed = true};
    const uint8_t nonce[AEAD_NONCE_LEN] = {1};
    struct ticket ticket = {.expires_s = 2000}, opened;
    uint8_t sealed_ticket[TICKET_LEN];
    size_t len;
    random_bytes(&randomness, ticket.session_key, sizeof ticket.session_key); /* a secret */
    ticket_seal(sealed_ticket, &ticket, &ticket_key, nonce);
    question.items[0].kind = ASK_NUMBER;
    terms_write(entry + ENTRY_TERMS, further, &terms, 0, no_set, NULL);
    size_t ask_len = question_seal(ask, &question, ticket.session_key, sealed_ticket, nonce, 0);
    declassify(ask, ask_len);
    report("question_seal", ask_len == question_len(&question));
    memcpy(kept, ask, ask_len);
    shown.opened = true;
    shown.opened_from = SESSION_KEY_LEN;
    bool is_open = ticket_open(&opened, ask + ASK_TICKET, &ticket_key, 1);
    shown.opened_from = 0; /* the question */
    bool is_answered =
        respond(&source, &opened, ask, ask_len, nonce, &memory, out, &len) == RESPONSE_ANSWER;
    declassify(out, len);
    report("respond", is_open && is_answered && memory.answer.entries[0].is_found);
    shown.opened = true;
    shown.opened_from = 0; /* the answer */
    bool is_read =
        answer_open(&answer, WHAT_ANSWERS, out, len, kept, ask_len, ticket.session_key, NULL) == 0;
    report("answer_open", is_read && answer.entries[0].is_found);
}

/* The question of the original protocol. */
static void step_legacy(void) {
    uint8_t digest[SHA256_LEN], got[SHA256_LEN], sealed[RSA_LEN_MAX];
    size_t len = server.public.n_len;
    random_bytes(&randomness, digest, sizeof digest); /* a secret */
    bool is_asked = legacy_question(&server.public, digest, &randomness, sealed);
    bool is_open = rsa_oaep_decrypt(&server, RSA_SHA1, NULL, 0, sealed, &len);
    declassify(&len, sizeof len);
    declassify(&is_open, sizeof is_open);
    declassify(sealed, sizeof sealed);
    report("legacy_question", is_asked && is_open && legacy_question_digest(got, sealed, len) &&
                                  is_same(got, digest, sizeof got));
}

static const struct step {
    const char *name;
    void (*take)(void);
} steps[] = {{"primitives", step_primitives}, {"rsa", step_rsa},       {"curve", step_curve},
             {"lookup_key", step_lookup_key}, {"cookie", step_cookie}, {"ticket", step_ticket},
             {"opening", step_opening},       {"asking", step_asking}, {"legacy", step_legacy}};

/* secrets SERVER_KEY KIOSK_KEY [STEP] */
int main(int argc, char **argv) {
    if (argc < 3 || !make_keys(argv[1], argv[2]) || VALGRIND_COUNT_ERRORS != 0)
        return 2;
    shown.opened_from = SIZE_MAX;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (argc < 4 || strcmp(argv[3], steps[i].name) == 0)
            steps[i].take();
    }
    return bad_steps == 0 && VALGRIND_COUNT_ERRORS == 0 && complaints == 0 ? 0 : 1;
}
