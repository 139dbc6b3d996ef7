#include "db/receipt.h"

#include "base/bytes.h"
#include "base/utf8.h"
#include "db/lines.h"

#include <string.h>

const struct file_kind receipt_file_kind = {
    .what = "a receipt of dlv", .mark = "dlv receipt ", .mode = 0644};

/* --- what is signed --------------------------------------------------------------------------- */

void receipt_claim(uint8_t claim[RECEIPT_CLAIM_LEN], const uint8_t nonce[RECEIPT_NONCE_LEN],
                   const char *text, size_t len) {
    static const char purpose[] = "dlv receipt claim 1";
    struct sha256 hash;
    sha256_init(&hash);
    sha256_update(&hash, purpose, sizeof purpose - 1);
    sha256_update(&hash, nonce, RECEIPT_NONCE_LEN);
    sha256_update(&hash, text, len);
    sha256_out(&hash, claim);
}

void receipt_leaf(uint8_t leaf[MERKLE_NODE_LEN], const struct receipt *receipt) {
    static const char purpose[] = "\0dlv receipt 1";
    uint8_t time[8];
    struct sha256 hash;
    store_le64(time, (uint64_t)receipt->time_ms);
    sha256_init(&hash);
    sha256_update(&hash, purpose, sizeof purpose - 1);
    sha256_update(&hash, receipt->kiosk, RECEIPT_KIOSK_LEN);
    sha256_update(&hash, time, sizeof time);
    sha256_update(&hash, receipt->release_id, SHA256_LEN);
    sha256_update(&hash, receipt->claim, RECEIPT_CLAIM_LEN);
    sha256_out(&hash, leaf);
}

const uint8_t *receipt_tree_finish(struct receipt_tree *tree) {
    unsigned level = 0;
    for (unsigned count = tree->count; count > 1; count = (count + 1) / 2, level++) {
        for (unsigned i = 0; i < (count + 1) / 2; i++)
            merkle_parent(tree->levels[level + 1][i], tree->levels[level][0], count, i);
    }
    return tree->levels[level][0];
}

void receipt_place(struct receipt *receipt, const struct receipt_tree *tree, unsigned index) {
    unsigned level = 0;
    receipt->index = index;
    receipt->count = tree->count;
    receipt->path_len = 0;
    for (unsigned count = tree->count; count > 1; count = (count + 1) / 2, index /= 2, level++) {
        if ((index ^ 1) < count)
            memcpy(receipt->path[receipt->path_len++], tree->levels[level][index ^ 1],
                   MERKLE_NODE_LEN);
    }
}

void receipt_signed_digest(uint8_t digest[SHA256_LEN], unsigned count, const uint8_t *certificate,
                           size_t certificate_len, const uint8_t root[MERKLE_NODE_LEN]) {
    static const char purpose[] = "dlv receipts 1";
    uint8_t count_byte = (uint8_t)count, certificate_digest[SHA256_LEN];
    struct sha256 hash;
    sha256(certificate_digest, certificate, certificate_len);
    sha256_init(&hash);
    sha256_update(&hash, purpose, sizeof purpose - 1);
    sha256_update(&hash, &count_byte, 1);
    sha256_update(&hash, certificate_digest, SHA256_LEN);
    sha256_update(&hash, root, MERKLE_NODE_LEN);
    sha256_out(&hash, digest);
}

/* The root that the path leads to. False where it has another length than the place calls for. */
static bool follow(const struct receipt *receipt, uint8_t node[MERKLE_NODE_LEN]) {
    unsigned index = receipt->index, used = 0;
    receipt_leaf(node, receipt);
    for (unsigned count = receipt->count; count > 1; count = (count + 1) / 2, index /= 2) {
        uint8_t below[MERKLE_NODE_LEN];
        if ((index ^ 1) >= count)
            continue;
        if (used == receipt->path_len)
            return false;
        const uint8_t *beside = receipt->path[used++];
        memcpy(below, node, MERKLE_NODE_LEN);
        merkle_node(node, index & 1 ? beside : below, index & 1 ? below : beside);
    }
    return used == receipt->path_len && index == 0;
}

int receipt_check(const struct receipt *receipt, const struct key_set *authorities,
                  struct certificate *certificate, struct error *error) {
    uint8_t root[MERKLE_NODE_LEN], digest[SHA256_LEN];
    int64_t time_s = receipt->time_ms / 1000;
    int code = certificate_read(certificate, receipt->certificate, receipt->certificate_len,
                                authorities, error);
    if (code != 0)
        return code;
    bool is_on_path = follow(receipt, root);
    receipt_signed_digest(digest, receipt->count, receipt->certificate, receipt->certificate_len,
                          root);
    if (!is_on_path ||
        !rsa_verify(&certificate->key, digest, receipt->signature, receipt->signature_len))
        return error_set(error, ERR_SIGNATURE,
                         "the receipt is not signed by the key of its certificate");
    if (time_s < certificate->from_s || time_s > certificate->until_s)
        return error_set(error, ERR_SIGNATURE,
                         "the receipt is of a time that its certificate is not for");
    return 0;
}

/* --- the file --------------------------------------------------------------------------------- */

char *receipt_write_officer(char *out, const char *officer) {
    return officer == NULL ? out : put_span_line(out, "officer", officer, strlen(officer));
}

char *receipt_write(char *out, const uint8_t nonce[RECEIPT_NONCE_LEN],
                    const struct receipt *receipt) {
    out = put_hex_line(out, "nonce", nonce, RECEIPT_NONCE_LEN);
    out = put_hex_line(out, "kiosk", receipt->kiosk, RECEIPT_KIOSK_LEN);
    out = put_number(put_text(out, "time-ms = "), (unsigned long long)receipt->time_ms);
    out = put_hex_line(put_text(out, "\n"), "release", receipt->release_id, SHA256_LEN);
    out = put_number(put_text(out, "place = "), receipt->index);
    out = put_text(put_number(put_text(out, " "), receipt->count), "\n");
    for (unsigned i = 0; i < receipt->path_len; i++)
        out = put_hex_line(out, "receipt-node", receipt->path[i], MERKLE_NODE_LEN);
    out = put_hex_line(out, "signature", receipt->signature, receipt->signature_len);
    return put_hex_line(out, "certificate", receipt->certificate, receipt->certificate_len);
}

static bool take_officer(char officer[RECEIPT_OFFICER_MAX + 1], struct span value) {
    if (value.len == 0 || value.len > RECEIPT_OFFICER_MAX)
        return false;
    memcpy(officer, value.text, value.len);
    officer[value.len] = '\0';
    return utf8_is_quotable(value.text, value.len);
}

/* "INDEX COUNT" */
static bool take_place(struct receipt *receipt, struct span value) {
    unsigned long long index, count;
    struct span word = span_take_word(&value);
    if (!span_parse_number(word, RECEIPT_BATCH_MAX - 1, &index) ||
        !span_parse_number(value, RECEIPT_BATCH_MAX, &count) || index >= count)
        return false;
    receipt->index = (unsigned)index;
    receipt->count = (unsigned)count;
    return true;
}

static bool decode_some(uint8_t *bytes, size_t max, size_t *len, struct span value) {
    *len = value.len / 2;
    return *len > 0 && *len <= max && span_decode(bytes, *len, value);
}

int receipt_read(struct receipt_lines *read, struct lines *lines, const char *text) {
    struct receipt *receipt = &read->receipt;
    struct span value;
    unsigned long long time_ms;
    memset(read, 0, sizeof *read);
    if (lines_take(lines, "officer = ", &value) && !take_officer(read->officer, value))
        return lines_refuse(lines, "\"officer = \" and at most 63 bytes of plain text");
    size_t claimed_len = (size_t)(lines->at - text);
    if (!lines_take(lines, "nonce = ", &value) ||
        !span_decode(read->nonce, RECEIPT_NONCE_LEN, value))
        return lines_refuse(lines, "\"nonce = \" and 64 hex digits");
    receipt_claim(receipt->claim, read->nonce, text, claimed_len);
    if (!lines_take(lines, "kiosk = ", &value) ||
        !span_decode(receipt->kiosk, RECEIPT_KIOSK_LEN, value))
        return lines_refuse(lines, "\"kiosk = \" and 32 hex digits");
    if (!lines_take(lines, "time-ms = ", &value) ||
        !span_parse_number(value, (1ull << 50) - 1, &time_ms))
        return lines_refuse(lines, "\"time-ms = \" and Unix milliseconds");
    receipt->time_ms = (int64_t)time_ms;
    if (!lines_take(lines, "release = ", &value) ||
        !span_decode(receipt->release_id, SHA256_LEN, value))
        return lines_refuse(lines, "\"release = \" and 64 hex digits");
    if (!lines_take(lines, "place = ", &value) || !take_place(receipt, value))
        return lines_refuse(lines, "\"place = \", an index, and a count of at most 64");
    while (lines_take(lines, "receipt-node = ", &value)) {
        if (receipt->path_len == RECEIPT_PATH_MAX ||
            !span_decode(receipt->path[receipt->path_len++], MERKLE_NODE_LEN, value))
            return lines_refuse(lines, "\"receipt-node = \" and 64 hex digits, 6 of them at most");
    }
    if (!lines_take(lines, "signature = ", &value) ||
        !decode_some(receipt->signature, RSA_LEN_MAX, &receipt->signature_len, value))
        return lines_refuse(lines, "\"signature = \" and hex digits");
    if (!lines_take(lines, "certificate = ", &value) ||
        !decode_some(receipt->certificate, CERTIFICATE_MAX, &receipt->certificate_len, value))
        return lines_refuse(lines, "\"certificate = \" and hex digits");
    return lines->at == lines->end ? 0 : lines_refuse(lines, "the end of the file");
}

int receipt_file_read(struct evidence *evidence, struct receipt_lines *read, const char *text,
                      size_t len, struct error *error) {
    struct lines lines = {.at = text, .end = text + len, .line = 1, .error = error};
    struct span rest;
    if (!lines_take(&lines, RECEIPT_MARK, &rest) || rest.len != 0)
        return lines_refuse(&lines, "\"" RECEIPT_MARK "\"");
    int code = evidence_take(evidence, &lines);
    return code == 0 ? receipt_read(read, &lines, text) : code;
}
