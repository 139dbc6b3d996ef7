#include "db/class_sets.h"

#include "base/bytes.h"
#include "db/merkle.h"
#include "record/classes.h"

#include <string.h>

int class_sets_open(struct class_sets *sets, const uint8_t *bytes, size_t len,
                    struct error *error) {
    if (len < CLASS_SETS_EMPTY_LEN || load_le32(bytes) > CLASS_SETS_MAX)
        return error_set(error, ERR_FORMAT, "dictionary: its count is out of range");
    *sets = (struct class_sets){.count = load_le32(bytes)};
    sets->ends = bytes + 4;
    size_t head = (size_t)class_sets_len(sets->count, 0);
    if (len < head)
        return error_set(error, ERR_FORMAT, "dictionary: cut short");
    sets->texts = (const char *)bytes + head;
    if (load_le32(sets->ends) != 0 || load_le32(sets->ends + 4 * sets->count) != len - head)
        return error_set(error, ERR_FORMAT, "dictionary: its length is wrong");
    struct span before = {"", 0};
    for (uint32_t i = 0; i < sets->count; i++) {
        uint32_t start = load_le32(sets->ends + 4 * i), end = load_le32(sets->ends + 4 * (i + 1));
        if (start > end || end > len - head)
            return error_set(error, ERR_FORMAT, "dictionary: set %u is not where it belongs",
                             i + 1);
        struct span text = {sets->texts + start, end - start};
        if (!class_set_is_valid(text) || span_compare(before, text) >= 0)
            return error_set(error, ERR_FORMAT, "dictionary: set %u is malformed or out of order",
                             i + 1);
        before = text;
    }
    return 0;
}

static struct span few_text(const struct class_sets *sets, uint32_t number) {
    for (unsigned i = 0; i < sets->few_count; i++) {
        if (sets->few[i].number == number)
            return sets->few[i].text;
    }
    return (struct span){"", 0};
}

static uint32_t few_find(const struct class_sets *sets, struct span text) {
    for (unsigned i = 0; i < sets->few_count; i++) {
        if (span_compare(sets->few[i].text, text) == 0)
            return sets->few[i].number;
    }
    return 0;
}

struct span class_sets_text(const struct class_sets *sets, uint32_t number) {
    if (sets->ends == NULL)
        return few_text(sets, number);
    if (number == 0 || number > sets->count)
        return (struct span){"", 0};
    uint32_t start = load_le32(sets->ends + 4 * (number - 1));
    return (struct span){sets->texts + start, load_le32(sets->ends + 4 * number) - start};
}

uint32_t class_sets_find(const struct class_sets *sets, struct span text) {
    uint32_t low = 1, high = sets->count;
    if (sets->ends == NULL)
        return few_find(sets, text);
    while (low <= high) {
        uint32_t middle = low + (high - low) / 2;
        int order = span_compare(class_sets_text(sets, middle), text);
        if (order == 0)
            return middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle - 1;
    }
    return 0;
}

bool class_sets_name(const struct class_sets *sets, struct span name) {
    struct class_item item;
    for (uint32_t number = 1; number <= sets->count; number++) {
        if (class_set_find(class_sets_text(sets, number), name, &item))
            return true;
    }
    return false;
}

/* --- the tree --------------------------------------------------------------------------------- */

static void leaf(uint8_t node[SHA256_LEN], struct span text) {
    static const uint8_t mark = 0x00;
    struct sha256 hash;
    sha256_init(&hash);
    sha256_update(&hash, &mark, 1);
    sha256_update(&hash, text.text, text.len);
    sha256_out(&hash, node);
}

/* The node with this index on a level, from the leaves under it. */
static void make_node(const struct class_sets *sets, unsigned level, uint64_t index,
                      uint8_t node[SHA256_LEN]) {
    uint8_t right[SHA256_LEN];
    if (level == 0) {
        leaf(node, class_sets_text(sets, (uint32_t)index + 1));
        return;
    }
    make_node(sets, level - 1, 2 * index, node);
    if (2 * index + 1 < merkle_level_count(sets->count, level - 1)) {
        make_node(sets, level - 1, 2 * index + 1, right);
        merkle_node(node, node, right);
    }
}

void class_sets_root(const struct class_sets *sets, uint8_t root[SHA256_LEN]) {
    if (sets->count == 0)
        sha256(root, "", 0);
    else
        make_node(sets, merkle_height(sets->count), 0, root);
}

void class_sets_prove(const struct class_sets *sets, uint32_t number, struct class_set_path *path) {
    uint64_t index = number - 1;
    path->len = 0;
    for (unsigned level = 0; level < merkle_height(sets->count); level++, index /= 2) {
        if ((index ^ 1) < merkle_level_count(sets->count, level))
            make_node(sets, level, index ^ 1, path->nodes[path->len++]);
    }
}

bool class_set_is_proved(const uint8_t root[SHA256_LEN], uint32_t count,
                         const struct numbered_set *set, const struct class_set_path *path) {
    uint8_t node[SHA256_LEN];
    uint64_t index = (uint64_t)set->number - 1, level = count;
    unsigned used = 0;
    if (set->number < 1 || set->number > count || path->len > CLASS_SET_PATH_MAX)
        return false;
    leaf(node, set->text);
    for (; level > 1; level = (level + 1) / 2, index /= 2) {
        if ((index ^ 1) >= level)
            continue;
        if (used == path->len)
            return false;
        const uint8_t *sibling = path->nodes[used++];
        merkle_node(node, index % 2 == 0 ? node : sibling, index % 2 == 0 ? sibling : node);
    }
    return used == path->len && memcmp(node, root, SHA256_LEN) == 0;
}

int class_sets_open_signed(struct class_sets *sets, const uint8_t *bytes, size_t len,
                           uint32_t count, const uint8_t root[SHA256_LEN], struct error *error) {
    uint8_t own[SHA256_LEN];
    int code = class_sets_open(sets, bytes, len, error);
    if (code != 0)
        return code;
    class_sets_root(sets, own);
    if (sets->count != count || memcmp(own, root, SHA256_LEN) != 0)
        return error_set(error, ERR_SIGNATURE, "dictionary: it is not the one that was signed");
    return 0;
}
