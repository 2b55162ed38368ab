/* Shared by the files of this room; handlers include route.h and page.h. */
#pragma once

#include <pthread.h>

#include "log/log.h"
#include "server/api/route.h"

#define API_REPLY_MAX (64 * MiB)
#define API_PARAM_MAX 512 /* bytes of a decoded parameter */
#define API_QUERY_MAX 64  /* parameters of one request */

struct idempotency;
struct operations;
struct feed;
struct looks;
struct rate;

struct api {
    struct api_opts o;
    pthread_mutex_t lock; /* guards log_dir */
    char *log_dir;
    char *hostname;
    pthread_mutex_t write_lock; /* held from the comparison of If-Match to the write's end */
    struct idempotency *idempotency;
    struct looks *looks, *token_logins;
    struct rate *unsubscribe_rate;
    struct operations *operations;
    struct feed *feed;
};

void api_response_init(struct api_response *res);
/* Decodes %XX (and + as a space). False: malformed, too long, a NUL, not UTF-8. */
bool api_percent_decode(struct sv in, bool plus, char *ret, size_t cap);
/* The row of method and path; parameters are added to ret_params. NULL: ret_allow lists the methods
 * that the path knows, "" = no such path. */
const struct api_route *api_route_find(const char *method, struct sv path, json_t *ret_params,
                                       char *ret_allow, size_t cap);
/* Fills c->query from the request. False: answered. */
bool api_read_query(struct api_call *c);
/* Fills c->body. False: answered. */
bool api_read_body(struct api_call *c);
/* The shared parameters of paged routes and of writes. */
extern const struct api_field api_page_params[], api_dry_run_params[];
extern const struct api_schema api_problem_schema;
bool api_is_write(const struct api_route *r);

/* Idempotency-Key: the answer to the same request by the same caller, kept for a day in memory. */
struct idempotency *idempotency_new(void);
void idempotency_free(struct idempotency *i);
/* True: this key is new (reserved now) and the request is to be run; false: answered, by the
 * earlier answer or by an error. */
bool idempotency_begin(struct api_call *c, struct idempotency *i);
void idempotency_end(struct api_call *c, struct idempotency *i);
