/* Options of the command line: one table for each applet says how an option is spelled, what it
 * means, which values it takes and where the value goes. Parsing, checking and help follow it. */
#ifndef DLV_CMD_OPTIONS_H
#define DLV_CMD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_type {
    OPTION_IS_FLAG,
    OPTION_IS_TEXT,
    OPTION_IS_LIST,
    OPTION_IS_COUNT,
    OPTION_IS_SIZE
};

#define OPTION_LIST_MAX 4

/* What an option says that may be given several times. */
struct option_list {
    unsigned count;
    const char *items[OPTION_LIST_MAX];
};

/* What kind of value an option takes. */
struct option_kind {
    enum option_type type;
    const char *unit;            /* of a count: "seconds"; NULL: none */
    uint64_t min, max, fallback; /* of a count; the fallback is the value where none is given */
};

struct option {
    /* how it is spelt: "-o, --output FILE"; NULL at the end of a table. What it does is in the applet's text
     * (help_texts.h). */
    const char *text;
    const struct option_kind *kind;
    union {
        bool *flag;
        const char **text;
        struct option_list *list;
        uint64_t *count;
    } target; /* where the value goes */
};

/* Entries of a table. */
extern const struct option_kind option_is_flag, option_is_text, option_is_list;
#define OPTION_FLAG(spelling, target)                                                              \
    {                                                                                              \
        spelling, &option_is_flag, {                                                               \
            .flag = target                                                                         \
        }                                                                                          \
    }
#define OPTION_TEXT(spelling, target)                                                              \
    {                                                                                              \
        spelling, &option_is_text, {                                                               \
            .text = target                                                                         \
        }                                                                                          \
    }

/* May be given several times. */
#define OPTION_LIST(spelling, target)                                                              \
    {                                                                                              \
        spelling, &option_is_list, {                                                               \
            .list = target                                                                         \
        }                                                                                          \
    }

/* A number from `min` to `max`. Help shows them, the unit and the default. A default below `min`
 * means that the applet computes it. */
#define OPTION_COUNT(spelling, target, min, max, fallback, unit)                                   \
    {                                                                                              \
        spelling, &(const struct option_kind){OPTION_IS_COUNT, unit, min, max, fallback}, {        \
            .count = target                                                                        \
        }                                                                                          \
    }

/* A number of bytes, with K, M or G behind it for powers of 1024. */
#define OPTION_SIZE(spelling, target, min, fallback)                                               \
    {                                                                                              \
        spelling,                                                                                  \
            &(const struct option_kind){OPTION_IS_SIZE, NULL, min, (uint64_t)1 << 44, fallback}, { \
            .count = target                                                                        \
        }                                                                                          \
    }

#define OPTIONS_END                                                                                \
    {                                                                                              \
        NULL, NULL, {                                                                              \
            .flag = NULL                                                                           \
        }                                                                                          \
    }

/* What an option is called, for code that reads the table. */
struct option_words {
    char letter;      /* 'o' for -o, or 0 */
    const char *name; /* "output"; not NUL-terminated */
    size_t name_len;
    const char *argument; /* "FILE", likewise; NULL: it takes none */
    size_t argument_len;
};
struct option_words option_words(const struct option *option);

enum options_result { OPTIONS_READ, OPTIONS_WRONG, OPTIONS_HELP };

/* Gives every option its default, then reads those that are there. The operands are moved to the
 * front of argv; *operand_count is their number. OPTIONS_WRONG after a usage_error, OPTIONS_HELP
 * where --help was asked for. */
enum options_result options_parse(const struct option *options, int argc, char **argv,
                                  int *operand_count);

/* Gives options that are not on the command line the values that a file has for them: one a line, "NAME =
 * VALUE", or "NAME" for a flag; blank lines and what follows a '#' at the start of a line say nothing. An option
 * that may be given several times may stand there several times, too. `names`, separated by blanks, are those
 * that the file may hold; those that this applet does not have are another's, and pass. EXIT_OK, or EXIT_TROUBLE
 * after saying which line is wrong. */
int options_read_file(const char *path, const char *names);

/* Takes a share such as "3.2%" as millionths; `fallback` where `text` is NULL. EXIT_OK, or EXIT_TROUBLE
 * after a usage_error that names the option. */
int options_parse_share(const char *text, const char *option, uint32_t fallback, uint32_t *share);

/* Whether the option of this name was on the command line. */
bool option_is_given(const char *name);

/* Refuses options that have no meaning beside another one. `names` are separated by blanks.
 * EXIT_OK, or EXIT_TROUBLE after a usage_error: "--NAME does not go with REASON". */
int options_refuse(const char *names, const char *reason);

#endif
