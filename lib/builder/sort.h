/* Sorting of facts while a database is built. */
#ifndef DLV_BUILDER_SORT_H
#define DLV_BUILDER_SORT_H

#include "builder/fact.h"

#include <stddef.h>

/* Sorts by key and line, in place, in time linear in `count` whatever the keys, on up to
 * thread_count threads. */
void sort_facts(struct fact *facts, size_t count, unsigned thread_count);

#endif
