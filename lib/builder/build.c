#include "builder/build.h"

#include "base/date.h"
#include "base/file.h"
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
    build->output_fd = build->predecessor.fd = -1;
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

int build_follow(struct build *build, const char *path, struct error *error) {
    struct build_settings *settings = &build->plan.settings;
    int code = predecessor_open(&build->predecessor, path, &settings->authority->public,
                                settings->lookup_key, error);
    if (code != 0)
        return code;
    build->has_predecessor = true;
    settings->facts.class_names = build->predecessor.header.facts.class_names;
    settings->facts.utc_offset_s = build->predecessor.header.facts.utc_offset_s;
    return 0;
}

/* The lock is on the file that is going to be replaced. Where there is none yet, none may appear
 * while we work (is_new). */
static int lock_output(struct build *build, struct error *error) {
    const char *path = build->plan.settings.path;
    struct stat locked, named;
    build->output_fd = open(path, O_RDONLY | O_CLOEXEC);
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

/* The release that this one comes after: the later of the file to be replaced and the predecessor.
 * Its file's name is at *name; a first release comes after zeros. */
static int find_latest(struct build *build, struct db_header *latest, const char **name,
                       struct error *error) {
    const struct db_header *predecessor = &build->predecessor.header;
    memset(latest, 0, sizeof *latest);
    *name = build->plan.settings.path;
    if (!build->is_new) {
        int code = db_read_header(latest, *name, error);
        if (code != 0)
            return advise(build, BUILD_CHOOSE_OUTPUT, code);
    }
    if (build->has_predecessor && predecessor->facts.sequence >= latest->facts.sequence) {
        *latest = *predecessor;
        *name = build->predecessor.path;
    }
    return 0;
}

static int settle_sequence(struct build *build, struct error *error) {
    struct release_facts *facts = &build->plan.settings.facts;
    struct db_header latest;
    const char *name;
    char text[TIME_TEXT_SIZE];
    int code = find_latest(build, &latest, &name, error);
    if (code != 0)
        return code;
    if (facts->sequence == 0)
        facts->sequence = latest.facts.sequence + 1;
    bool is_predecessor = build->has_predecessor && name == build->predecessor.path;
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
    plan->bad_row(plan->bad_row_context, row->line, reason);
    return rejects_add(&reading->rejects, row, reason, error);
}

/* Rejects a row that was well read but made no entries. Why not was not noted when it was hashed,
 * so it is parsed once more. */
static int reject_unhashed(struct reading *reading, const struct csv_row *row,
                           struct error *error) {
    struct registry_entry entries[REGISTRY_ENTRIES_MAX];
    char texts[REGISTRY_TEXT_MAX], *text = texts;
    struct error reason;
    if (reading->build->plan.is_lines)
        registry_line(row, entries, &text, &reason);
    else
        registry_row(&reading->registry, row, entries, &text, &reason);
    return reject(reading, row, reason.text, error);
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
    parallel_wait(&reading->parallel);
    struct rows *hashed = reading->hashing;
    reading->hashing = reading->filling;
    reading->filling = hashed;
    int code = collector_reserve(&reading->collector,
                                 reading->hashing->count * REGISTRY_ENTRIES_MAX, error);
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

static int read_header_row(struct reading *reading, struct error *error) {
    const struct build *build = reading->build;
    const char *name = reading->input->name;
    struct error reason;
    struct csv_row row;
    int result = csv_reader_next(&reading->reader, &row);
    if (result == ERR_SYSTEM)
        return error_set_errno(error, "%s", name);
    if (result == CSV_END)
        return error_set(error, ERR_FORMAT,
                         "%s: empty (want a header row: name,phone,licence,status,valid_from,"
                         "valid_to)",
                         name);
    if (result == CSV_BAD)
        return error_set(error, ERR_FORMAT, "%s:1: header row: %s", name, row.reason);
    int code = registry_header(&reading->registry, &build->plan.settings.facts.class_names,
                               build->has_predecessor, &row, &reason);
    return code == 0 ? 0
                     : error_set(error, code, "%s:%llu: %.900s", name, (unsigned long long)row.line,
                                 reason.text);
}

static int read_rows(struct reading *reading, struct error *error) {
    int code = reading->build->plan.is_lines ? 0 : read_header_row(reading, error);
    int result = CSV_FULL;
    parallel_open(&reading->parallel, reading->build->plan.settings.thread_count);
    while (code == 0 && result != CSV_END) {
        result = rows_read(reading->filling, &reading->reader);
        code = result == ERR_SYSTEM ? error_set_errno(error, "%s", reading->input->name)
                                    : change_rows(reading, error);
    }
    reading->filling->count = 0;
    if (code == 0)
        code = change_rows(reading, error); /* those that were hashed last */
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
    return code;
}

/* --- entries to the file ---------------------------------------------------------------------- */

/* Says which lines contradict each other or the predecessor. */
static int report_conflict(const struct reading *reading, const struct merge_summary *summary,
                           struct error *error) {
    const struct build *build = reading->build;
    if (summary->conflict_count > 0)
        return error_set(error, ERR_CONFLICT,
                         "%s:%llu: the %s is that of line %llu, but %s differ "
                         "(%llu such entries; nothing was written)",
                         reading->input->name, (unsigned long long)summary->conflict_lines[1],
                         kind_name(summary->conflict_kind),
                         (unsigned long long)summary->conflict_lines[0],
                         build->has_predecessor ? "operation, status, dates or classes"
                                                : "status, dates or classes",
                         (unsigned long long)summary->conflict_count);
    return error_set(error, ERR_CONFLICT,
                     "%s:%llu: the %s to be removed is not in %s (%llu such entries; nothing was "
                     "written)",
                     reading->input->name, (unsigned long long)summary->absent_line,
                     kind_name(summary->absent_kind), build->predecessor.path,
                     (unsigned long long)summary->absent_count);
}

static int check_entries(const struct reading *reading, uint64_t count, struct error *error) {
    const struct predecessor *predecessor = &reading->build->predecessor;
    if (predecessor->has_documents && !registry_names_documents(&reading->registry))
        return error_set(error, ERR_FORMAT,
                         "%s: %s has documents, so the header row must name document and "
                         "old_document (empty where a row has none)",
                         reading->input->name, predecessor->path);
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
    struct merge_summary summary;
    struct error reason;
    int code =
        merge_entries(&reading->collector, build->has_predecessor ? &build->predecessor : NULL,
                      writer, total, &summary, &reason);
    build->result.duplicate_count = summary.duplicate_count;
    if (code == ERR_FORMAT)
        return error_set(error, code, "%s: %.900s", reading->input->name, reason.text);
    if (code != 0 && code != ERR_CONFLICT)
        return error_set(error, code, "%s", reason.text);
    int entries_code = check_entries(reading, writer->count, error);
    if (code == ERR_CONFLICT && (entries_code == 0 || writer->count == 0))
        return report_conflict(reading, &summary, error);
    return entries_code;
}

static int write_file(struct reading *reading, int fd, struct error *error) {
    struct build *build = reading->build;
    struct writer writer;
    uint64_t total;
    int code = collector_sort(&reading->collector, &total, error);
    if (code == ERR_LIMIT)
        build->result.advice = BUILD_ALLOW_MEMORY;
    if (build->has_predecessor)
        total += build->predecessor.header.count;
    if (code == 0)
        code = writer_open(&writer, &build->plan.settings, fd, total, error);
    if (code != 0)
        return code;
    code = merge(reading, &writer, total, error);
    if (code == 0)
        return writer_finish(&writer, &build->result.header, error);
    writer_abort(&writer);
    return code;
}

/* Writes the file beside its place, and puts it there once it is whole. */
static int make_file(struct reading *reading, struct error *error) {
    struct atomic_file file;
    int code = atomic_file_open(&file, reading->build->plan.settings.path, 0644, error);
    if (code != 0)
        return code;
    code = write_file(reading, file.fd, error);
    if (code == 0)
        return atomic_file_commit(&file, !reading->build->is_new, error);
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
    reading->target =
        (struct rows_target){.registry = build->plan.is_lines ? NULL : &reading->registry,
                             .lookup_key = build->plan.settings.lookup_key,
                             .collector = &reading->collector};
    if (fstat(input->fd, &reading->status) != 0 || !S_ISREG(reading->status.st_mode))
        reading->status.st_size = 0;
    csv_reader_init(&reading->reader, &reading->filling->block, input->fd, build->plan.is_lines);
    rejects_init(&reading->rejects, build->plan.rejects_path);
    int code = collector_open(&reading->collector, &build->plan.settings, error);
    if (code == 0)
        code = read_input(reading, error);
    if (code == 0)
        code = make_file(reading, error);
    collector_close(&reading->collector);
    free(reading);
    return code;
}
