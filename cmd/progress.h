/* How far something has come that takes long: shown on a terminal, after two seconds. */
#ifndef DLV_CMD_PROGRESS_H
#define DLV_CMD_PROGRESS_H

#include <stdint.h>

/* So much of so much is done. What has less done than before is something new. */
void progress_show(uint64_t done, uint64_t total);

/* Takes the line away. */
void progress_end(void);

#endif
