/* The files that a command line names: what is written must be nothing that is read. */
#ifndef DLV_CMD_PLACES_H
#define DLV_CMD_PLACES_H

#include "options.h"

#include "builder/release_folder.h"

#include <stddef.h>

struct place {
    const char *name; /* as the command line calls it: "--sign", "the registry" */
    const char *path; /* "-": standard input; NULL: not given */
};

/* EXIT_OK where none of `others` is the file `written`, under whatever name; or EXIT_TROUBLE after
 * saying which is. */
int places_keep_apart(const struct place *written, const struct place *others, size_t count);

/* The same for what one option names several times. */
int places_keep_list_apart(const struct place *written, const char *name,
                           const struct option_list *list);

/* Opens and locks a folder of releases, which the first release begins (is_first). EXIT_OK, or EXIT_TROUBLE
 * after saying why. */
int places_open_folder(struct release_folder *folder, const char *path, bool is_first);

/* A release is about as large as the one before. Whether there is room for it is known before the hours
 * of work. EXIT_OK, also where there is none before, or EXIT_TROUBLE after saying how much is free. */
int places_check_room(const char *output, const char *before);

#endif
