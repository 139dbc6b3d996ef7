#include "os/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The newest form of the structure; the headers that dlv is built with may have an older one. */
struct landlock_ruleset_attr_7 {
    uint64_t handled_access_fs;
    uint64_t handled_access_net;
    uint64_t scoped;
};

/* Numbers of users have 32 bits; where there are older calls for 16, the newer ones are meant. */
#ifdef SYS_setresuid32
#define SET_GROUPS SYS_setgroups32
#define SET_GID SYS_setresgid32
#define SET_UID SYS_setresuid32
#else
#define SET_GROUPS SYS_setgroups
#define SET_GID SYS_setresgid
#define SET_UID SYS_setresuid
#endif

int confine_user(uid_t uid, gid_t gid, struct error *error) {
    if (geteuid() != 0)
        return 0;
    /* The C library's functions do it for every thread. There is one, and they are 2 KB more. */
    if (syscall(SET_GROUPS, 1, &gid) != 0 || syscall(SET_GID, gid, gid, gid) != 0 ||
        syscall(SET_UID, uid, uid, uid) != 0)
        return error_set_errno(error, "giving up root");
    if (syscall(SET_UID, 0, 0, 0) == 0)
        return error_set(error, ERR_SYSTEM, "giving up root: it can be had back");
    return 0;
}

struct capabilities {
    struct __user_cap_header_struct header;
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
};

static bool read_capabilities(struct capabilities *own) {
    *own = (struct capabilities){.header = {.version = _LINUX_CAPABILITY_VERSION_3}};
    return syscall(SYS_capget, &own->header, own->sets) == 0;
}

/* What root needs to give root up in its children, and to end them afterwards. */
static int check_capabilities(struct error *error) {
    static const struct {
        unsigned number;
        const char *name;
    } needed[] = {{CAP_SETUID, "SETUID"}, {CAP_SETGID, "SETGID"}, {CAP_KILL, "KILL"}};
    struct capabilities own;
    if (geteuid() != 0 || !read_capabilities(&own))
        return 0;
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        if ((own.sets[0].effective >> needed[i].number & 1) == 0)
            return error_set(error, ERR_SYSTEM,
                             "started as root, but without the capability CAP_%s, so its processes "
                             "cannot give up root: give it that, or start it as another user",
                             needed[i].name);
    }
    return 0;
}

#define BIT(capability) (1u << (capability))

int confine_parent(bool writes_files, struct error *error) {
    uint32_t keep = BIT(CAP_SETUID) | BIT(CAP_SETGID) | BIT(CAP_KILL) | BIT(CAP_SYS_NICE) |
                    BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_NET_BIND_SERVICE) | BIT(CAP_LEASE);
    struct capabilities own;
    if (writes_files)
        keep |= BIT(CAP_DAC_OVERRIDE) | BIT(CAP_CHOWN) | BIT(CAP_FOWNER);
    if (!read_capabilities(&own))
        return error_set_errno(error, "capabilities");
    for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
        own.sets[i].permitted &= i == 0 ? keep : 0;
        own.sets[i].effective &= own.sets[i].permitted;
        own.sets[i].inheritable = 0;
    }
    if (syscall(SYS_capset, &own.header, own.sets) != 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return error_set_errno(error, "capabilities");
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

/* Lets the ruleset allow this access below a folder; -1: there is none. */
static bool allow_below(int ruleset, int folder, uint64_t access) {
    const struct landlock_path_beneath_attr rule = {.allowed_access = access, .parent_fd = folder};
    return folder < 0 ||
           syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
}

/* Files are opened, made and cut, nothing else. */
#define LANDLOCK_LOGGING                                                                           \
    ((uint64_t)1 << 1 | LANDLOCK_READING | (uint64_t)1 << 8 | (uint64_t)1 << 14)

int confine_files(const struct sandbox *sandbox, int folder, struct error *error) {
    unsigned version = landlock_version();
    if (sandbox->without_landlock)
        return 0;
    uint64_t all = ((uint64_t)1 << fs_bits[version]) - 1;
    int ruleset = make_ruleset(version, all, 1);
    return allow_below(ruleset, folder, all & LANDLOCK_LOGGING)
               ? restrict_self(ruleset, error)
               : error_set_errno(error, "Landlock");
}

int confine_writing(const struct sandbox *sandbox, const char *folder, const char *other,
                    struct error *error) {
    const char *const folders[] = {folder, other};
    unsigned version = landlock_version();
    if (sandbox->without_landlock)
        return 0;
    uint64_t writing = (((uint64_t)1 << fs_bits[version]) - 1) & ~LANDLOCK_READING;
    int ruleset = make_ruleset(version, writing, 0);
    for (unsigned i = 0; i < 2; i++) {
        int fd = folders[i] != NULL ? open(folders[i], O_PATH | O_CLOEXEC) : -1;
        if ((folders[i] != NULL && fd < 0) || !allow_below(ruleset, fd, writing))
            return error_set_errno(error, "Landlock: %s", folders[i]);
        if (fd >= 0)
            close(fd);
    }
    return restrict_self(ruleset, error);
}

/* --- what there is ---------------------------------------------------------------------------- */

int confine_check(const struct sandbox *sandbox, enum sandbox_part *missing, struct error *error) {
    const uint32_t action = SECCOMP_RET_KILL_PROCESS;
    *missing = SANDBOX_NOTHING;
    if (!sandbox->without_seccomp) {
        *missing = SANDBOX_SECCOMP;
        if (!confine_has_calls())
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
