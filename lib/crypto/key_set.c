#include "crypto/key_set.h"

#include "base/bytes.h"
#include "base/file.h"

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

/* Takes the next PEM block of this kind, "PUBLIC KEY", off the text. False where there is none. */
static bool next_block(struct text *rest, const char *kind, struct text *block) {
    static const char mark[] = "-----END ";
    const char *end;
    while ((end = memmem(rest->text, rest->len, mark, sizeof mark - 1)) != NULL) {
        size_t left = rest->len - (size_t)(end - rest->text);
        const char *line_end = memchr(end, '\n', left);
        size_t line_len = line_end != NULL ? (size_t)(line_end - end) + 1 : left;
        *block = (struct text){rest->text, rest->len - left + line_len};
        rest->text += block->len;
        rest->len -= block->len;
        if (memmem(end, line_len, kind, strlen(kind)) != NULL)
            return true;
    }
    return false;
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

/* Where a text has no block, reading all of it says what it is instead. */
static int add_public(struct key_set *set, struct text text, unsigned bits_min,
                      struct error *error) {
    struct text rest = text, block = text;
    struct rsa_public key;
    int code = 0;
    if (!next_block(&rest, "PUBLIC KEY", &block))
        block = text;
    do {
        code = rsa_public_read_pem(&key, block.text, block.len, error);
        if (code == 0)
            code = check_bits(&key, bits_min, error);
        if (code == 0 && key_set_add(set, &key) != 0)
            code = too_many(error);
    } while (code == 0 && next_block(&rest, "PUBLIC KEY", &block));
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
        int code = add_public(set, (struct text){text, (size_t)len}, bits_min, error);
        if (code != 0)
            return error_prefix(error, code, paths[i]);
    }
    return 0;
}

/* --- private ones ----------------------------------------------------------------------------- */

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
static int add_private(struct private_key_set *set, struct text text, unsigned bits_min,
                       struct error *error) {
    struct text rest = text, block = text;
    int code = 0;
    if (!next_block(&rest, "PRIVATE KEY", &block))
        block = text;
    do {
        struct rsa_private *key = &set->keys[set->count];
        if (set->count == KEY_SET_MAX)
            return too_many(error);
        code = rsa_private_read_pem(key, block.text, block.len, error);
        if (code == 0)
            code = check_bits(&key->public, bits_min, error);
        if (code == 0 && is_there(set, &key->public))
            wipe(key, sizeof *key);
        else if (code == 0)
            set->count++;
    } while (code == 0 && next_block(&rest, "PRIVATE KEY", &block));
    return code;
}

int private_key_set_load(struct private_key_set *set, const char *const *paths, unsigned path_count,
                         unsigned bits_min, struct error *error) {
    char text[KEY_FILE_MAX];
    int code = 0;
    memset(set, 0, sizeof *set);
    for (unsigned i = 0; i < path_count && code == 0; i++) {
        ssize_t len = file_read(paths[i], text, sizeof text, error);
        code = len < 0 ? (int)len
                       : add_private(set, (struct text){text, (size_t)len}, bits_min, error);
        if (len >= 0 && code != 0)
            error_prefix(error, code, paths[i]);
        wipe(text, sizeof text);
    }
    if (code != 0)
        wipe(set, sizeof *set);
    return code;
}
