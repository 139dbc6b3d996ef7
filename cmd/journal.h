/* Questions that nobody has answered: kept, and asked when a server is there again (client/journal.h). */
#ifndef DLV_CMD_JOURNAL_H
#define DLV_CMD_JOURNAL_H

#include "asking.h"

#include "client/journal.h"

/* Whether the journal that the options name can be used. EXIT_OK, or EXIT_TROUBLE after saying why. */
int journal_check(const struct asking_options *options);

/* Keeps a question that was not answered, about this moment. 0, or a negative code with the reason. */
int journal_keep_query(struct asking *asking, const struct query *query, const char *reference,
                       struct error *error);

/* Told of an answer that comes late. */
struct journal_show {
    void (*show)(void *context, const struct journal_stop *stop, struct reply *reply);
    void *context;
};

/* Asks what waits, at most `max` questions. The batch of `asking` must be empty. What was kept for too long is dropped,
 * and that is said, as is what cannot be asked. 0; or a negative code with the reason, where a server would be needed
 * that is not there: then the rest waits on. *count: how many were answered. Without a journal nothing is done. */
int journal_ask_late(struct asking *asking, unsigned max, const struct journal_show *show,
                     unsigned *count, struct error *error);

/* When a stop was. */
const char *journal_time(char text[TIME_TEXT_SIZE], const struct journal_stop *stop,
                         const struct asking *asking);

#endif
