#include "text/tables.h"

#include "base/embed.h"
#include "base/inflate.h"

/* tables.c, in a gzip file. */
EMBED_FILE(text_tables_packed, TEXT_TABLES);

struct text_tables text_tables;

/* Before main, so that no thread ever sees a part of it. Zeros, if there were a fault in it, are a table in
 * which no character is known, and all texts would be refused. */
__attribute__((constructor)) static void unpack(void) {
    enum { WORDS = sizeof text_tables / 4 };
    uint8_t bytes[sizeof text_tables], byte = 0;
    uint32_t *words = (uint32_t *)&text_tables;
    if (inflate_gzip(bytes, sizeof bytes, text_tables_packed_start,
                     (size_t)(text_tables_packed_end - text_tables_packed_start)) !=
        (ssize_t)sizeof bytes)
        return;
    for (unsigned i = 0; i < sizeof bytes; i++) {
        byte = (uint8_t)(byte + bytes[i]);
        words[i % WORDS] |= (uint32_t)byte << i / WORDS * 8;
    }
}
