/* Terms of entries, further terms and dictionaries: what is read is written again as it was. */
#include "db/entry.h"
#include "record/classes.h"
#include "text/matching.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t number_of(void *context, struct span text) {
    return class_sets_find(context, text);
}

static void take_terms(const uint8_t *data, size_t size) {
    static const uint8_t dictionary[] = {2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 'A', 'B'};
    static struct terms terms;
    struct class_sets sets;
    uint8_t bytes[DB_TERMS_LEN], items[FURTHER_MAX];
    if (size < DB_TERMS_LEN || class_sets_open(&sets, dictionary, sizeof dictionary, NULL) != 0)
        return;
    struct further further = {data + DB_TERMS_LEN, size - DB_TERMS_LEN};
    further_len_without_cards(further);
    further_card(further, data, 2);
    if (!terms_read(&terms, data, further, &sets, 2, true))
        return;
    int len = terms_write(bytes, items, &terms, 2, number_of, &sets);
    if (len != (int)further.len || memcmp(items, further.bytes, further.len) != 0)
        abort();
}

static void take_texts(const char *text, size_t len) {
    static const struct matching_rules rules = {
        .calling_code = "91", .national_min = 10, .national_max = 10};
    struct form form, again;
    struct class_sets sets;
    class_sets_open(&sets, (const uint8_t *)text, len, NULL);
    class_set_is_valid((struct span){text, len});
    /* The form of a form is the form. */
    if (number_form(&form, text, len, NULL) == 0 &&
        number_form(&again, form.text, form.len, NULL) == 0 &&
        (again.len != form.len || memcmp(again.text, form.text, form.len) != 0))
        abort();
    for (int reading = 0; reading < NAME_READINGS; reading++)
        name_form(&form, text, len, &rules, (enum name_reading)reading, NULL);
    phone_form(&form, text, len, &rules, NULL);
    birth_date_form(&form, text, len, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    take_terms(data, size);
    take_texts((const char *)data, size);
    return 0;
}
