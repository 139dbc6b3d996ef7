#include "builder/texts.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS (1u << 12)
#define ARENA_LEN (1u << 18)

void texts_init(struct texts *texts) {
    memset(texts, 0, sizeof *texts);
    pthread_mutex_init(&texts->mutex, NULL);
}

void texts_free(struct texts *texts) {
    for (size_t i = 0; i < texts->arena_count; i++)
        free(texts->arenas[i]);
    for (size_t i = 0; i < TEXTS_BLOCKS && texts->blocks[i] != NULL; i++)
        free(texts->blocks[i]);
    free(texts->arenas);
    free(texts->slots);
    pthread_mutex_destroy(&texts->mutex);
    memset(texts, 0, sizeof *texts);
}

struct span texts_get(const struct texts *texts, uint32_t number) {
    if (number == 0)
        return (struct span){"", 0};
    const struct span *block =
        __atomic_load_n(&texts->blocks[(number - 1) / TEXTS_BLOCK], __ATOMIC_ACQUIRE);
    return block[(number - 1) % TEXTS_BLOCK];
}

/* FNV-1a, 32 bits. */
static uint32_t hash(struct span text) {
    uint32_t value = 2166136261u;
    for (size_t i = 0; i < text.len; i++)
        value = (value ^ (uint8_t)text.text[i]) * 16777619u;
    return value;
}

static bool is_same(struct span a, struct span b) {
    return a.len == b.len && memcmp(a.text, b.text, a.len) == 0;
}

/* The slot of a text, or the free one where it belongs. */
static uint32_t *find_slot(const struct texts *texts, struct span text) {
    uint32_t at = hash(text) & (texts->slot_count - 1);
    while (texts->slots[at] != 0 && !is_same(texts_get(texts, texts->slots[at]), text))
        at = (at + 1) & (texts->slot_count - 1);
    return &texts->slots[at];
}

/* Makes room for one more in the table, which is at most half full. */
static bool grow(struct texts *texts) {
    if (2 * (texts->count + 1) <= texts->slot_count)
        return true;
    uint32_t wanted = texts->slot_count == 0 ? FIRST_SLOTS : 2 * texts->slot_count;
    uint32_t *slots = calloc(wanted, sizeof *slots);
    if (slots == NULL)
        return false;
    free(texts->slots);
    texts->slots = slots;
    texts->slot_count = wanted;
    for (uint32_t number = 1; number <= texts->count; number++)
        *find_slot(texts, texts_get(texts, number)) = number;
    return true;
}

static bool reserve(struct texts *texts, size_t len) {
    if (len <= texts->room_len)
        return true;
    size_t arena_len = len > ARENA_LEN ? len : ARENA_LEN;
    char **arenas = realloc(texts->arenas, (texts->arena_count + 1) * sizeof *arenas);
    if (arenas == NULL)
        return false;
    texts->arenas = arenas;
    texts->room = malloc(arena_len);
    texts->room_len = texts->room != NULL ? arena_len : 0;
    if (texts->room == NULL)
        return false;
    arenas[texts->arena_count++] = texts->room;
    return true;
}

/* Appends a text. Returns its number, or UINT32_MAX. */
static uint32_t append(struct texts *texts, struct span text) {
    uint32_t block = texts->count / TEXTS_BLOCK;
    if (block == TEXTS_BLOCKS || !grow(texts) || !reserve(texts, text.len))
        return UINT32_MAX;
    struct span *list = texts->blocks[block];
    if (list == NULL && (list = calloc(TEXTS_BLOCK, sizeof *list)) == NULL)
        return UINT32_MAX;
    memcpy(texts->room, text.text, text.len);
    list[texts->count % TEXTS_BLOCK] = (struct span){texts->room, text.len};
    texts->room += text.len;
    texts->room_len -= text.len;
    __atomic_store_n(&texts->blocks[block], list, __ATOMIC_RELEASE);
    *find_slot(texts, text) = ++texts->count;
    return texts->count;
}

uint32_t texts_number(struct texts *texts, struct span text) {
    if (text.len == 0)
        return 0;
    pthread_mutex_lock(&texts->mutex);
    uint32_t number = texts->slot_count > 0 ? *find_slot(texts, text) : 0;
    if (number == 0)
        number = append(texts, text);
    pthread_mutex_unlock(&texts->mutex);
    return number;
}
