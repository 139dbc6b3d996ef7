/* The database header: what is decoded encodes to the same bytes, and its layout adds up. */
#include "db/format.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t page[DB_PAGE] = {0}, again[DB_PAGE];
    struct db_header header;
    struct error error;
    memcpy(page, data, size < sizeof page ? size : sizeof page);
    if (db_header_decode(&header, page, &error) != 0)
        return 0;
    db_header_encode(&header, again);
    if (memcmp(again, page, DB_PAGE) != 0)
        abort();
    uint64_t end = DB_HEAD_LEN;
    for (int i = 0; i < DB_SECTION_COUNT; i++) {
        if (header.sections[i].offset < end || header.sections[i].offset % DB_PAGE != 0)
            abort();
        end = header.sections[i].offset + header.sections[i].len;
    }
    if (db_file_len(&header) < end)
        abort();
    return 0;
}
