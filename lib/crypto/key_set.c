#include "crypto/key_set.h"

#include "base/bytes.h"
#include "base/file.h"
#include "crypto/key_kind.h"

#include <string.h>

#define KEY_FILE_MAX (KEY_SET_MAX * RSA_PEM_MAX)

int key_set_find(const struct key_set *set, const uint8_t *id, size_t id_len) {
    for (unsigned i = 0; i < set->count; i++) {
        if (memcmp(set->ids[i], id, id_len) == 0)
            return (int)i;
    }
    return -1;
}

int key_set_add(struct key_set *set, const struct rsa_public *key) {
    uint8_t id[SHA256_LEN];
    rsa_public_id(key, id);
    if (key_set_find(set, id, sizeof id) >= 0)
        return 0;
    if (set->count == KEY_SET_MAX)
        return ERR_LIMIT;
    set->keys[set->count] = *key;
    memcpy(set->ids[set->count++], id, sizeof id);
    return 0;
}

void key_set_of_private(struct key_set *set, const struct private_key_set *private) {
    memset(set, 0, sizeof *set);
    for (unsigned i = 0; i < private->count; i++)
        key_set_add(set, &private->keys[i].public);
}

/* --- files ------------------------------------------------------------------------------------ */

struct text {
    const char *text;
    size_t len;
};

#define BEGIN_MARK "-----BEGIN "
#define END_MARK "-----END "
#define DASHES "-----"

static const char *find(struct text text, size_t from, const char *mark) {
    return from < text.len ? memmem(text.text + from, text.len - from, mark, strlen(mark)) : NULL;
}

/* Takes the next PEM block off the text. 1; 0 where there is none; or ERR_FORMAT where it has no end. */
static int next_block(struct text *rest, struct text *block, struct error *error) {
    const char *begin = find(*rest, 0, BEGIN_MARK);
    if (begin == NULL)
        return 0;
    size_t at = (size_t)(begin - rest->text);
    const char *next = find(*rest, at + 1, BEGIN_MARK), *end = find(*rest, at, END_MARK);
    if (end != NULL && next != NULL && next < end)
        end = NULL;
    const char *dashes =
        end != NULL ? find(*rest, (size_t)(end - rest->text) + strlen(END_MARK), DASHES) : NULL;
    if (dashes == NULL)
        return error_set(error, ERR_FORMAT, "it is cut off (there is no " END_MARK "line)");
    *block = (struct text){begin, (size_t)(dashes - begin) + strlen(DASHES)};
    rest->len -= (size_t)(block->text + block->len - rest->text);
    rest->text = block->text + block->len;
    return 1;
}

static int check_bits(const struct rsa_public *key, unsigned bits_min, struct error *error) {
    if (rsa_bits(key) >= bits_min)
        return 0;
    return error_set(error, ERR_FORMAT, "the key has %u bits (want at least %u)", rsa_bits(key),
                     bits_min);
}

static int too_many(struct error *error) {
    return error_set(error, ERR_LIMIT, "these are more than %d keys", KEY_SET_MAX);
}

static int take_public(void *set, struct text block, unsigned bits_min, struct error *error) {
    struct rsa_public key;
    int code = rsa_public_read_pem(&key, block.text, block.len, error);
    if (code == 0)
        code = check_bits(&key, bits_min, error);
    return code == 0 && key_set_add(set, &key) != 0 ? too_many(error) : code;
}

static bool is_there(const struct private_key_set *set, const struct rsa_public *key) {
    uint8_t id[SHA256_LEN], other[SHA256_LEN];
    rsa_public_id(key, id);
    for (unsigned i = 0; i < set->count; i++) {
        rsa_public_id(&set->keys[i].public, other);
        if (memcmp(id, other, sizeof id) == 0)
            return true;
    }
    return false;
}

/* Each key is read into the place that it stays in. */
static int take_private(void *context, struct text block, unsigned bits_min, struct error *error) {
    struct private_key_set *set = context;
    struct rsa_private *key = &set->keys[set->count];
    if (set->count == KEY_SET_MAX)
        return too_many(error);
    int code = rsa_private_read_pem(key, block.text, block.len, error);
    if (code == 0)
        code = check_bits(&key->public, bits_min, error);
    if (code == 0 && is_there(set, &key->public))
        wipe(key, sizeof *key);
    else if (code == 0)
        set->count++;
    return code;
}

/* Calls `take` for each block of the text; where there is none, for all of it: reading that says what it
 * is instead. A text in which anything is wrong is refused as a whole. */
static int take_blocks(struct text text,
                       int (*take)(void *set, struct text block, unsigned bits_min,
                                   struct error *error),
                       void *set, unsigned bits_min, struct error *error) {
    struct text rest = text, block = text;
    struct error reason;
    int code = 0;
    for (unsigned number = 1; code == 0; number++) {
        code = next_block(&rest, &block, &reason);
        if (code == 0)
            return number == 1 ? take(set, text, bits_min, error) : 0;
        const char *kind = code < 0 ? key_kind(rest.text, rest.len, take == take_private) : NULL;
        if (kind != NULL)
            error_set(&reason, code, "no PEM key that is wanted: it is %s", kind);
        if (code > 0)
            code = take(set, block, bits_min, &reason);
        if (code != 0 && number == 1 && find(rest, 0, BEGIN_MARK) == NULL)
            return error_set(error, code, "%s", reason.text);
        if (code != 0)
            return error_set(error, code, "key %u in it: %.900s", number, reason.text);
    }
    return code;
}

int key_set_load(struct key_set *set, const char *const *paths, unsigned path_count,
                 unsigned bits_min, struct error *error) {
    char text[KEY_FILE_MAX];
    memset(set, 0, sizeof *set);
    for (unsigned i = 0; i < path_count; i++) {
        ssize_t len = file_read(paths[i], text, sizeof text, error);
        if (len < 0)
            return (int)len;
        int code = take_blocks((struct text){text, (size_t)len}, take_public, set, bits_min, error);
        if (code != 0)
            return error_prefix(error, code, paths[i]);
    }
    return 0;
}

int private_key_set_load(struct private_key_set *set, const char *const *paths, unsigned path_count,
                         unsigned bits_min, struct error *error) {
    char text[KEY_FILE_MAX];
    int code = 0;
    memset(set, 0, sizeof *set);
    for (unsigned i = 0; i < path_count && code == 0; i++) {
        ssize_t len = file_read_secret(paths[i], text, sizeof text, error);
        code = len < 0 ? (int)len
                       : take_blocks((struct text){text, (size_t)len}, take_private, set, bits_min,
                                     error);
        if (len >= 0 && code != 0)
            error_prefix(error, code, paths[i]);
        wipe(text, sizeof text);
    }
    if (code != 0)
        wipe(set, sizeof *set);
    return code;
}
