/* What a client keeps between runs, in the folder of its state, so that the next question costs one round
 * trip and no RSA operation: its session, and what it knows of the release.
 *
 * A session is kept for an enrolled kiosk alone, sealed with ChaCha20-Poly1305 under a key that HKDF-SHA-256
 * makes of the kiosk's private key and a salt of its own. So who can write to the folder cannot put another
 * session there, whose answers would be his. A release needs no seal, since it is signed: it is checked
 * when it is loaded. What cannot be read, or is not what it should be, is not there. */
#ifndef DLV_CLIENT_KEPT_H
#define DLV_CLIENT_KEPT_H

#include "client/session.h"

/* Writes the session that was opened with this server key, and the server that answered in it. Best effort:
 * where that fails, the next run opens another one. */
void kept_session_save(const char *folder, const struct client_session *session,
                       const struct rsa_public *server_key, const struct rsa_private *kiosk,
                       const char *server, struct random *random);

/* Loads it, where there is one that is still good. `server` becomes the name of the server that answered in
 * it less than ten minutes ago, or "". False where there is none. */
bool kept_session_load(const char *folder, struct client_session *session,
                       const struct rsa_public *server_key, const struct rsa_private *kiosk,
                       char server[LINK_SERVER_SIZE]);

/* The same for a release. What one of the authorities has not signed is not loaded. */
void kept_release_save(const char *folder, const struct known_release *release,
                       const struct rsa_public *server_key);
bool kept_release_load(const char *folder, struct known_release *release,
                       const struct rsa_public *server_key, const struct key_set *authorities);

#endif
