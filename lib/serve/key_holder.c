#include "serve/key_holder.h"

#include "base/bytes.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct rsa_public *find_kiosk(const void *context, const uint8_t *id, size_t id_len,
                                           int64_t now_s) {
    static struct rsa_public key;
    const struct kiosks *kiosks = context;
    const struct kiosk *kiosk = kiosks_find(kiosks, id, id_len);
    /* Some key is taken up in any case, so that the time does not tell whether the kiosk is known. */
    bool is_read = kiosks_key(kiosks, kiosk != NULL ? kiosk : &kiosks->sorted[0], &key);
    return kiosk != NULL && is_read && kiosk->not_after_s >= now_s ? &key : NULL;
}

static void decrypt(const struct key_holder *holder, struct channel_request *request,
                    struct channel_reply *reply) {
    reply->result = CHANNEL_BAD;
    for (unsigned i = 0; i < holder->keys->count && reply->result == CHANNEL_BAD; i++) {
        size_t len = request->len;
        memcpy(reply->bytes, request->bytes, len);
        if (rsa_oaep_decrypt(&holder->keys->keys[i], RSA_SHA1, NULL, 0, reply->bytes, &len)) {
            reply->result = CHANNEL_GOOD;
            reply->len = (uint32_t)len;
        } else {
            wipe(reply->bytes, sizeof reply->bytes);
        }
    }
}

/* What changes with the time is prepared once a second, not for each opening. */
static void prepare(const struct key_holder *holder, struct random *random,
                    struct session_host *host, int64_t now_s) {
    const struct kiosks *kiosks = board_kiosks(holder->board);
    host->find_kiosk = kiosks != NULL ? find_kiosk : NULL;
    host->kiosks = kiosks;
    const struct ticket_ring *ring = board_ring(holder->board);
    host->ticket_keys = ring->keys;
    host->ticket_key_count = ring->count;
    host->renewal_keys = ring->renewals;
    host->renewal_key_count = ring->renewal_count;
    if (host->made_s == now_s)
        return;
    host->made_s = now_s;
    random_refresh(random);
    x25519_generate(host->exponent, host->share, random);
}

/* Takes the key that the client means, as far as there is one. */
static void choose_key(const struct key_holder *holder, struct session_host *host,
                       const struct channel_request *request) {
    const struct private_key_set *set = holder->keys;
    for (unsigned i = 0; i < set->count && request->len > OPEN_CIPHERTEXT; i++) {
        rsa_public_id(&set->keys[i].public, host->id);
        host->key = &set->keys[i];
        if (memcmp(request->bytes + OPEN_KEY_ID, host->id, OPEN_KEY_ID_LEN) == 0)
            return;
    }
}

/* An exponent is for the openings of its second, though no other one comes. */
static void forget_exponent(struct session_host *host, int64_t now_s) {
    if (host->made_s == now_s)
        return;
    wipe(host->exponent, sizeof host->exponent);
    host->made_s = 0;
}

static void open_session(const struct key_holder *holder, struct random *random,
                         struct session_host *host, const struct channel_request *request,
                         struct channel_reply *reply) {
    int64_t now_s = time(NULL);
    prepare(holder, random, host, now_s);
    choose_key(holder, host, request);
    bool is_good = (request->work == CHANNEL_RENEW ? session_renew : session_accept)(
        host, request->bytes, request->len, now_s, &random->drbg.vtable, reply->bytes);
    reply->result = is_good ? CHANNEL_GOOD : CHANNEL_BAD;
    reply->len = ACCEPT_LEN;
}

/* Answers an IDENTIFY or an UNWRAP. */
static void answer_in_session(const struct key_holder *holder, struct random *random,
                              struct session_host *host, struct channel_request *request,
                              struct channel_reply *reply) {
    static const enum channel_result results[] = {[ADMISSION_GOOD] = CHANNEL_GOOD,
                                                  [ADMISSION_NOT_ENROLLED] = CHANNEL_NOT_ADMITTED,
                                                  [ADMISSION_FOREIGN] = CHANNEL_BAD};
    int64_t now_s = time(NULL);
    prepare(holder, random, host, now_s);
    enum admission_status status =
        request->work == CHANNEL_UNWRAP
            ? session_unwrap(host, holder->keys->keys, holder->keys->count, request->bytes,
                             request->len, now_s, &random->drbg.vtable, reply->bytes)
            : session_admit(host, request->bytes, request->len, now_s, &random->drbg.vtable,
                            reply->bytes);
    reply->result = results[status];
    reply->len = ADMIT_LEN;
}

static void serve(const struct key_holder *holder, struct random *random, struct session_host *host,
                  struct channel_request *request, int channel) {
    static struct channel_reply reply;
    memset(&reply, 0, sizeof reply);
    reply.id = request->id;
    if (request->work == CHANNEL_OPEN || request->work == CHANNEL_RENEW)
        open_session(holder, random, host, request, &reply);
    else if (request->work == CHANNEL_IDENTIFY || request->work == CHANNEL_UNWRAP)
        answer_in_session(holder, random, host, request, &reply);
    else if (holder->is_legacy_allowed)
        decrypt(holder, request, &reply);
    /* Never waits: a worker has fewer requests under way than its socket holds replies. */
    ssize_t sent = write(channel, &reply, channel_reply_len((enum channel_work)request->work));
    (void)sent; /* that worker has failed, and its clients ask again */
    wipe(&reply, sizeof reply);
}

/* The workers, as the key-holder sees them. */
struct callers {
    struct pollfd polls[SERVE_PROCESSES_MAX];
    unsigned shut_out[SERVE_PROCESSES_MAX]; /* after how many starts; 0: it is served */
};

/* Who was shut out is served again when it is not the same process any more. */
static void let_in(const struct key_holder *holder, struct callers *callers) {
    for (unsigned w = 0; w < holder->worker_count; w++) {
        if (callers->shut_out[w] == 0 ||
            callers->shut_out[w] == atomic_load(&holder->board->worker_starts[w]))
            continue;
        callers->shut_out[w] = 0;
        callers->polls[w].fd = holder->channels[w];
    }
}

/* Takes a request for a receipt, which is signed together with others. */
static void take_receipt(const struct key_holder *holder, struct random *random,
                         struct session_host *host, struct receipt_batch *batch,
                         struct channel_request *request, int channel) {
    prepare(holder, random, host, time(NULL));
    receipts_add(batch, holder->signer, host, request, board_keys(holder->board)->release_id,
                 &random->drbg.vtable, channel);
}

/* Serves one request of a worker that has sent something. Whether it was for a receipt: then others may wait. */
static bool serve_worker(const struct key_holder *holder, struct random *random,
                         struct session_host *host, struct callers *callers,
                         struct receipt_batch *batch, unsigned w) {
    struct channel_request request;
    bool is_receipt = false;
    ssize_t n = read(callers->polls[w].fd, &request, sizeof request);
    if (n < 0)
        return false; /* another key-holder has taken it, or none is left */
    if (channel_request_is_sound(&request, (size_t)n)) {
        is_receipt = request.work == CHANNEL_RECEIPT;
        if (is_receipt)
            take_receipt(holder, random, host, batch, &request, holder->channels[w]);
        else
            serve(holder, random, host, &request, holder->channels[w]);
    } else {
        callers->shut_out[w] = atomic_load(&holder->board->worker_starts[w]);
        callers->polls[w].fd = -1;
    }
    wipe(&request, sizeof request);
    return is_receipt;
}

int key_holder_run(const struct key_holder *holder, struct random *random) {
    static struct receipt_batch batch;
    struct session_host host = {.key = &holder->keys->keys[0],
                                .lifetime_s = TICKET_LIFETIME_S,
                                .is_anonymous_allowed = holder->is_anonymous_allowed};
    struct callers callers = {.shut_out = {0}};
    rsa_public_id(&host.key->public, host.id);
    for (unsigned w = 0; w < holder->worker_count; w++)
        callers.polls[w] = (struct pollfd){.fd = holder->channels[w], .events = POLLIN};
    for (;;) {
        int n = poll(callers.polls, holder->worker_count, batch.count > 0 ? 0 : 1000);
        if (n < 0 && errno != EINTR)
            break;
        if (n <= 0)
            forget_exponent(&host, time(NULL));
        let_in(holder, &callers);
        /* Of each worker one request, or as many for receipts as an honest one has under way. */
        for (unsigned w = 0; w < holder->worker_count && n > 0; w++) {
            for (unsigned i = 0; i < RECEIPTS_UNDER_WAY_MAX && callers.polls[w].fd >= 0 &&
                                 callers.polls[w].revents != 0 &&
                                 serve_worker(holder, random, &host, &callers, &batch, w);
                 i++) {
            }
        }
        if (receipts_are_due(&batch, n <= 0))
            receipts_sign(&batch, holder->signer);
    }
    wipe(&batch, sizeof batch);
    wipe(&host, sizeof host);
    wipe(holder->keys, sizeof *holder->keys);
    if (holder->signer != NULL)
        wipe(holder->signer, sizeof *holder->signer);
    return 2;
}
