/* Printing on stdout. */
#ifndef DLV_CMD_PRINT_H
#define DLV_CMD_PRINT_H

/* As printf, for the formats of base/format.h. */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
