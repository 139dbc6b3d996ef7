/* What a text that is no licence number plainly is instead: what scanners deliver when they read
 * another code, or what was pasted by mistake. */
#ifndef DLV_RECORD_LOOKALIKE_H
#define DLV_RECORD_LOOKALIKE_H

#include "record/terms.h"

/* What the text looks like, in words that fit behind "it looks like "; NULL: like nothing else. */
const char *lookalike(struct span text);

#endif
