#include "os/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

int process_occupy_standard(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) >= 0)
            continue;
        /* A path alone can neither be read nor written; the lowest free descriptor is this one. */
        if (errno != EBADF || open("/", O_PATH | O_DIRECTORY) != fd)
            return -1;
    }
    return 0;
}

void process_forbid_core_dumps(void) {
    const struct rlimit none = {0, 0};
    prlimit(0, RLIMIT_CORE, &none, NULL);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

int process_end_with_parent(pid_t parent_pid) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    return getppid() == parent_pid ? 0 : -1; /* it may have ended before */
}

void process_ignore_file_size_signal(void) {
    signal(SIGXFSZ, SIG_IGN);
}

void process_set_nice(int nice) {
    setpriority(PRIO_PROCESS, 0, nice);
}
