/* Taking a finished release into a folder of releases, as a server or kiosk has one: copied, checked as it
 * stands on the disk, and put into force by moving the link `current`. */
#ifndef DLV_BUILDER_INSTALL_H
#define DLV_BUILDER_INSTALL_H

#include "builder/release_folder.h"
#include "db/open.h"

enum installed {
    INSTALLED_NEW,  /* it is in force now */
    INSTALLED_SAME, /* it was already */
};

/* Copies the release in `from`, whose header this is, to the file `path`, which appears whole or not at all, and takes
 * over the mode of `like` (NULL: none): checked as it stands on the disk, on `thread_count` threads. 0 or a negative
 * code with the reason, which does not name `from`. */
int install_copy(const char *from, const struct db_header *header, const char *path,
                 const char *like, const struct key_set *authorities, unsigned thread_count,
                 db_progress *tell, struct error *error);

/* Takes the release in `path` into the open folder, checked on `thread_count` threads. It must be signed by
 * one of the authorities, of the same register as the one in force, later than that, and not past its
 * valid-until at `now_s`. 0, with the release's header and what was done, or a negative code with the reason:
 * then everything is as it was. */
int install_release(struct release_folder *folder, const char *path,
                    const struct key_set *authorities, unsigned thread_count, db_progress *tell,
                    int64_t now_s, struct db_header *header, enum installed *installed,
                    struct error *error);

#endif
