#include "os/process.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

void process_forbid_core_dumps(void) {
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

void process_ignore_file_size_signal(void) {
    signal(SIGXFSZ, SIG_IGN);
}

void process_yield_to_others(void) {
    const struct sched_param none = {0};
    syscall(SYS_sched_setscheduler, 0, SCHED_IDLE, &none); /* musl's own function only fails */
}
