/* The bound of dbgen: SHA-256 of each row's record and number, and nothing else.
 *
 *   hashing ROWS     prints seconds */
#include "record/digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(int argc, char **argv) {
    unsigned long rows = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
    struct timespec start, end;
    unsigned sum = 0;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (unsigned long i = 0; i < rows; i++) {
        uint8_t digest[SHA256_LEN];
        char text[64] = "Ramesh Patel 0000000000 GJ05-20110000000";
        for (unsigned long n = i, at = 22; n > 0; n /= 10)
            text[at--] = (char)('0' + n % 10);
        sha256(digest, text, 40);
        sum += digest[0];
        sha256(digest, text, 26); /* "dlv:number:" and fifteen characters */
        sum += digest[0];
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("%.2f\n",
           (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9);
    return sum == 0;
}
