#include "db/entry.h"

#include "base/bytes.h"
#include "record/classes.h"

#include <stdlib.h>
#include <string.h>

const char *entry_kind_name(unsigned kind) {
    static const char *const names[] = {"licence", "document", "former number", "legacy record"};
    return kind <= ENTRY_LEGACY ? names[kind] : "";
}

/* --- days ------------------------------------------------------------------------------------- */

#define DAY_BITS 18
#define DAY_MASK ((1u << DAY_BITS) - 1)

/* How a day is stored: days since 1900-01-01, or one of these. */
enum { CODE_NO_START = DAY_MASK - 2, CODE_NO_END = DAY_MASK - 1, CODE_UNKNOWN = DAY_MASK };

static uint32_t encode_day(uint32_t day) {
    return day == DAY_NO_START  ? CODE_NO_START
           : day == DAY_NO_END  ? CODE_NO_END
           : day == DAY_UNKNOWN ? CODE_UNKNOWN
                                : day - DAY_FIRST;
}

static uint32_t decode_day(uint32_t code) {
    return code == CODE_NO_START  ? DAY_NO_START
           : code == CODE_NO_END  ? DAY_NO_END
           : code == CODE_UNKNOWN ? DAY_UNKNOWN
                                  : code + DAY_FIRST;
}

/* --- the 128 bits of an entry ----------------------------------------------------------------- */

/* Where the fields of a licence begin. */
enum {
    BIT_KIND = 0,
    BIT_STATUS = 2,
    BIT_SINCE = 5,
    BIT_MORE = 23,
    BIT_GROUP_1 = 24,
    BIT_GROUP_2 = 76,
    GROUP_TO = DAY_BITS,      /* in a group */
    GROUP_SET = 2 * DAY_BITS, /* in a group */
    SET_BITS = 16,
    GROUP_BITS = GROUP_SET + SET_BITS
};

/* Reads `count` bits, at most 56, from the bit `at` on. */
static uint64_t get_bits(const uint8_t *bytes, unsigned at, unsigned count) {
    uint64_t value = 0;
    for (unsigned i = at / 8; i <= (at + count - 1) / 8; i++)
        value |= (uint64_t)bytes[i] << (8 * (i - at / 8));
    return value >> at % 8 & (((uint64_t)1 << count) - 1);
}

/* Writes them where zeros are. */
static void put_bits(uint8_t *bytes, unsigned at, uint64_t value) {
    value <<= at % 8;
    for (unsigned i = at / 8; value != 0; i++, value >>= 8)
        bytes[i] |= (uint8_t)value;
}

enum entry_kind terms_kind(const uint8_t terms[DB_TERMS_LEN]) {
    return (enum entry_kind)(terms[0] & 3);
}

uint8_t terms_status(const uint8_t terms[DB_TERMS_LEN]) {
    return (uint8_t)get_bits(terms, BIT_STATUS, 3);
}

bool terms_have_further(const uint8_t terms[DB_TERMS_LEN]) {
    return terms_kind(terms) == ENTRY_LICENCE && get_bits(terms, BIT_MORE, 1) != 0;
}

uint64_t terms_further_at(const uint8_t terms[DB_TERMS_LEN]) {
    return get_bits(terms, BIT_GROUP_2, GROUP_BITS) * FURTHER_UNIT;
}

/* Group 2 is four bits of byte 9 and all that follow. */
static void clear_group_2(uint8_t terms[DB_TERMS_LEN]) {
    terms[BIT_GROUP_2 / 8] &= (1u << BIT_GROUP_2 % 8) - 1;
    memset(terms + BIT_GROUP_2 / 8 + 1, 0, DB_TERMS_LEN - BIT_GROUP_2 / 8 - 1);
}

void terms_set_further(uint8_t terms[DB_TERMS_LEN], uint64_t at) {
    clear_group_2(terms);
    put_bits(terms, BIT_GROUP_2, at / FURTHER_UNIT);
}

bool terms_further(const uint8_t terms[DB_TERMS_LEN], const struct further_section *section,
                   struct further *further) {
    *further = (struct further){NULL, 0};
    if (!terms_have_further(terms))
        return true;
    uint64_t at = terms_further_at(terms);
    if (at > section->len || section->len - at < FURTHER_UNIT)
        return false;
    size_t len = load_le16(section->bytes + at);
    if (len == 0 || len > FURTHER_MAX || section->len - at < further_room(len))
        return false;
    *further = (struct further){section->bytes + at + FURTHER_HEAD_LEN, len};
    return true;
}

const uint8_t *terms_licence_prefix(const uint8_t terms[DB_TERMS_LEN]) {
    return terms + 1;
}

void terms_write_dependent(uint8_t terms[DB_TERMS_LEN], enum entry_kind kind,
                           const uint8_t licence_key[DB_KEY_LEN]) {
    terms[0] = (uint8_t)kind;
    memcpy(terms + 1, licence_key, LICENCE_PREFIX_LEN);
}

void entry_clear_place(uint8_t entry[DB_ENTRY_LEN]) {
    clear_group_2(entry + ENTRY_TERMS);
}

void entry_leaf(uint8_t leaf[SHA256_LEN], const uint8_t entry[DB_ENTRY_LEN],
                struct further further) {
    uint8_t input[1 + DB_ENTRY_LEN];
    input[0] = 0x00;
    memcpy(input + 1, entry, DB_ENTRY_LEN);
    if (further.len == 0) {
        sha256(leaf, input, sizeof input);
        return;
    }
    struct sha256 hash;
    clear_group_2(input + 1 + ENTRY_TERMS);
    sha256_init(&hash);
    sha256_update(&hash, input, sizeof input);
    sha256_update(&hash, further.bytes, further.len);
    sha256_out(&hash, leaf);
}

/* --- groups ----------------------------------------------------------------------------------- */

struct stored_group {
    uint32_t from;
    uint32_t to;
    uint32_t set;
};

/* What stands where there is no group. */
static const struct stored_group no_group = {CODE_UNKNOWN, CODE_UNKNOWN, 0};

static bool is_no_group(const struct stored_group *group) {
    return group->from == no_group.from && group->to == no_group.to && group->set == 0;
}

static struct stored_group get_group(const uint8_t *bytes, unsigned at) {
    return (struct stored_group){(uint32_t)get_bits(bytes, at, DAY_BITS),
                                 (uint32_t)get_bits(bytes, at + GROUP_TO, DAY_BITS),
                                 (uint32_t)get_bits(bytes, at + GROUP_SET, SET_BITS)};
}

static void put_group(uint8_t *bytes, unsigned at, const struct stored_group *group) {
    put_bits(bytes, at, group->from);
    put_bits(bytes, at + GROUP_TO, group->to);
    put_bits(bytes, at + GROUP_SET, group->set);
}

static int compare_groups(const void *a, const void *b) {
    const struct class_group *one = a, *other = b;
    int order = span_compare(one->classes, other->classes);
    if (order == 0)
        order = (one->from > other->from) - (one->from < other->from);
    return order != 0 ? order : (one->to > other->to) - (one->to < other->to);
}

static int compare_statuses(const void *a, const void *b) {
    const struct other_status *one = a, *other = b;
    int order = (one->from > other->from) - (one->from < other->from);
    if (order == 0)
        order = (one->to > other->to) - (one->to < other->to);
    if (order == 0)
        order = one->status - other->status;
    return order != 0 ? order : span_compare(one->classes, other->classes);
}

static int compare_cards(const void *a, const void *b) {
    const struct card_mark *one = a, *other = b;
    int order = memcmp(one->code, other->code, CODES_LEN);
    return order != 0 ? order : one->state - other->state;
}

static int compare_codes(const void *a, const void *b) {
    return span_compare(*(const struct span *)a, *(const struct span *)b);
}

/* Sorts a list and takes out what is there twice. Insertion, as lists are short. */
static unsigned sort_unique(void *list, unsigned count, size_t size,
                            int (*compare)(const void *, const void *)) {
    uint8_t *items = list, moving[sizeof(struct other_status)];
    unsigned kept = 0;
    for (unsigned i = 0; i < count; i++) {
        unsigned at = kept;
        int order = 1;
        memcpy(moving, items + i * size, size);
        while (at > 0 && (order = compare(items + (at - 1) * size, moving)) > 0)
            at--;
        if (at > 0 && order == 0)
            continue;
        memmove(items + (at + 1) * size, items + at * size, (kept - at) * size);
        memcpy(items + at * size, moving, size);
        kept++;
    }
    return kept;
}

static void sort_lists(struct terms *terms) {
    terms->group_count =
        sort_unique(terms->groups, terms->group_count, sizeof *terms->groups, compare_groups);
    terms->status_count = sort_unique(terms->statuses, terms->status_count, sizeof *terms->statuses,
                                      compare_statuses);
    terms->card_count =
        sort_unique(terms->cards, terms->card_count, sizeof *terms->cards, compare_cards);
    terms->code_count =
        sort_unique(terms->codes, terms->code_count, sizeof *terms->codes, compare_codes);
}

/* --- items of further terms -------------------------------------------------------------------- */

/* In this order; cards are last, so that they can be cut off. */
enum item_type {
    ITEM_GROUP = 1,        /* from, to, number of the set */
    ITEM_GROUP_TEXT = 2,   /* from, to, text of the set */
    ITEM_UNTIL = 3,        /* the last day of the status */
    ITEM_CLASS_STATUS = 4, /* status, from, to, text of a set */
    ITEM_STATUS = 5,       /* status, from, to */
    ITEM_CODE = 6,         /* text */
    ITEM_CARD = 7          /* state, check code */
};

#define ITEM_HEAD_LEN 3 /* type, length of what follows */
#define DAY_LEN 3
#define SPAN_OF_DAYS_LEN (2 * DAY_LEN)

struct writing {
    uint8_t *out;
    size_t len;
    bool is_full;
};

static uint8_t *put_item(struct writing *writing, enum item_type type, size_t len) {
    if (writing->is_full || writing->len + ITEM_HEAD_LEN + len > FURTHER_MAX) {
        writing->is_full = true;
        return NULL;
    }
    uint8_t *item = writing->out + writing->len;
    item[0] = (uint8_t)type;
    store_le16(item + 1, (uint16_t)len);
    writing->len += ITEM_HEAD_LEN + len;
    return item + ITEM_HEAD_LEN;
}

static void store_day(uint8_t *bytes, uint32_t code) {
    bytes[0] = (uint8_t)code;
    bytes[1] = (uint8_t)(code >> 8);
    bytes[2] = (uint8_t)(code >> 16);
}

static uint32_t load_day(const uint8_t *bytes) {
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16;
}

static void store_days(uint8_t *bytes, uint32_t from, uint32_t to) {
    store_day(bytes, encode_day(from));
    store_day(bytes + DAY_LEN, encode_day(to));
}

static void write_group_number(struct writing *writing, const struct class_group *group,
                               uint32_t set) {
    uint8_t *item = put_item(writing, ITEM_GROUP, SPAN_OF_DAYS_LEN + 2);
    if (item == NULL)
        return;
    store_days(item, group->from, group->to);
    store_le16(item + SPAN_OF_DAYS_LEN, (uint16_t)set);
}

static void write_group_text(struct writing *writing, const struct class_group *group) {
    uint8_t *item = put_item(writing, ITEM_GROUP_TEXT, SPAN_OF_DAYS_LEN + group->classes.len);
    if (item == NULL)
        return;
    store_days(item, group->from, group->to);
    memcpy(item + SPAN_OF_DAYS_LEN, group->classes.text, group->classes.len);
}

static void write_status(struct writing *writing, const struct other_status *status,
                         enum item_type type) {
    uint8_t *item = put_item(writing, type, 1 + SPAN_OF_DAYS_LEN + status->classes.len);
    if (item == NULL)
        return;
    item[0] = status->status;
    store_days(item + 1, status->from, status->to);
    memcpy(item + 1 + SPAN_OF_DAYS_LEN, status->classes.text, status->classes.len);
}

static void write_others(struct writing *writing, const struct terms *terms, size_t code_len) {
    uint8_t *item;
    if (terms->until != DAY_NO_END && (item = put_item(writing, ITEM_UNTIL, DAY_LEN)) != NULL)
        store_day(item, encode_day(terms->until));
    for (unsigned i = 0; i < terms->status_count; i++) {
        if (terms->statuses[i].classes.len > 0)
            write_status(writing, &terms->statuses[i], ITEM_CLASS_STATUS);
    }
    for (unsigned i = 0; i < terms->status_count; i++) {
        if (terms->statuses[i].classes.len == 0)
            write_status(writing, &terms->statuses[i], ITEM_STATUS);
    }
    for (unsigned i = 0; i < terms->code_count; i++) {
        if ((item = put_item(writing, ITEM_CODE, terms->codes[i].len)) != NULL)
            memcpy(item, terms->codes[i].text, terms->codes[i].len);
    }
    for (unsigned i = 0; i < terms->card_count; i++) {
        if ((item = put_item(writing, ITEM_CARD, 1 + code_len)) == NULL)
            return;
        item[0] = terms->cards[i].state;
        memcpy(item + 1, terms->cards[i].code, code_len);
    }
}

/* Writes the groups: one in the entry and the others in items, or two in the entry where there are
 * no items. */
static void write_groups(uint8_t *bytes, struct writing *writing, const struct terms *terms,
                         const uint32_t *sets, bool has_items) {
    unsigned in_entry = 0, place = BIT_GROUP_1;
    for (unsigned i = 0; i < terms->group_count; i++) {
        const struct class_group *group = &terms->groups[i];
        bool has_number = sets[i] != 0 || group->classes.len == 0;
        if (has_number && in_entry < (has_items ? 1u : 2u)) {
            const struct stored_group stored = {encode_day(group->from), encode_day(group->to),
                                                sets[i]};
            put_group(bytes, place, &stored);
            place = BIT_GROUP_2;
            in_entry++;
        } else if (has_number) {
            write_group_number(writing, group, sets[i]);
        }
    }
    if (in_entry == 0)
        put_group(bytes, BIT_GROUP_1, &no_group);
    if (in_entry < 2 && !has_items)
        put_group(bytes, BIT_GROUP_2, &no_group);
    for (unsigned i = 0; i < terms->group_count; i++) {
        if (sets[i] == 0 && terms->groups[i].classes.len > 0)
            write_group_text(writing, &terms->groups[i]);
    }
}

/* Whether the licence's fields can be stored. */
static bool are_storable(const struct terms *terms) {
    bool are = terms->status >= STATUS_VALID && terms->status < STATUS_COUNT &&
               day_is_storable(terms->since) && terms->since != DAY_NO_END &&
               day_is_storable(terms->until) && terms->until != DAY_UNKNOWN &&
               terms->until != DAY_NO_START &&
               (terms->until == DAY_NO_END || terms->status != STATUS_VALID) &&
               (terms->since == DAY_UNKNOWN || terms->since <= terms->until);
    for (unsigned i = 0; i < terms->group_count; i++) {
        const struct class_group *group = &terms->groups[i];
        are = are && day_is_storable(group->from) && day_is_storable(group->to) &&
              group->from <= group->to && group->from < DAY_NO_END && group->to != DAY_NO_START &&
              group->to != DAY_UNKNOWN;
    }
    for (unsigned i = 0; i < terms->status_count; i++) {
        const struct other_status *other = &terms->statuses[i];
        are = are && other->status >= STATUS_VALID && other->status < STATUS_WITHHELD &&
              day_is_storable(other->from) && day_is_storable(other->to) &&
              other->from <= other->to && other->from < DAY_NO_END && other->to != DAY_NO_START &&
              other->to != DAY_UNKNOWN;
    }
    for (unsigned i = 0; i < terms->card_count; i++)
        are = are && terms->cards[i].state >= CARD_FORMER && terms->cards[i].state <= CARD_STOLEN;
    if (terms->status == STATUS_WITHHELD)
        are = are && terms->since == DAY_UNKNOWN && terms->until == DAY_NO_END &&
              terms->group_count == 0 && terms->status_count == 0 && terms->card_count == 0 &&
              terms->code_count == 0;
    return are;
}

int terms_write(uint8_t bytes[DB_TERMS_LEN], uint8_t further[FURTHER_MAX], struct terms *terms,
                size_t code_len, class_set_number *number_of, void *context) {
    uint32_t sets[TERMS_GROUPS_MAX];
    struct writing writing = {.out = further};
    unsigned without_number = 0;
    if (!are_storable(terms))
        return ERR_FORMAT;
    sort_lists(terms);
    for (unsigned i = 0; i < terms->group_count; i++) {
        struct span classes = terms->groups[i].classes;
        sets[i] = classes.len == 0 ? 0 : number_of(context, classes);
        without_number += classes.len > 0 && sets[i] == 0;
    }
    bool has_items = terms->group_count > 2 || without_number > 0 || terms->until != DAY_NO_END ||
                     terms->status_count > 0 || terms->code_count > 0 || terms->card_count > 0;
    memset(bytes, 0, DB_TERMS_LEN);
    put_bits(bytes, BIT_KIND, ENTRY_LICENCE);
    put_bits(bytes, BIT_STATUS, terms->status);
    put_bits(bytes, BIT_SINCE, encode_day(terms->since));
    put_bits(bytes, BIT_MORE, has_items);
    write_groups(bytes, &writing, terms, sets, has_items);
    write_others(&writing, terms, code_len);
    return writing.is_full ? ERR_LIMIT : (int)writing.len;
}

/* --- reading ---------------------------------------------------------------------------------- */

struct item {
    unsigned type;
    const uint8_t *bytes;
    size_t len;
};

/* Takes the next item. False at the end, or where what is left is no item. */
static bool next_item(struct further *further, struct item *item) {
    if (further->len < ITEM_HEAD_LEN)
        return false;
    item->type = further->bytes[0];
    item->len = load_le16(further->bytes + 1);
    item->bytes = further->bytes + ITEM_HEAD_LEN;
    if (item->len > further->len - ITEM_HEAD_LEN)
        return false;
    further->bytes += ITEM_HEAD_LEN + item->len;
    further->len -= ITEM_HEAD_LEN + item->len;
    return true;
}

static struct span rest_of(const struct item *item, size_t at) {
    return (struct span){(const char *)item->bytes + at, item->len - at};
}

static bool read_group(struct terms *terms, uint32_t from, uint32_t to, struct span classes) {
    if (terms->group_count == TERMS_GROUPS_MAX || from > DAY_MASK || to > DAY_MASK)
        return false;
    terms->groups[terms->group_count++] =
        (struct class_group){decode_day(from), decode_day(to), classes};
    return true;
}

static bool read_stored_group(struct terms *terms, const struct stored_group *group,
                              const struct class_sets *sets) {
    return group->set <= sets->count &&
           read_group(terms, group->from, group->to, class_sets_text(sets, group->set));
}

static bool read_group_item(struct terms *terms, const struct item *item,
                            const struct class_sets *sets) {
    if (item->len < SPAN_OF_DAYS_LEN)
        return false;
    uint32_t from = load_day(item->bytes), to = load_day(item->bytes + DAY_LEN);
    if (item->type == ITEM_GROUP_TEXT) {
        struct span text = rest_of(item, SPAN_OF_DAYS_LEN);
        return class_set_is_valid(text) && read_group(terms, from, to, text);
    }
    if (item->len != SPAN_OF_DAYS_LEN + 2)
        return false;
    const struct stored_group group = {from, to, load_le16(item->bytes + SPAN_OF_DAYS_LEN)};
    return read_stored_group(terms, &group, sets);
}

static bool read_status(struct terms *terms, const struct item *item) {
    if (terms->status_count == TERMS_LIST_MAX || item->len < 1 + SPAN_OF_DAYS_LEN)
        return false;
    uint32_t from = load_day(item->bytes + 1), to = load_day(item->bytes + 1 + DAY_LEN);
    struct span classes = rest_of(item, 1 + SPAN_OF_DAYS_LEN);
    bool is_of_classes = item->type == ITEM_CLASS_STATUS;
    if (from > DAY_MASK || to > DAY_MASK ||
        (is_of_classes ? !class_set_is_valid(classes) : classes.len > 0))
        return false;
    terms->statuses[terms->status_count++] =
        (struct other_status){item->bytes[0], decode_day(from), decode_day(to), classes};
    return true;
}

static bool read_code(struct terms *terms, const struct item *item) {
    struct span text = rest_of(item, 0), codes;
    if (terms->code_count == TERMS_LIST_MAX || !class_set_is_valid(text) ||
        memchr(text.text, CLASS_SEPARATOR, text.len) != NULL)
        return false;
    codes = text;
    struct class_item class;
    if (!class_set_next(&codes, &class) || class.is_provisional || class.codes.len == 0)
        return false;
    terms->codes[terms->code_count++] = text;
    return true;
}

static bool read_card(struct terms *terms, const struct item *item, size_t code_len) {
    if (terms->card_count == TERMS_LIST_MAX || item->len != 1 + code_len || code_len == 0)
        return false;
    struct card_mark *card = &terms->cards[terms->card_count++];
    *card = (struct card_mark){.state = item->bytes[0]};
    memcpy(card->code, item->bytes + 1, code_len);
    return true;
}

static bool read_item(struct terms *terms, const struct item *item, const struct class_sets *sets,
                      size_t code_len) {
    switch (item->type) {
    case ITEM_GROUP:
    case ITEM_GROUP_TEXT:
        return read_group_item(terms, item, sets);
    case ITEM_UNTIL:
        if (item->len != DAY_LEN || load_day(item->bytes) > DAY_MASK)
            return false;
        terms->until = decode_day(load_day(item->bytes));
        return true;
    case ITEM_CLASS_STATUS:
    case ITEM_STATUS:
        return read_status(terms, item);
    case ITEM_CODE:
        return read_code(terms, item);
    case ITEM_CARD:
        return read_card(terms, item, code_len);
    default:
        return false;
    }
}

static uint32_t find_number(void *context, struct span text) {
    return class_sets_find(context, text);
}

/* Whether the terms are written as terms_write writes them. */
static bool is_canonical(const struct terms *terms, const uint8_t bytes[DB_TERMS_LEN],
                         struct further further, const struct class_sets *sets, size_t code_len) {
    uint8_t again[DB_TERMS_LEN], items[FURTHER_MAX] NOT_CLEARED, own[DB_TERMS_LEN];
    struct terms copy = *terms;
    struct class_sets dictionary = *sets;
    memcpy(own, bytes, DB_TERMS_LEN);
    if (terms_have_further(bytes))
        clear_group_2(own);
    int len = terms_write(again, items, &copy, code_len, find_number, &dictionary);
    return len == (int)further.len && memcmp(again, own, DB_TERMS_LEN) == 0 &&
           (len == 0 || memcmp(items, further.bytes, further.len) == 0);
}

bool terms_read(struct terms *terms, const uint8_t bytes[DB_TERMS_LEN], struct further further,
                const struct class_sets *sets, size_t code_len, bool is_whole) {
    struct stored_group first = get_group(bytes, BIT_GROUP_1);
    struct stored_group second = get_group(bytes, BIT_GROUP_2);
    struct further rest = further;
    struct item item;
    if (terms_kind(bytes) != ENTRY_LICENCE || further.len > FURTHER_MAX)
        return false;
    terms->status = (uint8_t)get_bits(bytes, BIT_STATUS, 3);
    terms->since = decode_day((uint32_t)get_bits(bytes, BIT_SINCE, DAY_BITS));
    terms->until = DAY_NO_END;
    terms->group_count = terms->status_count = terms->card_count = terms->code_count = 0;
    if (!is_no_group(&first) && !read_stored_group(terms, &first, sets))
        return false;
    if (!terms_have_further(bytes)) {
        if (further.len != 0 || (!is_no_group(&second) && !read_stored_group(terms, &second, sets)))
            return false;
    }
    while (next_item(&rest, &item)) {
        if (!read_item(terms, &item, sets, code_len))
            return false;
    }
    return rest.len == 0 &&
           (is_whole ? is_canonical(terms, bytes, further, sets, code_len) : are_storable(terms));
}

size_t further_len_without_cards(struct further further) {
    struct further rest = further;
    struct item item;
    size_t len = 0;
    while (next_item(&rest, &item) && item.type != ITEM_CARD)
        len = further.len - rest.len;
    return len;
}

uint8_t further_card(struct further further, const uint8_t *code, size_t code_len) {
    struct item item;
    uint8_t state = 0;
    while (next_item(&further, &item)) {
        if (item.type == ITEM_CARD && item.len == 1 + code_len &&
            memcmp(item.bytes + 1, code, code_len) == 0 && item.bytes[0] > state)
            state = item.bytes[0];
    }
    return state;
}

void terms_renumber(uint8_t bytes[DB_TERMS_LEN], uint8_t *further, size_t further_len,
                    class_set_renumber *renumber, void *context) {
    struct further rest = {further, further_len};
    struct item item;
    struct stored_group groups[2] = {get_group(bytes, BIT_GROUP_1), get_group(bytes, BIT_GROUP_2)};
    uint64_t at = terms_further_at(bytes);
    bool has_further = terms_have_further(bytes);
    groups[0].set = renumber(context, groups[0].set);
    memset(bytes + BIT_GROUP_1 / 8, 0, DB_TERMS_LEN - BIT_GROUP_1 / 8);
    put_group(bytes, BIT_GROUP_1, &groups[0]);
    if (has_further) {
        put_bits(bytes, BIT_GROUP_2, at / FURTHER_UNIT);
    } else {
        groups[1].set = renumber(context, groups[1].set);
        put_group(bytes, BIT_GROUP_2, &groups[1]);
    }
    while (next_item(&rest, &item)) {
        uint8_t *set = further + (item.bytes - further) + SPAN_OF_DAYS_LEN;
        if (item.type == ITEM_GROUP && item.len == SPAN_OF_DAYS_LEN + 2)
            store_le16(set, (uint16_t)renumber(context, load_le16(set)));
    }
}
