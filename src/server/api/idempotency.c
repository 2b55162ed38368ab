/* Answers kept for a repeated Idempotency-Key: in memory, bounded by number, size and age. A
 * restart forgets them, as a client must expect after a lost answer anyway. */
#include "base/clock.h"
#include "base/hash.h"
#include "base/list.h"
#include "server/api/api_priv.h"

#define MAX_KEYS  1000
#define MAX_BODY  (64 * KiB)
#define KEEP_MS   86400000
#define KEY_BYTES 128

struct kept {
    struct list node; /* oldest first */
    uint64_t key, request;
    bool running;
    int64_t at_ms;
    int status;
    const char *type;
    char *body;
    size_t n;
};

struct idempotency {
    pthread_mutex_t lock; /* guards all */
    struct list list;
    size_t n;
};

struct idempotency *idempotency_new(void)
{
    struct idempotency *i = xcalloc(1, sizeof(*i));

    pthread_mutex_init(&i->lock, NULL);
    list_init(&i->list);
    return i;
}

static void drop(struct idempotency *i, struct kept *k)
{
    list_del(&k->node);
    i->n--;
    if (k->body)
        explicit_bzero(k->body, k->n); /* a token or password that is shown once */
    free(k->body);
    free(k);
}

void idempotency_free(struct idempotency *i)
{
    list_for_each_safe(l, t, &i->list) drop(i, container_of(l, struct kept, node));
    pthread_mutex_destroy(&i->lock);
    free(i);
}

static uint64_t add_text(uint64_t h, const char *p, size_t n)
{
    return (h ^ hash_bytes(p, n)) * UINT64_C(0x9e3779b97f4a7c15);
}

/* Of the caller, the key and the operation; the request itself is compared beside. */
static uint64_t key_of(const struct api_call *c)
{
    uint64_t h = add_text(1, c->caller->who, strlen(c->caller->who));

    h = add_text(h, c->req->idempotency_key, strlen(c->req->idempotency_key));
    h = add_text(h, c->route->method, strlen(c->route->method));
    return add_text(h, c->req->path.p, c->req->path.n);
}

static uint64_t request_of(const struct api_call *c)
{
    return add_text(add_text(2, c->req->query.p ? c->req->query.p : "", c->req->query.n),
                    c->req->body.p ? c->req->body.p : "", c->req->body.n);
}

static struct kept *find(struct idempotency *i, uint64_t key)
{
    list_for_each(l, &i->list)
    {
        struct kept *k = container_of(l, struct kept, node);

        if (k->key == key)
            return k;
    }
    return NULL;
}

static void forget_old(struct idempotency *i)
{
    int64_t now = clock_mono_ms();

    list_for_each_safe(l, t, &i->list)
    {
        struct kept *k = container_of(l, struct kept, node);

        if (!k->running && (i->n >= MAX_KEYS || now - k->at_ms > KEEP_MS))
            drop(i, k);
    }
}

static void replay(struct api_call *c, const struct kept *k, uint64_t request)
{
    if (k->request != request) {
        api_fail(c, 422, "key_reused", "Idempotency-Key",
                 "Idempotency-Key: another request was made with this key; take a new one");
    } else if (k->running) {
        api_fail(c, 409, "still_running", "Idempotency-Key",
                 "Idempotency-Key: the first request with this key is still running");
    } else {
        c->res->status = k->status;
        c->res->type = k->type;
        buf_add(&c->res->body, k->body ? k->body : "", k->n);
        c->res->replayed = true;
    }
}

bool idempotency_begin(struct api_call *c, struct idempotency *i)
{
    uint64_t request = request_of(c);
    struct kept *k;
    uint64_t key;

    if (!*c->req->idempotency_key || strlen(c->req->idempotency_key) > KEY_BYTES) {
        api_fail(c, 400, "invalid_header", "Idempotency-Key",
                 "Idempotency-Key: must have 1 to %d bytes", KEY_BYTES);
        return false;
    }
    key = key_of(c);
    pthread_mutex_lock(&i->lock);
    forget_old(i);
    k = find(i, key);
    if (k) {
        replay(c, k, request);
    } else {
        struct kept *fresh = xcalloc(1, sizeof(*fresh));

        *fresh = (struct kept){
            .key = key, .request = request, .running = true, .at_ms = clock_mono_ms()
        };
        list_add_tail(&i->list, &fresh->node);
        i->n++;
    }
    pthread_mutex_unlock(&i->lock);
    return !k;
}

void idempotency_end(struct api_call *c, struct idempotency *i)
{
    struct kept *k;

    pthread_mutex_lock(&i->lock);
    k = find(i, key_of(c));
    if (k && (c->res->status >= 500 || c->res->body.n > MAX_BODY)) {
        drop(i, k); /* trying again may work */
    } else if (k) {
        k->running = false;
        k->status = c->res->status;
        k->type = c->res->type;
        k->n = c->res->body.n;
        k->body = k->n ? xmalloc(k->n) : NULL;
        if (k->n)
            memcpy(k->body, c->res->body.p, k->n);
    }
    pthread_mutex_unlock(&i->lock);
}
