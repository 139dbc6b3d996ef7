/* Asking as the roadside does: servers, and the kiosk's own file where none answers; and numbers that may
 * have been meant where one is unknown. */
#ifndef DLV_CMD_ASKING_H
#define DLV_CMD_ASKING_H

#include "options.h"
#include "question.h"
#include "reply.h"

#include "client/client.h"
#include "client/offline.h"
#include "crypto/rsa_key.h"
#include "record/hints.h"

#define ASKING_CLASSES_MAX EVIDENCE_CLASSES_MAX
#define ASKING_SOURCE_SIZE 256

/* What options say about whom to ask. */
struct asking_options {
    const char *config_path, *servers, *db_path, *lookup_key_path, *kiosk_key_path, *state_folder,
        *db_name, *at_text, *classes_text, *journal_path;
    struct option_list authority_paths, server_key_paths;
    bool is_demo, is_udp, is_exact, prove, is_verbose;
    uint64_t max_skew_s, stale_ok_days, timeout_s, journal_days;
};

/* The entries of an applet's table for them. */
#define ASKING_OPTIONS(options)                                                                    \
    OPTION_TEXT("--config FILE", &(options).config_path),                                          \
        OPTION_TEXT("-s, --server HOST:PORT[,...]", &(options).servers),                           \
        OPTION_LIST("--server-key PUB", &(options).server_key_paths),                              \
        OPTION_TEXT("-k, --key KEY", &(options).kiosk_key_path),                                   \
        OPTION_FLAG("-u, --udp", &(options).is_udp),                                               \
        OPTION_TEXT("--state DIR", &(options).state_folder),                                       \
        OPTION_COUNT("--timeout SECONDS", &(options).timeout_s, 1, 3600, 5, "seconds"),            \
        OPTION_COUNT("--max-skew SECONDS", &(options).max_skew_s, 0, 31536000, 300, "seconds"),    \
        OPTION_FLAG("--demo", &(options).is_demo),                                                 \
        OPTION_TEXT("-d, --db FILE", &(options).db_path),                                          \
        OPTION_TEXT("--db-name NAME", &(options).db_name),                                         \
        OPTION_LIST("-a, --authority PUB", &(options).authority_paths),                            \
        OPTION_TEXT("--lookup-key FILE", &(options).lookup_key_path),                              \
        OPTION_FLAG("--prove", &(options).prove),                                                  \
        OPTION_COUNT("--stale-ok DAYS", &(options).stale_ok_days, 0, 36525, 0, "days"),            \
        OPTION_TEXT("--journal FILE", &(options).journal_path),                                    \
        OPTION_COUNT("--journal-days DAYS", &(options).journal_days, 1, 3650, 14, "days"),         \
        OPTION_TEXT("--class CLASSES", &(options).classes_text),                                   \
        OPTION_FLAG("--exact", &(options).is_exact)

/* A question of a batch. */
struct batch_item {
    struct query query;
    unsigned place;   /* in the bundle; BUNDLE_MAX: it is not in it */
    struct hint hint; /* where the number is unknown; an empty text: none */
    char text[QUERY_TEXT_MAX];
};

/* Questions that are asked together. */
struct batch {
    unsigned count;
    unsigned used; /* the most there ever were */
    struct batch_item items[BUNDLE_MAX];
};

/* What is asked, and whom. Secret: end it with asking_close. */
struct asking {
    const struct asking_options *options;
    struct moment at; /* where --at is given */
    unsigned class_count;
    struct span classes[ASKING_CLASSES_MAX];
    struct key_set authorities;
    struct lookup_key lookup_key;
    struct trust trust;
    struct trust file_trust; /* of the file, which may be older than what servers have */
    struct offline offline;
    bool is_offline;      /* the answers come from the file */
    int64_t not_again_ms; /* until when no server is tried again after all have failed */
    struct client client;
    struct key_set server_keys;
    struct rsa_private kiosk;
    uint64_t warned_of; /* the stale release that a warning was printed about; 0: none */
    struct batch batch;
    struct bundle bundle;    /* about the batch */
    struct batch hint_batch; /* numbers that may have been meant */
    struct bundle hint_bundle;
    struct hint hints[HINTS_MAX];
    /* the answers that are there, and what they have in common */
    const char *who; /* the server's name or the file's */
    bool is_from_file;
    int64_t now_s;
    struct moment moment;
    uint32_t day;
    char source[ASKING_SOURCE_SIZE];
    struct terms terms;
};

/* Takes the options that are not on the command line from the file that --config names; or, where that
 * `wants_default`, as nobody to ask is named, from ASKING_CONFIG, if there is one. EXIT_OK, or EXIT_TROUBLE after
 * saying which line is wrong. */
#define ASKING_CONFIG "/etc/dlv/client.conf"
int asking_read_config(const struct asking_options *options, bool wants_default);

/* Checks what belongs together. EXIT_OK, or EXIT_TROUBLE after a usage_error. */
int asking_check_usage(const struct asking_options *options);

/* Reads keys, moment and classes. EXIT_OK, or EXIT_TROUBLE after saying why. */
int asking_load(struct asking *asking, const struct asking_options *options);

/* Prepares to ask. A spent quota is waited for where it `paces`. 0, or a negative code with the reason. */
int asking_open(struct asking *asking, bool paces, struct error *error);

/* The next question of the batch, to be filled in; its text is kept at `text`. There must be room. */
struct batch_item *asking_add(struct asking *asking);

/* Asks the batch, and for hints. 0, or a negative code with the reason. */
int asking_ask(struct asking *asking, struct error *error);

/* The release that the answers are of. */
const struct known_release *asking_release(const struct asking *asking);

/* Makes the reply to a question of the batch that was asked. False where its query is bad. It points into
 * `asking`, until the next one is made. */
bool asking_reply(struct asking *asking, struct batch_item *item, struct reply *reply);

/* The word for what went wrong: one of those that `dlv help client` lists; and what every server did. */
const char *asking_error_word(const struct asking *asking, int code);
unsigned asking_parts(const struct asking *asking, struct trouble_part parts[LINK_SERVERS_MAX]);

/* Wipes what was asked and answered, in all memory that it went through. */
void asking_forget(struct asking *asking);

/* Wipes it. */
void asking_close(struct asking *asking);

#endif
