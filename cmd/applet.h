/* An applet: one file, one table entry. Dispatch, --list, help, usage and the man page are all made
 * from this one description. */
#ifndef DLV_CMD_APPLET_H
#define DLV_CMD_APPLET_H

#include <stdbool.h>
#include <stddef.h>

enum { EXIT_OK = 0, EXIT_NOT_VALID = 1, EXIT_TROUBLE = 2 };

struct option {
    const char *name;     /* "output", given as --output; ends a table where NULL */
    char letter;          /* 'o' for -o, or 0 */
    const char *argument; /* "FILE" as shown in help; NULL: takes none */
    const char **value;   /* where the argument goes ... */
    bool *flag;           /* ... or that it was given */
    const char *help;
};

struct applet {
    const char *name;
    const char *summary;  /* a line, lower case, no full stop */
    const char *synopsis; /* lines of what follows "dlv NAME" */
    const struct option *options;
    const char *description;                        /* paragraphs; blank lines between them */
    bool needs_cryptography;                        /* runs the built-in known answers first */
    int (*run)(int operand_count, char **operands); /* returns the exit status */
};

/* The applets, ended by NULL, and the one that is running. */
extern const struct applet *const applets[];
extern const struct applet *current_applet;

extern const struct applet applet_bench;
extern const struct applet applet_client;
extern const struct applet applet_dbgen;
extern const struct applet applet_keygen;
extern const struct applet applet_selftest;
extern const struct applet applet_server;
extern const struct applet applet_verify;

/* One line on stderr, "dlv APPLET: ..."; returns EXIT_TROUBLE. */
int trouble(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same, and how to get help: for a wrong command line. */
int usage_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Reads options into their places; operands are moved to the front of argv. Returns how many there
 * are, or -1 after a usage_error, or -2 where --help was asked for. */
int options_parse(const struct applet *applet, int argc, char **argv);

/* Help as text, or as a man page. */
void help_print(const struct applet *applet);
void help_print_man(const struct applet *applet);
void help_print_man_overview(const char *version);

/* A count given as an option: `fallback` where text is NULL. False after a usage_error. */
bool option_count(const char *option, const char *text, unsigned long long min,
                  unsigned long long max, unsigned long long fallback, unsigned long long *count);

/* Flushes stdout. EXIT_OK, or EXIT_TROUBLE where it could not all be written (a full disk). */
int finish_output(void);

#endif
