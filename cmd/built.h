/* When this program was made. */
#ifndef DLV_CMD_BUILT_H
#define DLV_CMD_BUILT_H

#include <stdint.h>

/* Unix seconds: of SOURCE_DATE_EPOCH, else of the commit that it was made from, so that two builds are
 * alike. 0 where neither is known. No clock that is right shows an earlier time. */
int64_t built_s(void);

#endif
