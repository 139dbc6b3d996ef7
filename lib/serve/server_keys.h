/* The keys that the server is started with and that SIGHUP reads again: its own, and those of the
 * authorities whose databases it answers from. */
#ifndef DLV_SERVE_SERVER_KEYS_H
#define DLV_SERVE_SERVER_KEYS_H

#include "serve/serve.h"

/* Reads them all. 0, or a negative code with the reason; then `own` is wiped. */
int server_keys_load(const struct serve_settings *settings, struct private_key_set *own,
                     struct server_public *public, struct error *error);

/* Puts what the files say now into the settings (keys, public), where it is good and differs, and where
 * the authority of the database in use stays. Returns 1 where the settings have changed, 0 where there
 * was nothing to change, or a negative code with the reason: then everything is as it was. */
int server_keys_renew(struct serve_settings *settings, const struct db_header *in_use,
                      struct error *error);

/* Wipes the private keys. */
void server_keys_forget(struct serve_settings *settings);

#endif
