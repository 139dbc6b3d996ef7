#include "unit.h"

#include "record/classes.h"
#include "record/coverage.h"
#include "record/hints.h"
#include "record/lookalike.h"
#include "record/verdict.h"
#include "registry/csv.h"
#include "registry/dates.h"
#include "registry/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Rows of `text` as "LINE:field|field ..." and "LINE!reason", however the bytes arrive. */
static void read_all(const char *text, size_t len, size_t piece, bool is_lines, char *out,
                     size_t out_size) {
    static struct csv_block block;
    struct csv_reader reader;
    struct csv_row row;
    int pipe_fds[2];
    size_t used = 0;
    CHECK(pipe(pipe_fds) == 0);
    pid_t writer = fork();
    if (writer == 0) {
        for (size_t at = 0; at < len; at += piece)
            if (write(pipe_fds[1], text + at, len - at < piece ? len - at : piece) < 0)
                _exit(1);
        _exit(0);
    }
    close(pipe_fds[1]);
    csv_reader_init(&reader, &block, pipe_fds[0], is_lines);
    int result;
    *out = '\0';
    while ((result = csv_reader_next(&reader, &row)) > 0) {
        used += (size_t)snprintf(out + used, out_size - used, "%llu%s",
                                 (unsigned long long)row.line, result == CSV_BAD ? "!" : ":");
        for (size_t i = 0; result == CSV_ROW && i < row.field_count; i++)
            used += (size_t)snprintf(out + used, out_size - used, "%s%.*s", i ? "|" : "",
                                     (int)row.fields[i].len, row.fields[i].text);
        used += (size_t)snprintf(out + used, out_size - used, " ");
    }
    CHECK(result == CSV_END);
    close(pipe_fds[0]);
}

static void check_csv(const char *text, const char *want) {
    char out[4096];
    static const size_t pieces[] = {1, 2, 3, 7, 100000};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        read_all(text, strlen(text), pieces[i], 0, out, sizeof out);
        CHECK_TEXT(out, want);
    }
}

static void test_csv(void) {
    check_csv("", "");
    check_csv("\n\r\n\n", "");
    check_csv("a,b\n", "1:a|b ");
    check_csv("a,b", "1:a|b ");
    check_csv("a,b\r\nc,d\r\n", "1:a|b 2:c|d ");
    check_csv("\xEF\xBB\xBF"
              "a\n",
              "1:a ");
    check_csv(",\n", "1:| ");
    check_csv("\"a,b\",c\n", "1:a,b|c ");
    check_csv("\"a\"\"b\",\"\",\"\"\"\"\n", "1:a\"b||\" ");
    check_csv("\"a\nb\",c\nd\n", "1:a\nb|c 3:d ");
    check_csv("\"a\r\nb\"\r\nd\n", "1:a\r\nb 3:d ");
    check_csv("a\rb\n", "1:a\rb ");
    check_csv("a\"b\nc\n", "1! 2:c ");
    check_csv("\"a\"b\nc\n", "1! 2:c ");
    check_csv("\"a\"", "1:a ");
    check_csv("\"a\"\r", "1! ");
    check_csv("\"a\nb\nc\n", "1! 2:b 3:c ");
    check_csv("x\n\"a\nb\"c\nd\n", "1:x 2! 3! 4:d ");
    check_csv("a,\"b\n", "1! ");
    /* As many fields as there may be, the last one with a doubled mark; and one more. */
    static char row[CSV_FIELDS_MAX + 10], want[CSV_FIELDS_MAX + 10];
    memset(row, ',', CSV_FIELDS_MAX - 1);
    strcpy(row + CSV_FIELDS_MAX - 1, "\"\"\"\"\n");
    memcpy(want, "1:", 2);
    memset(want + 2, '|', CSV_FIELDS_MAX - 1);
    strcpy(want + CSV_FIELDS_MAX + 1, "\" ");
    check_csv(row, want);
    strcpy(row + CSV_FIELDS_MAX - 1, ",\n");
    check_csv(row, "1! ");
}

static void test_long_rows(void) {
    static char text[200000], out[4096];
    memset(text, 'a', 100000);
    strcpy(text + 100000, "\nb\n");
    for (int is_lines = 0; is_lines < 2; is_lines++) {
        read_all(text, strlen(text), 4096, is_lines, out, sizeof out);
        CHECK_TEXT(out, "1! 2:b ");
    }
    text[0] = '"';
    read_all(text, strlen(text), 4096, 0, out, sizeof out);
    CHECK_TEXT(out, "1! 2:b ");
    /* The longest row that is taken, and one byte more. */
    memset(text, 'a', CSV_ROW_MAX - 1);
    strcpy(text + CSV_ROW_MAX - 1, "\nb\n");
    static char long_out[CSV_ROW_MAX + 100];
    read_all(text, strlen(text), 4096, 1, long_out, sizeof long_out);
    CHECK(strlen(long_out) == CSV_ROW_MAX - 1 + 3 + 4);
    memset(text, 'a', CSV_ROW_MAX);
    strcpy(text + CSV_ROW_MAX, "\nb\n");
    read_all(text, strlen(text), 4096, 1, long_out, sizeof long_out);
    CHECK_TEXT(long_out, "1! 2:b ");
}

/* --- verdicts --------------------------------------------------------------------------------- */

#define DAY(n) (DAY_FIRST + 1000 + (uint32_t)(n))

static const struct covered_days covered = {DAY(50), DAY_NO_START, DAY(100)};

static struct span text_of(const char *text) {
    return (struct span){text, strlen(text)};
}

/* A licence for B from 10 to 60, C from 20 to 40 and provisionally afterwards, valid since 5. */
static struct terms make_licence(void) {
    struct terms terms = {
        .status = STATUS_VALID, .since = DAY(5), .until = DAY_NO_END, .group_count = 3};
    terms.groups[0] = (struct class_group){DAY(10), DAY(60), text_of("B")};
    terms.groups[1] = (struct class_group){DAY(20), DAY(40), text_of("C")};
    terms.groups[2] = (struct class_group){DAY(41), DAY_NO_END, text_of("C\002")};
    return terms;
}

static struct outcome decide(const struct terms *terms, int day, const char *class) {
    struct span name = text_of(class);
    const struct inquiry inquiry = {.day = DAY(day), .classes = &name, .class_count = name.len > 0};
    return verdict_decide(terms, &inquiry, &covered);
}

static void test_verdicts(void) {
    struct terms terms = make_licence();
    CHECK(decide(&terms, 4, "").silence == SILENCE_BEFORE_STATUS);
    CHECK(decide(&terms, 9, "").verdict == VERDICT_NOT_YET_VALID);
    CHECK(decide(&terms, 10, "").verdict == VERDICT_VALID);
    CHECK(decide(&terms, 100, "").verdict == VERDICT_VALID);
    CHECK(decide(&terms, 101, "").silence == SILENCE_AFTER_END);
    CHECK(decide(&terms, 61, "B").entitlement == LAPSED);
    CHECK(decide(&terms, 61, "B").verdict == VERDICT_NOT_ENTITLED);
    CHECK(decide(&terms, 15, "C").entitlement == NOT_YET_HELD);
    CHECK(decide(&terms, 30, "C").verdict == VERDICT_VALID);
    CHECK(decide(&terms, 50, "C").entitlement == PROVISIONAL);
    CHECK(decide(&terms, 30, "D").entitlement == NEVER_HELD);
    terms.group_count = 1;
    CHECK(decide(&terms, 61, "").verdict == VERDICT_EXPIRED);
    CHECK(decide(&terms, 61, "B").verdict == VERDICT_EXPIRED);
    terms.groups[0].classes.len = 0;
    CHECK(decide(&terms, 50, "B").silence == SILENCE_NO_CLASSES);
    terms.group_count = 0;
    CHECK(decide(&terms, 50, "").silence == SILENCE_NO_DATES);
    terms.status = STATUS_WITHHELD;
    CHECK(decide(&terms, 50, "").silence == SILENCE_WITHHELD);
}

static void test_statuses(void) {
    struct terms terms = make_licence();
    static const enum verdict verdicts[STATUS_COUNT] = {[STATUS_VALID] = VERDICT_VALID,
                                                        [STATUS_SUSPENDED] = VERDICT_SUSPENDED,
                                                        [STATUS_DISQUALIFIED] = VERDICT_SUSPENDED,
                                                        [STATUS_REVOKED] = VERDICT_REVOKED,
                                                        [STATUS_SURRENDERED] = VERDICT_REVOKED,
                                                        [STATUS_DECEASED] = VERDICT_REVOKED};
    for (uint8_t status = STATUS_VALID; status < STATUS_WITHHELD; status++) {
        terms.status = status;
        CHECK(decide(&terms, 50, "").verdict == verdicts[status]);
        CHECK(decide(&terms, 50, "").status == status);
    }
    /* A suspension that ends leaves a valid licence; what was before it is not known. */
    terms.status = STATUS_SUSPENDED;
    terms.until = DAY(30);
    CHECK(decide(&terms, 30, "").verdict == VERDICT_SUSPENDED);
    CHECK(decide(&terms, 31, "").verdict == VERDICT_VALID);
    terms.since = DAY(25);
    CHECK(decide(&terms, 24, "").silence == SILENCE_BEFORE_STATUS);
    terms.status_count = 1;
    terms.statuses[0] = (struct other_status){STATUS_VALID, DAY_NO_START, DAY(24), {"", 0}};
    CHECK(decide(&terms, 24, "").verdict == VERDICT_VALID);
    /* Where two hold, the severest counts. */
    terms.statuses[0] = (struct other_status){STATUS_REVOKED, DAY(28), DAY(29), {"", 0}};
    CHECK(decide(&terms, 27, "").verdict == VERDICT_SUSPENDED);
    CHECK(decide(&terms, 28, "").verdict == VERDICT_REVOKED);
    /* Since an unknown day: from when the release was made. */
    terms = make_licence();
    terms.since = DAY_UNKNOWN;
    CHECK(decide(&terms, 49, "").silence == SILENCE_BEFORE_STATUS);
    CHECK(decide(&terms, 50, "").verdict == VERDICT_VALID);
    CHECK(decide(&terms, 50, "").status_from == DAY_UNKNOWN);
    /* Of some classes only. */
    terms.status_count = 1;
    terms.statuses[0] = (struct other_status){STATUS_DISQUALIFIED, DAY(50), DAY(55), text_of("C")};
    CHECK(decide(&terms, 55, "B").verdict == VERDICT_VALID &&
          decide(&terms, 55, "").verdict == VERDICT_VALID);
    CHECK(decide(&terms, 55, "C").verdict == VERDICT_SUSPENDED &&
          decide(&terms, 55, "C").is_class_status);
    CHECK(decide(&terms, 56, "C").verdict == VERDICT_NOT_ENTITLED);
    CHECK_TEXT(verdict_name(VERDICT_NOT_YET_VALID), "NOT_YET_VALID");
}

static void test_fields(void) {
    struct terms terms = make_licence();
    struct inquiry inquiry = {.day = DAY(50)};
    for (unsigned match = FIELD_NOT_ASKED; match <= FIELD_NOT_KEPT; match++) {
        inquiry.matches[FIELD_PHONE] = (enum field_match)match;
        CHECK(verdict_decide(&terms, &inquiry, &covered).verdict ==
              (match == FIELD_DIFFERS ? VERDICT_MISMATCH : VERDICT_VALID));
    }
    inquiry.matches[FIELD_PHONE] = FIELD_DIFFERS;
    CHECK(verdict_decide(&terms, &inquiry, &covered).standing == VERDICT_VALID);
    inquiry.card = (struct card_match){FIELD_SAME, CARD_STOLEN};
    CHECK(verdict_decide(&terms, &inquiry, &covered).verdict == VERDICT_REPLACED);
    terms.status = STATUS_REVOKED;
    CHECK(verdict_decide(&terms, &inquiry, &covered).verdict == VERDICT_REVOKED);
}

/* --- classes, coverage, dates ------------------------------------------------------------------- */

static void test_classes(void) {
    struct class_builder builder = {0};
    struct class_item item;
    char text[CLASS_SET_MAX];
    int c = class_builder_add(&builder, text_of("C1E"), true);
    class_builder_add_code(&builder, c, text_of("79"));
    class_builder_add_code(&builder, c, text_of("01.06"));
    class_builder_add(&builder, text_of("AM"), false);
    class_builder_add(&builder, text_of("C1E"), true);
    int len = class_builder_write(&builder, text);
    CHECK(len == 16 && memcmp(text, "AM\036C1E\x02\03701.06\03779", 16) == 0);
    struct span set = {text, (size_t)len};
    CHECK(class_set_is_valid(set));
    CHECK(class_set_find(set, text_of("C1E"), &item) && item.is_provisional && item.codes.len == 9);
    CHECK(!class_set_find(set, text_of("C1"), &item) &&
          !class_set_find(set, text_of("AMC"), &item));
    /* Held in full by one of two sets. */
    class_builder_add_set(&builder, text_of("C1E\03795"));
    len = class_builder_write(&builder, text);
    CHECK(memchr(text, 0x02, (size_t)len) == NULL && len == 18);
    static const char *const bad[] = {"",       "B\036",      "\036B",       "B\036B",
                                      "C\036B", "B\037",      "B\0372\0371", "B\002\002",
                                      "B\n",    "B\0371\002", "\xFF"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(!class_set_is_valid(text_of(bad[i])));
}

static void test_coverage(void) {
    CHECK(coverage_is_valid("") && coverage_is_valid("GJ,KA0") && !coverage_is_valid("gj") &&
          !coverage_is_valid("GJ,") && !coverage_is_valid(",GJ") && !coverage_is_valid("G J"));
    CHECK(coverage_holds("", text_of("X")) && coverage_holds("GJ,KA", text_of("KA01")) &&
          !coverage_holds("GJ,KA", text_of("K")) && !coverage_holds("GJ,KA", text_of("MH1")));
    static const struct {
        const char *patterns;
        const char *number;
        bool fits;
    } cases[] = {{"", "X", true},
                 {"@@##", "GJ05", true},
                 {"@@##", "GJ5", false},
                 {"@@##", "GJ055", false},
                 {"GJ-#{4-6}", "GJ12345", true},
                 {"GJ-#{4-6}", "GJ123", false},
                 {"GJ#{4}", "KA1234", false},
                 {"?{3}", "A1B", true},
                 {"#,@", "A", true},
                 {"#{1-3}#{2}", "12345", true},
                 {"@{1-2}A", "AA", true},
                 {"@#",
                  "\xC3\x84"
                  "1",
                  true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK(patterns_are_valid(cases[i].patterns) &&
              patterns_fit(cases[i].patterns, text_of(cases[i].number)) == cases[i].fits);
    static const char *const bad[] = {",",     "#,", "a",   "#{",   "#{0}", "#{5-4}",
                                      "#{65}", "-",  "#{4", "G{2}", "#{}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(!patterns_are_valid(bad[i]));
}

static void check_date(const char *formats, const char *text, const char *want) {
    uint32_t day;
    char got[DATE_TEXT_SIZE] = "-";
    if (dates_read(formats, text_of(text), &day) == 0)
        date_format(got, day);
    CHECK_TEXT(got, want);
}

static void test_dates(void) {
    check_date(NULL, "2026-02-28", "2026-02-28");
    check_date(NULL, "28/02/2026", "-");
    check_date("DD/MM/YYYY", "28/02/2026", "2026-02-28");
    check_date("MM/DD/YYYY", "28/02/2026", "-");
    check_date("DD-MM-YYYY,DD-Mon-YYYY,YYYY-MM-DD", "17-jul-2015", "2015-07-17");
    check_date("DD-MM-YYYY,DD-Mon-YYYY,YYYY-MM-DD", "1800-01-01", "1800-01-01");
    check_date("DMMYYYY", "5071978", "1978-07-05");
    check_date("DMMYYYY", "15071978", "1978-07-15");
    check_date("MM/YYYY", "02/2024", "2024-02-29");
    check_date("YYYYMMDD", "20270412", "2027-04-12");
    check_date("YYYYMMDD", "20271312", "-");
    check_date("MMDDYYYY", "05312026", "2026-05-31");
    CHECK(dates_check_formats("DD/MM/YYYY,MM/DD/YYYY", NULL) != 0);
    CHECK(dates_check_formats("DD-MM-YYYY,DD-Mon-YYYY,YYYY-MM-DD", NULL) == 0);
    CHECK(dates_check_formats("DD/MM", NULL) != 0);
    CHECK(dates_check_formats("DMMYYYY,DDMMYYYY", NULL) != 0);
}

/* --- what was meant ------------------------------------------------------------------------------ */

static bool has_hint(const char *number, const char *patterns, const char *want) {
    static struct hint hints[HINTS_MAX];
    unsigned count = hints_of(hints, text_of(number), patterns);
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(hints[i].text, want) == 0)
            return true;
    }
    return false;
}

static void test_hints(void) {
    CHECK(has_hint("GJO5-1234", "@@##-####", "GJ05-1234"));
    CHECK(has_hint("GJ05-I234", "", "GJ05-1234") &&
          has_hint("GJ50-1234", "@@##-####", "GJ05-1234"));
    CHECK(has_hint("gj05-123", "@@##-####", "gj05-0123") && !has_hint("GJ05-123", "", "GJ05-0123"));
    CHECK(!has_hint("GJ05-1234", "@@##-####", "GJO5-1234"));
    CHECK(!has_hint("1234567890123456789012345678901234567890123456789012345678901234567", "", ""));
}

static void test_lookalikes(void) {
    CHECK(lookalike(text_of("GJ05-1234")) == NULL &&
          lookalike(text_of("4/9417/DEESA/2012")) == NULL);
    static const char *const others[] = {
        "]Q1GJ05",       "https://a.b",
        "mdoc:owBj",     "{\"a\":1}",
        "<?xml version", "@\nANSI 636",
        "ANSI 636014",   "D1FRA13AA000026181231MARTIN<<9",
        "%FLDELIV^?",    "GJ051234GJ051234GJ051234GJ051234GJ051234GJ051234"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        CHECK(lookalike(text_of(others[i])) != NULL);
}

static void test_split(void) {
    struct span name, phone, number;
    CHECK(record_split(text_of("Ramesh 2344567890 GJ05-1234"), &name, &phone, &number));
    CHECK(name.len == 6 && phone.len == 10 && number.len == 9);
    CHECK(record_split(text_of(" A B  +91 98980 00417  4 9417 "), &name, &phone, &number));
    CHECK(name.len == 3 && phone.len == 15 && number.len == 6);
    CHECK(!record_split(text_of("Ramesh GJ05-1234"), &name, &phone, &number));
    CHECK(!record_split(text_of("2344567890 GJ05-1234"), &name, &phone, &number));
    CHECK(!record_split(text_of("Ramesh 2344567890"), &name, &phone, &number));
}

int main(void) {
    test_csv();
    test_long_rows();
    test_verdicts();
    test_statuses();
    test_fields();
    test_classes();
    test_coverage();
    test_dates();
    test_hints();
    test_lookalikes();
    test_split();
    return unit_end("record");
}
