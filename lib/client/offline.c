#include "client/offline.h"

#include "wire/respond.h"

int offline_open(struct offline *offline, const struct offline_settings *settings, int64_t now_s,
                 struct error *error) {
    struct db *db = &offline->db;
    offline->settings = *settings;
    int code = db_open(db, settings->path, settings->authority, error);
    if (code != 0)
        return code;
    code = db_check_lookup_key(&db->header, settings->lookup_key, settings->path, error);
    if (code == 0)
        code = trust_release(settings->trust, settings->path, &db->header.facts, now_s, error);
    if (code == 0 && !settings->is_quick)
        code = db_verify(db, settings->thread_count, settings->path, error);
    if (code != 0)
        db_close(db);
    return code;
}

int offline_ask(struct offline *offline, struct question *question, int64_t now_s,
                struct answer *answer, struct error *error) {
    struct trust *trust = offline->settings.trust;
    const struct response_source source = {
        .db = &offline->db, .lookup_key = offline->settings.lookup_key, .now_s = now_s};
    bool is_proved = trust->policy.authority != NULL;
    question->wishes = is_proved ? WISH_INFO | WISH_PROOF : WISH_INFO;
    respond_fill(&source, question, answer);
    struct error reason;
    int code = trust_answer(trust, offline->settings.path, question, answer, now_s, &reason);
    /* Nobody but the file can be at fault: it was signed, so it has changed since. */
    const char *cause = code == ERR_LIMIT ? "" : " (the database is damaged)";
    return code == 0 ? 0 : error_set(error, code, "%.900s%s", reason.text, cause);
}

void offline_close(struct offline *offline) {
    db_close(&offline->db);
}
