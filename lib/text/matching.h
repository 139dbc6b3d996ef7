/* The matching form: what is hashed of a number, a name, a phone number, a date or a card, so that
 * different spellings of the same are found (MATCHING.md beside this file, to the letter). The same
 * functions serve the client and dbgen.
 *
 * Every function reads UTF-8 of any content and writes the form as UTF-8, without a NUL. They return
 * 0, or ERR_FORMAT or ERR_LIMIT with a reason that fits behind the name of the field. */
#ifndef DLV_TEXT_MATCHING_H
#define DLV_TEXT_MATCHING_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

#define MATCHING_VERSION 1

#define FORM_MAX 512 /* bytes of a form */

struct form {
    size_t len;
    char text[FORM_MAX];
};

/* What an authority lays down about names and phone numbers (in the header of its database). */
struct matching_rules {
    bool drops_senior;    /* SR is left out of names, as JR is */
    char calling_code[4]; /* of its country: "91"; empty: none was given */
    /* digits of a phone number inside the country, without a trunk 0; 0: not given */
    unsigned national_min;
    unsigned national_max;
};

/* Letters and digits, in capitals. */
int number_form(struct form *form, const char *text, size_t len, struct error *error);

/* How the pairs AE, OE, UE and AA are read as one letter. What is stored is NAME_STORED; a client
 * asks with all three, and any may match. */
enum name_reading {
    NAME_STORED, /* within each word */
    NAME_JOINED, /* after all words have been joined */
    NAME_PLAIN,  /* not at all */
    NAME_READINGS
};

/* The letters of all words, sorted. */
int name_form(struct form *form, const char *text, size_t len, const struct matching_rules *rules,
              enum name_reading reading, struct error *error);

/* The digits inside the country; behind "+" where the number is another country's. */
int phone_form(struct form *form, const char *text, size_t len, const struct matching_rules *rules,
               struct error *error);

/* A day, written YYYY-MM-DD; nothing else is taken. */
int birth_date_form(struct form *form, const char *text, size_t len, struct error *error);

/* As a number. */
int card_form(struct form *form, const char *text, size_t len, struct error *error);

#endif
