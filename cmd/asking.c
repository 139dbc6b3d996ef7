#include "asking.h"

#include "built.h"
#include "trouble.h"

#include "base/bytes.h"
#include "base/format.h"
#include "crypto/known_key.h"
#include "record/classes.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#define SERVERS_PAUSE_MS 30000

/* --- trouble ---------------------------------------------------------------------------------- */

/* The word for what went wrong; all are in the help of `dlv client`. */
static const char *error_word(enum link_result result, int code) {
    switch (result) {
    case LINK_LOST:
    case LINK_NO_WAY:
    case LINK_TIMED_OUT:
    case LINK_STALLED:
        return "unreachable";
    case LINK_BUSY:
        return "busy";
    case LINK_OVER_QUOTA:
        return "quota";
    case LINK_WRONG_KEY:
        return "wrong_key";
    case LINK_REFUSED:
    case LINK_SESSION_ENDED:
        return "refused";
    case LINK_DISTRUSTED:
        return "distrusted";
    default:
        break;
    }
    switch (code) {
    case ERR_LIMIT:
        return "stale";
    case ERR_CONFLICT:
        return "conflict";
    case ERR_SYSTEM:
    case ERR_LOCAL:
        return "system";
    default:
        return "distrusted";
    }
}

const char *asking_error_word(const struct asking *asking, int code) {
    struct trouble_part parts[LINK_SERVERS_MAX];
    unsigned count = asking_parts(asking, parts);
    return count > 0                          ? parts[count - 1].error
           : asking->options->servers != NULL ? "unreachable"
                                              : error_word(LINK_DONE, code);
}

unsigned asking_parts(const struct asking *asking, struct trouble_part parts[LINK_SERVERS_MAX]) {
    const struct link *link = &asking->client.link;
    unsigned count = 0;
    for (unsigned i = 0; i < link->server_count; i++) {
        const struct link_server *server = &link->servers[i];
        if (server->is_out)
            parts[count++] = (struct trouble_part){
                server->name, error_word(server->result, server->disbelief), server->reason.text};
    }
    return count;
}

/* --- asking ----------------------------------------------------------------------------------- */

/* A client_form: forms the queries of a batch, and leaves out those that are bad. */
static int form_batch(void *context, const struct release_facts *facts, struct bundle *bundle,
                      struct error *error) {
    struct batch *batch = context;
    (void)error;
    bundle->count = 0;
    for (unsigned i = 0; i < batch->count; i++) {
        struct batch_item *item = &batch->items[i];
        bool is_good = query_form(&item->query, facts, &bundle->items[bundle->count]);
        item->place = is_good ? bundle->count++ : BUNDLE_MAX;
    }
    return 0;
}

const struct known_release *asking_release(const struct asking *asking) {
    return asking->is_offline ? &asking->offline.release : &asking->client.release;
}

static int open_file(struct asking *asking, struct error *error) {
    const struct offline_settings settings = {
        .path = asking->options->db_path,
        .authorities = &asking->authorities,
        .lookup_key = asking->options->lookup_key_path != NULL ? &asking->lookup_key : NULL,
        .trust = &asking->file_trust};
    return asking->offline.release.is_known
               ? 0
               : offline_open(&asking->offline, &settings, time(NULL), error);
}

static int ask_file(struct asking *asking, struct batch *batch, struct bundle *bundle,
                    struct error *error) {
    int code = open_file(asking, error);
    if (code != 0)
        return code;
    form_batch(batch, &asking->offline.release.header.facts, bundle, error);
    return offline_ask(&asking->offline, bundle, time(NULL), error);
}

/* Asks the file because no server has answered, and says so once for each time that they are lost. */
static int ask_file_instead(struct asking *asking, struct batch *batch, struct bundle *bundle,
                            int code, struct error *error) {
    struct error reason;
    if (ask_file(asking, batch, bundle, &reason) != 0) {
        struct error both;
        error_set(&both, code, "%.450s; and the file: %.450s", error->text, reason.text);
        *error = both;
        return code;
    }
    if (!asking->is_offline)
        trouble("note: answered from %s, because no server was there (%s)",
                asking->options->db_path, error->text);
    asking->is_offline = true;
    asking->not_again_ms = net_now_ms() + SERVERS_PAUSE_MS;
    return 0;
}

/* Asks the queries of a batch: the servers, where there are any, and else the file. 0 or a negative code
 * with the reason. */
static int ask_all(struct asking *asking, struct batch *batch, struct bundle *bundle,
                   struct error *error) {
    if (asking->options->servers == NULL ||
        (asking->is_offline && net_now_ms() < asking->not_again_ms))
        return ask_file(asking, batch, bundle, error);
    int code = client_ask(&asking->client, form_batch, batch, bundle, error);
    if (code != 0 && code != ERR_LOCAL && asking->options->db_path != NULL)
        return ask_file_instead(asking, batch, bundle, code, error);
    asking->is_offline = asking->is_offline && code != 0;
    return code;
}

static struct batch_item *add(struct batch *batch) {
    struct batch_item *item = &batch->items[batch->count++];
    batch->used = batch->count > batch->used ? batch->count : batch->used;
    return item;
}

struct batch_item *asking_add(struct asking *asking) {
    return add(&asking->batch);
}

/* --- hints ------------------------------------------------------------------------------------ */

/* Looks for a number that is like one that is unknown, and known; an empty text where there is none. 0, or a negative
 * code where nobody has answered. */
static int find_hint(struct asking *asking, const struct query *query, struct hint *found) {
    struct batch *batch = &asking->hint_batch;
    const struct bundle *bundle = &asking->hint_bundle;
    const char *patterns = asking_release(asking)->header.facts.patterns;
    struct error error;
    unsigned count = hints_of(asking->hints, query->number, patterns);
    batch->count = 0;
    for (unsigned i = 0; i < count; i++) {
        const char *text = asking->hints[i].text;
        add(batch)->query = (struct query){.kind = ASK_NUMBER, .number = {text, strlen(text)}};
    }
    found->text[0] = '\0';
    asking->hint_bundle.are_slips = true;
    int code = ask_all(asking, batch, &asking->hint_bundle, &error);
    if (code != 0)
        return code;
    for (unsigned i = 0; i < batch->count; i++) {
        unsigned place = batch->items[i].place;
        if (place < BUNDLE_MAX && bundle->answers[place].is_found) {
            *found = asking->hints[i];
            break;
        }
    }
    return 0;
}

_Static_assert(HINTS_MAX <= BUNDLE_MAX, "all hints are asked about together");

/* Looks for hints for all queries that are unknown. */
static void gather_hints(struct asking *asking) {
    struct batch *batch = &asking->batch;
    for (unsigned i = 0; i < batch->count; i++) {
        struct batch_item *item = &batch->items[i];
        struct query *query = &item->query;
        if (asking->options->is_exact || query->kind != ASK_NUMBER || item->place == BUNDLE_MAX ||
            asking->bundle.answers[item->place].is_found)
            continue;
        enum verdict verdict = query_missed(query, &asking_release(asking)->header.facts);
        if ((query->is_bad || verdict == VERDICT_UNKNOWN) &&
            find_hint(asking, query, &item->hint) != 0)
            return; /* who has gone away is waited for once */
    }
}

/* Adds to the reason why a number cannot be one which number may have been meant. */
static void add_hint(struct query *query, const struct hint *hint) {
    size_t len = strlen(query->reason);
    if (hint->text[0] != '\0')
        format_text(query->reason + len, sizeof query->reason - len, "; but %s is known: check %s",
                    hint->text, hint->check);
}

/* Remembers who has answered. */
static void note_source(struct asking *asking) {
    asking->is_from_file = asking->is_offline;
    asking->who = asking->is_offline ? asking->options->db_path : link_name(&asking->client.link);
}

/* Asks the queries of the batch, and for hints. These questions may find another release than the
 * answers are of, or lose the server: then everything is asked again, without hints. 0 or a negative
 * code with the reason. */
static int ask_with_hints(struct asking *asking, struct error *error) {
    struct batch *batch = &asking->batch;
    for (unsigned i = 0; i < batch->count; i++)
        batch->items[i].hint.text[0] = '\0';
    int code = ask_all(asking, batch, &asking->bundle, error);
    if (code != 0)
        return code;
    note_source(asking);
    gather_hints(asking);
    if (memcmp(asking_release(asking)->header.id, asking->bundle.release_id, SHA256_LEN) == 0)
        return 0;
    code = ask_all(asking, batch, &asking->bundle, error);
    note_source(asking);
    return code;
}

/* Says once for each release that it is past its valid-until. */
static void warn_of_stale(struct asking *asking, const char *who) {
    const struct release_facts *facts = &asking_release(asking)->header.facts;
    struct error error;
    if (!release_is_stale(facts, asking->now_s) || asking->warned_of == facts->sequence)
        return;
    asking->warned_of = facts->sequence;
    release_check_age(facts, who, asking->now_s, &error);
    trouble("warning: %s; used all the same (--stale-ok)", error.text);
}

/* The name of a file without its folders. */
static const char *short_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

int asking_ask(struct asking *asking, struct error *error) {
    int code = ask_with_hints(asking, error);
    if (code != 0)
        return code;
    const struct asking_options *options = asking->options;
    const struct release_facts *facts = &asking_release(asking)->header.facts;
    const char *who = asking->who;
    asking->now_s = asking->bundle.server_time_s;
    if (asking->now_s == 0)
        asking->now_s = time(NULL);
    asking->moment =
        options->at_text != NULL ? asking->at : (struct moment){.unix_s = asking->now_s};
    asking->day = moment_day(&asking->moment, facts->utc_offset_s);
    warn_of_stale(asking, who);
    format_text(asking->source, sizeof asking->source, "%.200s#%llu",
                asking->is_from_file ? short_name(who) : who, (unsigned long long)facts->sequence);
    return 0;
}

/* --- answers ---------------------------------------------------------------------------------- */

/* Whether every class that is asked for is one that this register knows. */
static bool check_classes(const struct asking *asking, struct query *query) {
    const struct class_sets *sets = &asking_release(asking)->sets;
    for (unsigned i = 0; i < asking->class_count; i++) {
        struct span name = asking->classes[i];
        if (sets->count > 0 && !class_sets_name(sets, name)) {
            query_refuse(query, "class \"%.*s\" is none that this register has", (int)name.len,
                         name.text);
            return false;
        }
    }
    return true;
}

bool asking_reply(struct asking *asking, struct batch_item *item, struct reply *reply) {
    const struct known_release *release = asking_release(asking);
    const struct release_facts *facts = &release->header.facts;
    struct query *query = &item->query;
    if (item->place == BUNDLE_MAX || !check_classes(asking, query))
        return false;
    const struct db_answer *entry = &asking->bundle.answers[item->place];
    *reply = (struct reply){.line = query->line,
                            .kind = query->kind,
                            .number = query->kind == ASK_NUMBER ? &query->form : NULL,
                            .fields = query->fields,
                            .classes = asking->classes,
                            .class_count = asking->class_count,
                            .answer = *entry,
                            .terms = &asking->terms,
                            .day = asking->day,
                            .release = facts,
                            .now_s = asking->now_s,
                            .server_time_s = asking->bundle.server_time_s,
                            .source = asking->source,
                            .is_unrecorded = asking->bundle.is_unrecorded && !asking->is_from_file,
                            .is_offline = asking->is_from_file,
                            .is_instead = asking->is_from_file && asking->options->servers != NULL};
    if (db_decide(entry, facts, &release->sets, asking->day, asking->now_s, asking->classes,
                  asking->class_count, &asking->terms, &reply->outcome) != 0) {
        query_refuse(query, "the answer has impossible terms");
        return false;
    }
    if (entry->is_found)
        return true;
    enum verdict verdict = query_missed(query, facts);
    if (query->is_bad) {
        add_hint(query, &item->hint);
        return false;
    }
    reply->outcome.verdict = reply->outcome.standing = verdict;
    reply->outcome.silence = verdict == VERDICT_NOT_COVERED ? SILENCE_NUMBER : SILENCE_NONE;
    if (item->hint.text[0] != '\0') {
        reply->hint = item->hint.text;
        reply->hint_check = item->hint.check;
    }
    return true;
}

/* --- beginning and ending --------------------------------------------------------------------- */

int asking_read_config(const struct asking_options *options, bool wants_default) {
    static const char names[] =
        "server server-key key udp state timeout max-skew demo db db-name authority lookup-key "
        "prove stale-ok class exact json clear-after locked words rate journal journal-days";
    const char *path = options->config_path;
    if (path == NULL && wants_default && access(ASKING_CONFIG, F_OK) == 0)
        path = ASKING_CONFIG;
    return path != NULL ? options_read_file(path, names) : EXIT_OK;
}

int asking_check_usage(const struct asking_options *options) {
    bool has_authority = options->authority_paths.count > 0;
    if (options->servers == NULL && options->db_path == NULL)
        return usage_error("--server or --db is needed, or both");
    if (options->journal_path != NULL &&
        (options->servers == NULL || options->kiosk_key_path == NULL || options->at_text != NULL))
        return usage_error("--journal needs --server and --key, and does not go with --at");
    if (options->db_path != NULL && !has_authority)
        return usage_error("--db needs --authority");
    if (options->servers == NULL)
        return options_refuse("timeout server-key key udp max-skew", "--db, which asks no server");
    if (options->server_key_paths.count == 0)
        return usage_error("--server needs --server-key, the server's public key (or --legacy)");
    if ((options->prove || options->state_folder != NULL || options->db_path != NULL) !=
        has_authority)
        return usage_error(
            "--prove, --evidence and --state need --authority, and it needs one of them");
    if (options->lookup_key_path != NULL && !has_authority)
        return usage_error("--lookup-key belongs to --prove or --db: the server has its own");
    return EXIT_OK;
}

static int load_keys(struct asking *asking) {
    const struct asking_options *options = asking->options;
    struct error error;
    if (key_set_load(&asking->authorities, options->authority_paths.items,
                     options->authority_paths.count, 2048, &error) != 0 ||
        key_set_load(&asking->server_keys, options->server_key_paths.items,
                     options->server_key_paths.count, 2048, &error) != 0 ||
        (options->lookup_key_path != NULL &&
         lookup_key_load(&asking->lookup_key, options->lookup_key_path, &error) != 0) ||
        (options->kiosk_key_path != NULL &&
         rsa_private_load(&asking->kiosk, options->kiosk_key_path, 2048, &error) != 0))
        return trouble("%s", error.text);
    if (options->kiosk_key_path != NULL && !options->is_demo &&
        known_key_check_public(&asking->kiosk.public, &error) != 0)
        return trouble("%s: %s", options->kiosk_key_path, error.text);
    if (options->state_folder != NULL && access(options->state_folder, W_OK | X_OK) != 0)
        return trouble("--state %s: %m", options->state_folder);
    return EXIT_OK;
}

int asking_load(struct asking *asking, const struct asking_options *options) {
    asking->options = options;
    if (query_take_classes(options->classes_text, asking->classes, &asking->class_count) !=
            EXIT_OK ||
        query_take_moment(options->at_text, &asking->at) != EXIT_OK)
        return EXIT_TROUBLE;
    return load_keys(asking);
}

#define PATIENCE_MS 3600000 /* of many questions, for a quota that is spent */

static void tell_pause(void *context, uint32_t wait_s) {
    (void)context;
    trouble("note: the quota is spent; going on in %u seconds", wait_s);
}

static void tell_line(void *context, const char *line) {
    (void)context;
    trouble("note: %s", line);
}

int asking_open(struct asking *asking, bool paces, struct error *error) {
    const struct asking_options *options = asking->options;
    struct trust_policy policy = {
        .authorities = options->authority_paths.count > 0 ? &asking->authorities : NULL,
        .is_proved = options->prove,
        .lookup_key = options->lookup_key_path != NULL ? &asking->lookup_key : NULL,
        .name = options->db_name,
        .state_folder = options->state_folder,
        .built_s = built_s(),
        .stale_ok_s = (int64_t)options->stale_ok_days * 86400,
        .max_skew_s = (int64_t)options->max_skew_s,
        .is_moment_given = options->at_text != NULL};
    const struct client_settings client = {
        .servers = options->servers,
        .identity = {.servers = &asking->server_keys,
                     .kiosk = options->kiosk_key_path != NULL ? &asking->kiosk : NULL},
        .is_udp = options->is_udp,
        .is_proved = options->prove,
        .timeout_ms = (int64_t)options->timeout_s * 1000,
        .patience_ms = paces ? PATIENCE_MS : (int64_t)options->timeout_s * 1000,
        .pause = paces ? tell_pause : NULL,
        .trust = &asking->trust,
        .kept_folder = options->state_folder};
    if (options->db_path != NULL)
        trouble_end_with_file(options->db_path);
    trust_init(&asking->trust, &policy);
    policy.is_beside_servers = options->servers != NULL;
    trust_init(&asking->file_trust, &policy);
    asking->is_offline = options->servers == NULL;
    if (asking->is_offline)
        return open_file(asking, error);
    int code = client_init(&asking->client, &client, error);
    asking->client.link.tell = options->is_verbose ? tell_line : NULL;
    return code;
}

static void wipe_batch(struct batch *batch) {
    wipe(batch->items, batch->used * sizeof *batch->items);
    batch->count = batch->used = 0;
}

void asking_forget(struct asking *asking) {
    bundle_wipe(&asking->bundle, asking->batch.used);
    bundle_wipe(&asking->hint_bundle, asking->hint_batch.used);
    wipe_batch(&asking->batch);
    wipe_batch(&asking->hint_batch);
    wipe(asking->hints, sizeof asking->hints);
    wipe(&asking->terms, sizeof asking->terms);
    wipe(&asking->client.work, sizeof asking->client.work);
    wipe(&asking->client.pipeline.question, sizeof asking->client.pipeline.question);
    wipe(&asking->offline.question, sizeof asking->offline.question);
    wipe(&asking->offline.answer, sizeof asking->offline.answer);
    wipe(asking->offline.further, sizeof asking->offline.further);
    wipe_stack();
}

void asking_close(struct asking *asking) {
    asking_forget(asking);
    offline_close(&asking->offline);
    if (asking->client.link.server_count > 0)
        client_close(&asking->client);
    wipe(&asking->kiosk, sizeof asking->kiosk);
    wipe(&asking->lookup_key, sizeof asking->lookup_key);
}
