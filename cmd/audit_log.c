#include "audit_log.h"

#include "json.h"
#include "print.h"
#include "progress.h"
#include "trouble.h"

#include "audit/read.h"
#include "base/bytes.h"
#include "base/date.h"
#include "base/format.h"
#include "base/text.h"

#include <string.h>
#include <time.h>

/* For so long questions may wait for a checkpoint; a server makes one a minute. */
#define UNSIGNED_MS 120000

void audit_time_format(char text[AUDIT_TIME_SIZE], int64_t unix_ms) {
    int64_t ms = unix_ms < 0 ? 0 : unix_ms > AUDIT_TIME_MAX_MS ? AUDIT_TIME_MAX_MS : unix_ms;
    char seconds[TIME_TEXT_SIZE];
    time_format(seconds, ms / 1000, 0);
    format_text(text, AUDIT_TIME_SIZE, "%.19s.%03uZ", seconds, (unsigned)(ms % 1000));
}

/* "17:HEX" */
static int take_checkpoint(const char *text, struct audit_reading *reading) {
    char digits[21];
    unsigned long long number;
    const char *hex = text + strcspn(text, ":");
    format_text(digits, sizeof digits, "%.*s", (int)(hex - text), text);
    if (*hex == '\0' || text_parse_count(digits, INT64_MAX, &number) != 0 || number == 0 ||
        hex_decode(reading->wanted_digest, SHA256_LEN, hex + 1, strlen(hex + 1)) != SHA256_LEN)
        return usage_error("--checkpoint \"%s\" is not the line of an earlier check, NUMBER:SHA256",
                           text);
    reading->wanted = number;
    return EXIT_OK;
}

static void print_result(const struct audit_reading *reading, bool is_json) {
    char hex[2 * SHA256_LEN + 1], checkpoint[96], signed_at[AUDIT_TIME_SIZE];
    char first[AUDIT_TIME_SIZE], last[AUDIT_TIME_SIZE];
    unsigned files = reading->last_segment - reading->first_segment + 1;
    hex_encode(hex, reading->checkpoint_digest, SHA256_LEN);
    format_text(checkpoint, sizeof checkpoint, "%llu:%s", (unsigned long long)reading->checkpoint,
                hex);
    audit_time_format(signed_at, reading->checkpoint_ms);
    audit_time_format(first, reading->first_ms);
    audit_time_format(last, reading->last_ms);
    if (is_json) {
        json_begin();
        json_text("log", reading->folder);
        json_number("files", files);
        json_number("first_block", (long long)reading->first_block);
        json_number("last_block", (long long)reading->last_block);
        json_number("questions", (long long)reading->questions);
        json_number("unsigned_questions", (long long)reading->unsigned_questions);
        json_text("from", first);
        json_text("until", last);
        json_number("cut", (long long)reading->cut_len);
        if (reading->checkpoint != 0) {
            json_text("signed", signed_at);
            json_text("checkpoint", checkpoint);
        }
        json_end();
        return;
    }
    print("log:         %s, %u file%s\nblocks:      %llu to %llu%s\nquestions:   %llu\n"
          "from:        %s\nuntil:       %s\n",
          reading->folder, files, files == 1 ? "" : "s", (unsigned long long)reading->first_block,
          (unsigned long long)reading->last_block,
          reading->first_block > 1 ? " (those before are not here)" : "",
          (unsigned long long)reading->questions, first, last);
    if (reading->checkpoint != 0)
        print("signed:      %s\ncheckpoint:  %s\n", signed_at, checkpoint);
    if (reading->unsigned_questions > 0)
        print("unsigned:    %llu question%s%s\n", (unsigned long long)reading->unsigned_questions,
              reading->unsigned_questions == 1 ? "" : "s",
              reading->checkpoint != 0 ? " since then" : ": there is no checkpoint");
    if (reading->cut_len > 0)
        print("cut:         %llu bytes of a block that was being written\n",
              (unsigned long long)reading->cut_len);
}

int audit_verify(const char *folder, const struct key_set *keys, const char *checkpoint,
                 bool is_json) {
    static struct audit_reading reading;
    struct error error;
    reading.folder = folder;
    reading.keys = keys;
    reading.tell = progress_show;
    if (checkpoint != NULL && take_checkpoint(checkpoint, &reading) != EXIT_OK)
        return EXIT_TROUBLE;
    if (audit_read(&reading, &error) != 0)
        return trouble("%s", error.text);
    if (reading.last_block == 0)
        return trouble("%s: no audit log is there", folder);
    print_result(&reading, is_json);
    int64_t waited_ms = (int64_t)time(NULL) * 1000 - reading.checkpoint_ms;
    int status =
        reading.unsigned_questions > 0 && waited_ms > UNSIGNED_MS ? EXIT_NOT_VALID : EXIT_OK;
    return finish_output() == EXIT_OK ? status : EXIT_TROUBLE;
}
