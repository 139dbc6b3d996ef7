/* What a folder of releases holds beside the releases. */
#ifndef DLV_CMD_PUBLISH_H
#define DLV_CMD_PUBLISH_H

#include "builder/release_folder.h"
#include "crypto/key_set.h"

/* Writes the list of changes that leads from the release in the file `before` to the one in the file `after`, whose
 * number is `sequence`, into the folder. Where that cannot be done, it says why; it is no failure, as whoever
 * would have used the list fetches the whole release. */
void publish_changes(const struct release_folder *folder, const char *before, const char *after,
                     uint64_t sequence, const struct key_set *authorities);

#endif
