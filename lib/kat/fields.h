/* The names that known-answer vectors use. */
#ifndef DLV_KAT_FIELDS_H
#define DLV_KAT_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

enum kat_field {
    F_LENGTH, /* L */
    F_LEN,
    F_TLEN,
    F_MSG,
    F_MD,
    F_SEED,
    F_COUNT,
    F_KEY,
    F_MAC,
    F_N,
    F_E,
    F_P,
    F_Q,
    F_DP,
    F_DQ,
    F_QINV,
    F_HASH,
    F_SHAALG,
    F_LABEL,
    F_CT,
    F_TAG,
    F_S,
    F_RESULT,
    F_KIND,
    F_INPUT,
    F_CANONICAL,
    F_DIGEST,
    F_DATABASE,
    F_AUTHORITY,
    F_LOOKUP_KEY,
    F_AT,
    F_NAME,
    F_PHONE,
    F_BIRTH_DATE,
    F_CARD,
    F_CLASS,
    F_VERDICT,
    F_SCALAR,
    F_POINT,
    F_SHARED,
    F_SALT,
    F_INFO,
    F_IKM,
    F_SIZE,
    F_OKM,
    F_NONCE,
    F_AAD,
    F_SEALED,
    F_FORMAT,
    F_DER,
    F_KIOSK_KEY,
    F_SECRET,
    F_EXPONENT,
    F_OPEN,
    F_SERVER_EXPONENT,
    F_TICKET_KEY,
    F_TICKET_NONCE,
    F_NOW,
    F_ACCEPT,
    F_SESSION_KEY,
    F_IDENTIFY_NONCE,
    F_IDENTIFY,
    F_ADMIT_NONCE,
    F_ADMIT,
    F_RENEW_EXPONENT,
    F_RENEW,
    F_RENEW_NONCE,
    F_RENEWED,
    F_RENEWED_KEY,
    F_WHAT,
    F_OFFSET,
    F_RELEASE,
    F_PADDED,
    F_ITEMS,
    F_ASK,
    F_ANSWER_NONCE,
    F_ANSWER,
    F_CASES,
    F_CHECKSUM,
    F_IGNORED, /* found in NIST's files, and not needed to run them */
    KAT_FIELD_COUNT
};

/* The field of this name, or -1. */
int kat_field_find(const char *name, size_t len);

const char *kat_field_name(enum kat_field field);

/* Whether a value outlives its case, as keys and files do, or belongs to the one case. */
bool kat_field_is_kept(enum kat_field field);

#endif
