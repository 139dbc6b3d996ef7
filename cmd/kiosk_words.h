/* The words that a kiosk shows, in English or as a file says. */
#ifndef DLV_CMD_KIOSK_WORDS_H
#define DLV_CMD_KIOSK_WORDS_H

/* Reads a file of lines "ENGLISH = LOCAL", where a line that begins with '#' says nothing; what it does not have
 * stays English. EXIT_OK, or EXIT_TROUBLE after saying which line is wrong. */
int words_load(const char *path);

/* Prints all words as such a file, to begin with. */
void words_print(void);

/* The word or sentence in the local language. */
const char *word(const char *english);

#endif
