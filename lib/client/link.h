/* The way to one server: a TCP connection or a UDP socket, and frames that go there and come
 * back. */
#ifndef DLV_CLIENT_LINK_H
#define DLV_CLIENT_LINK_H

#include "net/socket.h"
#include "wire/frame.h"

#include <stdbool.h>

#define LINK_SERVER_SIZE (NET_HOST_SIZE + NET_PORT_SIZE + 1)

/* What came of talking to a server. Those below LINK_DONE come with a reason for a human. */
enum link_result {
    LINK_DONE,
    LINK_WAIT,          /* over UDP: this frame is not the one that is waited for */
    LINK_LOST,          /* the network failed; another connection may do */
    LINK_NO_WAY,        /* there is no way to the server just now */
    LINK_TIMED_OUT,     /* nothing came in the time allowed */
    LINK_NO_ADDRESS,    /* the server's name has no further address */
    LINK_BUSY,          /* the server says that it is busy */
    LINK_OVER_QUOTA,    /* the server answers no more for so many seconds (link->wait_s) */
    LINK_SESSION_ENDED, /* the server says that the session is not good any more */
    LINK_REFUSED,       /* the server opens no session for us, or we cannot ask for one */
    LINK_WRONG_KEY,     /* the server does not have the key that is pinned */
    LINK_NOT_BELIEVED,  /* the server's release is not one to be used */
    LINK_CHANGED,       /* the release that was meant is not there any more */
    LINK_DISTRUSTED,    /* what came is not what a server with that key sends */
};

struct link {
    char server[LINK_SERVER_SIZE]; /* "host:port", as reasons call it */
    bool is_udp;
    int fd;          /* -1: not connected */
    uint32_t wait_s; /* with LINK_OVER_QUOTA */
    /* Over UDP anybody may have sent a REFUSE, or an error by ICMP. So what they come to is believed
     * only where nothing better has come LINK_DOUBT_MS later. */
    bool has_hint;
    enum link_result hint;
    struct error hint_reason;
    int64_t hint_ms; /* when it came */
    /* over TCP, what has come and was not taken yet */
    size_t in_at;
    size_t in_end;
    uint8_t in[4 * FRAME_MAX];
};

/* Connects to link->server; over UDP, to the nth of its name's addresses. LINK_DONE, or another
 * outcome with the reason. */
enum link_result link_open(struct link *link, unsigned nth, int64_t deadline_ms,
                           struct error *error);

void link_close(struct link *link);

/* Looks at a frame of `len` bytes that came, in memory of the link that is good until the next one is
 * received. LINK_DONE where it is the one that was waited for, LINK_WAIT to wait on, or another
 * outcome with the reason. It may send another frame. */
typedef enum link_result link_take(void *context, uint8_t *frame, size_t len, struct error *error);

/* Sends frames. `doing` is for the reason: "asking". */
enum link_result link_send(const struct link *link, const uint8_t *frames, size_t len,
                           int64_t deadline_ms, const char *doing, struct error *error);

/* Hands each frame that arrives to `take`, until that returns something other than LINK_WAIT or the
 * deadline passes. */
enum link_result link_receive(struct link *link, link_take *take, void *context,
                              int64_t deadline_ms, const char *doing, struct error *error);

#define LINK_DOUBT_MS 1000

/* Sends a frame and receives until it is answered. Over UDP the frame is sent again while nothing
 * comes, every 200 ms in the first two seconds and then ever slower; frames from elsewhere are ignored,
 * and a datagram that cannot be sent just now counts as lost. The deadline holds whatever comes. */
enum link_result link_exchange(struct link *link, const uint8_t *frame, size_t len, link_take *take,
                               void *context, int64_t deadline_ms, const char *doing,
                               struct error *error);

/* Sets the reason "SERVER: WHAT" and returns the outcome. */
enum link_result link_fail(const struct link *link, enum link_result result, struct error *error,
                           const char *what);

/* What a REFUSE frame comes to. It is not authenticated. But it holds no verdict either, so whoever
 * forges it can only make us go elsewhere; over UDP not even that, if the server answers (LINK_WAIT). */
enum link_result link_take_refusal(struct link *link, const struct frame *frame,
                                   struct error *error);

#endif
