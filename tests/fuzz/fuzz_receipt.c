/* Receipt files: what is read is written back to the same bytes. */
#include "db/evidence.h"
#include "db/lines.h"
#include "db/receipt.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct receipt_lines read;
    static char text[RECEIPT_LINES_MAX];
    static const struct key_set nobody;
    struct certificate certificate;
    struct error error;
    struct lines lines = {
        .at = (const char *)data, .end = (const char *)data + size, .line = 1, .error = &error};
    if (receipt_read(&read, &lines, (const char *)data) != 0)
        return 0;
    char *end = receipt_write_officer(text, read.officer[0] != '\0' ? read.officer : NULL);
    end = receipt_write(end, read.nonce, &read.receipt);
    if ((size_t)(end - text) != size || memcmp(text, data, size) != 0)
        abort();
    if (receipt_check(&read.receipt, &nobody, &certificate, &error) == 0)
        abort();
    return 0;
}
