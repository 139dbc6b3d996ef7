/* Evidence files: what is read is written back to the same bytes, and proof_answer bears any proof.
 */
#include "db/evidence.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct evidence evidence;
    static char text[EVIDENCE_MAX];
    struct error error;
    struct db_answer answer;
    struct db_header header = {.count = 1000};
    const struct held_nodes root = {merkle_height(1000), 1, header.merkle_root};
    if (evidence_read(&evidence, (const char *)data, size, &error) != 0)
        return 0;
    if (size > EVIDENCE_MAX || evidence_write(&evidence, text) != size ||
        memcmp(text, data, size) != 0)
        abort();
    if (proof_answer(&header, &root, NULL, &evidence.inquired, &evidence.proof, &answer, &error) >=
        0)
        abort(); /* no fuzzer finds a path to a root of zeros */
    return 0;
}
