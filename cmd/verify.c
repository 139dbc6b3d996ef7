#include "applet.h"
#include "database.h"
#include "json.h"

#include "base/bytes.h"
#include "base/date.h"
#include "base/parallel.h"
#include "crypto/rsa_key.h"

#include <stdio.h>
#include <time.h>

static const char *authority;
static bool is_json;

static const struct option options[] = {
    {"authority", 'a', "PUB", &authority, NULL, "the authority's public key"},
    {"json", 'j', NULL, NULL, &is_json, "one object instead of lines"},
    {NULL, 0, NULL, NULL, NULL, NULL},
};

static void print_facts(const char *path, const struct db_header *header, const char *fingerprint) {
    char created[TIME_TEXT_SIZE], until[TIME_TEXT_SIZE], root[2 * DB_NODE_LEN + 1],
        lookup_key[2 * SHA256_LEN + 1], classes[CLASSES_TEXT_SIZE];
    bool is_keyed = (header->flags & DB_FLAG_KEYED) != 0;
    bool has_limit = header->valid_until_s != 0;
    time_format(created, header->created_s, header->utc_offset_s);
    time_format(until, header->valid_until_s, header->utc_offset_s);
    hex_encode(root, header->merkle_root, DB_NODE_LEN);
    hex_encode(lookup_key, header->lookup_key_id, SHA256_LEN);
    classes_format(classes, &header->class_names, 0xFFFF, ',');
    bool is_past = has_limit && time(NULL) > header->valid_until_s;

    if (is_json) {
        json_begin();
        json_text("file", path);
        json_bool("verified", 1);
        json_number("format", DB_VERSION);
        json_number("entries", (long long)header->count);
        json_number("sequence", (long long)header->sequence);
        json_text("created", created);
        json_text("valid_until", has_limit ? until : NULL);
        json_bool("past_valid_until", is_past);
        json_number("utc_offset_minutes", header->utc_offset_s / 60);
        json_bool("keyed", is_keyed);
        json_text("lookup_key_id", is_keyed ? lookup_key : NULL);
        json_text("authority", fingerprint);
        json_text("merkle_root", root);
        json_list("classes", classes, ',');
        json_end();
        return;
    }
    printf("%s: verified\n", path);
    printf("format       %d\n", DB_VERSION);
    printf("entries      %llu\n", (unsigned long long)header->count);
    printf("sequence     %llu\n", (unsigned long long)header->sequence);
    printf("created      %s\n", created);
    printf("valid until  %s%s\n", has_limit ? until : "no limit",
           is_past ? " (past: servers and clients refuse it)" : "");
    printf("keyed        %s\n", is_keyed ? lookup_key : "no");
    printf("authority    %s\n", fingerprint);
    printf("merkle root  %s\n", root);
    printf("classes      %s\n", classes);
}

static int run(int operand_count, char **operands) {
    struct rsa_public key;
    struct db db;
    struct error error;
    char fingerprint[RSA_FINGERPRINT_SIZE];
    if (authority == NULL)
        return usage_error("--authority is needed");
    if (operand_count != 1)
        return usage_error("one database is needed");
    if (rsa_public_load(&key, authority, 2048, &error) != 0 ||
        db_open(&db, operands[0], &key, &error) != 0)
        return trouble("%s", error.text);
    int code = db_verify(&db, parallel_processors(), operands[0], &error);
    if (code == 0) {
        rsa_fingerprint(&key, fingerprint);
        print_facts(operands[0], &db.header, fingerprint);
    }
    db_close(&db);
    return code == 0 ? finish_output() : trouble("%s", error.text);
}

const struct applet applet_verify = {
    .name = "verify",
    .summary = "check a database against the authority's key",
    .synopsis = "--authority authority.pub [--json] licences.db",
    .options = options,
    .description =
        "Checks everything: the header's signature, its structure, the SHA-256 of each section, the\n"
        "zeros between sections, the order of the keys, every entry's attributes, the fan-out, the\n"
        "Merkle nodes and their root. Prints what the header says, or the first thing that is wrong.",
    .needs_cryptography = true,
    .run = run,
};
