/* The system calls that each of the server's processes is left with (seccomp, Linux). */
#include "os/confine.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCHITECTURE AUDIT_ARCH_RISCV64
#elif defined(__s390x__)
#define ARCHITECTURE AUDIT_ARCH_S390X
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ARCHITECTURE AUDIT_ARCH_PPC64LE
#endif

#if defined(__SANITIZE_ADDRESS__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_SANITIZED 1
#endif
#endif

#if defined(ARCHITECTURE) && !defined(IS_SANITIZED)

/* A call that only some machines have is written as one that this list has already. */
#ifdef SYS_epoll_wait
#define EPOLL_WAIT SYS_epoll_wait
#else
#define EPOLL_WAIT SYS_read
#endif
#ifdef SYS_poll
#define POLL SYS_poll
#else
#define POLL SYS_read
#endif

static const int worker_calls[] = {
    SYS_read,
    SYS_write,
    SYS_close,
    SYS_epoll_ctl,
    SYS_epoll_pwait,
    EPOLL_WAIT,
    SYS_accept4,
    SYS_recvfrom,
    SYS_recvmsg,
    SYS_recvmmsg,
    SYS_sendto,
    SYS_sendmsg,
    SYS_sendmmsg,
    /* to take a new release, which comes as a descriptor */
    SYS_fstat,
    SYS_pread64,
    SYS_mlock,
    SYS_munlock,
    SYS_madvise,
    /* memory; for mmap and mprotect, and for shutdown, see write_filter */
    SYS_munmap,
    SYS_mremap,
    SYS_brk,
    SYS_clock_gettime,
    SYS_getpid,
    SYS_clock_nanosleep,
    SYS_nanosleep,
    SYS_getrandom,
    SYS_restart_syscall,
    SYS_rt_sigreturn,
    SYS_exit,
    SYS_exit_group,
};

static const int key_holder_calls[] = {
    SYS_read,
    SYS_write,
    POLL,
    SYS_ppoll,
    SYS_clock_gettime,
    SYS_getrandom,
    SYS_restart_syscall,
    SYS_rt_sigreturn,
    SYS_exit,
    SYS_exit_group,
};

/* Beside those of a key-holder. */
static const int recorder_calls[] = {
    SYS_fstat,    SYS_newfstatat, SYS_getpid, SYS_sched_yield, SYS_openat,          SYS_close,
    SYS_pwrite64, SYS_ftruncate,  SYS_fsync,  SYS_fdatasync,   SYS_clock_nanosleep, SYS_nanosleep,
};

/* Beside those of its children, which these lists come on top of. */
static const int parent_calls[] = {
    /* reading files again, writing metrics */
    SYS_openat,
    SYS_newfstatat,
    SYS_readlinkat,
    SYS_faccessat,
    SYS_lseek,
    SYS_readv,
    SYS_writev,
    SYS_pwrite64,
    SYS_fcntl,
    SYS_ftruncate,
    SYS_fallocate,
    SYS_fsync,
    SYS_fdatasync,
    SYS_sync_file_range,
    SYS_fadvise64,
    SYS_flock,
    SYS_getdents64,
    SYS_linkat,
    SYS_unlinkat,
#ifdef SYS_renameat
    SYS_renameat,
#endif
    SYS_renameat2,
    SYS_fchmod,
    SYS_fchmodat,
    SYS_fchown,
    SYS_fchownat,
    SYS_umask,
    SYS_statfs,
    SYS_fstatfs,
    SYS_getcwd,
    SYS_ioctl,
#ifdef SYS_open
    SYS_open,
    SYS_stat,
    SYS_lstat,
    SYS_access,
    SYS_readlink,
    SYS_link,
    SYS_unlink,
    SYS_rename,
    SYS_chmod,
    SYS_chown,
#endif
    /* a listening socket made anew; telling the service manager */
    SYS_socket,
    SYS_socketpair,
    SYS_bind,
    SYS_listen,
    SYS_connect,
    SYS_getsockname,
    SYS_getsockopt,
    SYS_setsockopt,
    /* children: made, confined, waited for, ended; the checker's threads */
    SYS_clone,
#ifdef SYS_fork
    SYS_fork,
    SYS_pipe,
#endif
    SYS_pipe2,
    SYS_epoll_create1,
#ifdef SYS_epoll_create
    SYS_epoll_create,
#endif
    SYS_wait4,
    SYS_kill,
    SYS_tkill,
    SYS_tgkill,
    SYS_getppid,
    SYS_gettid,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_setuid,
    SYS_setgroups,
    SYS_setresuid,
    SYS_setresgid,
    SYS_prctl,
    SYS_capget,
    SYS_capset,
    SYS_seccomp,
    SYS_landlock_create_ruleset,
    SYS_landlock_add_rule,
    SYS_landlock_restrict_self,
    SYS_prlimit64,
#ifdef SYS_getrlimit
    SYS_getrlimit,
    SYS_setrlimit,
#endif
    SYS_getpriority,
    SYS_setpriority,
    SYS_sched_getaffinity,
    SYS_sched_yield,
    SYS_futex,
    SYS_set_tid_address,
    SYS_set_robust_list,
    SYS_membarrier,
    SYS_sigaltstack,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigtimedwait,
    SYS_rt_sigpending,
};

#define LEN(list) (sizeof(list) / sizeof *(list))
#define SHARED_MAX 8
/* for each call two instructions; for those that depend on an argument, and around them, a few more */
#define FILTER_MAX                                                                                 \
    (2 * (LEN(worker_calls) + LEN(key_holder_calls) + LEN(parent_calls)) + 2 * SHARED_MAX + 16)

#define BPF_LOAD (BPF_LD | BPF_W | BPF_ABS)
#define BPF_JUMP_IF_EQUAL (BPF_JMP | BPF_JEQ | BPF_K)
#define BPF_JUMP_IF_SET (BPF_JMP | BPF_JSET | BPF_K)
#define BPF_RETURN (BPF_RET | BPF_K)

/* A filter while it is written. */
struct filter {
    unsigned short len;
    struct sock_filter steps[FILTER_MAX];
};

static void add(struct filter *filter, int code, int if_true, int if_false, uint32_t value) {
    filter->steps[filter->len++] =
        (struct sock_filter){(uint16_t)code, (uint8_t)if_true, (uint8_t)if_false, value};
}

static void load(struct filter *filter, size_t offset) {
    add(filter, BPF_LOAD, 0, 0, (uint32_t)offset);
}

/* The lower half of an argument of the call, which is all that matters of a descriptor and of flags. */
static void load_argument(struct filter *filter, unsigned n) {
    size_t offset = offsetof(struct seccomp_data, args) + n * sizeof(uint64_t);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    offset += 4;
#endif
    load(filter, offset);
}

static void allow_calls(struct filter *filter, const int *calls, size_t count) {
    for (size_t i = 0; i < count; i++) {
        add(filter, BPF_JUMP_IF_EQUAL, 0, 1, (uint32_t)calls[i]);
        add(filter, BPF_RETURN, 0, 0, SECCOMP_RET_ALLOW);
    }
}

/* Memory may be mapped, but not for code. To be followed by a refusal. */
static void allow_mapping(struct filter *filter) {
    add(filter, BPF_JUMP_IF_EQUAL, 1, 0, SYS_mmap);
    add(filter, BPF_JUMP_IF_EQUAL, 0, 3, SYS_mprotect);
    load_argument(filter, 2);
    add(filter, BPF_JUMP_IF_SET, 1, 0, PROT_EXEC);
    add(filter, BPF_RETURN, 0, 0, SECCOMP_RET_ALLOW);
}

/* A worker ends its half of its clients' connections. The sockets that others have, too, would be closed
 * for all: it can make no other descriptors of these, so it is enough to know their numbers. */
static void allow_shutdown(struct filter *filter, const int *shared, unsigned count) {
    add(filter, BPF_JUMP_IF_EQUAL, 0, (int)(2 * count + 2), SYS_shutdown);
    load_argument(filter, 0);
    for (unsigned i = 0; i < count; i++) {
        add(filter, BPF_JUMP_IF_EQUAL, 0, 1, (uint32_t)shared[i]);
        add(filter, BPF_RETURN, 0, 0, SECCOMP_RET_KILL_PROCESS);
    }
    add(filter, BPF_RETURN, 0, 0, SECCOMP_RET_ALLOW);
}

/* The architecture is compared, then each call of the role's list is let through. The parent's other calls
 * fail: without it nobody is served. */
static void write_filter(struct filter *filter, enum confine_role role, const int *shared,
                         unsigned shared_count) {
    filter->len = 0;
    load(filter, offsetof(struct seccomp_data, arch));
    add(filter, BPF_JUMP_IF_EQUAL, 1, 0, ARCHITECTURE);
    add(filter, BPF_RETURN, 0, 0, SECCOMP_RET_KILL_PROCESS);
    load(filter, offsetof(struct seccomp_data, nr));
    if (role == CONFINE_RECORDER)
        allow_calls(filter, recorder_calls, LEN(recorder_calls));
    if (role == CONFINE_WORKER || role == CONFINE_PARENT) {
        allow_calls(filter, worker_calls, LEN(worker_calls));
        allow_shutdown(filter, shared, shared_count);
    }
    if (role != CONFINE_WORKER)
        allow_calls(filter, key_holder_calls, LEN(key_holder_calls));
    if (role == CONFINE_PARENT)
        allow_calls(filter, parent_calls, LEN(parent_calls));
    if (role == CONFINE_WORKER || role == CONFINE_PARENT)
        allow_mapping(filter);
    add(filter, BPF_RETURN, 0, 0,
        role == CONFINE_PARENT ? SECCOMP_RET_ERRNO | EPERM : SECCOMP_RET_KILL_PROCESS);
}

int confine_calls(const struct sandbox *sandbox, enum confine_role role, const int *shared,
                  unsigned shared_count, struct error *error) {
    struct filter filter;
    if (sandbox->without_seccomp)
        return 0;
    if (shared_count > SHARED_MAX)
        return error_set(error, ERR_LIMIT, "seccomp: too many sockets");
    write_filter(&filter, role, shared, shared_count);
    const struct sock_fprog program = {.len = filter.len, .filter = filter.steps};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
        return error_set_errno(error, "seccomp");
    return 0;
}

bool confine_has_calls(void) {
    return true;
}

#else

int confine_calls(const struct sandbox *sandbox, enum confine_role role, const int *shared,
                  unsigned shared_count, struct error *error) {
    (void)role;
    (void)shared;
    (void)shared_count;
    return sandbox->without_seccomp
               ? 0
               : error_set(error, ERR_SYSTEM, "seccomp: no list of system calls for this build");
}

bool confine_has_calls(void) {
    return false;
}

#endif
