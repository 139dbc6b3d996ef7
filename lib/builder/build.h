/* A build: from the authority's registry, or a list of changes, to a signed database file. The file
 * appears whole or not at all.
 *
 *     rows ──▶ facts   ──▶ sorted ──▶ merged to  ──▶ written and signed
 *     rows.c   collect.c   sort.c     entries        write.c
 *                          runs.c     merge.c
 *                                     predecessor.c
 *
 * The bytes of the result depend neither on the memory allowed nor on the number of threads. */
#ifndef DLV_BUILDER_BUILD_H
#define DLV_BUILDER_BUILD_H

#include "builder/guard.h"
#include "builder/merge.h"
#include "builder/predecessor.h"
#include "builder/rows.h"
#include "builder/settings.h"
#include "registry/registry.h"

#include <sys/stat.h>

/* What the user could change so that a build that failed succeeds. The caller knows how. */
enum build_advice {
    BUILD_NO_ADVICE,
    BUILD_ALLOW_MEMORY,       /* more memory would do */
    BUILD_FOLLOW_AUTHORITY,   /* the release before is of an authority that is not followed */
    BUILD_CHOOSE_OUTPUT,      /* the output names a file that is no database */
    BUILD_SET_CLOCK,          /* the clock, or the time given, is behind the predecessor's */
    BUILD_CHOOSE_SEQUENCE,    /* the sequence number is behind the predecessor's */
    BUILD_LEAVE_OUT_BAD_ROWS, /* there are bad rows, and they may not be left out */
    BUILD_NAME_ENCODING,      /* the input is in another encoding than the one given */
    BUILD_ACCEPT,             /* what result.guard names may be accepted */
    BUILD_CHANGE_PATTERNS,    /* no number fits them */
    BUILD_CHANGE_COVERAGE,    /* no number begins with one of its prefixes */
    BUILD_NAME_DELIMITER, /* other characters than the one given seem to be between its fields */
};

struct build_plan {
    struct build_settings settings; /* facts.sequence 0: one more than the predecessor's */
    struct import import;           /* how the input is to be read */
    bool is_time_given;             /* facts.created_s was asked for; false: it is the clock's */
    bool is_lines;                  /* plain records, one a line, instead of CSV */
    const char *after_path;         /* the release before; NULL: the file that is replaced */
    struct guard_limits limits;
    bool follows;                  /* a release before is expected, of another authority */
    bool is_check;                 /* everything is read and said, and nothing is written */
    const char *rejects_path;      /* where bad rows are kept */
    enum file_replacing replacing; /* of the rejects file */
    bool leaves_out_bad_rows; /* bad rows and contradictions withhold their licences; false: they
                               * make the build fail */
    /* Told of each bad row, and of each contradiction (merge.h). */
    void (*bad_row)(void *context, uint64_t line, const char *reason);
    merge_conflict *conflict;
    void *context;
};

struct build_input {
    int fd;           /* the caller keeps and closes it */
    const char *name; /* what reasons call it */
};

struct build_result {
    struct db_header header;
    uint64_t row_count;             /* rows that were taken */
    uint64_t bad_count;             /* rows that were not */
    uint64_t joined_count;          /* rows that say more about the licence of another row */
    uint64_t withheld_count;        /* licences that are withheld */
    uint64_t conflict_count;        /* contradictions */
    struct misfits beside_patterns; /* numbers that fit none of the patterns */
    struct misfits beside_coverage; /* ... that begin with none of the prefixes */
    struct unknown_words unknown;   /* also where the build failed */
    uint64_t milder; /* licences that are valid again, though they were not in the release before */
    struct guard_result guard; /* which guard it did not pass */
    enum build_advice advice;  /* where the build failed */
};

/* A build under way. */
struct build {
    struct build_plan plan;
    bool has_predecessor;
    struct predecessor predecessor;
    bool is_new; /* there was no output file; the build fails where one has appeared at its end */
    char latest_path[PATH_MAX]; /* of the release that this one comes after; empty: there is none */
    int output_fd;              /* the file that is to be replaced, locked; -1: there is none */
    struct build_result result;
};

/* Zeroes the structure. Then plan is to be filled in. */
void build_init(struct build *build);

/* Makes this a build from changes to the release in the file `path`. What it says of itself (name,
 * coverage, check fields and so on) is taken over into the plan. 0 or a negative code with the
 * reason. */
int build_follow(struct build *build, const char *path, struct error *error);

/* Locks the output, so that one build at a time works on it, and settles the sequence number. 0, or
 * a negative code with the reason; build->result.advice says what may help. */
int build_begin(struct build *build, struct error *error);

/* Does all of it. 0, with build->result filled in; or a negative code with the reason and
 * build->result.advice. Whatever goes wrong, the old file stays. */
int build_run(struct build *build, const struct build_input *input, struct error *error);

/* Lets go of the output and the predecessor. Also after failures. */
void build_end(struct build *build);

#endif
