#include "record/classes.h"

#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

int span_compare(struct span a, struct span b) {
    int order = memcmp(a.text, b.text, a.len < b.len ? a.len : b.len);
    return order != 0 ? (order < 0 ? -1 : 1) : a.len < b.len ? -1 : a.len > b.len;
}

/* --- reading ---------------------------------------------------------------------------------- */

static size_t length_before(struct span span, const char *ends) {
    size_t len = 0;
    while (len < span.len && strchr(ends, span.text[len]) == NULL)
        len++;
    return len;
}

static const char name_ends[] = {CLASS_SEPARATOR, CLASS_CODE, CLASS_PROVISIONAL, '\0'};

bool class_set_next(struct span *set, struct class_item *item) {
    if (set->len == 0)
        return false;
    const char *end = memchr(set->text, CLASS_SEPARATOR, set->len);
    size_t len = end != NULL ? (size_t)(end - set->text) : set->len;
    struct span whole = {set->text, len};
    item->name = (struct span){whole.text, length_before(whole, name_ends)};
    size_t at = item->name.len;
    item->is_provisional = at < len && whole.text[at] == CLASS_PROVISIONAL;
    at += item->is_provisional;
    item->codes = (struct span){whole.text + at, len - at};
    size_t used = len + (end != NULL);
    *set = (struct span){set->text + used, set->len - used};
    return true;
}

bool class_code_next(struct span *codes, struct span *code) {
    if (codes->len == 0)
        return false;
    *code = (struct span){codes->text + 1, codes->len - 1};
    code->len = length_before(*code, name_ends);
    size_t used = 1 + code->len;
    *codes = (struct span){codes->text + used, codes->len - used};
    return true;
}

bool class_set_find(struct span set, struct span name, struct class_item *item) {
    while (class_set_next(&set, item)) {
        if (span_compare(item->name, name) == 0)
            return true;
    }
    return false;
}

bool class_name_is_valid(struct span name) {
    if (name.len == 0 || name.len > CLASS_NAME_MAX)
        return false;
    for (size_t at = 0; at < name.len;) {
        uint32_t character;
        size_t size = utf8_decode((const uint8_t *)name.text + at, name.len - at, &character);
        if (size == 0 || utf8_is_unsafe(character))
            return false;
        at += size;
    }
    return true;
}

static bool codes_are_valid(struct span codes) {
    struct span code, before = {"", 0};
    while (codes.len > 0) {
        if (codes.text[0] != CLASS_CODE || !class_code_next(&codes, &code) ||
            !class_name_is_valid(code) || span_compare(before, code) >= 0)
            return false;
        before = code;
    }
    return true;
}

bool class_set_is_valid(struct span set) {
    struct class_item item;
    struct span before = {"", 0};
    if (set.len == 0 || set.len > CLASS_SET_MAX || set.text[set.len - 1] == CLASS_SEPARATOR)
        return false;
    while (class_set_next(&set, &item)) {
        if (!class_name_is_valid(item.name) || span_compare(before, item.name) >= 0 ||
            !codes_are_valid(item.codes))
            return false;
        before = item.name;
    }
    return true;
}

/* --- writing ---------------------------------------------------------------------------------- */

int class_builder_add(struct class_builder *builder, struct span name, bool is_provisional) {
    for (unsigned i = 0; i < builder->count; i++) {
        if (span_compare(builder->classes[i].name, name) == 0) {
            builder->classes[i].is_provisional &= is_provisional;
            return (int)i;
        }
    }
    if (builder->count == CLASS_SET_CLASSES)
        return ERR_LIMIT;
    builder->classes[builder->count].name = name;
    builder->classes[builder->count].is_provisional = is_provisional;
    return (int)builder->count++;
}

int class_builder_add_code(struct class_builder *builder, int class_at, struct span code) {
    for (unsigned i = 0; i < builder->code_count; i++) {
        if (builder->codes[i].class_at == (unsigned)class_at &&
            span_compare(builder->codes[i].code, code) == 0)
            return 0;
    }
    if (builder->code_count == CLASS_SET_CODES)
        return ERR_LIMIT;
    builder->codes[builder->code_count].class_at = (unsigned)class_at;
    builder->codes[builder->code_count++].code = code;
    return 0;
}

int class_builder_add_set(struct class_builder *builder, struct span set) {
    struct class_item item;
    struct span code;
    while (class_set_next(&set, &item)) {
        int at = class_builder_add(builder, item.name, item.is_provisional);
        if (at < 0)
            return at;
        while (class_code_next(&item.codes, &code)) {
            if (class_builder_add_code(builder, at, code) != 0)
                return ERR_LIMIT;
        }
    }
    return 0;
}

/* The class with the lowest name above `after`; -1: none. */
static int next_class(const struct class_builder *builder, struct span after) {
    int best = -1;
    for (unsigned i = 0; i < builder->count; i++) {
        struct span name = builder->classes[i].name;
        if (span_compare(name, after) > 0 &&
            (best < 0 || span_compare(name, builder->classes[best].name) < 0))
            best = (int)i;
    }
    return best;
}

/* The lowest code of a class above `after`; -1: none. */
static int next_code(const struct class_builder *builder, unsigned class_at, struct span after) {
    int best = -1;
    for (unsigned i = 0; i < builder->code_count; i++) {
        struct span code = builder->codes[i].code;
        if (builder->codes[i].class_at == class_at && span_compare(code, after) > 0 &&
            (best < 0 || span_compare(code, builder->codes[best].code) < 0))
            best = (int)i;
    }
    return best;
}

static bool put(char *text, size_t *len, const char *bytes, size_t count) {
    if (*len + count > CLASS_SET_MAX)
        return false;
    memcpy(text + *len, bytes, count);
    *len += count;
    return true;
}

static bool put_class(const struct class_builder *builder, int class_at, char *text, size_t *len) {
    static const char separator = CLASS_SEPARATOR, mark = CLASS_CODE,
                      provisional = CLASS_PROVISIONAL;
    struct span name = builder->classes[class_at].name, after = {"", 0};
    bool fits = (*len == 0 || put(text, len, &separator, 1)) && put(text, len, name.text, name.len);
    if (builder->classes[class_at].is_provisional)
        fits = fits && put(text, len, &provisional, 1);
    for (int i; fits && (i = next_code(builder, (unsigned)class_at, after)) >= 0;) {
        after = builder->codes[i].code;
        fits = put(text, len, &mark, 1) && put(text, len, after.text, after.len);
    }
    return fits;
}

int class_builder_write(struct class_builder *builder, char text[CLASS_SET_MAX]) {
    size_t len = 0;
    struct span after = {"", 0};
    for (int i; (i = next_class(builder, after)) >= 0;) {
        after = builder->classes[i].name;
        if (!put_class(builder, i, text, &len))
            return ERR_LIMIT;
    }
    return (int)len;
}
