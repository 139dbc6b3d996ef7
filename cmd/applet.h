/* An applet is one file and one entry in the table of applets. Dispatch, --list, help, usage errors
 * and man pages are all made from this description, so they cannot disagree. */
#ifndef DLV_CMD_APPLET_H
#define DLV_CMD_APPLET_H

#include "options.h"
#include "print.h"

#include <stdbool.h>

enum { EXIT_OK = 0, EXIT_NOT_VALID = 1, EXIT_TROUBLE = 2 };

struct applet {
    const char *name;
    const char *summary;  /* a line: lower case, no full stop */
    const char *synopsis; /* lines: what follows "dlv NAME" */
    const struct option *options;
    const char *description;                        /* paragraphs with blank lines between them */
    const char *details;                            /* further ones; NULL: none */
    bool needs_cryptography;                        /* runs the built-in known answers first */
    int (*run)(int operand_count, char **operands); /* returns the exit status */
};

/* All applets, ended by NULL, and the one that is running (NULL: none yet). */
extern const struct applet *const applets[];
extern const struct applet *current_applet;

extern const struct applet applet_client;
extern const struct applet applet_dbgen;
extern const struct applet applet_keygen;
extern const struct applet applet_selftest;
extern const struct applet applet_server;
extern const struct applet applet_verify;

/* Parses the options, runs the built-in known answers if the applet needs them, and runs it. Returns
 * the exit status. */
int applet_run(const struct applet *applet, int argc, char **argv);

/* Prints one line on stderr, "dlv APPLET: ...". Returns EXIT_TROUBLE. */
int trouble(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same for a wrong command line; adds how to get help. */
int usage_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Flushes stdout. EXIT_OK, or EXIT_TROUBLE where not everything could be written (a full disk). */
int finish_output(void);

#endif
