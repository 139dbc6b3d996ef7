#include "client/kept.h"

#include "base/bytes.h"
#include "base/file.h"
#include "base/format.h"
#include "base/text.h"
#include "crypto/hkdf.h"
#include "crypto/rsa_key.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct file_kind kept_file_kind = {
    .what = "a state file of dlv", .mode = 0600, .is_private = true};

#define NAME_BYTES 8       /* of the server key's id */
#define FIRST_SERVER_S 600 /* how long who answered last is the first to be asked */

/* The place of a kept file. */
struct place {
    char path[PATH_MAX];
    uint8_t key_id[SHA256_LEN];
};

static bool find_place(struct place *place, const char *folder, const char *ending,
                       const struct rsa_public *server_key) {
    char name[2 * NAME_BYTES + 1];
    rsa_public_id(server_key, place->key_id);
    hex_encode(name, place->key_id, NAME_BYTES);
    return format_text(place->path, sizeof place->path, "%s/%s.%s", folder, name, ending) <
           sizeof place->path;
}

/* --- the session ------------------------------------------------------------------------------ */

#define SALT_LEN 32

/* What is sealed. It is written and read on the same machine, as it is in memory. */
struct kept_session {
    struct session keys;
    int64_t opened_s; /* by this machine's clock, as the next one */
    int64_t answered_s;
    char server[LINK_SERVER_SIZE];
};

/* A whole file. Secret: wipe after use. */
struct sealed_session {
    uint8_t salt[SALT_LEN];
    struct kept_session kept;
    uint8_t tag[AEAD_TAG_LEN];
};

static const char purpose[] = "dlv kept session 2";

/* Each file has a key of its own, so its nonce may be zeros. */
static const uint8_t nonce[AEAD_NONCE_LEN];

static void derive_key(uint8_t key[AEAD_KEY_LEN], const struct sealed_session *file,
                       const struct rsa_private *kiosk) {
    hkdf_sha256(key, AEAD_KEY_LEN, file->salt, SALT_LEN, kiosk->key.p, kiosk->key.plen, purpose,
                sizeof purpose - 1);
}

void kept_session_save(const char *folder, const struct client_session *session,
                       const struct rsa_public *server_key, const struct rsa_private *kiosk,
                       const char *server, struct random *random) {
    struct sealed_session file;
    struct place place;
    struct error error;
    uint8_t key[AEAD_KEY_LEN];
    if (!find_place(&place, folder, "session", server_key))
        return;
    memset(&file, 0, sizeof file);
    random_bytes(random, file.salt, SALT_LEN);
    file.kept.keys = session->keys;
    file.kept.opened_s = session->opened_s;
    file.kept.answered_s = time(NULL);
    format_text(file.kept.server, sizeof file.kept.server, "%s", server);
    derive_key(key, &file, kiosk);
    aead_seal(key, nonce, place.key_id, SHA256_LEN, &file.kept, sizeof file.kept, file.tag);
    file_write(place.path, &file, sizeof file, &kept_file_kind, REPLACE_KIND, &error);
    wipe(key, sizeof key);
    wipe(&file, sizeof file);
}

static bool open_sealed(struct sealed_session *file, const struct place *place,
                        const struct rsa_private *kiosk) {
    uint8_t key[AEAD_KEY_LEN];
    derive_key(key, file, kiosk);
    bool is_good =
        aead_open(key, nonce, place->key_id, SHA256_LEN, &file->kept, sizeof file->kept, file->tag);
    wipe(key, sizeof key);
    return is_good;
}

/* Takes a session that has not come to the end of its life, or can be renewed. */
static bool take_session(struct client_session *session, const struct kept_session *kept) {
    int64_t age_s = time(NULL) - kept->opened_s;
    /* The clock was set back: how old it is nobody knows, but the server. */
    if (age_s < 0)
        age_s = kept->keys.lifetime_s;
    if (age_s > INT32_MAX)
        return false;
    session->keys = kept->keys;
    client_session_begin(session, kept->opened_s, age_s * 1000);
    return session->is_open || session->renewable_ms > net_now_ms();
}

bool kept_session_load(const char *folder, struct client_session *session,
                       const struct rsa_public *server_key, const struct rsa_private *kiosk,
                       char server[LINK_SERVER_SIZE]) {
    struct sealed_session file;
    struct place place;
    struct error error;
    *server = '\0';
    bool is_there =
        find_place(&place, folder, "session", server_key) &&
        file_read_secret(place.path, &file, sizeof file, &error) == (ssize_t)sizeof file &&
        open_sealed(&file, &place, kiosk) && take_session(session, &file.kept);
    if (is_there && time(NULL) - file.kept.answered_s < FIRST_SERVER_S)
        memcpy(server, file.kept.server, LINK_SERVER_SIZE);
    wipe(&file, sizeof file);
    return is_there;
}

/* --- the release ------------------------------------------------------------------------------ */

/* The file holds the head, the dictionary, and the nodes where they are known. */
#define KEPT_DICTIONARY_MAX 65536
#define KEPT_MAX (DB_HEAD_LEN + KEPT_DICTIONARY_MAX + MERKLE_HELD_MAX * MERKLE_NODE_LEN)

void kept_release_save(const char *folder, const struct known_release *release,
                       const struct rsa_public *server_key) {
    uint64_t dictionary_len = release->header.sections[DB_DICTIONARY].len;
    struct place place;
    struct error error;
    uint8_t *bytes = dictionary_len <= KEPT_DICTIONARY_MAX ? malloc(KEPT_MAX) : NULL;
    if (bytes == NULL)
        return;
    size_t len = DB_HEAD_LEN + (size_t)dictionary_len;
    memcpy(bytes, release->head, DB_HEAD_LEN);
    memcpy(bytes + DB_HEAD_LEN, release->dictionary, (size_t)dictionary_len);
    if (release->has_nodes) {
        size_t nodes_len = (size_t)release->held.count * MERKLE_NODE_LEN;
        memcpy(bytes + len, release->nodes, nodes_len);
        len += nodes_len;
    }
    if (find_place(&place, folder, "release", server_key))
        file_write(place.path, bytes, len, &kept_file_kind, REPLACE_KIND, &error);
    free(bytes);
}

/* Takes what a file holds, and checks all of it. */
static bool take_release(struct known_release *release, const uint8_t *bytes, size_t len,
                         const struct key_set *authorities) {
    struct error error;
    if (len < DB_HEAD_LEN)
        return false;
    memcpy(release->head, bytes, DB_HEAD_LEN);
    if (known_release_take_head(release, &error) != 0 ||
        db_header_verify(&release->header, release->head + DB_SIGNATURES, authorities, &error) != 0)
        return false;
    size_t dictionary_len = (size_t)release->header.sections[DB_DICTIONARY].len;
    bytes += DB_HEAD_LEN;
    len -= DB_HEAD_LEN;
    if (len < dictionary_len)
        return false;
    release->dictionary = malloc(dictionary_len + 1);
    if (release->dictionary == NULL)
        return false;
    memcpy(release->dictionary, bytes, dictionary_len);
    if (known_release_take_dictionary(release, dictionary_len, &error) != 0)
        return false;
    bytes += dictionary_len;
    len -= dictionary_len;
    if (len > sizeof release->nodes)
        return false;
    memcpy(release->nodes, bytes, len);
    return len == 0 || known_release_take_nodes(release, len, &error) == 0;
}

bool kept_release_load(const char *folder, struct known_release *release,
                       const struct rsa_public *server_key, const struct key_set *authorities) {
    struct place place;
    struct error error;
    uint8_t *bytes = malloc(KEPT_MAX);
    if (bytes == NULL)
        return false;
    ssize_t len = find_place(&place, folder, "release", server_key)
                      ? file_read_secret(place.path, bytes, KEPT_MAX, &error)
                      : -1;
    known_release_forget(release);
    release->is_known = len >= 0 && take_release(release, bytes, (size_t)len, authorities);
    if (!release->is_known)
        known_release_forget(release);
    free(bytes);
    return release->is_known;
}
