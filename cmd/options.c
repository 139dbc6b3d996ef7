#include "options.h"

#include "nearest.h"
#include "trouble.h"

#include "base/file.h"
#include "base/format.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

#define OPTIONS_MAX 64

/* What the command line held. */
const struct option_kind option_is_flag = {.type = OPTION_IS_FLAG},
                         option_is_text = {.type = OPTION_IS_TEXT},
                         option_is_list = {.type = OPTION_IS_LIST};

static const struct option *parsed_options;
static bool given[OPTIONS_MAX];

struct option_words option_words(const struct option *option) {
    const char *text = option->text;
    struct option_words words = {.letter = text[1] != '-' ? text[1] : '\0',
                                 .name = text[1] != '-' ? text + strlen("-x, --") : text + 2};
    words.name_len = strcspn(words.name, " ");
    if (words.name[words.name_len] == ' ') {
        words.argument = words.name + words.name_len + 1;
        words.argument_len = strlen(words.argument);
    }
    return words;
}

static const struct option *find_by_name(const char *name, size_t len) {
    for (const struct option *option = parsed_options; option->text != NULL; option++) {
        struct option_words words = option_words(option);
        if (words.name_len == len && memcmp(words.name, name, len) == 0)
            return option;
    }
    return NULL;
}

static const struct option *find_by_letter(char letter) {
    for (const struct option *option = parsed_options; option->text != NULL; option++) {
        if (option_words(option).letter == letter)
            return option;
    }
    return NULL;
}

bool option_is_given(const char *name) {
    const struct option *option = find_by_name(name, strlen(name));
    return option != NULL && given[option - parsed_options];
}

int options_refuse(const char *names, const char *reason) {
    while (*names != '\0') {
        size_t len = strcspn(names, " ");
        const struct option *option = find_by_name(names, len);
        if (option != NULL && given[option - parsed_options])
            return usage_error("--%.*s does not go with %s", (int)len, names, reason);
        names += len + (names[len] == ' ');
    }
    return EXIT_OK;
}

/* --- values ----------------------------------------------------------------------------------- */

static int take_count(const struct option *option, const char *text) {
    struct option_words words = option_words(option);
    unsigned long long value;
    if (text_parse_count(text, option->kind->max, &value) != 0 || value < option->kind->min)
        return usage_error("--%.*s \"%s\" is not a number from %llu to %llu", (int)words.name_len,
                           words.name, text, (unsigned long long)option->kind->min,
                           (unsigned long long)option->kind->max);
    *option->target.count = value;
    return EXIT_OK;
}

static int take_size(const struct option *option, const char *text) {
    struct option_words words = option_words(option);
    char digits[24];
    size_t len = strlen(text);
    unsigned shift = 0;
    unsigned long long value = 0;
    if (len > 0 && strchr("KMG", text[len - 1]) != NULL)
        shift = text[len - 1] == 'K' ? 10 : text[len - 1] == 'M' ? 20 : 30;
    len -= shift > 0;
    bool is_number = len < sizeof digits;
    if (is_number) {
        format_text(digits, sizeof digits, "%.*s", (int)len, text);
        is_number = text_parse_count(digits, option->kind->max >> shift, &value) == 0;
    }
    if (!is_number || value << shift < option->kind->min)
        return usage_error("--%.*s \"%s\" is not a size of at least %lluM", (int)words.name_len,
                           words.name, text, (unsigned long long)(option->kind->min >> 20));
    *option->target.count = value << shift;
    return EXIT_OK;
}

static int take_item(const struct option *option, const char *text) {
    struct option_words words = option_words(option);
    struct option_list *list = option->target.list;
    if (list->count == OPTION_LIST_MAX)
        return usage_error("--%.*s is given more than %d times", (int)words.name_len, words.name,
                           OPTION_LIST_MAX);
    list->items[list->count++] = text;
    return EXIT_OK;
}

static int take_argument(const struct option *option, const char *text) {
    switch (option->kind->type) {
    case OPTION_IS_COUNT:
        return take_count(option, text);
    case OPTION_IS_SIZE:
        return take_size(option, text);
    case OPTION_IS_TEXT:
        *option->target.text = text;
        return EXIT_OK;
    case OPTION_IS_LIST:
        return take_item(option, text);
    case OPTION_IS_FLAG:
        break;
    }
    *option->target.flag = true;
    return EXIT_OK;
}

static void set_defaults(const struct option *options) {
    parsed_options = options;
    for (const struct option *option = options; option->text != NULL; option++) {
        if (option->kind->type == OPTION_IS_COUNT || option->kind->type == OPTION_IS_SIZE)
            *option->target.count = option->kind->fallback;
    }
}

/* --- the command line ------------------------------------------------------------------------- */

/* Says that there is no such option, and which one may have been meant. */
static int refuse_unknown(const char *word, const char *name, size_t len) {
    struct option_words best = {.name = NULL};
    unsigned least = NEAREST_NOTHING;
    for (const struct option *option = parsed_options; option->text != NULL; option++) {
        struct option_words words = option_words(option);
        unsigned distance = nearest_distance(name, len, words.name, words.name_len);
        if (len > 0 && distance < least) {
            least = distance;
            best = words;
        }
    }
    return best.name == NULL ? usage_error("there is no option %s", word)
                             : usage_error("there is no option %s; --%.*s may be meant", word,
                                           (int)best.name_len, best.name);
}

/* Reads the option at argv[*i], and its argument, which may be the word after it. EXIT_OK or
 * EXIT_TROUBLE. */
static int take_option(int argc, char **argv, int *i) {
    const char *word = argv[*i];
    bool is_long = word[1] == '-';
    const char *name = word + (is_long ? 2 : 1);
    const char *equals = is_long ? strchr(name, '=') : NULL;
    size_t len = equals ? (size_t)(equals - name) : strlen(name);
    const struct option *option = is_long ? find_by_name(name, len) : find_by_letter(name[0]);
    if (option == NULL || (!is_long && len > 1 && option->kind->type == OPTION_IS_FLAG))
        return refuse_unknown(word, name, is_long ? len : 0);
    struct option_words words = option_words(option);
    const char *argument = equals ? equals + 1 : !is_long && len > 1 ? name + 1 : NULL;
    if (words.argument == NULL && equals != NULL)
        return usage_error("--%.*s takes no argument", (int)words.name_len, words.name);
    if (words.argument != NULL) {
        if (argument == NULL && ++*i < argc)
            argument = argv[*i];
        if (argument == NULL)
            return usage_error("--%.*s wants %.*s", (int)words.name_len, words.name,
                               (int)words.argument_len, words.argument);
        if (given[option - parsed_options] && option->kind->type != OPTION_IS_LIST)
            return usage_error("--%.*s is given twice", (int)words.name_len, words.name);
    }
    given[option - parsed_options] = true;
    return take_argument(option, argument);
}

enum options_result options_parse(const struct option *options, int argc, char **argv,
                                  int *operand_count) {
    bool only_operands = false;
    *operand_count = 0;
    set_defaults(options);
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        if (only_operands || word[0] != '-' || word[1] == '\0')
            argv[(*operand_count)++] = argv[i];
        else if (strcmp(word, "--") == 0)
            only_operands = true;
        else if (strcmp(word, "--help") == 0 ||
                 (strcmp(word, "-h") == 0 && find_by_letter('h') == NULL))
            return OPTIONS_HELP;
        else if (take_option(argc, argv, &i) != EXIT_OK)
            return OPTIONS_WRONG;
    }
    return OPTIONS_READ;
}

/* --- values ---------------------------------------------------------------------------------- */

int options_parse_share(const char *text, const char *option, uint32_t fallback, uint32_t *share) {
    unsigned long long whole, tenths = 0;
    char number[16];
    *share = fallback;
    if (text == NULL)
        return EXIT_OK;
    size_t len = strlen(text), whole_len = strcspn(text, ".%");
    bool has_tenths = text[whole_len] == '.';
    bool is_good = len < sizeof number && len > 0 && text[len - 1] == '%' &&
                   len == whole_len + (has_tenths ? 3 : 1);
    format_text(number, sizeof number, "%.*s", (int)whole_len, text);
    is_good = is_good && text_parse_count(number, 100, &whole) == 0;
    if (is_good && has_tenths) {
        format_text(number, sizeof number, "%.*s", 1, text + whole_len + 1);
        is_good = text_parse_count(number, 9, &tenths) == 0;
    }
    if (!is_good || whole * 10 + tenths > 1000)
        return usage_error("--%s \"%s\" is not a share such as 3.2%%", option, text);
    *share = (uint32_t)(whole * 10000 + tenths * 1000);
    return EXIT_OK;
}

/* --- options in a file ------------------------------------------------------------------------ */

#define FILE_MAX 16384

static char *trim(char *text) {
    text += strspn(text, " \t");
    size_t len = strlen(text);
    while (len > 0 && strchr(" \t\r", text[len - 1]) != NULL)
        text[--len] = '\0';
    return text;
}

static bool is_among(const char *names, const char *name) {
    size_t len = strlen(name);
    for (const char *at = names; (at = strstr(at, name)) != NULL && len > 0; at += len) {
        if ((at == names || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
            return true;
    }
    return false;
}

/* `is_given`: what the command line has said, which holds against the file. */
static int take_line(const char *path, int number, char *line, const char *names,
                     const bool *is_given) {
    char *equals = strchr(line, '='), *value = NULL;
    if (equals != NULL) {
        *equals = '\0';
        value = trim(equals + 1);
    }
    char *name = trim(line);
    bool may_stand_here = is_among(names, name);
    const struct option *option = may_stand_here ? find_by_name(name, strlen(name)) : NULL;
    if (may_stand_here && option == NULL)
        return EXIT_OK; /* another applet's */
    if (option == NULL)
        return trouble("%s:%d: there is no setting \"%.40s\"", path, number, name);
    if ((value == NULL) != (option->kind->type == OPTION_IS_FLAG))
        return trouble("%s:%d: want \"%s%s\"", path, number, name,
                       option->kind->type == OPTION_IS_FLAG ? "" : " = VALUE");
    if (is_given[option - parsed_options])
        return EXIT_OK;
    if (given[option - parsed_options] && option->kind->type != OPTION_IS_LIST)
        return trouble("%s:%d: \"%s\" is set twice", path, number, name);
    given[option - parsed_options] = true;
    return take_argument(option, value);
}

int options_read_file(const char *path, const char *names) {
    static char text[FILE_MAX + 1];
    bool is_given[OPTIONS_MAX];
    struct error error;
    ssize_t len = file_read(path, text, FILE_MAX, &error);
    memcpy(is_given, given, sizeof given);
    if (len < 0)
        return trouble("%s", error.text);
    text[len] = '\0';
    int number = 1, status = EXIT_OK;
    for (char *line = text; line != NULL && status == EXIT_OK; number++) {
        char *end = strchr(line, '\n');
        if (end != NULL)
            *end = '\0';
        char *own = trim(line);
        if (*own != '\0' && *own != '#')
            status = take_line(path, number, own, names, is_given);
        line = end != NULL ? end + 1 : NULL;
    }
    return status;
}
