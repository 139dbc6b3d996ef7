#include "reply.h"

#include "json.h"

#include "base/bytes.h"

#include <stdio.h>

static void print_times(const struct reply *reply) {
    char text[TIME_TEXT_SIZE];
    if (reply->at.is_day)
        date_format(text, moment_day(&reply->at, 0));
    else
        time_format(text, reply->at.unix_s, reply->utc_offset_s);
    json_text("at", text);
    if (reply->has_server_time) {
        time_format(text, reply->server_time_s, reply->utc_offset_s);
        json_text("server_time", text);
    } else {
        json_null("server_time");
    }
}

static void print_json(const struct reply *reply) {
    const struct licence *licence = &reply->licence;
    char hex[2 * SHA256_LEN + 1], from[DATE_TEXT_SIZE], to[DATE_TEXT_SIZE],
        classes[CLASSES_TEXT_SIZE];
    int has_licence = reply->is_detailed && reply->is_found;
    hex_encode(hex, reply->digest, SHA256_LEN);
    json_begin();
    if (reply->line > 0)
        json_number("line", (long long)reply->line);
    json_text("verdict", verdict_name(reply->verdict));
    json_text("kind", kind_name((uint8_t)reply->kind));
    json_text("digest", hex);
    json_text("status", has_licence ? status_name(licence->status) : NULL);
    if (has_licence) {
        date_format(from, licence->valid_from);
        date_format(to, licence->valid_to);
        classes_format(classes, reply->class_names, licence->classes, ',');
    }
    json_text("valid_from", has_licence ? from : NULL);
    json_text("valid_to", has_licence ? to : NULL);
    if (has_licence)
        json_list("classes", classes, ',');
    else
        json_null("classes");
    print_times(reply);
    if (reply->is_detailed)
        json_number("db_sequence", (long long)reply->sequence);
    else
        json_null("db_sequence");
    json_text("source", reply->source);
    json_end();
}

static void print_text(const struct reply *reply) {
    const struct licence *licence = &reply->licence;
    fputs(verdict_name(reply->verdict), stdout);
    if (reply->line > 0)
        printf(" line %llu:", reply->line);
    if (reply->is_detailed && reply->is_found) {
        char from[DATE_TEXT_SIZE], to[DATE_TEXT_SIZE], classes[CLASSES_TEXT_SIZE];
        date_format(from, licence->valid_from);
        date_format(to, licence->valid_to);
        classes_format(classes, reply->class_names, licence->classes, ' ');
        printf(" from %s to %s", from, to);
        if (*classes != '\0')
            printf(", classes %s", classes);
    } else if (reply->is_detailed) {
        fputs(" not in the database", stdout);
    } else if (reply->verdict != VERDICT_VALID) {
        fputs(" the server says no more than \"not valid\"", stdout);
    }
    printf(" (%s)\n", reply->source);
}

void reply_print(const struct reply *reply, int is_json) {
    if (is_json)
        print_json(reply);
    else
        print_text(reply);
}
