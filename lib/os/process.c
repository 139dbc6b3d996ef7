#include "os/process.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

void process_forbid_core_dumps(void) {
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
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
