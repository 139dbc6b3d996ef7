/* Which verdict follows from what is on file: one pure function of a licence's terms, the moment and
 * what was asked (FORMAT.md, "Verdicts"). Servers, clients and whoever checks evidence call it. */
#ifndef DLV_RECORD_VERDICT_H
#define DLV_RECORD_VERDICT_H

#include "record/fields.h"
#include "record/terms.h"

enum verdict {
    VERDICT_UNKNOWN,
    VERDICT_VALID,
    VERDICT_EXPIRED,
    VERDICT_NOT_YET_VALID,
    VERDICT_SUSPENDED,
    VERDICT_REVOKED,
    VERDICT_MISMATCH,
    VERDICT_NOT_ENTITLED,
    VERDICT_REPLACED,
    VERDICT_NOT_COVERED, /* no verdict: the register does not speak about it */
    VERDICT_COUNT
};

/* Returns the verdict's word, for instance "NOT_YET_VALID". */
const char *verdict_name(enum verdict verdict);

/* The days that a release can be asked about, in the authority's calendar. */
struct covered_days {
    uint32_t created; /* when it was made */
    uint32_t first;   /* since when its history is known; DAY_NO_START: always */
    uint32_t last;    /* the later of today and its last day of validity; DAY_NO_END: no limit */
};

/* What comparing a card comes to, beside enum field_match. */
struct card_match {
    enum field_match match; /* with the current card */
    uint8_t state;          /* enum card_state where it is listed as such; 0: it is not */
};

struct inquiry {
    uint32_t day;
    unsigned class_count;
    const struct span *classes; /* those that are to be driven */
    /* of fields but the card; the card has its own */
    enum field_match matches[FIELD_COUNT];
    struct card_match card;
};

/* Why a register does not speak. */
enum silence {
    SILENCE_NONE,
    SILENCE_WITHHELD,      /* the registry contradicts itself about this licence */
    SILENCE_BEFORE_START,  /* the day is before what the register knows */
    SILENCE_BEFORE_STATUS, /* ... before the licence's status, and nothing earlier is recorded */
    SILENCE_AFTER_END,     /* the day is after what the release speaks about */
    SILENCE_NO_CLASSES,    /* a class was asked for, and the licence has no class data */
    SILENCE_NO_DATES,      /* the licence is valid, but nothing says when */
    SILENCE_NUMBER         /* the number is not one that the register covers */
};

/* The reason in words, which fit behind "the register ". */
const char *silence_text(enum silence silence);

enum entitlement { ENTITLED, NEVER_HELD, LAPSED, NOT_YET_HELD, PROVISIONAL };

/* "never held", "lapsed" and so on. */
const char *entitlement_name(enum entitlement entitlement);

struct outcome {
    enum verdict verdict;
    enum verdict standing; /* how the licence stands by itself, whatever class or field was given */
    enum silence silence;  /* of NOT_COVERED */
    uint8_t status;        /* enum licence_status on that day; 0: not known */
    uint32_t status_from;
    uint32_t status_to;
    enum entitlement entitlement; /* of NOT_ENTITLED: how the first class that is not held stands */
    unsigned class_at;            /* ... and which of those asked for it is; also of a suspension
                                   * that concerns only that class, where is_class_status is set */
    bool is_class_status;
};

/* The verdict about a licence that is on file. */
struct outcome verdict_decide(const struct terms *terms, const struct inquiry *inquiry,
                              const struct covered_days *covered);

#endif
