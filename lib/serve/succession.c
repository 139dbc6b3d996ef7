#include "serve/succession.h"

#include "db/open.h"
#include "serve/log.h"

#include <unistd.h>

#define PART ((size_t)1 << 20)

/* Populates and locks a part of a database, where the settings demand it, before the database is
 * used. */
static int prepare(const struct serve_settings *settings, const struct db *db, size_t offset,
                   struct error *error) {
    int code = db_populate(db, offset, PART, settings->db_path, error);
    if (code == 0 && settings->locks)
        code = db_lock(db, offset, PART, settings->db_path, error);
    return code;
}

int succession_init(struct succession *succession, const struct serve_settings *settings,
                    struct db *current, int fd, const struct file_state *state,
                    struct error *error) {
    int code = 0;
    *succession = (struct succession){
        .settings = settings, .current = current, .fd = fd, .state = *state, .next_fd = -1};
    size_t len = settings->populates ? current->map_len : 0;
    for (size_t offset = 0; code == 0 && offset < len; offset += PART)
        code = prepare(settings, current, offset, error);
    return code;
}

bool succession_is_intact(const struct succession *succession) {
    return file_is_as(succession->fd, &succession->state);
}

static void give_up_next(struct succession *succession) {
    db_close(&succession->next);
    if (succession->next_fd >= 0)
        close(succession->next_fd);
    succession->next_fd = -1;
}

static void fail(struct succession *succession, const struct error *error) {
    serve_log(succession->settings, "switch_failed reason=\"%s\"", error->text);
    give_up_next(succession);
}

void succession_begin(struct succession *succession, int fd, bool is_leased,
                      const struct key_set *authorities) {
    const struct serve_settings *settings = succession->settings;
    struct error error;
    give_up_next(succession);
    succession->next_fd = fd;
    succession->next_state = file_state_of(fd);
    succession->next_state.counts_touches = !is_leased;
    succession->prepared = settings->populates ? 0 : SIZE_MAX;
    if (db_open_fd(&succession->next, fd, settings->db_path, authorities, &error) != 0)
        fail(succession, &error);
    if (!settings->populates)
        succession_step(succession); /* nothing needs preparing, so the change is immediate */
}

bool succession_is_due(const struct succession *succession) {
    return succession->next.map != NULL || succession->last.map != NULL;
}

static void take_place(struct succession *succession) {
    db_close(&succession->last);
    succession->last = *succession->current;
    succession->released = 0;
    *succession->current = succession->next;
    close(succession->fd);
    succession->fd = succession->next_fd;
    succession->state = succession->next_state;
    succession->next_fd = -1;
    succession->next = (struct db){.map = NULL};
}

static void release_part(struct succession *succession) {
    db_unload(&succession->last, succession->released, PART);
    succession->released += PART;
    if (succession->released >= succession->last.map_len)
        db_close(&succession->last);
}

void succession_step(struct succession *succession) {
    struct error error;
    if (succession->next.map == NULL) {
        if (succession->last.map != NULL)
            release_part(succession);
    } else if (succession->prepared >= succession->next.map_len) {
        take_place(succession);
    } else if (prepare(succession->settings, &succession->next, succession->prepared, &error) !=
               0) {
        fail(succession, &error);
    } else {
        succession->prepared += PART;
    }
}
