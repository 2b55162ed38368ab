/* Which messages are meant: {q, sender, recipient, subject, destination, state, priority, answer,
 * id, ids, queue, older_s, larger, moderated}, and what the caller may see. */
#pragma once

#include <jansson.h>

#include "base/hash.h"
#include "mail/queue/queue.h"

extern const char *const queue_state_names[QS_COUNT];

struct queue_filter {
    json_t *domains;       /* what may be seen; not an array = all */
    struct buf q, subject; /* in lower case; p == NULL = any */
    const char *sender, *recipient, *destination, *state, *priority, *answer, *id, *queue;
    int64_t older_ms, larger, now_ms;
    bool moderated;  /* only posts that wait for a list's moderators, whatever their state */
    struct map *ids; /* NULL = any */
    char sms_domain[256];
};

/* Names of the lists: outgoing, incoming, mda, sms, retry. Each message is in one of them. */
bool queue_filter_is_list(const char *name);

/* The texts stay those of args. */
void queue_filter_read(struct queue_filter *f, json_t *args);
void queue_filter_done(struct queue_filter *f);
/* As the caller sees it: where somebody else's alias leads is not shown, the alias is. */
void queue_filter_show(const struct queue_filter *f, const struct queue_info *whole,
                       struct queue_info *ret);
/* Are these recipients the caller's: in his domains, or is the message from there? What a stranger
 * claims to be from there is not, so the sender counts for mail that leaves only. */
bool queue_filter_reaches(const struct queue_filter *f, const struct queue_info *i,
                          const struct rcpt *r);
bool queue_filter_matches(const struct queue_filter *f, const struct queue_info *i);
bool queue_filter_is_all(
    const struct queue_filter *f); /* it matches everything, for who sees all */
struct sv queue_domain_of(const char *address);
