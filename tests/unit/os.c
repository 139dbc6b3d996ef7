/* What the operating system allows. */
#include "unit.h"

#include "os/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[] = "/tmp/dlv-unit-XXXXXX";

/* Writes a file below the root, with the folders that it needs. */
static void put(const char *path, const char *text) {
    char full[256];
    int len = snprintf(full, sizeof full, "%s%s", root, path);
    for (char *at = full + strlen(root) + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        mkdir(full, 0700);
        *at = '/';
    }
    FILE *file = fopen(full, "w");
    CHECK(len < (int)sizeof full && file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void clear(void) {
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s/*", root);
    CHECK(system(command) == 0);
}

static void test_memory(void) {
    uint64_t all = memory_allowed("/nowhere");
    CHECK(mkdtemp(root) != NULL);
    CHECK(all > 1 << 20 && memory_allowed(root) == all);
    /* Version 2: the group's own limit, or a lower one above it. */
    put("/proc/self/cgroup", "0::/a/b\n");
    put("/sys/fs/cgroup/a/b/memory.max", "50000000\n");
    CHECK(memory_allowed(root) == 50000000);
    put("/sys/fs/cgroup/a/memory.max", "40000000\n");
    CHECK(memory_allowed(root) == 40000000);
    put("/sys/fs/cgroup/memory.max", "max\n");
    put("/sys/fs/cgroup/a/memory.max", "max\n");
    CHECK(memory_allowed(root) == 50000000);
    put("/sys/fs/cgroup/a/b/memory.max", "99999999999999999\n");
    CHECK(memory_allowed(root) == all);
    clear();
    /* A container's own view: the mount is its group. */
    put("/proc/self/cgroup", "0::/../../elsewhere\n");
    put("/sys/fs/cgroup/memory.max", "60000000\n");
    CHECK(memory_allowed(root) == 60000000);
    clear();
    /* Version 1, alone or beside version 2. */
    put("/proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/x/y\n0::/\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    put("/sys/fs/cgroup/memory/x/y/memory.limit_in_bytes", "70000000\n");
    CHECK(memory_allowed(root) == 70000000);
    /* What is no limit is none. */
    static const char *const junk[] = {"", "-1\n", "many\n", "1e9\n", "18446744073709551616\n"};
    for (size_t i = 0; i < sizeof junk / sizeof junk[0]; i++) {
        put("/sys/fs/cgroup/memory/x/y/memory.limit_in_bytes", junk[i]);
        CHECK(memory_allowed(root) == all);
    }
    put("/proc/self/cgroup", "no colons\n::\n4:memory\n");
    CHECK(memory_allowed(root) == all);
    clear();
    CHECK(rmdir(root) == 0);
}

int main(void) {
    test_memory();
    return unit_end("os");
}
