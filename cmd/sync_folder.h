/* `dlv sync --from DIR`: releases and lists of changes that stand in a folder. */
#ifndef DLV_CMD_SYNC_FOLDER_H
#define DLV_CMD_SYNC_FOLDER_H

#include "builder/local_copy.h"

/* Brings the open copy up to date from the folder, and says so. EXIT_OK, or EXIT_TROUBLE after saying why. */
int sync_with_folder(struct local_copy *copy, const char *path);

/* "release 2 of licences, 7 entries, WHAT: FILE" */
void sync_print_release(const struct local_copy *copy, const char *what);

#endif
