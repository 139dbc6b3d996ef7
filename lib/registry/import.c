#include "registry/import.h"

#include <string.h>

static const char *const names[COLUMN_COUNT] = {
    "licence",      "name",       "phone",        "birth_date",   "card",
    "card_status",  "status",     "status_since", "status_until", "status_of",
    "valid_from",   "valid_to",   "classes",      "class_type",   "codes",
    "valid_from_2", "valid_to_2", "former",       "document",     "op"};

const char *registry_column_name(enum registry_column column) {
    return names[column];
}

int registry_column_find(const char *name, size_t len) {
    for (int column = 0; column < COLUMN_COUNT; column++) {
        if (strlen(names[column]) == len && memcmp(names[column], name, len) == 0)
            return column;
    }
    return -1;
}

void import_init(struct import *import) {
    *import = (struct import){.delimiter = ','};
}
