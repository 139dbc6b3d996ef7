#include "serve/change_lists.h"

#include "base/format.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool change_lists_add(struct change_lists *lists, int fd) {
    uint8_t page[CHANGES_HEAD_LEN];
    struct changes_head head;
    struct stat status;
    struct error error;
    if (lists->count == CHANGE_LISTS_MAX || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) ||
        file_read_at(fd, page, sizeof page, 0) != 0 ||
        changes_head_decode(&head, page, &error) != 0 ||
        changes_len(&head) != (uint64_t)status.st_size) {
        close(fd);
        return false;
    }
    lists->lists[lists->count].fd = fd;
    lists->lists[lists->count++].head = head;
    return true;
}

void change_lists_open(struct change_lists *lists, const char *db_path, uint64_t sequence) {
    char folder[PATH_MAX], path[PATH_MAX];
    lists->count = 0;
    file_folder(folder, db_path);
    for (uint64_t before; lists->count < CHANGE_LISTS_MAX; sequence = before) {
        if (format_text(path, sizeof path, "%s/%llu.changes", folder,
                        (unsigned long long)sequence) >= sizeof path)
            return;
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0 || !change_lists_add(lists, fd))
            return;
        before = lists->lists[lists->count - 1].head.from_sequence;
        if (before >= sequence)
            return;
    }
}

void change_lists_close(struct change_lists *lists) {
    while (lists->count > 0)
        close(lists->lists[--lists->count].fd);
}

ssize_t change_lists_read(const struct change_lists *lists, const uint8_t from_id[SHA256_LEN],
                          uint64_t offset, uint8_t *bytes, size_t max, uint64_t *total) {
    for (unsigned i = 0; i < lists->count; i++) {
        const struct changes_head *head = &lists->lists[i].head;
        if (memcmp(head->from_id, from_id, SHA256_LEN) != 0)
            continue;
        *total = changes_len(head);
        if (offset > *total)
            return -1;
        size_t len = *total - offset < max ? (size_t)(*total - offset) : max;
        return file_read_at(lists->lists[i].fd, bytes, len, offset) == 0 ? (ssize_t)len : -1;
    }
    return -1;
}
