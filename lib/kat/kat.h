/* Known answers: vectors in the style of NIST's .rsp files, run through the code that is deployed.
 * `dlv help selftest` documents the format. */
#ifndef DLV_KAT_KAT_H
#define DLV_KAT_KAT_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct kat_count {
    unsigned long passed;
    unsigned long failed;  /* wrong answers, and lines that make no sense */
    unsigned long skipped; /* cases of algorithms that dlv does not use */
    bool is_sealed;        /* the file says how many cases it has and what its checksum is */
};

/* Told of each failure: one line that begins with name:line. */
typedef void kat_report(void *context, const char *line);

/* Runs the vectors in `text`. `name` is what reasons call it; files that it names are looked for in
 * the folder part of `name`. A failure does not end the run. Returns whether all is well: nothing
 * has failed, and at least one case has passed. */
bool kat_run(const char *name, const char *text, size_t len, kat_report *report, void *context,
             struct kat_count *count);

/* Runs the short set that is built into the binary: a few milliseconds, for every start. 0, or
 * ERR_SIGNATURE with the first failure. */
int kat_run_builtin(struct kat_count *count, struct error *error);

#endif
