/* The keys that the server is started with and that SIGHUP reads again: its own, and those of the
 * authorities whose databases it answers from. */
#ifndef DLV_SERVE_SERVER_KEYS_H
#define DLV_SERVE_SERVER_KEYS_H

#include "serve/serve.h"

/* Each of these puts what its files say now into the settings, where that is good and differs. Returns 1
 * where the settings have changed, 0 where there was nothing to change, or a negative code with the
 * reason: then everything is as it was. */
int server_keys_renew_own(struct serve_settings *settings, struct error *error);
int server_keys_renew_authorities(struct serve_settings *settings, struct error *error);
int server_keys_renew_receipts(struct serve_settings *settings, struct error *error);

/* The authority of the database in use stays among those that are served, even if it is not believed any
 * more, until that database is replaced. Returns whether it is such a one. */
bool server_keys_serve(struct serve_settings *settings, const struct db_header *in_use);

/* Wipes all private keys. */
void server_keys_forget(struct serve_settings *settings);

#endif
