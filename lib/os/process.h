/* What a process says of itself to the kernel. */
#ifndef DLV_OS_PROCESS_H
#define DLV_OS_PROCESS_H

/* No core files, no attaching by processes of the same user: memory may hold keys. */
void process_forbid_core_dumps(void);

/* A file over the size limit is an error of write(2), told like any other, not a silent death. */
void process_ignore_file_size_signal(void);

/* Runs this process only while no other wants its core. Best effort. */
void process_yield_to_others(void);

#endif
