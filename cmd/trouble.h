/* What goes wrong, told on stderr in one line, and the exit statuses. */
#ifndef DLV_CMD_TROUBLE_H
#define DLV_CMD_TROUBLE_H

enum { EXIT_OK = 0, EXIT_NOT_VALID = 1, EXIT_TROUBLE = 2 };

/* From now on lines begin with "dlv NAME: ", not with "dlv: ". */
void trouble_set_applet(const char *name);

/* That name; "" before it is set. */
const char *trouble_applet(void);

/* The terminal shows a line that is not ended: the next one takes its place. */
void trouble_clears_line(void);

/* Prints one line on stderr. Returns EXIT_TROUBLE. */
int trouble(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same for a wrong command line; adds how to get help. */
int usage_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* `path` (or what names several files) is read through memory from now on. Where that fails, because the file
 * was cut short meanwhile or its disk is broken, the process says so and ends with EXIT_TROUBLE, instead of
 * being killed without a word. */
void trouble_end_with_file(const char *path);

/* Flushes stdout. EXIT_OK, or EXIT_TROUBLE where not everything could be written (a full disk). */
int finish_output(void);

#endif
