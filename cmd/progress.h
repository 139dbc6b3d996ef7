/* How far something has come that takes long: shown on a terminal, after two seconds. */
#ifndef DLV_CMD_PROGRESS_H
#define DLV_CMD_PROGRESS_H

#include <stdint.h>

/* So much of so much is done. What has less done than before is something new; with all of it the line
 * goes away. */
void progress_show(uint64_t done, uint64_t total);

/* Takes the line away, for something else in its place; it comes again. */
void progress_hide(void);

/* Takes the line away; a line of trouble does so by itself. */
void progress_end(void);

#endif
