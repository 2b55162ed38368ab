/* What is not sent for the time being: everything, what goes to a destination, what comes from a
 * domain. Kept in the file <dir>/paused, a line each. Under the queue's lock. */
#pragma once

#include "base/sv.h"
#include "mail/queue/io.h"
#include "mail/queue/queue.h"

struct pause {
    enum queue_pause_kind kind;
    char name[256]; /* lower case; "" with PAUSE_ALL */
};

enum { PAUSES_MAX = 1000 };
struct pauses {
    struct pause *v;
    size_t n;
};

bool pauses_hold(const struct pauses *p, enum queue_pause_kind kind, struct sv name);
/* Adds or removes. 1 = changed, 0 = it was so, E_LIMIT, E_PARSE. */
int pauses_set(struct pauses *p, enum queue_pause_kind kind, struct sv name, bool on);
/* Durable when it returns 0. */
int pauses_save(const struct pauses *p, const struct queue_io *io, const char *dir);
int pauses_load(struct pauses *p, const char *dir, struct errinfo *ei); /* no file: none */
void pauses_copy(const struct pauses *p, struct pauses *ret);
void pauses_done(struct pauses *p);
