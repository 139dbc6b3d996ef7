/* The server: a parent that opens, supervises and reloads; key-holders, which have the private key
 * and do nothing but decrypt; and workers, which talk to clients, look up, and never see the key.
 *
 * They are separate processes, so that each is confined to what it needs. A worker that is taken
 * over holds no key, and a key-holder hears nobody but workers. A flood of openings fills the queue
 * to the key-holders and leaves the workers free. A process that dies is replaced, and the clients
 * it was serving ask again. */
#ifndef DLV_SERVE_SERVE_H
#define DLV_SERVE_SERVE_H

#include "base/file.h"
#include "crypto/key_set.h"
#include "db/lookup_key.h"
#include "db/open.h"
#include "os/confine.h"
#include "serve/kiosks.h"
#include "serve/receipts.h"

#include <stdbool.h>
#include <sys/types.h>

#define SERVE_PROCESSES_MAX 64
#define SERVE_QUEUES_MAX 32

/* The public keys that are good now. */
struct server_public {
    struct key_set servers;     /* the server's own; the first one is for the original protocol */
    struct key_set authorities; /* believed: one of them signs the next database */
    struct key_set served;      /* these, and that of the database in use (server_keys_serve) */
    uint8_t release_id[SHA256_LEN]; /* of that database */
};

struct serve_paths {
    unsigned count;
    const char *const *items;
};

/* Addresses whose first bits are these, IPv4 as IPv6 writes it. */
struct serve_network {
    uint8_t address[16];
    unsigned bits;
};

#define SERVE_PROXIES_MAX 16

struct serve_settings {
    const char *db_path;
    struct serve_paths authority_paths, key_paths; /* read again on SIGHUP */
    struct lookup_key lookup_key;
    bool is_keyed;
    bool is_demo; /* the server's key may be one that everybody has (crypto/known_key.h) */
    struct server_public public;  /* what these files hold (server_keys.h) */
    struct private_key_set *keys; /* likewise; no child but a key-holder inherits them */
    /* receipts; NULL: none are given */
    const char *receipt_key_path, *receipt_certificate_path;
    struct receipt_signer *signer; /* what these files hold; as `keys` */
    const char *kiosks_path;       /* NULL: no kiosk is enrolled */
    bool is_anonymous;             /* clients that are not enrolled are answered */
    const char *ticket_key_path;   /* NULL: ticket keys of this server's own */
    const char *stats_path;        /* NULL: none */
    enum file_replacing stats_replacing;
    const char *audit_path; /* the folder of the audit log; NULL: none is kept */
    const char *log_key_path, *audit_key_path;
    bool is_audit_optional; /* where nothing can be recorded, answers go on, and say so */
    uint64_t audit_size;    /* after so many bytes it goes on in another file */
    int64_t audit_sync_ms;  /* how long what was answered may not have reached the disk */
    const char *host;       /* empty: every address */
    const char *port;
    /* balancers: what comes from them over TCP begins with a header that names the source */
    unsigned proxy_count;
    struct serve_network proxies[SERVE_PROXIES_MAX];
    bool is_udp;
    const char *xdp_interface; /* NULL: no kernel bypass */
    unsigned xdp_queue_count;  /* served by as many workers, the first ones */
    unsigned xdp_queues[SERVE_QUEUES_MAX];
    bool is_xdp_optional; /* go on with sockets where it cannot be had */
    /* run the program behind the driver, even where the driver supports XDP */
    bool is_xdp_generic;
    unsigned xdp_busy_poll_us;
    bool is_legacy;
    bool is_quick;  /* the operator has verified the database, so it is not checked in full */
    bool populates; /* read the database into memory before it is asked */
    bool locks;     /* and keep it there; not without populates */
    bool is_once;   /* one connection, then end */
    struct sandbox sandbox;            /* protections that are left out on purpose */
    enum sandbox_part sandbox_missing; /* out: the one that made the start fail */
    uid_t uid;                         /* of the children, where started as root */
    gid_t gid;
    unsigned worker_count;
    unsigned key_holder_count;
    unsigned connection_max;       /* for each worker */
    unsigned openings_per_second;  /* of sessions, in total; 0: no limit */
    unsigned openings_per_source;  /* and from one address */
    struct quota anonymous_quota;  /* of each network of anonymous clients; minute 0: none */
    int64_t deadline_ms;           /* for each connection without a session, from its acceptance */
    int64_t idle_ms;               /* for each with one, from its last question */
    void (*log)(const char *line); /* one event, key=value, no line feed */
    db_progress *tell;             /* of the check before the start; NULL: nobody is told */
};

/* Opens the database, checks all of it (unless is_quick), serves until SIGTERM or SIGINT, reloads
 * on SIGHUP. 0 after an orderly end, or a negative code with the reason. Forks: call it before any
 * thread exists. */
int serve_run(struct serve_settings *settings, struct error *error);

#endif
