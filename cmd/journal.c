#include "journal.h"

#include "built.h"
#include "trouble.h"

#include "base/bytes.h"
#include "base/format.h"

#include <string.h>
#include <time.h>

/* --- a question as bytes ------------------------------------------------------------------------ */

/* What is sealed: the kind, the digest of a document, and texts with two bytes for their length each: the number, the
 * fields, the classes; then zeros. */
#define PADDED_TO 512
#define TEXTS (1 + (FIELD_COUNT - FIELD_NAME) + 1)

static size_t put_text(uint8_t *bytes, size_t at, struct span text) {
    if (text.len > JOURNAL_QUESTION_MAX - 2 || at > JOURNAL_QUESTION_MAX - 2 - text.len)
        return JOURNAL_QUESTION_MAX + 1;
    store_le16(bytes + at, (uint16_t)text.len);
    memcpy(bytes + at + 2, text.text, text.len);
    return at + 2 + text.len;
}

/* Its length; more than JOURNAL_QUESTION_MAX: it is too long. */
static size_t write_question(uint8_t bytes[JOURNAL_QUESTION_MAX], const struct query *query,
                             const char *classes) {
    size_t at = 1 + SHA256_LEN;
    memset(bytes, 0, JOURNAL_QUESTION_MAX);
    bytes[0] = query->kind;
    memcpy(bytes + 1, query->digest, SHA256_LEN);
    at = put_text(bytes, at, query->kind == ASK_NUMBER ? query->number : (struct span){"", 0});
    for (unsigned field = FIELD_NAME; field < FIELD_COUNT; field++)
        at = put_text(bytes, at,
                      query->fields[field].len > 0 ? query->fields[field] : (struct span){"", 0});
    return put_text(bytes, at,
                    classes != NULL ? (struct span){classes, strlen(classes)}
                                    : (struct span){"", 0});
}

/* False where it is none. The query points into the bytes. */
static bool read_question(const uint8_t *bytes, size_t len, struct query *query,
                          struct span *classes) {
    struct span texts[TEXTS];
    size_t at = 1 + SHA256_LEN;
    if (len < at || (bytes[0] != ASK_NUMBER && bytes[0] != ASK_DOCUMENT))
        return false;
    for (unsigned i = 0; i < TEXTS; i++) {
        if (len - at < 2 || load_le16(bytes + at) > len - at - 2)
            return false;
        texts[i] = (struct span){(const char *)bytes + at + 2, load_le16(bytes + at)};
        at += 2 + texts[i].len;
    }
    *query = (struct query){.kind = bytes[0], .number = texts[0]};
    memcpy(query->digest, bytes + 1, SHA256_LEN);
    memcpy(query->fields + FIELD_NAME, texts + 1, (FIELD_COUNT - FIELD_NAME) * sizeof *texts);
    *classes = texts[TEXTS - 1];
    return bytes_are_zero(bytes + at, len - at);
}

/* --- keeping ------------------------------------------------------------------------------------ */

int journal_check(const struct asking_options *options) {
    static struct journal journal;
    struct error error;
    if (options->journal_path == NULL)
        return EXIT_OK;
    if (journal_open(&journal, options->journal_path, &error) != 0)
        return trouble("--journal: %s", error.text);
    journal_close(&journal);
    return EXIT_OK;
}

int journal_keep_query(struct asking *asking, const struct query *query, const char *reference,
                       char id[JOURNAL_ID_SIZE], struct error *error) {
    static struct journal journal;
    static uint8_t question[JOURNAL_QUESTION_MAX];
    int64_t now_s = time(NULL);
    struct journal_stop stop = {.stopped_s = now_s >= built_s() ? now_s : 0};
    uint8_t kiosk[SHA256_LEN];
    size_t len = write_question(question, query, asking->options->classes_text);
    format_text(stop.reference, sizeof stop.reference, "%s", reference != NULL ? reference : "");
    rsa_public_id(&asking->kiosk.public, kiosk);
    int code = journal_open(&journal, asking->options->journal_path, error);
    if (code == 0)
        code = journal_keep(&journal, &stop, &asking->server_keys, kiosk, question, len,
                            &asking->client.random, error);
    journal_close(&journal);
    wipe(question, sizeof question);
    hex_encode(id, stop.id, JOURNAL_ID_LEN);
    return code;
}

/* --- asking late -------------------------------------------------------------------------------- */

const char *journal_time(char text[TIME_TEXT_SIZE], const struct journal_stop *stop,
                         const struct asking *asking) {
    const struct known_release *release = asking_release(asking);
    if (stop->stopped_s == 0)
        return NULL;
    time_format(text, stop->stopped_s, release->is_known ? release->header.facts.utc_offset_s : 0);
    return text;
}

/* Opens an entry with whichever of its wrapped keys the server can unwrap. A server may lie: what it gives must fit. */
struct unwrapping {
    const struct journal_entry *entry;
    long question_len; /* 0: it is not open */
    uint8_t *question;
};

static enum link_result unwrap(void *context, struct session_talk *talk,
                               const struct known_release *release) {
    struct unwrapping *unwrapping = context;
    const struct journal_entry *entry = unwrapping->entry;
    uint8_t key[UNWRAPPED_KEY_LEN];
    enum link_result result = LINK_DONE;
    (void)release;
    for (unsigned i = 0;
         i < entry->wrapped_count && result == LINK_DONE && unwrapping->question_len <= 0; i++) {
        const struct journal_wrapped *wrapped = &entry->wrapped[i];
        bool is_unwrapped;
        result = client_session_unwrap(talk, wrapped->key_id, wrapped->bytes, wrapped->len, key,
                                       &is_unwrapped);
        if (result == LINK_DONE && is_unwrapped)
            unwrapping->question_len = journal_unseal(entry, key, unwrapping->question);
    }
    wipe(key, sizeof key);
    return result;
}

/* What becomes of an entry. */
enum late { LATE_WAITS, LATE_REFUSED, LATE_DROPPED, LATE_ANSWERED };

static enum late drop(const struct asking *asking, const struct journal_stop *stop,
                      const char *why) {
    char text[TIME_TEXT_SIZE];
    const char *since = journal_time(text, stop, asking);
    trouble("--journal: the question of %s%s%s: %s", since != NULL ? since : "an unknown time",
            stop->reference[0] != '\0' ? ", reference " : "", stop->reference, why);
    return LATE_DROPPED;
}

/* Asks a question that is open, and shows what the answer means at the moment of the stop. */
static enum late ask_now(struct asking *asking, const struct journal_stop *stop,
                         const struct query *query, char *classes, const struct journal_show *show,
                         int *code, struct error *error) {
    struct batch_item *item = asking_add(asking);
    struct moment moment = {.unix_s = stop->stopped_s};
    struct reply reply;
    item->query = *query;
    if (query_take_classes(classes[0] != '\0' ? classes : NULL, asking->classes,
                           &asking->class_count) != EXIT_OK)
        return drop(asking, stop, "it cannot be asked");
    *code = asking_ask(asking, error);
    if (*code == 0 && asking->is_from_file)
        *code = error_set(error, ERR_SYSTEM, "no server is there any more");
    if (*code != 0)
        return LATE_WAITS;
    if (moment.unix_s == 0 || moment.unix_s > asking->now_s)
        moment.unix_s = asking->now_s;
    asking->moment = moment;
    asking->day = moment_day(&moment, asking_release(asking)->header.facts.utc_offset_s);
    if (!asking_reply(asking, item, &reply))
        return drop(asking, stop, item->query.reason);
    return show->show(show->context, stop, &reply) ? LATE_ANSWERED : LATE_WAITS;
}

/* Asks about one entry. */
static enum late ask_entry(struct asking *asking, const struct journal_entry *entry,
                           const struct journal_show *show, int *code, struct error *error) {
    static uint8_t question[JOURNAL_QUESTION_MAX];
    static char classes[JOURNAL_QUESTION_MAX];
    const struct journal_stop *stop = &entry->stop;
    struct unwrapping unwrapping = {.entry = entry, .question = question};
    struct query query;
    struct span set;
    enum late late;
    int64_t kept_s = (int64_t)asking->options->journal_days * 86400;
    *code = client_do(&asking->client, unwrap, &unwrapping, false, error);
    if (*code != 0)
        return LATE_WAITS;
    asking->not_again_ms = 0; /* a server is there */
    /* By the server's clock: this machine's may have jumped. */
    if (stop->stopped_s != 0 &&
        asking->client.session.keys.server_time_s - stop->stopped_s > kept_s)
        late = drop(asking, stop, "no answer came in --journal-days, so it is dropped");
    else if (unwrapping.question_len <= 0)
        late = LATE_REFUSED;
    else if (!read_question(question, (size_t)unwrapping.question_len, &query, &set))
        late = drop(asking, stop, "it cannot be read");
    else {
        format_text(classes, sizeof classes, "%.*s", (int)set.len, set.text);
        late = ask_now(asking, stop, &query, classes, show, code, error);
    }
    wipe(question, sizeof question);
    return late;
}

/* Asks those in a state. */
static int ask_those(struct asking *asking, struct journal *journal, enum journal_state state,
                     const struct journal_show *show, struct journal_outcome *outcome,
                     struct error *error) {
    static struct journal_entry entry;
    uint64_t at = 0;
    int found, code = 0;
    while (code == 0 && outcome->tried < outcome->tried_max) {
        found = journal_next(journal, &at, state, &entry, error);
        if (found < 0) { /* no reason to ask nothing else */
            trouble("--journal: %s", error->text);
            return 0;
        }
        if (found == 0)
            break;
        outcome->tried++;
        enum late late = ask_entry(asking, &entry, show, &code, error);
        outcome->refused += late == LATE_REFUSED;
        outcome->dropped += late == LATE_DROPPED;
        outcome->answered += late == LATE_ANSWERED;
        if (late == LATE_WAITS || late == LATE_REFUSED)
            journal_leave(journal, &entry, late == LATE_REFUSED);
        else
            code = journal_settle(journal, &entry, error);
        asking->batch.count = 0;
        if (late == LATE_WAITS)
            break;
    }
    return code;
}

int journal_ask_late(struct asking *asking, const struct journal_show *show,
                     struct journal_outcome *outcome, struct error *error) {
    static struct journal journal;
    struct span classes[ASKING_CLASSES_MAX];
    unsigned class_count = asking->class_count;
    if (asking->options->journal_path == NULL)
        return 0;
    int code = journal_open(&journal, asking->options->journal_path, error);
    if (code != 0)
        return code;
    memcpy(classes, asking->classes, sizeof classes);
    code = ask_those(asking, &journal, JOURNAL_WAITS, show, outcome, error);
    if (code == 0 && outcome->refused == 0) /* or those would be tried twice */
        code = ask_those(asking, &journal, JOURNAL_REFUSED, show, outcome, error);
    memcpy(asking->classes, classes, sizeof classes);
    asking->class_count = class_count;
    journal_close(&journal);
    if (outcome->refused > 0)
        trouble("note: %u of the questions in %s were not opened: they were kept for another "
                "server's key, or another kiosk",
                outcome->refused, asking->options->journal_path);
    return code;
}
