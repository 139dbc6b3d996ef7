/* What a row of the registry says, in pieces of one size, so that they can be sorted: a row makes
 * one or more facts, and all facts under one key make an entry (merge.h). */
#ifndef DLV_BUILDER_FACT_H
#define DLV_BUILDER_FACT_H

#include "db/entry.h"

enum fact_kind {
    FACT_LICENCE =
        1,      /* the row itself: codes, status with since and until, spelling, first group */
    FACT_GROUP, /* a further group: classes, from and to */
    FACT_CLASS_STATUS, /* a status of some classes, from and to */
    FACT_CARD,         /* a card and its state; its check code is at the start of the codes */
    FACT_CODE,         /* a code with an argument */
    FACT_DEPENDENT,    /* a document, former number or legacy record of a licence */
    FACT_WITHHELD,     /* a row that was refused, whose number could be read */
    FACT_SET,          /* of a change list: the rows under this key replace what is there */
    FACT_REMOVE,       /* ... the licence goes, with all that depends on it */
    FACT_STATUS        /* ... its status changes, from a day on */
};

/* 64 bytes. Numbers are not aligned, so that no byte is lost. */
struct fact {
    uint8_t key[DB_KEY_LEN]; /* the stored key */
    uint8_t line[4];         /* of the input, big-endian: facts are sorted by key and line */
    uint8_t kind;            /* enum fact_kind */
    uint8_t status;          /* enum licence_status, card_state or entry_kind */
    uint8_t codes[CODES_LEN];
    union {
        struct {
            uint8_t since[3];      /* or from */
            uint8_t until[3];      /* or to */
            uint8_t text[4];       /* a number of struct texts */
            uint8_t spelling[4];   /* a digest of the number as it was written */
            uint8_t group_from[3]; /* DAY_UNKNOWN: there is no group */
            uint8_t group_to[3];
        } says;
        uint8_t licence_prefix[LICENCE_PREFIX_LEN + 5];
    } of;
};

#define FACT_SORT_LEN (DB_KEY_LEN + 4) /* the bytes by which facts are sorted */
#define FACT_LINE_MAX UINT32_MAX

_Static_assert(sizeof(struct fact) == 64, "facts have no padding");

static inline uint32_t fact_line(const struct fact *fact) {
    return (uint32_t)fact->line[0] << 24 | (uint32_t)fact->line[1] << 16 |
           (uint32_t)fact->line[2] << 8 | fact->line[3];
}

static inline void fact_set_line(struct fact *fact, uint32_t line) {
    for (int i = 0; i < 4; i++)
        fact->line[i] = (uint8_t)(line >> (24 - 8 * i));
}

/* Days fit in three bytes (DAY_UNKNOWN is the highest). */
static inline uint32_t fact_day(const uint8_t bytes[3]) {
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16;
}

static inline void fact_set_day(uint8_t bytes[3], uint32_t day) {
    for (int i = 0; i < 3; i++)
        bytes[i] = (uint8_t)(day >> (8 * i));
}

#endif
