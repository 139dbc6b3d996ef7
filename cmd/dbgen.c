#include "applet.h"

#include "base/bytes.h"
#include "base/date.h"
#include "base/file.h"
#include "base/format.h"
#include "base/parallel.h"
#include "builder/build.h"
#include "crypto/rsa_key.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BAD_ROWS_SHOWN 10
#define SECONDS_BETWEEN_LINES 10
#define MEMORY_MIN ((uint64_t)16 << 20)
#define MEMORY_BESIDE ((uint64_t)8 << 20) /* for buffers and the program itself */

static const char *sign, *output, *created_text, *utc_offset_text, *classes_text, *lookup_key_path,
    *rejects_path, *temporary_folder, *changes_to;
static uint64_t sequence, valid_days, memory, threads;
static bool is_lines, skip_bad;

static const struct option options[] = {
    OPTION_TEXT("-s, --sign KEY", &sign, "the authority's private key"),
    OPTION_TEXT("-o, --output FILE", &output,
                "the database; it is replaced only when the new one is complete"),
    OPTION_FLAG("-l, --lines", &is_lines,
                "the input is plain records, one a line, all valid, instead of CSV"),
    OPTION_TEXT("-b, --base DB", &changes_to,
                "the release before; the CSV is a list of changes to it"),
    OPTION_TEXT("--lookup-key FILE", &lookup_key_path, "make a keyed database"),
    OPTION_COUNT("--sequence N", &sequence, 1, INT64_MAX, 0, NULL,
                 "the release's number; default one more than the file that is replaced, else 1"),
    OPTION_TEXT("--created TIME", &created_text, "when the release was made; default now"),
    OPTION_COUNT("--valid-days N", &valid_days, 0, 36525, 30, "days",
                 "how long after --created it may be used; 0: for ever"),
    OPTION_TEXT("--utc-offset OFFSET", &utc_offset_text,
                "the authority's UTC offset, such as +05:30; its days begin there; default Z, or "
                "that of --base"),
    OPTION_TEXT(
        "--classes NAMES", &classes_text,
        "the authority's vehicle classes, at most 16, separated by commas; default India's, "
        "or those of --base"),
    OPTION_FLAG("--skip-bad", &skip_bad, "leave bad rows out instead of failing"),
    OPTION_TEXT("--rejects FILE", &rejects_path,
                "where bad rows go, with line and reason; default OUTPUT.rejects"),
    OPTION_SIZE("--memory SIZE", &memory, MEMORY_MIN, 0,
                "use about this much (with K, M or G behind it); default a quarter of the memory"),
    OPTION_TEXT("--tmp DIR", &temporary_folder,
                "where entries go that do not fit into memory; default the output's folder"),
    OPTION_COUNT("--threads N", &threads, 1, PARALLEL_THREADS_MAX, 0, NULL, "default one a core"),
    OPTIONS_END,
};

/* What is shown while the build runs. */
struct display {
    const char *input;
    bool is_terminal;
    uint64_t bad_count;
    struct timespec start;
    const char *stage;  /* what progress was shown of last */
    double stage_start; /* seconds since `start` */
    double last_line;   /* likewise */
};

/* --- what is shown meanwhile ------------------------------------------------------------------ */

static double seconds_since(const struct timespec *start) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - start->tv_sec) + (double)(now.tv_nsec - start->tv_nsec) / 1e9;
}

/* Shows a bar that is redrawn on a terminal, and a line now and then elsewhere. Called from several
 * threads. */
static void show_progress(void *context, const char *stage, const char *unit, uint64_t done,
                          double fraction) {
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    struct display *display = context;
    char text[128], left[32] = "", line[256];
    pthread_mutex_lock(&mutex);
    double now = seconds_since(&display->start);
    if (display->stage != stage) {
        display->stage = stage;
        display->stage_start = now;
    }
    double elapsed = now - display->stage_start + 1e-9;
    uint64_t rate = (uint64_t)((double)done / elapsed);
    format_text(text, sizeof text, "%s: %llu %s, %llu a second", stage, (unsigned long long)done,
                unit, (unsigned long long)rate);
    if (fraction > 0.01) {
        unsigned seconds = (unsigned)(elapsed * (1 - fraction) / fraction);
        format_text(left, sizeof left, ", %u %%, %u:%02u left", (unsigned)(100 * fraction),
                    seconds / 60, seconds % 60);
    }
    if (display->is_terminal) {
        int filled = (int)(20 * fraction);
        format_text(line, sizeof line, "\r\033[K[%.*s%.*s] %s%s", filled, "####################",
                    20 - filled, "....................", text, left);
        fputs(line, stderr);
    } else if (now - display->last_line >= SECONDS_BETWEEN_LINES) {
        display->last_line = now;
        format_text(line, sizeof line, "dlv dbgen: %s%s\n", text, left);
        fputs(line, stderr);
    }
    pthread_mutex_unlock(&mutex);
}

static void clear_progress(const struct display *display) {
    if (display->is_terminal)
        fputs("\r\033[K", stderr);
}

/* Shows the first few bad rows. All of them are in the rejects file. */
static void show_bad_row(void *context, uint64_t line, const char *reason) {
    struct display *display = context;
    if (display->bad_count < BAD_ROWS_SHOWN) {
        clear_progress(display);
        trouble("%s:%llu: %s", display->input, (unsigned long long)line, reason);
    } else if (display->bad_count == BAD_ROWS_SHOWN) {
        trouble("more bad rows: see %s", rejects_path);
    }
    display->bad_count++;
}

/* --- what is to be built ---------------------------------------------------------------------- */

static int choose_times(struct release_facts *facts) {
    struct moment created = {.unix_s = time(NULL)};
    if (utc_offset_text != NULL && utc_offset_parse(utc_offset_text, &facts->utc_offset_s) != 0)
        return usage_error("--utc-offset \"%s\" is not one (want +05:30 or Z)", utc_offset_text);
    if (created_text != NULL && moment_parse(created_text, &created) != 0)
        return usage_error("--created \"%s\" is not a time (want 2026-11-24T10:00:00+05:30)",
                           created_text);
    if (created.unix_s < 0)
        return usage_error("--created \"%s\" is before 1970", created_text);
    /* A plain date begins at the authority's midnight. */
    facts->created_s = created.unix_s - (created.is_day ? facts->utc_offset_s : 0);
    facts->valid_until_s = valid_days == 0 ? 0 : facts->created_s + (int64_t)valid_days * 86400;
    return EXIT_OK;
}

static void choose_resources(struct build_settings *settings) {
    static char folder[PATH_MAX];
    uint64_t allowed = memory;
    if (allowed == 0)
        allowed = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 4;
    if (allowed < MEMORY_MIN)
        allowed = MEMORY_MIN;
    file_folder(folder, output);
    settings->memory = (size_t)(allowed - MEMORY_BESIDE);
    settings->thread_count = threads != 0 ? (unsigned)threads : parallel_processors();
    settings->temporary_folder = temporary_folder != NULL ? temporary_folder : folder;
}

static int load_keys(struct rsa_private *authority, struct lookup_key *lookup_key) {
    struct error error;
    if (rsa_private_load(authority, sign, 2048, &error) != 0 ||
        (lookup_key_path != NULL && lookup_key_load(lookup_key, lookup_key_path, &error) != 0))
        return trouble("%s", error.text);
    return EXIT_OK;
}

static int plan(struct build *build, struct rsa_private *authority, struct lookup_key *lookup_key,
                struct display *display) {
    struct build_settings *settings = &build->plan.settings;
    struct error error;
    settings->facts.class_names = class_names_default;
    if (classes_text != NULL && class_names_parse(&settings->facts.class_names, classes_text) != 0)
        return usage_error("--classes \"%s\" is not a list of at most 16 names of A-Z, 0-9 and -",
                           classes_text);
    if (load_keys(authority, lookup_key) != EXIT_OK)
        return EXIT_TROUBLE;
    settings->path = output;
    settings->authority = authority;
    settings->lookup_key = lookup_key_path != NULL ? lookup_key : NULL;
    settings->facts.sequence = sequence;
    settings->progress = show_progress;
    settings->progress_context = display;
    build->plan.is_time_given = created_text != NULL;
    build->plan.is_lines = is_lines;
    build->plan.rejects_path = rejects_path;
    build->plan.leaves_out_bad_rows = skip_bad;
    build->plan.bad_row = show_bad_row;
    build->plan.bad_row_context = display;
    if (changes_to != NULL && build_follow(build, changes_to, &error) != 0)
        return trouble("%s", error.text);
    choose_resources(settings);
    return choose_times(&settings->facts);
}

/* --- the build -------------------------------------------------------------------------------- */

static const char *advice_text(enum build_advice advice) {
    switch (advice) {
    case BUILD_ALLOW_MEMORY:
        return " (see --memory)";
    case BUILD_CHOOSE_OUTPUT:
        return " (it is not replaced; remove it or choose another --output)";
    case BUILD_SET_CLOCK:
        return " (set the clock, or give --created)";
    case BUILD_CHOOSE_SEQUENCE:
        return " (see --sequence)";
    case BUILD_LEAVE_OUT_BAD_ROWS:
        return " (--skip-bad leaves them out)";
    case BUILD_NO_ADVICE:
        break;
    }
    return "";
}

static int fail(const struct build *build, const struct error *error) {
    return trouble("%s%s", error->text, advice_text(build->result.advice));
}

static int print_result(const struct build *build) {
    const struct build_result *result = &build->result;
    const struct release_facts *facts = &result->header.facts;
    char created[TIME_TEXT_SIZE], until[TIME_TEXT_SIZE] = "no limit";
    char fingerprint[RSA_FINGERPRINT_SIZE];
    time_format(created, facts->created_s, facts->utc_offset_s);
    if (facts->valid_until_s != 0)
        time_format(until, facts->valid_until_s, facts->utc_offset_s);
    rsa_fingerprint(&build->plan.settings.authority->public, fingerprint);
    print("%s: %llu rows, %llu entries", output, (unsigned long long)result->row_count,
          (unsigned long long)result->header.count);
    if (result->duplicate_count > 0)
        print(" (%llu more were there already)", (unsigned long long)result->duplicate_count);
    if (result->bad_count > 0)
        print(", %llu bad rows left out", (unsigned long long)result->bad_count);
    print("\nsequence %llu, created %s, valid until %s\nauthority %s%s\n",
          (unsigned long long)facts->sequence, created, until, fingerprint,
          result->header.flags & DB_FLAG_KEYED ? ", keyed" : "");
    return finish_output();
}

static int build_from(struct build *build, const char *path, const struct display *display) {
    const struct build_input input = {.fd = path == NULL ? STDIN_FILENO
                                                         : open(path, O_RDONLY | O_CLOEXEC),
                                      .name = display->input};
    struct error error;
    if (input.fd < 0)
        return trouble("%s: %m", path);
    int code = build_run(build, &input, &error);
    clear_progress(display);
    if (path != NULL)
        close(input.fd);
    return code == 0 ? print_result(build) : fail(build, &error);
}

static int check_usage(int operand_count) {
    if (operand_count != 1)
        return usage_error("one registry is needed (- for standard input)");
    if (sign == NULL || output == NULL)
        return usage_error("--sign and --output are needed");
    return changes_to != NULL
               ? options_refuse("lines classes utc-offset",
                                "--base, which takes CSV and brings its own classes and UTC offset")
               : EXIT_OK;
}

static int run_dbgen(int operand_count, char **operands) {
    static struct build build;
    static struct rsa_private authority;
    static struct lookup_key lookup_key;
    static char default_rejects[PATH_MAX];
    struct error error;
    if (check_usage(operand_count) != EXIT_OK)
        return EXIT_TROUBLE;
    bool is_stdin = strcmp(operands[0], "-") == 0;
    struct display display = {.input = is_stdin ? "standard input" : operands[0],
                              .is_terminal = isatty(STDERR_FILENO)};
    clock_gettime(CLOCK_MONOTONIC, &display.start);
    if (rejects_path == NULL) {
        format_text(default_rejects, sizeof default_rejects, "%s.rejects", output);
        rejects_path = default_rejects;
    }
    build_init(&build);
    int status = plan(&build, &authority, &lookup_key, &display);
    if (status == EXIT_OK && build_begin(&build, &error) != 0)
        status = fail(&build, &error);
    if (status == EXIT_OK)
        status = build_from(&build, is_stdin ? NULL : operands[0], &display);
    build_end(&build);
    wipe(&authority, sizeof authority);
    wipe(&lookup_key, sizeof lookup_key);
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
        "The registry is CSV (RFC 4180, UTF-8) with a header row. The columns are, in any order: name,\n"
        "phone, licence, status (valid, suspended or revoked), valid_from and valid_to (YYYY-MM-DD,\n"
        "both inclusive). Optional columns are classes (names of vehicle classes) and document (the\n"
        "SHA-256 of the issued file, in hex). Each row can then be looked up by record (name, phone,\n"
        "licence), by licence number, and by document.\n\n"
        "The output appears whole or not at all: the old file stays until the new one is complete. The\n"
        "same input, --created and --sequence give the same bytes.\n\n"
        "A bad row is named by its line and kept, with the reason, in the rejects file. The build then\n"
        "fails, unless --skip-bad is given. Two rows with the same record, number or document but a\n"
        "different status, dates or classes always make it fail. Rows that are equal are merged.\n\n"
        "--base makes the next release from the one before and a list of changes. The list is a registry\n"
        "with one more column, op. It is \"set\" where the row is new, or replaces the one with its name,\n"
        "phone and licence, and \"delete\" where that row is to be removed. The result is, byte for\n"
        "byte, what the whole changed registry would make. A digest does not tell which document a row\n"
        "had before. So where the base has documents, the list needs the columns document and\n"
        "old_document. A row that is to be removed must be there. Where two rows share a number or a\n"
        "document, the list must name both.",
    .needs_cryptography = true,
    .run = run_dbgen,
};
