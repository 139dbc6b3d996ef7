#include "crypto/key_kind.h"

#include <stdint.h>
#include <string.h>

static bool has(const char *bytes, size_t len, const char *text) {
    size_t text_len = strlen(text);
    for (size_t at = 0; at + text_len <= len; at++) {
        if (memcmp(bytes + at, text, text_len) == 0)
            return true;
    }
    return false;
}

/* A file of armoured text. The first mark that it has decides. */
static const char *kind_of_text(const char *bytes, size_t len, bool wants_private) {
    static const struct {
        const char *mark;
        const char *kind;
    } kinds[] = {
        {"BEGIN ENCRYPTED PRIVATE KEY",
         "an encrypted private key (openssl pkey -in FILE -out PLAIN decrypts it)"},
        {"Proc-Type: 4,ENCRYPTED",
         "an encrypted private key (openssl pkey -in FILE -out PLAIN decrypts it)"},
        {"BEGIN EC P", "a key of elliptic curves, and RSA is wanted (openssl genrsa makes one)"},
        {"BEGIN CERTIFICATE REQUEST", "a request for a certificate (openssl req -pubkey -noout -in "
                                      "FILE shows its public key)"},
        {"BEGIN CERTIFICATE",
         "a certificate (openssl x509 -pubkey -noout -in FILE shows its public key)"},
        {"BEGIN OPENSSH PRIVATE KEY",
         "a key of OpenSSH (ssh-keygen -p -m PEM -f FILE changes it into PEM)"},
        {"BEGIN SSH2 PUBLIC KEY",
         "a public key of OpenSSH (ssh-keygen -i -m RFC4716 -f FILE shows it as PEM)"},
        {"BEGIN PGP", "an OpenPGP file, and a PEM file is wanted"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (has(bytes, len, kinds[i].mark))
            return kinds[i].kind;
    }
    if (len >= 4 && memcmp(bytes, "ssh-", 4) == 0)
        return "a public key of OpenSSH (ssh-keygen -e -m PKCS8 -f FILE shows it as PEM)";
    if (wants_private && has(bytes, len, "PUBLIC KEY-----"))
        return "a public key, and the private one is wanted";
    if (!wants_private && has(bytes, len, "PRIVATE KEY-----"))
        return "a private key, and the public one is wanted (openssl pkey -pubout -in FILE shows "
               "it)";
    return NULL;
}

const char *key_kind(const char *bytes, size_t len, bool wants_private) {
    const uint8_t *start = (const uint8_t *)bytes;
    if (len == 0)
        return "an empty file";
    /* an ASN.1 SEQUENCE whose length takes one byte, or one or two behind its own */
    if (len > 4 && start[0] == 0x30 && (start[1] < 0x80 || start[1] == 0x81 || start[1] == 0x82))
        return wants_private
                   ? "DER, and PEM is wanted (openssl pkey -inform DER -in FILE changes it)"
                   : "DER, and PEM is wanted (openssl pkey -pubin -inform DER -in FILE changes it)";
    return kind_of_text(bytes, len, wants_private);
}
