/* A server's part of an opening, run by valgrind with all that is secret marked as undefined:
 * memcheck then reports every branch and every address that depends on it (A. Langley's method).
 *
 * Secret: what the ciphertext decrypts to, and whether it does; the server's exponent; all that
 * follows from them. RSA itself is left to BearSSL, which decides openly whether the padding is
 * good, but tells nothing of why it is not. Not secret any more: the identity, once decrypted,
 * which is what the client says of itself; whether the opening is accepted; and the ACCEPT frame.
 */
#include "crypto/rsa_key.h"
#include "wire/session.h"

#include <stdio.h>
#include <string.h>
#include <valgrind/memcheck.h>

static struct rsa_private server, kiosk;
static struct random randomness;
static bool is_kiosk_known;

int __real_rsa_oaep_decrypt(const struct rsa_private *key, enum rsa_hash hash, const void *label,
                            size_t label_len, uint8_t *data, size_t *len);
int __wrap_rsa_oaep_decrypt(const struct rsa_private *key, enum rsa_hash hash, const void *label,
                            size_t label_len, uint8_t *data, size_t *len);

/* The linker puts this in its place. */
int __wrap_rsa_oaep_decrypt(const struct rsa_private *key, enum rsa_hash hash, const void *label,
                            size_t label_len, uint8_t *data, size_t *len) {
    bool is_good = __real_rsa_oaep_decrypt(key, hash, label, label_len, data, len);
    VALGRIND_MAKE_MEM_UNDEFINED(data, key->public.n_len);
    VALGRIND_MAKE_MEM_UNDEFINED(len, sizeof *len);
    VALGRIND_MAKE_MEM_UNDEFINED(&is_good, sizeof is_good);
    return is_good;
}

/* The client's word. It is `id` and the signature behind it. */
static const struct rsa_public *find_kiosk(const void *context, const uint8_t id[SHA256_LEN],
                                           int64_t now_s) {
    (void)context, (void)now_s;
    VALGRIND_MAKE_MEM_DEFINED(id - 4, IDENTITY_LEN);
    return is_kiosk_known ? &kiosk.public : NULL;
}

static void open_one(const char *name, const struct session_host *host, const uint8_t *frame,
                     size_t len) {
    uint8_t accept[ACCEPT_LEN], who[KIOSK_ID_LEN];
    unsigned before = VALGRIND_COUNT_ERRORS;
    bool is_accepted = session_accept(host, frame, len, 1000, &randomness.drbg.vtable, accept, who);
    VALGRIND_MAKE_MEM_DEFINED(&is_accepted, sizeof is_accepted);
    printf("%s: %s, %u complaints\n", name, is_accepted ? "accepted" : "refused",
           VALGRIND_COUNT_ERRORS - before);
}

int main(void) {
    static struct opening opening;
    static uint8_t frame[OPEN_MAX];
    struct ticket_key ticket_key;
    if (random_open(&randomness, NULL) != 0 || !rsa_generate(&server, 2048, &randomness) ||
        !rsa_generate(&kiosk, 2048, &randomness))
        return 2;
    random_bytes(&randomness, frame, sizeof ticket_key.key);
    ticket_key_init(&ticket_key, frame);
    struct session_host host = {
        .key = &server, .find_kiosk = find_kiosk, .ticket_key = &ticket_key, .lifetime_s = 60};
    rsa_public_id(&server.public, host.id);
    x25519_generate(host.exponent, host.share, &randomness);
    VALGRIND_MAKE_MEM_UNDEFINED(host.exponent, sizeof host.exponent);
    if (!opening_begin(&opening, &server.public, &kiosk, &randomness.drbg.vtable))
        return 2;
    is_kiosk_known = true;
    open_one("good", &host, opening.frame, opening.frame_len);
    memcpy(frame, opening.frame, opening.frame_len);
    frame[OPEN_CIPHERTEXT + 9] ^= 1;
    open_one("bad ciphertext", &host, frame, opening.frame_len);
    memcpy(frame, opening.frame, opening.frame_len);
    frame[opening.frame_len - 1] ^= 1;
    open_one("bad seal", &host, frame, opening.frame_len);
    is_kiosk_known = false;
    open_one("unknown kiosk", &host, opening.frame, opening.frame_len);
    return VALGRIND_COUNT_ERRORS == 0 ? 0 : 1;
}
