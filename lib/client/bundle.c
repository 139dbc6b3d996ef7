#include "client/bundle.h"

#include "base/bytes.h"

#include <string.h>

void bundle_begin(struct bundle *bundle, const uint8_t release_id[SHA256_LEN]) {
    memcpy(bundle->release_id, release_id, SHA256_LEN);
    bundle->server_time_s = 0;
    bundle->is_unrecorded = false;
    wipe(bundle->further, bundle->further_len);
    bundle->further_len = 0;
}

/* Every answer brings its further terms once, and the first one those of its proof, too: there is
 * room for all. */
static bool keep_further(struct bundle *bundle, struct further *further) {
    if (further->len == 0)
        return true;
    if (further->len > sizeof bundle->further - bundle->further_len)
        return false;
    uint8_t *kept = bundle->further + bundle->further_len;
    memcpy(kept, further->bytes, further->len);
    bundle->further_len += further->len;
    further->bytes = kept;
    return true;
}

bool bundle_keep(struct bundle *bundle, unsigned first, const struct answer *answer,
                 bool is_proved) {
    bool has_room = true;
    bundle->is_unrecorded |= answer->is_unrecorded;
    for (unsigned i = 0; i < answer->count && has_room; i++) {
        bundle->answers[first + i] = answer->entries[i];
        has_room = keep_further(bundle, &bundle->answers[first + i].further);
    }
    if (first != 0 || !has_room)
        return has_room;
    bundle->server_time_s = answer->server_time_s;
    if (!is_proved)
        return true;
    bundle->proof = answer->proofs[0];
    for (unsigned i = 0; i < bundle->proof.entry_count && has_room; i++)
        has_room = keep_further(bundle, &bundle->proof.entries[i].further);
    return has_room;
}

void bundle_wipe(struct bundle *bundle, unsigned used) {
    wipe(bundle->items, used * sizeof *bundle->items);
    wipe(bundle->answers, used * sizeof *bundle->answers);
    wipe(&bundle->proof, sizeof bundle->proof);
    wipe(bundle->further, bundle->further_len);
    bundle->count = 0;
}
