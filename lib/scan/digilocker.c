#include "scan/digilocker.h"

#include "base/text.h"

#include <string.h>

#define TYPE "DRVLC"

int scan_read_digilocker(struct scan *scan, const char *at, struct error *error) {
    static const char mark[] = "-" TYPE "-";
    const char *number = strstr(at, mark);
    char quoted[TEXT_QUOTE_SIZE];
    scan->kind = SCAN_DIGILOCKER;
    text_quote(quoted, at, strlen(at));
    if (number == NULL)
        return error_set(error, ERR_FORMAT,
                         "a document of DigiLocker that is no driving licence: %s", quoted);
    strcpy(scan->issuer, "IN");
    number += sizeof mark - 1;
    scan_add(scan->number, number, strcspn(number, " \t\r\n"));
    return 0;
}

/* The value of an attribute in the first element of this name; its length in *len, 0 where there is none. */
static const char *attribute(const char *text, const char *element, const char *name, size_t *len) {
    const char *at = strstr(text, element);
    *len = 0;
    if (at == NULL)
        return "";
    const char *end = at + strcspn(at, ">");
    size_t name_len = strlen(name);
    for (at += strlen(element); at < end; at++) {
        if (*at != ' ' || strncmp(at + 1, name, name_len) != 0 ||
            strncmp(at + 1 + name_len, "=\"", 2) != 0)
            continue;
        at += 1 + name_len + 2;
        *len = strcspn(at, "\"");
        return at;
    }
    return "";
}

/* DD-MM-YYYY. */
static uint32_t day_of(const char *text, size_t len) {
    char digits[8];
    if (len != 10)
        return 0;
    memcpy(digits, text + 6, 4);
    memcpy(digits + 4, text + 3, 2);
    memcpy(digits + 6, text, 2);
    return scan_day(digits);
}

int scan_read_document(struct scan *scan, struct error *error) {
    static const char certificate[] = "<Certificate", person[] = "<Person";
    size_t len;
    scan->kind = SCAN_DIGILOCKER;
    const char *value = attribute(scan->text, certificate, "type", &len);
    if (len != sizeof TYPE - 1 || memcmp(value, TYPE, len) != 0)
        return error_set(error, ERR_FORMAT, "a document that is no driving licence");
    strcpy(scan->issuer, "IN");
    value = attribute(scan->text, certificate, "number", &len);
    scan_add(scan->number, value, len);
    value = attribute(scan->text, certificate, "expiryDate", &len);
    scan->expiry = day_of(value, len);
    value = attribute(scan->text, person, "dob", &len);
    scan->birth_date = day_of(value, len);
    value = attribute(scan->text, person, "name", &len);
    scan_add(scan->given, value, len);
    value = attribute(scan->text, certificate, "status", &len);
    if (len == 0 || (*value != 'A' && *value != 'a'))
        scan_doubt(scan, "the document itself does not say that it is active");
    scan_doubt(scan, "nothing in the document is signed");
    return 0;
}
