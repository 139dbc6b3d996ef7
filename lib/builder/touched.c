#include "builder/touched.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

void touched_init(struct touched *touched) {
    memset(touched, 0, sizeof *touched);
    pthread_mutex_init(&touched->mutex, NULL);
}

void touched_free(struct touched *touched) {
    free(touched->prefixes);
    pthread_mutex_destroy(&touched->mutex);
    memset(touched, 0, sizeof *touched);
}

int touched_add(struct touched *touched, const uint8_t key[DB_KEY_LEN]) {
    int code = 0;
    pthread_mutex_lock(&touched->mutex);
    if (touched->count == touched->room) {
        size_t room = touched->room == 0 ? 1024 : 2 * touched->room;
        void *prefixes = realloc(touched->prefixes, room * sizeof *touched->prefixes);
        if (prefixes == NULL)
            code = ERR_MEMORY;
        else
            touched->prefixes = prefixes;
        touched->room = prefixes != NULL ? room : touched->room;
    }
    if (code == 0)
        memcpy(touched->prefixes[touched->count++], key, LICENCE_PREFIX_LEN);
    pthread_mutex_unlock(&touched->mutex);
    return code;
}

static int compare(const void *a, const void *b) {
    return memcmp(a, b, LICENCE_PREFIX_LEN);
}

void touched_sort(struct touched *touched) {
    if (touched->count > 0)
        qsort(touched->prefixes, touched->count, sizeof *touched->prefixes, compare);
}

bool touched_has(const struct touched *touched, const uint8_t prefix[LICENCE_PREFIX_LEN]) {
    return touched->count > 0 && bsearch(prefix, touched->prefixes, touched->count,
                                         sizeof *touched->prefixes, compare) != NULL;
}
