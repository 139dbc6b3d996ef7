#include "publish.h"

#include "print.h"
#include "trouble.h"

#include "builder/changes.h"

static int publish(const struct release_folder *folder, const struct db *before, const char *after,
                   uint64_t sequence, const struct key_set *authorities, struct error *error) {
    char path[PATH_MAX];
    struct db db;
    struct changes_head head;
    int code = db_open(&db, after, authorities, error);
    if (code != 0)
        return code;
    code = release_folder_changes(folder, sequence, path, error);
    if (code == 0)
        code = changes_make(before, &db, path, &head, error);
    db_close(&db);
    if (code == 0)
        print("%s: %llu bytes, from release %llu to %llu\n", path,
              (unsigned long long)changes_len(&head), (unsigned long long)head.from_sequence,
              (unsigned long long)sequence);
    return code;
}

void publish_changes(const struct release_folder *folder, const char *before, const char *after,
                     uint64_t sequence, const struct key_set *authorities) {
    struct db db;
    struct error error;
    int code = db_open(&db, before, authorities, &error);
    if (code == 0) {
        code = publish(folder, &db, after, sequence, authorities, &error);
        db_close(&db);
    }
    if (code != 0)
        trouble("no list of changes to release %llu: %s", (unsigned long long)sequence, error.text);
}
