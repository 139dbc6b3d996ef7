#include "serve/reload.h"

#include "base/format.h"
#include "net/socket.h"
#include "os/service.h"
#include "serve/listening.h"
#include "serve/log.h"
#include "serve/server_keys.h"

#include <string.h>
#include <time.h>

/* Tickets are good only with the server's keys and the databases of these authorities. */
static void make_tickets(struct parent *parent) {
    const struct server_public *public = &parent->settings->public;
    const uint8_t *in_use = parent->release.header.facts.authority_id;
    int authority = key_set_find(&public->served, in_use, SHA256_LEN);
    tickets_make(&parent->secrets->tickets, time(NULL), &parent->secrets->random, &public->servers,
                 &public->served, authority >= 0 ? (unsigned)authority : 0);
    board_set_ring(parent->board, &parent->secrets->tickets.ring);
}

void reload_update_tickets(struct parent *parent) {
    if (tickets_are_due(&parent->secrets->tickets, time(NULL)))
        make_tickets(parent);
}

void reload_publish_keys(struct parent *parent) {
    struct serve_settings *settings = parent->settings;
    char fingerprint[RSA_FINGERPRINT_SIZE];
    if (server_keys_serve(settings, &parent->release.header)) {
        rsa_fingerprint_of_id(parent->release.header.facts.authority_id, fingerprint);
        serve_log(settings, "authority_kept id=%s reason=\"it has signed the database in use\"",
                  fingerprint);
    }
    memcpy(settings->public.release_id, parent->release.header.id, SHA256_LEN);
    board_set_keys(parent->board, &settings->public);
    make_tickets(parent);
}

/* Says of keys that were taken out or put in which they are. */
static void log_keys(const struct parent *parent, const char *event, const struct key_set *before,
                     const struct key_set *after) {
    char fingerprint[RSA_FINGERPRINT_SIZE];
    for (unsigned i = 0; i < before->count + after->count; i++) {
        bool is_old = i < before->count;
        const uint8_t *id = is_old ? before->ids[i] : after->ids[i - before->count];
        if (key_set_find(is_old ? after : before, id, SHA256_LEN) >= 0)
            continue;
        rsa_fingerprint_of_id(id, fingerprint);
        serve_log(parent->settings, "%s_%s id=%s", event, is_old ? "removed" : "added",
                  fingerprint);
    }
}

/* Reads the server's keys and the authorities' again. */
static void reload_keys(struct parent *parent) {
    struct serve_settings *settings = parent->settings;
    const struct server_public before = settings->public;
    struct error error;
    int authorities = server_keys_renew_authorities(settings, &error);
    if (authorities < 0)
        serve_log(settings, "authorities_refused reason=\"%s\"", error.text);
    int own = server_keys_renew_own(settings, &error);
    if (own < 0)
        serve_log(settings, "keys_refused reason=\"%s\"", error.text);
    int receipts = server_keys_renew_receipts(settings, &error);
    if (receipts < 0)
        serve_log(settings, "receipt_key_refused reason=\"%s\"", error.text);
    parent->reloads[RELOAD_KEYS_REFUSED] += authorities < 0 || own < 0 || receipts < 0;
    if (authorities <= 0 && own <= 0 && receipts <= 0)
        return;
    parent->reloads[RELOAD_KEYS]++;
    reload_publish_keys(parent);
    if ((own > 0 || receipts > 0) && children_replace_key_holders(&parent->children, &error) != 0)
        serve_log(settings, "restart_failed role=key_holder reason=\"%s\"", error.text);
    if (receipts > 0)
        serve_log(settings, "receipt_key_reloaded");
    log_keys(parent, "key", &before.servers, &settings->public.servers);
    log_keys(parent, "authority", &before.authorities, &settings->public.authorities);
    serve_log(settings, "keys_reloaded server_keys=%u authorities=%u",
              settings->public.servers.count, settings->public.authorities.count);
}

static void reload_kiosks(struct parent *parent) {
    const struct serve_settings *settings = parent->settings;
    struct kiosks_change change;
    struct error error;
    int code = board_load_kiosks(parent->board, settings->kiosks_path, &change, &error);
    unsigned count = board_kiosks(parent->board)->count;
    if (code != 0)
        serve_log(settings, "kiosks_refused kiosks=%u revoked=%u reason=\"%s\"", count,
                  change.revoked, error.text);
    else
        serve_log(settings, "kiosks_reloaded kiosks=%u added=%u removed=%u revoked=%u", count,
                  change.added, change.removed, change.revoked);
    if (change.unlisted > 0)
        serve_log(settings, "kiosks_kept unlisted=%u reason=\"%s\"", change.unlisted,
                  change.why_kept);
    if (change.unknown > 0)
        serve_log(settings, "kiosks_unknown revoked=%u first=\"%s\"", change.unknown,
                  change.unknown_name);
    parent->reloads[code != 0             ? RELOAD_KIOSKS_REFUSED
                    : change.unlisted > 0 ? RELOAD_KIOSKS_KEPT
                                          : RELOAD_KIOSKS]++;
}

/* Reads the list of kiosks and the ticket key again. Where a file is wrong, the old content stays
 * in use. */
static void reload_files(struct parent *parent) {
    const struct serve_settings *settings = parent->settings;
    struct error error;
    if (settings->kiosks_path != NULL) {
        reload_kiosks(parent);
    }
    if (tickets_load(&parent->secrets->tickets, settings->ticket_key_path, time(NULL), &error) !=
        0) {
        serve_log(settings, "ticket_key_refused reason=\"%s\"", error.text);
        parent->reloads[RELOAD_TICKET_KEY_REFUSED]++;
    } else if (!parent->secrets->tickets.is_made) {
        serve_log(settings, "ticket_key_reloaded");
        parent->reloads[RELOAD_TICKET_KEY]++;
    }
    reload_update_tickets(parent);
}

void reload_notify(const struct parent *parent, bool is_ready) {
    const struct kiosks *kiosks = board_kiosks(parent->board);
    const unsigned *reloads = parent->reloads;
    char text[240];
    format_text(text, sizeof text,
                "%sSTATUS=release %llu in use, %u kiosks; refused so far: database %u, keys %u, "
                "kiosks %u (kept %u), ticket key %u",
                is_ready ? "READY=1\n" : "",
                (unsigned long long)parent->release.header.facts.sequence,
                kiosks != NULL ? kiosks->count : 0, parent->release.refused_count,
                reloads[RELOAD_KEYS_REFUSED], reloads[RELOAD_KIOSKS_REFUSED],
                reloads[RELOAD_KIOSKS_KEPT], reloads[RELOAD_TICKET_KEY_REFUSED]);
    service_notify(text);
}

/* Where nothing is under way any more, that is told at once. */
static void note_round(struct parent *parent) {
    if (parent->release.checker != 0 || parent->release.is_reload_due)
        return;
    parent->rounds++;
    parent->next_stats_ms = 0;
}

void reload_begin(struct parent *parent) {
    char state[80];
    format_text(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)net_now_us());
    service_notify(state);
    atomic_fetch_add(&parent->board->audit_turns, 1);
    reload_keys(parent);
    reload_files(parent);
    release_reload(&parent->release);
    note_round(parent);
    reload_notify(parent, true);
}

void reload_lose(struct parent *parent, const char *reason) {
    if (parent->release.is_lost)
        return;
    children_stop_workers(&parent->children);
    listening_close(&parent->children);
    release_lose(&parent->release, reason);
    service_notify("STATUS=no answers: the database was overwritten");
}

void reload_open_again(struct parent *parent) {
    struct children *children = &parent->children;
    struct error error;
    if (!children->is_stopped || parent->release.is_lost || children->is_draining)
        return;
    if (listening_reopen(children, &error) == 0) {
        serve_log(parent->settings, "listening_again port=%u", children->port);
        children_start_workers(children);
        parent->is_port_awaited = false;
    } else if (!parent->is_port_awaited) {
        serve_log(parent->settings, "port_awaited reason=\"%s\"", error.text);
        parent->is_port_awaited = true;
    }
}

void reload_finish(struct parent *parent, int status) {
    const struct release *release = &parent->release;
    if (release_finish_reload(&parent->release, status)) {
        atomic_store(&parent->board->is_unleased, !release->is_leased);
        children_order(&parent->children, CHANNEL_DATABASE, release->fd);
        for (unsigned i = 0; i < release->lists.count; i++)
            children_order(&parent->children, CHANNEL_CHANGES, release->lists.lists[i].fd);
        reload_publish_keys(parent); /* it may be of another authority */
        serve_log(parent->settings, "reloaded sequence=%llu entries=%llu",
                  (unsigned long long)release->header.facts.sequence,
                  (unsigned long long)release->header.count);
        reload_open_again(parent); /* where it was lost before */
    }
    reload_notify(parent, false);
    if (release->is_reload_due) {
        parent->release.is_reload_due = false;
        release_reload(&parent->release);
    }
    note_round(parent);
}
