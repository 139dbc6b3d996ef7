/* What the server does with bytes off the network: a stream in pieces through a connection, and the
 * same bytes as a datagram. Some of the frames are sealed well: marked by a 0xA5 in the input. */
#include "crypto/rsa_key.h"
#include "serve/connection.h"
#include "serve/datagram.h"
#include "serve/tickets.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct db db;
static struct board *board;
static struct tally *tally;
static struct answerer answerer;
static struct connection_host host;
static struct datagram_server datagrams;
static struct requests requests;
static struct random randomness;
static struct reception reception;
static uint8_t good_ask[FRAME_MAX];
static size_t good_len;

static void make_good_ask(const struct ticket_key *key) {
    static struct question question = {
        .what = WHAT_PROOFS, .count = 1, .items = {{.kind = ASK_NUMBER}}};
    const uint8_t nonce[AEAD_NONCE_LEN] = {1};
    const struct ticket ticket = {.expires_s = INT64_MAX};
    uint8_t sealed[TICKET_LEN];
    ticket_seal(sealed, &ticket, key, nonce);
    good_len = question_seal(good_ask, &question, ticket.session_key, sealed, nonce, 1000);
}

static void init(void) {
    static const char *const authority = "vectors/golden_authority.pub";
    static struct server_public keys;
    struct ticket_source tickets = {0};
    struct error error;
    int board_fd;
    if (key_set_load(&keys.authorities, &authority, 1, 2048, &error) != 0 ||
        db_open(&db, "vectors/golden.db", &keys.authorities, &error) != 0 ||
        random_open(&randomness, &error) != 0 || board_open(&board, &board_fd, &error) != 0 ||
        tally_open(&tally, 1, &error) != 0)
        abort();
    keys.servers = keys.authorities; /* any key will do */
    board_set_keys(board, &keys);
    tickets_make(&tickets, 4000, &randomness, &keys.servers, &keys.authorities, 0);
    board_set_ring(board, &tickets.ring);
    make_good_ask(&tickets.ring.keys[0]);
    answerer.source.db = &db;
    answerer.source.is_anonymous_allowed = true;
    answerer.board = board;
    answerer.seen = &tally->seen;
    answerer.counts = &tally->counts[0];
    answerer.random = &randomness;
    host.answerer = &answerer;
    host.is_legacy_allowed = true;
    reception = (struct reception){.admission = {.board = board, .tally = tally},
                                   .counts = &tally->counts[0]};
    requests_init(&requests, -1, 1, 1);
    datagrams.fd = -1;
    datagrams.answerer = &answerer;
    datagrams.reception = &reception;
    datagrams.requests = &requests;
}

/* Copies the input, a good frame for each 0xA5. */
static size_t expand(uint8_t *out, size_t max, const uint8_t *data, size_t size) {
    size_t len = 0;
    for (size_t i = 0; i < size; i++) {
        if (data[i] != 0xA5 && len < max) {
            out[len++] = data[i];
        } else if (data[i] == 0xA5 && len + good_len <= max) {
            memcpy(out + len, good_ask, good_len);
            len += good_len;
        }
    }
    return len;
}

static void run_stream(const uint8_t *bytes, size_t len, size_t piece) {
    struct connection connection;
    char sink[65536];
    int fds[2];
    memset(&connection, 0, sizeof connection);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) != 0)
        abort();
    connection_init(&connection, fds[0], 0);
    enum connection_step step = CONNECTION_READ;
    for (size_t at = 0; at < len && step != CONNECTION_CLOSE && step != CONNECTION_JOB;
         at += piece) {
        size_t n = len - at < piece ? len - at : piece;
        if (write(fds[1], bytes + at, n) < 0)
            break;
        step = connection_advance(&connection, &host);
        if (at % 3 == 0 && read(fds[1], sink, sizeof sink) < 0 && step == CONNECTION_CLOSE)
            break;
    }
    uint8_t refusal[FRAME_HEADER_LEN];
    if (step == CONNECTION_JOB)
        connection_refuse(&connection, &host, refusal, respond_refuse(refusal, REFUSED_OPENING));
    connection_end(&connection, &host);
    close(fds[0]);
    close(fds[1]);
    if (host.holders.buffered != 0)
        abort();
}

static void run_datagram(uint8_t *bytes, size_t len) {
    static uint8_t out[FRAME_DATAGRAM_MAX];
    struct datagram_route route = {.peer = {.ss_family = AF_INET}};
    size_t answer_len = datagram_answer(&datagrams, &route, bytes, len, out);
    if (answer_len > len)
        abort(); /* nobody is flooded through us */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t bytes[65536];
    if (board == NULL)
        init();
    if (size < 2)
        return 0;
    size_t len = expand(bytes, sizeof bytes, data + 1, size - 1);
    run_stream(bytes, len, (size_t)data[0] * 17 + 1);
    len = expand(bytes, FRAME_DATAGRAM_MAX + 1, data + 1, size - 1);
    if (len >= FRAME_HEADER_LEN)
        run_datagram(bytes, len);
    return 0;
}
