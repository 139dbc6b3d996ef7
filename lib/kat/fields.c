#include "kat/fields.h"

#include <string.h>

static const struct {
    char name[15]; /* in place, so that it needs no relocation */
    bool is_kept;
} fields[KAT_FIELD_COUNT] = {
    [F_LENGTH] = {"L", true},
    [F_LEN] = {"Len", false},
    [F_TLEN] = {"Tlen", false},
    [F_MSG] = {"Msg", false},
    [F_MD] = {"MD", false},
    [F_SEED] = {"Seed", false},
    [F_COUNT] = {"COUNT", false},
    [F_KEY] = {"Key", false},
    [F_MAC] = {"Mac", false},
    [F_N] = {"n", true},
    [F_E] = {"e", true},
    [F_P] = {"p", true},
    [F_Q] = {"q", true},
    [F_DP] = {"dP", true},
    [F_DQ] = {"dQ", true},
    [F_QINV] = {"qInv", true},
    [F_HASH] = {"Hash", false},
    [F_SHAALG] = {"SHAAlg", false},
    [F_LABEL] = {"Label", false},
    [F_CT] = {"CT", false},
    [F_TAG] = {"Tag", false},
    [F_S] = {"S", false},
    [F_RESULT] = {"Result", false},
    [F_KIND] = {"Kind", false},
    [F_INPUT] = {"Input", false},
    [F_CANONICAL] = {"Canonical", false},
    [F_DIGEST] = {"Digest", false},
    [F_DATABASE] = {"Database", true},
    [F_AUTHORITY] = {"Authority", true},
    [F_LOOKUP_KEY] = {"LookupKey", true},
    [F_AT] = {"At", false},
    [F_NAME] = {"Name", false},
    [F_PHONE] = {"Phone", false},
    [F_BIRTH_DATE] = {"BirthDate", false},
    [F_CARD] = {"Card", false},
    [F_CLASS] = {"Class", false},
    [F_VERDICT] = {"Verdict", false},
    [F_SCALAR] = {"Scalar", false},
    [F_POINT] = {"Point", false},
    [F_SHARED] = {"Shared", false},
    [F_SALT] = {"Salt", false},
    [F_INFO] = {"Info", false},
    [F_IKM] = {"IKM", false},
    [F_SIZE] = {"Size", false},
    [F_OKM] = {"OKM", false},
    [F_NONCE] = {"Nonce", false},
    [F_AAD] = {"Aad", false},
    [F_SEALED] = {"Sealed", false},
    [F_FORMAT] = {"Format", false},
    [F_DER] = {"DER", false},
    [F_KIOSK_KEY] = {"KioskKey", true},
    [F_SECRET] = {"Secret", false},
    [F_EXPONENT] = {"Exponent", false},
    [F_OPEN] = {"Open", false},
    [F_SERVER_EXPONENT] = {"ServerExponent", false},
    [F_TICKET_KEY] = {"TicketKey", false},
    [F_TICKET_NONCE] = {"TicketNonce", false},
    [F_NOW] = {"Now", false},
    [F_ACCEPT] = {"Accept", false},
    [F_SESSION_KEY] = {"SessionKey", false},
    [F_IDENTIFY_NONCE] = {"IdentifyNonce", false},
    [F_IDENTIFY] = {"Identify", false},
    [F_ADMIT_NONCE] = {"AdmitNonce", false},
    [F_ADMIT] = {"Admit", false},
    [F_RENEW_EXPONENT] = {"RenewExponent", false},
    [F_RENEW] = {"Renew", false},
    [F_RENEW_NONCE] = {"RenewNonce", false},
    [F_RENEWED] = {"Renewed", false},
    [F_RENEWED_KEY] = {"RenewedKey", false},
    [F_WHAT] = {"What", false},
    [F_OFFSET] = {"Offset", false},
    [F_RELEASE] = {"Release", false},
    [F_PADDED] = {"Padded", false},
    [F_ITEMS] = {"Items", false},
    [F_ASK] = {"Ask", false},
    [F_ANSWER_NONCE] = {"AnswerNonce", false},
    [F_ANSWER] = {"Answer", false},
    [F_CASES] = {"Cases", true},
    [F_CHECKSUM] = {"Checksum", false},
    [F_IGNORED] = {"", false},
};

static const char *const ignored[] = {
    "mod", "d", "SaltVal", "EM", "EM with hash moved", "EM with trailer wrong", "Klen"};

static bool is_name(const char *name, const char *text, size_t len) {
    return strlen(name) == len && memcmp(name, text, len) == 0;
}

int kat_field_find(const char *name, size_t len) {
    for (int i = 0; i < F_IGNORED; i++) {
        if (is_name(fields[i].name, name, len))
            return i;
    }
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++) {
        if (is_name(ignored[i], name, len))
            return F_IGNORED;
    }
    return -1;
}

const char *kat_field_name(enum kat_field field) {
    return fields[field].name;
}

bool kat_field_is_kept(enum kat_field field) {
    return fields[field].is_kept;
}
