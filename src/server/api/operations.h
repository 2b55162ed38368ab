/* Work that the server does by itself after the request: bulk changes after their time to undo,
 * imports. Kept in memory, an hour after their end at most. */
#pragma once

#include "server/api/route.h"

struct operations;

/* One item of an operation: does it, tells why not. who: whose operation. item: borrowed. Another
 * thread than the request's. 0 or a code and ei. */
typedef int operation_fn(struct api *api, const char *who, const char *action, json_t *item,
                         struct errinfo *ei);

/* The same for all items at once: tells how many, and of the first hundred that failed why. */
struct operation_result {
    size_t done, failures;
    size_t later;   /* of those done: what takes effect by itself after something under way */
    json_t *failed; /* [{"id", "detail"}]; to be filled */
};
typedef void operation_all_fn(struct api *api, const char *who, json_t *work,
                              struct operation_result *ret);

struct operation_spec {
    const char *kind;   /* "queue.delete": for people and events */
    const char *action; /* handed to run */
    int64_t undo_ms;    /* nothing is done before; 0 = at once */
    json_t *items;      /* array; taken */
    operation_fn *run;
    operation_all_fn *run_all; /* in place of run; items is what it wants: taken */
    size_t total;              /* then: things it is about */
};

struct operations *operations_new(struct api *api);
/* Does what still waits, for some seconds; what is not done then is told in the log of errors. */
void operations_free(struct operations *o);
/* Answers 202 with the operation, or an error. */
void operation_start(struct api_call *c, const struct operation_spec *s);
extern const struct api_schema api_operation_schema;
#define OPERATION_UNDO_MAX_S 300
