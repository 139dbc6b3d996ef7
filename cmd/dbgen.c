#include "advice.h"
#include "applet.h"
#include "built.h"
#include "places.h"
#include "publish.h"

#include "base/bytes.h"
#include "base/date.h"
#include "base/file.h"
#include "base/format.h"
#include "base/parallel.h"
#include "base/text.h"
#include "builder/build.h"
#include "builder/rejects.h"
#include "builder/release_folder.h"
#include "crypto/known_key.h"
#include "crypto/rsa_key.h"
#include "os/memory.h"
#include "registry/dates.h"
#include "registry/words.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define SECONDS_BETWEEN_LINES 10
/* Room for dates and times as numbers; a slip that used the numbers up could not be undone. */
#define SEQUENCE_MAX 1000000000000000
#define MEMORY_MIN ((uint64_t)16 << 20)
#define MEMORY_BESIDE ((uint64_t)8 << 20) /* for buffers and the program itself */

static const char *sign, *output, *created_text, *utc_offset_text, *lookup_key_path, *rejects_path,
    *temporary_folder, *changes_to, *import_path;
static const char *name, *covers, *patterns, *history_text, *calling_code, *national_digits,
    *fields_text;
static struct option_list followed_paths;
static const char *delimiter_text, *encoding_text;
static const char *into;
static uint64_t republished, kept, accept_milder;
static bool is_first, is_demo;
static const char *after_path, *accept_drop, *accept_change, *accept_rejects;
static struct guard_limits limits;
static struct import import;
static uint64_t sequence, valid_days, memory, threads, max_bad;
static bool force, no_inherit, is_lines, skip_bad, is_test, has_legacy, drops_senior,
    allows_guessing, is_check;

static const struct option options[] = {
    OPTION_TEXT("-s, --sign KEY", &sign),
    OPTION_LIST("-a, --authority PUB", &followed_paths),
    OPTION_TEXT("-o, --output FILE", &output),
    OPTION_TEXT("--into DIR", &into),
    OPTION_FLAG("--demo", &is_demo),
    OPTION_FLAG("--first", &is_first),
    OPTION_COUNT("--keep N", &kept, 1, 100000, 7, "releases"),
    OPTION_COUNT("--republish N", &republished, 1, INT64_MAX, 0, NULL),
    OPTION_FLAG("-l, --lines", &is_lines),
    OPTION_TEXT("-b, --base DB", &changes_to),
    OPTION_FLAG("--check", &is_check),
    OPTION_TEXT("--lookup-key FILE", &lookup_key_path),
    OPTION_TEXT("--name NAME", &name),
    OPTION_FLAG("--test", &is_test),
    OPTION_FLAG("--legacy", &has_legacy),
    OPTION_COUNT("--sequence N", &sequence, 1, SEQUENCE_MAX, 0, NULL),
    OPTION_TEXT("--created TIME", &created_text),
    OPTION_COUNT("--valid-days N", &valid_days, 0, 36525, 30, "days"),
    OPTION_TEXT("--utc-offset OFFSET", &utc_offset_text),
    OPTION_TEXT("--covers PREFIXES", &covers),
    OPTION_TEXT("--number-pattern PATTERNS", &patterns),
    OPTION_TEXT("--history-since DATE", &history_text),
    OPTION_TEXT("--calling-code CODE", &calling_code),
    OPTION_TEXT("--national-digits N[-N]", &national_digits),
    OPTION_FLAG("--drop-senior", &drops_senior),
    OPTION_TEXT("--fields FIELDS", &fields_text),
    OPTION_FLAG("--allow-guessing", &allows_guessing),
    OPTION_TEXT("--import FILE", &import_path),
    OPTION_TEXT("--delimiter CHAR", &delimiter_text),
    OPTION_TEXT("--encoding NAME", &encoding_text),
    OPTION_TEXT("--columns NAMES", &import.columns),
    OPTION_TEXT("--map MAPPINGS", &import.map),
    OPTION_TEXT("--ignore-columns NAMES", &import.ignore),
    OPTION_TEXT("--date-format FORMATS", &import.date_format),
    OPTION_TEXT("--null TEXTS", &import.null),
    OPTION_TEXT("--no-end TEXTS", &import.no_end),
    OPTION_TEXT("--status WORDS", &import.status),
    OPTION_TEXT("--card-status WORDS", &import.card_status),
    OPTION_TEXT("--provisional WORDS", &import.provisional),
    OPTION_TEXT("--classes-2 NAMES", &import.classes_2),
    OPTION_TEXT("--class-separators CHARS", &import.class_separators),
    OPTION_TEXT("--yes WORDS", &import.yes),
    OPTION_FLAG("--skip-bad", &skip_bad),
    OPTION_COUNT("--max-bad N", &max_bad, 0, INT32_MAX, 100, NULL),
    OPTION_TEXT("--rejects FILE", &rejects_path),
    OPTION_FLAG("-f, --force", &force),
    OPTION_TEXT("--after DB", &after_path),
    OPTION_FLAG("--no-inherit", &no_inherit),
    OPTION_TEXT("--accept-drop SHARE", &accept_drop),
    OPTION_TEXT("--accept-change SHARE", &accept_change),
    OPTION_TEXT("--accept-rejects SHARE", &accept_rejects),
    OPTION_COUNT("--accept-milder N", &accept_milder, 0, INT64_MAX, 0, "licences"),
    OPTION_FLAG("--accept-vanished", &limits.accepts_vanished),
    OPTION_FLAG("--accept-rekey", &limits.accepts_rekey),
    OPTION_FLAG("--accept-facts", &limits.accepts_facts),
    OPTION_FLAG("--accept-same-sequence", &limits.accepts_same_number),
    OPTION_FLAG("--accept-cut", &limits.accepts_cut),
    OPTION_SIZE("--memory SIZE", &memory, MEMORY_MIN, 0),
    OPTION_TEXT("--tmp DIR", &temporary_folder),
    OPTION_COUNT("--threads N", &threads, 1, PARALLEL_THREADS_MAX, 0, NULL),
    OPTIONS_END,
};

/* Options that an import file may hold. */
static const char import_options[] =
    "name test legacy utc-offset covers number-pattern history-since calling-code national-digits "
    "drop-senior fields allow-guessing delimiter encoding columns map ignore-columns date-format "
    "null no-end status card-status provisional classes-2 class-separators yes skip-bad lines "
    "valid-days max-bad";

/* What is shown while the build runs. */
struct display {
    const char *input;
    bool is_terminal;
    uint64_t bad_count;
    uint64_t conflict_count;
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

/* Shows the first bad rows. All of them are in the rejects file. */
static void show_bad_row(void *context, uint64_t line, const char *reason) {
    struct display *display = context;
    if (display->bad_count < max_bad) {
        clear_progress(display);
        trouble("%s:%llu: %s", display->input, (unsigned long long)line, reason);
    } else if (display->bad_count == max_bad) {
        trouble("more bad rows: see %s (--max-bad shows more)", rejects_path);
    }
    display->bad_count++;
}

static void show_conflict(void *context, uint64_t line, uint64_t other, const char *reason) {
    struct display *display = context;
    if (display->conflict_count < max_bad) {
        clear_progress(display);
        if (other > 0)
            trouble("%s:%llu: line %llu: %s", display->input, (unsigned long long)line,
                    (unsigned long long)other, reason);
        else
            trouble("%s:%llu: %s", display->input, (unsigned long long)line, reason);
    } else if (display->conflict_count == max_bad) {
        trouble("more contradictions (--max-bad shows more)");
    }
    display->conflict_count++;
}

/* --- what is to be built ---------------------------------------------------------------------- */

static int choose_times(struct release_facts *facts) {
    struct moment created = {.unix_s = time(NULL)};
    int64_t latest_s = (created.unix_s > built_s() ? created.unix_s : built_s()) + 86400;
    if (created_text == NULL && created.unix_s < built_s())
        return trouble("the clock of this machine is behind the date of this program: set it, or "
                       "give --created");
    if (utc_offset_text != NULL && utc_offset_parse(utc_offset_text, &facts->utc_offset_s) != 0)
        return usage_error("--utc-offset \"%s\" is not one (want +05:30 or Z)", utc_offset_text);
    if (created_text != NULL && moment_parse(created_text, &created) != 0)
        return usage_error("--created \"%s\" is not a time (want 2026-11-24T10:00:00+05:30)",
                           created_text);
    if (created.unix_s > latest_s && !limits.accepts_facts)
        return usage_error("--created \"%s\" is in the future: nobody would believe the release "
                           "before (--accept-facts takes it)",
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
        allowed = memory_allowed("") / 4;
    if (allowed < MEMORY_MIN)
        allowed = MEMORY_MIN;
    if (output != NULL)
        file_folder(folder, output);
    else
        memcpy(folder, ".", 2);
    settings->memory = (size_t)(allowed - MEMORY_BESIDE);
    settings->thread_count = threads != 0 ? (unsigned)threads : parallel_processors();
    settings->temporary_folder = temporary_folder != NULL ? temporary_folder : folder;
}

/* Releases of the key that signs are followed, and of those that it takes the place of. */
static int load_keys(struct rsa_private *authority, struct key_set *followed,
                     struct lookup_key *lookup_key) {
    struct error error;
    if ((sign != NULL && rsa_private_load(authority, sign, 2048, &error) != 0) ||
        (lookup_key_path != NULL && lookup_key_load(lookup_key, lookup_key_path, &error) != 0) ||
        key_set_load(followed, followed_paths.items, followed_paths.count, 2048, &error) != 0)
        return trouble("%s", error.text);
    if (sign != NULL && !is_demo && known_key_check_public(&authority->public, &error) != 0)
        return trouble("%s: %s", sign, error.text);
    if (sign != NULL && key_set_add(followed, &authority->public) != 0)
        return usage_error("--authority: more keys than are followed");
    return EXIT_OK;
}

/* What the release says of itself. */
static int choose_fields(struct check_fields *fields) {
    static const char *const names[FIELD_COUNT] = {"", "name", "phone", "birth_date", "card"};
    const char *list = fields_text;
    struct span item;
    if (list == NULL && fields->count > 0)
        return EXIT_OK;
    memset(fields, 0, sizeof *fields);
    if (list == NULL)
        list = lookup_key_path != NULL ? "name,phone,birth_date" : "name";
    while (*list != '\0' && words_next(&list, ',', &item)) {
        unsigned field = FIELD_NAME;
        while (field < FIELD_COUNT &&
               !span_is_same_word(item, (struct span){names[field], strlen(names[field])}))
            field++;
        if (field == FIELD_COUNT || fields->count == CHECK_FIELDS_MAX)
            return usage_error("--fields \"%s\" is not a list of at most three of name, phone, "
                               "birth_date and card",
                               fields_text);
        fields->fields[fields->count++] = (uint8_t)field;
        if (lookup_key_path == NULL && !allows_guessing &&
            (field == FIELD_PHONE || field == FIELD_BIRTH_DATE))
            return usage_error("--fields: %s can be guessed by whoever has the file, unless the "
                               "database is keyed (--lookup-key); --allow-guessing keeps it all "
                               "the same",
                               names[field]);
        if (list == NULL)
            break;
    }
    return check_fields_are_valid(fields)
               ? EXIT_OK
               : usage_error("--fields \"%s\" names one twice", fields_text);
}

static int choose_phones(struct matching_rules *rules) {
    unsigned long long count;
    rules->drops_senior |= drops_senior;
    if (calling_code != NULL) {
        size_t len = strlen(calling_code);
        if (len == 0 || len >= sizeof rules->calling_code ||
            strspn(calling_code, "0123456789") != len || calling_code[0] == '0')
            return usage_error("--calling-code \"%s\" is not one to three digits", calling_code);
        memcpy(rules->calling_code, calling_code, len);
    }
    if (national_digits == NULL)
        return EXIT_OK;
    char least[8];
    const char *dash = strchr(national_digits, '-');
    size_t len = dash != NULL ? (size_t)(dash - national_digits) : strlen(national_digits);
    format_text(least, sizeof least, "%.*s", (int)len, national_digits);
    if (text_parse_count(least, 20, &count) == 0 && count > 0) {
        rules->national_min = rules->national_max = (unsigned)count;
        if (dash == NULL)
            return EXIT_OK;
        if (text_parse_count(dash + 1, 20, &count) == 0 && count >= rules->national_min) {
            rules->national_max = (unsigned)count;
            return EXIT_OK;
        }
    }
    return usage_error("--national-digits \"%s\" is not a number such as 10, or two such as 10-11",
                       national_digits);
}

static int copy_list(char *list, const char *text, const char *option,
                     bool (*is_valid)(const char *list)) {
    if (text == NULL)
        return EXIT_OK;
    size_t len = strlen(text);
    if (len >= COVERAGE_MAX || !is_valid(text))
        return usage_error("--%s \"%s\" is not a list of %s", option, text,
                           is_valid == coverage_is_valid
                               ? "prefixes in capitals and digits, with commas between"
                               : "patterns such as @@##-#{4-11}");
    memcpy(list, text, len + 1);
    return EXIT_OK;
}

/* What the release before says of itself holds on, unless an option says otherwise. A database that
 * was keyed must not become a plain one because an option was forgotten. */
static int inherit(struct release_facts *facts) {
    const char *path = after_path != NULL ? after_path : output;
    struct db_header before;
    struct error error;
    facts->history_since = DAY_NO_START;
    format_text(facts->name, sizeof facts->name, "licences");
    if (path == NULL || changes_to != NULL || (after_path == NULL && access(path, F_OK) != 0))
        return EXIT_OK;
    if (db_read_header(&before, path, NULL, &error) != 0)
        return after_path != NULL ? trouble("--after: %s", error.text)
                                  : trouble("%s%s", error.text, ADVICE_OF_OUTPUT);
    if (before.is_keyed && lookup_key_path == NULL && !limits.accepts_rekey)
        return usage_error("%s is keyed, so --lookup-key is needed", path);
    if (no_inherit)
        return EXIT_OK;
    struct release_facts own = before.facts;
    if (before.is_keyed != (lookup_key_path != NULL)) /* what a plain file keeps can be guessed */
        memset(&own.fields, 0, sizeof own.fields);
    own.sequence = 0;
    own.created_s = own.valid_until_s = 0;
    memset(own.authority_id, 0, SHA256_LEN);
    memset(own.predecessor_id, 0, SHA256_LEN);
    *facts = own;
    return EXIT_OK;
}

static int choose_facts(struct release_facts *facts) {
    if (inherit(facts) != EXIT_OK)
        return EXIT_TROUBLE;
    const char *own_name = name != NULL ? name : facts->name;
    facts->is_test |= is_test;
    facts->has_legacy |= has_legacy;
    facts->sequence = sequence;
    if (!release_is_name(own_name))
        return usage_error("--name \"%s\" is not 1 to 63 letters, digits, '-', '_' and '.'", name);
    if (name != NULL)
        format_text(facts->name, sizeof facts->name, "%s", name);
    if (history_text != NULL &&
        (date_parse(history_text, strlen(history_text), &facts->history_since) != 0 ||
         facts->history_since < DAY_FIRST || facts->history_since > DAY_LAST))
        return usage_error("--history-since \"%s\" is not a date from 1900 on", history_text);
    int status = copy_list(facts->coverage, covers, "covers", coverage_is_valid);
    if (status == EXIT_OK)
        status = copy_list(facts->patterns, patterns, "number-pattern", patterns_are_valid);
    if (status == EXIT_OK)
        status = choose_phones(&facts->rules);
    return status == EXIT_OK ? choose_fields(&facts->fields) : status;
}

static int choose_import(struct import *chosen) {
    static const char *const encodings[] = {"utf-8", "utf-16", "windows-1252", "latin-1"};
    struct error error;
    *chosen = import;
    chosen->delimiter = ',';
    if (delimiter_text != NULL) {
        bool is_tab = strcmp(delimiter_text, "tab") == 0;
        if (!is_tab && (strlen(delimiter_text) != 1 || strchr("\"\r\n", delimiter_text[0]) != NULL))
            return usage_error("--delimiter \"%s\" is not one character, or tab", delimiter_text);
        chosen->delimiter = is_tab ? '\t' : delimiter_text[0];
    }
    for (int i = 0; encoding_text != NULL && i < 4; i++) {
        if (strcmp(encoding_text, encodings[i]) == 0) {
            chosen->encoding = (enum encoding)i;
            encoding_text = NULL;
        }
    }
    if (encoding_text != NULL)
        return usage_error("--encoding \"%s\" is not utf-8, utf-16, windows-1252 or latin-1",
                           encoding_text);
    if (import.date_format != NULL && dates_check_formats(import.date_format, &error) != 0)
        return usage_error("--date-format: %s", error.text);
    return EXIT_OK;
}

static enum file_replacing rejects_replacing(void) {
    return force ? REPLACE_ANY : REPLACE_KIND;
}

static int choose_limits(struct guard_limits *chosen) {
    *chosen = limits;
    return options_parse_share(accept_drop, "accept-drop", GUARD_DROPPED, &chosen->dropped) ==
                       EXIT_OK &&
                   options_parse_share(accept_change, "accept-change", GUARD_CHANGED,
                                       &chosen->changed) == EXIT_OK &&
                   options_parse_share(accept_rejects, "accept-rejects", GUARD_BAD_ROWS,
                                       &chosen->bad_rows) == EXIT_OK
               ? EXIT_OK
               : EXIT_TROUBLE;
}

static int plan(struct build *build, struct rsa_private *authority, struct lookup_key *lookup_key,
                struct display *display) {
    static struct key_set followed;
    struct build_settings *settings = &build->plan.settings;
    struct error error;
    if (load_keys(authority, &followed, lookup_key) != EXIT_OK ||
        choose_import(&build->plan.import) != EXIT_OK ||
        choose_limits(&build->plan.limits) != EXIT_OK)
        return EXIT_TROUBLE;
    build->plan.after_path = after_path;
    settings->path = output;
    settings->authority = authority;
    settings->followed = &followed;
    settings->lookup_key = lookup_key_path != NULL ? lookup_key : NULL;
    settings->progress = show_progress;
    settings->progress_context = display;
    build->plan.is_time_given = created_text != NULL;
    build->plan.is_lines = is_lines;
    build->plan.is_check = is_check;
    build->plan.follows = followed_paths.count > 0;
    build->plan.rejects_path = rejects_path;
    build->plan.replacing = rejects_replacing();
    build->plan.leaves_out_bad_rows = skip_bad;
    build->plan.bad_row = show_bad_row;
    build->plan.conflict = show_conflict;
    build->plan.context = display;
    choose_resources(settings);
    if (choose_facts(&settings->facts) != EXIT_OK)
        return EXIT_TROUBLE;
    if (changes_to != NULL && build_follow(build, changes_to, &error) != 0)
        return trouble("%s%s", error.text, advice_text(&build->result));
    return choose_times(&settings->facts);
}

/* --- the build -------------------------------------------------------------------------------- */

static int fail(const struct build *build, const struct error *error) {
    return trouble("%s%s", error->text, advice_text(&build->result));
}

static int print_check(const struct build *build) {
    const struct build_result *result = &build->result;
    print("%llu rows are good, %llu are bad, %llu contradictions\n",
          (unsigned long long)result->row_count, (unsigned long long)result->bad_count,
          (unsigned long long)result->conflict_count);
    if (finish_output() != EXIT_OK)
        return EXIT_TROUBLE;
    return result->bad_count + result->conflict_count > 0 ? EXIT_TROUBLE : EXIT_OK;
}

static int print_result(const struct build *build) {
    if (is_check)
        return print_check(build);
    const struct build_result *result = &build->result;
    const struct release_facts *facts = &result->header.facts;
    char created[TIME_TEXT_SIZE], until[TIME_TEXT_SIZE] = "no limit";
    char fingerprint[RSA_FINGERPRINT_SIZE];
    time_format(created, facts->created_s, facts->utc_offset_s);
    if (facts->valid_until_s != 0)
        time_format(until, facts->valid_until_s, facts->utc_offset_s);
    rsa_fingerprint(&build->plan.settings.authority->public, fingerprint);
    if (build->latest_path[0] == '\0')
        trouble("note: %s is a first release, so it was compared with nothing", output);
    else if (result->milder > 0)
        trouble("note: %llu licences are valid again that were not before (dlv diff shows more)",
                (unsigned long long)result->milder);
    if (facts->is_test && !is_test)
        trouble(
            "note: it is marked as test data, as the one before is; a register's own releases begin with "
            "--first in a folder of their own");
    print("%s: %llu rows, %llu entries", output, (unsigned long long)result->row_count,
          (unsigned long long)result->header.count);
    if (result->joined_count > 0)
        print(" (%llu rows about a licence that another row is about)",
              (unsigned long long)result->joined_count);
    if (result->bad_count > 0)
        print(", %llu bad rows left out", (unsigned long long)result->bad_count);
    if (result->withheld_count > 0)
        print(", %llu licences withheld", (unsigned long long)result->withheld_count);
    print("\nsequence %llu, created %s, valid until %s\nauthority %s%s\n",
          (unsigned long long)facts->sequence, created, until, fingerprint,
          result->header.is_keyed ? ", keyed" : "");
    return finish_output() == EXIT_OK
               ? EXIT_OK
               : trouble("%s: is complete and in its place all the same", output);
}

/* What is read where an old release is republished: a list of no changes. */
static int open_no_changes(void) {
    static const char header[] = "op,licence\n";
    int fd = memfd_create("changes", MFD_CLOEXEC);
    if (fd >= 0 && file_write_at(fd, header, strlen(header), 0) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static int build_from(struct build *build, const char *path, const struct display *display) {
    const struct build_input input = {.fd = republished != 0 ? open_no_changes()
                                            : path == NULL   ? STDIN_FILENO
                                                             : open(path, O_RDONLY | O_CLOEXEC),
                                      .name = display->input};
    struct error error;
    if (input.fd < 0)
        return trouble("%s: %m", display->input);
    int code = build_run(build, &input, &error);
    clear_progress(display);
    if (input.fd != STDIN_FILENO)
        close(input.fd);
    print_unknown(&build->result, input.name);
    print_misfits(&build->result, input.name);
    return code == 0 ? print_result(build) : fail(build, &error);
}

/* --- a folder of releases ----------------------------------------------------------------------- */

static struct release_folder folder;

/* Chooses the output, and what the release comes after. */
static int choose_in_folder(void) {
    static char file[PATH_MAX], base[PATH_MAX];
    struct db_header latest;
    struct error error;
    uint64_t number = sequence != 0 ? sequence : 1;
    if (folder.has_current && db_read_header(&latest, folder.current, NULL, &error) != 0)
        return trouble("%s", error.text);
    /* A number is used once, also where its release never got in force. */
    if (folder.has_current && sequence == 0)
        number =
            1 + (latest.facts.sequence > folder.highest ? latest.facts.sequence : folder.highest);
    if (number > INT64_MAX)
        return trouble("%s: no sequence number is left", into);
    sequence = number;
    if (release_folder_file(&folder, number, file, &error) != 0)
        return trouble("%s", error.text);
    output = file;
    after_path = folder.has_current ? folder.current : NULL;
    if (republished == 0)
        return EXIT_OK;
    if (release_folder_file(&folder, republished, base, &error) != 0)
        return trouble("%s", error.text);
    changes_to = base;
    limits.is_republished = true;
    limits.milder = accept_milder;
    return EXIT_OK;
}

static int open_folder(void) {
    folder.lock = -1; /* none is open */
    if (into == NULL)
        return EXIT_OK;
    return places_open_folder(&folder, into, is_first) == EXIT_OK ? choose_in_folder()
                                                                  : EXIT_TROUBLE;
}

/* Puts the release in force. */
static int finish_folder(const struct build *build) {
    struct error error;
    uint64_t number = build->result.header.facts.sequence;
    if (into == NULL)
        return EXIT_OK;
    if (folder.has_current)
        publish_changes(&folder, after_path, output, number, build->plan.settings.followed);
    if (release_folder_move(&folder, number, &error) != 0 ||
        release_folder_prune(&folder, kept, &error) != 0)
        return trouble("%s", error.text);
    return EXIT_OK;
}

static int check_folder_usage(int operand_count) {
    if (into == NULL)
        return options_refuse("first keep republish accept-milder", "a release without --into");
    if (output != NULL || after_path != NULL || is_check)
        return usage_error("--into chooses the output and what it comes after: it does not go with "
                           "--output, --after or --check");
    if (sign == NULL)
        return usage_error("--sign is needed");
    if (republished == 0)
        return EXIT_OK;
    if (operand_count != 0)
        return usage_error("--republish reads no registry");
    return options_refuse("base first lines", "--republish, which makes no new content");
}

static int check_usage(int operand_count) {
    if (import_path != NULL && options_read_file(import_path, import_options) != EXIT_OK)
        return EXIT_TROUBLE;
    if (check_folder_usage(operand_count) != EXIT_OK)
        return EXIT_TROUBLE;
    if (operand_count != 1 && republished == 0)
        return usage_error("one registry is needed (- for standard input)");
    if (!is_check && into == NULL && (sign == NULL || output == NULL))
        return usage_error("--sign and --output are needed");
    if (output != NULL && strcmp(output, "-") == 0)
        return usage_error("--output: a database cannot be written to standard output");
    if (is_check && changes_to != NULL && sign == NULL)
        return usage_error("--base needs --sign, whose public half checks it");
    if (is_lines && options_refuse("columns map ignore-columns delimiter date-format status null "
                                   "no-end",
                                   "--lines, which has no columns") != EXIT_OK)
        return EXIT_TROUBLE;
    return changes_to != NULL
               ? options_refuse("lines utc-offset name test legacy covers number-pattern "
                                "history-since calling-code national-digits drop-senior fields",
                                "--base, which brings its own")
               : EXIT_OK;
}

/* Nothing that is read may be written, and what is to be written must find its place: that is known
 * before the hours of work. */
static int check_files(const char *registry) {
    const struct place read[] = {
        {"the registry", registry}, {"--sign", sign},       {"--lookup-key", lookup_key_path},
        {"--import", import_path},  {"--base", changes_to}, {"--output", output}};
    const char *before = changes_to != NULL ? changes_to : after_path != NULL ? after_path : output;
    enum { BASE = 4, ALL = sizeof read / sizeof read[0] };
    struct error error;
    const struct place written = {"--output", output}, rejects = {"--rejects", rejects_path};
    if (places_keep_apart(&written, read, BASE) != EXIT_OK ||
        places_keep_apart(&rejects, read, ALL) != EXIT_OK ||
        places_keep_list_apart(&written, "--authority", &followed_paths) != EXIT_OK ||
        places_keep_list_apart(&rejects, "--authority", &followed_paths) != EXIT_OK)
        return EXIT_TROUBLE;
    if (into == NULL && !is_check && release_folder_is_link(output))
        return usage_error("%s is the link of a folder of releases: --into makes the next one",
                           output);
    if (!is_check && file_check_place(output, &db_file_kind, REPLACE_ANY, &error) != 0)
        return trouble("%s", error.text);
    if (!is_check && places_check_room(output, before) != EXIT_OK)
        return EXIT_TROUBLE;
    int code = file_check_place(rejects_path, &rejects_file_kind, rejects_replacing(), &error);
    return code == 0 ? EXIT_OK
                     : trouble("%s%s", error.text,
                               code == ERR_EXISTS
                                   ? " (choose another name by --rejects; --force replaces it)"
                                   : "");
}

static int run_dbgen(int operand_count, char **operands) {
    static struct build build;
    static struct rsa_private authority;
    static struct lookup_key lookup_key;
    static char default_rejects[PATH_MAX];
    struct error error;
    if (check_usage(operand_count) != EXIT_OK || open_folder() != EXIT_OK)
        return EXIT_TROUBLE;
    const char *registry = operand_count > 0 ? operands[0] : NULL;
    trouble_end_with_file("a file that is read or written through memory");
    bool is_stdin = registry != NULL && strcmp(registry, "-") == 0;
    struct display display = {.input = is_stdin           ? "standard input"
                                       : registry != NULL ? registry
                                                          : changes_to,
                              .is_terminal = isatty(STDERR_FILENO)};
    clock_gettime(CLOCK_MONOTONIC, &display.start);
    if (rejects_path == NULL) {
        /* Not in a folder of releases, which is published: bad rows hold names. */
        size_t into_len = into != NULL ? strlen(into) : 0;
        while (into_len > 1 && into[into_len - 1] == '/')
            into_len--;
        format_text(default_rejects, sizeof default_rejects, "%.*s%s.rejects", (int)into_len,
                    into != NULL ? into : "",
                    into != NULL     ? ""
                    : output != NULL ? output
                    : is_stdin       ? "stdin"
                                     : registry);
        rejects_path = default_rejects;
    }
    build_init(&build);
    int status = check_files(registry);
    if (status == EXIT_OK)
        status = plan(&build, &authority, &lookup_key, &display);
    if (status == EXIT_OK && build_begin(&build, &error) != 0)
        status = fail(&build, &error);
    if (status == EXIT_OK)
        status = build_from(&build, is_stdin ? NULL : registry, &display);
    if (status == EXIT_OK)
        status = finish_folder(&build);
    build_end(&build);
    release_folder_close(&folder);
    wipe(&authority, sizeof authority);
    wipe(&lookup_key, sizeof lookup_key);
    return status;
}

const struct applet applet_dbgen = {
    .name = "dbgen",
    .summary = "build the signed database from the authority's registry",
    .user = FOR_ADMINS,
    .options = options,
    .needs_cryptography = true,
    .run = run_dbgen,
};
