#include "client/offline.h"

#include "wire/respond.h"

#include <string.h>

int offline_open(struct offline *offline, const struct offline_settings *settings, int64_t now_s,
                 struct error *error) {
    struct db *db = &offline->db;
    offline->settings = *settings;
    int code = db_open(db, settings->path, settings->authorities, error);
    if (code != 0)
        return code;
    code = known_release_of_file(&offline->release, db, error);
    if (code != 0)
        error_prefix(error, code, settings->path);
    if (code == 0)
        code = db_check_lookup_key(&db->header, settings->lookup_key, settings->path, error);
    if (code == 0)
        code = trust_release(settings->trust, settings->path, &offline->release, 0, now_s, error);
    db_expect_few(db);
    if (code != 0)
        offline_close(offline);
    return code;
}

/* Takes what an answer points into out of the file, before it is checked. */
static void take_copies(struct offline *offline) {
    for (unsigned i = 0; i < offline->answer.count; i++) {
        struct proof *proof = &offline->answer.proofs[i];
        for (unsigned e = 0; e < proof->entry_count; e++) {
            struct further *further = &proof->entries[e].further;
            if (further->len > 0)
                memcpy(offline->further[i][e], further->bytes, further->len);
            further->bytes = offline->further[i][e];
        }
    }
}

/* Answers `count` items of the bundle from `first` on. */
static int ask_some(struct offline *offline, struct bundle *bundle, unsigned first, unsigned count,
                    int64_t now_s, struct error *error) {
    const struct response_source source = {
        .db = &offline->db, .lookup_key = offline->settings.lookup_key, .now_s = now_s};
    struct question *question = &offline->question;
    struct answer *answer = &offline->answer;
    question->what = WHAT_PROOFS;
    question->offset = 0;
    question->count = count;
    memcpy(question->release_id, offline->release.header.id, SHA256_LEN);
    memcpy(question->items, bundle->items + first, count * sizeof *question->items);
    respond_fill(&source, question, offline->release.held.level, answer);
    answer->server_time_s = 0;
    take_copies(offline);
    int code = trust_answer(offline->settings.trust, offline->settings.path, &offline->release,
                            question, answer, now_s, error);
    if (code != 0)
        return code;
    bundle_keep(bundle, first, answer, true);
    return 0;
}

int offline_ask(struct offline *offline, struct bundle *bundle, int64_t now_s,
                struct error *error) {
    unsigned max = QUESTION_PROVED_MAX;
    struct error reason;
    int code = 0;
    bundle_begin(bundle, offline->release.header.id);
    for (unsigned first = 0; first < bundle->count && code == 0; first += max) {
        unsigned left = bundle->count - first;
        code = ask_some(offline, bundle, first, left < max ? left : max, now_s, &reason);
    }
    /* Nobody but the file can be at fault: it was signed, so it has changed since. */
    const char *cause =
        code == ERR_LIMIT || code == ERR_CONFLICT ? "" : " (the database is damaged)";
    return code == 0 ? 0 : error_set(error, code, "%.900s%s", reason.text, cause);
}

void offline_close(struct offline *offline) {
    known_release_forget(&offline->release);
    db_close(&offline->db);
}
