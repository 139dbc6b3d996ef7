#include "kat/fields.h"

#include <stdint.h>
#include <string.h>

static const char *const names[KAT_FIELD_COUNT] = {
    [F_LENGTH] = "L",
    [F_LEN] = "Len",
    [F_TLEN] = "Tlen",
    [F_MSG] = "Msg",
    [F_MD] = "MD",
    [F_SEED] = "Seed",
    [F_COUNT] = "COUNT",
    [F_KEY] = "Key",
    [F_MAC] = "Mac",
    [F_N] = "n",
    [F_E] = "e",
    [F_P] = "p",
    [F_Q] = "q",
    [F_DP] = "dP",
    [F_DQ] = "dQ",
    [F_QINV] = "qInv",
    [F_HASH] = "Hash",
    [F_SHAALG] = "SHAAlg",
    [F_LABEL] = "Label",
    [F_CT] = "CT",
    [F_TAG] = "Tag",
    [F_S] = "S",
    [F_RESULT] = "Result",
    [F_KIND] = "Kind",
    [F_INPUT] = "Input",
    [F_CANONICAL] = "Canonical",
    [F_DIGEST] = "Digest",
    [F_DATABASE] = "Database",
    [F_AUTHORITY] = "Authority",
    [F_LOOKUP_KEY] = "LookupKey",
    [F_AT] = "At",
    [F_NAME] = "Name",
    [F_PHONE] = "Phone",
    [F_BIRTH_DATE] = "BirthDate",
    [F_CARD] = "Card",
    [F_CLASS] = "Class",
    [F_VERDICT] = "Verdict",
    [F_SCALAR] = "Scalar",
    [F_POINT] = "Point",
    [F_SHARED] = "Shared",
    [F_SALT] = "Salt",
    [F_INFO] = "Info",
    [F_IKM] = "IKM",
    [F_SIZE] = "Size",
    [F_OKM] = "OKM",
    [F_NONCE] = "Nonce",
    [F_AAD] = "Aad",
    [F_SEALED] = "Sealed",
    [F_FORMAT] = "Format",
    [F_DER] = "DER",
    [F_KIOSK_KEY] = "KioskKey",
    [F_SECRET] = "Secret",
    [F_EXPONENT] = "Exponent",
    [F_OPEN] = "Open",
    [F_SERVER_EXPONENT] = "ServerExponent",
    [F_TICKET_KEY] = "TicketKey",
    [F_TICKET_NONCE] = "TicketNonce",
    [F_NOW] = "Now",
    [F_ACCEPT] = "Accept",
    [F_SESSION_KEY] = "SessionKey",
    [F_IDENTIFY_NONCE] = "IdentifyNonce",
    [F_IDENTIFY] = "Identify",
    [F_ADMIT_NONCE] = "AdmitNonce",
    [F_ADMIT] = "Admit",
    [F_RENEW_EXPONENT] = "RenewExponent",
    [F_RENEW] = "Renew",
    [F_RENEW_NONCE] = "RenewNonce",
    [F_RENEWED] = "Renewed",
    [F_RENEWED_KEY] = "RenewedKey",
    [F_WHAT] = "What",
    [F_OFFSET] = "Offset",
    [F_RELEASE] = "Release",
    [F_PADDED] = "Padded",
    [F_ITEMS] = "Items",
    [F_ASK] = "Ask",
    [F_ANSWER_NONCE] = "AnswerNonce",
    [F_ANSWER] = "Answer",
    [F_CASES] = "Cases",
    [F_CHECKSUM] = "Checksum",
    [F_IGNORED] = "",
};

/* Those that hold for the cases behind them. */
static const uint8_t kept[] = {F_LENGTH,     F_N,         F_E,    F_P,        F_Q,
                               F_DP,         F_DQ,        F_QINV, F_DATABASE, F_AUTHORITY,
                               F_LOOKUP_KEY, F_KIOSK_KEY, F_CASES};

static const char *const ignored[] = {
    "mod", "d", "SaltVal", "EM", "EM with hash moved", "EM with trailer wrong", "Klen"};

static bool is_name(const char *name, const char *text, size_t len) {
    return strlen(name) == len && memcmp(name, text, len) == 0;
}

int kat_field_find(const char *name, size_t len) {
    for (int i = 0; i < F_IGNORED; i++) {
        if (is_name(names[i], name, len))
            return i;
    }
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++) {
        if (is_name(ignored[i], name, len))
            return F_IGNORED;
    }
    return -1;
}

const char *kat_field_name(enum kat_field field) {
    return names[field];
}

bool kat_field_is_kept(enum kat_field field) {
    return memchr(kept, (int)field, sizeof kept) != NULL;
}
