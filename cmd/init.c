#include "applet.h"
#include "steps.h"

#include "base/bytes.h"
#include "base/file.h"
#include "base/format.h"
#include "crypto/rsa_key.h"
#include "net/socket.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *name, *listen_at;

static const struct option options[] = {
    OPTION_TEXT("--name NAME", &name),
    OPTION_TEXT("--listen HOST:PORT", &listen_at),
    OPTIONS_END,
};

static const struct file_kind file_kind = {.what = "a file of dlv init", .mode = 0644};

static const char registry[] =
    "name,phone,licence,status,status_since,valid_from,valid_to,classes\n"
    "Ramesh Patel,2344567890,GJ05-1234,valid,2015-04-02,2015-04-02,2045-04-01,LMV;MCWG\n"
    "Asha Sharma,9800000001,MH12 20190054321,suspended,2026-05-01,2019-06-15,2039-06-14,MCWG\n"
    "Old Timer,9800000003,KA05-1999-1,valid,1999-02-28,1999-02-28,2019-02-27,LMV\n";

static const char import_text[] =
    "# How the register's export is written; what may stand here is in dlv help dbgen.\n"
    "# Take the # away from what applies, and name your own columns and words.\n"
    "#map = licence=Licence No,name=Full Name,status=Status,valid_to=Valid Until,classes=Classes\n"
    "#status = Active=valid,Suspended=suspended,Cancelled=revoked\n"
    "#date-format = DD/MM/YYYY\n"
    "#ignore-columns = *\n"
    "#null = 1800-01-01\n"
    "# What the release says of itself:\n"
    "#covers = GJ,MH,KA\n"
    "utc-offset = +00:00\n";

/* Writes a file of the new folder, which is the working folder. */
static int write_text(const char *path, const char *text) {
    struct error error;
    return file_write(path, text, strlen(text), &file_kind, REPLACE_NOTHING, &error) == 0
               ? EXIT_OK
               : trouble("%s", error.text);
}

static int make_keys(const char *folder) {
    static const char *const kinds[] = {"authority", "server", "kiosk"};
    for (int i = 0; i < 3; i++) {
        const char *prefix = i == 2 ? "kiosk-1" : kinds[i];
        const char *const words[] = {"keygen", "--type", kinds[i], "-o", prefix, NULL};
        if (step_run(folder, false, words) != EXIT_OK)
            return EXIT_TROUBLE;
    }
    return EXIT_OK;
}

/* Enrols the first kiosk. */
static int write_kiosks(void) {
    uint8_t der[RSA_PUBLIC_DER_MAX];
    char key[BASE64_LEN(RSA_PUBLIC_DER_MAX) + 1], text[sizeof key + 200];
    struct rsa_public public;
    struct error error;
    if (rsa_public_load(&public, "kiosk-1.pub", 2048, &error) != 0)
        return trouble("%s", error.text);
    base64_encode(key, der, rsa_public_encode(&public, der));
    format_text(text, sizeof text,
                "# NAME KEY [LAST DAY] [quota=MINUTE/BURST/DAY] [sync=MIB], see dlv help server\n"
                "kiosk-1 %s sync=2000\n# end 1\n",
                key);
    return write_text("kiosks", text);
}

static int write_config(const char *folder) {
    char text[4 * PATH_MAX + 400];
    format_text(text, sizeof text,
                "# What a kiosk asks with: dlv client --config FILE, or as /etc/dlv/client.conf\n"
                "# (from another machine, the server's name in place of localhost)\n"
                "server = %s%s\nserver-key = %s/server.pub\nkey = %s/kiosk-1.key\n"
                "authority = %s/authority.pub\nprove\n"
                "# Its own copy, which dlv sync fetches, and what it remembers between runs:\n"
                "#db = /var/lib/dlv/licences.db\n#state = /var/lib/dlv/state\n",
                listen_at[0] == ':' ? "localhost" : "", listen_at, folder, folder, folder);
    return write_text("client.conf", text);
}

/* Makes all of it in the working folder, which will be called `folder`. */
static int make_all(const char *folder) {
    const char *const words[] = {"dbgen",    "--first",       "--into", "releases",
                                 "--sign",   "authority.key", "--name", name,
                                 "--import", "import.conf",   "--test", "registry.csv",
                                 NULL};
    if (make_keys(".") != EXIT_OK || write_text("registry.csv", registry) != EXIT_OK ||
        write_text("import.conf", import_text) != EXIT_OK || write_kiosks() != EXIT_OK ||
        write_config(folder) != EXIT_OK)
        return EXIT_TROUBLE;
    if (mkdir("releases", 0755) != 0)
        return trouble("releases: %m");
    return step_run(".", false, words);
}

static void show(const char *folder) {
    print("%s holds an authority: keys, a first release, and a kiosk that is enrolled.\n\n"
          "Start its server:\n"
          "  dlv server --db %s/releases/current --authority %s/authority.pub \\\n"
          "      --key %s/server.key --kiosks %s/kiosks --listen %s\n\n",
          folder, folder, folder, folder, folder, listen_at);
    print("Ask it, as the kiosk would; or with dlv kiosk in place of dlv client:\n"
          "  dlv client --config %s/client.conf --number GJ05-1234 --name 'Ramesh Patel'\n\n"
          "Look it over at any time:\n"
          "  dlv doctor %s\n\n",
          folder, folder);
    print("The release holds three licences of %s/registry.csv, and is marked as test data. When\n"
          "%s/import.conf describes your own register, begin with that:\n"
          "  rm -r %s/releases && mkdir %s/releases\n"
          "  dlv dbgen --first --into %s/releases --sign %s/authority.key \\\n"
          "      --import %s/import.conf --name %s REGISTER.csv\n\n"
          "Then keep authority.key, which signs, on a machine without network, and copies of it.\n",
          folder, folder, folder, folder, folder, folder, folder, name);
}

/* Whether something stands there already, which is kept. */
static int check_place(const char *path) {
    const struct dirent *entry;
    unsigned count = 0;
    struct stat status;
    if (lstat(path, &status) != 0)
        return errno == ENOENT ? EXIT_OK : trouble("%s: %m", path);
    DIR *names = opendir(path);
    if (names == NULL)
        return trouble("%s: is there already; name a folder that is not, or is empty", path);
    while ((entry = readdir(names)) != NULL)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(names);
    return count == 0
               ? EXIT_OK
               : trouble("%s: is not empty; name a folder that is, or is not there yet", path);
}

static char temporary[PATH_MAX];

/* Removes what a failure, or a signal, has left, as far as it goes. */
static void remove_folder(void) {
    static const char *const names[] = {
        "authority.key",    "authority.pub", "server.key",       "server.pub",     "kiosk-1.key",
        "kiosk-1.pub",      "registry.csv",  "import.conf",      "kiosks",         "client.conf",
        "releases/current", "releases/1.db", "releases.rejects", "releases/.lock", "releases"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        remove(names[i]);
    rmdir(temporary);
}

static void end_by_signal(int number) {
    (void)number;
    remove_folder();
    _exit(EXIT_TROUBLE);
}

static int run_init(int operand_count, char **operands) {
    char folder[PATH_MAX], base[PATH_MAX];
    if (operand_count != 1 || operands[0][0] == '\0')
        return usage_error("the folder to make is needed");
    name = name != NULL ? name : "licences";
    listen_at = listen_at != NULL ? listen_at : "127.0.0.1:8080";
    struct error error;
    char host[NET_HOST_SIZE], port[NET_PORT_SIZE];
    if (net_split(listen_at, "8080", host, port, &error) != 0 || strchr(listen_at, ':') == NULL ||
        listen_at[strcspn(listen_at, "\r\n\t ")] != '\0')
        return usage_error("--listen \"%.60s\" is not HOST:PORT", listen_at);
    if (check_place(operands[0]) != EXIT_OK)
        return EXIT_TROUBLE;
    if (operands[0][0] == '/')
        base[0] = '\0';
    else if (getcwd(base, sizeof base - 1) == NULL)
        return trouble("the working folder: %m");
    if (format_text(folder, sizeof folder, "%s%s%s", base, base[0] != '\0' ? "/" : "",
                    operands[0]) >= sizeof folder - 16 ||
        strchr(folder, '\n') != NULL)
        return trouble("%s: not a name for a folder", operands[0]);
    for (size_t len = strlen(folder); len > 1 && folder[len - 1] == '/'; len--)
        folder[len - 1] = '\0';
    format_text(temporary, sizeof temporary, "%s.XXXXXX", folder);
    if (mkdtemp(temporary) == NULL || chdir(temporary) != 0)
        return trouble("%s: %m", temporary);
    signal(SIGINT, end_by_signal);
    signal(SIGTERM, end_by_signal);
    signal(SIGHUP, end_by_signal);
    int status = make_all(folder);
    if (status == EXIT_OK && (chmod(temporary, 0755) != 0 || rename(temporary, folder) != 0))
        status = trouble("%s: %m", folder);
    if (status != EXIT_OK) {
        remove_folder();
        return EXIT_TROUBLE;
    }
    show(operands[0]);
    return finish_output();
}

const struct applet applet_init = {
    .name = "init",
    .summary = "make a working authority in a folder: keys, a first release, a kiosk",
    .user = FOR_ADMINS,
    .options = options,
    .needs_cryptography = true,
    .run = run_init,
};
