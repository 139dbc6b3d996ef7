/* Evidence files: what is read is written back to the same bytes, and proof_check bears any proof.
 */
#include "db/evidence.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct evidence evidence;
    static char text[EVIDENCE_MAX];
    struct error error;
    struct licence licence;
    struct db_header header = {.count = 1000};
    if (evidence_read(&evidence, (const char *)data, size, &error) != 0)
        return 0;
    if (size > EVIDENCE_MAX || evidence_write(&evidence, text) != size ||
        memcmp(text, data, size) != 0)
        abort();
    if (proof_check(&header, evidence.digest, &evidence.proof, &licence, &error) >= 0)
        abort(); /* no fuzzer finds a path to a root of zeros */
    return 0;
}
