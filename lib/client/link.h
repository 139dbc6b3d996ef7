/* The way to the servers: TCP connections or UDP sockets, and frames that go there and come back.
 *
 * As long as no server is chosen, several are tried at once, as RFC 8305 describes it: the first one, and
 * another one each 250 ms and whenever one has failed; of a name, all of its addresses. Each is sent the
 * first frame. Who answers it first is chosen, and the others are left. Where UDP is preferred, each is asked over TCP,
 * too, when nobody was heard over UDP for a second: a network may not let datagrams through. */
#ifndef DLV_CLIENT_LINK_H
#define DLV_CLIENT_LINK_H

#include "net/lookup.h"
#include "net/socket.h"
#include "wire/cookie.h"
#include "wire/frame.h"

#include <stdbool.h>

#define LINK_SERVER_SIZE (NET_HOST_SIZE + NET_PORT_SIZE + 1)
#define LINK_SERVERS_MAX 16
#define LINK_LANES_MAX 16
#define LINK_WINDOW 32 /* frames that are under way at once */

/* What came of talking to a server. Those below LINK_DONE come with a reason for a human. */
enum link_result {
    LINK_DONE,
    LINK_WAIT,          /* this frame is not one that is waited for */
    LINK_LOST,          /* the network failed; another connection may do */
    LINK_NO_WAY,        /* there is no way to the server just now */
    LINK_TIMED_OUT,     /* nothing came in the time allowed */
    LINK_STALLED,       /* nothing comes any more; another connection may do */
    LINK_BUSY,          /* the server says that it is busy */
    LINK_OVER_QUOTA,    /* the server answers no more for so many seconds (link->wait_s) */
    LINK_SESSION_ENDED, /* the server says that the session is not good any more */
    LINK_REFUSED,       /* the server opens no session for us, or we cannot ask for one */
    LINK_WRONG_KEY,     /* the server does not have the key that is pinned */
    LINK_NOT_BELIEVED,  /* the server's release is not one to be used */
    LINK_CHANGED,       /* the release that was meant is not there any more */
    LINK_DISTRUSTED,    /* what came is not what a server with that key sends */
};

/* A server of the list. */
struct link_server {
    char name[LINK_SERVER_SIZE]; /* "host:port", as reasons call it */
    bool was_good;               /* it has answered before */
    bool was_connected;          /* over TCP, though it may have failed then */
    bool is_out;                 /* it has failed, and is not tried any more ... */
    int64_t again_ms;            /* ... until then; 0: for good */
    int64_t pause_ms;            /* how long that is the next time */
    enum link_result result;     /* why */
    int disbelief;               /* with LINK_NOT_BELIEVED: the negative code */
    struct error reason;
    bool is_looked_up;
    /* of its addresses, to be tried next; where UDP is preferred, behind them the same once more, over TCP */
    unsigned next_address;
    unsigned lanes; /* to it, that are open */
    struct net_lookup lookup;
};

/* A way to one address of a server. */
struct lane {
    int fd; /* -1: none */
    bool is_udp;
    unsigned server;
    bool is_connected;
    int64_t start_ms;
    unsigned next;  /* frame to be written over TCP */
    size_t written; /* bytes of it that have been */
    uint8_t cookie[COOKIE_LEN];
    int64_t cookie_ms; /* when the last one was taken */
    /* Over UDP anybody may have sent a REFUSE, or an error by ICMP. So what they come to is believed
     * only where nothing better has come LINK_DOUBT_MS later. */
    bool has_hint;
    enum link_result hint;
    struct error hint_reason;
    int64_t hint_ms; /* when it came */
    size_t in_len;   /* over TCP, what has come and was not taken yet */
    uint8_t in[2 * FRAME_MAX];
};

/* A frame that is under way. */
struct link_slot {
    bool is_used;
    unsigned index; /* which of the frames it is */
    size_t len;
    int64_t again_ms; /* when it is sent again over UDP */
    int64_t retry_ms; /* how long after the last time */
    uint8_t frame[FRAME_MAX];
};

/* 300 KiB, of which only what is used is touched: for static memory or the heap. */
struct link {
    bool is_udp; /* is preferred; a frame fits a datagram */
    /* told of what is tried and what comes of it, a line each; may be NULL */
    void (*tell)(void *context, const char *line);
    void *tell_context;
    int64_t search_ms; /* when a server began to be sought */
    bool hears_udp;    /* datagrams have come since then */
    bool udp_stalled;  /* they came, and then no more: perhaps only short ones do */
    unsigned server_count;
    struct link_server servers[LINK_SERVERS_MAX];
    unsigned first;       /* the server that is tried first */
    unsigned server;      /* whom results are of */
    struct lane *lane;    /* to the server that is chosen; NULL: none is */
    int64_t rtt_ms;       /* how long its first answer took */
    int64_t next_ms;      /* when another server is tried */
    int64_t other_key_ms; /* when a wrong key ends the search; 0: nobody has said that */
    uint32_t wait_s;      /* with LINK_OVER_QUOTA */
    struct lane lanes[LINK_LANES_MAX];
    struct link_slot slots[LINK_WINDOW];
};

/* Frames that are to be answered. */
struct link_frames {
    unsigned count;
    /* Writes a frame, and returns its length; 0 where it does not fit. */
    size_t (*form)(void *context, unsigned index, uint8_t frame[FRAME_MAX]);
    /* Looks at a frame that came. LINK_DONE where it answers one that is under way, whose slot it sets
     * *slot to; or LINK_WAIT, or another outcome with the reason. */
    enum link_result (*take)(void *context, uint8_t *frame, size_t len, struct link_slot **slot,
                             struct error *error);
    void *context;
    size_t cookie_at;    /* where a cookie goes; 0: nowhere */
    const char *doing;   /* for reasons: "asking" */
    bool ends_when_busy; /* another attempt is another frame */
    bool has_other_keys; /* a wrong key ends it soon: another one is to be tried with all servers */
    int64_t *deadline_ms; /* holds whatever comes */
    int64_t extension_ms; /* each answer puts the deadline off until then; 0: it does not */
};

/* Prepares a link to the servers of a list "host:port,host:port"; port 8080 where there is none. 0, or
 * ERR_FORMAT with the reason. */
int link_init(struct link *link, const char *servers, bool is_udp, struct error *error);

#define LINK_DOUBT_MS 1000

/* Sends the frames and receives their answers, in any order, over the link that there is; else it finds
 * one. Over UDP frames are sent again while nothing comes, every 100 or 200 ms in the first two seconds and then ever
 * slower; frames from elsewhere are ignored, and a datagram that cannot be sent just now counts as lost.
 *
 * Where another outcome than LINK_DONE comes, link->server is whom it is of, the link is closed, and
 * those servers that failed on the way are out. */
enum link_result link_exchange(struct link *link, const struct link_frames *frames,
                               struct error *error);

/* Closes the link, so that the next exchange finds a server anew. */
void link_close(struct link *link);

/* The name of the server that results are of. */
const char *link_name(const struct link *link);

/* The server is not tried any more, for this reason; or not for a while, where it may do better soon: it is busy, or
 * restarts, or the network comes and goes. */
void link_leave_out(struct link *link, enum link_result result, const struct error *reason);

/* All servers may be tried. */
void link_let_all_in(struct link *link);

/* Whether there is a server that may be tried, now or soon. */
bool link_has_servers(const struct link *link);

/* Sets the reason "SERVER: WHAT" and returns the outcome. */
enum link_result link_fail(const struct link *link, enum link_result result, struct error *error,
                           const char *what);

#endif
