#include "unit.h"

#include "record/licence.h"
#include "registry/csv.h"

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
    check_csv(",,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,\"\"\"\"\n", "1:|||||||||||||||||||||||||||||||\" ");
    check_csv(",,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,\n", "1! ");
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

static void test_licence(void) {
    struct licence licence = {.status = STATUS_VALID, .valid_from = 10, .valid_to = 20};
    CHECK(licence_verdict(&licence, 9) == VERDICT_NOT_YET_VALID);
    CHECK(licence_verdict(&licence, 10) == VERDICT_VALID);
    CHECK(licence_verdict(&licence, 20) == VERDICT_VALID);
    CHECK(licence_verdict(&licence, 21) == VERDICT_EXPIRED);
    licence.status = STATUS_SUSPENDED;
    CHECK(licence_verdict(&licence, 15) == VERDICT_SUSPENDED);
    licence.status = STATUS_REVOKED;
    CHECK(licence_verdict(&licence, 30) == VERDICT_REVOKED);
    licence.status = 0; /* nothing valid comes out of zeroed memory */
    CHECK(licence_verdict(&licence, 15) == VERDICT_UNKNOWN);
    CHECK_TEXT(verdict_name(VERDICT_NOT_YET_VALID), "NOT_YET_VALID");
}

static void test_classes(void) {
    struct class_names names;
    const char *bad = NULL;
    size_t bad_len = 0;
    uint16_t classes;
    char text[CLASSES_TEXT_SIZE];
    CHECK(class_names_are_valid(&class_names_default));
    CHECK(class_names_parse(&names, "AM, A1;A B|BE") == 0);
    CHECK(classes_parse(&names, "BE A1", 5, &classes, &bad, &bad_len) == 0 && classes == 0x12);
    classes_format(text, &names, classes, ' ');
    CHECK_TEXT(text, "A1 BE");
    CHECK(classes_parse(&names, "", 0, &classes, &bad, &bad_len) == 0 && classes == 0);
    CHECK(classes_parse(&names, "A, C ,B", 7, &classes, &bad, &bad_len) == ERR_FORMAT);
    CHECK(bad_len == 1 && *bad == 'C');
    CHECK(class_names_parse(&names, "") == ERR_FORMAT);
    CHECK(class_names_parse(&names, "b") == ERR_FORMAT);
    CHECK(class_names_parse(&names, "B,B") == ERR_FORMAT);
    names = class_names_default;
    classes_format(text, &names, 0xFFFF, ',');
    CHECK(strlen(text) < CLASSES_TEXT_SIZE);
    names.name[3][15] = 'x';
    CHECK(!class_names_are_valid(&names));
}

int main(void) {
    test_csv();
    test_long_rows();
    test_licence();
    test_classes();
    return unit_end("record");
}
