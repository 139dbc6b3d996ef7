/* Texts that many rows share, each kept once: sets of classes, codes with arguments. Several threads
 * may add and read at once. */
#ifndef DLV_BUILDER_TEXTS_H
#define DLV_BUILDER_TEXTS_H

#include "record/terms.h"

#include <pthread.h>
#include <stdint.h>

#define TEXTS_BLOCK (1u << 12)  /* texts of a block of the list */
#define TEXTS_BLOCKS (1u << 12) /* so at most 16,777,216 texts */

struct texts {
    pthread_mutex_t mutex; /* over all below but what has been given out */
    uint32_t count;        /* texts, numbered from 1; number 0 is the empty text */
    uint32_t slot_count;
    uint32_t *slots; /* numbers, by hash; 0: free */
    char *room;      /* where the next text goes */
    size_t room_len;
    char **arenas; /* all memory of texts */
    size_t arena_count;
    struct span *blocks[TEXTS_BLOCKS];
};

void texts_init(struct texts *texts);
void texts_free(struct texts *texts);

/* The number of a text, which is copied where it is new. 0 for the empty text; UINT32_MAX where
 * there is no memory, or there are too many texts. */
uint32_t texts_number(struct texts *texts, struct span text);

/* The text of a number that texts_number has returned. It stays until texts_free. */
struct span texts_get(const struct texts *texts, uint32_t number);

#endif
