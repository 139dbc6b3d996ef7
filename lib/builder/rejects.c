#include "builder/rejects.h"

#include "base/format.h"

#include <string.h>
#include <unistd.h>

#define HEADER "dlv rejects: line,reason,row\n"

/* Rows hold personal data. */
const struct file_kind rejects_file_kind = {
    .what = "a rejects file of dlv", .mark = HEADER, .mode = 0600, .is_private = true};

void rejects_init(struct rejects *rejects, const char *path, enum file_replacing replacing) {
    *rejects = (struct rejects){.path = path, .replacing = replacing};
}

static void put_quoted(FILE *stream, const char *text, size_t len) {
    putc('"', stream);
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '"')
            putc('"', stream);
        putc(text[i], stream);
    }
    putc('"', stream);
}

static int open_stream(struct rejects *rejects, struct error *error) {
    int code = atomic_file_open(&rejects->file, rejects->path, &rejects_file_kind,
                                rejects->replacing, error);
    if (code != 0)
        return code;
    int fd = dup(rejects->file.fd);
    rejects->stream = fd < 0 ? NULL : fdopen(fd, "w");
    if (rejects->stream == NULL) {
        error_set_errno(error, "%s", rejects->path);
        atomic_file_abort(&rejects->file);
        return ERR_SYSTEM;
    }
    fputs(HEADER, rejects->stream);
    return 0;
}

int rejects_add(struct rejects *rejects, const struct csv_row *row, const char *reason,
                struct error *error) {
    char line[24];
    if (rejects->stream == NULL) {
        int code = open_stream(rejects, error);
        if (code != 0)
            return code;
    }
    rejects->count++;
    format_text(line, sizeof line, "%llu,", (unsigned long long)row->line);
    fputs(line, rejects->stream);
    put_quoted(rejects->stream, reason, strlen(reason));
    putc(',', rejects->stream);
    put_quoted(rejects->stream, row->raw, row->raw_len);
    putc('\n', rejects->stream);
    return 0;
}

int rejects_close(struct rejects *rejects, struct error *error) {
    if (rejects->stream == NULL) {
        return rejects->count == 0 ? file_remove(rejects->path, &rejects_file_kind, error) : 0;
    }
    int failed = ferror(rejects->stream);
    failed |= fclose(rejects->stream);
    rejects->stream = NULL;
    if (failed) {
        error_set_errno(error, "%s: cannot be written", rejects->path);
        atomic_file_abort(&rejects->file);
        return ERR_SYSTEM;
    }
    return atomic_file_commit(&rejects->file, error);
}
