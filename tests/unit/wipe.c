/* Secrets do not stay on the stack: each function that handles one runs on a stack of its own,
 * which is searched for parts of the secret afterwards: 16 bytes in a row, from every eighth byte
 * on. */
#include "unit.h"

#include "base/bytes.h"
#include "crypto/rsa_key.h"
#include "crypto/secret_file.h"
#include "db/lookup_key.h"
#include "wire/identity.h"
#include "wire/legacy.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { STACK_LEN = 1 << 18, WINDOW = 16, STEP = 8 };
static _Alignas(4096) uint8_t stack[STACK_LEN];

static void *call(void *function) {
    void (**step)(void) = function;
    (*step)();
    return NULL;
}

static void run_on_stack(void (*step)(void)) {
    pthread_t thread;
    pthread_attr_t attributes;
    memset(stack, 0, sizeof stack);
    pthread_attr_init(&attributes);
    CHECK(pthread_attr_setstack(&attributes, stack, sizeof stack) == 0);
    CHECK(pthread_create(&thread, &attributes, call, &step) == 0);
    pthread_join(thread, NULL);
}

/* The offset in the secret of what is left of it; -1 if nothing is. */
static long remains(const void *secret, size_t len) {
    for (size_t at = 0; at + WINDOW <= len; at += STEP) {
        for (size_t i = 0; i + WINDOW <= sizeof stack; i++) {
            if (memcmp(stack + i, (const uint8_t *)secret + at, WINDOW) == 0)
                return (long)at;
        }
    }
    return -1;
}

static struct random randomness;
static struct rsa_private key, loaded;
static struct opening opening;
static struct session session;
static struct session_host host;
static struct ticket_key ticket_key;
static struct ticket ticket;
static uint8_t accept[ACCEPT_LEN], identify[IDENTIFY_LEN], admit[ADMIT_LEN], bytes[32], got[32];
static char path[] = "/tmp/dlv-unit-XXXXXX", pem[RSA_PEM_MAX];
static size_t pem_len;

/* What the test itself knows, computed on its own stack. */
static uint8_t common[X25519_LEN];
static char hex[65];

static void step_begin(void) {
    CHECK(opening_begin(&opening, &key.public, &session, &randomness.drbg.vtable));
}

static void step_accept(void) {
    CHECK(session_accept(&host, opening.frame, opening.frame_len, 5, &randomness.drbg.vtable,
                         accept));
}

static void step_finish(void) {
    CHECK(opening_finish(&opening, accept, sizeof accept, &session));
}

static void step_ticket(void) {
    CHECK(ticket_open(&ticket, session.ticket, &ticket_key, 1));
}

static void step_admit(void) {
    CHECK(session_admit(&host, identify, sizeof identify, 5, &randomness.drbg.vtable, admit) ==
          ADMISSION_NOT_ENROLLED);
}

static uint8_t unwrap[IDENTIFY_LEN];

/* A kept question's key is unwrapped, though nobody is told of it: no kiosk is enrolled. */
static void step_unwrap(void) {
    CHECK(session_unwrap(&host, &key, 1, unwrap, sizeof unwrap, 5, &randomness.drbg.vtable,
                         admit) == ADMISSION_NOT_ENROLLED);
}

static void step_identify(void) {
    static const uint8_t nonce[ASK_RANDOM_LEN] = {1};
    CHECK(identity_seal(identify, &session, &key.public, &key, nonce));
}

static void step_legacy(void) {
    uint8_t ciphertext[RSA_LEN_MAX];
    CHECK(legacy_question(&key.public, bytes, &randomness, ciphertext));
}

static void step_secret_file(void) {
    CHECK(secret_load(got, path, "a key", NULL) == 0);
}

static void step_lookup_key(void) {
    static struct lookup_key lookup_key;
    CHECK(lookup_key_load(&lookup_key, path, NULL) == 0);
}

static void step_read_pem(void) {
    CHECK(rsa_private_read_pem(&loaded, pem, pem_len, NULL) == 0);
}

static void step_load_pem(void) {
    CHECK(rsa_private_load(&loaded, path, 2048, NULL) == 0);
}

static void write_file(const void *data, size_t len) {
    FILE *file = fopen(path, "w");
    CHECK(file != NULL && fwrite(data, 1, len, file) == len && fclose(file) == 0);
}

static void test_session(void) {
    static const uint8_t secret[AEAD_KEY_LEN] = {3};
    host = (struct session_host){
        .key = &key, .ticket_keys = &ticket_key, .ticket_key_count = 1, .lifetime_s = 60};
    rsa_public_id(&key.public, host.id);
    x25519_generate(host.exponent, host.share, &randomness);
    struct ticket_binding binding;
    ticket_bind(&binding, host.id, host.id);
    ticket_key_init(&ticket_key, TICKET_SESSIONS, secret, &binding, 0);
    CHECK(opening_begin(&opening, &key.public, &session, &randomness.drbg.vtable));
    x25519_agree(common, opening.exponent, host.share);
    run_on_stack(step_accept);
    CHECK(remains(opening.secret, sizeof opening.secret) < 0);
    CHECK(remains(common, sizeof common) < 0);
    uint8_t kept[ACCEPT_LEN];
    memcpy(kept, accept, sizeof kept);
    run_on_stack(step_finish);
    CHECK(remains(common, sizeof common) < 0);
    CHECK(remains(session.key, sizeof session.key) < 0);
    memcpy(accept, kept, sizeof kept);
    run_on_stack(step_accept);
    CHECK(remains(session.key, sizeof session.key) < 0); /* derived from the same secrets again */
    run_on_stack(step_ticket);
    CHECK(remains(session.key, sizeof session.key) < 0);
    run_on_stack(step_identify);
    CHECK(remains(session.key, sizeof session.key) < 0);
    run_on_stack(step_admit);
    CHECK(remains(session.key, sizeof session.key) < 0);
    static const uint8_t nonce[ASK_RANDOM_LEN] = {2}, nobody[KIOSK_ID_LEN];
    uint8_t wrapped[RSA_LEN_MAX];
    CHECK(key_wrap(&key.public, nobody, common, &randomness.drbg.vtable, wrapped));
    unwrap_seal(unwrap, &session, host.id, wrapped, key.public.n_len, nonce);
    run_on_stack(step_unwrap);
    CHECK(remains(common, sizeof common) < 0);
    CHECK(remains(session.key, sizeof session.key) < 0);
    run_on_stack(step_begin);
    CHECK(remains(opening.secret, sizeof opening.secret) < 0);
}

int main(void) {
    CHECK(random_open(&randomness, NULL) == 0 && rsa_generate(&key, 2048, &randomness));
    CHECK(close(mkstemp(path)) == 0);
    random_bytes(&randomness, bytes, sizeof bytes);
    hex_encode(hex, bytes, sizeof bytes);
    test_session();
    run_on_stack(step_legacy);
    CHECK(remains(hex, sizeof hex - 1) < 0);
    write_file(bytes, sizeof bytes);
    run_on_stack(step_secret_file);
    CHECK(memcmp(got, bytes, sizeof got) == 0 && remains(bytes, sizeof bytes) < 0);
    run_on_stack(step_lookup_key);
    CHECK(remains(bytes, sizeof bytes) < 0);
    pem_len = rsa_private_write_pem(&key, pem);
    run_on_stack(step_read_pem);
    CHECK(remains(key.key.p, key.key.plen) < 0);
    CHECK(remains(key.key.dq, key.key.dqlen) < 0);
    write_file(pem, pem_len);
    run_on_stack(step_load_pem);
    CHECK(remains(key.key.p, key.key.plen) < 0);
    CHECK(remains(pem + 64, pem_len - 200) < 0);
    unlink(path);
    return unit_end("wipe");
}
