/* A worker in an attacker's hands, for tests: dlv's own objects, linked so that the first worker that is
 * started, confined as it is in a release, does what DLV_HOSTILE names instead of serving, and then stays.
 * What it finds goes to standard error as "hostile: WORDS". It is built into no released program. */
#include "serve/children.h"
#include "serve/worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

typedef int confine_function(const struct sandbox *sandbox, const struct worker_place *place,
                             struct error *error);

int __real_worker_run(const struct serve_settings *settings, struct db *db,
                      const struct worker_place *place, confine_function *confine);
int __wrap_worker_run(const struct serve_settings *settings, struct db *db,
                      const struct worker_place *place, confine_function *confine);

static void say(const char *what, int result) {
    char line[120];
    int len = snprintf(line, sizeof line, "hostile: %s: %s\n", what,
                       result == 0 ? "done" : strerror(errno));
    (void)!write(2, line, (size_t)len);
}

static void write_board(const struct worker_place *place) {
    uintptr_t page = (uintptr_t)place->board & ~(uintptr_t)4095;
    say("board", mprotect((void *)page, 4096, PROT_READ | PROT_WRITE));
}

static void send_requests(const struct worker_place *place, size_t len, unsigned count) {
    static struct channel_request request = {.work = CHANNEL_OPEN, .len = UINT16_MAX};
    for (unsigned i = 0; i < count; i++)
        send(place->key_holders, &request, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    say("requests", 0);
}

/* Requests that are sound, without end: each takes the key-holders a millisecond. */
static void flood(const struct worker_place *place) {
    static struct channel_request request = {.work = CHANNEL_OPEN, .len = 64 + 256};
    for (;;)
        send(place->key_holders, &request, sizeof request, MSG_NOSIGNAL);
}

/* Good requests for receipts, without end: it has the keys of tickets, so it makes sessions of its own. */
static void flood_with_receipts(const struct worker_place *place) {
    static struct channel_request request = {.work = CHANNEL_RECEIPT, .len = IDENTIFY_LEN};
    static const uint8_t claim[RECEIPT_CLAIM_LEN], random[ASK_RANDOM_LEN], nonce[AEAD_NONCE_LEN];
    static struct session session;
    struct ticket ticket = {.expires_s = time(NULL) + 600};
    ticket_seal(session.ticket, &ticket, &board_ring(place->board)->keys[0], nonce);
    receipt_ask(request.bytes, &session, claim, random);
    say("receipts", 0);
    for (;;)
        send(place->key_holders, &request, sizeof request, MSG_NOSIGNAL);
}

/* All that the workers share for writing is noise. */
static void spoil(const struct worker_place *place) {
    for (unsigned round = 0; round < 20; round++) {
        memset(place->tally, (int)(0x7f + 13 * round),
               sizeof *place->tally + 2 * sizeof place->tally->counts[0]);
        memset(place->quotas, (int)(0xff - 7 * round), 1 << 20);
        usleep(300000);
    }
    memset(place->tally, 0, sizeof *place->tally);
    memset(place->quotas, 0, 1 << 20);
    say("tally", 0);
}

int __wrap_worker_run(const struct serve_settings *settings, struct db *db,
                      const struct worker_place *place, confine_function *confine) {
    const char *what = getenv("DLV_HOSTILE");
    struct error error;
    if (what == NULL || place->index != 0 || atomic_load(&place->board->worker_starts[0]) != 1)
        return __real_worker_run(settings, db, place, confine);
    if (confine(&settings->sandbox, place, &error) != 0)
        return 2;
    channel_say_ready(place->orders);
    if (strcmp(what, "board") == 0)
        write_board(place);
    else if (strcmp(what, "empty") == 0)
        send_requests(place, 0, 200);
    else if (strcmp(what, "short") == 0)
        send_requests(place, 7, 200);
    else if (strcmp(what, "long") == 0)
        send_requests(place, sizeof(struct channel_request), 200);
    else if (strcmp(what, "flood") == 0)
        flood(place);
    else if (strcmp(what, "receipts") == 0)
        flood_with_receipts(place);
    else if (strcmp(what, "tally") == 0)
        spoil(place);
    else if (strcmp(what, "shut listener") == 0)
        say("listener", shutdown(place->listener, SHUT_RDWR));
    else if (strcmp(what, "shut datagrams") == 0)
        say("datagrams", shutdown(place->datagrams, SHUT_RDWR));
    else if (strcmp(what, "shut channel") == 0)
        say("channel", shutdown(place->key_holders, SHUT_RDWR));
    for (;;)
        usleep(100000);
}
