#include "os/users.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The next field of a line, which ends at a colon or line feed. */
static char *next_field(char **rest) {
    char *field = *rest;
    *rest += strcspn(field, ":\n");
    if (**rest != '\0')
        *(*rest)++ = '\0';
    return field;
}

bool users_find(const char *name, uid_t *uid, gid_t *gid) {
    char line[1024];
    FILE *file = fopen("/etc/passwd", "re");
    bool is_found = false;
    while (!is_found && file != NULL && fgets(line, sizeof line, file) != NULL) {
        char *rest = line;
        const char *own_name = next_field(&rest);
        next_field(&rest); /* the password */
        const char *own_uid = next_field(&rest), *own_gid = next_field(&rest);
        is_found = strcmp(own_name, name) == 0 || strcmp(own_uid, name) == 0;
        *uid = (uid_t)strtoul(own_uid, NULL, 10);
        *gid = (gid_t)strtoul(own_gid, NULL, 10);
        is_found &= *own_uid != '\0' && *own_gid != '\0' && *name != '\0';
    }
    if (file != NULL)
        fclose(file);
    return is_found;
}
