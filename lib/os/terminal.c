#include "os/terminal.h"

#include "base/format.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* linux/vt.h */
#define VT_LOCKSWITCH 0x560B
#define VT_UNLOCKSWITCH 0x560C

static int open_again(const struct terminal *terminal) {
    return open(terminal->path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

int terminal_open(struct terminal *terminal, struct error *error) {
    *terminal = (struct terminal){.fd = -1};
    if (tcgetattr(STDIN_FILENO, &terminal->before) != 0)
        return error_set(error, ERR_FORMAT, "standard input is no terminal");
    /* Opened once more, so that nobody else is given a descriptor that does not block. */
    const char *name = ttyname(STDIN_FILENO);
    format_text(terminal->path, sizeof terminal->path, "%s", name != NULL ? name : "/dev/tty");
    terminal->fd = open_again(terminal);
    return terminal->fd >= 0 ? 0 : error_set_errno(error, "the terminal");
}

int terminal_enter(struct terminal *terminal) {
    struct termios raw = terminal->before;
    raw.c_iflag &= ~(tcflag_t)(BRKINT | ICRNL | INLCR | IGNCR | INPCK | ISTRIP | IXON | PARMRK);
    raw.c_oflag &= ~(tcflag_t)OPOST;
    raw.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | IEXTEN | ISIG);
    /* Otherwise a shell that reads while this is in force would take the lack of bytes for the end. */
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    terminal->is_raw = tcsetattr(terminal->fd, TCSANOW, &raw) == 0;
    return terminal->is_raw ? 0 : ERR_SYSTEM;
}

bool terminal_is_left_raw(struct terminal *terminal) {
    struct termios now;
    if (tcgetattr(terminal->fd, &now) == 0)
        return (now.c_lflag & ICANON) == 0;
    close(terminal->fd);
    terminal->fd = open_again(terminal);
    return true;
}

void terminal_leave(struct terminal *terminal) {
    if (terminal->is_locked)
        ioctl(terminal->fd, VT_UNLOCKSWITCH, 0);
    if (terminal->is_raw)
        tcsetattr(terminal->fd, TCSANOW, &terminal->before);
    terminal->is_locked = terminal->is_raw = false;
}

bool terminal_lock(struct terminal *terminal) {
    terminal->is_locked = ioctl(terminal->fd, VT_LOCKSWITCH, 0) == 0;
    return terminal->is_locked || errno != EPERM;
}

void terminal_size(const struct terminal *terminal, unsigned *rows, unsigned *columns) {
    struct winsize size;
    bool is_known = ioctl(terminal->fd, TIOCGWINSZ, &size) == 0 && size.ws_row > 0;
    *rows = is_known ? size.ws_row : 25;
    *columns = is_known ? size.ws_col : 80;
}

bool terminal_is_ours(const struct terminal *terminal) {
    pid_t group = tcgetpgrp(terminal->fd);
    return group < 0 || group == getpgrp();
}

bool terminal_is_drained(const struct terminal *terminal) {
    int waiting = 0;
    return ioctl(terminal->fd, TIOCOUTQ, &waiting) != 0 || waiting == 0;
}
