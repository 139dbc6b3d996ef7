#include "steps.h"

#include "applet.h"
#include "run.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MAX 24

static int run_here(const struct applet *applet, const char *folder, bool is_shown,
                    const char *const words[]) {
    char *arguments[WORDS_MAX];
    int count = 0;
    int null = is_shown ? -1 : open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (!is_shown && (null < 0 || dup2(null, STDOUT_FILENO) < 0))
        return trouble("/dev/null: %m");
    if (chdir(folder) != 0)
        return trouble("%s: %m", folder);
    while (words[count + 1] != NULL && count < WORDS_MAX) {
        arguments[count] = strdup(words[count + 1]);
        count++;
    }
    return applet_run(applet, count, arguments);
}

int step_run(const char *folder, bool is_shown, const char *const words[]) {
    const struct applet *applet = NULL;
    int status;
    for (size_t i = 0; applets[i] != NULL && applet == NULL; i++)
        applet = strcmp(applets[i]->name, words[0]) == 0 ? applets[i] : NULL;
    if (applet == NULL)
        return trouble("this binary was made without the applet %s", words[0]);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        _exit(run_here(applet, folder, is_shown, words));
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return trouble("%s: %m", words[0]);
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_TROUBLE;
}
