#include "load.h"

#include "base/bytes.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FRAMES 1024 /* how many questions are made beforehand, at least */
#define OPENINGS 16 /* how many openings are made beforehand; they cost more */
#define IN_SIZE 65536
#define BATCH 64
#define EVENTS 256
#define SLEEP_MIN_NS 100000 /* shorter waits are spent on the processor, without sleeping */

/* A frame that is under way. */
struct flight {
    uint64_t since_ns; /* 0: this place is free */
    uint32_t frame;
};

struct stream {
    int fd;
    unsigned first; /* TCP: the oldest of `window` places; answers come in order */
    unsigned under_way;
    unsigned out_at; /* TCP: of the frame that could be sent in part only */
    bool is_blocked;
    size_t in_len;
    uint8_t *in; /* TCP: the beginning of an answer */
    struct flight *flights;
};

struct load {
    const struct load_settings *settings;
    struct load_result *result;
    struct client client; /* the session that all frames belong to */
    struct opening openings[OPENINGS];
    uint32_t frame_count;
    uint32_t next_frame;
    size_t frame_len;
    uint8_t *frames;
    uint8_t
        *bodies; /* of the questions, before they are sealed; NULL: frames are sent as they are */
    bool *under_way; /* each frame */
    uint32_t sealed; /* how often one was */
    struct stream *streams;
    unsigned next_stream; /* at a fixed rate: the stream whose turn it is */
    uint64_t due_ns;
    int epoll;
    uint8_t scratch[BATCH][FRAME_DATAGRAM_MAX];
    uint8_t copy[FRAME_MAX];
    struct answer answer;
    struct receipt receipt;
};

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* --- frames ----------------------------------------------------------------------------------- */

/* A client_form that asks nothing: the client opens a session and learns the release. */
static int form_nothing(void *context, const struct release_facts *facts, struct bundle *bundle,
                        struct error *error) {
    (void)context, (void)facts, (void)error;
    bundle->count = 0;
    return 0;
}

/* How long frames must be so that their answers fit. */
static size_t frame_len(const struct question *question, const struct db_header *header) {
    size_t len = question_len(question), room = answer_room(question, header);
    return len > room ? len : room;
}

/* Opens a session and seals questions about random digests in it. */
static int prepare_questions(struct load *load, struct error *error) {
    static struct bundle nothing;
    static struct question question;
    const struct load_settings *settings = load->settings;
    int code =
        settings->is_unchecked ? 0 : client_ask(&load->client, form_nothing, NULL, &nothing, error);
    if (code != 0)
        return code;
    memset(question.release_id, 0, SHA256_LEN); /* whichever the server has by then */
    question.what = settings->is_proved ? WHAT_PROOFS : WHAT_ANSWERS;
    question.count = settings->digests;
    for (unsigned i = 0; i < question.count; i++)
        question.items[i].kind = ASK_NUMBER;
    /* Twice as many as can be under way at once. */
    load->frame_count = 2 * settings->connections * settings->window;
    if (load->frame_count < FRAMES)
        load->frame_count = FRAMES;
    load->frame_len = settings->is_unchecked ? question_len(&question)
                                             : frame_len(&question, &load->client.release.header);
    load->frames = malloc(load->frame_count * load->frame_len);
    load->bodies = malloc(load->frame_count * load->frame_len);
    if (load->frames == NULL || load->bodies == NULL)
        return error_set(error, ERR_MEMORY, "no memory");
    for (uint32_t i = 0; i < load->frame_count; i++) {
        uint8_t frame[FRAME_MAX], random[ASK_RANDOM_LEN];
        for (unsigned d = 0; d < question.count; d++)
            random_bytes(&load->client.random, question.items[d].digest, SHA256_LEN);
        random_bytes(&load->client.random, random, sizeof random);
        store_le32(random, i); /* tells over UDP which question an answer is to */
        question_seal(frame, &question, load->client.session.keys.key,
                      load->client.session.keys.ticket, random, load->frame_len);
        memcpy(load->frames + i * load->frame_len, frame, load->frame_len);
        size_t body_len = load->frame_len - ASK_BODY - AEAD_TAG_LEN;
        uint8_t *body = load->bodies + i * load->frame_len;
        memcpy(body, frame + ASK_BODY, body_len);
        if (!aead_open(load->client.session.keys.key, frame + ASK_NONCE, frame, ASK_BODY, body,
                       body_len, frame + ASK_BODY + body_len))
            return error_set(error, ERR_FORMAT, "a question does not open");
    }
    return 0;
}

static int prepare_openings(struct load *load, struct error *error) {
    load->frame_count = OPENINGS;
    load->frame_len = OPEN_LEN(load->settings->server_keys->keys[0].n_len);
    load->frames = malloc(OPENINGS * load->frame_len);
    if (load->frames == NULL)
        return error_set(error, ERR_MEMORY, "no memory");
    for (uint32_t i = 0; i < OPENINGS; i++) {
        if (!opening_begin(&load->openings[i], &load->settings->server_keys->keys[0],
                           &load->client.session.keys, &load->client.random.drbg.vtable))
            return error_set(error, ERR_LIMIT, "the key of the server does not do");
        memcpy(load->frames + i * load->frame_len, load->openings[i].frame, load->frame_len);
    }
    return 0;
}

/* Claims of nothing, in one session. */
static int prepare_receipts(struct load *load, struct error *error) {
    static struct bundle nothing;
    int code = client_ask(&load->client, form_nothing, NULL, &nothing, error);
    if (code != 0)
        return code;
    load->frame_count = 2 * load->settings->connections;
    load->frame_len = IDENTIFY_LEN;
    load->frames = malloc(load->frame_count * load->frame_len);
    if (load->frames == NULL)
        return error_set(error, ERR_MEMORY, "no memory");
    for (uint32_t i = 0; i < load->frame_count; i++) {
        uint8_t claim[RECEIPT_CLAIM_LEN], random[ASK_RANDOM_LEN];
        random_bytes(&load->client.random, claim, sizeof claim);
        random_bytes(&load->client.random, random, sizeof random);
        receipt_ask(load->frames + i * load->frame_len, &load->client.session.keys, claim, random);
    }
    return 0;
}

static const uint8_t *frame_at(const struct load *load, uint32_t i) {
    return load->frames + i * load->frame_len;
}

/* Seals a question anew. The first four bytes of its nonce say which it is, the next four count. */
static void seal_again(struct load *load, uint32_t i) {
    uint8_t *frame = load->frames + i * load->frame_len;
    size_t body_len = load->frame_len - ASK_BODY - AEAD_TAG_LEN;
    store_le32(frame + ASK_NONCE + 1 + 4, ++load->sealed);
    memcpy(frame + ASK_BODY, load->bodies + i * load->frame_len, body_len);
    aead_seal(load->client.session.keys.key, frame + ASK_NONCE, frame, ASK_BODY, frame + ASK_BODY,
              body_len, frame + ASK_BODY + body_len);
}

/* The next frame that is not under way; openings may be. */
static uint32_t take_next(struct load *load) {
    uint32_t i = load->next_frame++ % load->frame_count;
    if (load->bodies == NULL)
        return i;
    while (load->under_way[i])
        i = load->next_frame++ % load->frame_count;
    load->under_way[i] = true;
    if (!load->settings->is_unchecked)
        seal_again(load, i);
    return i;
}

/* Whether an answer that has come belongs to the frame. */
static bool is_right(struct load *load, uint32_t i, const uint8_t *bytes, size_t len) {
    struct session session;
    if (load->settings->is_openings)
        return opening_finish(&load->openings[i], bytes, len, &session);
    if (load->settings->is_receipts)
        return receipt_take(&load->client.session.keys, frame_at(load, i), bytes, len,
                            &load->receipt) == ADMISSION_GOOD;
    memcpy(load->copy, bytes, len);
    return answer_open(&load->answer, load->settings->is_proved ? WHAT_PROOFS : WHAT_ANSWERS,
                       load->copy, len, frame_at(load, i), load->frame_len,
                       load->client.session.keys.key, NULL) == 0 &&
           load->answer.count == load->settings->digests;
}

/* Takes an answer to the frame that is under way at `flight`. */
static void take_answer(struct load *load, struct flight *flight, const uint8_t *bytes, size_t len,
                        uint64_t at_ns) {
    struct load_result *result = load->result;
    uint8_t wanted = load->settings->is_openings   ? FRAME_ACCEPT
                     : load->settings->is_receipts ? FRAME_RECEIPTED
                                                   : FRAME_ANSWER;
    struct frame frame = {0};
    frame_read_header(&frame, bytes, len);
    if (load->settings->is_unchecked)
        result->answered++;
    else if (frame.type == FRAME_REFUSE)
        result->refused++;
    else if (frame.type != wanted || (result->answered % LOAD_CHECK_EVERY == 0 &&
                                      !is_right(load, flight->frame, bytes, len)))
        result->wrong++;
    else
        result->answered++;
    histogram_add(&result->latency, at_ns - flight->since_ns);
    flight->since_ns = 0;
    load->under_way[flight->frame] = false;
}

/* --- TCP -------------------------------------------------------------------------------------- */

static struct flight *place(const struct load *load, const struct stream *stream, unsigned i) {
    return &stream->flights[(stream->first + i) % load->settings->window];
}

static void lose(struct load *load, struct stream *stream) {
    load->result->lost += stream->under_way;
    for (unsigned i = 0; i < load->settings->window; i++)
        load->under_way[stream->flights[i].frame] &= stream->flights[i].since_ns == 0;
    memset(stream->flights, 0, load->settings->window * sizeof *stream->flights);
    if (stream->fd >= 0)
        close(stream->fd);
    stream->fd = -1;
}

/* Sends a frame that was due at since_ns, or the rest of the last one. False where not all could be
 * sent. */
static bool push(struct load *load, struct stream *stream) {
    const struct flight *flight = place(load, stream, stream->under_way - 1);
    const uint8_t *frame = frame_at(load, flight->frame);
    while (stream->out_at < load->frame_len) {
        ssize_t n = send(stream->fd, frame + stream->out_at, load->frame_len - stream->out_at,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) {
            stream->is_blocked = true;
            return false;
        }
        if (n < 0) {
            lose(load, stream);
            return false;
        }
        stream->out_at += (unsigned)n;
    }
    stream->is_blocked = false;
    return true;
}

static bool start_tcp(struct load *load, struct stream *stream, uint64_t since_ns) {
    if (stream->fd < 0 || stream->is_blocked || stream->under_way == load->settings->window)
        return false;
    struct flight *flight = place(load, stream, stream->under_way++);
    flight->since_ns = since_ns;
    flight->frame = take_next(load);
    stream->out_at = 0;
    push(load, stream);
    return true;
}

static void take_tcp(struct load *load, struct stream *stream) {
    ssize_t n =
        recv(stream->fd, stream->in + stream->in_len, IN_SIZE - stream->in_len, MSG_DONTWAIT);
    uint64_t at_ns = now_ns();
    size_t at = 0;
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        lose(load, stream);
        return;
    }
    stream->in_len += n > 0 ? (size_t)n : 0;
    struct frame frame;
    while (stream->under_way > 0 &&
           frame_read_header(&frame, stream->in + at, stream->in_len - at) == FRAME_OK &&
           stream->in_len - at >= frame.len) {
        take_answer(load, place(load, stream, 0), stream->in + at, frame.len, at_ns);
        stream->first = (stream->first + 1) % load->settings->window;
        stream->under_way--;
        at += frame.len;
    }
    stream->in_len -= at;
    memmove(stream->in, stream->in + at, stream->in_len);
}

/* --- UDP -------------------------------------------------------------------------------------- */

/* Over UDP, the place of a frame that is under way is found by the frame's number, which is in the
 * answer. */
static unsigned start_udp(struct load *load, struct stream *stream, uint64_t since_ns,
                          unsigned max) {
    struct mmsghdr messages[BATCH];
    struct iovec vectors[BATCH];
    unsigned n = 0;
    while (n < max && n < BATCH && stream->under_way + n < load->settings->window) {
        union {
            const uint8_t *in;
            void *out;
        } frame;
        uint32_t i = take_next(load);
        if (stream->flights[i].since_ns != 0)
            /* every opening was used since, and this one still has no answer; there are more of them
             * than the window */
            continue;
        frame.in = frame_at(load, i);
        stream->flights[i] = (struct flight){.since_ns = since_ns, .frame = i};
        vectors[n] = (struct iovec){frame.out, load->frame_len};
        messages[n] = (struct mmsghdr){.msg_hdr = {.msg_iov = &vectors[n], .msg_iovlen = 1}};
        n++;
    }
    stream->under_way += n;
    for (unsigned sent = 0; sent < n;) {
        int done = net_send_messages(stream->fd, messages + sent, n - sent);
        /* a frame that cannot be sent counts as lost on the way */
        sent += done > 0 ? (unsigned)done : 1;
    }
    return n;
}

static void take_udp(struct load *load, struct stream *stream) {
    struct mmsghdr messages[BATCH];
    struct iovec vectors[BATCH];
    for (unsigned i = 0; i < BATCH; i++) {
        vectors[i] = (struct iovec){load->scratch[i], sizeof load->scratch[i]};
        messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &vectors[i], .msg_iovlen = 1}};
    }
    int n = recvmmsg(stream->fd, messages, BATCH, MSG_DONTWAIT, NULL);
    uint64_t at_ns = now_ns();
    for (int i = 0; i < n; i++) {
        const uint8_t *bytes = load->scratch[i];
        if (messages[i].msg_len < ASK_LEN_MIN) {
            load->result->refused++; /* a refusal does not say which frame it answers */
            continue;
        }
        size_t nonce = load->settings->is_unchecked ? ASK_NONCE : ANSWER_QUESTION_NONCE;
        uint32_t frame = load_le32(bytes + nonce + 1);
        if (frame >= load->frame_count || stream->flights[frame].since_ns == 0)
            continue; /* too late */
        take_answer(load, &stream->flights[frame], bytes, messages[i].msg_len, at_ns);
        stream->under_way--;
    }
}

static void lose_overdue(struct load *load, struct stream *stream, uint64_t at_ns) {
    uint64_t timeout_ns = (uint64_t)load->settings->timeout_ms * 1000000;
    for (uint32_t i = 0; i < load->frame_count; i++) {
        struct flight *flight = &stream->flights[i];
        if (flight->since_ns != 0 && at_ns - flight->since_ns > timeout_ns &&
            at_ns > flight->since_ns) {
            flight->since_ns = 0;
            load->under_way[i] = false;
            stream->under_way--;
            load->result->lost++;
        }
    }
}

/* --- pacing ----------------------------------------------------------------------------------- */

static unsigned start_frames(struct load *load, struct stream *stream, uint64_t since_ns,
                             unsigned max) {
    if (load->settings->is_udp)
        return start_udp(load, stream, since_ns, max);
    unsigned n = 0;
    while (n < max && start_tcp(load, stream, since_ns))
        n++;
    return n;
}

/* Starts the frames that are due by now, each on the next stream that has room. */
static void start_due(struct load *load, uint64_t at_ns) {
    const struct load_settings *settings = load->settings;
    uint64_t interval_ns = 1000000000 / settings->rate;
    while (load->due_ns <= at_ns) {
        unsigned tried = 0, n = 0;
        unsigned due = (unsigned)((at_ns - load->due_ns) / interval_ns) + 1;
        for (; tried < settings->connections && n == 0; tried++) {
            struct stream *stream = &load->streams[load->next_stream++ % settings->connections];
            n = start_frames(load, stream, load->due_ns,
                             settings->is_udp ? (due < BATCH ? due : BATCH) : 1);
        }
        if (n == 0)
            return; /* every stream is full, so the frames stay due */
        load->due_ns += n * interval_ns;
    }
}

static void fill(struct load *load, struct stream *stream) {
    if (load->settings->rate == 0)
        start_frames(load, stream, now_ns(), load->settings->window);
}

/* Sleeps until the next frame is due or something has come, but not so late that it is missed. */
static void wait_until_due(const struct load *load) {
    struct pollfd entry = {.fd = load->epoll, .events = POLLIN};
    uint64_t at_ns = now_ns();
    if (load->due_ns < at_ns + SLEEP_MIN_NS)
        return;
    uint64_t wait_ns = load->due_ns - at_ns - SLEEP_MIN_NS / 2;
    const struct timespec wait = {(time_t)(wait_ns / 1000000000), (long)(wait_ns % 1000000000)};
    ppoll(&entry, 1, &wait, NULL);
}

static void turn(struct load *load) {
    struct epoll_event events[EVENTS];
    const struct load_settings *settings = load->settings;
    if (settings->rate > 0)
        wait_until_due(load);
    int n = epoll_wait(load->epoll, events, EVENTS, settings->rate > 0 ? 0 : 50);
    for (int i = 0; i < n; i++) {
        struct stream *stream = &load->streams[events[i].data.u32];
        if (settings->is_udp)
            take_udp(load, stream);
        else if (stream->fd >= 0)
            take_tcp(load, stream);
        if (stream->is_blocked && stream->fd >= 0)
            push(load, stream);
        fill(load, stream);
    }
    if (settings->rate > 0)
        start_due(load, now_ns());
}

/* --- start and end ---------------------------------------------------------------------------- */

static int open_stream(struct load *load, unsigned i, struct error *error) {
    const struct load_settings *settings = load->settings;
    struct stream *stream = &load->streams[i];
    char host[NET_HOST_SIZE], port[NET_PORT_SIZE];
    int code = net_split(settings->server, "8080", host, port, error);
    if (code != 0)
        return code;
    stream->fd = settings->is_udp
                     ? net_connect_datagrams(host, port, 0, error)
                     : net_connect(host, port, net_now_ms() + settings->timeout_ms, error);
    if (stream->fd < 0)
        return stream->fd;
    stream->flights =
        calloc(settings->is_udp ? load->frame_count : settings->window, sizeof *stream->flights);
    stream->in = settings->is_udp ? NULL : malloc(IN_SIZE);
    if (stream->flights == NULL || (!settings->is_udp && stream->in == NULL))
        return error_set(error, ERR_MEMORY, "no memory");
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
    if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, stream->fd, &event) != 0)
        return error_set_errno(error, "epoll");
    return 0;
}

static int open_load(struct load *load, struct error *error) {
    const struct load_settings *settings = load->settings;
    const struct client_settings client = {.servers = settings->server,
                                           .identity = {settings->server_keys, settings->kiosk},
                                           .is_udp = settings->is_udp,
                                           .timeout_ms = settings->timeout_ms};
    int code = client_init(&load->client, &client, error);
    if (code == 0)
        code = settings->is_openings   ? prepare_openings(load, error)
               : settings->is_receipts ? prepare_receipts(load, error)
                                       : prepare_questions(load, error);
    load->under_way =
        calloc(load->frame_count > 0 ? load->frame_count : 1, sizeof *load->under_way);
    if (code == 0 && load->under_way == NULL)
        code = error_set(error, ERR_MEMORY, "no memory");
    load->streams = calloc(settings->connections, sizeof *load->streams);
    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (code == 0 && (load->streams == NULL || load->epoll < 0))
        code = error_set_errno(error, "epoll");
    for (unsigned i = 0; code == 0 && i < settings->connections; i++)
        code = open_stream(load, i, error);
    return code;
}

static void close_load(struct load *load) {
    for (unsigned i = 0; load->streams != NULL && i < load->settings->connections; i++) {
        if (load->streams[i].fd > 0)
            close(load->streams[i].fd);
        free(load->streams[i].in);
        free(load->streams[i].flights);
    }
    free(load->streams);
    free(load->frames);
    free(load->bodies);
    free(load->under_way);
    if (load->epoll >= 0)
        close(load->epoll);
    client_close(&load->client);
    wipe(load->openings, sizeof load->openings);
}

int load_run(const struct load_settings *settings, struct load_result *result,
             struct error *error) {
    struct load *load = calloc(1, sizeof *load);
    if (load == NULL)
        return error_set(error, ERR_MEMORY, "no memory");
    load->settings = settings;
    load->result = result;
    load->epoll = -1;
    memset(result, 0, sizeof *result);
    int code = open_load(load, error);
    uint64_t start_ns = now_ns(), next_sweep_ns = start_ns;
    load->due_ns = start_ns;
    uint64_t end_ns = start_ns + (uint64_t)settings->duration_ms * 1000000;
    for (unsigned i = 0; code == 0 && i < settings->connections; i++)
        fill(load, &load->streams[i]);
    while (code == 0 && now_ns() < end_ns) {
        turn(load);
        uint64_t at_ns = now_ns();
        if (!settings->is_udp || at_ns < next_sweep_ns)
            continue;
        next_sweep_ns = at_ns + 50000000;
        for (unsigned i = 0; i < settings->connections; i++) {
            lose_overdue(load, &load->streams[i], at_ns);
            fill(load, &load->streams[i]);
        }
    }
    result->seconds = (double)(now_ns() - start_ns) / 1e9;
    close_load(load);
    free(load);
    return code;
}
