#include "client/sync.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A failure of this machine's own: no other server can help. */
static enum link_result fail_here(struct session_talk *talk, const char *what) {
    error_set_errno(talk->error, "%s", what);
    return LINK_REFUSED;
}

static void report(const struct sync *sync, uint64_t done, uint64_t total) {
    if (sync->progress != NULL)
        sync->progress(done, total);
}

/* Waits until no more than `rate` bytes a second have come. */
static void slow_down(const struct sync *sync) {
    if (sync->rate == 0)
        return;
    int64_t due_ms = sync->started_ms + (int64_t)(sync->fetched * 1000 / sync->rate);
    int64_t wait_ms = due_ms - net_now_ms();
    const struct timespec pause = {(time_t)(wait_ms / 1000), (long)(wait_ms % 1000 * 1000000)};
    if (wait_ms > 0)
        nanosleep(&pause, NULL);
}

/* Fetches `len` bytes, at most DB_CHUNK, to sync->buffer. */
static enum link_result fetch(struct sync *sync, struct session_talk *talk, enum question_what what,
                              const uint8_t *id, uint64_t offset, size_t len) {
    slow_down(sync);
    talk->deadline_ms = net_now_ms() + talk->extension_ms;
    enum link_result result = client_session_fetch_sync(talk, what, id, offset, sync->buffer, len);
    if (result == LINK_DONE)
        sync->fetched += len;
    return result;
}

/* --- lists of changes --------------------------------------------------------------------------- */

/* A list that begins at `at` in the file of lists. */
struct place {
    uint64_t at;
    struct changes_head head;
    struct db_header to;
};

/* Reads the heads of the list at place->at. False where there is no such, from this release, so far. */
static bool read_heads(const struct sync *sync, struct place *place, const uint8_t *from_id) {
    uint8_t heads[CHANGES_DICTIONARY];
    struct error error;
    return file_read_at(sync->lists_fd, heads, sizeof heads, place->at) == 0 &&
           changes_head_decode(&place->head, heads, &error) == 0 &&
           memcmp(place->head.from_id, from_id, SHA256_LEN) == 0 &&
           db_header_decode(&place->to, heads + CHANGES_HEAD_LEN, &error) == 0;
}

/* Whether the list is as it was made. */
static bool is_whole(struct sync *sync, const struct place *place) {
    uint64_t end = place->at + changes_len(&place->head);
    uint8_t digest[SHA256_LEN];
    struct sha256 hash;
    sha256_init(&hash);
    for (uint64_t at = place->at + CHANGES_HEAD_LEN; at < end;) {
        size_t len = end - at < DB_CHUNK ? (size_t)(end - at) : DB_CHUNK;
        if (file_read_at(sync->lists_fd, sync->buffer, len, at) != 0)
            return false;
        sha256_update(&hash, sync->buffer, len);
        at += len;
    }
    sha256_out(&hash, digest);
    return memcmp(digest, place->head.sha256, SHA256_LEN) == 0;
}

/* Fetches the heads of the list that leads on from a release. LINK_CHANGED: there is none. */
static enum link_result fetch_heads(struct sync *sync, struct session_talk *talk,
                                    struct place *place, const uint8_t *from_id) {
    enum link_result result = fetch(sync, talk, WHAT_CHANGES, from_id, 0, CHANGES_DICTIONARY);
    if (result != LINK_DONE)
        return result;
    if (ftruncate(sync->lists_fd, (off_t)place->at) != 0 ||
        file_write_at(sync->lists_fd, sync->buffer, CHANGES_DICTIONARY, place->at) != 0)
        return fail_here(talk, "the list of changes cannot be written");
    return read_heads(sync, place, from_id)
               ? LINK_DONE
               : link_fail(talk->link, LINK_DISTRUSTED, talk->error, "its list of changes is none");
}

/* Fetches the rest of a list, behind what is there. */
static enum link_result fetch_rest(struct sync *sync, struct session_talk *talk,
                                   const struct place *place) {
    uint64_t total = changes_len(&place->head);
    off_t end = lseek(sync->lists_fd, 0, SEEK_END);
    uint64_t have = end > (off_t)place->at ? (uint64_t)end - place->at : 0;
    have = have < total ? have / SYNC_UNIT * SYNC_UNIT : total;
    while (have < total) {
        size_t len = total - have < DB_CHUNK ? (size_t)(total - have) : DB_CHUNK;
        report(sync, have, total);
        enum link_result result = fetch(sync, talk, WHAT_CHANGES, place->head.from_id, have, len);
        if (result != LINK_DONE)
            return result;
        if (file_write_at(sync->lists_fd, sync->buffer, len, place->at + have) != 0)
            return fail_here(talk, "the list of changes cannot be written");
        have += len;
    }
    if (is_whole(sync, place))
        return LINK_DONE;
    return link_fail(talk->link, LINK_DISTRUSTED, talk->error, "its list of changes is damaged");
}

/* Fetches the lists that lead from the own release to the server's. LINK_CHANGED: there are none, or they are not
 * worth it. */
static enum link_result fetch_lists(struct sync *sync, struct session_talk *talk) {
    struct place place = {.at = 0};
    uint8_t from_id[SHA256_LEN];
    uint64_t sequence = sync->own->facts.sequence;
    memcpy(from_id, sync->own->id, SHA256_LEN);
    for (unsigned i = 0; i < SYNC_LISTS_MAX; i++) {
        enum link_result result = LINK_DONE;
        if (!read_heads(sync, &place, from_id))
            result = fetch_heads(sync, talk, &place, from_id);
        if (result == LINK_DONE &&
            (place.to.facts.sequence > sync->header.facts.sequence ||
             place.to.facts.sequence <= sequence ||
             !release_is_same_register(&place.to.facts, &sync->header.facts) ||
             place.at + changes_len(&place.head) > db_file_len(&sync->header) / 2))
            return LINK_CHANGED;
        if (result == LINK_DONE)
            result = fetch_rest(sync, talk, &place);
        if (result != LINK_DONE)
            return result;
        place.at += changes_len(&place.head);
        sequence = place.to.facts.sequence;
        memcpy(from_id, place.to.id, SHA256_LEN);
        if (memcmp(from_id, sync->header.id, SHA256_LEN) == 0)
            return ftruncate(sync->lists_fd, (off_t)place.at) == 0
                       ? LINK_DONE
                       : fail_here(talk, "the list of changes cannot be written");
    }
    return LINK_CHANGED;
}

/* --- the whole file ----------------------------------------------------------------------------- */

/* Fetches the digests of chunks. */
static enum link_result fetch_digests(struct sync *sync, struct session_talk *talk) {
    const struct db_section *section = &sync->header.sections[DB_CHUNKS];
    uint8_t digest[SHA256_LEN];
    free(sync->digests);
    sync->digests = malloc((size_t)section->len);
    if (sync->digests == NULL)
        return fail_here(talk, "the digests of chunks");
    for (uint64_t at = 0; at < section->len;) {
        size_t len = section->len - at < DB_CHUNK ? (size_t)(section->len - at) : DB_CHUNK;
        enum link_result result =
            fetch(sync, talk, WHAT_RELEASE, sync->header.id, section->offset + at, len);
        if (result != LINK_DONE)
            return result;
        memcpy(sync->digests + at, sync->buffer, len);
        at += len;
    }
    sha256(digest, sync->digests, (size_t)section->len);
    return memcmp(digest, sync->header.chunks_sha256, SHA256_LEN) == 0
               ? LINK_DONE
               : link_fail(talk->link, LINK_DISTRUSTED, talk->error,
                           "the digests of its chunks are not those that were signed");
}

/* Whether the file has this chunk, which is then in sync->buffer. */
static bool has_chunk(struct sync *sync, int fd, uint64_t at, size_t len, const uint8_t *digest) {
    uint8_t own[SHA256_LEN];
    if (fd < 0 || file_read_at(fd, sync->buffer, len, at) != 0)
        return false;
    sha256(own, sync->buffer, len);
    return memcmp(own, digest, SHA256_LEN) == 0;
}

/* Brings a chunk into the file: it is there already, the own release has the same, or it is fetched. */
static enum link_result bring_chunk(struct sync *sync, struct session_talk *talk, uint64_t at,
                                    size_t len, const uint8_t *digest) {
    if (has_chunk(sync, sync->whole_fd, at, len, digest))
        return LINK_DONE;
    if (!has_chunk(sync, sync->own_fd, at, len, digest)) {
        uint8_t own[SHA256_LEN];
        enum link_result result = fetch(sync, talk, WHAT_RELEASE, sync->header.id, at, len);
        if (result != LINK_DONE)
            return result;
        sha256(own, sync->buffer, len);
        if (memcmp(own, digest, SHA256_LEN) != 0)
            return link_fail(talk->link, LINK_DISTRUSTED, talk->error,
                             "a chunk of its release is not the one that was signed");
    }
    return file_write_at(sync->whole_fd, sync->buffer, len, at) == 0
               ? LINK_DONE
               : fail_here(talk, "the release cannot be written");
}

/* Sees to it that there is room, before anything is fetched. */
static bool make_room(struct sync *sync) {
    uint64_t len = db_file_len(&sync->header);
    if (sync->room == len)
        return true;
    int code = ftruncate(sync->whole_fd, (off_t)len) == 0
                   ? posix_fallocate(sync->whole_fd, 0, (off_t)len)
                   : errno;
    errno = code;
    if (code != 0 && code != EOPNOTSUPP && code != EINVAL)
        return false;
    sync->room = len;
    return true;
}

static enum link_result fetch_whole(struct sync *sync, struct session_talk *talk,
                                    const struct known_release *release) {
    const struct db_section *section = &sync->header.sections[DB_CHUNKS];
    uint64_t end = section->offset, at = DB_HEAD_LEN;
    if (!make_room(sync))
        return fail_here(talk, "there is no room for the release");
    enum link_result result = fetch_digests(sync, talk);
    for (size_t chunk = 0; result == LINK_DONE && at < end; chunk++, at += DB_CHUNK) {
        size_t len = end - at < DB_CHUNK ? (size_t)(end - at) : DB_CHUNK;
        report(sync, at, end);
        result = bring_chunk(sync, talk, at, len, sync->digests + chunk * SHA256_LEN);
    }
    if (result == LINK_DONE &&
        (file_write_at(sync->whole_fd, sync->digests, (size_t)section->len, section->offset) != 0 ||
         file_write_at(sync->whole_fd, release->head, DB_HEAD_LEN, 0) != 0))
        result = fail_here(talk, "the release cannot be written");
    free(sync->digests);
    sync->digests = NULL;
    return result;
}

/* --- both ----------------------------------------------------------------------------------------- */

enum link_result sync_fetch(void *context, struct session_talk *talk,
                            const struct known_release *release) {
    struct sync *sync = context;
    enum link_result result = LINK_CHANGED;
    sync->header = release->header;
    if (sync->started_ms == 0)
        sync->started_ms = net_now_ms();
    sync->outcome = SYNC_NOTHING;
    const struct db_header *own = sync->own;
    bool is_same = own != NULL && memcmp(own->id, release->header.id, SHA256_LEN) == 0;
    if (is_same && !sync->is_own_damaged)
        return LINK_DONE;
    if (own != NULL && !is_same && own->facts.sequence >= release->header.facts.sequence)
        return link_fail(talk->link, LINK_NOT_BELIEVED, talk->error,
                         "its release is not later than the one that is here");
    if (own != NULL && !release_is_same_register(&own->facts, &release->header.facts))
        return link_fail(talk->link, LINK_NOT_BELIEVED, talk->error,
                         "it has another register than the one that is here");
    sync->outcome = SYNC_LISTS;
    if (own != NULL && !sync->is_own_damaged && !sync->without_lists)
        result = fetch_lists(sync, talk);
    /* Lists that are of no use, or damaged, keep nobody from the whole. */
    if (result == LINK_DISTRUSTED)
        sync->without_lists = true;
    else if (result != LINK_CHANGED)
        return result;
    sync->outcome = SYNC_WHOLE;
    return fetch_whole(sync, talk, release);
}
