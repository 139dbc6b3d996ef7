#include "unit.h"

#include "base/bytes.h"
#include "base/date.h"
#include "base/error.h"
#include "base/file.h"
#include "base/format.h"
#include "base/inflate.h"
#include "base/list.h"
#include "base/parallel.h"
#include "base/text.h"
#include "base/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_bytes(void) {
    uint8_t bytes[8] = {1, 2, 3, 4, 5, 6, 7, 0x88};
    char text[32];
    CHECK(load_le16(bytes) == 0x0201);
    CHECK(load_le32(bytes) == 0x04030201);
    CHECK(load_le64(bytes) == 0x8807060504030201);
    CHECK(load_be64(bytes) == 0x0102030405060788);
    uint8_t copy[8];
    store_le64(copy, load_le64(bytes));
    CHECK(memcmp(copy, bytes, 8) == 0);
    CHECK(!bytes_are_zero(bytes, 8) && bytes_are_zero(bytes, 0));
    wipe(copy, sizeof copy);
    CHECK(bytes_are_zero(copy, 8));

    hex_encode(text, bytes, 8);
    CHECK_TEXT(text, "0102030405060788");
    CHECK(hex_decode(copy, 8, "0102030405060788", 16) == 8 && memcmp(copy, bytes, 8) == 0);
    CHECK(hex_decode(copy, 8, "aAfF", 4) == 2 && copy[0] == 0xAA && copy[1] == 0xFF);
    CHECK(hex_decode(copy, 8, "", 0) == 0);
    CHECK(hex_decode(copy, 8, "0", 1) == ERR_FORMAT);
    CHECK(hex_decode(copy, 8, "0g", 2) == ERR_FORMAT);
    CHECK(hex_decode(copy, 1, "0102", 4) == ERR_FORMAT);

    /* RFC 4648, section 10 */
    static const char *const base64[] = {"",         "Zg==",     "Zm8=",    "Zm9v",
                                         "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    for (size_t len = 0; len <= 6; len++) {
        base64_encode(text, "foobar", len);
        CHECK_TEXT(text, base64[len]);
        CHECK(strlen(text) == BASE64_LEN(len));
        CHECK(base64_decode(copy, sizeof copy, text, strlen(text)) == (long)len);
        CHECK(memcmp(copy, "foobar", len) == 0);
        CHECK(len == 0 || base64_decode(copy, len - 1, text, strlen(text)) == ERR_FORMAT);
    }
    /* Not the encoding of anything: too short, padding in between or too much, bits left over,
     * foreign characters. */
    static const char *const not_base64[] = {
        "Z", "Zg", "Zg=", "Z===", "====", "Zg==Zg==", "Zh==", "Zm9=", "Zm-v", "Zm9v\n", " Zg="};
    for (size_t i = 0; i < sizeof not_base64 / sizeof *not_base64; i++)
        CHECK(base64_decode(copy, sizeof copy, not_base64[i], strlen(not_base64[i])) == ERR_FORMAT);
    CHECK(bytes_are_equal("ab", "ab", 2) && !bytes_are_equal("ab", "aB", 2) &&
          bytes_are_equal("a", "b", 0));
}

static void test_utf8(void) {
    static const struct {
        const char *text;
        size_t size;
        uint32_t character;
    } cases[] = {
        {"A", 1, 'A'},
        {"\x7f", 1, 0x7F},
        {"\xc2\x80", 2, 0x80},
        {"\xdf\xbf", 2, 0x7FF},
        {"\xe0\xa0\x80", 3, 0x800},
        {"\xef\xbf\xbf", 3, 0xFFFF},
        {"\xed\x9f\xbf", 3, 0xD7FF},
        {"\xf0\x90\x80\x80", 4, 0x10000},
        {"\xf4\x8f\xbf\xbf", 4, 0x10FFFF},
        {"\x80", 0, 0},
        {"\xc1\xbf", 0, 0},
        {"\xe0\x9f\xbf", 0, 0},
        {"\xed\xa0\x80", 0, 0},
        {"\xf0\x8f\xbf\xbf", 0, 0},
        {"\xf4\x90\x80\x80", 0, 0},
        {"\xf8\x80\x80\x80", 0, 0},
        {"\xff", 0, 0},
        {"\xc2", 0, 0},
        {"\xe2\x82", 0, 0},
        {"\xe2\x28\xa1", 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t character = 0;
        size_t size =
            utf8_decode((const uint8_t *)cases[i].text, strlen(cases[i].text), &character);
        CHECK(size == cases[i].size && character == cases[i].character);
    }
    CHECK(utf8_is_control(0) && utf8_is_control(0x1F) && utf8_is_control(0x7F) &&
          utf8_is_control(0x9F));
    CHECK(!utf8_is_control(' ') && !utf8_is_control(0xA0));
}

static void test_dates(void) {
    uint32_t day;
    char text[TIME_TEXT_SIZE];
    CHECK(date_parse("0001-01-01", 10, &day) == 0 && day == 0);
    CHECK(date_parse("1970-01-01", 10, &day) == 0 && day == DATE_UNIX_EPOCH);
    CHECK(date_parse("9999-12-31", 10, &day) == 0 && day == DATE_DAY_MAX);
    CHECK(date_parse("2000-02-29", 10, &day) == 0);
    static const char *const bad[] = {"1900-02-29", "2023-02-29", "2023-00-01", "2023-13-01",
                                      "2023-04-31", "2023-01-00", "0000-01-01", "2023/01/01",
                                      "2023-1-001", "+023-01-01", " 023-01-01"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK(date_parse(bad[i], 10, &day) == ERR_FORMAT);
    CHECK(date_parse("2023-01-011", 11, &day) == ERR_FORMAT);

    /* Every day of the calendar, there and back, in order. */
    int mismatches = 0;
    for (uint32_t d = 0; d <= DATE_DAY_MAX; d++) {
        date_format(text, d);
        mismatches += date_parse(text, 10, &day) != 0 || day != d;
    }
    CHECK(mismatches == 0);

    struct moment moment;
    CHECK(moment_parse("2026-11-24T10:00:00+05:30", &moment) == 0 && moment.unix_s == 1795494600 &&
          !moment.is_day);
    CHECK(moment_parse("1969-12-31T23:59:59Z", &moment) == 0 && moment.unix_s == -1);
    CHECK(moment_parse("2026-11-24", &moment) == 0 && moment.is_day && moment.unix_s == 1795478400);
    CHECK(moment_parse("2026-11-24T24:00:00Z", &moment) == ERR_FORMAT);
    CHECK(moment_parse("2026-11-24T10:00:00", &moment) == ERR_FORMAT);
    CHECK(moment_parse("2026-11-24T10:00:00x", &moment) == ERR_FORMAT);
    CHECK(moment_parse("2026-11-24T10:00:00Zx", &moment) == ERR_FORMAT);

    moment = (struct moment){.unix_s = 1795478400 - 1, .is_day = false};
    CHECK(moment_day(&moment, 1) == moment_day(&moment, 0) + 1);
    moment = (struct moment){.unix_s = 1795478400, .is_day = true};
    CHECK(moment_day(&moment, -43200) == moment_day(&moment, 43200));
    moment = (struct moment){.unix_s = INT64_MAX, .is_day = false};
    CHECK(moment_day(&moment, 3600) == DATE_DAY_MAX);
    moment.unix_s = INT64_MIN;
    CHECK(moment_day(&moment, -3600) == 0);

    time_format(text, 1795494600, 19800);
    CHECK_TEXT(text, "2026-11-24T10:00:00+05:30");
    time_format(text, 1795494600, -12600);
    CHECK_TEXT(text, "2026-11-24T01:00:00-03:30");
    time_format(text, 0, 0);
    CHECK_TEXT(text, "1970-01-01T00:00:00Z");
}

static void test_text(void) {
    char quoted[TEXT_QUOTE_SIZE], text[200];
    unsigned long long count;
    text_quote(quoted, "a\x1b[1mb\xff", 7);
    CHECK_TEXT(quoted, "a?[1mb?");
    memset(text, 'x', sizeof text);
    text_quote(quoted, text, sizeof text);
    CHECK(strlen(quoted) == 63 && strcmp(quoted + 60, "...") == 0);
    for (size_t i = 0; i + 3 <= sizeof text; i += 3)
        memcpy(text + i, "\xe2\x82\xac", 3);
    text_quote(quoted, text, 198);
    CHECK(strlen(quoted) <= TEXT_QUOTE_SIZE - 1);

    CHECK(text_parse_count("0", 10, &count) == 0 && count == 0);
    CHECK(text_parse_count("10", 10, &count) == 0 && count == 10);
    CHECK(text_parse_count("11", 10, &count) == ERR_FORMAT);
    CHECK(text_parse_count("5", 3, &count) == ERR_FORMAT);
    CHECK(text_parse_count("18446744073709551615", UINT64_MAX, &count) == 0 && count == UINT64_MAX);
    CHECK(text_parse_count("18446744073709551616", UINT64_MAX, &count) == ERR_FORMAT);
    CHECK(text_parse_count("", 10, &count) == ERR_FORMAT);
    CHECK(text_parse_count("-1", 10, &count) == ERR_FORMAT);
    CHECK(text_parse_count("1 ", 10, &count) == ERR_FORMAT);
}

static const struct file_kind plain = {.what = "a plain file", .mode = 0644};
static const struct file_kind secret = {
    .what = "a marked file", .mark = "mark", .mode = 0600, .is_private = true};

static mode_t mode_of(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 ? status.st_mode & 07777 : 0;
}

static void test_files(void) {
    char folder[] = "/tmp/dlv-unit-XXXXXX", path[64], bytes[16];
    struct error error;
    struct atomic_file file;
    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/f", folder);
    CHECK(file_write(path, "one", 3, &plain, REPLACE_NOTHING, &error) == 0);
    CHECK(mode_of(path) == 0644);
    CHECK(file_write(path, "two", 3, &plain, REPLACE_NOTHING, &error) == ERR_EXISTS);
    CHECK(file_read(path, bytes, sizeof bytes, &error) == 3 && memcmp(bytes, "one", 3) == 0);
    CHECK(file_read(path, bytes, 3, &error) == 3);
    CHECK(file_read(path, bytes, 2, &error) == ERR_LIMIT);
    CHECK(chmod(path, 0640) == 0);
    CHECK(file_write(path, "three", 5, &plain, REPLACE_ANY, &error) == 0);
    CHECK(file_read(path, bytes, sizeof bytes, &error) == 5 && mode_of(path) == 0640);

    CHECK(atomic_file_open(&file, path, &plain, REPLACE_KIND, &error) == 0);
    CHECK(file_write_at(file.fd, "four", 4, 0) == 0);
    atomic_file_abort(&file);
    atomic_file_abort(&file);
    CHECK(file_read(path, bytes, sizeof bytes, &error) == 5 && memcmp(bytes, "three", 5) == 0);
    CHECK(unlink(path) == 0 && rmdir(folder) == 0); /* nothing else was left there */
    CHECK(file_read(path, bytes, sizeof bytes, &error) == ERR_SYSTEM &&
          strstr(error.text, path) != NULL);
    CHECK(atomic_file_open(&file, path, &plain, REPLACE_ANY, &error) == ERR_SYSTEM);
}

/* What is replaced, and what never is. */
static void test_what_is_replaced(void) {
    char folder[] = "/tmp/dlv-unit-XXXXXX", path[64], link[64], left[64], bytes[16];
    struct error error;
    struct atomic_file file;
    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/f", folder);
    snprintf(link, sizeof link, "%s/link", folder);
    snprintf(left, sizeof left, "%s/.f.1.tmp", folder);
    /* Another file, and one that begins like another; an empty one holds nothing to lose. */
    CHECK(file_write(path, "mars", 4, &plain, REPLACE_NOTHING, &error) == 0);
    CHECK(file_check_place(path, &secret, REPLACE_KIND, &error) == ERR_EXISTS);
    CHECK(file_write(path, "mark1", 5, &secret, REPLACE_KIND, &error) == ERR_EXISTS);
    CHECK(file_remove(path, &secret, &error) == 0 && access(path, F_OK) == 0);
    CHECK(truncate(path, 0) == 0);
    CHECK(file_write(path, "mark1", 5, &secret, REPLACE_KIND, &error) == 0);
    CHECK(mode_of(path) == 0600);
    CHECK(chmod(path, 0644) == 0);
    CHECK(file_write(path, "mark2", 5, &secret, REPLACE_KIND, &error) == 0);
    CHECK(mode_of(path) == 0600); /* it stays private */
    /* A symbolic link stays one, and its target is replaced. */
    CHECK(symlink("f", link) == 0);
    CHECK(file_write(link, "mark3", 5, &secret, REPLACE_KIND, &error) == 0);
    CHECK(readlink(link, bytes, sizeof bytes) == 1);
    CHECK(file_read(path, bytes, sizeof bytes, &error) == 5 && memcmp(bytes, "mark3", 5) == 0);
    CHECK(file_remove(link, &secret, &error) == 0 && access(path, F_OK) != 0);
    CHECK(file_write(link, "mark4", 5, &secret, REPLACE_ANY, &error) == ERR_SYSTEM);
    CHECK(unlink(link) == 0);
    /* Folders and devices never are. */
    CHECK(file_check_place(folder, &plain, REPLACE_ANY, &error) == ERR_FORMAT);
    CHECK(file_check_place("/dev/null", &plain, REPLACE_ANY, &error) == ERR_FORMAT);
    CHECK(mkfifo(path, 0600) == 0);
    CHECK(file_check_place(path, &secret, REPLACE_KIND, &error) == ERR_FORMAT);
    CHECK(unlink(path) == 0);
    /* What a killed process left goes; what another one writes just now stays. */
    CHECK(file_write(left, "half", 4, &plain, REPLACE_NOTHING, &error) == 0);
    CHECK(file_write(path, "mark5", 5, &secret, REPLACE_KIND, &error) == 0);
    CHECK(access(left, F_OK) != 0);
    CHECK(atomic_file_open(&file, left, &plain, REPLACE_NOTHING, &error) == 0);
    snprintf(link, sizeof link, "/proc/self/fd/%d", file.fd);
    CHECK(linkat(AT_FDCWD, link, AT_FDCWD, left, AT_SYMLINK_FOLLOW) == 0);
    CHECK(file_write(path, "mark6", 5, &secret, REPLACE_KIND, &error) == 0);
    CHECK(access(left, F_OK) == 0);
    atomic_file_abort(&file);
    unlink(left);
    CHECK(unlink(path) == 0 && rmdir(folder) == 0);
}

static void test_list(void) {
    struct item {
        int value;
        struct list link;
    } items[3] = {{.value = 0}, {.value = 1}, {.value = 2}};
    struct list list;
    list_init(&list);
    CHECK(list_is_empty(&list));
    for (int i = 0; i < 3; i++)
        list_append(&list, &items[i].link);
    CHECK(LIST_ENTRY(list.next, struct item, link)->value == 0);
    list_remove(&items[0].link);
    list_remove(&items[0].link);
    CHECK(LIST_ENTRY(list.next, struct item, link)->value == 1 &&
          LIST_ENTRY(list.previous, struct item, link)->value == 2);
    list_remove(&items[1].link);
    list_remove(&items[2].link);
    CHECK(list_is_empty(&list));
}

/* --- threads ---------------------------------------------------------------------------------- */

struct sums {
    _Atomic uint64_t total;
    _Atomic unsigned pieces;
    uint64_t fails_at; /* 0: never */
};

static int sum_piece(void *context, uint64_t first, uint64_t end) {
    struct sums *sums = context;
    sums->pieces++;
    for (uint64_t i = first; i < end; i++) {
        if (sums->fails_at != 0 && i >= sums->fails_at) {
            errno = (int)(i / 10);
            return ERR_FORMAT;
        }
        sums->total += i;
    }
    return 0;
}

static void test_parallel(void) {
    CHECK(parallel_processors() >= 1 && parallel_processors() <= PARALLEL_THREADS_MAX);
    for (unsigned threads = 1; threads <= 5; threads++) {
        struct sums sums = {0};
        CHECK(parallel_run(threads, 1000, 7, sum_piece, &sums) == 0);
        CHECK(sums.total == 499500 && sums.pieces == 143);
        sums = (struct sums){.fails_at = 230};
        CHECK(parallel_run(threads, 1000, 10, sum_piece, &sums) == ERR_FORMAT);
        CHECK(errno == 23 && sums.total >= 229 * 230 / 2);
        sums = (struct sums){0};
        CHECK(parallel_run(threads, 0, 10, sum_piece, &sums) == 0 && sums.pieces == 0);
    }
    /* A set of threads takes one range after the other; what is not waited for is not lost. */
    static struct parallel parallel;
    struct sums sums = {0};
    parallel_open(&parallel, 3);
    CHECK(parallel_wait(&parallel) == 0);
    for (int round = 0; round < 50; round++) {
        parallel_start(&parallel, 100, 9, sum_piece, &sums);
        CHECK(parallel_wait(&parallel) == 0);
    }
    parallel_start(&parallel, 100, 9, sum_piece, &sums);
    parallel_close(&parallel);
    CHECK(sums.total >= 50 * 4950 && sums.total <= 51 * 4950);
}

/* The same text as the C library's, for all that dlv uses; and what it cuts. */
#define SAME(...)                                                                                  \
    do {                                                                                           \
        char own[200], other[200];                                                                 \
        size_t len = format_text(own, sizeof own, __VA_ARGS__);                                    \
        CHECK(len == (size_t)snprintf(other, sizeof other, __VA_ARGS__));                          \
        CHECK_TEXT(own, other);                                                                    \
    } while (0)

static void test_format(void) {
    char text[8];
    SAME("%s", "");
    SAME("%d %d %i", 0, -1, 2147483647);
    SAME("%lld %lld", -9223372036854775807ll - 1, 9223372036854775807ll);
    SAME("%u %lu %llu %zu", 4294967295u, ULONG_MAX, 7ull, (size_t)0);
    SAME("%x %X %02x %08X %016llx", 255u, 255u, 10u, 48879u, 0x123456789ABCDEFull);
    SAME("%5d|%-5d|%05d|%05d", 42, 42, 42, -42);
    SAME("%8s|%-8s|%.3s|%8.2s|%-8.2s|%.*s", "abc", "abc", "abcdef", "abcdef", "abcdef", 4,
         "abcdef");
    SAME("%*d|%-*s|%c%c", 6, 7, 4, "x", 'a', 'b');
    SAME("100%% %s%%", "sure");
    errno = ENOENT;
    SAME("%s: %m", "file");
    CHECK(format_text(text, sizeof text, "%s", "1234567") == 7);
    CHECK_TEXT(text, "1234567");
    CHECK(format_text(text, sizeof text, "%s-%d", "123456", 789) == 10);
    CHECK_TEXT(text, "123456-");
    CHECK(format_text(text, 1, "%d", 12345) == 5 && text[0] == '\0');
    text[0] = 'x';
    CHECK(format_text(text, 0, "%d", 12345) == 5 && text[0] == 'x');
}

/* Streams of zlib, of each of the three kinds of blocks. */
static const struct {
    const char *text, *bytes;
    size_t len;
} streams[] = {
    {"licence, licence, licence; ",
     "\xcb\xc9\x4c\x4e\xcd\x4b\x4e\xd5\x51\xc8\x41\x63\x58\x2b\x00\x00", 16},
    {"as it is", "\x01\x08\x00\xf7\xff\x61\x73\x20\x69\x74\x20\x69\x73", 13},
    {"aabaedecaaeaccadbaabaaaacacaadeabaadbaca",
     "\x15\x88\x41\x01\x00\x30\x10\x82\xb2\x72\x68\xff\x0a\x73\xf0\x02\x38\x9a\x0a\x45\xc9\xb1\x31\x9c\xa4\x3f\xf6\xe4\x01",
     29}};

static void test_inflate(void) {
    char out[512];
    for (unsigned i = 0; i < 3; i++) {
        size_t len = strlen(streams[i].text);
        uint8_t bytes[256];
        memcpy(bytes, streams[i].bytes, streams[i].len);
        CHECK(inflate(out, sizeof out, bytes, streams[i].len) == (ssize_t)len);
        CHECK(memcmp(out, streams[i].text, len) == 0);
        CHECK(inflate(out, len, bytes, streams[i].len) == (ssize_t)len);
        CHECK(inflate(out, len - 1, bytes, streams[i].len) == ERR_FORMAT);
        for (size_t cut = 0; cut < streams[i].len; cut++)
            CHECK(inflate(out, sizeof out, bytes, cut) == ERR_FORMAT);
        for (size_t bit = 0; bit < 8 * streams[i].len; bit++) { /* whatever it is, it ends */
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            CHECK(inflate(out, sizeof out, bytes, streams[i].len) <= (ssize_t)sizeof out);
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
    CHECK(inflate(out, sizeof out, "\x07", 1) ==
          ERR_FORMAT); /* a kind of block that there is not */
}

int main(void) {
    test_bytes();
    test_utf8();
    test_dates();
    test_text();
    test_files();
    test_what_is_replaced();
    test_list();
    test_parallel();
    test_format();
    test_inflate();
    return unit_end("base");
}
