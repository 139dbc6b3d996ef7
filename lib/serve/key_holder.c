#include "serve/key_holder.h"

#include "base/bytes.h"
#include "serve/channel.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

/* Handles one request. 0, or -1 where the worker is gone. */
static int serve_one(const struct rsa_private *key, int channel) {
    struct channel_request request;
    struct channel_reply reply;
    ssize_t n = recv(channel, &request, sizeof request, 0);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    if ((size_t)n != sizeof request || request.len > sizeof request.ciphertext)
        return -1;
    memset(&reply, 0, sizeof reply);
    size_t len = request.len;
    uint32_t is_decrypted = (uint32_t)rsa_oaep_decrypt(
        key, request.hash == RSA_SHA1 ? RSA_SHA1 : RSA_SHA256, NULL, 0, request.ciphertext, &len);
    reply.id = request.id;
    reply.is_decrypted = is_decrypted;
    reply.len = is_decrypted ? (uint32_t)len : 0;
    memcpy(reply.message, request.ciphertext, reply.len);
    /* A worker has fewer requests under way than its socket holds replies. */
    ssize_t sent = send(channel, &reply, sizeof reply, MSG_NOSIGNAL);
    wipe(&reply, sizeof reply);
    wipe(&request, sizeof request);
    return sent == (ssize_t)sizeof reply ? 0 : -1;
}

int key_holder_run(struct rsa_private *key, const int *channels, unsigned channel_count) {
    struct pollfd entries[SERVE_PROCESSES_MAX];
    unsigned open_count = channel_count;
    mlock(key, sizeof *key); /* best effort: an unprivileged process may lock little */
    for (unsigned i = 0; i < channel_count; i++)
        entries[i] = (struct pollfd){.fd = channels[i], .events = POLLIN};
    while (open_count > 0) {
        if (poll(entries, channel_count, -1) < 0 && errno != EINTR)
            break;
        for (unsigned i = 0; i < channel_count; i++) {
            if (entries[i].fd >= 0 && entries[i].revents != 0 &&
                serve_one(key, entries[i].fd) != 0) {
                entries[i].fd = -1;
                open_count--;
            }
        }
    }
    wipe(key, sizeof *key);
    return 0;
}
