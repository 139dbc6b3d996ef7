/* What may have been meant by a word that is misspelt. */
#ifndef DLV_CMD_NEAREST_H
#define DLV_CMD_NEAREST_H

#include <stddef.h>

#define NEAREST_NOTHING 100

/* How many letters must be left out, added, replaced, or swapped with the next one to make one word of the other
 * (optimal string alignment distance); NEAREST_NOTHING where it is too many, or a word is too long, for the one to
 * be meant by the other. */
unsigned nearest_distance(const char *given, size_t given_len, const char *known, size_t known_len);

#endif
