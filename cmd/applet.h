/* An applet is one file, one entry in the table of applets, and one text (cmd/help/NAME.txt). Dispatch, --list,
 * help, usage errors and man pages are all made from these. */
#ifndef DLV_CMD_APPLET_H
#define DLV_CMD_APPLET_H

#include "options.h"
#include "print.h"
#include "trouble.h"

#include <stdbool.h>

/* Who works with it. */
enum applet_user { FOR_OFFICERS, FOR_ADMINS, FOR_AUDITORS };

struct applet {
    const char *name;
    const char *summary; /* a line: lower case, no full stop */
    enum applet_user user;
    const struct option *options;
    bool needs_cryptography;                        /* runs the built-in known answers first */
    int (*run)(int operand_count, char **operands); /* returns the exit status */
};

/* All applets, ended by NULL. */
extern const struct applet *const applets[];

extern const struct applet applet_audit;
extern const struct applet applet_client;
extern const struct applet applet_dbgen;
extern const struct applet applet_diff;
extern const struct applet applet_doctor;
extern const struct applet applet_info;
extern const struct applet applet_init;
extern const struct applet applet_install;
extern const struct applet applet_keygen;
extern const struct applet applet_kiosk;
extern const struct applet applet_reload;
extern const struct applet applet_scan;
extern const struct applet applet_selftest;
extern const struct applet applet_server;
extern const struct applet applet_sync;
extern const struct applet applet_verify;

#endif
