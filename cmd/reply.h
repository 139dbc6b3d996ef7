/* An answer as it is shown to whoever asked, whether it came from a server, a file or a server of
 * the original protocol; and trouble, where there is no answer. */
#ifndef DLV_CMD_REPLY_H
#define DLV_CMD_REPLY_H

#include "base/date.h"
#include "db/answer.h"
#include "db/release.h"

/* What the receipt says that an answer comes with. */
struct receipt_facts {
    const char *time;    /* the server's */
    const char *kiosk;   /* 32 hex digits; NULL: nobody in particular */
    const char *officer; /* NULL: not told */
    const char *key;     /* the fingerprint of what has signed it, */
    const char *issuer;  /* and of the authority that has certified this */
};

struct reply {
    uint64_t line;              /* of the input; 0: the question was not on a line */
    unsigned kind;              /* enum ask_kind */
    const struct form *number;  /* as it was understood; NULL: the question has none */
    const struct span *fields;  /* those that were given, by enum field; NULL: none */
    const struct span *classes; /* those that were asked about */
    unsigned class_count;
    struct db_answer answer;
    struct terms *terms; /* where the licence is on file */
    struct outcome outcome;
    uint32_t day; /* that the verdict is for */
    /* NULL for a reply of the original protocol, which says nothing but the verdict. */
    const struct release_facts *release;
    int64_t now_s;         /* the time that the age of the data is counted to */
    int64_t server_time_s; /* 0: no server gave one */
    const char *source;    /* who says so: "licences.db#7" */
    bool is_unrecorded;    /* the server that says so could not record that it was asked */
    bool is_offline;       /* that is a file, which cannot know of a newer one ... */
    bool is_instead;       /* ... asked because no server was there */
    const char *hint;      /* a number that is known; NULL: none */
    const char *hint_check;
    bool shows_question;
    const struct receipt_facts *receipt; /* NULL: there is none */
    const bool *is_receipt_written;      /* NULL: none was asked for */
    /* The question was kept since a stop: when that was, its id and the officer's reference. NULL: it was asked just
     * now. */
    const char *late_id;
    const char *late_since;     /* NULL: that is not known */
    const char *late_reference; /* empty: none */
};

/* Prints one line on stdout: the verdict and what it rests on, or a JSON object. */
void reply_print(struct reply *reply, bool is_json);

/* One server's failure. */
struct trouble_part {
    const char *server;
    const char *error;
    const char *reason;
};

/* Prints an object for a question that was not answered; `kept_id`: it is kept, under this id, or NULL. `error`
 * is one of the words that `dlv help client` lists. */
void reply_print_trouble(uint64_t line, const char *error, const char *reason, const char *kept_id,
                         const struct trouble_part *parts, unsigned part_count);

#endif
