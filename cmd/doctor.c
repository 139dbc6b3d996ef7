#include "applet.h"
#include "built.h"
#include "steps.h"

#include "base/bytes.h"
#include "base/date.h"
#include "base/file.h"
#include "base/format.h"
#include "crypto/certificate.h"
#include "crypto/rsa_key.h"
#include "db/open.h"
#include "os/confine.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const struct option options[] = {
    OPTIONS_END,
};

static const char *folder;
static unsigned wrong_count;

/* What is wrong, and what to do: told on stdout, in its place among what is good. */
static void wrong(const char *what, const char *then) {
    print("WRONG  %s\n", what);
    if (then[0] != '\0')
        print("       %s\n", then);
    wrong_count++;
}

static const char *path_of(const char *name) {
    static char path[PATH_MAX];
    format_text(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* --- files and keys ----------------------------------------------------------------------------- */

/* A private key that this machine has, and its public one. The authority's belongs elsewhere. */
static void check_pair(const char *prefix, bool belongs_here) {
    struct rsa_private private;
    struct rsa_public public;
    uint8_t ids[2][SHA256_LEN];
    char file[80], line[PATH_MAX + 200];
    struct error error;
    format_text(file, sizeof file, "%s.pub", prefix);
    if (rsa_public_load(&public, path_of(file), 2048, &error) != 0) {
        wrong(error.text, "It is the public half: openssl pkey -in KEY -pubout writes it again.");
        return;
    }
    format_text(file, sizeof file, "%s.key", prefix);
    if (access(path_of(file), F_OK) != 0 && errno == ENOENT) {
        if (belongs_here)
            wrong("a key is missing:", path_of(file));
        else
            print("ok     %s is not here: it signs, and belongs where there is no network\n", file);
        return;
    }
    if (rsa_private_load(&private, path_of(file), 2048, &error) != 0) {
        wrong(error.text, "");
        return;
    }
    rsa_public_id(&private.public, ids[0]);
    rsa_public_id(&public, ids[1]);
    wipe(&private, sizeof private);
    format_text(line, sizeof line, "%s.key and %s.pub", prefix, prefix);
    if (memcmp(ids[0], ids[1], SHA256_LEN) != 0)
        wrong(
            line,
            "They do not belong together: openssl pkey -in FILE.key -pubout shows the public half.");
    else
        print("ok     %s belong together, and nobody else can read the private one\n", line);
    if (!belongs_here)
        print("note   %s signs releases: it is safer on a machine without network\n", file);
}

/* --- the release and the clock ------------------------------------------------------------------ */

#define DAY_S 86400

static void check_clock(const struct release_facts *facts, int64_t now_s) {
    char text[TIME_TEXT_SIZE], line[200];
    time_format(text, now_s, 0);
    format_text(line, sizeof line, "this machine's clock shows %s", text);
    if (now_s < built_s())
        wrong(line, "It is behind the day on which dlv was made: set it (timedatectl, date -s).");
    else if (facts != NULL && now_s + 300 < facts->created_s)
        wrong(line, "It is behind the release, or that was made by a clock that is ahead.");
    else
        print("ok     %s\n", line);
}

static void check_age(const struct release_facts *facts, int64_t now_s) {
    char until[TIME_TEXT_SIZE], line[200];
    int64_t left_s = facts->valid_until_s - now_s;
    if (facts->valid_until_s == 0) {
        print("ok     release %llu of %s has no last day\n", (unsigned long long)facts->sequence,
              facts->name);
        return;
    }
    time_format(until, facts->valid_until_s, facts->utc_offset_s);
    format_text(line, sizeof line, "release %llu of %s is valid until %s",
                (unsigned long long)facts->sequence, facts->name, until);
    if (left_s < 0)
        wrong(line, "Nobody uses it any more: build the next one (dlv dbgen --into).");
    else if (left_s < 3 * DAY_S)
        wrong(line, "That is soon: does the nightly build still run (dlv dbgen --into)?");
    else
        print("ok     %s, another %lld days\n", line, (long long)(left_s / DAY_S));
    if (facts->is_test)
        print("note   it is marked as test data\n");
}

/* What signs receipts, where there is something. */
static void check_receipts(const struct key_set *authorities, int64_t now_s) {
    static struct certificate certificate;
    static uint8_t bytes[CERTIFICATE_MAX];
    struct rsa_public own;
    char until[TIME_TEXT_SIZE], line[200];
    struct error error;
    if (access(path_of("receipt.pub"), F_OK) != 0)
        return;
    check_pair("receipt", true);
    ssize_t len = certificate_load(bytes, path_of("receipt.certificate"), &error);
    if (len < 0 || certificate_read(&certificate, bytes, (size_t)len, authorities, &error) != 0) {
        wrong(error.text, "dlv keygen --certify makes one, where the authority's key is.");
        return;
    }
    time_format(until, certificate.until_s, 0);
    format_text(line, sizeof line, "receipt.certificate is good until %s", until);
    bool is_own = rsa_public_load(&own, path_of("receipt.pub"), 2048, &error) == 0 &&
                  memcmp(own.n, certificate.key.n, sizeof own.n) == 0;
    if (!is_own)
        wrong(line, "But not for the key in receipt.pub.");
    else if (certificate.until_s - now_s < 14 * DAY_S || certificate.from_s > now_s)
        wrong(line,
              "Have the key certified anew (dlv keygen --certify): no receipts are given without.");
    else
        print("ok     %s\n", line);
}

static void check_release(int64_t now_s) {
    static struct key_set authorities;
    struct db_header header;
    struct error error;
    const char *paths[] = {path_of("authority.pub")};
    bool is_read = key_set_load(&authorities, paths, 1, 2048, &error) == 0 &&
                   db_read_header(&header, path_of("releases/current"), &authorities, &error) == 0;
    check_clock(is_read ? &header.facts : NULL, now_s);
    if (is_read)
        check_age(&header.facts, now_s);
    else
        wrong(error.text, "");
    check_receipts(&authorities, now_s);
}

/* --- the machine, the server, the client -------------------------------------------------------- */

static void check_machine(void) {
    const struct sandbox sandbox = {.without_seccomp = false};
    enum sandbox_part missing;
    struct error error;
    if (confine_check(&sandbox, &missing, &error) != 0)
        wrong(error.text,
              "A newer kernel has it (Linux 5.13); dlv server --no-sandbox starts without.");
    else
        print("ok     this kernel can confine the server's processes (Landlock, seccomp)\n");
}

static bool enrols(const char *line) {
    return *line != '\0' && strchr("#\n", *line) == NULL && strncmp(line, "revoke ", 7) != 0;
}

/* Whether anybody is enrolled. */
static void check_kiosks(void) {
    static char text[1 << 16];
    struct error error;
    ssize_t len = file_read(path_of("kiosks"), text, sizeof text - 1, &error);
    bool is_any = len < 0; /* the server's own check says what is wrong with it */
    for (const char *line = len > 0 ? text : NULL; line != NULL && !is_any;) {
        const char *end = strchr(line, '\n');
        is_any = enrols(line);
        line = end != NULL ? end + 1 : NULL;
    }
    if (!is_any)
        wrong("no kiosk is enrolled: nobody can ask",
              "dlv help keygen shows how a line of kiosks is made.");
}

/* What a start of the server reads, looked at by the server's own code. */
static void check_server(void) {
    const char *const words[] = {"server",      "--check",       "--db",  "releases/current",
                                 "--authority", "authority.pub", "--key", "server.key",
                                 "--kiosks",    "kiosks",        NULL};
    check_kiosks();
    print("\nWhat a server reads (dlv server --check):\n");
    if (step_run(folder, true, words) != EXIT_OK)
        wrong("a server would not start", "The lines above say why.");
}

static void check_client(void) {
    const char *const words[] = {"client", "--config", "client.conf", "--timeout",
                                 "3",      "--check",  NULL};
    if (access(path_of("client.conf"), F_OK) != 0)
        return;
    print("\nWhat a kiosk finds (dlv client --config client.conf --check):\n");
    if (step_run(folder, true, words) != EXIT_OK)
        wrong("a kiosk could not ask with client.conf",
              "The line of dlv client says why; after \"no connection\": is the server running?");
}

static int run_doctor(int operand_count, char **operands) {
    struct stat status;
    int64_t now_s = time(NULL);
    if (operand_count != 1)
        return usage_error("the folder of an authority is needed, as dlv init makes it");
    folder = operands[0];
    if (stat(folder, &status) != 0 || !S_ISDIR(status.st_mode))
        return trouble("%s: %s", folder,
                       errno == ENOENT ? "is not there (dlv init makes one)" : "is no folder");
    check_pair("authority", false);
    check_pair("server", true);
    check_release(now_s);
    check_machine();
    check_server();
    check_client();
    if (wrong_count == 0)
        print("\nNothing is wrong.\n");
    else
        print("\n%u thing%s wrong.\n", wrong_count, wrong_count == 1 ? " is" : "s are");
    int code = finish_output();
    return wrong_count == 0 ? code : EXIT_TROUBLE;
}

const struct applet applet_doctor = {
    .name = "doctor",
    .summary = "look an authority's folder over, and say what is wrong and what to do",
    .user = FOR_ADMINS,
    .options = options,
    .needs_cryptography = true,
    .run = run_doctor,
};
