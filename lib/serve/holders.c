#include "serve/holders.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* How many of the holders that hold the most are looked at for a connection that may go. */
#define CHOICES 64

int holders_open(struct holders *holders) {
    uint32_t max = holders->max;
    holders->all = calloc(max, sizeof *holders->all);
    holders->table = calloc(max, sizeof(struct holder *));
    holders->by_count = calloc((size_t)max + 1, sizeof *holders->by_count);
    if (holders->all == NULL || holders->table == NULL || holders->by_count == NULL)
        return ERR_MEMORY;
    for (uint32_t i = 0; i <= max; i++)
        list_init(&holders->by_count[i]);
    for (uint32_t i = 0; i < max; i++) {
        list_init(&holders->all[i].connections);
        list_init(&holders->all[i].same_count);
        holders->all[i].next = holders->free;
        holders->free = &holders->all[i];
    }
    return 0;
}

void holders_free(struct holders *holders) {
    free(holders->all);
    free(holders->table);
    free(holders->by_count);
}

/* --- holders ---------------------------------------------------------------------------------- */

static struct holder **place_of(const struct holders *holders, uint64_t key) {
    struct holder **place = &holders->table[key % holders->max];
    while (*place != NULL && (*place)->key != key)
        place = &(*place)->next;
    return place;
}

static void set_count(struct holders *holders, struct holder *holder, uint32_t count) {
    list_remove(&holder->same_count);
    holder->count = count;
    if (count > 0)
        list_append(&holders->by_count[count], &holder->same_count);
    if (count > holders->most)
        holders->most = count;
    while (holders->most > 0 && list_is_empty(&holders->by_count[holders->most]))
        holders->most--;
}

void holders_take_back(struct holders *holders, struct holding *holding) {
    struct holder *holder = holding->holder;
    if (holder == NULL)
        return;
    list_remove(&holding->link);
    holder->buffered -= holding->buffered;
    holders->buffered -= holding->buffered;
    set_count(holders, holder, holder->count - 1);
    if (holder->count == 0) {
        *place_of(holders, holder->key) = holder->next;
        holder->next = holders->free;
        holders->free = holder;
    }
    *holding = (struct holding){.holder = NULL};
}

void holders_give(struct holders *holders, struct holding *holding, uint64_t key) {
    uint32_t buffered = holding->buffered;
    if (holding->holder != NULL && holding->holder->key == key) {
        struct holder *same = holding->holder;
        list_remove(&holding->link);
        list_append(&same->connections, &holding->link);
        list_remove(&same->same_count);
        list_append(&holders->by_count[same->count], &same->same_count);
        return;
    }
    holders_take_back(holders, holding);
    struct holder **place = place_of(holders, key);
    if (*place == NULL) {
        *place = holders->free;
        holders->free = (*place)->next;
        (*place)->next = NULL;
        (*place)->key = key;
        (*place)->buffered = 0;
    }
    struct holder *holder = *place;
    holding->holder = holder;
    holding->buffered = buffered;
    holder->buffered += buffered;
    holders->buffered += buffered;
    list_append(&holder->connections, &holding->link);
    set_count(holders, holder, holder->count + 1);
}

struct holding *holders_choose(const struct holders *holders, uint32_t least,
                               bool (*may_go)(const void *context, struct holding *holding),
                               const void *context) {
    unsigned looked_at = 0;
    for (uint32_t count = holders->most; count >= least && count > 0; count--) {
        struct list *same = &holders->by_count[count];
        for (struct list *link = same->next; link != same; link = link->next) {
            struct holder *holder = LIST_ENTRY(link, struct holder, same_count);
            struct list *own = &holder->connections;
            for (struct list *one = own->next; one != own; one = one->next) {
                struct holding *holding = LIST_ENTRY(one, struct holding, link);
                if (may_go(context, holding))
                    return holding;
                if (++looked_at > CHOICES)
                    return NULL;
            }
        }
    }
    return NULL;
}

/* --- memory ----------------------------------------------------------------------------------- */

bool holders_buffer(struct holders *holders, struct holding *holding, uint32_t len, uint64_t max) {
    uint64_t left = holders->buffered < max ? max - holders->buffered : 0;
    uint64_t own = holding->holder != NULL ? holding->holder->buffered : 0;
    if (own + len > left)
        return false;
    holding->buffered += len;
    holders->buffered += len;
    if (holding->holder != NULL)
        holding->holder->buffered += len;
    return true;
}

void holders_unbuffer(struct holders *holders, struct holding *holding, uint32_t len) {
    holding->buffered -= len;
    holders->buffered -= len;
    if (holding->holder != NULL)
        holding->holder->buffered -= len;
}
