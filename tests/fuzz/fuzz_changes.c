/* A list of changes: any bytes as its first page, and as its records, which are read and written again. */
#include "db/changes.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct change_list list = {.at = data, .end = data + size};
    struct change_record record, again;
    struct key_set nobody = {0};
    struct error error;
    uint8_t bytes[CHANGE_RECORD_MAX];
    while (change_list_next(&list, &record) == 1) {
        size_t len = change_record_encode(bytes, &record);
        struct change_list own = {.at = bytes, .end = bytes + len};
        if (len > sizeof bytes || change_list_next(&own, &again) != 1 || own.at != own.end ||
            again.kept != record.kept || again.kind != record.kind ||
            memcmp(again.entry, record.entry, DB_ENTRY_LEN) != 0 ||
            again.further.len != record.further.len)
            abort();
    }
    if (change_list_open(&list, data, size, &nobody, &error) == 0)
        abort(); /* nobody has signed it */
    return 0;
}
