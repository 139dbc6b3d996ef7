/* What a process asks of the kernel for itself. */
#ifndef DLV_OS_PROCESS_H
#define DLV_OS_PROCESS_H

#include <sys/types.h>

/* Occupies the descriptors 0 to 2 where they are closed, so that no file or socket that is opened later
 * is taken for standard input, output or error. Reading from them and writing to them fails as it does
 * on closed ones. 0, or -1 with errno set. To be called before anything is opened. */
int process_occupy_standard(void);

/* Forbids core files, and attaching by processes of the same user, because the memory may hold
 * keys. */
void process_forbid_core_dumps(void);

/* This process is killed when its parent ends. 0, or -1 where that is no longer `parent_pid`. A
 * change of user undoes it. */
int process_end_with_parent(pid_t parent_pid);

/* Makes a file over the size limit an error of write(2), which is reported like any other, instead
 * of a signal that kills the process without a message. */
void process_ignore_file_size_signal(void);

/* Sets the priority of this process, as nice(2) counts: lower numbers get more of the processor,
 * and only root may lower them. A failure is ignored. */
void process_set_nice(int nice);

#endif
