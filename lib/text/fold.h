/* The fold: what two spellings of the same text have in common (MATCHING.md, "Fold").
 * Canonical decomposition (UAX #15), combining marks U+0300 to U+036F dropped, full case folding
 * (CaseFolding.txt, C and F), one form for letters and digits that have several. */
#ifndef DLV_TEXT_FOLD_H
#define DLV_TEXT_FOLD_H

#include "base/error.h"
#include "text/tables_sizes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FOLD_MAX 1024 /* characters of a folded text */

enum character_class {
    CHARACTER_OTHER,  /* neither of those below: it sets words apart */
    CHARACTER_LETTER, /* a letter, or a decimal digit */
    CHARACTER_MARK,
    CHARACTER_UNASSIGNED /* not a character of this version, or one for private use */
};

enum character_class character_class(uint32_t character);

struct folded {
    size_t count;
    uint32_t characters[FOLD_MAX];
};

/* Folds UTF-8. Total: any bytes may come. 0; ERR_FORMAT with the reason where the text holds what
 * cannot be compared (bytes that are not UTF-8, a control character other than TAB, an unassigned
 * character, U+FFFD); or ERR_LIMIT where it is longer than FOLD_MAX. */
int text_fold(struct folded *folded, const char *text, size_t len, struct error *error);

#endif
