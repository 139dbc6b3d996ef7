/* A doubly linked list whose links live in its elements. An element is in at most one list by each
 * of its links. */
#ifndef DLV_BASE_LIST_H
#define DLV_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next;
    struct list *previous;
};

/* The structure of which `member` at `link` is a part. */
#define LIST_ENTRY(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

static inline void list_init(struct list *list) {
    list->next = list;
    list->previous = list;
}

static inline bool list_is_empty(const struct list *list) {
    return list->next == list;
}

static inline void list_append(struct list *list, struct list *link) {
    link->previous = list->previous;
    link->next = list;
    list->previous->next = link;
    list->previous = link;
}

/* Takes `link` out; doing it twice does no harm. */
static inline void list_remove(struct list *link) {
    link->previous->next = link->next;
    link->next->previous = link->previous;
    list_init(link);
}

#endif
