/* Questions that nobody has answered: kept, and asked when a server is there again (client/journal.h). */
#ifndef DLV_CMD_JOURNAL_H
#define DLV_CMD_JOURNAL_H

#include "asking.h"

#include "client/journal.h"

/* Whether the journal that the options name can be used. EXIT_OK, or EXIT_TROUBLE after saying why. */
int journal_check(const struct asking_options *options);

#define JOURNAL_ID_SIZE (2 * JOURNAL_ID_LEN + 1)

/* Keeps a question that was not answered, about this moment; `id` is what it is known by. 0, or a negative code with
 * the reason. */
int journal_keep_query(struct asking *asking, const struct query *query, const char *reference,
                       char id[JOURNAL_ID_SIZE], struct error *error);

/* Told of an answer that comes late. False where it could not be passed on: then it is asked again. */
struct journal_show {
    bool (*show)(void *context, const struct journal_stop *stop, struct reply *reply);
    void *context;
};

struct journal_outcome {
    unsigned tried_max; /* how many questions are tried at most */
    unsigned tried, answered, dropped;
    unsigned refused; /* the server has not opened them */
};

/* Asks what waits. The batch of `asking` must be empty. What was kept for too long is dropped, and that is said, as are
 * what cannot be asked and damage of the file. 0; or a negative code with the reason, where a server would be needed
 * that is not there: then the rest waits on. Without a journal nothing is done. */
int journal_ask_late(struct asking *asking, const struct journal_show *show,
                     struct journal_outcome *outcome, struct error *error);

/* When a stop was; NULL: that is not known. */
const char *journal_time(char text[TIME_TEXT_SIZE], const struct journal_stop *stop,
                         const struct asking *asking);

#endif
