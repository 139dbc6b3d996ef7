#include "steps.h"

#include "trouble.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MAX 24
#define SELF "/proc/self/exe"

static void run_self(const char *folder, bool is_shown, const char *const words[]) {
    static char own_name[] = "dlv";
    char *arguments[WORDS_MAX + 2] = {own_name};
    int null = is_shown ? STDOUT_FILENO : open("/dev/null", O_WRONLY | O_CLOEXEC);
    for (int i = 0; i < WORDS_MAX && words[i] != NULL; i++)
        arguments[i + 1] = (char *)(uintptr_t)words[i]; /* execv(3) does not change them */
    if (dup2(null, STDOUT_FILENO) < 0)
        trouble("/dev/null: %m");
    else if (chdir(folder) != 0)
        trouble("%s: %m", folder);
    else {
        execv(SELF, arguments);
        trouble(SELF ": %m");
    }
    _exit(EXIT_TROUBLE);
}

int step_run(const char *folder, bool is_shown, const char *const words[]) {
    int status;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        run_self(folder, is_shown, words);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return trouble("%s: %m", words[0]);
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_TROUBLE;
}
