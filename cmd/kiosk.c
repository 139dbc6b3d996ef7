#include "applet.h"
#include "kiosk_asking.h"
#include "kiosk_words.h"

#include "base/bytes.h"
#include "base/format.h"
#include "kiosk/keys.h"
#include "kiosk/screen.h"
#include "os/process.h"
#include "os/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct asking_options asked;
static const char *words_path;
static bool is_locked, shows_words;
static uint64_t clear_after_s;

static const struct option options[] = {
    ASKING_OPTIONS(asked),
    OPTION_COUNT("--clear-after SECONDS", &clear_after_s, 1, 3600, 30, "seconds"),
    OPTION_FLAG("--locked", &is_locked),
    OPTION_TEXT("--words FILE", &words_path),
    OPTION_FLAG("--show-words", &shows_words),
    OPTIONS_END,
};

#define WAITING_MAX 8   /* texts that wait to be asked about */
#define RECALLED_MAX 8  /* verdicts that can be recalled */
#define SHOWN_MS 2000   /* how long a report is shown, at least, where a scan waits */
#define RESTART_MS 2000 /* before the process that asks is started again */
#define REDRAW_MS 50    /* while the last drawing is on its way */
#define CLOCK_MS 30000  /* for the clock in the first row */
#define NOTE_SIZE 240
#define RECALLED_SIZE (REPORT_WORD_SIZE + 160) /* of a line of those */
#define NEVER_MS INT64_MAX

/* A verdict, by its time and its word alone. */
struct recalled {
    int64_t time_s;
    bool is_late;
    char word[REPORT_WORD_SIZE];
};

struct kiosk {
    struct terminal terminal;
    int signals;
    struct keys keys;
    /* the process that asks */
    pid_t asker;
    int channel; /* -1: there is none */
    int notes;   /* what it prints on stderr */
    int64_t restart_ms;
    /* what is asked */
    uint32_t last_number;
    bool is_asking;
    unsigned waiting_count;
    struct kiosk_text waiting[WAITING_MAX];
    /* what is shown */
    bool has_report;
    struct report report;
    int64_t shown_ms, clear_ms, redraw_ms, asked_ms;
    unsigned lost_count; /* texts for which there was no room */
    /* what is being written; the next drawing waits until the terminal has taken all of it */
    size_t out_at, out_len;
    char out[SCREEN_SIZE_MAX + 64];
    bool is_recalling;
    bool is_erasing; /* before the next drawing */
    bool is_due;     /* it must be drawn */
    unsigned skip;
    int32_t utc_offset_s;
    char note[NOTE_SIZE];
    unsigned recalled_count;
    struct recalled recalled[RECALLED_MAX]; /* the latest last */
};

/* For the handler of faults; nothing else looks at it. */
static struct terminal *shown_terminal;

/* --- drawing ---------------------------------------------------------------------------------- */

static void clock_text(char text[6], int64_t time_s, int32_t utc_offset_s) {
    char time_text[TIME_TEXT_SIZE];
    time_format(time_text, time_s, utc_offset_s);
    format_text(text, 6, "%.5s", time_text + 11);
}

/* Writes as much as the terminal takes. */
static void write_out(struct kiosk *kiosk) {
    while (kiosk->out_at < kiosk->out_len) {
        ssize_t n =
            write(kiosk->terminal.fd, kiosk->out + kiosk->out_at, kiosk->out_len - kiosk->out_at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        kiosk->out_at += (size_t)n;
    }
    wipe(kiosk->out, kiosk->out_len);
    kiosk->out_at = kiosk->out_len = 0;
}

/* At the end, or before a stop: what the terminal does not take at once is lost. */
static void leave_screen(struct kiosk *kiosk) {
    kiosk->out_at = 0;
    kiosk->out_len = format_text(kiosk->out, sizeof kiosk->out, "\030%s", screen_end);
    write_out(kiosk);
    terminal_leave(&kiosk->terminal);
}

/* The lines where no report is shown. */
static unsigned idle_lines(const struct kiosk *kiosk, char texts[][RECALLED_SIZE],
                           const char **lines) {
    unsigned count = 0;
    lines[count++] = "";
    if (kiosk->is_asking) {
        lines[count++] = word("It is being asked about. Wait for the answer.");
        return count;
    }
    if (!kiosk->is_recalling) {
        lines[count++] = word("Scan the code of a card, or type a number.");
        lines[count++] = word("Up: the last verdicts. Down: more of this one.");
        return count;
    }
    lines[count++] = word("The last verdicts");
    for (unsigned i = kiosk->recalled_count; i-- > 0; count++) {
        char time_text[6];
        clock_text(time_text, kiosk->recalled[i].time_s, kiosk->utc_offset_s);
        format_text(texts[i], sizeof *texts, "%s  %s%s%s", time_text, kiosk->recalled[i].word,
                    kiosk->recalled[i].is_late ? "  " : "",
                    kiosk->recalled[i].is_late ? word("late") : "");
        lines[count] = texts[i];
    }
    return count;
}

static void draw(struct kiosk *kiosk) {
    bool is_past_end;
    char head[128], clock[6], texts[RECALLED_MAX][RECALLED_SIZE];
    const char *lines[RECALLED_MAX + 3];
    struct screen screen = {.head = head,
                            .report = kiosk->has_report ? &kiosk->report : NULL,
                            .lines = lines,
                            .line_count = idle_lines(kiosk, texts, lines),
                            .skip = kiosk->skip,
                            .input = kiosk->keys.line,
                            .note = kiosk->note};
    clock_text(clock, time(NULL), kiosk->utc_offset_s);
    size_t len = format_text(head, sizeof head, " dlv  %s  %s", clock,
                             word(kiosk->is_asking ? "asking" : "ready"));
    if (kiosk->waiting_count > 0 && len < sizeof head)
        len += format_text(head + len, sizeof head - len, "  %u %s", kiosk->waiting_count,
                           word("waiting"));
    if (kiosk->lost_count > 0 && len < sizeof head)
        len += format_text(head + len, sizeof head - len, "  %u %s", kiosk->lost_count,
                           word("NOT TAKEN: SCAN AGAIN"));
    if (asked.classes_text != NULL && len < sizeof head)
        format_text(head + len, sizeof head - len, "  %s %s", word("Class"), asked.classes_text);
    terminal_size(&kiosk->terminal, &screen.rows, &screen.columns);
    /* What was cut off last time may have been the start of a sequence: CAN ends it. */
    kiosk->out_len =
        format_text(kiosk->out, sizeof kiosk->out, "\030%s", kiosk->is_erasing ? screen_begin : "");
    kiosk->out_len += screen_draw(kiosk->out + kiosk->out_len, &screen, &is_past_end);
    kiosk->is_erasing = kiosk->is_due = false;
    if (is_past_end && kiosk->skip > 0) {
        kiosk->skip = 0;
        kiosk->is_due = true;
    }
    write_out(kiosk);
}

/* Erases all that was shown, also what was scrolled away, before the next drawing. */
static void erase(struct kiosk *kiosk) {
    kiosk->is_erasing = kiosk->is_due = true;
}

/* What is personal is neither on the screen nor in memory any more. */
static void forget(struct kiosk *kiosk) {
    wipe(&kiosk->report, sizeof kiosk->report);
    kiosk->has_report = kiosk->is_recalling = false;
    kiosk->skip = 0;
    kiosk->clear_ms = NEVER_MS;
    kiosk->note[0] = '\0';
    erase(kiosk);
}

static void note(struct kiosk *kiosk, const char *text) {
    kiosk->is_due = true;
    format_text(kiosk->note, sizeof kiosk->note, "%s", text);
}

/* --- the process that asks -------------------------------------------------------------------- */

/* In the process that asks, when the other one was killed: it could not put the terminal back. */
static void put_back_for_dead(int number) {
    (void)number;
    if (!terminal_is_left_raw(shown_terminal))
        _exit(EXIT_TROUBLE); /* it could */
    ssize_t n = write(shown_terminal->fd, screen_end, strlen(screen_end));
    (void)n;
    shown_terminal->is_raw = true;
    shown_terminal->is_locked = is_locked;
    terminal_leave(shown_terminal);
    _exit(EXIT_TROUBLE);
}

static void become_asker(struct kiosk *kiosk, pid_t parent, int channel, int notes) {
    static const int own[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
    sigset_t none;
    sigemptyset(&none);
    close(kiosk->signals);
    dup2(notes, STDERR_FILENO);
    /* A fault in here is not one of the screen's. */
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        signal(own[i], SIG_DFL);
    /* The keys of the terminal are the screen's alone. */
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGTSTP, SIG_IGN);
    signal(SIGUSR1, put_back_for_dead);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGUSR1);
    if (getppid() != parent)
        _exit(EXIT_TROUBLE);
    int status = kiosk_ask_always(channel, &asked);
    /* A process that is killed loses its end of the channel a moment before its death is told. */
    if (status == EXIT_OK)
        sleep(1);
    _exit(status);
}

/* 0, or ERR_SYSTEM with errno set. */
static int start_asker(struct kiosk *kiosk) {
    int channels[2], pipes[2];
    kiosk->restart_ms = net_now_ms() + RESTART_MS;
    kiosk->channel = kiosk->notes = -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channels) != 0)
        return ERR_SYSTEM;
    if (pipe2(pipes, O_CLOEXEC | O_NONBLOCK) != 0) {
        close(channels[0]);
        close(channels[1]);
        return ERR_SYSTEM;
    }
    pid_t parent = getpid();
    kiosk->asker = fork();
    if (kiosk->asker == 0) {
        close(channels[0]);
        become_asker(kiosk, parent, channels[1], pipes[1]);
    }
    close(channels[1]);
    close(pipes[1]);
    if (kiosk->asker < 0) {
        close(channels[0]);
        close(pipes[0]);
        return ERR_SYSTEM;
    }
    kiosk->channel = channels[0];
    kiosk->notes = pipes[0];
    return 0;
}

/* Takes the last line of what it printed. */
static void take_notes(struct kiosk *kiosk) {
    char text[2 * NOTE_SIZE];
    ssize_t n = read(kiosk->notes, text, sizeof text - 1);
    if (n <= 0)
        return;
    text[n] = '\0';
    text[strcspn(text, "\n")] = '\0';
    note(kiosk, text);
}

/* For the list of the last verdicts. */
static void remember(struct kiosk *kiosk, const struct report *report, int64_t time_s) {
    if (report->utc_offset_s != 0)
        kiosk->utc_offset_s = report->utc_offset_s;
    if (kiosk->recalled_count == RECALLED_MAX)
        memmove(kiosk->recalled, kiosk->recalled + 1,
                --kiosk->recalled_count * sizeof *kiosk->recalled);
    struct recalled *recalled = &kiosk->recalled[kiosk->recalled_count++];
    recalled->time_s = time_s;
    recalled->is_late = report->stopped_s != 0;
    memcpy(recalled->word, report->word, REPORT_WORD_SIZE);
}

static void show(struct kiosk *kiosk, const struct report *report) {
    int64_t now_ms = net_now_ms();
    forget(kiosk);
    kiosk->report = *report;
    kiosk->has_report = true;
    kiosk->is_asking = false;
    kiosk->shown_ms = now_ms;
    kiosk->clear_ms = now_ms + (int64_t)clear_after_s * 1000;
    remember(kiosk, report, time(NULL));
}

/* A verdict that comes late is no answer to what is on the screen: it is noted alone. */
static void take_late(struct kiosk *kiosk, const struct report *report) {
    char clock[6], text[NOTE_SIZE];
    remember(kiosk, report, report->stopped_s);
    clock_text(clock, report->stopped_s, kiosk->utc_offset_s);
    format_text(text, sizeof text, "%s %s: %s", word("Late, to the question of"), clock,
                report->word);
    note(kiosk, text);
}

/* The process that asks has ended. What it was asked has no answer. */
static void lose_asker(struct kiosk *kiosk) {
    struct report report = {0};
    take_notes(kiosk);
    close(kiosk->channel);
    close(kiosk->notes);
    kiosk->channel = kiosk->notes = -1;
    waitpid(kiosk->asker, NULL, 0);
    if (!kiosk->is_asking)
        return;
    char why[NOTE_SIZE];
    format_text(why, sizeof why, "%s", kiosk->note);
    report_trouble(&report, "NO ANSWER", why, "Scan again, or tell the office.");
    show(kiosk, &report);
}

static void take_report(struct kiosk *kiosk) {
    static struct report report;
    ssize_t n = recv(kiosk->channel, &report, sizeof report, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n != sizeof report)
        lose_asker(kiosk);
    else if (report.stopped_s != 0)
        take_late(kiosk, &report);
    else if (kiosk->is_asking && report.number == kiosk->last_number)
        show(kiosk, &report);
    wipe(&report, sizeof report);
}

/* Sends the first text that waits. */
static void ask_next(struct kiosk *kiosk) {
    struct kiosk_text *text = &kiosk->waiting[0];
    text->number = ++kiosk->last_number;
    forget(kiosk);
    kiosk->asked_ms = net_now_ms();
    kiosk->is_asking = send(kiosk->channel, text, sizeof *text, MSG_NOSIGNAL) == sizeof *text;
    if (!kiosk->is_asking)
        return;
    kiosk->waiting_count--;
    memmove(kiosk->waiting, kiosk->waiting + 1, kiosk->waiting_count * sizeof *kiosk->waiting);
    wipe(&kiosk->waiting[kiosk->waiting_count], sizeof *kiosk->waiting);
}

/* --- events ----------------------------------------------------------------------------------- */

static void take_text(struct kiosk *kiosk, const char *text, size_t len, bool is_typed) {
    if (kiosk->waiting_count == WAITING_MAX) {
        kiosk->lost_count++;
        return;
    }
    struct kiosk_text *waiting = &kiosk->waiting[kiosk->waiting_count++];
    waiting->is_typed = is_typed;
    waiting->len = (uint32_t)len;
    memcpy(waiting->text, text, len);
}

static void recall(struct kiosk *kiosk) {
    forget(kiosk);
    kiosk->is_recalling = true;
    kiosk->clear_ms = net_now_ms() + (int64_t)clear_after_s * 1000;
}

/* Handles all events of the keyboard. False where the kiosk is to end. */
static bool take_events(struct kiosk *kiosk) {
    static char text[SCAN_TEXT_MAX];
    size_t len = 0;
    for (;;) {
        enum keys_event event = keys_next(&kiosk->keys, net_now_ms(), text, &len);
        kiosk->is_due = kiosk->is_due || event != KEYS_NOTHING;
        switch (event) {
        case KEYS_NOTHING:
            wipe(text, sizeof text);
            return true;
        case KEYS_TYPED:
        case KEYS_SCANNED:
            take_text(kiosk, text, len, event == KEYS_TYPED);
            break;
        case KEYS_TOO_LONG:
            note(kiosk, word("That is longer than the code of any licence."));
            break;
        case KEYS_UP:
            recall(kiosk);
            break;
        case KEYS_DOWN:
            kiosk->skip += 3;
            break;
        case KEYS_REDRAW:
            erase(kiosk);
            break;
        case KEYS_END:
            if (!is_locked)
                return false;
            break;
        case KEYS_CHANGED:
            break;
        }
    }
}

/* Gives the terminal back, stops, and takes it again once this process is in the foreground. */
static void suspend(struct kiosk *kiosk) {
    forget(kiosk);
    keys_forget(&kiosk->keys);
    leave_screen(kiosk);
    do
        raise(SIGSTOP);
    while (!terminal_is_ours(&kiosk->terminal));
    terminal_enter(&kiosk->terminal);
    if (is_locked)
        terminal_lock(&kiosk->terminal);
    erase(kiosk);
}

/* False where the kiosk is to end. */
static bool take_signal(struct kiosk *kiosk) {
    struct signalfd_siginfo info;
    if (read(kiosk->signals, &info, sizeof info) != sizeof info)
        return true;
    switch (info.ssi_signo) {
    case SIGTSTP:
        suspend(kiosk);
        return true;
    case SIGWINCH:
    case SIGCONT:
        if (terminal_is_ours(&kiosk->terminal))
            terminal_enter(&kiosk->terminal);
        erase(kiosk);
        return true;
    default:
        return false;
    }
}

static int64_t sooner(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* Whether the next text may be asked about. */
static bool may_ask(const struct kiosk *kiosk, int64_t now_ms) {
    return kiosk->waiting_count > 0 && kiosk->channel >= 0 && !kiosk->is_asking &&
           (!kiosk->has_report || kiosk->waiting[0].is_typed ||
            now_ms >= kiosk->shown_ms + SHOWN_MS);
}

/* After so long the process that asks hangs: for a question it has time until the deadline, and for hints as
 * much again; and it may just have begun with one that was kept, whose key it asks for first. */
static int64_t hang_ms(void) {
    return (asked.journal_path != NULL ? 5000 : 2000) * (int64_t)asked.timeout_s + 10000;
}

/* Until when nothing is to be done, if nothing comes. */
static int64_t next_event(const struct kiosk *kiosk) {
    int64_t at_ms = sooner(keys_due_ms(&kiosk->keys), kiosk->clear_ms);
    at_ms = sooner(at_ms, kiosk->redraw_ms);
    if (kiosk->is_asking)
        at_ms = sooner(at_ms, kiosk->asked_ms + hang_ms());
    if (kiosk->keys.line_len > 0)
        at_ms = sooner(at_ms, kiosk->keys.last_ms + (int64_t)clear_after_s * 1000);
    if (kiosk->waiting_count > 0 && kiosk->has_report)
        at_ms = sooner(at_ms, kiosk->shown_ms + SHOWN_MS);
    if (kiosk->channel < 0)
        at_ms = sooner(at_ms, kiosk->restart_ms);
    return at_ms;
}

/* Does what is due. */
static void do_due(struct kiosk *kiosk, int64_t now_ms) {
    if (now_ms >= kiosk->clear_ms) {
        forget(kiosk);
        kiosk->lost_count = 0;
    }
    if (kiosk->keys.line_len > 0 && now_ms >= kiosk->keys.last_ms + (int64_t)clear_after_s * 1000) {
        keys_forget(&kiosk->keys);
        erase(kiosk);
    }
    if (kiosk->is_asking && kiosk->channel >= 0 && now_ms >= kiosk->asked_ms + hang_ms())
        kill(kiosk->asker, SIGKILL);
    if (kiosk->channel < 0 && now_ms >= kiosk->restart_ms)
        start_asker(kiosk);
    if (may_ask(kiosk, now_ms))
        ask_next(kiosk);
    kiosk->is_due = kiosk->is_due || now_ms >= kiosk->redraw_ms;
    if (!kiosk->is_due || kiosk->out_len > 0)
        return;
    /* A slow line is not given a drawing before the last one is on the screen. */
    bool is_drained = terminal_is_drained(&kiosk->terminal);
    kiosk->redraw_ms = now_ms + (is_drained ? CLOCK_MS : REDRAW_MS);
    if (is_drained)
        draw(kiosk);
}

static void run(struct kiosk *kiosk) {
    for (;;) {
        int64_t now_ms = net_now_ms();
        do_due(kiosk, now_ms);
        int64_t left_ms = next_event(kiosk) - now_ms;
        short wanted = kiosk->out_len > 0 ? POLLIN | POLLOUT : POLLIN;
        struct pollfd events[] = {{.fd = kiosk->terminal.fd, .events = wanted},
                                  {.fd = kiosk->signals, .events = POLLIN},
                                  {.fd = kiosk->channel, .events = POLLIN},
                                  {.fd = kiosk->notes, .events = POLLIN}};
        if (poll(events, sizeof events / sizeof *events, left_ms < 0 ? 0 : (int)left_ms) < 0)
            continue;
        if (kiosk->out_len > 0 && events[0].revents & POLLOUT)
            write_out(kiosk);
        char bytes[1024];
        ssize_t n = events[0].revents & POLLIN ? read(kiosk->terminal.fd, bytes, sizeof bytes) : 0;
        if (n > 0)
            keys_take(&kiosk->keys, bytes, (size_t)n, net_now_ms());
        wipe(bytes, sizeof bytes);
        if (n <= 0 && events[0].revents & (POLLHUP | POLLERR | POLLNVAL))
            return; /* the terminal is gone */
        if (!take_events(kiosk) || (events[1].revents != 0 && !take_signal(kiosk)))
            return;
        if (events[3].revents & POLLIN)
            take_notes(kiosk);
        if (events[2].revents != 0)
            take_report(kiosk);
    }
}

/* --- beginning and ending --------------------------------------------------------------------- */

/* A fault of this program: the terminal is put back all the same. */
static void end_by_fault(int number) {
    ssize_t n = write(shown_terminal->fd, screen_end, strlen(screen_end));
    (void)n;
    terminal_leave(shown_terminal);
    signal(number, SIG_DFL);
    raise(number);
}

static int take_signals(struct kiosk *kiosk) {
    static const int faults[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
    static const int handled[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof handled / sizeof *handled; i++)
        sigaddset(&set, handled[i]);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        signal(faults[i], end_by_fault);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTTOU, SIG_IGN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    kiosk->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return kiosk->signals >= 0 ? EXIT_OK : trouble("signalfd: %m");
}

/* Waits until the process that asks has read its keys. What it says instead goes to stderr. */
static int await_asker(struct kiosk *kiosk) {
    struct report report;
    if (start_asker(kiosk) != 0)
        return trouble("fork: %m");
    if (recv(kiosk->channel, &report, sizeof report, 0) == sizeof report)
        return EXIT_OK;
    char text[1024];
    ssize_t n;
    while ((n = read(kiosk->notes, text, sizeof text)) > 0) {
        if (write(STDERR_FILENO, text, (size_t)n) != n)
            break;
    }
    waitpid(kiosk->asker, NULL, 0);
    return EXIT_TROUBLE;
}

static int run_kiosk(int operand_count, char **operands) {
    static struct kiosk kiosk;
    struct error error;
    (void)operands;
    if (shows_words) {
        words_print();
        return finish_output();
    }
    if (operand_count > 0)
        return usage_error("no operands: what is asked about is scanned or typed");
    if (asking_read_config(&asked, asked.servers == NULL && asked.db_path == NULL) != EXIT_OK ||
        asking_check_usage(&asked) != EXIT_OK ||
        (words_path != NULL && words_load(words_path) != EXIT_OK))
        return EXIT_TROUBLE;
    asked.prove = asked.prove || asked.servers == NULL;
    kiosk.channel = kiosk.notes = -1;
    kiosk.clear_ms = NEVER_MS;
    if (terminal_open(&kiosk.terminal, &error) != 0)
        return trouble("%s", error.text);
    if (!terminal_is_ours(&kiosk.terminal))
        return trouble("it cannot run in the background");
    shown_terminal = &kiosk.terminal;
    if (take_signals(&kiosk) != EXIT_OK || await_asker(&kiosk) != EXIT_OK)
        return EXIT_TROUBLE;
    if (terminal_enter(&kiosk.terminal) != 0)
        return trouble("the terminal: %m");
    if (is_locked && !terminal_lock(&kiosk.terminal))
        note(&kiosk, "dlv kiosk: the console is not locked: CAP_SYS_TTY_CONFIG is missing");
    erase(&kiosk);
    run(&kiosk);
    if (kiosk.channel >= 0) {
        kill(kiosk.asker, SIGKILL);
        waitpid(kiosk.asker, NULL, 0);
    }
    leave_screen(&kiosk);
    wipe(&kiosk, sizeof kiosk);
    return EXIT_OK;
}

const struct applet applet_kiosk = {
    .name = "kiosk",
    .summary = "show verdicts on a full screen, by scanner and keyboard",
    .user = FOR_OFFICERS,
    .options = options,
    .needs_cryptography = true,
    .run = run_kiosk,
};
