#include "question.h"

#include "base/format.h"

#include "trouble.h"

#include "record/digest.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int question_text_digest(enum licence_kind kind, const char *text, size_t len,
                         uint8_t digest[SHA256_LEN], struct error *error) {
    return kind == KIND_NUMBER ? number_digest(digest, text, len, error)
                               : record_digest(digest, text, len, error);
}

static int document(const char *path, uint8_t digest[SHA256_LEN]) {
    bool is_stdin = strcmp(path, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || document_digest(digest, fd) != 0)
        return trouble("%s: %m", path);
    if (!is_stdin)
        close(fd);
    return EXIT_OK;
}

static int text(enum licence_kind kind, const char *words, size_t len, uint8_t digest[SHA256_LEN]) {
    struct error error;
    if (question_text_digest(kind, words, len, digest, &error) != 0)
        return trouble("the %s: %s", kind_name((uint8_t)kind), error.text);
    return EXIT_OK;
}

static int record(int operand_count, char **operands, uint8_t digest[SHA256_LEN]) {
    char words[4 * RECORD_MAX];
    size_t len = 0;
    for (int i = 0; i < operand_count; i++) {
        len += format_text(words + len, sizeof words - len, "%s%s", i > 0 ? " " : "", operands[i]);
        if (len >= sizeof words)
            return trouble("the record: longer than %d bytes", RECORD_MAX);
    }
    return text(KIND_RECORD, words, len, digest);
}

int question_digest(const char *number, const char *document_path, int operand_count,
                    char **operands, enum licence_kind *kind, uint8_t digest[SHA256_LEN]) {
    *kind = number ? KIND_NUMBER : document_path ? KIND_DOCUMENT : KIND_RECORD;
    if (number != NULL)
        return text(KIND_NUMBER, number, strlen(number), digest);
    if (document_path != NULL)
        return document(document_path, digest);
    return record(operand_count, operands, digest);
}
