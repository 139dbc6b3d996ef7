/* JSON (RFC 8259) on stdout, one object a line. An object is put together in memory, and written
 * when it is complete. */
#ifndef DLV_CMD_JSON_H
#define DLV_CMD_JSON_H

#include "record/terms.h"

#include <stdbool.h>

/* json_begin opens an object, then come its members, and json_end closes the object and the line.
 * Text is UTF-8; a byte that is not becomes '?'. A text or list that is NULL gives null. */
void json_begin(void);
void json_text(const char *name, const char *value);
void json_span(const char *name, struct span value);
void json_number(const char *name, long long value);
void json_bool(const char *name, bool value);
void json_null(const char *name);
void json_list(const char *name, const char *items, char separator); /* of texts */
void json_end(void);

/* Objects and lists inside: the name is NULL inside a list. */
void json_open_object(const char *name);
void json_close_object(void);
void json_open_list(const char *name);
void json_close_list(void);

#endif
