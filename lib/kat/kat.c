#include "kat/run.h"

#include "base/bytes.h"
#include "base/date.h"
#include "base/parallel.h"
#include "base/text.h"
#include "crypto/rsa_key.h"
#include "db/find.h"
#include "record/digest.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* Whether a value outlives its case (keys, files) or belongs to it alone. */
static const struct {
    const char *name;
    int is_kept;
} fields[FIELD_COUNT] = {
    [F_LENGTH] = {"L", 1},
    [F_LEN] = {"Len", 0},
    [F_TLEN] = {"Tlen", 0},
    [F_MSG] = {"Msg", 0},
    [F_MD] = {"MD", 0},
    [F_SEED] = {"Seed", 0},
    [F_COUNT] = {"COUNT", 0},
    [F_KEY] = {"Key", 0},
    [F_MAC] = {"Mac", 0},
    [F_N] = {"n", 1},
    [F_E] = {"e", 1},
    [F_P] = {"p", 1},
    [F_Q] = {"q", 1},
    [F_DP] = {"dP", 1},
    [F_DQ] = {"dQ", 1},
    [F_QINV] = {"qInv", 1},
    [F_HASH] = {"Hash", 0},
    [F_SHAALG] = {"SHAAlg", 0},
    [F_LABEL] = {"Label", 0},
    [F_CT] = {"CT", 0},
    [F_S] = {"S", 0},
    [F_RESULT] = {"Result", 0},
    [F_KIND] = {"Kind", 0},
    [F_INPUT] = {"Input", 0},
    [F_CANONICAL] = {"Canonical", 0},
    [F_DIGEST] = {"Digest", 0},
    [F_DATABASE] = {"Database", 1},
    [F_AUTHORITY] = {"Authority", 1},
    [F_LOOKUP_KEY] = {"LookupKey", 1},
    [F_AT] = {"At", 0},
    [F_VERDICT] = {"Verdict", 0},
    [F_SCALAR] = {"Scalar", 0},
    [F_POINT] = {"Point", 0},
    [F_SHARED] = {"Shared", 0},
    [F_SALT] = {"Salt", 0},
    [F_INFO] = {"Info", 0},
    [F_IKM] = {"IKM", 0},
    [F_OKM] = {"OKM", 0},
    [F_NONCE] = {"Nonce", 0},
    [F_AAD] = {"Aad", 0},
    [F_SEALED] = {"Sealed", 0},
    [F_KIOSK_KEY] = {"KioskKey", 1},
    [F_SECRET] = {"Secret", 0},
    [F_EXPONENT] = {"Exponent", 0},
    [F_OPEN] = {"Open", 0},
    [F_SERVER_EXPONENT] = {"ServerExponent", 0},
    [F_TICKET_KEY] = {"TicketKey", 0},
    [F_TICKET_NONCE] = {"TicketNonce", 0},
    [F_NOW] = {"Now", 0},
    [F_ACCEPT] = {"Accept", 0},
    [F_SESSION_KEY] = {"SessionKey", 0},
    [F_FLAGS] = {"Flags", 0},
    [F_DIGESTS] = {"Digests", 0},
    [F_ASK] = {"Ask", 0},
    [F_ANSWER_NONCE] = {"AnswerNonce", 0},
    [F_ANSWER] = {"Answer", 0},
    [F_CHECKSUM] = {"Checksum", 0},
    [F_IGNORED] = {"", 0},
};

/* Found in NIST's files, not needed to run them. */
static const char *const ignored[] = {
    "mod", "d", "SaltVal", "EM", "EM with hash moved", "EM with trailer wrong", "Klen"};

int kat_wrong(const struct run *run, const char *what) {
    return error_set(run->error, ERR_SIGNATURE, "%s:%lu: %s", run->name, run->line, what);
}

int kat_malformed(const struct run *run, const char *what) {
    return error_set(run->error, ERR_FORMAT, "%s:%lu: %s", run->name, run->line, what);
}

int kat_has(const struct run *run, enum field_name field) {
    return run->values[field].text != NULL;
}

static int is(const struct run *run, enum field_name field, const char *text) {
    const struct value *value = &run->values[field];
    return value->text != NULL && value->len == strlen(text) &&
           memcmp(value->text, text, value->len) == 0;
}

int kat_get_hex(const struct run *run, enum field_name field, uint8_t *bytes, size_t max,
                size_t *len) {
    const struct value *value = &run->values[field];
    char reason[64];
    long n = value->text == NULL ? ERR_FORMAT : hex_decode(bytes, max, value->text, value->len);
    if (n < 0) {
        snprintf(reason, sizeof reason, "%s is missing or not hexadecimal", fields[field].name);
        return kat_malformed(run, reason);
    }
    *len = (size_t)n;
    return 0;
}

int kat_get_bytes(const struct run *run, enum field_name field, uint8_t *bytes, size_t len) {
    char reason[64];
    size_t got = 0;
    int code = kat_get_hex(run, field, bytes, len, &got);
    if (code != 0 || got == len)
        return code;
    snprintf(reason, sizeof reason, "%s has not %zu bytes", fields[field].name, len);
    return kat_malformed(run, reason);
}

static int get_digest(const struct run *run, enum field_name field, uint8_t digest[SHA256_LEN]) {
    return kat_get_bytes(run, field, digest, SHA256_LEN);
}

int kat_get_number(const struct run *run, enum field_name field, unsigned long long *number) {
    char digits[24];
    const struct value *value = &run->values[field];
    if (value->text != NULL && value->len < sizeof digits) {
        snprintf(digits, sizeof digits, "%.*s", (int)value->len, value->text);
        if (text_parse_count(digits, 1000000000000, number) == 0)
            return 0;
    }
    return kat_malformed(run, "not a number");
}

/* P or F at the start of Result (NIST adds the reason). */
static int get_result(const struct run *run, int *is_pass) {
    const struct value *value = &run->values[F_RESULT];
    *is_pass = value->len > 0 && value->text[0] == 'P';
    if (value->len == 0 || (value->text[0] != 'P' && value->text[0] != 'F') ||
        (value->len > 1 && value->text[1] != ' '))
        return kat_malformed(run, "Result is neither P nor F");
    return 0;
}

static int skip(struct run *run) {
    run->count->skipped++;
    return 0;
}

int kat_pass(struct run *run) {
    run->count->passed++;
    return 0;
}

/* --- one function a kind of case -------------------------------------------------------------- */

static int run_sha256(struct run *run) {
    uint8_t message[VALUE_MAX], expected[SHA256_LEN], digest[SHA256_LEN];
    size_t len;
    unsigned long long bits;
    if (!is(run, F_LENGTH, "32"))
        return skip(run);
    int code = kat_get_number(run, F_LEN, &bits);
    if (code == 0)
        code = kat_get_hex(run, F_MSG, message, sizeof message, &len);
    if (code == 0)
        code = get_digest(run, F_MD, expected);
    if (code != 0)
        return code;
    if (bits % 8 != 0 || bits / 8 > len || (bits / 8 < len && bits != 0))
        return kat_malformed(run, "Len and Msg do not agree");
    sha256(digest, message, (size_t)bits / 8);
    return memcmp(digest, expected, SHA256_LEN) == 0 ? kat_pass(run)
                                                     : kat_wrong(run, "SHA-256 differs");
}

/* CAVP's Monte Carlo test: 1000 digests a step, each of the last three. */
static int run_sha256_monte(struct run *run) {
    uint8_t chain[3 * SHA256_LEN], expected[SHA256_LEN], digest[SHA256_LEN];
    unsigned long long step;
    int code = kat_get_number(run, F_COUNT, &step);
    if (code == 0)
        code = get_digest(run, F_MD, expected);
    if (code != 0)
        return code;
    if (run->monte_next < 0 || step != (unsigned)run->monte_next)
        return kat_malformed(run, "COUNT out of order, or no Seed");
    for (int i = 0; i < 3; i++)
        memcpy(chain + i * SHA256_LEN, run->monte_seed, SHA256_LEN);
    for (int i = 0; i < 1000; i++) {
        sha256(digest, chain, sizeof chain);
        memmove(chain, chain + SHA256_LEN, 2 * SHA256_LEN);
        memcpy(chain + 2 * SHA256_LEN, digest, SHA256_LEN);
    }
    memcpy(run->monte_seed, digest, SHA256_LEN);
    run->monte_next++;
    return memcmp(digest, expected, SHA256_LEN) == 0 ? kat_pass(run)
                                                     : kat_wrong(run, "SHA-256 differs");
}

static int run_hmac(struct run *run) {
    uint8_t key[VALUE_MAX], message[VALUE_MAX], expected[SHA256_LEN], mac[SHA256_LEN];
    size_t key_len, message_len, mac_len;
    if (!is(run, F_LENGTH, "32"))
        return skip(run);
    int code = kat_get_hex(run, F_KEY, key, sizeof key, &key_len);
    if (code == 0)
        code = kat_get_hex(run, F_MSG, message, sizeof message, &message_len);
    if (code == 0)
        code = kat_get_hex(run, F_MAC, expected, sizeof expected, &mac_len);
    if (code != 0)
        return code;
    if (mac_len < 8)
        return kat_malformed(run, "Mac shorter than 8 bytes");
    hmac_sha256(mac, key, key_len, message, message_len);
    return memcmp(mac, expected, mac_len) == 0 ? kat_pass(run)
                                               : kat_wrong(run, "HMAC-SHA-256 differs");
}

/* A number without its leading zeros. */
static int get_rsa_number(const struct run *run, enum field_name field, uint8_t number[RSA_LEN_MAX],
                          size_t *len) {
    int code = kat_get_hex(run, field, number, RSA_LEN_MAX, len);
    size_t zeros = 0;
    if (code != 0)
        return code;
    while (zeros < *len && number[zeros] == 0)
        zeros++;
    *len -= zeros;
    memmove(number, number + zeros, *len);
    return *len > 0 ? 0 : kat_malformed(run, "zero is no part of an RSA key");
}

static int get_rsa_public(const struct run *run, struct rsa_public *key) {
    int code = get_rsa_number(run, F_N, key->n, &key->n_len);
    if (code == 0)
        code = get_rsa_number(run, F_E, key->e, &key->e_len);
    if (code == 0 && !rsa_public_is_sane(key))
        code = kat_malformed(run, "n and e are not a usable RSA key");
    return code;
}

int kat_get_rsa_private(const struct run *run, struct rsa_private *key) {
    uint8_t number[RSA_LEN_MAX];
    struct {
        enum field_name field;
        unsigned char **part;
        size_t *len;
    } parts[] = {{F_P, &key->key.p, &key->key.plen},
                 {F_Q, &key->key.q, &key->key.qlen},
                 {F_DP, &key->key.dp, &key->key.dplen},
                 {F_DQ, &key->key.dq, &key->key.dqlen},
                 {F_QINV, &key->key.iq, &key->key.iqlen}};
    size_t used = 0;
    int code = get_rsa_public(run, &key->public);
    for (size_t i = 0; code == 0 && i < sizeof parts / sizeof parts[0]; i++) {
        code = get_rsa_number(run, parts[i].field, number, parts[i].len);
        if (code != 0)
            break;
        if (*parts[i].len > key->public.n_len / 2 + 2)
            return kat_malformed(run, "a part of the private key is too long");
        *parts[i].part = key->store + used;
        memcpy(*parts[i].part, number, *parts[i].len);
        used += *parts[i].len;
    }
    key->key.n_bitlen = rsa_bits(&key->public);
    if (code == 0 && !rsa_private_is_consistent(key))
        code = kat_wrong(run, "the parts of the private key do not belong together");
    return code;
}

static int run_signature(struct run *run) {
    struct rsa_public key;
    uint8_t message[VALUE_MAX], signature[RSA_LEN_MAX], digest[SHA256_LEN];
    size_t message_len, signature_len;
    int is_pass;
    if (!is(run, F_SHAALG, "SHA256"))
        return skip(run);
    int code = get_rsa_public(run, &key);
    if (code == 0)
        code = kat_get_hex(run, F_MSG, message, sizeof message, &message_len);
    if (code == 0)
        code = kat_get_hex(run, F_S, signature, sizeof signature, &signature_len);
    if (code == 0)
        code = get_result(run, &is_pass);
    if (code != 0)
        return code;
    sha256(digest, message, message_len);
    if (rsa_verify(&key, digest, signature, signature_len) != is_pass)
        return kat_wrong(run, is_pass ? "a good RSA signature was refused"
                                      : "a bad RSA signature was accepted");
    return kat_pass(run);
}

/* Encryption is checked too where the vector has its seed. */
static int check_oaep_encrypt(const struct run *run, const struct rsa_private *key,
                              enum rsa_hash hash, const uint8_t *label, size_t label_len,
                              const uint8_t *message, size_t message_len,
                              const uint8_t *ciphertext) {
    uint8_t seed[SHA256_LEN], encrypted[RSA_LEN_MAX];
    size_t seed_len;
    int code = kat_get_hex(run, F_SEED, seed, sizeof seed, &seed_len);
    if (code != 0)
        return code;
    if (seed_len != (hash == RSA_SHA1 ? 20 : 32))
        return kat_malformed(run, "Seed is not as long as the hash");
    struct kat_given given = {&kat_given_class, seed};
    if (!rsa_oaep_encrypt(&key->public, hash, label, label_len, &given.vtable, message, message_len,
                          encrypted) ||
        memcmp(encrypted, ciphertext, key->public.n_len) != 0)
        return kat_wrong(run, "RSA-OAEP encryption differs");
    return 0;
}

static int run_oaep(struct run *run) {
    struct rsa_private key = {0};
    uint8_t label[256], message[RSA_LEN_MAX], ciphertext[2 * RSA_LEN_MAX], data[2 * RSA_LEN_MAX];
    size_t label_len = 0, message_len = 0, len;
    int is_pass;
    enum rsa_hash hash = is(run, F_HASH, "SHA1") ? RSA_SHA1 : RSA_SHA256;
    if (hash == RSA_SHA256 && !is(run, F_HASH, "SHA256"))
        return kat_malformed(run, "Hash is neither SHA1 nor SHA256");
    int code = get_result(run, &is_pass);
    if (code == 0)
        code = kat_get_rsa_private(run, &key);
    if (code == 0 && kat_has(run, F_LABEL))
        code = kat_get_hex(run, F_LABEL, label, sizeof label, &label_len);
    if (code == 0 && is_pass)
        code = kat_get_hex(run, F_MSG, message, sizeof message, &message_len);
    if (code == 0)
        code = kat_get_hex(run, F_CT, ciphertext, sizeof ciphertext, &len);
    if (code == 0 && kat_has(run, F_SEED) && len == key.public.n_len)
        code =
            check_oaep_encrypt(run, &key, hash, label, label_len, message, message_len, ciphertext);
    if (code != 0)
        return code;
    memcpy(data, ciphertext, len);
    int is_decrypted = rsa_oaep_decrypt(&key, hash, label, label_len, data, &len);
    if (is_decrypted != is_pass)
        return kat_wrong(run, is_pass ? "a good RSA-OAEP ciphertext was refused"
                                      : "a bad RSA-OAEP ciphertext was accepted");
    if (is_pass && (len != message_len || memcmp(data, message, len) != 0))
        return kat_wrong(run, "RSA-OAEP decryption differs");
    return kat_pass(run);
}

/* The digest of Input as Kind says, and the canonical form on the way there. */
static int question_digest(const struct run *run, uint8_t digest[SHA256_LEN], char *canonical,
                           size_t *canonical_len, enum licence_kind *kind, int *is_refused) {
    uint8_t input[VALUE_MAX];
    size_t len;
    int code = kat_get_hex(run, F_INPUT, input, sizeof input, &len);
    if (code != 0)
        return code;
    const char *text = (const char *)input;
    *is_refused = 0;
    *canonical_len = 0;
    if (is(run, F_KIND, "record")) {
        *kind = KIND_RECORD;
        *is_refused = record_canonical(canonical, canonical_len, text, len, NULL) != 0 ||
                      record_digest(digest, text, len, NULL) != 0;
    } else if (is(run, F_KIND, "number")) {
        *kind = KIND_NUMBER;
        *is_refused = number_canonical(canonical, canonical_len, text, len, NULL) != 0 ||
                      number_digest(digest, text, len, NULL) != 0;
    } else if (is(run, F_KIND, "document")) {
        *kind = KIND_DOCUMENT;
        sha256(digest, input, len);
    } else {
        return kat_malformed(run, "Kind is none of record, number, document");
    }
    return 0;
}

static int run_record(struct run *run) {
    char canonical[RECORD_MAX];
    uint8_t expected_canonical[VALUE_MAX], expected[SHA256_LEN], digest[SHA256_LEN];
    size_t canonical_len, expected_len;
    enum licence_kind kind;
    int is_refused;
    int code = question_digest(run, digest, canonical, &canonical_len, &kind, &is_refused);
    if (code != 0)
        return code;
    if (kat_has(run, F_RESULT)) {
        int is_pass;
        code = get_result(run, &is_pass);
        if (code != 0)
            return code;
        return is_pass      ? kat_malformed(run, "Result of a record can only be F")
               : is_refused ? kat_pass(run)
                            : kat_wrong(run, "a text that is no record was accepted");
    }
    code =
        kat_get_hex(run, F_CANONICAL, expected_canonical, sizeof expected_canonical, &expected_len);
    if (code == 0)
        code = get_digest(run, F_DIGEST, expected);
    if (code != 0)
        return code;
    if (is_refused)
        return kat_wrong(run, "a good record was refused");
    if (canonical_len != expected_len || memcmp(canonical, expected_canonical, expected_len) != 0)
        return kat_wrong(run, "the canonical form differs");
    return memcmp(digest, expected, SHA256_LEN) == 0 ? kat_pass(run)
                                                     : kat_wrong(run, "the digest differs");
}

void kat_path_beside(const struct run *run, enum field_name field, char path[PATH_MAX]) {
    const char *slash = strrchr(run->name, '/');
    int folder_len = slash == NULL ? 0 : (int)(slash - run->name) + 1;
    snprintf(path, PATH_MAX, "%.*s%.*s", folder_len, run->name, (int)run->values[field].len,
             run->values[field].text);
}

static void close_database(struct run *run) {
    if (run->db_is_open)
        db_close(&run->db);
    run->db_is_open = 0;
}

int kat_open_database(struct run *run) {
    char path[PATH_MAX];
    struct rsa_public authority;
    struct error reason;
    if (run->db_is_open)
        return 0;
    if (!kat_has(run, F_DATABASE) || !kat_has(run, F_AUTHORITY))
        return kat_malformed(run, "[Database] and [Authority] are needed");
    kat_path_beside(run, F_AUTHORITY, path);
    int code = rsa_public_load(&authority, path, 2048, &reason);
    if (code == 0 && kat_has(run, F_LOOKUP_KEY)) {
        kat_path_beside(run, F_LOOKUP_KEY, path);
        code = lookup_key_load(&run->lookup_key, path, &reason);
    }
    if (code == 0) {
        kat_path_beside(run, F_DATABASE, path);
        code = db_open(&run->db, path, &authority, &reason);
        run->db_is_open = code == 0;
    }
    if (code == 0)
        code = db_verify(&run->db, parallel_processors(), path, &reason);
    if (code == 0 && memcmp(run->lookup_key.id, run->db.header.lookup_key_id, SHA256_LEN) != 0)
        return kat_wrong(run, "the database is keyed otherwise");
    return code == 0 ? 0 : kat_wrong(run, reason.text);
}

static int run_verdict(struct run *run) {
    char canonical[RECORD_MAX], at[TIME_TEXT_SIZE + 1];
    uint8_t digest[SHA256_LEN];
    size_t canonical_len;
    enum licence_kind kind;
    int is_refused;
    struct moment moment;
    struct db_answer answer;
    int code = kat_open_database(run);
    if (code == 0)
        code = question_digest(run, digest, canonical, &canonical_len, &kind, &is_refused);
    if (code != 0)
        return code;
    if (is_refused)
        return kat_wrong(run, "a good record was refused");
    snprintf(at, sizeof at, "%.*s", (int)run->values[F_AT].len,
             kat_has(run, F_AT) ? run->values[F_AT].text : "");
    if (moment_parse(at, &moment) != 0)
        return kat_malformed(run, "At is not a time");
    db_ask(&run->db, run->db.header.flags & DB_FLAG_KEYED ? &run->lookup_key : NULL, digest, kind,
           moment_day(&moment, run->db.header.utc_offset_s), &answer);
    return is(run, F_VERDICT, verdict_name(answer.verdict)) ? kat_pass(run)
                                                            : kat_wrong(run, "the verdict differs");
}

static int run_checksum(struct run *run, const char *line_start) {
    uint8_t expected[SHA256_LEN], digest[SHA256_LEN];
    int code = get_digest(run, F_CHECKSUM, expected);
    if (code != 0)
        return code;
    sha256(digest, run->text, (size_t)(line_start - run->text));
    return memcmp(digest, expected, SHA256_LEN) == 0
               ? 0
               : kat_wrong(run, "the lines above do not have this SHA-256");
}

/* --- the file -------------------------------------------------------------------------------- */

static int run_case(struct run *run, enum field_name last, const char *line_start) {
    switch (last) {
    case F_MD:
        return kat_has(run, F_COUNT) ? run_sha256_monte(run) : run_sha256(run);
    case F_MAC:
        return run_hmac(run);
    case F_RESULT:
        return kat_has(run, F_KIND) ? run_record(run)
               : kat_has(run, F_S)  ? run_signature(run)
                                    : run_oaep(run);
    case F_DIGEST:
        return run_record(run);
    case F_VERDICT:
        return run_verdict(run);
    case F_SHARED:
        return kat_run_x25519(run);
    case F_OKM:
        return kat_run_hkdf(run);
    case F_SEALED:
        return kat_run_aead(run);
    case F_ANSWER:
        return kat_run_transcript(run);
    case F_CHECKSUM:
        return run_checksum(run, line_start);
    default:
        return 1; /* not complete yet */
    }
}

static int field_lookup(const char *name, size_t len) {
    for (int i = 0; i < F_IGNORED; i++) {
        if (strlen(fields[i].name) == len && memcmp(fields[i].name, name, len) == 0)
            return i;
    }
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++) {
        if (strlen(ignored[i]) == len && memcmp(ignored[i], name, len) == 0)
            return F_IGNORED;
    }
    return -1;
}

static int take_field(struct run *run, enum field_name field, struct value value,
                      const char *line_start) {
    if (!fields[field].is_kept && kat_has(run, field) && field != F_IGNORED)
        return kat_malformed(run, "the same name twice in one case");
    run->values[field] = value;
    if (field == F_DATABASE || field == F_AUTHORITY || field == F_LOOKUP_KEY)
        close_database(run);
    /* Monte Carlo's, not OAEP's. */
    if (field == F_SEED && !kat_has(run, F_HASH) && !kat_has(run, F_SECRET)) {
        run->monte_next = 0;
        run->values[F_SEED] = value;
        int code = get_digest(run, F_SEED, run->monte_seed);
        run->values[F_SEED].text = NULL;
        return code;
    }
    int code = run_case(run, field, line_start);
    if (code > 0)
        return 0;
    for (int i = 0; i < FIELD_COUNT; i++) {
        if (!fields[i].is_kept)
            run->values[i].text = NULL;
    }
    return code;
}

static int is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

/* One line: nothing, a comment, or Name = value with or without brackets. */
static int take_line(struct run *run, const char *line, size_t len) {
    const char *start = line;
    while (len > 0 && is_space(*line))
        line++, len--;
    while (len > 0 && is_space(line[len - 1]))
        len--;
    if (len == 0 || *line == '#')
        return 0;
    if (*line == '[' && line[len - 1] == ']')
        line++, len -= 2;
    const char *equals = memchr(line, '=', len);
    if (equals == NULL)
        return kat_malformed(run, "not of the form Name = value");
    size_t name_len = (size_t)(equals - line);
    struct value value = {equals + 1, len - name_len - 1};
    while (name_len > 0 && is_space(line[name_len - 1]))
        name_len--;
    while (value.len > 0 && is_space(*value.text))
        value.text++, value.len--;
    while (value.len > 0 && is_space(value.text[value.len - 1]))
        value.len--;
    int field = field_lookup(line, name_len);
    if (field < 0)
        return kat_malformed(run, "unknown name");
    return take_field(run, (enum field_name)field, value, start);
}

int kat_run(const char *name, const char *text, size_t len, struct kat_count *count,
            struct error *error) {
    struct run run = {.name = name, .text = text, .count = count, .error = error, .monte_next = -1};
    int code = 0;
    *count = (struct kat_count){0};
    for (size_t at = 0; code == 0 && at < len;) {
        const char *end = memchr(text + at, '\n', len - at);
        size_t line_len = end == NULL ? len - at : (size_t)(end - text) - at;
        run.line++;
        code = take_line(&run, text + at, line_len);
        at += line_len + 1;
    }
    for (int i = 0; code == 0 && i < FIELD_COUNT; i++) {
        if (!fields[i].is_kept && i != F_IGNORED && kat_has(&run, (enum field_name)i))
            code = kat_malformed(&run, "the last case is not complete");
    }
    if (code == 0 && count->passed == 0)
        code = kat_malformed(&run, "no vector that dlv can run");
    close_database(&run);
    return code;
}
