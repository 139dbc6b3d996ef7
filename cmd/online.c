#include "online.h"

#include "applet.h"

#include "base/bytes.h"
#include "client/state.h"
#include "crypto/rsa_key.h"
#include "db/open.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

/* --- what an answer must stand ---------------------------------------------------------------- */

/* Older databases than have been seen are not believed. */
static int check_sequence(struct online *online, const struct answer *answer, struct error *error) {
    if (answer->sequence < online->sequence_seen)
        return error_set(error, ERR_CONFLICT,
                         "its database has sequence number %llu, but %llu has been seen before",
                         (unsigned long long)answer->sequence,
                         (unsigned long long)online->sequence_seen);
    if (online->settings.state_folder != NULL && answer->brings & WISH_INFO) {
        int code = client_state_check(online->settings.state_folder, answer->authority_id,
                                      answer->sequence, error);
        if (code != 0)
            return code;
    }
    online->sequence_seen = answer->sequence;
    return 0;
}

static int check_age(const struct online *online, const struct answer *answer,
                     struct error *error) {
    const struct db_header header = {.valid_until_s = answer->valid_until_s};
    return db_check_valid_until(&header, "its database",
                                (int64_t)time(NULL) - online->settings.stale_ok_s, error);
}

/* The header page, as the authority has signed it, and every entry's proof. */
static int check_proofs(struct online *online, const struct question *question,
                        const struct answer *answer, struct error *error) {
    const struct lookup_key *lookup_key =
        online->settings.lookup_key_path != NULL ? &online->lookup_key : NULL;
    struct db_header header;
    int code = db_header_decode(&header, answer->header_page, error);
    if (code == 0)
        code = db_header_verify(&header, answer->header_page, &online->authority, error);
    if (code == 0)
        code = db_check_lookup_key(&header, lookup_key, "its database", error);
    if (code != 0)
        return code;
    if (header.sequence != answer->sequence || header.valid_until_s != answer->valid_until_s ||
        header.created_s != answer->created_s || header.utc_offset_s != answer->utc_offset_s ||
        memcmp(&header.class_names, &answer->class_names, sizeof header.class_names) != 0 ||
        memcmp(header.authority_id, answer->authority_id, SHA256_LEN) != 0)
        return error_set(error, ERR_CONFLICT, "its answer and the header it proves it by differ");
    for (unsigned i = 0; i < answer->count; i++) {
        const struct db_answer *entry = &answer->entries[i];
        struct licence licence;
        int is_found = proof_answer(&header, lookup_key, question->digests + i * SHA256_LEN,
                                    question->kind, &answer->proofs[i], &licence, error);
        if (is_found < 0)
            return is_found;
        if (is_found != entry->is_found ||
            (is_found && memcmp(&licence, &entry->licence, sizeof licence) != 0))
            return error_set(error, ERR_SIGNATURE, "its answer is not what its proof proves");
    }
    return 0;
}

static int check(void *context, const struct question *question, const struct answer *answer,
                 struct error *error) {
    struct online *online = context;
    int code = check_age(online, answer, error);
    if (code == 0 && online->settings.proves)
        code = check_proofs(online, question, answer, error);
    return code == 0 ? check_sequence(online, answer, error) : code;
}

/* --- asking ----------------------------------------------------------------------------------- */

int online_open(struct online *online, const struct online_settings *settings) {
    struct error error;
    online->settings = *settings;
    if (settings->state_folder != NULL && access(settings->state_folder, W_OK | X_OK) != 0)
        return trouble("--state %s: %m", settings->state_folder);
    if (rsa_public_load(&online->server_key, settings->server_key_path, 2048, &error) != 0 ||
        (settings->kiosk_key_path != NULL &&
         rsa_private_load(&online->kiosk, settings->kiosk_key_path, 2048, &error) != 0) ||
        (settings->authority_path != NULL &&
         rsa_public_load(&online->authority, settings->authority_path, 2048, &error) != 0) ||
        (settings->lookup_key_path != NULL &&
         lookup_key_load(&online->lookup_key, settings->lookup_key_path, &error) != 0))
        return trouble("%s", error.text);
    const struct client_settings client = {
        .servers = settings->servers,
        .server_key = &online->server_key,
        .kiosk = settings->kiosk_key_path != NULL ? &online->kiosk : NULL,
        .is_udp = settings->is_udp,
        .timeout_ms = settings->timeout_ms,
        .max_skew_s = settings->max_skew_s,
        .check = check,
        .context = online};
    return client_init(&online->client, &client, &error) == 0 ? EXIT_OK : trouble("%s", error.text);
}

int online_ask(struct online *online, struct question *question) {
    struct answer *answer = &online->answer;
    struct error error;
    question->wishes = online->settings.proves      ? WISH_INFO | WISH_PROOF
                       : online->info_sequence == 0 ? WISH_INFO
                                                    : 0;
    if (client_ask(&online->client, question, answer, &error) != 0)
        return trouble("%s", error.text);
    if (!(answer->brings & WISH_INFO) && answer->sequence != online->info_sequence) {
        question->wishes |= WISH_INFO; /* another release may have other names */
        if (client_ask(&online->client, question, answer, &error) != 0)
            return trouble("%s", error.text);
    }
    if (answer->brings & WISH_INFO) {
        online->class_names = answer->class_names;
        online->info_sequence = answer->sequence;
    }
    if (answer->status == ANSWER_STALE)
        trouble("warning: the database of %s is past its valid-until; used all the same "
                "(--stale-ok)",
                online->client.server);
    return EXIT_OK;
}

void online_close(struct online *online) {
    client_close(&online->client);
    wipe(&online->kiosk, sizeof online->kiosk);
    wipe(&online->lookup_key, sizeof online->lookup_key);
}
