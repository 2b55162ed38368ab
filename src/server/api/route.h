/* Inside of the API: routes, calls, and what handlers answer with. */
#pragma once

#include "server/api/api.h"
#include "server/api/schema.h"

struct api_call {
    struct api *api;
    const struct api_request *req;
    const struct api_caller *caller; /* NULL only for SCOPE_PUBLIC */
    const struct api_route *route;
    json_t *params; /* of the path: decoded texts by name */
    json_t *query;  /* checked and converted, by name */
    json_t *body;   /* checked; NULL without one */
    bool dry_run;
    struct api_response *res;
};

enum {
    ROUTE_PAGED = 1,       /* limit, cursor, sort, q, fields; the response is a page */
    ROUTE_ETAG = 2,        /* the response carries an ETag */
    ROUTE_IF_MATCH = 4,    /* If-Match is compared with the ETag of GET on the same path */
    ROUTE_DRY_RUN = 8,     /* ?dry_run=true */
    ROUTE_IDEMPOTENT = 16, /* Idempotency-Key */
    ROUTE_STREAM = 32,     /* text/event-stream */
    ROUTE_TEXT = 128,      /* text/plain */
    ROUTE_LOOKS = 64,      /* into a mailbox or a message: audited */
};

typedef void api_fn(struct api_call *c);

struct api_route {
    const char *method, *path; /* "/queue/{name}/messages" */
    enum api_scope scope;
    unsigned flags;
    const char *id;                    /* operationId */
    const struct api_field *query;     /* may be NULL */
    const struct api_schema *body;     /* may be NULL */
    int status;                        /* of success */
    const struct api_schema *response; /* of the body, or of a page's items; may be NULL */
    const struct api_schema *preview;  /* of a dry run's answer; NULL = api_change_schema */
    const char *sort;                  /* "age|-age": ROUTE_PAGED */
    size_t body_max;                   /* 0 = API_BODY_MAX */
    api_fn *run;
    const char *help;
};
#define API_BODY_MAX (1 * MiB)

/* One array per area, ended by a row without method. */
extern const struct api_route api_self_routes[], api_queue_routes[], api_session_routes[],
    api_domain_routes[], api_alias_routes[], api_account_routes[], api_app_password_routes[],
    api_sieve_routes[], api_setting_routes[], api_service_routes[], api_log_routes[],
    api_audit_routes[], api_token_routes[], api_metric_routes[], api_series_routes[],
    api_annotation_routes[], api_search_routes[], api_health_routes[], api_event_routes[],
    api_operation_routes[], api_message_routes[], api_reference_routes[], api_transcript_routes[],
    api_command_routes[], api_event_log_routes[], api_log_thread_routes[], api_log_file_routes[],
    api_access_routes[], api_self_page_routes[], api_self_session_routes[], api_outgoing_routes[],
    api_member_routes[], api_filter_routes[], api_remote_routes[], api_archive_routes[],
    api_sender_routes[], api_pattern_routes[], api_sms_routes[], api_mailbox_routes[],
    api_secure_routes[], api_adapted_routes[], api_dns_routes[];
extern const struct api_route *const api_tables[];
extern const size_t api_tables_count;

/* --- answers --- */

/* body: taken; NULL = no body. */
void api_reply(struct api_call *c, int status, json_t *body);
/* field may be NULL. */
void api_fail(struct api_call *c, int status, const char *code, const char *field, const char *fmt,
              ...) _printf_(5, 6);
/* An error of another room: its code gives status and code, its text the detail. */
void api_fail_err(struct api_call *c, int err, const char *text);
/* The same, about a field. */
void api_fail_field(struct api_call *c, int err, const char *field, const char *text);
/* There is no such thing, or it is not the caller's to see: the same answer. */
void api_fail_gone(struct api_call *c, const char *kind, const char *id);
/* A scope that the call takes besides that of its route. False: the caller has it not, answered. */
bool api_needs_scope(struct api_call *c, enum api_scope scope);
/* Runs an operation of admin/. args: taken. NULL after an error, which is answered already; else
 * the reply, a new reference. */
json_t *api_admin(struct api_call *c, const char *op, json_t *args);

/* Records in the audit what no operation of admin/ records. False: it could not be, answered. */
bool api_audit(struct api_call *c, const char *object, const char *field, const char *value);

/* --- what was asked --- */

const char *api_param(const struct api_call *c, const char *name); /* of the path; never NULL */
const char *api_query(const struct api_call *c, const char *name); /* a text; NULL = absent */
int64_t api_query_int(const struct api_call *c, const char *name, int64_t dflt);
/* A time of the query, or dflt; ages count back from now. */
int64_t api_query_time(const struct api_call *c, const char *name, int64_t now_ms, int64_t dflt);
const char *api_body_text(const struct api_call *c, const char *name);
int64_t api_body_int(const struct api_call *c, const char *name, int64_t dflt);

/* --- values --- */

json_t *api_time(int64_t wall_ms); /* RFC 3339 with milliseconds, or null for 0 */
json_t *api_text(const char *s);   /* what is not UTF-8 is escaped */
struct admin *api_admin_of(struct api_call *c);
/* A row of the queue's "queue.page" as the API shows it. New reference. */
json_t *api_queue_message(const struct api_caller *who, json_t *row);
