/* CSV and plain lines: rows lie inside the bytes they came from, progress is always made, and what
 * registry_row makes of them is sound. */
#include "base/utf8.h"
#include "record/digest.h"
#include "registry/csv.h"
#include "registry/registry.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_row(const struct csv_row *row, const char *bytes, size_t len,
                      const char *scratch) {
    for (size_t i = 0; i < row->field_count; i++) {
        const struct csv_field *field = &row->fields[i];
        int in_bytes = field->text >= bytes && field->text + field->len <= bytes + len;
        int in_scratch = field->text >= scratch && field->text + field->len <= scratch + len;
        if (!in_bytes && !in_scratch)
            abort();
    }
}

static void use_row(const struct csv_row *csv) {
    static const struct matching_rules rules = {
        .calling_code = "91", .national_min = 10, .national_max = 10};
    static const struct check_fields fields = {3, {FIELD_NAME, FIELD_PHONE, FIELD_CARD}};
    static struct row row;
    struct import import;
    struct error error;
    import_init(&import);
    import.date_format = "YYYY-MM-DD,DMM/YYYY,DD-Mon-YYYY";
    import.status = "A=valid,B=disqualified";
    import.classes_2 = "C,D";
    struct registry registry = {.import = &import,
                                .rules = &rules,
                                .check_fields = &fields,
                                .is_change_list = csv->field_count & 1,
                                .has_legacy = csv->field_count & 2};
    registry_header(&registry, csv, &error);
    for (int i = 0; i < COLUMN_COUNT; i++) {
        registry.columns[i].count = (size_t)i < csv->field_count ? 1 : 0;
        registry.columns[i].list[0] =
            (struct import_source){.field = i, .is_flag = csv->field_count & 4};
    }
    registry.source_count = csv->field_count;
    registry_row(&registry, csv, &row, &error);
    registry_line(&registry, csv, &row, &error);
}

/* What is decoded fits where it goes, and is UTF-8. */
static void decode(const uint8_t *data, size_t size) {
    for (enum encoding encoding = ENCODING_UTF16; encoding <= ENCODING_LATIN_1; encoding++) {
        struct decoder decoder;
        decoder_init(&decoder, encoding);
        for (size_t at = 0, len = 1; at < size; at += len, len = len * 3 % 31 + 1) {
            size_t piece = len < size - at ? len : size - at;
            char *out = malloc(DECODED_ROOM(piece));
            size_t out_len = out == NULL ? 0 : decoder_take(&decoder, data + at, piece, out);
            uint32_t character;
            for (size_t i = 0, n; i < out_len; i += n) {
                n = utf8_decode((const uint8_t *)out + i, out_len - i, &character);
                if (n == 0)
                    abort();
            }
            free(out);
        }
        char last[DECODED_ROOM(0)];
        if (decoder_finish(&decoder, last) > sizeof last)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static char scratch[1 << 20];
    struct csv_separators separators;
    csv_separators_init(&separators, size % 2 == 0 ? ',' : ';');
    decode(data, size);
    char *bytes = malloc(size + 1);
    if (size > sizeof scratch || bytes == NULL) {
        free(bytes);
        return 0;
    }
    memcpy(bytes, data, size);
    for (size_t at = 0; at < size;) {
        struct csv_field fields[CSV_FIELDS_MAX];
        struct csv_row row = {.fields = fields};
        char *unquoted = scratch;
        size_t used = 0;
        uint64_t lines;
        enum csv_result result =
            csv_parse(&separators, bytes + at, size - at, 1, &unquoted, &row, &used, &lines);
        if (result == CSV_MORE || (result == CSV_ROW && (used == 0 || used > size - at)))
            abort();
        if (result == CSV_BAD) {
            const char *end = memchr(bytes + at, '\n', size - at);
            used = end == NULL ? size - at : (size_t)(end - bytes) - at + 1;
        } else {
            check_row(&row, bytes + at, used, scratch);
            use_row(&row);
        }
        at += used;
    }
    free(bytes);
    return 0;
}
