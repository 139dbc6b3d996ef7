#include "text/tables.h"

#include "base/embed.h"
#include "base/inflate.h"

/* tables.c as the compiler has laid it out for this machine, in a gzip file. */
EMBED_FILE(text_tables_packed, TEXT_TABLES);

struct text_tables text_tables;

/* Before main, so that no thread ever sees a part of it. Zeros, if there were a fault in it, are a table in
 * which no character is known, and all texts would be refused. */
__attribute__((constructor)) static void unpack(void) {
    inflate_gzip(&text_tables, sizeof text_tables, text_tables_packed_start,
                 (size_t)(text_tables_packed_end - text_tables_packed_start));
}
