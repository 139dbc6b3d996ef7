#include "reply.h"

#include "json.h"
#include "print.h"

#include "base/bytes.h"

#include <stdio.h>

/* The dates and classes of a licence that was found. */
struct licence_text {
    char from[DATE_TEXT_SIZE];
    char to[DATE_TEXT_SIZE];
    char classes[CLASSES_TEXT_SIZE];
};

static void format_licence(struct licence_text *text, const struct reply *reply, char separator) {
    const struct licence *licence = &reply->answer.licence;
    date_format(text->from, licence->valid_from);
    date_format(text->to, licence->valid_to);
    classes_format(text->classes, &reply->release->class_names, licence->classes, separator);
}

static void print_times(const struct reply *reply) {
    int32_t utc_offset_s = reply->release != NULL ? reply->release->utc_offset_s : 0;
    char text[TIME_TEXT_SIZE];
    moment_format(text, &reply->at, utc_offset_s);
    json_text("at", text);
    if (reply->has_server_time)
        time_format(text, reply->server_time_s, utc_offset_s);
    json_text("server_time", reply->has_server_time ? text : NULL);
}

static void print_json(const struct reply *reply) {
    bool has_licence = reply->release != NULL && reply->answer.is_found;
    char hex[2 * SHA256_LEN + 1];
    struct licence_text text;
    hex_encode(hex, reply->digest, SHA256_LEN);
    if (has_licence)
        format_licence(&text, reply, ',');
    json_begin();
    if (reply->line > 0)
        json_number("line", (long long)reply->line);
    json_text("verdict", verdict_name(reply->answer.verdict));
    json_text("kind", kind_name((uint8_t)reply->kind));
    json_text("digest", hex);
    json_text("status", has_licence ? status_name(reply->answer.licence.status) : NULL);
    json_text("valid_from", has_licence ? text.from : NULL);
    json_text("valid_to", has_licence ? text.to : NULL);
    json_list("classes", has_licence ? text.classes : NULL, ',');
    print_times(reply);
    if (reply->release != NULL)
        json_number("db_sequence", (long long)reply->release->sequence);
    else
        json_null("db_sequence");
    json_text("source", reply->source);
    json_end();
}

static void print_text(const struct reply *reply) {
    struct licence_text text;
    fputs(verdict_name(reply->answer.verdict), stdout);
    if (reply->line > 0)
        print(" line %llu:", (unsigned long long)reply->line);
    if (reply->release != NULL && reply->answer.is_found) {
        format_licence(&text, reply, ' ');
        print(" from %s to %s", text.from, text.to);
        if (text.classes[0] != '\0')
            print(", classes %s", text.classes);
    } else if (reply->release != NULL) {
        fputs(" not in the database", stdout);
    } else if (reply->answer.verdict != VERDICT_VALID) {
        fputs(" the server says no more than \"not valid\"", stdout);
    }
    print(" (%s)\n", reply->source);
}

void reply_print(const struct reply *reply, bool is_json) {
    if (is_json)
        print_json(reply);
    else
        print_text(reply);
}
