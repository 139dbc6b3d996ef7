/* Lists of words, as options and import files write them: items with commas between, or pairs
 * "word=meaning" with commas between. Blanks around items say nothing, and case does not count for
 * ASCII letters. */
#ifndef DLV_REGISTRY_WORDS_H
#define DLV_REGISTRY_WORDS_H

#include "record/terms.h"

/* Takes the next item of a list at *list; `separator` is between items. False at the end. */
bool words_next(const char **list, char separator, struct span *item);

/* Whether a list has the item. NULL is the empty list. */
bool words_have(const char *list, struct span item);

/* What a word means in a list of pairs. False where it is not there: then *meaning
 * stays as it is. */
bool words_meaning(const char *list, struct span word, struct span *meaning);

/* A text without blanks and tabs at its ends. */
struct span span_trim(struct span text);

/* Whether two texts are the same but for the case of ASCII letters. */
bool span_is_same_word(struct span a, struct span b);

/* Splits "left=right" at the first '='. False where there is none. */
bool span_split(struct span item, struct span *left, struct span *right);

#endif
