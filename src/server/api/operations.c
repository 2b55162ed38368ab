/* Operations: one thread that exists while there are any to run. */
#include "server/api/operations.h"

#include "base/clock.h"
#include "base/deadline.h"
#include "base/list.h"
#include "base/rand.h"
#include "os/proc.h"
#include "server/api/api_priv.h"
#include "server/api/feed.h"

#define MAX_OPERATIONS 200
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
    json_t *items, *failed;
    size_t done, failures;
};

struct operations {
    struct api *api;
    pthread_mutex_t lock; /* guards all below, but for the items of a running operation */
    pthread_cond_t changed;
    struct list list; /* oldest first */
    size_t n;
    bool running, stop; /* the thread is there; is to end */
    pthread_t thread;
    bool joinable;
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

void operations_free(struct operations *o)
{
    bool join;

    pthread_mutex_lock(&o->lock);
    o->stop = true;
    join = o->joinable;
    pthread_cond_signal(&o->changed);
    pthread_mutex_unlock(&o->lock);
    if (join)
        pthread_join(o->thread, NULL);
    list_for_each_safe(l, t, &o->list) drop(o, container_of(l, struct operation, node));
    pthread_cond_destroy(&o->changed);
    pthread_mutex_destroy(&o->lock);
    free(o);
}

static bool over(const struct operation *op)
{
    return op->state == OP_DONE || op->state == OP_UNDONE;
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
        int64_t wait = op->due_ms - now;

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
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:I, s:I, s:I, s:o}", "id", op->id, "kind",
                     op->kind, "state", state_names[op->state], "created_at",
                     api_time(op->created_ms), "created_by", api_text(op->who), "undo_until",
                     api_time(op->undo_until_ms), "total", (json_int_t)json_array_size(op->items),
                     "done", (json_int_t)op->done, "failed", (json_int_t)op->failures, "failures",
                     json_deep_copy(op->failed));
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

static void run_one(struct operations *o, struct operation *op)
{
    size_t i;
    json_t *item;

    op->state = OP_RUNNING;
    tell(o, op);
    pthread_mutex_unlock(&o->lock);
    json_array_foreach(op->items, i, item)
    {
        bool stop;

        pthread_mutex_lock(&o->lock);
        stop = o->stop;
        pthread_mutex_unlock(&o->lock);
        if (stop)
            break;
        run_item(o, op, item);
    }
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

    os_thread_name("operations");
    pthread_mutex_lock(&o->lock);
    while (!o->stop && ((op = next(o, &wait_ms)) || wait_ms >= 0)) {
        if (op) {
            run_one(o, op);
            continue;
        }
        struct timespec until = deadline_in(wait_ms + 1);
        deadline_wait(&o->changed, &o->lock, &until);
    }
    o->running = false;
    pthread_mutex_unlock(&o->lock);
    return NULL;
}

/* With the lock. */
static bool ensure_thread(struct operations *o)
{
    if (o->running) {
        pthread_cond_signal(&o->changed);
        return true;
    }
    if (o->joinable)
        pthread_join(o->thread, NULL); /* it has ended, or is about to without the lock */
    o->joinable = o->running = pthread_create(&o->thread, NULL, run, o) == 0;
    return o->running;
}

void operation_start(struct api_call *c, const struct operation_spec *s)
{
    struct operations *o = c->api->operations;
    struct operation *op;
    json_t *shown = NULL;

    pthread_mutex_lock(&o->lock);
    forget_old(o);
    if (o->n < MAX_OPERATIONS && !o->stop) {
        op = xcalloc(1, sizeof(*op));
        snprintf(op->id, sizeof(op->id), "%016" PRIx64, rand_u64());
        op->kind = xstrdup(s->kind);
        op->action = xstrdup(s->action);
        op->who = xstrdup(c->caller->who);
        op->created_ms = clock_wall_ms();
        op->due_ms = clock_mono_ms() + s->undo_ms;
        op->undo_until_ms = s->undo_ms ? op->created_ms + s->undo_ms : 0;
        op->run = s->run;
        op->items = s->items;
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
