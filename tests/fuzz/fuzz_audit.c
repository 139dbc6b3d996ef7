/* The files of an audit log: whatever is in them is read to its end, or something is wrong with it. The first byte says
 * where the rest is cut in two files. What is decoded of a record encodes to the same bytes. */
#include "audit/read.h"

#include "base/bytes.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct audit_reading reading;
static uint64_t records;

static void take(void *context, const struct audit_block *block, const uint8_t *content) {
    (void)context;
    for (uint32_t at = 0; block->kind == AUDIT_QUESTIONS && at < block->len;
         at += AUDIT_RECORD_LEN) {
        uint8_t again[AUDIT_RECORD_LEN];
        struct audit_record record, same;
        audit_record_decode(&record, content + at);
        audit_record_encode(again, &record);
        audit_record_decode(&same, again);
        if (memcmp(&record.tag, &same.tag, AUDIT_TAG_LEN) != 0 || record.count != same.count)
            abort();
        records++;
    }
}

static void write_file(int folder, unsigned segment, const uint8_t *data, size_t size) {
    char name[AUDIT_NAME_SIZE];
    audit_segment_name(name, segment);
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size || close(fd) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static char path[256];
    static int folder = -1;
    const char *where = getenv("TMPDIR");
    struct error error;
    if (folder < 0)
        snprintf(path, sizeof path, "%s/audit-XXXXXX", where != NULL ? where : "/tmp");
    if (folder < 0 &&
        (mkdtemp(path) == NULL || (folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0))
        abort();
    if (size < 1)
        return 0;
    size_t first = (size - 1) * data[0] / 255;
    write_file(folder, 1, data + 1, first);
    write_file(folder, 2, data + 1 + first, size - 1 - first);
    memset(&reading, 0, sizeof reading);
    reading.folder = path;
    reading.folder_fd = folder;
    reading.take = take;
    records = 0;
    if (audit_read(&reading, &error) == 0 &&
        (records != reading.questions || reading.unsigned_questions > reading.questions ||
         reading.last_segment != 2))
        abort();
    return 0;
}
