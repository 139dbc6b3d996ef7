#include "os/memory.h"

#include "base/format.h"
#include "base/text.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

/* Reads a small file as text. False where there is none. */
static int read_text(const char *path, char *text, size_t size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, size - 1) : -1;
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    return n > 0;
}

/* The limit in a file; UINT64_MAX where there is none, or "max". */
static uint64_t limit_in(const char *path) {
    char text[64];
    unsigned long long limit;
    if (!read_text(path, text, sizeof text))
        return UINT64_MAX;
    text[strcspn(text, "\n")] = '\0';
    return text_parse_count(text, UINT64_MAX - 1, &limit) == 0 ? limit : UINT64_MAX;
}

/* The lowest limit of a group and of those above it. Inside a container the group's path may be one
 * that is not there; then the mount itself is the container's group. */
static uint64_t lowest_limit(const char *root, const char *mount, const char *group,
                             const char *file) {
    char folder[PATH_MAX], path[PATH_MAX];
    uint64_t lowest = UINT64_MAX;
    format_text(folder, sizeof folder, "%s", group);
    for (;;) {
        format_text(path, sizeof path, "%s%s%s/%s", root, mount, folder, file);
        uint64_t limit = limit_in(path);
        lowest = limit < lowest ? limit : lowest;
        char *slash = strrchr(folder, '/');
        if (slash == NULL)
            return lowest;
        *slash = '\0';
    }
}

/* The limit that one line of /proc/self/cgroup leads to: "ID:CONTROLLERS:PATH", of version 2
 * "0::PATH". */
static uint64_t limit_of_line(const char *root, char *line) {
    char *controllers = strchr(line, ':'), *group = NULL;
    if (controllers != NULL)
        group = strchr(controllers + 1, ':');
    if (group == NULL)
        return UINT64_MAX;
    *group++ = '\0';
    controllers++;
    if (*controllers == '\0')
        return lowest_limit(root, "/sys/fs/cgroup", group, "memory.max");
    char *word = strstr(controllers, "memory");
    return word != NULL
               ? lowest_limit(root, "/sys/fs/cgroup/memory", group, "memory.limit_in_bytes")
               : UINT64_MAX;
}

uint64_t memory_allowed(const char *root) {
    char path[PATH_MAX], text[4096];
    struct sysinfo info = {0};
    uint64_t allowed = sysinfo(&info) == 0 ? (uint64_t)info.totalram * info.mem_unit : UINT64_MAX;
    format_text(path, sizeof path, "%s/proc/self/cgroup", root);
    if (!read_text(path, text, sizeof text))
        return allowed;
    for (char *line = text; line != NULL && *line != '\0';) {
        char *end = strchr(line, '\n');
        if (end != NULL)
            *end = '\0';
        uint64_t limit = limit_of_line(root, line);
        allowed = limit < allowed ? limit : allowed;
        line = end != NULL ? end + 1 : NULL;
    }
    return allowed;
}
