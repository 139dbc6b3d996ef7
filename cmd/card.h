/* What a scanner has read, given as a word of the command line or on standard input. */
#ifndef DLV_CMD_CARD_H
#define DLV_CMD_CARD_H

#include "record/terms.h"
#include "scan/scan.h"

/* Reads bytes that a scanner or a keyboard has delivered. 0, or ERR_FORMAT with the reason. */
int card_read_bytes(struct scan *scan, const char *bytes, size_t len, struct error *error);

/* The same of a word of the command line; `word` "-" is standard input. 0, or a negative code with the reason. */
int card_read(struct scan *scan, const char *word, struct error *error);

/* A day as text, or NULL where the card has none. */
const char *card_day(uint32_t day, char text[16]);

/* Writes given name and surname into `text`. NULL where there is none, or where only the beginning was kept. */
#define CARD_NAME_SIZE (2 * SCAN_FIELD_SIZE)
const char *card_name(const struct scan *scan, char text[CARD_NAME_SIZE]);

/* The last day that the register has for the licence, where the card expires on another one; 0: they agree, or one
 * of them does not say. */
uint32_t card_other_last_day(const struct scan *scan, const struct terms *terms);

/* Prints what the card says as one line, and each doubt in a line of its own. */
void card_print(const struct scan *scan);

#endif
