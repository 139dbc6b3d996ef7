#include "builder/build.h"

#include "base/date.h"
#include "base/file.h"
#include "base/format.h"
#include "base/utf8.h"
#include "builder/merge.h"
#include "builder/rejects.h"
#include "builder/rows.h"
#include "db/open.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define ROWS_PER_REPORT (1u << 17)

void build_init(struct build *build) {
    memset(build, 0, sizeof *build);
    build->output_fd = -1;
    import_init(&build->plan.import);
}

void build_end(struct build *build) {
    predecessor_close(&build->predecessor);
    if (build->output_fd >= 0)
        close(build->output_fd);
    build->output_fd = -1;
}

static int advise(struct build *build, enum build_advice advice, int code) {
    build->result.advice = advice;
    return code;
}

/* --- before the input is read ----------------------------------------------------------------- */

/* Whether the release is of an authority that this build may follow. */
static int check_followed(struct build *build, const struct db_header *header, const char *path,
                          struct error *error) {
    const struct release_facts *facts = &header->facts;
    char fingerprint[RSA_FINGERPRINT_SIZE];
    if (key_set_find(build->plan.settings.followed, facts->authority_id, SHA256_LEN) >= 0)
        return 0;
    rsa_fingerprint_of_id(facts->authority_id, fingerprint);
    return advise(build, BUILD_FOLLOW_AUTHORITY,
                  error_set(error, ERR_CONFLICT, "%s: is signed by another authority, %s", path,
                            fingerprint));
}

int build_follow(struct build *build, const char *path, struct error *error) {
    struct build_settings *settings = &build->plan.settings;
    struct db_header header;
    int code = db_read_header(&header, path, NULL, error);
    if (code == 0)
        code = check_followed(build, &header, path, error);
    if (code != 0)
        return code;
    code = predecessor_open(&build->predecessor, path, settings->followed, settings->lookup_key,
                            settings->thread_count, error);
    if (code != 0)
        return code;
    build->has_predecessor = true;
    struct release_facts kept = settings->facts;
    settings->facts = build->predecessor.db.header.facts;
    settings->facts.sequence = kept.sequence;
    settings->facts.created_s = kept.created_s;
    settings->facts.valid_until_s = kept.valid_until_s;
    return 0;
}

/* The lock is on the file that is going to be replaced. Where there is none yet, none may appear
 * while we work (is_new). */
static int lock_output(struct build *build, struct error *error) {
    const char *path = build->plan.settings.path;
    struct stat locked, named;
    build->output_fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    build->is_new = build->output_fd < 0 && errno == ENOENT;
    if (build->is_new)
        return 0;
    if (build->output_fd < 0)
        return error_set_errno(error, "%s", path);
    if (flock(build->output_fd, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK
                   ? error_set(error, ERR_CONFLICT, "%s: another dbgen is at work on it", path)
                   : error_set_errno(error, "%s: cannot be locked", path);
    if (fstat(build->output_fd, &locked) != 0 || stat(path, &named) != 0 ||
        locked.st_ino != named.st_ino || locked.st_dev != named.st_dev)
        return error_set(error, ERR_CONFLICT, "%s: was replaced just now by another dbgen", path);
    return 0;
}

/* Takes the release in the file `path` for the latest, unless there is a later one. */
static int note_release(struct build *build, const char *path, struct db_header *latest,
                        struct error *error) {
    const struct build_settings *settings = &build->plan.settings;
    struct db_header header;
    int code = db_read_header(&header, path, NULL, error);
    if (code != 0)
        return advise(build, BUILD_CHOOSE_OUTPUT, code);
    if (check_followed(build, &header, path, error) != 0)
        return ERR_CONFLICT;
    if (strcmp(header.facts.name, settings->facts.name) != 0)
        return advise(build, BUILD_CHOOSE_OUTPUT,
                      error_set(error, ERR_CONFLICT, "%s: is a release of \"%s\", not of \"%s\"",
                                path, header.facts.name, settings->facts.name));
    if (header.facts.sequence >= latest->facts.sequence) {
        *latest = header;
        format_text(build->latest_path, sizeof build->latest_path, "%s", path);
    }
    return 0;
}

/* The release that this one comes after: the latest of the file to be replaced, the one that is named,
 * and the predecessor. Its file is build->latest_path; a first release comes after zeros. Changes must
 * be made to the latest, or those in between would be lost. */
static int find_latest(struct build *build, struct db_header *latest, struct error *error) {
    const struct db_header *base = &build->predecessor.db.header;
    int code = 0;
    memset(latest, 0, sizeof *latest);
    if (!build->is_new)
        code = note_release(build, build->plan.settings.path, latest, error);
    if (code == 0 && build->plan.after_path != NULL)
        code = note_release(build, build->plan.after_path, latest, error);
    if (code == 0 && build->plan.follows && build->latest_path[0] == '\0' &&
        !build->has_predecessor)
        return error_set(error, ERR_CONFLICT,
                         "--authority names the key of a release before, and there is none in %s",
                         build->plan.settings.path);
    if (code != 0 || !build->has_predecessor)
        return code;
    bool is_same = memcmp(base->id, latest->id, SHA256_LEN) == 0;
    if (latest->count > 0 && !is_same && !build->plan.limits.is_republished &&
        latest->facts.sequence >= base->facts.sequence)
        return error_set(error, ERR_CONFLICT,
                         "%s: is release %llu, but %s is release %llu: changes to the older one "
                         "would undo those in between",
                         build->predecessor.path, (unsigned long long)base->facts.sequence,
                         build->latest_path, (unsigned long long)latest->facts.sequence);
    if (base->facts.sequence >= latest->facts.sequence) {
        *latest = *base;
        format_text(build->latest_path, sizeof build->latest_path, "%s", build->predecessor.path);
    }
    return 0;
}

static int settle_sequence(struct build *build, struct error *error) {
    struct release_facts *facts = &build->plan.settings.facts;
    struct db_header latest;
    const char *name = build->latest_path;
    char text[TIME_TEXT_SIZE];
    int code = find_latest(build, &latest, error);
    if (code != 0)
        return code;
    if (facts->sequence == 0)
        facts->sequence = latest.facts.sequence + 1;
    if (latest.count > 0)
        memcpy(facts->predecessor_id, latest.id, SHA256_LEN);
    bool is_predecessor = build->has_predecessor && strcmp(name, build->predecessor.path) == 0;
    if (facts->sequence < latest.facts.sequence ||
        (is_predecessor && facts->sequence == latest.facts.sequence))
        return advise(build, BUILD_CHOOSE_SEQUENCE,
                      error_set(error, ERR_CONFLICT,
                                "sequence number %llu is behind %llu of %s, which it would follow",
                                (unsigned long long)facts->sequence,
                                (unsigned long long)latest.facts.sequence, name));
    if (facts->sequence > INT64_MAX)
        return advise(
            build, BUILD_CHOOSE_SEQUENCE,
            error_set(error, ERR_LIMIT, "%s: no sequence number is left after its own", name));
    if (!build->plan.is_time_given && facts->created_s < latest.facts.created_s) {
        time_format(text, latest.facts.created_s, latest.facts.utc_offset_s);
        return advise(
            build, BUILD_SET_CLOCK,
            error_set(error, ERR_CONFLICT, "the clock is behind: %s was created %s", name, text));
    }
    return 0;
}

int build_begin(struct build *build, struct error *error) {
    const struct build_settings *settings = &build->plan.settings;
    if (build->plan.is_check) {
        /* Nothing is written, but what would stop the build afterwards does so now. */
        build->is_new = settings->path == NULL || access(settings->path, F_OK) != 0;
        return settings->followed->count > 0 ? settle_sequence(build, error) : 0;
    }
    int code = lock_output(build, error);
    return code == 0 ? settle_sequence(build, error) : code;
}

/* --- rows to entries -------------------------------------------------------------------------- */

/* The stages up to the collector, and what they work with. */
struct reading {
    struct build *build;
    const struct build_input *input;
    struct csv_reader reader;
    struct registry registry;
    struct rejects rejects;
    struct collector collector;
    struct texts texts;
    struct touched touched;
    struct rows_target target;
    struct parallel parallel;
    struct rows rows[2];
    struct rows *filling; /* being read */
    struct rows *hashing; /* being hashed by `parallel` */
    struct stat status;   /* of the input, when it was opened; st_size 0: a pipe */
};

static int reject(struct reading *reading, const struct csv_row *row, const char *reason,
                  struct error *error) {
    const struct build_plan *plan = &reading->build->plan;
    plan->bad_row(plan->context, row->line, reason);
    return rejects_add(&reading->rejects, row, reason, error);
}

/* Rejects a row that was well read but made no facts. Why not was not noted when it was hashed, so
 * it is read once more. */
static int reject_unhashed(struct reading *reading, const struct csv_row *csv,
                           struct error *error) {
    static struct row row;
    struct error reason = {.text = "its line number is too high"};
    if (reading->build->plan.is_lines)
        registry_line(&reading->registry, csv, &row, &reason);
    else
        registry_row(&reading->registry, csv, &row, &reason);
    return reject(reading, csv, reason.text, error);
}

static int reject_bad_rows(struct reading *reading, const struct rows *rows, struct error *error) {
    int code = 0;
    for (size_t i = 0; code == 0 && i < rows->count; i++) {
        const struct rows_item *item = &rows->items[i];
        if (item->row.reason != NULL)
            code = reject(reading, &item->row, item->row.reason, error);
        else if (item->is_bad)
            code = reject_unhashed(reading, &item->row, error);
    }
    return code;
}

static void report_reading(const struct reading *reading) {
    const struct build_settings *settings = &reading->build->plan.settings;
    double size = (double)reading->status.st_size;
    double fraction = size > 0 ? (double)reading->reader.bytes_read / size : 0;
    if (settings->progress != NULL)
        settings->progress(settings->progress_context, "reading", "rows",
                           reading->build->result.row_count, fraction < 1 ? fraction : 1);
}

/* Waits until the rows being hashed are done, and lets those just read be hashed while further ones
 * are read. */
static int change_rows(struct reading *reading, struct error *error) {
    uint64_t *row_count = &reading->build->result.row_count;
    if (parallel_wait(&reading->parallel) != 0)
        return error_set(error, ERR_MEMORY, "no memory");
    struct rows *hashed = reading->hashing;
    reading->hashing = reading->filling;
    reading->filling = hashed;
    int code =
        collector_reserve(&reading->collector, reading->hashing->count * ROW_FACTS_MAX, error);
    if (code != 0)
        return advise(reading->build, code == ERR_LIMIT ? BUILD_ALLOW_MEMORY : BUILD_NO_ADVICE,
                      code);
    rows_hash(reading->hashing, &reading->target, &reading->parallel);
    uint64_t before = *row_count;
    *row_count += hashed->count - hashed->bad_count;
    if (before / ROWS_PER_REPORT != *row_count / ROWS_PER_REPORT)
        report_reading(reading);
    return hashed->bad_count > 0 ? reject_bad_rows(reading, hashed, error) : 0;
}

/* Whether the header row is text in UTF-8. */
static bool is_text(const struct csv_row *row) {
    uint32_t character;
    for (size_t at = 0, n; at < row->raw_len; at += n) {
        n = utf8_decode((const uint8_t *)row->raw + at, row->raw_len - at, &character);
        if (n == 0)
            return false;
    }
    return true;
}

/* Says why a header row is not good. */
static int refuse_header(struct reading *reading, const struct csv_row *row, int code,
                         const char *reason, struct error *error) {
    enum build_advice advice = BUILD_NO_ADVICE;
    if (!is_text(row)) {
        reason = "the header row is not in UTF-8";
        advice = BUILD_NAME_ENCODING;
    } else if (row->field_count == 1 && row->raw_len > 0) {
        for (const char *other = ",;|\t"; *other != '\0'; other++) {
            if (memchr(row->raw, *other, row->raw_len) != NULL)
                advice = BUILD_NAME_DELIMITER;
        }
    }
    return advise(reading->build, advice,
                  error_set(error, code, "%s:%llu: %.900s", reading->input->name,
                            (unsigned long long)row->line, reason));
}

/* Looks what the input is. */
static int begin_input(struct reading *reading, struct error *error) {
    const struct import *import = &reading->build->plan.import;
    struct error reason;
    int code = csv_reader_begin(&reading->reader, import->delimiter, import->encoding, &reason);
    if (code == 0)
        return 0;
    if (code == ERR_SYSTEM)
        return error_set_errno(error, "%s", reading->input->name);
    return advise(reading->build, code == ERR_CONFLICT ? BUILD_NAME_ENCODING : BUILD_NO_ADVICE,
                  error_set(error, code, "%s: %.200s", reading->input->name, reason.text));
}

static int read_header_row(struct reading *reading, struct error *error) {
    const char *name = reading->input->name;
    struct error reason;
    struct csv_row row;
    if (reading->build->plan.import.columns != NULL)
        return registry_header(&reading->registry, NULL, error);
    int result = csv_reader_next(&reading->reader, &row);
    if (result == ERR_SYSTEM)
        return error_set_errno(error, "%s", name);
    if (result == CSV_END)
        return error_set(error, ERR_FORMAT,
                         "%s: empty (want a header row: licence,name,phone,status,valid_from,"
                         "valid_to)",
                         name);
    if (result == CSV_BAD)
        return error_set(error, ERR_FORMAT, "%s:1: header row: %s", name, row.reason);
    int code = registry_header(&reading->registry, &row, &reason);
    return code == 0 ? 0 : refuse_header(reading, &row, code, reason.text, error);
}

/* How many rows are read at a time: so few that the room which is kept free for the facts that they
 * might make is an eighth of what is sorted at once. */
static size_t rows_at_a_time(const struct collector *collector) {
    size_t limit = collector->capacity / 16 / ROW_FACTS_MAX;
    return limit == 0 ? 1 : limit < ROWS_MAX ? limit : ROWS_MAX;
}

static int read_rows(struct reading *reading, struct error *error) {
    int code = begin_input(reading, error);
    if (code == 0 && !reading->build->plan.is_lines)
        code = read_header_row(reading, error);
    int result = CSV_FULL;
    parallel_open(&reading->parallel, reading->build->plan.settings.thread_count);
    while (code == 0 && result != CSV_END) {
        result = rows_read(reading->filling, &reading->reader, rows_at_a_time(&reading->collector));
        code = result == ERR_SYSTEM ? error_set_errno(error, "%s", reading->input->name)
                                    : change_rows(reading, error);
    }
    reading->filling->count = 0;
    if (code == 0)
        code = change_rows(reading, error); /* those that were hashed last */
    if (code == 0 && csv_reader_was_utf8(&reading->reader))
        code = advise(reading->build, BUILD_NAME_ENCODING,
                      error_set(error, ERR_CONFLICT, "%s: is in UTF-8", reading->input->name));
    parallel_close(&reading->parallel);
    return code;
}

/* A registry that was written to while it was read may be half old, half new. */
static int check_unchanged(const struct reading *reading, struct error *error) {
    struct stat now;
    const struct stat *then = &reading->status;
    if (then->st_size == 0)
        return 0;
    if (fstat(reading->input->fd, &now) != 0)
        return error_set_errno(error, "%s", reading->input->name);
    if (now.st_size != then->st_size || now.st_mtim.tv_sec != then->st_mtim.tv_sec ||
        now.st_mtim.tv_nsec != then->st_mtim.tv_nsec)
        return error_set(error, ERR_CONFLICT, "%s: changed while it was read; nothing was written",
                         reading->input->name);
    return 0;
}

/* Reads all input into the collector, and puts the rejects in place. */
static int read_input(struct reading *reading, struct error *error) {
    struct build *build = reading->build;
    int code = read_rows(reading, error);
    if (code == 0)
        code = check_unchanged(reading, error);
    build->result.bad_count = reading->rejects.count;
    if (code == 0 && csv_reader_was_cut(&reading->reader) && !build->plan.limits.accepts_cut) {
        build->result.guard.guard = GUARD_ON_CUT;
        code = advise(build, BUILD_ACCEPT,
                      error_set(error, ERR_CONFLICT,
                                "%s: its last line has no end, as if it had been cut off",
                                reading->input->name));
    }
    /* The rejects are of use whatever else went wrong. */
    int rejects_code = rejects_close(&reading->rejects, code == 0 ? error : NULL);
    if (code == 0)
        code = rejects_code;
    if (code == 0 && build->result.bad_count > 0 && !build->plan.leaves_out_bad_rows)
        code = advise(build, BUILD_LEAVE_OUT_BAD_ROWS,
                      error_set(error, ERR_FORMAT,
                                "%s: %llu bad rows, listed in %s; nothing was written",
                                reading->input->name, (unsigned long long)build->result.bad_count,
                                build->plan.rejects_path));
    if (code == 0 && !build->plan.is_check && !build->has_predecessor) {
        struct error reason;
        code = guard_bad_rows(&build->plan.limits, build->result.bad_count, build->result.row_count,
                              &build->result.guard, &reason);
        if (code != 0)
            code = advise(build, BUILD_ACCEPT,
                          error_set(error, code, "%s: %.500s, listed in %s; nothing was written",
                                    reading->input->name, reason.text, build->plan.rejects_path));
    }
    return code;
}

/* What a release says of its numbers cannot be so where it is true of none: then it was written
 * wrongly, and numbers that are right would be refused as misspelled. */
static int check_numbers(struct build *build, const struct build_input *input,
                         struct error *error) {
    const struct build_result *result = &build->result;
    if (build->has_predecessor || result->row_count == 0)
        return 0;
    if (result->beside_patterns.count == result->row_count)
        return advise(build, BUILD_CHANGE_PATTERNS,
                      error_set(error, ERR_CONFLICT, "%s: no number fits %s", input->name,
                                build->plan.settings.facts.patterns));
    if (result->beside_coverage.count == result->row_count)
        return advise(build, BUILD_CHANGE_COVERAGE,
                      error_set(error, ERR_CONFLICT, "%s: no number begins with %s", input->name,
                                build->plan.settings.facts.coverage));
    return 0;
}

/* --- facts to the file ------------------------------------------------------------------------ */

static int check_entries(const struct reading *reading, uint64_t count, struct error *error) {
    if (count == 0)
        return error_set(error, ERR_FORMAT, "%s: no licences to write", reading->input->name);
    if (count > DB_COUNT_MAX)
        return error_set(error, ERR_LIMIT, "more than %lu entries", (unsigned long)DB_COUNT_MAX);
    return 0;
}

/* Gives every entry to the writer once, in order. */
static int merge(struct reading *reading, struct writer *writer, uint64_t total,
                 struct error *error) {
    struct build *build = reading->build;
    const struct build_plan *plan = &build->plan;
    struct merge_job job = {.collector = &reading->collector,
                            .texts = &reading->texts,
                            .predecessor = build->has_predecessor ? &build->predecessor : NULL,
                            .touched = &reading->touched,
                            .fields = &plan->settings.facts.fields,
                            .writer = writer,
                            .total = total,
                            .conflict = plan->conflict,
                            .conflict_context = plan->context};
    touched_sort(&reading->touched);
    int code = merge_facts(&job, error);
    build->result.joined_count = job.joined_count;
    build->result.withheld_count = job.withheld_count;
    build->result.conflict_count = job.conflict_count;
    if (code == 0 && job.conflict_count > 0 &&
        (!plan->leaves_out_bad_rows || build->has_predecessor))
        return advise(build, build->has_predecessor ? BUILD_NO_ADVICE : BUILD_LEAVE_OUT_BAD_ROWS,
                      error_set(error, ERR_CONFLICT, "%s: %llu contradictions; nothing was written",
                                reading->input->name, (unsigned long long)job.conflict_count));
    return code == 0 ? check_entries(reading, writer->count, error) : code;
}

static int write_file(struct reading *reading, int fd, struct error *error) {
    struct build *build = reading->build;
    struct writer writer;
    uint64_t total;
    int code = collector_sort(&reading->collector, &total, error);
    if (code == ERR_LIMIT)
        build->result.advice = BUILD_ALLOW_MEMORY;
    if (build->has_predecessor)
        total += build->predecessor.db.header.count;
    if (code == 0)
        code = writer_open(&writer, &build->plan.settings, fd, error);
    if (code != 0)
        return code;
    code = merge(reading, &writer, total, error);
    if (code == 0 && !build->plan.is_check)
        return writer_finish(&writer, &build->result.header, error);
    writer_abort(&writer);
    return code;
}

/* Opens the release before, if there is one, and compares. */
static int guard_file(struct build *build, int fd, struct error *error) {
    const struct build_settings *settings = &build->plan.settings;
    const struct key_set *authorities = settings->followed;
    struct db before = {0}, after;
    struct error reason;
    if (build->latest_path[0] == '\0')
        return 0;
    int code = db_open_fd(&after, fd, settings->path, authorities, error);
    if (code != 0)
        return code;
    bool is_predecessor =
        build->has_predecessor && strcmp(build->latest_path, build->predecessor.path) == 0;
    if (!is_predecessor)
        code = db_open(&before, build->latest_path, authorities, error);
    build_report(settings, "comparing", "entries", 0, 0);
    if (code == 0)
        code = guard_release(&build->plan.limits, is_predecessor ? &build->predecessor.db : &before,
                             &after, &build->result.guard, &reason);
    else
        reason = *error;
    build->result.milder = build->result.guard.milder;
    /* Where the release before is damaged, it alone is otherwise. */
    bool was_stopped = code != 0 && build->result.guard.guard != GUARD_PASSED;
    if (was_stopped && !is_predecessor &&
        db_verify(&before, settings->thread_count, build->latest_path, NULL, error) != 0)
        was_stopped = false;
    db_close(&before);
    db_close(&after);
    if (was_stopped)
        return advise(build, BUILD_ACCEPT,
                      error_set(error, code, "%s: %.800s (compared with %s); nothing was replaced",
                                settings->path, reason.text, build->latest_path));
    return code;
}

/* Writes the file beside its place, and puts it there once it is whole. */
static int make_file(struct reading *reading, struct error *error) {
    const struct build_plan *plan = &reading->build->plan;
    struct atomic_file file;
    if (plan->is_check) {
        int fd = runs_open_temporary(plan->settings.temporary_folder, error);
        int checked = fd < 0 ? fd : write_file(reading, fd, error);
        if (fd >= 0)
            close(fd);
        return checked;
    }
    int code = atomic_file_open(&file, plan->settings.path, &db_file_kind,
                                reading->build->is_new ? REPLACE_NOTHING : REPLACE_KIND, error);
    if (code != 0)
        return code;
    code = write_file(reading, file.fd, error);
    if (code == 0)
        code = guard_file(reading->build, file.fd, error);
    if (code == 0)
        return atomic_file_commit(&file, error);
    atomic_file_abort(&file);
    return code;
}

int build_run(struct build *build, const struct build_input *input, struct error *error) {
    struct reading *reading = calloc(1, sizeof *reading);
    if (reading == NULL)
        return error_set(error, ERR_MEMORY, "no memory");
    reading->build = build;
    reading->input = input;
    reading->filling = &reading->rows[0];
    reading->hashing = &reading->rows[1];
    const struct build_settings *settings = &build->plan.settings;
    reading->registry = (struct registry){.import = &build->plan.import,
                                          .rules = &settings->facts.rules,
                                          .check_fields = &settings->facts.fields,
                                          .is_change_list = build->has_predecessor,
                                          .has_legacy = settings->facts.has_legacy,
                                          .history_since = settings->facts.history_since,
                                          .change_day = release_days(&settings->facts, 0).created,
                                          .unknown = &build->result.unknown};
    reading->target =
        (struct rows_target){.registry = &reading->registry,
                             .facts = &settings->facts,
                             .beside_patterns = &build->result.beside_patterns,
                             .beside_coverage = &build->result.beside_coverage,
                             .is_lines = build->plan.is_lines,
                             .lookup_key = settings->lookup_key,
                             .collector = &reading->collector,
                             .texts = &reading->texts,
                             .touched = build->has_predecessor ? &reading->touched : NULL};
    texts_init(&reading->texts);
    touched_init(&reading->touched);
    if (fstat(input->fd, &reading->status) != 0 || !S_ISREG(reading->status.st_mode))
        reading->status.st_size = 0;
    csv_reader_init(&reading->reader, &reading->filling->block, input->fd, build->plan.is_lines);
    rejects_init(&reading->rejects, build->plan.rejects_path, build->plan.replacing);
    int code = collector_open(&reading->collector, &build->plan.settings, error);
    if (code == 0)
        code = read_input(reading, error);
    if (code == 0)
        code = check_numbers(build, input, error);
    if (code == 0)
        code = make_file(reading, error);
    collector_close(&reading->collector);
    texts_free(&reading->texts);
    touched_free(&reading->touched);
    free(reading);
    return code;
}
