/* conn.h without sockets: what the handler writes is collected, what the peer would send is fed by
 * the test, the clock is the test's. Everything runs on the calling thread; only notes, kills and
 * handles may come from others (registry lock). Keep its order of events equal to conn_work.c. */
#include "net/conn_test.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/list.h"
#include "conf/conf.h"
#include "net/conn_names_priv.h"

enum { PLAIN_MAX = 1 << 20, NOTES_MAX = 256 };
#define SENT_MAX (1024 * MiB)

enum item_type { ITEM_BYTES, ITEM_FILE, ITEM_GEN };

struct item {
    struct list link;
    enum item_type type;
    struct buf bytes;
    int fd;
    uint64_t off, len;
    int (*gen)(void *arg, struct buf *out);
    void (*done)(void *arg);
    void *arg;
};

struct conn {
    struct list link; /* registry, under registry_lock */
    struct conn_test facts;
    const struct proto_ops *ops;
    void *session;
    uint32_t id;
    struct buf in, sent;
    size_t in_off;     /* bytes of in that frames have taken */
    struct list items; /* written, not yet sent */
    size_t plain;      /* bytes in items since the last flush */
    int64_t timeout_ms, active_ms, started_ms, held_until_ms;
    bool in_callback, eof, closing, starttls, secured, shutting_down;
    bool gone; /* closed() has been called, or open refused */
    enum close_why why;
    void (*take)(void *arg, struct client *client); /* conn_hand_over; called with NULL */
    void *take_arg;
    char account[96], state[24];
    struct note notes[NOTES_MAX]; /* under registry_lock */
    size_t n_notes;
    bool killed; /* under registry_lock */
};

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct list registry = { &registry, &registry };
static _Thread_local struct buf early = { .max = MiB };

static void item_free(struct item *it)
{
    list_del(&it->link);
    buf_done(&it->bytes);
    if (it->type == ITEM_FILE)
        close(it->fd);
    if (it->type == ITEM_GEN && it->done)
        it->done(it->arg);
    free(it);
}

static void drop_items(struct conn *c)
{
    list_for_each_safe(l, tmp, &c->items) item_free(container_of(l, struct item, link));
    c->plain = 0;
}

static struct item *item_add(struct conn *c, enum item_type type)
{
    struct item *it = xcalloc(1, sizeof(*it));
    it->type = type;
    buf_init(&it->bytes, 4 * MiB);
    list_add_tail(&c->items, &it->link);
    return it;
}

static void finish(struct conn *c, enum close_why why)
{
    if (c->gone)
        return;
    c->gone = true;
    c->why = why;
    drop_items(c);
    pthread_mutex_lock(&registry_lock);
    list_del(&c->link);
    pthread_mutex_unlock(&registry_lock);
    void *session = take_ptr(c->session);
    if (session) {
        c->in_callback = true;
        c->ops->closed(session, why);
        c->in_callback = false;
    }
    if (c->take)
        c->take(c->take_arg, NULL); /* there is no socket */
}

static bool send_file(struct conn *c, struct item *it)
{
    char block[16384];
    while (it->len > 0) {
        ssize_t n = pread(it->fd, block, MIN(sizeof(block), it->len), (off_t)it->off);
        if (n <= 0 || buf_add(&c->sent, block, (size_t)n) < 0)
            return false;
        it->off += (uint64_t)n;
        it->len -= (uint64_t)n;
    }
    return true;
}

static bool send_gen(struct conn *c, struct item *it)
{
    for (;;) {
        buf_reset(&it->bytes);
        c->in_callback = true;
        int r = it->gen(it->arg, &it->bytes);
        c->in_callback = false;
        if (r < 0 || it->bytes.overflow || buf_add_sv(&c->sent, buf_sv(&it->bytes)) < 0)
            return false;
        if (r == 0)
            return true;
    }
}

static bool send_item(struct conn *c, struct item *it)
{
    switch (it->type) {
    case ITEM_BYTES:
        return buf_add_sv(&c->sent, buf_sv(&it->bytes)) == 0;
    case ITEM_FILE:
        return send_file(c, it);
    case ITEM_GEN:
        return send_gen(c, it);
    }
    return false;
}

/* False when the session has ended by it. */
static bool flush(struct conn *c)
{
    while (!list_empty(&c->items)) {
        struct item *it = container_of(c->items.next, struct item, link);
        if (!send_item(c, it)) {
            finish(c, CLOSE_ERROR);
            return false;
        }
        item_free(it);
    }
    c->plain = 0;
    return true;
}

static void run_frame(struct conn *c, const struct frame *f)
{
    c->in_callback = true;
    if (f->kind != -1 && c->ops->pool)
        (void)c->ops->pool(c->session, f);
    c->ops->run(c->session, f);
    c->in_callback = false;
    c->active_ms = clock_mono_ms();
}

static struct sv input(const struct conn *c)
{
    return sv_skip(buf_sv(&c->in), c->in_off);
}

/* One frame. False when there is none to run now. */
static bool step(struct conn *c)
{
    struct sv in = input(c);
    if (in.n == 0) {
        if (c->eof)
            finish(c, CLOSE_PEER);
        return false;
    }
    struct frame f = { 0 };
    int r = c->ops->frame(c->session, in, c->eof, &f);
    if (r == 0 && in.n < c->ops->max_input) {
        if (c->eof)
            finish(c, CLOSE_PEER);
        return false;
    }
    bool bad = r <= 0;
    if (bad) {
        f.kind = -1;
        f.data = in;
    }
    size_t used = MIN(f.used, in.n);
    if (!bad && used == 0)
        panic("%s: frame() took no input", c->ops->name);
    /* Taken before run(), which may ask conn_has_input; nothing is fed while it runs. */
    c->in_off += used;
    run_frame(c, &f);
    if (c->in_off == c->in.n) {
        buf_reset(&c->in);
        c->in_off = 0;
    }
    if (bad && used == 0 && !c->closing) {
        c->closing = true;
        c->why = CLOSE_ERROR;
    }
    return true;
}

static void process(struct conn *c)
{
    while (!c->gone && !c->in_callback) {
        pthread_mutex_lock(&registry_lock);
        bool killed = c->killed;
        pthread_mutex_unlock(&registry_lock);
        if (killed) {
            finish(c, CLOSE_KILLED);
            return;
        }
        if (c->starttls && input(c).n > 0) {
            finish(c, CLOSE_ERROR);
            return;
        }
        if (c->held_until_ms > clock_mono_ms())
            return;
        if (!flush(c))
            return;
        if (c->closing) {
            finish(c, c->why);
            return;
        }
        if (c->starttls || !step(c))
            return;
    }
}

struct conn *conn_test_open(const struct proto_ops *ops, void *arg, const struct conn_test *facts)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    struct conn *c = xcalloc(1, sizeof(*c));
    c->ops = ops;
    c->facts = facts ? *facts : (struct conn_test){ 0 };
    c->id = shm_session_new_id();
    buf_init(&c->in, 64 * MiB);
    buf_init(&c->sent, SENT_MAX);
    list_init(&c->items);
    c->timeout_ms = cf->net.session_timeout;
    c->active_ms = clock_mono_ms();
    c->started_ms = clock_wall_ms();
    pthread_mutex_lock(&registry_lock);
    list_add_tail(&registry, &c->link);
    pthread_mutex_unlock(&registry_lock);
    if (buf_add_sv(&c->in, buf_sv(&early)) < 0)
        panic("test driver: early input too large");
    buf_done(&early);
    c->in_callback = true;
    c->session = ops->open(c, arg);
    c->in_callback = false;
    if (!c->session) {
        c->closing = true;
        c->why = CLOSE_LIMIT;
    }
    process(c);
    return c;
}

void conn_test_early(struct sv bytes)
{
    if (buf_add_sv(&early, bytes) < 0)
        panic("test driver: early input too large");
}

void conn_test_input(struct conn *c, struct sv bytes)
{
    if (c->gone)
        return;
    if (buf_add_sv(&c->in, bytes) < 0)
        panic("test driver: more than 64 MiB of input waits");
    process(c);
}

struct sv conn_test_output(struct conn *c)
{
    if (buf_terminate(&c->sent) < 0)
        panic("test driver: no memory");
    return buf_sv(&c->sent);
}

void conn_test_take(struct conn *c)
{
    buf_reset(&c->sent);
}

bool conn_test_closed(struct conn *c)
{
    process(c);
    return c->gone || c->closing;
}

enum close_why conn_test_why(struct conn *c)
{
    return c->why;
}

bool conn_test_starttls(struct conn *c)
{
    return c->starttls && !c->gone;
}

void conn_test_secure(struct conn *c)
{
    if (!c->starttls || c->gone)
        panic("conn_test_secure: the session has not asked for TLS");
    c->starttls = false;
    c->secured = true;
    if (c->ops->secured) {
        c->in_callback = true;
        c->ops->secured(c->session);
        c->in_callback = false;
    }
    process(c);
}

/* The idle timeout or the server's end: a last word, then the close. */
static void say_goodbye(struct conn *c, enum close_why why)
{
    bool stay = false;
    if (c->ops->timeout) {
        c->in_callback = true;
        stay = c->ops->timeout(c->session) && !c->shutting_down;
        c->in_callback = false;
    }
    c->active_ms = clock_mono_ms();
    if (!stay && !c->closing) {
        c->closing = true;
        c->why = why;
    }
    process(c);
}

void conn_test_advance(struct conn *c, int64_t ms)
{
    clock_test_advance(ms);
    process(c);
    if (!c->gone && clock_mono_ms() - c->active_ms >= c->timeout_ms)
        say_goodbye(c, CLOSE_TIMEOUT);
}

void conn_test_shutdown(struct conn *c)
{
    if (c->gone)
        return;
    c->shutting_down = true;
    say_goodbye(c, CLOSE_SHUTDOWN);
}

void conn_test_eof(struct conn *c)
{
    c->eof = true;
    process(c);
}

void conn_test_run_notes(struct conn *c)
{
    for (;;) {
        process(c);
        pthread_mutex_lock(&registry_lock);
        bool have = c->n_notes > 0 && !c->gone && c->held_until_ms <= clock_mono_ms();
        struct note n = c->notes[0];
        if (have)
            memmove(c->notes, c->notes + 1, --c->n_notes * sizeof(*c->notes));
        pthread_mutex_unlock(&registry_lock);
        if (!have)
            return;
        if (c->ops->note) {
            c->in_callback = true;
            c->ops->note(c->session, &n);
            c->in_callback = false;
        }
    }
}

void conn_test_free(struct conn *c, enum close_why why)
{
    if (!c)
        return;
    finish(c, why);
    buf_done(&c->in);
    buf_done(&c->sent);
    free(c);
}

int64_t conn_test_timeout(struct conn *c)
{
    return c->timeout_ms;
}

const char *conn_test_account(struct conn *c)
{
    return c->account;
}

const char *conn_test_state(struct conn *c)
{
    return c->state;
}

/* --- conn.h --- */

int conn_write(struct conn *c, struct sv bytes)
{
    if (c->gone)
        return E_CLOSED;
    if (bytes.n > PLAIN_MAX || c->plain + bytes.n > PLAIN_MAX)
        return E_FULL;
    struct item *it = list_empty(&c->items) ? NULL : container_of(c->items.prev, struct item, link);
    if (!it || it->type != ITEM_BYTES)
        it = item_add(c, ITEM_BYTES);
    if (buf_add_sv(&it->bytes, bytes) < 0)
        return E_FULL;
    c->plain += bytes.n;
    return 0;
}

int conn_writef(struct conn *c, const char *fmt, ...)
{
    struct buf b;
    buf_init(&b, PLAIN_MAX);
    va_list ap;
    va_start(ap, fmt);
    int r = buf_vaddf(&b, fmt, ap);
    va_end(ap);
    r = r < 0 ? E_FULL : conn_write(c, buf_sv(&b));
    buf_done(&b);
    return r;
}

int conn_write_file(struct conn *c, int fd, uint64_t off, uint64_t len)
{
    if (c->gone) {
        close(fd);
        return E_CLOSED;
    }
    struct item *it = item_add(c, ITEM_FILE);
    it->fd = fd;
    it->off = off;
    it->len = len;
    return 0;
}

int conn_write_gen(struct conn *c, int (*gen)(void *arg, struct buf *out), void (*done)(void *arg),
                   void *arg)
{
    if (c->gone) {
        if (done)
            done(arg);
        return E_CLOSED;
    }
    struct item *it = item_add(c, ITEM_GEN);
    it->gen = gen;
    it->done = done;
    it->arg = arg;
    return 0;
}

void conn_close(struct conn *c)
{
    if (c->closing)
        return;
    c->closing = true;
    c->why = CLOSE_QUIT;
}

void conn_starttls(struct conn *c)
{
    c->starttls = true;
}

void conn_hand_over(struct conn *c, void (*take)(void *arg, struct client *client), void *arg)
{
    c->take = take;
    c->take_arg = arg;
    conn_close(c);
}

void conn_set_timeout(struct conn *c, int64_t ms)
{
    c->timeout_ms = ms;
    c->active_ms = clock_mono_ms();
}

void conn_delay(struct conn *c, int64_t ms)
{
    c->held_until_ms = clock_mono_ms() + ms;
}

bool conn_has_input(struct conn *c)
{
    return input(c).n > 0;
}

void conn_totals(const struct conn *c, uint64_t *ret_in, uint64_t *ret_out)
{
    *ret_in = c->in_off;
    *ret_out = c->sent.n;
}

uint32_t conn_id(const struct conn *c)
{
    return c->id;
}

const char *conn_peer_ip(const struct conn *c)
{
    return c->facts.peer_ip ? c->facts.peer_ip : "127.0.0.1";
}

const char *conn_local_ip(const struct conn *c)
{
    return c->facts.local_ip ? c->facts.local_ip : "127.0.0.1";
}

uint16_t conn_peer_port(const struct conn *c)
{
    return c->facts.peer_port;
}

uint16_t conn_local_port(const struct conn *c)
{
    return c->facts.local_port;
}

enum service conn_service(const struct conn *c)
{
    return c->facts.service;
}

bool conn_is_tls(const struct conn *c)
{
    return c->facts.tls || c->secured;
}

const char *conn_tls_info(const struct conn *c)
{
    return conn_is_tls(c) ? "TLSv1.3 TLS_AES_256_GCM_SHA384" : "";
}

bool conn_channel_binding(struct conn *c, const char **ret_type, struct buf *ret)
{
    if (!conn_is_tls(c))
        return false;
    *ret_type = "tls-exporter";
    return buf_add_str(ret, "0123456789abcdef0123456789abcdef") == 0;
}

bool conn_peer_trusted(const struct conn *c)
{
    return c->facts.trusted;
}

int64_t conn_started_ms(const struct conn *c)
{
    return c->started_ms;
}

bool conn_can_tls(const struct conn *c)
{
    return c->facts.can_tls;
}

bool conn_shutting_down(const struct conn *c)
{
    return c->shutting_down;
}

void conn_set_account(struct conn *c, struct sv account)
{
    (void)sv_copy(c->account, sizeof(c->account), account);
}

void conn_set_state(struct conn *c, struct sv state)
{
    (void)sv_copy(c->state, sizeof(c->state), state);
}

conn_handle conn_handle_of(const struct conn *c)
{
    return c->id;
}

static struct conn *find_locked(uint32_t id)
{
    list_for_each(l, &registry)
    {
        struct conn *c = container_of(l, struct conn, link);
        if (c->id == id)
            return c;
    }
    return NULL;
}

int conn_note(conn_handle h, struct note n)
{
    pthread_mutex_lock(&registry_lock);
    struct conn *c = find_locked((uint32_t)h);
    bool merged = false;
    int r = 0;
    if (!c || c->killed)
        r = E_CLOSED;
    for (size_t i = 0; r == 0 && i < c->n_notes; i++) {
        const struct note *o = &c->notes[i];
        merged |= o->type == n.type && o->a == n.a && o->b == n.b;
    }
    if (r == 0 && !merged) {
        if (c->n_notes == NOTES_MAX)
            r = E_FULL;
        else
            c->notes[c->n_notes++] = n;
    }
    pthread_mutex_unlock(&registry_lock);
    return r;
}

int conn_kill_id(uint32_t session_id)
{
    pthread_mutex_lock(&registry_lock);
    struct conn *c = find_locked(session_id);
    if (c)
        c->killed = true;
    pthread_mutex_unlock(&registry_lock);
    return c ? 0 : E_NOTFOUND;
}
