/* Lists of changes (db/changes.h): made of two releases, and the later release made again of the earlier one
 * and such a list, byte for byte. So a kiosk or replica that has yesterday's release need not fetch all of
 * today's. */
#ifndef DLV_BUILDER_CHANGES_H
#define DLV_BUILDER_CHANGES_H

#include "builder/settings.h"
#include "db/changes.h"
#include "db/open.h"

/* Writes the list that leads from one open release to another to `path`, where a list may be replaced. 0;
 * ERR_LIMIT where a list is of no use: too much differs (most of the entries, or how they are keyed), or
 * there are more sets of classes than a dictionary holds; or another negative code with the reason. */
int changes_make(const struct db *from, const struct db *to, const char *path,
                 struct changes_head *head, struct error *error);

/* Makes the release that `list`, which has just been opened, leads to, in the file `fd`: of `from`, the release
 * that the list is about, which need not have been verified. What came out is read again from the disk, checked
 * in full, and has the head that the authority signed. Of the settings it takes the path, for reasons, the folder
 * for temporary files and the number of threads, and whom to tell of progress. 0 or a negative code with the
 * reason. */
int changes_apply(const struct db *from, struct change_list *list, int fd,
                  const struct build_settings *settings, struct error *error);

#endif
