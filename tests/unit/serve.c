#include "unit.h"

#include "base/bytes.h"
#include "crypto/rsa_key.h"
#include "db/open.h"
#include "histogram.h"
#include "os/confine.h"
#include "serve/admission.h"
#include "serve/holders.h"
#include "serve/kiosks.h"
#include "serve/requests.h"
#include "serve/stats.h"
#include "serve/succession.h"
#include "serve/tickets.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct random randomness;
static const struct sandbox whole;

/* --- limits ----------------------------------------------------------------------------------- */

/* Taken by several threads at once, a limit gives no more than it has. */
enum { SHARED_BURST = 1000000 };
struct taker {
    struct limit *limit;
    pthread_barrier_t *start;
    int taken;
};

static void *take_many(void *context) {
    struct taker *taker = context;
    pthread_barrier_wait(taker->start);
    for (int i = 0; i < 2 * SHARED_BURST; i++)
        taker->taken += limit_take(taker->limit, 1000000, 1000, SHARED_BURST);
    return NULL;
}

static void test_limit_shared(void) {
    static struct limit limit;
    pthread_barrier_t start;
    struct taker takers[2] = {{&limit, &start, 0}, {&limit, &start, 0}};
    pthread_t threads[2];
    CHECK(pthread_barrier_init(&start, NULL, 2) == 0);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, take_many, &takers[i]) == 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    CHECK(takers[0].taken + takers[1].taken == SHARED_BURST);
}

static void test_limit(void) {
    struct limit limit = {0};
    int taken = 0;
    for (int i = 0; i < 100; i++)
        taken += limit_take(&limit, 1000000, 10, 20);
    CHECK(taken == 20); /* the burst */
    taken = 0;
    for (int64_t us = 1000000; us <= 3000000; us += 1000)
        taken += limit_take(&limit, us, 10, 20);
    CHECK(taken == 20); /* ten a second for two seconds */
    taken = 0;
    for (int i = 0; i < 100; i++)
        taken += limit_take(&limit, 100000000, 10, 20);
    CHECK(taken == 20); /* nothing is saved up beyond the burst */
    CHECK(limit_take(&limit, 0, 0, 0) == 1);
}

static bool take_from(const struct admission *admission, const struct sockaddr_storage *from) {
    uint8_t address[ADDRESS_LEN];
    admission_address(address, from);
    return admission_take(admission, address);
}

static uint64_t network_of(const struct admission *admission, const struct sockaddr_storage *from) {
    uint8_t address[ADDRESS_LEN];
    admission_address(address, from);
    return admission_network(admission, address);
}

static void test_admission(void) {
    static struct board board;
    static struct tally tally;
    const struct admission admission = {
        .board = &board, .tally = &tally, .per_second = 1000, .per_source = 2};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = 1};
    struct sockaddr_storage address = {0};
    int taken = 0;
    v6.sin6_addr.s6_addr[0] = 0x20;
    for (int i = 0; i < 40; i++) { /* all of a /64, whatever the port */
        v6.sin6_addr.s6_addr[15] = (uint8_t)i;
        v6.sin6_port = (in_port_t)i;
        memcpy(&address, &v6, sizeof v6);
        taken += take_from(&admission, &address);
    }
    CHECK(taken == 20);
    v6.sin6_addr.s6_addr[7] = 1; /* another /64 */
    memcpy(&address, &v6, sizeof v6);
    CHECK(take_from(&admission, &address));
    /* All of a /48, however many networks it has: sixteen times five seconds of one address. */
    memset(&tally, 0, sizeof tally);
    taken = 0;
    for (int i = 0; i < 65536; i += 7) {
        v6.sin6_addr.s6_addr[6] = (uint8_t)(i >> 8);
        v6.sin6_addr.s6_addr[7] = (uint8_t)i;
        memcpy(&address, &v6, sizeof v6);
        taken += take_from(&admission, &address);
    }
    CHECK(taken >= 160 && taken < 170); /* time goes on a little */

    /* IPv4, however it is written, and one address apart. */
    uint8_t a[ADDRESS_LEN], b[ADDRESS_LEN];
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = 7};
    struct sockaddr_in6 mapped = {.sin6_family = AF_INET6, .sin6_port = 7};
    v4.sin_addr.s_addr = 0x04030201;
    memset(&mapped.sin6_addr.s6_addr[10], 0xFF, 2);
    memcpy(&mapped.sin6_addr.s6_addr[12], &v4.sin_addr, 4);
    memset(&address, 0, sizeof address);
    memcpy(&address, &v4, sizeof v4);
    admission_address(a, &address);
    memcpy(&address, &mapped, sizeof mapped);
    admission_address(b, &address);
    CHECK(memcmp(a, b, ADDRESS_LEN) == 0);
}

static struct sockaddr_storage v4_address(uint32_t number) {
    const struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(number)};
    struct sockaddr_storage address = {0};
    memcpy(&address, &v4, sizeof v4);
    return address;
}

/* A network in which kiosks have been seen has more. */
static void test_known_networks(void) {
    static struct board board;
    static struct tally tally;
    const struct admission admission = {.board = &board, .tally = &tally, .per_source = 2};
    int taken[2] = {0, 0};
    for (int is_known = 0; is_known < 2; is_known++) {
        const struct sockaddr_storage address = v4_address(0x0A000001 + ((uint32_t)is_known << 16));
        uint64_t network = network_of(&admission, &address);
        CHECK(!admission_knows(&admission, network));
        if (is_known)
            admission_note_kiosk(&admission, network);
        CHECK(admission_knows(&admission, network) == is_known);
        for (int i = 0; i < 1000; i++)
            taken[is_known] += take_from(&admission, &address);
    }
    CHECK(taken[0] == 10 && taken[1] >= 160 && taken[1] < 170);
}

/* Ten thousand addresses, of as many networks, that ask for all they can get do not stop another one. */
static void test_flood_of_sources(void) {
    static struct board board;
    static struct tally tally;
    const struct admission admission = {.board = &board, .tally = &tally, .per_source = 2};
    int stopped = 0;
    for (uint32_t i = 0; i < 10000; i++) {
        const struct sockaddr_storage address = v4_address(i * 430001);
        for (int n = 0; n < 20; n++)
            take_from(&admission, &address);
    }
    for (uint32_t i = 0; i < 1000; i++) {
        const struct sockaddr_storage address = v4_address(0xC0000000 + i * 65537);
        stopped += !take_from(&admission, &address);
    }
    CHECK(stopped < 100);
}

/* --- who holds what ---------------------------------------------------------------------------- */

static bool any(const void *context, struct holding *holding) {
    return context != holding;
}

static void test_holders(void) {
    enum { MAX = 100 };
    struct holders holders = {.max = MAX};
    static struct holding holding[MAX];
    CHECK(holders_open(&holders) == 0 && holders_choose(&holders, 1, any, NULL) == NULL);
    /* One has forty, thirty others have two each. */
    for (int i = 0; i < MAX; i++)
        holders_give(&holders, &holding[i], i < 40 ? 7 : 1000 + (uint64_t)i % 30);
    for (int i = 0; i < 38; i++) {
        CHECK(holders_choose(&holders, 1, any, NULL) == &holding[i]);
        holders_take_back(&holders, &holding[i]);
    }
    /* Now all have two; who asks goes last. */
    holders_give(&holders, &holding[38], 7);
    CHECK(holders_choose(&holders, 1, any, &holding[39]) != &holding[39]);
    /* A connection becomes a kiosk's: the source has less by it. */
    holders_give(&holders, &holding[39], 42);
    CHECK(holding[38].holder->count == 1 && holding[39].holder->count == 1);
    /* Memory: one holder has at most half, another one a share of what is left. */
    uint32_t first = 0, second = 0;
    while (holders_buffer(&holders, &holding[38], 10, 3000))
        first += 10;
    while (holders_buffer(&holders, &holding[39], 10, 3000))
        second += 10;
    CHECK(first == 1500 && second == 750);
    CHECK(holders_buffer(&holders, &holding[50], 10, 3000));
    holders_take_back(&holders, &holding[38]);
    CHECK(holders.buffered == 760);
    holders_unbuffer(&holders, &holding[39], 750);
    for (int i = 0; i < MAX; i++)
        holders_take_back(&holders, &holding[i]);
    CHECK(holders.buffered == 0 && holders.most == 0);
    for (int i = 0; i < MAX; i++)
        holders_give(&holders, &holding[i], (uint64_t)i);
    CHECK(holders.most == 1 && holders.free == NULL);
    holders_free(&holders);
}

static void test_seen(void) {
    static struct seen seen;
    static uint8_t kept[1000][AEAD_TAG_LEN];
    uint8_t tag[AEAD_TAG_LEN];
    unsigned mistaken = 0, forgotten = 0;
    for (unsigned i = 0; i < SEEN_TAGS + SEEN_TAGS / 2; i++) {
        random_bytes(&randomness, tag, sizeof tag);
        mistaken += seen_before(&seen, tag);
        seen_add(&seen, tag);
        if (i >= SEEN_TAGS / 2 && i % (SEEN_TAGS / 1000) == 0 && i / (SEEN_TAGS / 1000) < 1500)
            memcpy(kept[(i / (SEEN_TAGS / 1000)) % 1000], tag, sizeof tag);
    }
    CHECK(mistaken < SEEN_TAGS / 200);
    for (unsigned i = 0; i < 1000; i++)
        forgotten += !bytes_are_zero(kept[i], AEAD_TAG_LEN) && !seen_before(&seen, kept[i]);
    CHECK(forgotten == 0);
}

/* --- ticket keys ------------------------------------------------------------------------------ */

static bool knows(const struct ticket_ring *ring, const struct ticket_key *key) {
    for (unsigned i = 0; i < ring->count; i++) {
        if (memcmp(&ring->keys[i], key, sizeof *key) == 0)
            return true;
    }
    return false;
}

static const struct key_set one_key = {.count = 1, .ids = {{1}}};

static bool update(struct ticket_source *source, int64_t now_s) {
    if (!tickets_are_due(source, now_s))
        return false;
    tickets_make(source, now_s, &randomness, &one_key, &one_key, 0);
    return true;
}

/* While keys are rolled, tickets of each pair of a server's key and an authority are good, and new ones
 * are those of the authority whose database is in use. */
static void test_ticket_keys_of_a_roll(void) {
    static const struct key_set servers = {.count = 2, .ids = {{1}, {2}}},
                                authorities = {.count = 3, .ids = {{3}, {4}, {5}}};
    struct ticket_source source = {0};
    struct ticket_ring before;
    tickets_make(&source, TICKET_PERIOD_S, &randomness, &servers, &authorities, 0);
    before = source.ring;
    CHECK(before.count == 2 * 3 * TICKET_SECRETS);
    tickets_make(&source, TICKET_PERIOD_S, &randomness, &servers, &authorities, 2);
    for (unsigned i = 0; i < before.count; i++)
        CHECK(knows(&source.ring, &before.keys[i]));
    for (unsigned s = 0; s < servers.count; s++) {
        const struct ticket_key *old = ticket_key_of(before.keys, before.count, servers.ids[s]);
        const struct ticket_key *new =
            ticket_key_of(source.ring.keys, source.ring.count, servers.ids[s]);
        CHECK(old != NULL && new != NULL &&memcmp(old, new, sizeof *old) != 0);
    }
    tickets_make(&source, TICKET_PERIOD_S, &randomness, &one_key, &authorities, 1);
    unsigned known = 0;
    for (unsigned i = 0; i < before.count; i++)
        known += knows(&source.ring, &before.keys[i]);
    CHECK(known == 3 * TICKET_SECRETS); /* those of the key that has stayed */
}

static void test_own_ticket_keys(void) {
    struct ticket_source source = {0};
    CHECK(tickets_load(&source, NULL, 0, NULL) == 0);
    CHECK(update(&source, 0)); /* whatever the clock says: a key of zeros would be known to all */
    for (unsigned i = 0; i < source.ring.count; i++)
        CHECK(!bytes_are_zero(source.ring.keys[i].key, AEAD_KEY_LEN));
    for (unsigned i = 0; i < TICKET_SECRETS; i++)
        CHECK(!bytes_are_zero(source.now[i].bytes, AEAD_KEY_LEN));
    CHECK(update(&source, 10 * TICKET_PERIOD_S) == 1);
    for (unsigned i = 0; i < source.ring.count; i++)
        CHECK(!bytes_are_zero(source.ring.keys[i].key, AEAD_KEY_LEN));
    CHECK(update(&source, 11 * TICKET_PERIOD_S - 1) == 0);
    const struct ticket_key first = source.ring.keys[0];
    CHECK(update(&source, 11 * TICKET_PERIOD_S) == 1);
    CHECK(memcmp(&source.ring.keys[0], &first, sizeof first) != 0 && knows(&source.ring, &first));
    CHECK(update(&source, 12 * TICKET_PERIOD_S) == 1);
    CHECK(!knows(&source.ring, &first));
    CHECK(update(&source, 11 * TICKET_PERIOD_S) == 1); /* a clock set back */
    CHECK(!knows(&source.ring, &first));
}

/* A secret: nobody else may read it. */
static void write_file(const char *path, const void *bytes, size_t len) {
    umask(077);
    FILE *file = fopen(path, "w");
    CHECK(file != NULL && fwrite(bytes, 1, len, file) == len && fclose(file) == 0);
}

static void test_shared_ticket_keys(const char *folder) {
    char path[256];
    uint8_t secret[AEAD_KEY_LEN] = {1};
    struct ticket_source here = {0}, there = {0};
    struct error error;
    int64_t now_s = 100 * TICKET_PERIOD_S;
    snprintf(path, sizeof path, "%s/ticket.key", folder);
    write_file(path, secret, sizeof secret);
    CHECK(tickets_load(&here, path, now_s - 50 * TICKET_PERIOD_S, &error) == 0);
    CHECK(tickets_load(&there, path, now_s - 50 * TICKET_PERIOD_S, &error) == 0);
    update(&here, now_s);
    update(&there, now_s + TICKET_PERIOD_S); /* whose clock is ahead */
    CHECK(knows(&here.ring, &there.ring.keys[0]) && knows(&there.ring, &here.ring.keys[0]));

    const struct ticket_key old = here.ring.keys[0];
    secret[0] = 2;
    write_file(path, secret, sizeof secret);
    CHECK(tickets_load(&here, path, now_s, &error) == 0);
    CHECK(update(&here, now_s) == 1);
    CHECK(memcmp(&here.ring.keys[0], &old, sizeof old) != 0 && knows(&here.ring, &old));
    update(&here, now_s + TICKET_PERIOD_S);
    CHECK(knows(&here.ring, &old));
    update(&here, now_s + 2 * TICKET_PERIOD_S);
    CHECK(!knows(&here.ring, &old) && bytes_are_zero(here.previous_secret, AEAD_KEY_LEN));

    const struct ticket_ring ring = here.ring;
    write_file(path, secret, sizeof secret - 1);
    CHECK(tickets_load(&here, path, now_s, &error) == ERR_FORMAT);
    write_file(path, "0123456789012345678901234567890123", 34);
    CHECK(tickets_load(&here, path, now_s, &error) == ERR_FORMAT);
    CHECK(memcmp(&ring, &here.ring, sizeof ring) == 0);
}

/* --- kiosks ----------------------------------------------------------------------------------- */

static void test_kiosks(const char *folder) {
    enum { COUNT = 3 };
    static struct rsa_private keys[COUNT];
    static struct kiosks kiosks;
    struct kiosks_change change;
    struct rsa_public key;
    char path[256], base64[BASE64_LEN(RSA_PUBLIC_DER_MAX) + 1];
    uint8_t der[RSA_PUBLIC_DER_MAX], id[SHA256_LEN];
    struct error error;
    snprintf(path, sizeof path, "%s/kiosks", folder);
    FILE *file = fopen(path, "w");
    for (int i = 0; i < COUNT; i++) {
        CHECK(rsa_generate(&keys[i], 2048, &randomness));
        base64_encode(base64, der, rsa_public_encode(&keys[i].public, der));
        fprintf(file, "kiosk-%d\t%s %s\n", i, base64,
                i == 1   ? "2026-11-25"
                : i == 2 ? "2026-11-25T12:00:00+05:30"
                         : "");
    }
    fclose(file);
    CHECK(kiosks_load(&kiosks, NULL, path, &change, &error) == 0 && kiosks.count == COUNT);
    for (int i = 0; i < COUNT; i++) {
        rsa_public_id(&keys[i].public, id);
        const struct kiosk *kiosk = kiosks_find(&kiosks, id, SHA256_LEN);
        CHECK(kiosk != NULL && kiosk == kiosks_find(&kiosks, id, KIOSK_ID_LEN));
        CHECK(kiosks_key(&kiosks, kiosk, &key) && memcmp(key.n, keys[i].public.n, 256) == 0);
        CHECK(kiosk->not_after_s == (i == 0   ? INT64_MAX
                                     : i == 1 ? 1795651199 /* the day's last second */
                                              : 1795588200));
        id[31] ^= 1;
        CHECK(kiosks_find(&kiosks, id, SHA256_LEN) == NULL);
        id[0] ^= 0x80;
        CHECK(kiosks_find(&kiosks, id, KIOSK_ID_LEN) == NULL);
    }
    write_file(path, "", 0);
    CHECK(kiosks_load(&kiosks, NULL, path, &change, &error) == 0 && kiosks.count == 0);
    CHECK(kiosks_find(&kiosks, id, SHA256_LEN) == NULL);
}

/* --- the way to the key-holders --------------------------------------------------------------- */

static struct job make_job(enum channel_work work, const char *text) {
    struct job job = {.queue = work == CHANNEL_LEGACY ? QUEUE_LEGACY : QUEUE_OTHER,
                      .work = work,
                      .under_way = -1,
                      .deadline_ms = 10000,
                      .bytes = (const uint8_t *)text,
                      .len = 1};
    list_init(&job.link);
    return job;
}

static char next_request(int fd, struct channel_request *request) {
    return read(fd, request, sizeof *request) == (ssize_t)sizeof *request ? (char)request->bytes[0]
                                                                          : '-';
}

static void reply_to(int fd, uint64_t id) {
    const struct channel_reply reply = {.id = id, .result = CHANNEL_GOOD};
    size_t len = channel_reply_len(CHANNEL_OPEN);
    CHECK(write(fd, &reply, len) == (ssize_t)len);
}

static unsigned shed_count;
static struct job *shed_last;

static void note_shed(void *context, struct job *job) {
    (void)context;
    shed_count++;
    shed_last = job;
}

/* Who floods a queue gives way in it himself; no kind keeps out another; nobody waits in vain. */
static void test_fair_queues(void) {
    enum { FLOOD = 1500 };
    static struct requests requests;
    static struct job flood[FLOOD], other[20], legacy[20], known[20];
    struct channel_request request;
    int pair[2], taken = 0, counts[4] = {0};
    CHECK(channel_pair(pair) == 0);
    requests_init(&requests, pair[0], 1, 1000);
    requests.shed = note_shed;
    for (int i = 0; i < FLOOD; i++) {
        flood[i] = make_job(CHANNEL_OPEN, "f");
        flood[i].network = 77;
        taken += requests_add(&requests, &flood[i], 0);
    }
    CHECK(taken == QUEUE_MAX + 4 && shed_count == 0);
    for (int i = 0; i < 20; i++) {
        other[i] = make_job(CHANNEL_OPEN, "o");
        other[i].network = 1000 + (uint64_t)i;
        legacy[i] = make_job(CHANNEL_LEGACY, "l");
        known[i] = make_job(CHANNEL_OPEN, "k");
        known[i].queue = QUEUE_KNOWN;
        CHECK(requests_add(&requests, &other[i], 0) && requests_add(&requests, &legacy[i], 0) &&
              requests_add(&requests, &known[i], 0));
    }
    CHECK(shed_count == 20 && shed_last->network == 77);
    while (next_request(pair[1], &request) != '-')
        ;
    for (int i = 0; i < 32; i++) { /* two rounds */
        struct channel_reply reply;
        struct job *done;
        reply_to(pair[1], requests.under_way[i % 4].request.id);
        while (requests_take_reply(&requests, &reply, &done))
            ;
        char what = next_request(pair[1], &request);
        counts[what == 'k' ? 0 : what == 'f' || what == 'o' ? 1 : what == 'l' ? 2 : 3]++;
    }
    CHECK(counts[0] == 20 && counts[1] == 8 && counts[2] == 4 && counts[3] == 0);
    CHECK(requests_shed_overdue(&requests, 9999, 20000) == 10000);
    shed_count = 0;
    CHECK(requests_shed_overdue(&requests, 10001, 20000) == 20000);
    CHECK(requests.waiting_count == 0 && shed_count == QUEUE_MAX - 8 + 16);
    struct job late = make_job(CHANNEL_OPEN, "x");
    CHECK(!requests_add(&requests, &late, 10001));
    for (int i = 0; i < 2; i++) {
        close(pair[i]);
    }
}

/* Receipts are sent many at a time, and take the place of nothing else. */
static void test_receipts_under_way(void) {
    static struct requests requests;
    static struct job receipts[RECEIPTS_UNDER_WAY_MAX + 3], openings[5];
    struct channel_request request;
    int pair[2];
    CHECK(channel_pair(pair) == 0);
    requests_init(&requests, pair[0], 1, 1000);
    for (unsigned i = 0; i < RECEIPTS_UNDER_WAY_MAX + 3; i++) {
        receipts[i] = make_job(CHANNEL_RECEIPT, "r");
        receipts[i].queue = QUEUE_RECEIPTS;
        CHECK(requests_add(&requests, &receipts[i], 0));
    }
    for (int i = 0; i < 5; i++) {
        openings[i] = make_job(CHANNEL_OPEN, "o");
        CHECK(requests_add(&requests, &openings[i], 0));
    }
    for (int i = 0; i < RECEIPTS_UNDER_WAY_MAX; i++) {
        CHECK(next_request(pair[1], &request) == 'r');
    }
    for (int i = 0; i < 4; i++)
        CHECK(next_request(pair[1], &request) == 'o');
    CHECK(next_request(pair[1], &request) == '-' && requests.waiting_count == 4);
    close(pair[0]);
    close(pair[1]);
}

static void test_requests(void) {
    static struct requests requests;
    struct channel_request request[8];
    struct channel_reply reply;
    struct job legacy[6], openings[3], *done;
    int pair[2];
    CHECK(channel_pair(pair) == 0);
    requests_init(&requests, pair[0], 1, 1000);
    for (int i = 0; i < 6; i++) {
        legacy[i] = make_job(CHANNEL_LEGACY, &"abcdef"[i]);
        CHECK(requests_add(&requests, &legacy[i], 0));
    }
    for (int i = 0; i < 3; i++) {
        openings[i] = make_job(CHANNEL_OPEN, &"XYZ"[i]);
        CHECK(requests_add(&requests, &openings[i], 0));
    }
    /* Four are under way; of the others, openings come first. */
    for (int i = 0; i < 4; i++)
        CHECK(next_request(pair[1], &request[i]) == "abcd"[i]);
    CHECK(next_request(pair[1], &request[4]) == '-' && requests.waiting_count == 5);
    reply_to(pair[1], request[1].id);
    CHECK(requests_take_reply(&requests, &reply, &done) == 1 && done == &legacy[1]);
    CHECK(requests_take_reply(&requests, &reply, &done) == 0);
    CHECK(next_request(pair[1], &request[4]) == 'X');
    /* A reply that comes twice, or to nobody. */
    reply_to(pair[1], request[1].id);
    reply_to(pair[1], 77);
    CHECK(requests_take_reply(&requests, &reply, &done) == 0);
    /* Whose client has left. */
    requests_cancel(&requests, &legacy[0]);
    requests_cancel(&requests, &openings[1]); /* still waits */
    CHECK(requests.waiting_count == 3);
    reply_to(pair[1], request[0].id);
    CHECK(requests_take_reply(&requests, &reply, &done) == 1 && done == NULL);
    CHECK(requests_take_reply(&requests, &reply, &done) == 0);
    CHECK(next_request(pair[1], &request[5]) == 'Z');
    /* A key-holder fails: c, d, X, Z are sent again, with the numbers they had; then no more. */
    CHECK(requests_repeat(&requests, &done) == 0);
    char seen[5] = "";
    for (int i = 0; i < 4; i++)
        seen[i] = next_request(pair[1], &request[i]);
    CHECK(strchr(seen, 'c') && strchr(seen, 'd') && strchr(seen, 'X') && strchr(seen, 'Z'));
    for (int i = 0; i < 4; i++) {
        if (seen[i] != 'c')
            continue;
        reply_to(pair[1], request[i].id);
        CHECK(requests_take_reply(&requests, &reply, &done) == 1 && done == &legacy[2]);
    }
    CHECK(requests_take_reply(&requests, &reply, &done) ==
          0); /* e is under way, for the first time */
    int given_up = 0;
    while (requests_repeat(&requests, &done))
        given_up += done == &legacy[3] || done == &openings[0] || done == &openings[2];
    CHECK(given_up == 3);
    for (int i = 0; i < 2; i++) {
        close(pair[i]);
    }
}

/* --- times ------------------------------------------------------------------------------------ */

static void test_histogram(void) {
    static struct histogram histogram;
    CHECK(histogram_percentile(&histogram, 0.5) == 0);
    for (uint64_t i = 1; i <= 100000; i++)
        histogram_add(&histogram, i);
    for (int i = 1; i <= 100; i++) {
        double got = (double)histogram_percentile(&histogram, i / 100.0), want = i * 1000.0;
        CHECK(got >= want * 0.999 && got <= want * 1.033);
    }
    CHECK(histogram_percentile(&histogram, 1) == 100000);
    histogram_add(&histogram, UINT64_MAX);
    CHECK(histogram_percentile(&histogram, 1) == UINT64_MAX && histogram.count == 100001);
}

/* --- confinement ------------------------------------------------------------------------------ */

static int inherited[2], own[2];

static void do_open(void) {
    open("/dev/null", O_RDONLY);
}

static void do_socket(void) {
    socket(AF_INET, SOCK_STREAM, 0);
}

static void do_connect(void) {
    connect(inherited[0], NULL, 0);
}

static void do_fork(void) {
    fork();
}

static void do_exec(void) {
    execl("/bin/true", "true", (char *)NULL);
}

static void do_kill(void) {
    kill(getppid(), 0);
}

static void do_map_code(void) {
    mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void do_getpid(void) {
    getpid();
}

static void do_recv(void) {
    char byte;
    recv(inherited[0], &byte, 1, MSG_DONTWAIT);
}

static void do_shut_own(void) {
    shutdown(own[0], SHUT_WR);
}

static void do_shut_shared(void) {
    shutdown(inherited[0], SHUT_WR);
}

static void do_map(void) {
    mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void do_write(void) {
    CHECK(write(inherited[0], "x", 1) == 1);
}

static void do_read(void) {
    char byte;
    CHECK(read(inherited[0], &byte, 1) == -1 && errno == EAGAIN);
}

static const struct {
    const char *name;
    void (*act)(void);
    bool may_worker;
    bool may_key_holder;
} acts[] = {{"open", do_open, 0, 0},
            {"socket", do_socket, 0, 0},
            {"connect", do_connect, 0, 0},
            {"fork", do_fork, 0, 0},
            {"exec", do_exec, 0, 0},
            {"kill", do_kill, 0, 0},
            {"map code", do_map_code, 0, 0},
            {"getpid", do_getpid, 1, 0},
            {"recv", do_recv, 1, 0},
            {"shut own", do_shut_own, 1, 0},
            {"shut shared", do_shut_shared, 0, 0},
            {"map", do_map, 1, 0},
            {"write", do_write, 1, 1},
            {"read", do_read, 1, 1}};

/* Whether a process of this role survives the act. */
static bool survives(enum confine_role role, void (*act)(void)) {
    int status;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, inherited) == 0 &&
          socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, own) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (confine_calls(&whole, role, inherited, role == CONFINE_WORKER, NULL) != 0)
            _exit(9);
        act();
        _exit(0);
    }
    waitpid(pid, &status, 0);
    for (int i = 0; i < 2; i++) {
        close(inherited[i]);
        close(own[i]);
    }
    CHECK(WIFSIGNALED(status) ? WTERMSIG(status) == SIGSYS : WEXITSTATUS(status) == 0);
    return WIFEXITED(status);
}

static void test_calls(void) {
#if defined(__SANITIZE_ADDRESS__)
    return;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
    return;
#endif
#endif
    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
        unit_check(survives(CONFINE_WORKER, acts[i].act) == acts[i].may_worker, acts[i].name,
                   "worker", 0);
        unit_check(survives(CONFINE_KEY_HOLDER, acts[i].act) == acts[i].may_key_holder,
                   acts[i].name, "key-holder", 0);
        unit_check(survives(CONFINE_PARENT, acts[i].act), acts[i].name, "parent", 0);
    }
    /* The parent lives, but what it has no use for fails; and its children's lists fit into its own. */
    pid_t pid = fork();
    if (pid == 0) {
        bool is_good =
            confine_calls(&whole, CONFINE_PARENT, NULL, 0, NULL) == 0 &&
            execl("/bin/true", "true", (char *)NULL) != 0 && errno == EPERM &&
            mmap(NULL, 4096, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED &&
            survives(CONFINE_WORKER, do_recv) && survives(CONFINE_KEY_HOLDER, do_write);
        _exit(is_good ? 0 : 1);
    }
    int status;
    waitpid(pid, &status, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* The board: the parent writes, a child reads, and can change neither that nor the board. */
static void test_board(void) {
    struct board *board;
    struct error error;
    int fd, status;
    CHECK(board_open(&board, &fd, &error) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        int copy = dup(fd);
        unsigned char resident;
        bool is_good = mincore(board, 4096, &resident) != 0 && errno == ENOMEM; /* not inherited */
        const struct board *mine = board_attach(fd);
        is_good &=
            mine != NULL && mprotect((void *)(uintptr_t)mine, 4096, PROT_READ | PROT_WRITE) != 0;
        is_good &= mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, copy, 0) == MAP_FAILED;
        is_good &= write(copy, "x", 1) < 0 && ftruncate(copy, 0) != 0;
        for (int i = 0; i < 2000 && is_good && atomic_load(&mine->worker_starts[3]) == 0; i++)
            usleep(1000);
        _exit(is_good && atomic_load(&mine->worker_starts[3]) == 5 ? 0 : 1);
    }
    atomic_store(&board->worker_starts[3], 5);
    waitpid(pid, &status, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    munmap(board, sizeof *board);
    close(fd);
}

/* Landlock alone: no file by its name, not even one that everybody may read. */
static void test_files(void) {
    struct error error;
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        int code = confine_files(&whole, -1, &error);
        int fd = open("/etc/passwd", O_RDONLY);
        _exit(code != 0 ? 9 : fd >= 0 ? 1 : errno == EACCES ? 0 : 2);
    }
    waitpid(pid, &status, 0);
    CHECK(WIFEXITED(status));
    if (WEXITSTATUS(status) == 1)
        puts("serve: this kernel has no Landlock: not tested");
    else
        CHECK(WEXITSTATUS(status) == 0);
}

static int makes(const char *path) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    return fd >= 0 ? 1 : errno == EACCES ? 0 : -1;
}

/* Read anywhere, write in one folder, run nothing. */
static void test_writing(const char *folder) {
    char inside[256];
    struct error error;
    int status;
    snprintf(inside, sizeof inside, "%s/inside", folder);
    pid_t pid = fork();
    if (pid == 0) {
        int code = confine_writing(&whole, folder, NULL, &error);
        bool is_good = code == 0 && open("/etc/passwd", O_RDONLY) >= 0 && makes(inside) == 1 &&
                       makes("/tmp/dlv-unit-outside") == 0;
        execl("/bin/true", "true", (char *)NULL);
        is_good &= errno == EACCES;
        is_good &= confine_writing(&whole, NULL, NULL, &error) == 0 && makes(inside) == 0;
        _exit(is_good ? 0 : 1);
    }
    waitpid(pid, &status, 0);
    if (access("/tmp/dlv-unit-outside", F_OK) == 0)
        unlink("/tmp/dlv-unit-outside"); /* no Landlock: test_files has said so */
    else
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Every counter of every worker is in the file. */
static void test_stats(void) {
    struct tally *tally = calloc(1, sizeof *tally + 2 * sizeof tally->counts[0]);
    static char text[32768], wanted[100];
    char path[] = "/tmp/dlv-unit-XXXXXX";
    struct db_header header = {.count = 77, .facts = {.sequence = 9, .valid_until_s = 5500}};
    const struct parent_counts parent = {
        3, {[RELOAD_DATABASE_REFUSED] = 5, [RELOAD_TICKET_KEY_REFUSED] = 8}, 0, NULL, NULL};
    struct serve_settings settings = {
        .stats_path = path, .stats_replacing = REPLACE_KIND, .worker_count = 2};
    struct error error;
    CHECK(tally != NULL);
    for (unsigned w = 0; w < 2 && tally != NULL; w++) {
        for (int i = 0; i < COUNT_NAMES; i++)
            count_add(&tally->counts[w].named[i], 1000u + (unsigned)i);
        for (int i = 0; i < FOUND_COUNT; i++)
            count_add(&tally->counts[w].found[i], 500u + (unsigned)i);
        for (int i = 0; i < LATENCY_BUCKETS; i++)
            count_add(&tally->counts[w].latency[i], 1u + (unsigned)i);
        count_add(&tally->counts[w].latency_sum_us, 1500007);
    }
    CHECK(close(mkstemp(path)) == 0);
    CHECK(stats_write(&settings, tally, &header, &parent, 5000, &error) == 0);
    int fd = open(path, O_RDONLY);
    ssize_t len = read(fd, text, sizeof text - 1);
    CHECK(len > 0 && (size_t)len < sizeof text - 1);
    close(fd);
    unlink(path);
    /* 2 * (1 + ... + LATENCY_BUCKETS) */
    CHECK(strstr(text, "dlv_answer_seconds_count 600\n") != NULL);
    CHECK(strstr(text, "dlv_answer_seconds_bucket{le=\"+Inf\"} 600\n") != NULL);
    CHECK(strstr(text, "dlv_answer_seconds_bucket{le=\"0.000001\"} 2\n") != NULL);
    CHECK(strstr(text, "dlv_answer_seconds_bucket{le=\"0.000004\"} 12\n") != NULL);
    CHECK(strstr(text, "dlv_answer_seconds_sum 3.000014\n") != NULL);
    static const char *const names[FOUND_COUNT] = {"nothing", "licence", "document",
                                                   "former_number", "legacy_record"};
    for (int i = 0; i < FOUND_COUNT; i++) {
        snprintf(wanted, sizeof wanted, "dlv_questions_total{found=\"%s\"} %d\n", names[i],
                 1000 + 2 * i);
        CHECK(strstr(text, wanted) != NULL);
    }
    for (int i = 0; i < COUNT_NAMES; i++) {
        snprintf(wanted, sizeof wanted, " %d\n", 2000 + 2 * i);
        CHECK(strstr(text, wanted) != NULL);
    }
    CHECK(strstr(text, "dlv_restarts_total 3\n") != NULL);
    CHECK(strstr(text, "dlv_reloads_total{what=\"database_refused\"} 5\n") != NULL);
    CHECK(strstr(text, "dlv_reloads_total{what=\"ticket_key_refused\"} 8\n") != NULL);
    CHECK(strstr(text, "dlv_database_left_seconds 500\n") != NULL);
    free(tally);
}

/* --- releases --------------------------------------------------------------------------------- */

static void log_nothing(const char *line) {
    (void)line;
}

static int count_mappings(const char *name) {
    char line[512];
    int count = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL)
        count += strstr(line, name) != NULL;
    CHECK(maps != NULL && fclose(maps) == 0);
    return count;
}

/* However soon releases follow each other, the last one alone stays mapped. */
static void test_succession(void) {
    static const char path[] = "vectors/golden.db";
    static struct serve_settings settings = {.db_path = path, .log = log_nothing};
    static const char *const authority = "vectors/golden_authority.pub";
    struct key_set *authorities = &settings.public.authorities;
    struct succession succession;
    struct error error;
    struct db db;
    CHECK(key_set_load(authorities, &authority, 1, 2048, &error) == 0);
    for (int populates = 0; populates < 2; populates++) {
        settings.populates = populates == 1;
        CHECK(db_open(&db, path, authorities, &error) == 0);
        const struct file_state state = file_state_of(-1);
        CHECK(succession_init(&succession, &settings, &db, -1, &state, &error) == 0);
        for (int i = 0; i < 3; i++) {
            succession_begin(&succession, open(path, O_RDONLY), true, authorities);
            for (int step = 0; step < i; step++)
                succession_step(&succession);
        }
        while (succession_is_due(&succession))
            succession_step(&succession);
        CHECK(db.map != NULL && count_mappings("golden.db") == 1);
        /* What is no database changes nothing. */
        const void *last = db.map;
        succession_begin(&succession, open("README.md", O_RDONLY), true, authorities);
        while (succession_is_due(&succession))
            succession_step(&succession);
        CHECK(db.map == last && count_mappings("golden.db") == 1);
        db_close(&db);
        CHECK(count_mappings("golden.db") == 0);
    }
}

int main(void) {
    char folder[] = "/tmp/dlv-unit-XXXXXX", command[64];
    CHECK(mkdtemp(folder) != NULL && random_open(&randomness, NULL) == 0);
    test_limit();
    test_limit_shared();
    test_admission();
    test_known_networks();
    test_flood_of_sources();
    test_holders();
    test_seen();
    test_own_ticket_keys();
    test_ticket_keys_of_a_roll();
    test_shared_ticket_keys(folder);
    test_kiosks(folder);
    test_requests();
    test_receipts_under_way();
    test_fair_queues();
    test_histogram();
    test_calls();
    test_board();
    test_files();
    test_writing(folder);
    snprintf(command, sizeof command, "rm -r %s", folder);
    CHECK(system(command) == 0);
    test_stats();
    test_succession();
    return unit_end("serve");
}
