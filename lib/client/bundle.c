#include "client/bundle.h"

#include "base/bytes.h"

#include <string.h>

void bundle_begin(struct bundle *bundle, const uint8_t release_id[SHA256_LEN]) {
    memcpy(bundle->release_id, release_id, SHA256_LEN);
    bundle->server_time_s = 0;
    wipe(bundle->further, bundle->further_len);
    bundle->further_len = 0;
}

/* Every answer brings its further terms once, and the first one those of its proof, too: there is
 * room for all. */
static void keep_further(struct bundle *bundle, struct further *further) {
    if (further->len == 0)
        return;
    uint8_t *kept = bundle->further + bundle->further_len;
    memcpy(kept, further->bytes, further->len);
    bundle->further_len += further->len;
    further->bytes = kept;
}

void bundle_keep(struct bundle *bundle, unsigned first, const struct answer *answer,
                 bool is_proved) {
    for (unsigned i = 0; i < answer->count; i++) {
        bundle->answers[first + i] = answer->entries[i];
        keep_further(bundle, &bundle->answers[first + i].further);
    }
    if (first != 0)
        return;
    bundle->server_time_s = answer->server_time_s;
    if (!is_proved)
        return;
    bundle->proof = answer->proofs[0];
    for (unsigned i = 0; i < bundle->proof.entry_count; i++)
        keep_further(bundle, &bundle->proof.entries[i].further);
}

void bundle_wipe(struct bundle *bundle, unsigned used) {
    wipe(bundle->items, used * sizeof *bundle->items);
    wipe(bundle->answers, used * sizeof *bundle->answers);
    wipe(&bundle->proof, sizeof bundle->proof);
    wipe(bundle->further, bundle->further_len);
    bundle->count = 0;
}
