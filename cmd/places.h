/* The files that a command line names: what is written must be nothing that is read. */
#ifndef DLV_CMD_PLACES_H
#define DLV_CMD_PLACES_H

#include <stddef.h>

struct place {
    const char *name; /* as the command line calls it: "--sign", "the registry" */
    const char *path; /* "-": standard input; NULL: not given */
};

/* EXIT_OK where none of `others` is the file `written`, under whatever name; or EXIT_TROUBLE after
 * saying which is. */
int places_keep_apart(const struct place *written, const struct place *others, size_t count);

#endif
