/* Writes a synthetic registry: the same rows for the same arguments, none of them a real person.
 *
 *   make_registry ROWS [SEED]      CSV on standard output, for dlv dbgen
 *
 * Names in several scripts, some quoted; numbers as Indian states issue them, each only once; every
 * status; licences that have expired and that begin in the future; some with a document. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const char *const first_names[] = {
    "Aarav", "Asha",  "Arjun",  "Deepa",   "Farhan", "Gurpreet", "Ishita", "Kavya",  "Lakshmi",
    "Manoj", "Meera", "Nikhil", "Priya",   "Rahul",  "Ramesh",   "Sanjay", "Sunita", "Vikram",
    "आरव",   "आशा",   "रमेश",    "प्रिया",   "विक्रम",  "लक्ष्मी",    "ਗੁਰਪ੍ਰੀਤ", "ਹਰਜੀਤ",  "கார்த்திக்",
    "மீனா",   "రాజేష్",   "అనిత",    "অর্জুন",    "মিতালী", "ಕಾವ್ಯ",     "രാഹുൽ",   "જયેશ",    "فرحان",
    "José",  "Zoë",   "Nguyễn", "Mikołaj", "李",     "Oksana",   "Søren",  "Çağla"};

static const char *const last_names[] = {
    "Agarwal",   "Bose",   "Chaudhary", "Das",    "Fernandes", "Gill", "Iyer",  "Joshi",
    "Khan",      "Kumar",  "Menon",     "Nair",   "Patel",     "Rao",  "Reddy", "Sharma",
    "Singh",     "Verma",  "पटेल",       "शर्मा",   "सिंह",       "गुप्ता", "ਸਿੰਘ",   "ਕੌਰ",
    "சுப்ரமணியன்", "రెడ్డి",    "দাস",       "ಗೌಡ",     "നായർ",      "શાહ",  "خان",   "García",
    "Müller",    "Văn An", "雷",        "O'Brien"};

static const char *const states[] = {"AN", "AP", "AR", "AS", "BR", "CG", "CH", "DD", "DL",
                                     "GA", "GJ", "HP", "HR", "JH", "JK", "KA", "KL", "LA",
                                     "LD", "MH", "ML", "MN", "MP", "MZ", "NL", "OD", "PB",
                                     "PY", "RJ", "SK", "TN", "TR", "TS", "UK", "UP", "WB"};

static const char *const classes[] = {"LMV",         "LMV;MCWG",   "MCWG",       "LMV;MCWG;TRANS",
                                      "MCWOG",       "LMV;LMV-TR", "HMV;LMV",    "HGMV;TRANS",
                                      "TRACTOR;LMV", "3W-NT",      "E-RICKSHAW", ""};

/* splitmix64 (Steele, Lea, Flood 2014): a number's own pseudo-random bits. */
static uint64_t mix(uint64_t x) {
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

static char *put(char *out, const char *text) {
    size_t len = strlen(text);
    memcpy(out, text, len);
    return out + len;
}

static char *put_digits(char *out, uint64_t number, int width) {
    for (int i = width - 1; i >= 0; i--, number /= 10)
        out[i] = (char)('0' + number % 10);
    return out + width;
}

static char *put_date(char *out, uint64_t year, uint64_t bits) {
    out = put_digits(out, year, 4);
    *out++ = '-';
    out = put_digits(out, bits % 12 + 1, 2);
    *out++ = '-';
    return put_digits(out, bits / 12 % 28 + 1, 2);
}

static char *put_name(char *out, uint64_t bits) {
    const char *first = first_names[bits % COUNT(first_names)];
    const char *last = last_names[bits / 64 % COUNT(last_names)];
    if (bits >> 58 == 0) { /* one in 64 as "Last, First" */
        *out++ = '"';
        out = put(out, last);
        out = put(out, ", ");
        out = put(out, first);
        *out++ = '"';
        return out;
    }
    out = put(out, first);
    *out++ = ' ';
    return put(out, last);
}

/* State, office, year, serial: different for every row. */
static char *put_licence(char *out, uint64_t row) {
    uint64_t serial = row / COUNT(states);
    out = put(out, states[row % COUNT(states)]);
    out = put_digits(out, serial % 60 + 1, 2);
    *out++ = row % 5 == 0 ? ' ' : '-';
    out = put_digits(out, 1975 + serial / 60 % 52, 4);
    return put_digits(out, serial / 60 / 52, 7);
}

static char *put_row(char *out, uint64_t row, uint64_t seed) {
    uint64_t bits = mix(row ^ mix(seed));
    uint64_t more = mix(bits);
    uint64_t year = 1990 + more % 38; /* to 2027: some begin in the future */
    unsigned standing = (unsigned)(more >> 32) % 100;
    out = put_name(out, bits);
    *out++ = ',';
    out = put_digits(out, 6000000000u + more % 4000000000u, 10);
    *out++ = ',';
    out = put_licence(out, row);
    out = put(out, standing < 96 ? ",valid," : standing < 99 ? ",suspended," : ",revoked,");
    out = put_date(out, 1990 + more / 64 % 36, more >> 16);
    *out++ = ',';
    out = put_date(out, year, more >> 8);
    *out++ = ',';
    out = put_date(out, year + 20, more >> 20);
    *out++ = ',';
    out = put(out, classes[(more >> 40) % COUNT(classes)]);
    *out++ = ',';
    if (more >> 62 == 0) { /* one in four */
        for (int i = 0; i < 4; i++)
            out += sprintf(out, "%016" PRIx64, mix(more + (uint64_t)i));
    }
    *out++ = '\n';
    return out;
}

int main(int argc, char **argv) {
    static char buffer[1 << 20];
    uint64_t rows = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    if (rows == 0) {
        fputs("make_registry: want ROWS [SEED]\n", stderr);
        return 2;
    }
    char *out = put(buffer, "name,phone,licence,status,status_since,valid_from,valid_to,classes,document\n");
    for (uint64_t row = 0; row < rows; row++) {
        if (out > buffer + sizeof buffer - 1024) {
            fwrite(buffer, 1, (size_t)(out - buffer), stdout);
            out = buffer;
        }
        out = put_row(out, row, seed);
    }
    fwrite(buffer, 1, (size_t)(out - buffer), stdout);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fputs("make_registry: standard output cannot be written\n", stderr);
        return 2;
    }
    return 0;
}
