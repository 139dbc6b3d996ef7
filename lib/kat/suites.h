/* One function for each kind of case. It is called with all values of the case, when the field that
 * completes it has been read. For kat/ only. */
#ifndef DLV_KAT_SUITES_H
#define DLV_KAT_SUITES_H

#include "kat/vector.h"

/* suite_hash.c: SHA-256, CAVP's Monte Carlo test of it, HMAC-SHA-256 and HKDF-SHA-256 */
enum kat_outcome kat_sha256(struct kat_vector *vector);
enum kat_outcome kat_sha256_monte(struct kat_vector *vector);
enum kat_outcome kat_hmac(struct kat_vector *vector);
enum kat_outcome kat_hmac_tag(struct kat_vector *vector);
enum kat_outcome kat_hkdf(struct kat_vector *vector);

/* suite_rsa.c: signatures, OAEP, encodings of keys */
enum kat_outcome kat_signature(struct kat_vector *vector);
enum kat_outcome kat_oaep(struct kat_vector *vector);
enum kat_outcome kat_encoding(struct kat_vector *vector);

/* suite_record.c: records and numbers, verdicts of a database */
enum kat_outcome kat_record(struct kat_vector *vector);
enum kat_outcome kat_verdict(struct kat_vector *vector);

/* suite_session.c: X25519, ChaCha20-Poly1305, whole sessions */
enum kat_outcome kat_x25519(struct kat_vector *vector);
enum kat_outcome kat_aead(struct kat_vector *vector);
enum kat_outcome kat_session(struct kat_vector *vector);

#endif
