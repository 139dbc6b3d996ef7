#include "registry/words.h"

#include <string.h>

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

struct span span_trim(struct span text) {
    while (text.len > 0 && is_blank(text.text[0]))
        text = (struct span){text.text + 1, text.len - 1};
    while (text.len > 0 && is_blank(text.text[text.len - 1]))
        text.len--;
    return text;
}

static char lower_case(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool span_is_same_word(struct span a, struct span b) {
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (lower_case(a.text[i]) != lower_case(b.text[i]))
            return false;
    }
    return true;
}

bool words_next(const char **list, char separator, struct span *item) {
    if (*list == NULL)
        return false;
    const char *end = strchr(*list, separator);
    *item = span_trim((struct span){*list, end != NULL ? (size_t)(end - *list) : strlen(*list)});
    *list = end != NULL ? end + 1 : NULL;
    return true;
}

bool words_have(const char *list, struct span item) {
    struct span word;
    while (words_next(&list, ',', &word)) {
        if (span_is_same_word(word, item))
            return true;
    }
    return false;
}

bool span_split(struct span item, struct span *left, struct span *right) {
    const char *equals = memchr(item.text, '=', item.len);
    if (equals == NULL)
        return false;
    *left = span_trim((struct span){item.text, (size_t)(equals - item.text)});
    *right = span_trim((struct span){equals + 1, item.len - (size_t)(equals + 1 - item.text)});
    return true;
}

bool words_meaning(const char *list, struct span word, struct span *meaning) {
    struct span item, left, right;
    while (words_next(&list, ',', &item)) {
        if (span_split(item, &left, &right) && span_is_same_word(left, word)) {
            *meaning = right;
            return true;
        }
    }
    return false;
}
