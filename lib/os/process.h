/* What a process says of itself to the kernel. */
#ifndef DLV_OS_PROCESS_H
#define DLV_OS_PROCESS_H

#include <sys/types.h>

/* No core files, no attaching by processes of the same user: memory may hold keys. */
void process_forbid_core_dumps(void);

/* This process is killed when its parent ends. 0, or -1 where that is no longer `parent_pid`. A
 * change of user undoes it. */
int process_end_with_parent(pid_t parent_pid);

/* A file over the size limit is an error of write(2), told like any other, not a silent death. */
void process_ignore_file_size_signal(void);

/* How readily this process gets a core, as nice(2) counts: lower is more readily, and for root
 * alone. Best effort. */
void process_set_nice(int nice);

#endif
