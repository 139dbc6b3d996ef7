/* What the admin can do where a build failed, and what should be looked at where it did not. */
#ifndef DLV_CMD_ADVICE_H
#define DLV_CMD_ADVICE_H

#include "builder/build.h"

#define ADVICE_OF_OUTPUT " (it is not replaced; remove it or choose another --output)"

/* What may help: " (see --memory)", or "". It is valid until the next call. */
const char *advice_text(const struct build_result *result);

/* Says which words had no meaning, each once. */
void print_unknown(const struct build_result *result, const char *input);

/* Says which numbers are not what the release says of its numbers. */
void print_misfits(const struct build_result *result, const char *input);

#endif
