#include "applet.h"
#include "audit_log.h"
#include "json.h"
#include "progress.h"
#include "question.h"

#include "audit/read.h"
#include "base/bytes.h"
#include "base/date.h"
#include "base/format.h"
#include "db/answer.h"
#include "db/receipt.h"
#include "record/digest.h"
#include "record/terms.h"
#include "serve/kiosks.h"
#include "text/matching.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *since_text, *until_text, *kiosk_text, *kiosks_path, *number_text_given,
    *document, *receipt_path, *audit_key_path;
static bool is_by_kiosk, is_json;

static const struct option options[] = {
    OPTION_TEXT("--since TIME", &since_text),
    OPTION_TEXT("--until TIME", &until_text),
    OPTION_TEXT("--kiosk NAME", &kiosk_text),
    OPTION_TEXT("--kiosks FILE", &kiosks_path),
    OPTION_TEXT("-n, --number N", &number_text_given),
    OPTION_TEXT("--document FILE", &document),
    OPTION_TEXT("--receipt FILE", &receipt_path),
    OPTION_TEXT("--audit-key FILE", &audit_key_path),
    OPTION_FLAG("--by-kiosk", &is_by_kiosk),
    OPTION_FLAG("-j, --json", &is_json),
    OPTIONS_END,
};

/* What is looked for, and what was found: records as they stand in the log. */
struct search {
    int64_t since_ms, until_ms;
    bool has_tag;
    uint8_t tag[AUDIT_TAG_LEN];
    struct kiosks *kiosks; /* NULL: no names are known */
    bool is_kept;          /* records are kept until all logs were read */
    bool is_out_of_memory;
    size_t count, room;
    uint8_t (*records)[AUDIT_RECORD_LEN];
};

/* --- names ------------------------------------------------------------------------------------ */

/* The name of a kiosk that is on the list, else the start of its id. */
static void name_kiosk(char name[KIOSK_NAME_SIZE], const struct search *search,
                       const uint8_t id[AUDIT_KIOSK_LEN]) {
    const struct kiosk *kiosk =
        search->kiosks != NULL ? kiosks_find(search->kiosks, id, AUDIT_KIOSK_LEN) : NULL;
    if (bytes_are_zero(id, AUDIT_KIOSK_LEN))
        format_text(name, KIOSK_NAME_SIZE, "nobody");
    else if (kiosk != NULL)
        format_text(name, KIOSK_NAME_SIZE, "%s", kiosk->name);
    else
        hex_encode(name, id, AUDIT_KIOSK_LEN);
}

/* --- one record ------------------------------------------------------------------------------- */

static bool is_wanted(const struct search *search, const struct audit_record *record) {
    char name[KIOSK_NAME_SIZE], hex[2 * AUDIT_KIOSK_LEN + 1];
    if (record->time_ms < search->since_ms || record->time_ms >= search->until_ms ||
        (search->has_tag && memcmp(record->tag, search->tag, AUDIT_TAG_LEN) != 0))
        return false;
    if (kiosk_text == NULL)
        return true;
    name_kiosk(name, search, record->kiosk);
    hex_encode(hex, record->kiosk, AUDIT_KIOSK_LEN);
    size_t len = strlen(kiosk_text);
    return strcmp(name, kiosk_text) == 0 || (len >= 8 && strncmp(hex, kiosk_text, len) == 0);
}

static const char *found_name(unsigned found) {
    return found == 0 ? "nothing" : entry_kind_name(found - 1);
}

static const char *kind_name(unsigned asked) {
    return asked == AUDIT_RECEIPT ? "receipt" : ask_kind_name(asked);
}

static void print_record(const struct search *search, const struct audit_record *record) {
    static const char *const cards[] = {"", "former", "lost", "stolen"};
    static const char *const fields[] = {"name", "phone", "birth_date", "card"};
    char time[AUDIT_TIME_SIZE], name[KIOSK_NAME_SIZE], tag[2 * AUDIT_TAG_LEN + 1];
    const char *card = cards[record->card % 4];
    audit_time_format(time, record->time_ms);
    name_kiosk(name, search, record->kiosk);
    hex_encode(tag, record->tag, AUDIT_TAG_LEN);
    if (is_json) {
        json_begin();
        json_text("time", time);
        json_text("kiosk", name);
        json_text("by", kind_name(record->asked));
        json_text("tag", tag);
        json_text("found", record->asked == AUDIT_RECEIPT ? NULL : found_name(record->found));
        if (record->found != 0)
            json_text("status", status_name(record->status));
        for (unsigned i = 0; i < 4; i++) {
            if (record->matches[i] != FIELD_NOT_ASKED)
                json_text(fields[i], field_match_name((enum field_match)record->matches[i]));
        }
        if (*card != '\0')
            json_text("card_state", card);
        json_number("release", (long long)record->release);
        json_bool("proved", record->is_proved);
        json_bool("slip", record->is_slip);
        json_bool("repeated", record->is_repeated);
        json_end();
        return;
    }
    print("%s %s %s %s: %s%s%s", time, name, kind_name(record->asked), tag,
          record->asked == AUDIT_RECEIPT ? "given" : found_name(record->found),
          record->found != 0 ? ", " : "", record->found != 0 ? status_name(record->status) : "");
    for (unsigned i = 0; i < 4; i++) {
        if (record->matches[i] != FIELD_NOT_ASKED)
            print(", %s %s", fields[i], field_match_name((enum field_match)record->matches[i]));
    }
    print("%s%s; release %llu%s%s%s\n", *card != '\0' ? ", card " : "", card,
          (unsigned long long)record->release, record->is_proved ? ", proved" : "",
          record->is_slip ? ", slip" : "", record->is_repeated ? ", repeated" : "");
}

/* --- all of them ------------------------------------------------------------------------------ */

static void keep(struct search *search, const uint8_t bytes[AUDIT_RECORD_LEN]) {
    if (search->count == search->room) {
        size_t room = search->room == 0 ? 1024 : 2 * search->room;
        void *more = realloc(search->records, room * AUDIT_RECORD_LEN);
        if (more == NULL) {
            search->is_out_of_memory = true;
            return;
        }
        search->records = more;
        search->room = room;
    }
    memcpy(search->records[search->count++], bytes, AUDIT_RECORD_LEN);
}

static void print_found(const struct search *search, const struct audit_record *record) {
    progress_hide();
    print_record(search, record);
}

/* An audit_reading.take. */
static void take_block(void *context, const struct audit_block *block, const uint8_t *content) {
    struct search *search = context;
    if (block->kind != AUDIT_QUESTIONS)
        return;
    for (uint32_t at = 0; at < block->len; at += AUDIT_RECORD_LEN) {
        struct audit_record record;
        audit_record_decode(&record, content + at);
        if (!is_wanted(search, &record) || (is_by_kiosk && record.asked == AUDIT_RECEIPT))
            continue;
        if (search->is_kept)
            keep(search, content + at);
        else
            print_found(search, &record);
    }
}

static int by_time(const void *a, const void *b) {
    uint64_t x = load_le64(a), y = load_le64(b);
    return x < y ? -1 : x > y;
}

/* By kiosk, then by what was asked about. Both stand side by side in a record. */
static int by_kiosk(const void *a, const void *b) {
    return memcmp((const uint8_t *)a + AUDIT_RECORD_KIOSK, (const uint8_t *)b + AUDIT_RECORD_KIOSK,
                  AUDIT_KIOSK_LEN + AUDIT_TAG_LEN);
}

static void print_merged(struct search *search) {
    if (search->count > 0)
        qsort(search->records, search->count, AUDIT_RECORD_LEN, by_time);
    for (size_t i = 0; i < search->count; i++) {
        struct audit_record record;
        audit_record_decode(&record, search->records[i]);
        print_record(search, &record);
    }
}

/* What one kiosk has asked. */
struct summary {
    unsigned long long questions, numbers, nothing, most, slips;
};

static void print_summary(const struct search *search, const uint8_t id[AUDIT_KIOSK_LEN],
                          const struct summary *summary) {
    char name[KIOSK_NAME_SIZE];
    name_kiosk(name, search, id);
    if (is_json) {
        json_begin();
        json_text("kiosk", name);
        json_number("questions", (long long)summary->questions);
        json_number("numbers", (long long)summary->numbers);
        json_number("not_found", (long long)summary->nothing);
        json_number("most_about_one", (long long)summary->most);
        json_number("slips", (long long)summary->slips);
        json_end();
        return;
    }
    print(
        "%s: %llu questions about %llu numbers, %llu not found, at most %llu about one; %llu slips\n",
        name, summary->questions, summary->numbers, summary->nothing, summary->most,
        summary->slips);
}

/* What came again is not counted: a listener may have replayed it; nor what the client has asked by itself. */
static void print_by_kiosk(struct search *search) {
    struct summary summary = {0};
    unsigned long long about_one = 0;
    struct audit_record before = {0}, record;
    if (search->count > 0)
        qsort(search->records, search->count, AUDIT_RECORD_LEN, by_kiosk);
    for (size_t i = 0; i < search->count; i++) {
        audit_record_decode(&record, search->records[i]);
        bool is_counted = !record.is_repeated && !record.is_slip;
        bool is_same_kiosk = i > 0 && memcmp(record.kiosk, before.kiosk, AUDIT_KIOSK_LEN) == 0;
        bool is_same = is_same_kiosk && memcmp(record.tag, before.tag, AUDIT_TAG_LEN) == 0;
        if (i > 0 && !is_same_kiosk) {
            print_summary(search, before.kiosk, &summary);
            summary = (struct summary){0};
        }
        about_one = is_same ? about_one : 0;
        summary.numbers += is_counted && about_one == 0;
        summary.questions += is_counted;
        summary.slips += record.is_slip && !record.is_repeated;
        summary.nothing += is_counted && record.found == 0;
        about_one += is_counted;
        summary.most = about_one > summary.most ? about_one : summary.most;
        before = record;
    }
    if (search->count > 0)
        print_summary(search, before.kiosk, &summary);
}

/* --- the question ----------------------------------------------------------------------------- */

static int take_times(struct search *search) {
    struct moment since = {.unix_s = INT64_MIN / 1000}, until = {.unix_s = INT64_MAX / 1000};
    if (query_take_moment(since_text, &since) != EXIT_OK ||
        query_take_moment(until_text, &until) != EXIT_OK)
        return EXIT_TROUBLE;
    search->since_ms = since.unix_s * 1000;
    search->until_ms = (until.unix_s + (until.is_day ? 86400 : 0)) * 1000;
    return EXIT_OK;
}

/* The claim of the receipt that is looked for. */
static int take_claim(uint8_t claim[RECEIPT_CLAIM_LEN]) {
    static struct evidence evidence;
    static struct receipt_lines receipt;
    static char text[EVIDENCE_MAX + RECEIPT_LINES_MAX];
    struct error error;
    ssize_t len = file_read(receipt_path, text, sizeof text, &error);
    if (len < 0)
        return trouble("%s", error.text);
    if (receipt_file_read(&evidence, &receipt, text, (size_t)len, &error) != 0)
        return trouble("%s: %s", receipt_path, error.text);
    memcpy(claim, receipt.receipt.claim, RECEIPT_CLAIM_LEN);
    return EXIT_OK;
}

/* The tag of what is looked for. */
static int take_tag(struct search *search) {
    struct audit_key key;
    uint8_t digest[SHA256_LEN];
    struct query query = {.kind = ASK_NUMBER};
    struct form form;
    struct error error;
    int ways = (number_text_given != NULL) + (document != NULL) + (receipt_path != NULL);
    search->has_tag = ways > 0;
    if (ways > 1 || search->has_tag != (audit_key_path != NULL))
        return usage_error("--number, --document or --receipt, and --audit-key, go together");
    if (!search->has_tag)
        return EXIT_OK;
    if (number_text_given != NULL) {
        if (number_form(&form, number_text_given, strlen(number_text_given), &error) != 0)
            return trouble("%s", error.text);
        number_digest(digest, &form);
    } else if (receipt_path != NULL) {
        if (take_claim(digest) != EXIT_OK)
            return EXIT_TROUBLE;
    } else {
        if (query_take_document(&query, document) != EXIT_OK)
            return EXIT_TROUBLE;
        memcpy(digest, query.digest, SHA256_LEN);
    }
    if (audit_key_load(&key, audit_key_path, &error) != 0)
        return trouble("%s", error.text);
    audit_tag(search->tag, &key, digest);
    wipe(&key, sizeof key);
    return EXIT_OK;
}

static int take_names(struct search *search) {
    struct kiosks_change change;
    struct error error;
    if (kiosks_path == NULL)
        return EXIT_OK;
    search->kiosks = calloc(1, sizeof *search->kiosks);
    if (search->kiosks == NULL)
        return trouble("no memory");
    return kiosks_load(search->kiosks, NULL, kiosks_path, &change, &error) == 0
               ? EXIT_OK
               : trouble("%s", error.text);
}

/* Whether another program shows what is found, and may have the terminal to itself. */
static bool is_piped(void) {
    struct stat status;
    return fstat(STDOUT_FILENO, &status) == 0 && S_ISFIFO(status.st_mode);
}

static int run_audit(int operand_count, char **operands) {
    static struct audit_reading reading;
    static struct search search;
    struct error error;
    if (operand_count == 0)
        return usage_error("the folder of an audit log is needed");
    if (take_times(&search) != EXIT_OK || take_tag(&search) != EXIT_OK ||
        take_names(&search) != EXIT_OK)
        return EXIT_TROUBLE;
    search.is_kept = is_by_kiosk || operand_count > 1;
    int status = EXIT_OK;
    for (int i = 0; i < operand_count; i++) {
        memset(&reading, 0, sizeof reading);
        reading.folder = operands[i];
        reading.take = take_block;
        reading.context = &search;
        reading.tell = is_piped() ? NULL : progress_show;
        if (audit_read(&reading, &error) != 0)
            status = trouble("%s", error.text);
        else if (reading.last_block == 0)
            status = trouble("%s: no audit log is there", operands[i]);
    }
    if (search.is_out_of_memory)
        return trouble("no memory for so many records: --since, --until and --kiosk make it fewer");
    if (is_by_kiosk)
        print_by_kiosk(&search);
    else if (search.is_kept)
        print_merged(&search);
    free(search.records);
    free(search.kiosks);
    return finish_output() == EXIT_OK ? status : EXIT_TROUBLE;
}

const struct applet applet_audit = {
    .name = "audit",
    .summary = "who has asked a server about whom",
    .user = FOR_AUDITORS,
    .options = options,
    .needs_cryptography = true,
    .run = run_audit,
};
