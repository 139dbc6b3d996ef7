#include "net/lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the process that looks up sends back: always all of it, so that a part of it is none. */
struct result {
    int problem; /* of getaddrinfo */
    unsigned count;
    struct net_address addresses[LOOKUP_ADDRESSES_MAX];
};

_Static_assert(sizeof(struct result) <= 4096, "a pipe takes it at once");

static struct result look_up(const char *host, const char *port, int flags) {
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags};
    struct result result;
    struct addrinfo *addresses;
    memset(&result, 0, sizeof result);
    result.problem = getaddrinfo(host, port, &hints, &addresses);
    if (result.problem != 0)
        return result;
    for (const struct addrinfo *at = addresses; at != NULL && result.count < LOOKUP_ADDRESSES_MAX;
         at = at->ai_next) {
        struct net_address *address = &result.addresses[result.count++];
        address->len = at->ai_addrlen;
        memcpy(&address->address, at->ai_addr, at->ai_addrlen);
    }
    freeaddrinfo(addresses);
    return result;
}

static int take_result(struct net_lookup *lookup, const struct result *result,
                       struct error *error) {
    switch (result->problem) {
    case 0:
        lookup->count = result->count;
        memcpy(lookup->addresses, result->addresses, sizeof lookup->addresses);
        return 0;
    case EAI_AGAIN:
        return error_set(error, ERR_TIMEOUT,
                         "its name cannot be looked up: no name server answers");
    case EAI_NONAME:
        return error_set(error, ERR_SYSTEM, "there is no such name");
    default:
        return error_set(error, ERR_SYSTEM, "its name cannot be looked up: %s",
                         gai_strerror(result->problem));
    }
}

/* Starts the other process. 0, or ERR_SYSTEM with errno set. */
static int start(struct net_lookup *lookup, const char *host, const char *port) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return ERR_SYSTEM;
    lookup->pid = fork();
    if (lookup->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        const struct result result = look_up(host, port, 0);
        _exit(write(ends[1], &result, sizeof result) == sizeof result ? 0 : 1);
    }
    int number = errno;
    close(ends[1]);
    lookup->fd = ends[0];
    if (lookup->pid < 0)
        close(ends[0]);
    errno = number;
    return lookup->pid > 0 ? 0 : ERR_SYSTEM;
}

int net_lookup_begin(struct net_lookup *lookup, const char *host, const char *port,
                     struct error *error) {
    lookup->fd = -1;
    lookup->count = 0;
    const struct result numeric = look_up(*host == '\0' ? NULL : host, port, AI_NUMERICHOST);
    if (numeric.problem == 0)
        return take_result(lookup, &numeric, error);
    if (start(lookup, host, port) == 0)
        return 0;
    lookup->fd = -1;
    return error_set_errno(error, "its name cannot be looked up");
}

int net_lookup_take(struct net_lookup *lookup, struct error *error) {
    struct result result;
    ssize_t n = read(lookup->fd, &result, sizeof result);
    net_lookup_end(lookup);
    if (n != sizeof result)
        return error_set(error, ERR_SYSTEM, "its name cannot be looked up");
    return take_result(lookup, &result, error);
}

void net_lookup_end(struct net_lookup *lookup) {
    if (lookup->fd < 0)
        return;
    close(lookup->fd);
    kill(lookup->pid, SIGKILL);
    while (waitpid(lookup->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    lookup->fd = -1;
}
