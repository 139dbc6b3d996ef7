/* JSON (RFC 8259) on stdout, one object a line. */
#ifndef DLV_CMD_JSON_H
#define DLV_CMD_JSON_H

/* Members: the first begins the object, json_end closes it and the line. Text is UTF-8; what is
 * not becomes '?'. NULL gives null. */
void json_begin(void);
void json_text(const char *name, const char *value);
void json_number(const char *name, long long value);
void json_bool(const char *name, int value);
void json_null(const char *name);
void json_list(const char *name, const char *items, char separator); /* of texts */
void json_end(void);

#endif
