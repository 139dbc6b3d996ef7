#include "client/offline.h"

#include "db/find.h"

#include <string.h>

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

static void prove(const struct offline *offline, const struct question *question,
                  struct answer *answer) {
    uint8_t key[DB_KEY_LEN];
    for (unsigned i = 0; i < question->count; i++) {
        lookup_key_apply(offline->settings.lookup_key, question->digests + i * SHA256_LEN, key);
        db_prove(&offline->db, key, &answer->proofs[i]);
    }
    answer->header_page = offline->db.map;
    answer->brings |= WISH_PROOF;
}

int offline_ask(struct offline *offline, struct question *question, int64_t now_s,
                struct answer *answer, struct error *error) {
    const struct db *db = &offline->db;
    const struct release_facts *facts = &db->header.facts;
    struct trust *trust = offline->settings.trust;
    bool is_proved = trust->policy.authority != NULL;
    question->wishes = is_proved ? WISH_INFO | WISH_PROOF : WISH_INFO;
    answer->facts = *facts;
    answer->server_time_s = now_s;
    answer->status = release_is_stale(facts, now_s) ? ANSWER_STALE : ANSWER_GOOD;
    answer->brings = WISH_INFO;
    answer->count = question->count;
    db_ask_batch(db, offline->settings.lookup_key, question->digests, question->count,
                 question->kind, moment_day(&question->at, facts->utc_offset_s), answer->entries);
    if (is_proved)
        prove(offline, question, answer);
    struct error reason;
    int code = trust_answer(trust, offline->settings.path, question, answer, now_s, &reason);
    /* Nobody but the file can be at fault: it was signed, so it has changed since. */
    const char *cause = code == ERR_LIMIT ? "" : " (the database is damaged)";
    return code == 0 ? 0 : error_set(error, code, "%.900s%s", reason.text, cause);
}

void offline_close(struct offline *offline) {
    db_close(&offline->db);
}
