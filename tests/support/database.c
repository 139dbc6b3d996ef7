#include "database.h"

#include "base/file.h"
#include "builder/merge.h"

struct licence database_licence(uint64_t number) {
    return (struct licence){.status = STATUS_VALID,
                            .kind = KIND_RECORD,
                            .valid_from = (uint32_t)(number % 1000000),
                            .valid_to = (uint32_t)(number % 1000000) + 10};
}

static int collect(struct collector *collector, uint64_t count, database_key *key_of,
                   struct error *error) {
    for (uint64_t i = 0; i < count; i++) {
        const struct licence licence = database_licence(i);
        struct sort_entry entry;
        uint8_t key[DB_KEY_LEN];
        int code = collector_reserve(collector, 1, error);
        if (code != 0)
            return code;
        key_of(key, i);
        sort_entry_set(&entry, key, &licence, i + 1);
        collector_put(collector, &entry, 1);
    }
    return 0;
}

static int write(struct collector *collector, const struct build_settings *settings, int fd,
                 struct db_header *header, struct error *error) {
    struct merge_summary summary;
    struct writer writer;
    uint64_t total;
    int code = collector_sort(collector, &total, error);
    if (code == 0)
        code = writer_open(&writer, settings, fd, total, error);
    if (code != 0)
        return code;
    code = merge_entries(collector, NULL, &writer, total, &summary, error);
    if (code == 0)
        return writer_finish(&writer, header, error);
    writer_abort(&writer);
    return code;
}

int64_t database_make(const struct build_settings *settings, uint64_t count, database_key *key_of,
                      struct error *error) {
    static struct collector collector;
    struct atomic_file file;
    struct db_header header;
    int code = collector_open(&collector, settings, error);
    if (code == 0)
        code = collect(&collector, count, key_of, error);
    if (code == 0)
        code = atomic_file_open(&file, settings->path, 0644, error);
    if (code == 0)
        code = write(&collector, settings, file.fd, &header, error);
    if (code == 0)
        code = atomic_file_commit(&file, true, error);
    collector_close(&collector);
    return code == 0 ? (int64_t)header.count : code;
}
