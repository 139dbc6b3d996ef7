/* How lib/ reports trouble: a negative code for the program, one line for the human.
 *
 * Functions that can fail return 0 (or another value >= 0) on success and one of these codes on
 * failure. Those that take a `struct error *` also leave a line there that names the file, line or
 * field and says what is wrong; the caller owns it and decides whether to print it. */
#ifndef DLV_BASE_ERROR_H
#define DLV_BASE_ERROR_H

enum {
    ERR_SYSTEM = -1,    /* a system call failed */
    ERR_FORMAT = -2,    /* bytes that are not what they should be */
    ERR_SIGNATURE = -3, /* a signature or digest does not match */
    ERR_LIMIT = -4,     /* larger, longer or more than is allowed */
    ERR_CONFLICT = -5,  /* two things that contradict each other */
    ERR_MEMORY = -6,    /* no memory */
    ERR_EXISTS = -7,    /* would overwrite */
    ERR_TIMEOUT = -8,   /* the peer did not answer in time */
    ERR_LOCAL = -9,     /* trouble of this machine's own, which no other peer can help */
};

struct error {
    char text[1024];
};

/* Writes the line (printf's format) and returns `code`. `error` may be NULL. */
int error_set(struct error *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* As error_set with ERR_SYSTEM; appends ": " and the text of errno. */
int error_set_errno(struct error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Puts "NAME: " before the line. Returns `code`. */
int error_prefix(struct error *error, int code, const char *name);

#endif
