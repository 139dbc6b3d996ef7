/* The C library's strstr is a kilobyte of code; this one is made of memmem, which is there anyway. */
#include <string.h>

char *strstr(const char *text, const char *word) {
    return memmem(text, strlen(text), word, strlen(word));
}
