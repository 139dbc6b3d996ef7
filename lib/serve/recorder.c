#include "serve/recorder.h"

#include "base/bytes.h"
#include "crypto/rsa_key.h"
#include "net/socket.h"
#include "serve/log.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#define BUSY_REST_MS 2  /* between looks at the rings, while questions come */
#define IDLE_REST_MS 20 /* and where none has come for a second */
#define ROUND_MAX 512   /* records, before others get their turn on the core */
#define FAILING_MS 1000 /* between attempts to write, while that fails */
#define CHECKPOINT_MS 60000
#define LOOK_MS 1000      /* between looks whether the file is still there */
#define NOTE_AGE_MS 60000 /* what a worker says of the time of a question is believed so far */

int recorder_load_keys(struct recorder *recorder, struct error *error) {
    const struct serve_settings *settings = recorder->settings;
    int code = rsa_private_load(&recorder->key, settings->log_key_path, 2048, error);
    return code == 0 ? audit_key_load(&recorder->audit_key, settings->audit_key_path, error) : code;
}

/* --- opening ---------------------------------------------------------------------------------- */

static int say_who(struct recorder *recorder, struct error *error) {
    uint8_t *content = recorder->log.block + AUDIT_HEADER_LEN;
    rsa_public_id(&recorder->key.public, content);
    memcpy(content + SHA256_LEN, board_keys(recorder->board)->servers.ids[0], SHA256_LEN);
    memcpy(content + 2 * SHA256_LEN, recorder->run, AUDIT_RUN_LEN);
    return audit_log_append(&recorder->log, AUDIT_START, AUDIT_START_LEN, net_unix_ms(), error);
}

/* What an earlier recorder of this run has recorded: it has said so, or has ended before it could, and then the
 * log does. */
static void go_on(struct recorder *recorder) {
    bool is_same_run = memcmp(recorder->reading.run, recorder->run, AUDIT_RUN_LEN) == 0;
    for (unsigned w = 0; w < recorder->settings->worker_count; w++) {
        _Atomic uint64_t *said = &recorder->rings->progress->recorded[w];
        uint64_t in_log = is_same_run ? recorder->reading.next_counts[w] : UINT64_MAX;
        recorder->recorded[w] = atomic_load(said);
        if (in_log != UINT64_MAX && in_log > recorder->recorded[w])
            recorder->recorded[w] = in_log;
        atomic_store(said, recorder->recorded[w]);
    }
}

int recorder_open(struct recorder *recorder, struct error *error) {
    int code =
        audit_log_open(&recorder->log, recorder->settings->audit_path, &recorder->reading, error);
    if (code != 0)
        return code;
    go_on(recorder);
    recorder->turns = atomic_load(&recorder->board->audit_turns);
    recorder->is_unsigned = recorder->reading.unsigned_questions > 0;
    code = say_who(recorder, error);
    if (code == 0)
        code = audit_log_sync(&recorder->log, error);
    if (code == 0)
        atomic_store(&recorder->rings->progress->alive_ms, net_now_ms());
    return code;
}

/* --- recording -------------------------------------------------------------------------------- */

static void encode(const struct recorder *recorder, unsigned worker, uint64_t count,
                   const struct audit_note *note, uint8_t bytes[AUDIT_RECORD_LEN]) {
    int64_t now_ms = net_unix_ms();
    bool is_now = note->time_ms <= now_ms && note->time_ms >= now_ms - NOTE_AGE_MS;
    struct audit_record record = {.time_ms = is_now ? note->time_ms : now_ms,
                                  .worker = worker,
                                  .count = count,
                                  .release = note->release,
                                  .asked = note->asked,
                                  .is_proved = note->is_proved,
                                  .is_repeated = note->is_repeated,
                                  .is_slip = note->is_slip,
                                  .found = note->found,
                                  .status = note->status,
                                  .card = note->card};
    memcpy(record.kiosk, note->kiosk, AUDIT_KIOSK_LEN);
    memcpy(record.matches, note->matches, sizeof record.matches);
    audit_tag(record.tag, &recorder->audit_key, note->digest);
    audit_record_encode(bytes, &record);
    /* A worker in an attacker's hands can note anything; what has no meaning is recorded as nothing. */
    if (!audit_record_is_sound(bytes)) {
        memset(bytes + AUDIT_RECORD_LEN - AUDIT_RECORD_VALUES, 0, AUDIT_RECORD_VALUES);
        bytes[AUDIT_RECORD_LEN - AUDIT_RECORD_VALUES] = ASK_NUMBER;
    }
}

/* Takes what is in the rings into the block. Returns how many records there are; of each worker up to *taken. */
static unsigned gather(struct recorder *recorder, uint64_t taken[SERVE_PROCESSES_MAX]) {
    uint8_t *content = recorder->log.block + AUDIT_HEADER_LEN;
    unsigned total = 0, workers = recorder->settings->worker_count;
    for (unsigned w = 0; w < workers; w++) {
        const struct audit_ring *ring = recorder->rings->rings[w];
        uint64_t at = recorder->recorded[w];
        uint64_t waiting = atomic_load_explicit(&ring->noted, memory_order_acquire) - at;
        uint64_t share = ROUND_MAX / workers;
        uint64_t n = waiting > AUDIT_RING ? 0 : waiting < share ? waiting : share;
        if (waiting > AUDIT_RING && !recorder->is_told[w])
            serve_log(recorder->settings, "audit_worker_impossible worker=%u", w);
        recorder->is_told[w] = waiting > AUDIT_RING;
        for (uint64_t i = 0; i < n; i++) {
            const struct audit_note note = ring->notes[(at + i) % AUDIT_RING];
            encode(recorder, w, at + i, &note, content + total++ * AUDIT_RECORD_LEN);
        }
        taken[w] = at + n;
    }
    return total;
}

static bool is_waiting(const struct recorder *recorder) {
    bool is_waiting = false;
    for (unsigned w = 0; w < recorder->settings->worker_count; w++)
        is_waiting |= atomic_load(&recorder->rings->rings[w]->noted) != recorder->recorded[w];
    return is_waiting;
}

/* Writes one block of what waits. 1 where there was something, 0, or a negative code. */
static int record(struct recorder *recorder, struct error *error) {
    uint64_t taken[SERVE_PROCESSES_MAX];
    /* Each file begins with who writes it, so that it can be read alone. */
    int begun = recorder->log.fd < 0 && is_waiting(recorder) ? say_who(recorder, error) : 0;
    unsigned count = begun == 0 ? gather(recorder, taken) : 0;
    if (count == 0)
        return begun;
    int code = audit_log_append(&recorder->log, AUDIT_QUESTIONS, (size_t)count * AUDIT_RECORD_LEN,
                                net_unix_ms(), error);
    if (code != 0)
        return code;
    for (unsigned w = 0; w < recorder->settings->worker_count; w++) {
        recorder->recorded[w] = taken[w];
        atomic_store_explicit(&recorder->rings->progress->recorded[w], taken[w],
                              memory_order_release);
    }
    recorder->is_dirty = recorder->is_unsigned = true;
    recorder->recorded_ms = net_now_ms();
    return 1;
}

/* Signs what was recorded since the last checkpoint, where it is time to, or the file is full or to be ended. */
static int sign_if_due(struct recorder *recorder, int64_t now_ms, struct error *error) {
    unsigned turns = atomic_load(&recorder->board->audit_turns);
    bool is_full = recorder->log.size >= recorder->settings->audit_size;
    bool is_end = (is_full || turns != recorder->turns) && recorder->log.fd >= 0;
    int code = 0;
    if (recorder->is_unsigned && (is_end || now_ms - recorder->signed_ms >= CHECKPOINT_MS)) {
        code = audit_log_sign(&recorder->log, &recorder->key, net_unix_ms(), error);
        if (code == 0) {
            recorder->is_unsigned = false;
            recorder->is_dirty = true;
            recorder->signed_ms = now_ms;
        }
    }
    if (code == 0 && is_end) {
        code = audit_log_sync(&recorder->log, error);
        if (code == 0)
            audit_log_turn(&recorder->log);
        recorder->turns = turns;
    }
    return code;
}

static int sync_if_due(struct recorder *recorder, int64_t now_ms, struct error *error) {
    if (!recorder->is_dirty || now_ms - recorder->synced_ms < recorder->settings->audit_sync_ms)
        return 0;
    int code = audit_log_sync(&recorder->log, error);
    recorder->is_lost = code != 0;
    if (code == 0) {
        recorder->is_dirty = false;
        recorder->synced_ms = now_ms;
    }
    return code;
}

/* Somebody has removed, replaced or cut the file: it goes on in another one, and the check of the log will find what
 * is missing. */
static void look_for_file(struct recorder *recorder, int64_t now_ms) {
    if (now_ms - recorder->looked_ms < LOOK_MS)
        return;
    recorder->looked_ms = now_ms;
    if (audit_log_is_there(&recorder->log))
        return;
    serve_log(recorder->settings, "audit_file_lost file=%08u.audit", recorder->log.segment);
    audit_log_turn(&recorder->log);
}

/* One round. True where there may be more to do at once. */
static bool do_round(struct recorder *recorder) {
    struct error error;
    int64_t now_ms = net_now_ms();
    int code = record(recorder, &error);
    bool was_busy = code > 0;
    if (code >= 0)
        code = sign_if_due(recorder, now_ms, &error);
    if (code == 0)
        code = sync_if_due(recorder, now_ms, &error);
    if (code == 0)
        look_for_file(recorder, now_ms);
    /* While it cannot write, nobody is answered. */
    atomic_store(&recorder->rings->progress->alive_ms, code == 0 ? net_now_ms() : 0);
    if (code != 0 && !recorder->is_failing)
        serve_log(recorder->settings, "audit_failing reason=\"%s\"", error.text);
    if (code == 0 && recorder->is_failing)
        serve_log(recorder->settings, "audit_goes_on");
    recorder->is_failing = code != 0;
    return was_busy && code == 0;
}

/* The server ends, and no worker is left: what is in the rings is recorded and signed. */
static bool finish(struct recorder *recorder) {
    struct error error;
    int recorded;
    while ((recorded = record(recorder, &error)) > 0) {
    }
    if (recorded < 0) {
        serve_log(recorder->settings, "audit_failing reason=\"%s\"", error.text);
        return false;
    }
    bool is_signed = !recorder->is_unsigned ||
                     audit_log_sign(&recorder->log, &recorder->key, net_unix_ms(), &error) == 0;
    return is_signed && audit_log_sync(&recorder->log, &error) == 0;
}

static void rest(const struct recorder *recorder) {
    bool is_idle = net_now_ms() - recorder->recorded_ms > 1000;
    int64_t ms = recorder->is_failing ? FAILING_MS : is_idle ? IDLE_REST_MS : BUSY_REST_MS;
    const struct timespec time = {(time_t)(ms / 1000), (long)(ms % 1000 * 1000000)};
    nanosleep(&time, NULL);
}

int recorder_run(struct recorder *recorder) {
    recorder->signed_ms = net_now_ms();
    for (;;) {
        if (do_round(recorder)) {
            sched_yield();
            continue;
        }
        /* What could not reach the disk may be lost, though the next attempt succeeds (fsync(2)): the next process
         * reads what is there. */
        if (recorder->is_lost)
            return 2;
        if (atomic_load(&recorder->board->audit_ends))
            return finish(recorder) ? 0 : 2;
        rest(recorder);
    }
}
