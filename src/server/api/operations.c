/* Operations: a few threads that exist while there are any to run, so that a long one holds up no
 * short one. What waits when the server stops is done then: it has been promised. */
#include "server/api/operations.h"

#include "base/clock.h"
#include "base/deadline.h"
#include "base/list.h"
#include "base/rand.h"
#include "os/proc.h"
#include "server/api/api_priv.h"
#include "server/api/feed.h"
#include "server/api/page.h"

#define MAX_OPERATIONS 200
#define MAX_OF_CALLER  50 /* that wait or run, so that nobody takes all places */
#define MAX_THREADS    4
#define STOP_MS        5000 /* for what is left at the stop */
#define KEEP_MS        3600000
#define MAX_FAILURES   100 /* told one by one; the rest are counted */

enum op_state { OP_PENDING, OP_RUNNING, OP_DONE, OP_UNDONE };
static const char *const state_names[] = { "pending", "running", "done", "undone" };

struct operation {
    struct list node;
    char id[20];
    char *kind, *action, *who;
    enum op_state state;
    int64_t created_ms, due_ms, ended_ms; /* due and ended: monotonic */
    int64_t undo_until_ms;                /* wall clock */
    operation_fn *run;
    operation_all_fn *run_all;
    json_t *items, *failed;
    size_t total, done, later, failures;
    bool promised; /* not over when the server stops */
};

struct operations {
    struct api *api;
    pthread_mutex_t lock; /* guards all below, but for the items of a running operation */
    pthread_cond_t changed;
    struct list list; /* oldest first */
    size_t n;
    bool stop;
    int64_t stop_ms; /* nothing is begun after this time; 0 = no limit */
    struct {
        pthread_t thread;
        bool running, joinable; /* running: looks for more; else it has ended or is about to */
    } threads[MAX_THREADS];
};

struct operations *operations_new(struct api *api)
{
    struct operations *o = xcalloc(1, sizeof(*o));

    o->api = api;
    pthread_mutex_init(&o->lock, NULL);
    pthread_cond_init(&o->changed, NULL);
    list_init(&o->list);
    return o;
}

static void drop(struct operations *o, struct operation *op)
{
    list_del(&op->node);
    o->n--;
    json_decref(op->items);
    json_decref(op->failed);
    free(op->kind);
    free(op->action);
    free(op->who);
    free(op);
}

static bool over(const struct operation *op)
{
    return op->state == OP_DONE || op->state == OP_UNDONE;
}

static void tell_unfinished(const struct operation *op)
{
    size_t all = op->total;

    if (op->promised && op->done < all)
        log_error("the server stops before %s of %s is complete: %zu of %zu were not done; ask for "
                  "it again",
                  op->kind, op->who, all - op->done, all);
}

void operations_free(struct operations *o)
{
    pthread_mutex_lock(&o->lock);
    o->stop = true;
    o->stop_ms = clock_mono_ms() + STOP_MS;
    list_for_each(l, &o->list)
    {
        struct operation *op = container_of(l, struct operation, node);

        op->promised = !over(op);
    }
    pthread_cond_broadcast(&o->changed);
    pthread_mutex_unlock(&o->lock);
    for (size_t i = 0; i < MAX_THREADS; i++)
        if (o->threads[i].joinable)
            pthread_join(o->threads[i].thread, NULL);
    list_for_each(l, &o->list) tell_unfinished(container_of(l, struct operation, node));
    list_for_each_safe(l, t, &o->list) drop(o, container_of(l, struct operation, node));
    pthread_cond_destroy(&o->changed);
    pthread_mutex_destroy(&o->lock);
    free(o);
}

static void forget_old(struct operations *o)
{
    int64_t now = clock_mono_ms();

    list_for_each_safe(l, t, &o->list)
    {
        struct operation *op = container_of(l, struct operation, node);

        if (over(op) && (o->n >= MAX_OPERATIONS || now - op->ended_ms > KEEP_MS))
            drop(o, op);
    }
}

/* With the lock. The next one to run; *ret_wait_ms: until it is due, -1 = none waits. */
static struct operation *next(struct operations *o, int64_t *ret_wait_ms)
{
    int64_t now = clock_mono_ms();

    *ret_wait_ms = -1;
    list_for_each(l, &o->list)
    {
        struct operation *op = container_of(l, struct operation, node);
        int64_t wait = o->stop ? 0 : op->due_ms - now;

        if (op->state != OP_PENDING)
            continue;
        if (wait <= 0)
            return op;
        *ret_wait_ms = *ret_wait_ms < 0 ? wait : MIN(*ret_wait_ms, wait);
    }
    return NULL;
}

static const struct api_field failure_fields[] = {
    { "id", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "detail", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Why not." },
    { 0 },
};
static const struct api_schema failure_schema = { "OperationFailure", "What was not done.",
                                                  failure_fields };
static const struct api_field operation_fields[] = {
    { "id", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "kind", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Such as queue.delete." },
    { "state", API_ENUM, API_REQUIRED, 0, 0, "pending|running|done|undone", NULL,
      "pending: can be undone." },
    { "created_at", API_TIME, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "created_by", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "undo_until", API_TIME, API_NULL | API_REQUIRED, 0, 0, NULL, NULL,
      "Nothing has been done before." },
    { "total", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Things it is about." },
    { "done", API_INT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "later", API_INT, API_REQUIRED, 0, 0, NULL, NULL,
      "Of those done: messages that are being delivered now. It is recorded and takes effect when "
      "that attempt ends." },
    { "failed", API_INT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "failures", API_LIST, API_REQUIRED, 0, 0, NULL, &failure_schema,
      "The first hundred that failed." },
    { 0 },
};
const struct api_schema api_operation_schema = { "Operation", "Work that the server does.",
                                                 operation_fields };

/* With the lock. */
static json_t *describe(const struct operation *op)
{
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:o}", "id", op->id,
                     "kind", op->kind, "state", state_names[op->state], "created_at",
                     api_time(op->created_ms), "created_by", api_text(op->who), "undo_until",
                     api_time(op->undo_until_ms), "total", (json_int_t)op->total, "done",
                     (json_int_t)op->done, "later", (json_int_t)op->later, "failed",
                     (json_int_t)op->failures, "failures", json_deep_copy(op->failed));
}

/* With the lock. Whoever watches operations sees the new state. */
static void tell(struct operations *o, const struct operation *op)
{
    feed_publish(o->api->feed, TOPIC_OPERATIONS, "upsert",
                 json_pack("{s:o}", "item", describe(op)));
}

static void run_item(struct operations *o, struct operation *op, json_t *item)
{
    struct errinfo ei = { 0 };
    int r = op->run(o->api, op->who, op->action, item, &ei);

    pthread_mutex_lock(&o->lock);
    if (r >= 0) {
        op->done++;
    } else if (op->failures++ < MAX_FAILURES) {
        json_t *id = json_is_object(item) ? json_object_get(item, "address") : item;

        json_array_append_new(op->failed, json_pack("{s:O?, s:o}", "id", id, "detail",
                                                    admin_text(*ei.text ? ei.text : err_name(r))));
    }
    pthread_mutex_unlock(&o->lock);
}

/* Without the lock, also at a stop: it is one request. */
static void run_at_once(struct operations *o, struct operation *op)
{
    struct operation_result r = { .failed = json_array() };

    op->run_all(o->api, op->who, op->items, &r);
    pthread_mutex_lock(&o->lock);
    op->done = r.done;
    op->later = r.later;
    op->failures = r.failures;
    json_decref(op->failed);
    op->failed = r.failed;
    pthread_mutex_unlock(&o->lock);
}

static void run_items(struct operations *o, struct operation *op)
{
    size_t i;
    json_t *item;

    json_array_foreach(op->items, i, item)
    {
        bool stop;

        pthread_mutex_lock(&o->lock);
        stop = o->stop && clock_mono_ms() > o->stop_ms;
        pthread_mutex_unlock(&o->lock);
        if (stop)
            break;
        run_item(o, op, item);
    }
}

static void run_one(struct operations *o, struct operation *op)
{
    op->state = OP_RUNNING;
    tell(o, op);
    pthread_mutex_unlock(&o->lock);
    if (op->run_all)
        run_at_once(o, op);
    else
        run_items(o, op);
    pthread_mutex_lock(&o->lock);
    op->state = OP_DONE;
    op->ended_ms = clock_mono_ms();
    tell(o, op);
}

static void *run(void *arg)
{
    struct operations *o = arg;
    struct operation *op;
    int64_t wait_ms;
    size_t self = 0;

    os_thread_name("operations");
    pthread_mutex_lock(&o->lock);
    while (self < MAX_THREADS - 1 && !pthread_equal(o->threads[self].thread, pthread_self()))
        self++;
    while (((op = next(o, &wait_ms)) || wait_ms >= 0) &&
           (!o->stop || clock_mono_ms() < o->stop_ms)) {
        if (op) {
            run_one(o, op);
            continue;
        }
        struct timespec until = deadline_in(wait_ms + 1);
        deadline_wait(&o->changed, &o->lock, &until);
    }
    o->threads[self].running = false;
    pthread_mutex_unlock(&o->lock);
    return NULL;
}

/* With the lock. Somebody will look at what is new: those who wait, or one more thread. */
static bool ensure_thread(struct operations *o)
{
    bool any = false;

    pthread_cond_signal(&o->changed);
    for (size_t i = 0; i < MAX_THREADS; i++) {
        if (o->threads[i].running) {
            any = true;
            continue;
        }
        if (o->threads[i].joinable)
            pthread_join(o->threads[i].thread, NULL); /* it has left the lock for good */
        o->threads[i].joinable = o->threads[i].running =
            pthread_create(&o->threads[i].thread, NULL, run, o) == 0;
        return o->threads[i].running || any;
    }
    return any;
}

/* With the lock. */
static size_t waiting_of(const struct operations *o, const char *who)
{
    size_t n = 0;

    list_for_each(l, &o->list)
    {
        const struct operation *op = container_of(l, struct operation, node);

        n += !over(op) && !strcmp(op->who, who);
    }
    return n;
}

void operation_start(struct api_call *c, const struct operation_spec *s)
{
    struct operations *o = c->api->operations;
    struct operation *op;
    json_t *shown = NULL;
    bool share;

    pthread_mutex_lock(&o->lock);
    forget_old(o);
    share = waiting_of(o, c->caller->who) < MAX_OF_CALLER;
    if (share && o->n < MAX_OPERATIONS && !o->stop) {
        op = xcalloc(1, sizeof(*op));
        snprintf(op->id, sizeof(op->id), "%016" PRIx64, rand_u64());
        op->kind = xstrdup(s->kind);
        op->action = xstrdup(s->action);
        op->who = xstrdup(c->caller->who);
        op->created_ms = clock_wall_ms();
        op->due_ms = clock_mono_ms() + s->undo_ms;
        op->undo_until_ms = s->undo_ms ? op->created_ms + s->undo_ms : 0;
        op->run = s->run;
        op->run_all = s->run_all;
        op->items = s->items;
        op->total = s->run_all ? s->total : json_array_size(s->items);
        op->failed = json_array();
        list_add_tail(&o->list, &op->node);
        o->n++;
        if (ensure_thread(o)) {
            shown = describe(op);
            tell(o, op);
        } else {
            op->items = NULL;
            drop(o, op);
        }
    }
    pthread_mutex_unlock(&o->lock);
    if (shown) {
        api_reply(c, 202, shown);
        return;
    }
    json_decref(s->items);
    if (!share) {
        api_fail(c, 429, "too_many", NULL,
                 "%d of your operations wait or run already; wait for one to end", MAX_OF_CALLER);
        return;
    }
    api_fail(c, 503, "full", NULL, "%d operations are at work already; wait for one to end",
             MAX_OPERATIONS);
}

/* With the lock. Others' operations are not there for a domain admin. */
static struct operation *find(struct api_call *c, const char *id)
{
    list_for_each(l, &c->api->operations->list)
    {
        struct operation *op = container_of(l, struct operation, node);

        if (!strcmp(op->id, id) && (api_sees_all(c->caller) || !strcmp(op->who, c->caller->who)))
            return op;
    }
    return NULL;
}

static void list(struct api_call *c)
{
    struct operations *o = c->api->operations;
    json_t *items = json_array();

    pthread_mutex_lock(&o->lock);
    list_for_each(l, &o->list)
    {
        const struct operation *op = container_of(l, struct operation, node);

        if (api_sees_all(c->caller) || !strcmp(op->who, c->caller->who))
            json_array_insert_new(items, 0, describe(op));
    }
    pthread_mutex_unlock(&o->lock);
    api_page_of(c, items, "id", true);
}

static void show(struct api_call *c)
{
    struct operations *o = c->api->operations;
    json_t *shown = NULL;
    struct operation *op;

    pthread_mutex_lock(&o->lock);
    op = find(c, api_param(c, "id"));
    shown = op ? describe(op) : NULL;
    pthread_mutex_unlock(&o->lock);
    if (shown)
        api_reply(c, 200, shown);
    else
        api_fail_gone(c, "operation", api_param(c, "id"));
}

static void undo(struct api_call *c)
{
    struct operations *o = c->api->operations;
    json_t *shown = NULL;
    struct operation *op;
    bool late = false;

    pthread_mutex_lock(&o->lock);
    op = find(c, api_param(c, "id"));
    late = op && op->state != OP_PENDING;
    if (op && !late) {
        op->state = OP_UNDONE;
        op->ended_ms = clock_mono_ms();
        shown = describe(op);
        tell(o, op);
    }
    pthread_mutex_unlock(&o->lock);
    if (shown)
        api_reply(c, 200, shown);
    else if (late)
        api_fail(c, 409, "too_late", NULL, "operation '%.40s' has begun or is over",
                 api_param(c, "id"));
    else
        api_fail_gone(c, "operation", api_param(c, "id"));
}

const struct api_route api_operation_routes[] = {
    { .method = "GET",
      .path = "/operations",
      .scope = SCOPE_SELF,
      .flags = ROUTE_PAGED,
      .id = "listOperations",
      .status = 200,
      .response = &api_operation_schema,
      .run = list,
      .help =
          "Operations that wait, run or have ended within an hour, the newest first: of all for "
          "a system admin, else the caller's own." },
    { .method = "GET",
      .path = "/operations/{id}",
      .scope = SCOPE_SELF,
      .id = "getOperation",
      .status = 200,
      .response = &api_operation_schema,
      .run = show,
      .help = "How far an operation is." },
    { .method = "POST",
      .path = "/operations/{id}/undo",
      .scope = SCOPE_SELF,
      .id = "undoOperation",
      .status = 200,
      .response = &api_operation_schema,
      .run = undo,
      .help = "Takes an operation back while it is pending." },
    { 0 },
};
