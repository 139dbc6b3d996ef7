#include "applet.h"
#include "rejects.h"

#include "base/bytes.h"
#include "base/date.h"
#include "base/file.h"
#include "base/parallel.h"
#include "base/text.h"
#include "crypto/rsa_key.h"
#include "db/build.h"
#include "db/open.h"
#include "db/rows.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BAD_ROWS_SHOWN 10
#define ROWS_PER_REPORT (1u << 17)
#define SECONDS_BETWEEN_LINES 10

static const char *sign, *output, *sequence_text, *created_text, *valid_days_text, *utc_offset_text,
    *classes_text, *lookup_key_path, *rejects_path, *memory_text, *tmp, *threads_text, *base_path;
static bool is_lines, skip_bad;

static const struct option options[] = {
    {"sign", 's', "KEY", &sign, NULL, "the authority's private key"},
    {"output", 'o', "FILE", &output, NULL, "the database; replaced only when the new one is whole"},
    {"lines", 'l', NULL, NULL, &is_lines, "plain records, one a line, all valid, instead of CSV"},
    {"base", 'b', "DB", &base_path, NULL, "the release before; the CSV is a list of changes to it"},
    {"lookup-key", 0, "FILE", &lookup_key_path, NULL, "make a keyed database"},
    {"sequence", 0, "N", &sequence_text, NULL,
     "default: one more than that of the file replaced, else 1"},
    {"created", 0, "TIME", &created_text, NULL, "default: now"},
    {"valid-days", 0, "N", &valid_days_text, NULL,
     "refused N days after --created; default 30, 0: never"},
    {"utc-offset", 0, "OFFSET", &utc_offset_text, NULL,
     "the authority's, such as +05:30, where its days begin; default Z, or the base's"},
    {"classes", 0, "NAMES", &classes_text, NULL,
     "the authority's vehicle classes, 16 at most, separated by commas; default India's, or the base's"},
    {"skip-bad", 0, NULL, NULL, &skip_bad, "leave bad rows out instead of failing"},
    {"rejects", 0, "FILE", &rejects_path, NULL,
     "where bad rows go, with line and reason; default OUTPUT.rejects"},
    {"memory", 0, "SIZE", &memory_text, NULL,
     "use about this much (K, M or G behind it); default a quarter of what there is"},
    {"tmp", 0, "DIR", &tmp, NULL, "for what does not fit into it; default the output's folder"},
    {"threads", 0, "N", &threads_text, NULL, "default 1 a core"},
    {NULL, 0, NULL, NULL, NULL, NULL},
};

struct job {
    const char *input; /* as messages call it */
    struct db_build_settings settings;
    struct rsa_private authority;
    struct lookup_key lookup_key;
    struct csv_reader reader;
    struct registry registry;
    struct rejects rejects;
    struct rows rows[2];
    struct rows *filling; /* being read */
    struct rows *hashing; /* by `parallel`, into `builder` */
    struct parallel parallel;
    struct db_base base;
    struct db_builder *builder;
    uint64_t row_count;
    struct timespec start;
    bool is_terminal;
    const char *phase;  /* what progress was shown of last */
    double phase_start; /* seconds since `start` */
    double last_line;
    int input_fd;
    struct stat input_status; /* when it was opened */
    off_t input_size;         /* 0: a pipe */
    int output_fd;            /* the file that is to be replaced, locked; -1: there is none */
};

static double seconds_since(const struct timespec *start) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - start->tv_sec) + (double)(now.tv_nsec - start->tv_nsec) / 1e9;
}

/* What is done of a phase, from 0 to 1; 0 where it cannot be known (a pipe). */
static double phase_done(const struct job *job, uint64_t done, uint64_t total) {
    double fraction = 0;
    if (total > 0)
        fraction = (double)done / (double)total;
    else if (job->input_size > 0)
        fraction = (double)job->reader.bytes_read / (double)job->input_size;
    return fraction < 1 ? fraction : 1;
}

/* A bar that is redrawn on a terminal; a line now and then elsewhere. Called from several threads.
 */
static void show_progress(void *context, const char *phase, uint64_t done, uint64_t total) {
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    struct job *job = context;
    char text[128], left[32] = "";
    pthread_mutex_lock(&mutex);
    double now = seconds_since(&job->start);
    if (job->phase != phase) {
        job->phase = phase;
        job->phase_start = now;
    }
    double elapsed = now - job->phase_start + 1e-9;
    double fraction = phase_done(job, done, total);
    snprintf(text, sizeof text, "%s: %llu %s, %.0f a second", phase, (unsigned long long)done,
             total > 0 ? "entries" : "rows", (double)done / elapsed);
    if (fraction > 0.01) {
        unsigned seconds = (unsigned)(elapsed * (1 - fraction) / fraction);
        snprintf(left, sizeof left, ", %.0f %%, %u:%02u left", 100 * fraction, seconds / 60,
                 seconds % 60);
    }
    if (job->is_terminal) {
        int filled = (int)(20 * fraction);
        fprintf(stderr, "\r\033[K[%.*s%.*s] %s%s", filled, "####################", 20 - filled,
                "....................", text, left);
    } else if (now - job->last_line >= SECONDS_BETWEEN_LINES) {
        job->last_line = now;
        fprintf(stderr, "dlv dbgen: %s%s\n", text, left);
    }
    pthread_mutex_unlock(&mutex);
}

static void clear_progress(const struct job *job) {
    if (job->is_terminal)
        fputs("\r\033[K", stderr);
}

/* A row that cannot be used: shown (the first few) and kept in the rejects file. */
static int reject(struct job *job, const struct csv_row *row, const char *reason) {
    struct error error;
    if (job->rejects.count < BAD_ROWS_SHOWN) {
        clear_progress(job);
        trouble("%s:%llu: %s", job->input, (unsigned long long)row->line, reason);
    } else if (job->rejects.count == BAD_ROWS_SHOWN) {
        trouble("more bad rows: see %s", rejects_path);
    }
    if (rejects_add(&job->rejects, row, reason, &error) != 0)
        return trouble("%s", error.text);
    return EXIT_OK;
}

/* Says why a row that was read well makes no entries. */
static int reject_row(struct job *job, const struct csv_row *row) {
    struct registry_entry entries[REGISTRY_ENTRIES_MAX];
    char texts[REGISTRY_TEXT_MAX], *text = texts;
    struct error error;
    if (is_lines)
        registry_line(row, entries, &text, &error);
    else
        registry_row(&job->registry, row, entries, &text, &error);
    return reject(job, row, error.text);
}

static int reject_items(struct job *job, const struct rows *rows) {
    int status = EXIT_OK;
    for (size_t i = 0; status == EXIT_OK && i < rows->count; i++) {
        const struct rows_item *item = &rows->items[i];
        if (item->row.reason != NULL)
            status = reject(job, &item->row, item->row.reason);
        else if (item->is_bad)
            status = reject_row(job, &item->row);
    }
    return status;
}

/* Lets the rows just read be hashed while further ones are read, after those before them. */
static int turn_rows(struct job *job) {
    struct error error;
    parallel_wait(&job->parallel);
    struct rows *hashed = job->hashing;
    job->hashing = job->filling;
    job->filling = hashed;
    if (db_build_reserve(job->builder, job->hashing->count * REGISTRY_ENTRIES_MAX, &error) != 0)
        return trouble("%s", error.text);
    rows_hash(job->hashing, is_lines ? NULL : &job->registry, job->settings.lookup_key,
              job->builder, &job->parallel);
    uint64_t before = job->row_count;
    job->row_count += hashed->count - hashed->bad_count;
    if (before / ROWS_PER_REPORT != job->row_count / ROWS_PER_REPORT)
        show_progress(job, "reading", job->row_count, 0);
    return hashed->bad_count > 0 ? reject_items(job, hashed) : EXIT_OK;
}

static int read_header_row(struct job *job, struct csv_row *row) {
    struct error error;
    int result = csv_reader_next(&job->reader, row);
    if (result == ERR_SYSTEM)
        return trouble("%s: %m", job->input);
    if (result == CSV_END)
        return trouble("%s: empty (want a header row: name,phone,licence,status,valid_from,"
                       "valid_to)",
                       job->input);
    if (result == CSV_BAD)
        return trouble("%s:1: header row: %s", job->input, row->reason);
    if (registry_header(&job->registry, &job->settings.class_names, base_path != NULL, row,
                        &error) != 0)
        return trouble("%s:%llu: %s", job->input, (unsigned long long)row->line, error.text);
    job->settings.names_documents = registry_names_documents(&job->registry);
    return EXIT_OK;
}

static int read_rows(struct job *job) {
    struct csv_row row;
    int status = is_lines ? EXIT_OK : read_header_row(job, &row);
    int result = CSV_FULL;
    parallel_open(&job->parallel, job->settings.thread_count);
    while (status == EXIT_OK && result != CSV_END) {
        result = rows_read(job->filling, &job->reader);
        status = result == ERR_SYSTEM ? trouble("%s: %m", job->input) : turn_rows(job);
    }
    job->filling->count = 0;
    if (status == EXIT_OK)
        status = turn_rows(job); /* those that were hashed last */
    parallel_close(&job->parallel);
    return status;
}

/* A registry that was written to meanwhile may have been read half old, half new. */
static int check_unchanged(const struct job *job) {
    struct stat now;
    const struct stat *then = &job->input_status;
    if (job->input_size == 0)
        return EXIT_OK;
    if (fstat(job->input_fd, &now) != 0)
        return trouble("%s: %m", job->input);
    if (now.st_size != then->st_size || now.st_mtim.tv_sec != then->st_mtim.tv_sec ||
        now.st_mtim.tv_nsec != then->st_mtim.tv_nsec)
        return trouble("%s: changed while it was read; nothing was written", job->input);
    return EXIT_OK;
}

/* Rows that contradict each other, or a base: which line, and why. */
static int report_conflict(const struct job *job, const struct db_build_summary *summary) {
    if (summary->conflict_count > 0)
        return trouble(
            "%s:%llu: the %s is that of line %llu, but %s differ "
            "(%llu such entries; nothing was written)",
            job->input, (unsigned long long)summary->conflict_lines[1],
            kind_name(summary->conflict_kind), (unsigned long long)summary->conflict_lines[0],
            base_path ? "operation, status, dates or classes" : "status, dates or classes",
            (unsigned long long)summary->conflict_count);
    return trouble("%s:%llu: the %s to be removed is not in %s (%llu such entries; nothing was "
                   "written)",
                   job->input, (unsigned long long)summary->absent_line,
                   kind_name(summary->absent_kind), base_path,
                   (unsigned long long)summary->absent_count);
}

static int finish(struct job *job) {
    struct db_build_summary summary;
    struct error error;
    char created[TIME_TEXT_SIZE], until[TIME_TEXT_SIZE] = "no limit";
    char fingerprint[RSA_FINGERPRINT_SIZE];
    int code = db_build_finish(job->builder, &summary, &error);
    job->builder = NULL;
    clear_progress(job);
    if (code == ERR_CONFLICT)
        return report_conflict(job, &summary);
    if (code == ERR_FORMAT)
        return trouble("%s: %s", job->input, error.text);
    if (code != 0)
        return trouble("%s", error.text);

    const struct db_header *header = &summary.header;
    time_format(created, header->created_s, header->utc_offset_s);
    if (header->valid_until_s != 0)
        time_format(until, header->valid_until_s, header->utc_offset_s);
    rsa_fingerprint(&job->authority.public, fingerprint);
    printf("%s: %llu rows, %llu entries", output, (unsigned long long)job->row_count,
           (unsigned long long)header->count);
    if (summary.duplicate_count > 0)
        printf(" (%llu more were there already)", (unsigned long long)summary.duplicate_count);
    if (job->rejects.count > 0)
        printf(", %llu bad rows left out", (unsigned long long)job->rejects.count);
    printf("\nsequence %llu, created %s, valid until %s\nauthority %s%s\n",
           (unsigned long long)header->sequence, created, until, fingerprint,
           header->flags & DB_FLAG_KEYED ? ", keyed" : "");
    return finish_output();
}

/* One dbgen at a time works on an output: the lock is on the file that it is going to replace.
 * Where there is none yet, none may appear meanwhile (settings.is_new). */
static int lock_output(struct job *job) {
    struct stat locked, named;
    job->output_fd = open(output, O_RDONLY | O_CLOEXEC);
    job->settings.is_new = job->output_fd < 0 && errno == ENOENT;
    if (job->settings.is_new)
        return EXIT_OK;
    if (job->output_fd < 0)
        return trouble("%s: %m", output);
    if (flock(job->output_fd, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK ? trouble("%s: another dbgen is at work on it", output)
                                    : trouble("%s: cannot be locked: %m", output);
    if (fstat(job->output_fd, &locked) != 0 || stat(output, &named) != 0 ||
        locked.st_ino != named.st_ino || locked.st_dev != named.st_dev)
        return trouble("%s: was replaced just now by another dbgen", output);
    return EXIT_OK;
}

/* What this release follows: the later of the file to be replaced and the base. */
static int read_predecessor(const struct job *job, struct db_header *predecessor,
                            const char **name) {
    struct error error;
    memset(predecessor, 0, sizeof *predecessor);
    *name = output;
    if (!job->settings.is_new && db_read_header(predecessor, output, &error) != 0)
        return trouble("%s (it is not replaced; remove it or choose another --output)", error.text);
    if (base_path != NULL && job->base.header.sequence >= predecessor->sequence) {
        *predecessor = job->base.header;
        *name = base_path;
    }
    return EXIT_OK;
}

/* Sequence number and time of creation: given, or those that follow. */
static int choose_release(struct job *job) {
    struct db_header before;
    const char *name;
    char text[TIME_TEXT_SIZE];
    unsigned long long sequence;
    if (read_predecessor(job, &before, &name) != EXIT_OK ||
        !option_count("sequence", sequence_text, 1, INT64_MAX, before.sequence + 1, &sequence))
        return EXIT_TROUBLE;
    if (sequence < before.sequence || (name == base_path && sequence == before.sequence))
        return trouble("--sequence %llu is behind %llu of %s, which it would follow", sequence,
                       (unsigned long long)before.sequence, name);
    job->settings.sequence = sequence;
    if (created_text == NULL && job->settings.created_s < before.created_s) {
        time_format(text, before.created_s, before.utc_offset_s);
        return trouble("the clock is behind: %s was created %s (set the clock, or give --created)",
                       name, text);
    }
    return EXIT_OK;
}

static int choose_times(struct job *job) {
    struct moment created = {.unix_s = time(NULL), .is_day = 0};
    unsigned long long valid_days;
    if (utc_offset_text != NULL &&
        utc_offset_parse(utc_offset_text, &job->settings.utc_offset_s) != 0)
        return usage_error("--utc-offset \"%s\" is not one (want +05:30 or Z)", utc_offset_text);
    if (created_text != NULL && moment_parse(created_text, &created) != 0)
        return usage_error("--created \"%s\" is not a time (want 2026-11-24T10:00:00+05:30)",
                           created_text);
    if (created.unix_s < 0)
        return usage_error("--created \"%s\" is before 1970", created_text);
    if (!option_count("valid-days", valid_days_text, 0, 36525, 30, &valid_days))
        return EXIT_TROUBLE;
    /* A plain date begins at the authority's midnight. */
    job->settings.created_s = created.unix_s - (created.is_day ? job->settings.utc_offset_s : 0);
    job->settings.valid_until_s =
        valid_days == 0 ? 0 : job->settings.created_s + (int64_t)valid_days * 86400;
    return EXIT_OK;
}

/* A size in bytes, with K, M or G behind it for powers of 1024. */
static bool parse_size(const char *text, unsigned long long *size) {
    char digits[24];
    size_t len = strlen(text);
    unsigned shift = 0;
    if (len > 0 && strchr("KMG", text[len - 1]) != NULL)
        shift = text[len - 1] == 'K' ? 10 : text[len - 1] == 'M' ? 20 : 30;
    len -= shift > 0;
    if (len >= sizeof digits)
        return false;
    snprintf(digits, sizeof digits, "%.*s", (int)len, text);
    if (text_parse_count(digits, SIZE_MAX >> 31, size) != 0)
        return false;
    *size <<= shift;
    return true;
}

/* Entries get what is left beside buffers and the program itself. */
static int choose_resources(struct job *job) {
    static char folder[PATH_MAX];
    const unsigned long long least = 16u << 20, beside = 8u << 20;
    unsigned long long memory =
        (unsigned long long)sysconf(_SC_PHYS_PAGES) * (unsigned long long)sysconf(_SC_PAGESIZE) / 4;
    unsigned long long threads;
    if (memory_text != NULL && (!parse_size(memory_text, &memory) || memory < least))
        return usage_error("--memory \"%s\" is not a size of at least 16M", memory_text);
    if (!option_count("threads", threads_text, 1, PARALLEL_THREADS_MAX, parallel_processors(),
                      &threads))
        return EXIT_TROUBLE;
    job->settings.memory = (size_t)(memory > least ? memory - beside : least - beside);
    job->settings.thread_count = (unsigned)threads;
    file_folder(folder, output);
    job->settings.temporary_folder = tmp != NULL ? tmp : folder;
    return EXIT_OK;
}

static int open_base(struct job *job) {
    struct error error;
    if (db_base_open(&job->base, base_path, &job->authority.public, job->settings.lookup_key,
                     &error) != 0)
        return trouble("%s", error.text);
    job->settings.base = &job->base;
    job->settings.class_names = job->base.header.class_names;
    job->settings.utc_offset_s = job->base.header.utc_offset_s;
    return EXIT_OK;
}

static int prepare(struct job *job) {
    struct error error;
    if (sign == NULL || output == NULL)
        return usage_error("--sign and --output are needed");
    if (base_path != NULL && (is_lines || classes_text != NULL || utc_offset_text != NULL))
        return usage_error("--base takes CSV, and brings its own classes and UTC offset: no "
                           "--lines, --classes or --utc-offset");
    job->settings.class_names = class_names_default;
    if (classes_text != NULL && class_names_parse(&job->settings.class_names, classes_text) != 0)
        return usage_error("--classes \"%s\" is not a list of at most 16 names of A-Z, 0-9 and -",
                           classes_text);
    if (rsa_private_load(&job->authority, sign, 2048, &error) != 0)
        return trouble("%s", error.text);
    if (lookup_key_path != NULL && lookup_key_load(&job->lookup_key, lookup_key_path, &error) != 0)
        return trouble("%s", error.text);
    job->settings.path = output;
    job->settings.authority = &job->authority;
    job->settings.lookup_key = lookup_key_path != NULL ? &job->lookup_key : NULL;
    job->settings.progress = show_progress;
    job->settings.progress_context = job;
    if (base_path != NULL && open_base(job) != EXIT_OK)
        return EXIT_TROUBLE;
    if (choose_times(job) != EXIT_OK || choose_resources(job) != EXIT_OK ||
        lock_output(job) != EXIT_OK)
        return EXIT_TROUBLE;
    return choose_release(job);
}

static int build(struct job *job) {
    struct error error;
    if (db_build_open(&job->builder, &job->settings, &error) != 0)
        return trouble("%s", error.text);
    int status = read_rows(job);
    clear_progress(job);
    if (status == EXIT_OK)
        status = check_unchanged(job);
    if (rejects_close(&job->rejects, &error) != 0)
        status = trouble("%s", error.text);
    if (status == EXIT_OK && job->rejects.count > 0 && !skip_bad)
        status = trouble("%s: %llu bad rows, listed in %s; nothing was written "
                         "(--skip-bad leaves them out)",
                         job->input, (unsigned long long)job->rejects.count, rejects_path);
    if (status == EXIT_OK)
        status = finish(job);
    db_build_abort(job->builder);
    return status;
}

/* `path` NULL: standard input. */
static int run_build(struct job *job, const char *path) {
    job->input_fd = path == NULL ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (job->input_fd < 0)
        return trouble("%s: %m", path);
    if (fstat(job->input_fd, &job->input_status) == 0 && S_ISREG(job->input_status.st_mode))
        job->input_size = job->input_status.st_size;
    csv_reader_init(&job->reader, &job->filling->block, job->input_fd, is_lines);
    rejects_init(&job->rejects, rejects_path);
    int status = build(job);
    if (path != NULL)
        close(job->input_fd);
    return status;
}

static int run(int operand_count, char **operands) {
    static struct job job;
    static char default_rejects[PATH_MAX];
    if (operand_count != 1)
        return usage_error("one registry is needed (- for standard input)");
    bool is_stdin = strcmp(operands[0], "-") == 0;
    job.input = is_stdin ? "standard input" : operands[0];
    clock_gettime(CLOCK_MONOTONIC, &job.start);
    job.is_terminal = isatty(STDERR_FILENO);

    job.filling = &job.rows[0];
    job.hashing = &job.rows[1];
    job.output_fd = job.base.fd = -1;
    int status = prepare(&job);
    if (status == EXIT_OK && rejects_path == NULL) {
        snprintf(default_rejects, sizeof default_rejects, "%s.rejects", output);
        rejects_path = default_rejects;
    }
    if (status == EXIT_OK)
        status = run_build(&job, is_stdin ? NULL : operands[0]);
    db_base_close(&job.base);
    if (job.output_fd >= 0)
        close(job.output_fd);
    wipe(&job.authority, sizeof job.authority);
    wipe(&job.lookup_key, sizeof job.lookup_key);
    return status;
}

const struct applet applet_dbgen = {
    .name = "dbgen",
    .summary = "build the signed database from the authority's registry",
    .synopsis =
        "--sign authority.key -o licences.db [OPTION ...] registry.csv|-\n"
        "--base licences.db --sign authority.key -o licences.db [OPTION ...] changes.csv|-\n"
        "--lines --sign authority.key -o licences.db [OPTION ...] records.txt|-",
    .options = options,
    .description =
        "The registry is CSV (RFC 4180, UTF-8) with a header row. Columns, in any order: name, phone,\n"
        "licence, status (valid, suspended or revoked), valid_from and valid_to (YYYY-MM-DD, both\n"
        "inclusive); optionally classes (names of vehicle classes) and document (SHA-256 of the\n"
        "issued file, in hex). Each row can then be asked for by record (name, phone, licence), by\n"
        "licence number, and by document.\n\n"
        "The output appears whole or not at all: until it is complete, the old file stays. The same\n"
        "input, --created and --sequence give the same bytes.\n\n"
        "A bad row is named by its line and kept, with the reason, in the rejects file; without\n"
        "--skip-bad the build then fails. Two rows with one record, number or document but different\n"
        "status, dates or classes always make it fail. Equal ones are merged.\n\n"
        "--base makes the next release from the one before and a list of changes: a registry with one\n"
        "column more, op, which is set (the row is new, or takes the place of the one with its name,\n"
        "phone and licence) or delete. The result is, byte for byte, what the whole changed registry\n"
        "would make. A row's old document cannot be told from a digest, so where the base has\n"
        "documents the list needs the columns document and old_document, the one before. What is to\n"
        "be removed must be there. Where two rows share a number or document, name both.",
    .needs_cryptography = true,
    .run = run,
};
