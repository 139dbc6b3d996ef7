#include "os/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The newest form of the structure; the headers that dlv is built with may have an older one. */
struct landlock_ruleset_attr_7 {
    uint64_t handled_access_fs;
    uint64_t handled_access_net;
    uint64_t scoped;
};
#define BPF_LOAD (BPF_LD | BPF_W | BPF_ABS)
#define BPF_JUMP_IF_EQUAL (BPF_JMP | BPF_JEQ | BPF_K)
#define BPF_JUMP_IF_SET (BPF_JMP | BPF_JSET | BPF_K)
#define BPF_RETURN (BPF_RET | BPF_K)

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

int confine_user(uid_t uid, gid_t gid, struct error *error) {
    if (geteuid() != 0)
        return 0;
    if (setgroups(1, &gid) != 0 || setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0)
        return error_set_errno(error, "giving up root");
    if (setuid(0) == 0)
        return error_set(error, ERR_SYSTEM, "giving up root: it can be had back");
    return 0;
}

/* What root needs to give root up in its children, and to end them afterwards. */
static int check_capabilities(struct error *error) {
    static const struct {
        unsigned number;
        const char *name;
    } needed[] = {{CAP_SETUID, "SETUID"}, {CAP_SETGID, "SETGID"}, {CAP_KILL, "KILL"}};
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {0};
    if (geteuid() != 0 || syscall(SYS_capget, &header, sets) != 0)
        return 0;
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        if ((sets[0].effective >> needed[i].number & 1) == 0)
            return error_set(error, ERR_SYSTEM,
                             "started as root, but without the capability CAP_%s, so its processes "
                             "cannot give up root: give it that, or start it as another user",
                             needed[i].name);
    }
    return 0;
}

/* How many rights of access to files each version of Landlock knows, from version 1 on. */
static const unsigned fs_bits[] = {0, 13, 14, 15, 15, 16, 16, 16};
#define LANDLOCK_VERSION_MAX 7
#define LANDLOCK_READING ((uint64_t)1 << 2 | (uint64_t)1 << 3) /* of files, of folders */

/* The version that the kernel has; 0: none. */
static unsigned landlock_version(void) {
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return version <= 0                     ? 0
           : version > LANDLOCK_VERSION_MAX ? LANDLOCK_VERSION_MAX
                                            : (unsigned)version;
}

/* A ruleset that forbids what the bits of `fs` say and, where `is_alone`, talking to other
 * processes. Its descriptor, or ERR_SYSTEM. */
static int make_ruleset(unsigned version, uint64_t fs, bool is_alone) {
    const struct landlock_ruleset_attr_7 rules = {
        .handled_access_fs = fs,
        .handled_access_net = is_alone && version >= 4 ? 3 : 0, /* bind, connect */
        .scoped = is_alone && version >= 6 ? 3 : 0};            /* abstract sockets, signals */
    size_t len = version >= 6   ? sizeof rules
                 : version >= 4 ? offsetof(struct landlock_ruleset_attr_7, scoped)
                                : offsetof(struct landlock_ruleset_attr_7, handled_access_net);
    return (int)syscall(SYS_landlock_create_ruleset, &rules, len, 0);
}

/* Applies the ruleset to this process. */
static int restrict_self(int ruleset, struct error *error) {
    if (ruleset < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
        return error_set_errno(error, "Landlock");
    close(ruleset);
    return 0;
}

int confine_files(const struct sandbox *sandbox, struct error *error) {
    unsigned version = landlock_version();
    if (sandbox->without_landlock)
        return 0;
    return restrict_self(make_ruleset(version, ((uint64_t)1 << fs_bits[version]) - 1, 1), error);
}

int confine_writing(const struct sandbox *sandbox, const char *folder, struct error *error) {
    unsigned version = landlock_version();
    if (sandbox->without_landlock)
        return 0;
    uint64_t writing = (((uint64_t)1 << fs_bits[version]) - 1) & ~LANDLOCK_READING;
    int ruleset = make_ruleset(version, writing, 0);
    if (ruleset >= 0 && folder != NULL) {
        struct landlock_path_beneath_attr rule = {.allowed_access = writing,
                                                  .parent_fd = open(folder, O_PATH | O_CLOEXEC)};
        if (rule.parent_fd < 0 ||
            syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
            return error_set_errno(error, "Landlock: %s", folder);
        close(rule.parent_fd);
    }
    return restrict_self(ruleset, error);
}

/* --- system calls ----------------------------------------------------------------------------- */

#if defined(ARCHITECTURE) && !defined(IS_SANITIZED)

#define HAS_CALL_LISTS true

static const int worker_calls[] = {
    SYS_read,
    SYS_write,
    SYS_close,
    SYS_epoll_ctl,
    SYS_epoll_pwait,
#ifdef SYS_epoll_wait
    SYS_epoll_wait,
#endif
    SYS_accept4,
    SYS_recvfrom,
    SYS_recvmsg,
    SYS_recvmmsg,
    SYS_sendto,
    SYS_sendmsg,
    SYS_sendmmsg,
    SYS_shutdown,
    /* to take a new release, which comes as a descriptor */
    SYS_fstat,
    SYS_pread64,
    SYS_mlock,
    SYS_munlock,
    SYS_madvise,
    /* memory; for mmap and mprotect see write_filter */
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
    SYS_read,         SYS_write, SYS_clock_gettime, SYS_getrandom, SYS_restart_syscall,
    SYS_rt_sigreturn, SYS_exit,  SYS_exit_group,
};

#define CALLS_MAX 64

static struct sock_filter load(size_t offset) {
    return (struct sock_filter){BPF_LOAD, 0, 0, (uint32_t)offset};
}

static struct sock_filter give(uint32_t verdict) {
    return (struct sock_filter){BPF_RETURN, 0, 0, verdict};
}

/* Writes the filter: the architecture is compared, then each call of the list is let through, and
 * anything else kills the process. */
static unsigned short write_filter(struct sock_filter *filter, const int *calls, size_t count,
                                   bool may_map) {
    struct sock_filter *next = filter;
    *next++ = load(offsetof(struct seccomp_data, arch));
    *next++ = (struct sock_filter){BPF_JUMP_IF_EQUAL, 1, 0, ARCHITECTURE};
    *next++ = give(SECCOMP_RET_KILL_PROCESS);
    *next++ = load(offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < count; i++) {
        *next++ = (struct sock_filter){BPF_JUMP_IF_EQUAL, 0, 1, (uint32_t)calls[i]};
        *next++ = give(SECCOMP_RET_ALLOW);
    }
    if (may_map) { /* mmap and mprotect, but not for code */
        size_t protection = offsetof(struct seccomp_data, args) + 2 * sizeof(uint64_t);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        protection += 4;
#endif
        *next++ = (struct sock_filter){BPF_JUMP_IF_EQUAL, 1, 0, SYS_mmap};
        *next++ = (struct sock_filter){BPF_JUMP_IF_EQUAL, 0, 3, SYS_mprotect};
        *next++ = load(protection);
        *next++ = (struct sock_filter){BPF_JUMP_IF_SET, 1, 0, PROT_EXEC};
        *next++ = give(SECCOMP_RET_ALLOW);
    }
    *next++ = give(SECCOMP_RET_KILL_PROCESS);
    return (unsigned short)(next - filter);
}

int confine_calls(const struct sandbox *sandbox, enum confine_role role, struct error *error) {
    struct sock_filter filter[2 * CALLS_MAX + 10];
    struct sock_fprog program = {.filter = filter};
    _Static_assert(sizeof worker_calls / sizeof *worker_calls <= CALLS_MAX, "room for all calls");
    if (sandbox->without_seccomp)
        return 0;
    if (role == CONFINE_WORKER)
        program.len =
            write_filter(filter, worker_calls, sizeof worker_calls / sizeof *worker_calls, 1);
    else
        program.len = write_filter(filter, key_holder_calls,
                                   sizeof key_holder_calls / sizeof *key_holder_calls, 0);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
        return error_set_errno(error, "seccomp");
    return 0;
}

#else

#define HAS_CALL_LISTS false

int confine_calls(const struct sandbox *sandbox, enum confine_role role, struct error *error) {
    (void)role;
    return sandbox->without_seccomp
               ? 0
               : error_set(error, ERR_SYSTEM, "seccomp: no list of system calls for this build");
}

#endif

/* --- what there is ---------------------------------------------------------------------------- */

int confine_check(const struct sandbox *sandbox, enum sandbox_part *missing, struct error *error) {
    const uint32_t action = SECCOMP_RET_KILL_PROCESS;
    *missing = SANDBOX_NOTHING;
    if (!sandbox->without_seccomp) {
        *missing = SANDBOX_SECCOMP;
        if (!HAS_CALL_LISTS)
            return error_set(error, ERR_SYSTEM,
                             "processes would not be protected: this build has no list of system "
                             "calls for seccomp on this machine");
        if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) != 0)
            return error_set_errno(error, "processes would not be protected: seccomp");
    }
    if (!sandbox->without_landlock && landlock_version() == 0) {
        *missing = SANDBOX_LANDLOCK;
        return error_set(error, ERR_SYSTEM,
                         "processes would not be protected: this kernel has no Landlock");
    }
    *missing = SANDBOX_NOTHING;
    return check_capabilities(error);
}
