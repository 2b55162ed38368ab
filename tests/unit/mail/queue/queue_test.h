/* Helpers of the queue's tests: a directory, settings, messages. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/rand.h"
#include "conf/conf.h"
#include "conf/routes.h"
#include "mail/queue/queue_priv.h"
#include "os/file.h"

#include <stdio.h>
#include <unistd.h>

struct env {
    char root[64], out[96], temp[96], store[96];
    struct queue *q;
};

static inline void settings(const char *segment, const char *memory_total, const char *interval)
{
    struct conf_pair pairs[] = {
        { "queue.journal_segment", segment }, { "queue.memory_total", memory_total },
        { "queue.min_free_space", "0" },      { "queue.sync_interval", interval },
        { "queue.retry_schedule", "1m;5m" },
    };
    struct conf *c;
    struct errinfo ei;
    if (conf_build(pairs, ARRAY_LEN(pairs), &c, &ei) < 0)
        fail_msg("%s", ei.text);
    conf_publish(c);
}

static inline void env_make(struct env *e)
{
    memset(e, 0, sizeof(*e));
    snprintf(e->root, sizeof(e->root), "/tmp/posthorn-queue-XXXXXX");
    assert_non_null(mkdtemp(e->root));
    snprintf(e->out, sizeof(e->out), "%s/_outgoing", e->root);
    snprintf(e->temp, sizeof(e->temp), "%s/temp", e->root);
    snprintf(e->store, sizeof(e->store), "%s", e->root);
}

static inline int env_try_open(struct env *e, struct errinfo *ei)
{
    struct queue_opts o = {
        .dir = e->out, .temp_dir = e->temp, .sync_path = e->store, .server_id = ""
    };
    return queue_open(&o, &e->q, ei);
}

static inline void env_open(struct env *e)
{
    struct errinfo ei;
    if (env_try_open(e, &ei) < 0)
        fail_msg("%s", ei.text);
}

static inline void env_close(struct env *e)
{
    queue_close(e->q);
    e->q = NULL;
}

static inline void env_crash(struct env *e)
{
    queue_crash(e->q);
    e->q = NULL;
}

static inline void env_remove(struct env *e)
{
    assert_int_equal(os_remove_tree(e->root, NULL), 0);
}

/* What most tests begin and end with. */
static inline int env_start(struct env *e)
{
    env_make(e);
    settings("1MiB", "64MiB", "200ms");
    env_open(e);
    return 0;
}

static inline int env_end(struct env *e)
{
    clock_test_freeze(0);
    env_close(e);
    env_remove(e);
    return 0;
}

/* A message whose content names its key, so that it can be checked later. key: 0 = any */
static inline struct message *make_keyed(uint64_t key, size_t size, unsigned local, unsigned remote)
{
    struct message *m = message_new();
    m->key = key ? key : m->key;
    message_assign_ids(m);
    message_set(&m->sender, SV("sender@example.org"));
    for (unsigned i = 0; i < local; i++) {
        char a[40];
        snprintf(a, sizeof(a), "local%u@example.org", i);
        message_add_rcpt(m, sv_c(a), RCPT_LOCAL)->account_id = 1 + i;
    }
    for (unsigned i = 0; i < remote; i++) {
        char a[40];
        snprintf(a, sizeof(a), "far%u@example.net", i);
        message_add_rcpt(m, sv_c(a), RCPT_REMOTE);
    }
    struct buf b;
    buf_init(&b, 64 * MiB);
    assert_int_equal(buf_addf(&b, "Subject: %016" PRIx64 "\r\n\r\n", m->key), 0);
    while (b.n < size)
        assert_int_equal(buf_addf(&b, "%08zu bytes of key %016" PRIx64 "\r\n", b.n, m->key), 0);
    message_take_content(m, &b);
    return m;
}

static inline struct message *make_message(size_t size, unsigned local, unsigned remote)
{
    return make_keyed(0, size, local, remote);
}

static inline void check_content(const struct message *m)
{
    struct buf tmp;
    struct sv c;
    char head[64];
    struct errinfo ei = { 0 };
    buf_init(&tmp, 64 * MiB);
    int n = snprintf(head, sizeof(head), "Subject: %016" PRIx64 "\r\n\r\n", m->key);
    if (message_read(m, &tmp, &c, &ei) < 0)
        fail_msg("%s", ei.text);
    assert_int_equal(c.n, m->size);
    assert_true(sv_starts(c, sv_n(head, (size_t)n)));
    for (size_t at = (size_t)n; at + 40 < c.n;) {
        size_t end = at + (size_t)sv_find(sv_skip(c, at), '\n') + 1;
        int k = snprintf(head, sizeof(head), "%08zu bytes of key %016" PRIx64 "\r\n", at, m->key);
        assert_true(sv_starts(sv_skip(c, at), sv_n(head, (size_t)k)));
        at = end;
    }
    buf_done(&tmp);
}

struct name_list {
    char (*v)[40];
    size_t n;
};

static inline bool add_name(const struct queue_info *i, void *arg)
{
    struct name_list *l = arg;
    l->v = xrealloc(l->v, (l->n + 1) * sizeof(*l->v));
    snprintf(l->v[l->n++], sizeof(*l->v), "%s", i->item);
    return true;
}

/* Whatever is in the queue can be read, and is what was accepted. */
static inline void check_contents(struct queue *q)
{
    struct name_list l = { 0 };
    queue_each(q, add_name, &l);
    for (size_t i = 0; i < l.n; i++) {
        struct message *m;
        assert_int_equal(queue_view(q, sv_c(l.v[i]), &m), 0);
        check_content(m);
        message_unref(m);
    }
    free(l.v);
}

static inline void must_accept(struct queue *q, struct message *m)
{
    struct errinfo ei = { 0 };
    if (queue_accept(q, m, &ei) < 0)
        fail_msg("%s", ei.text);
}

static inline void settle_as(struct queue *q, struct message *m, enum rcpt_kind kind,
                             enum rcpt_state s, const char *answer)
{
    for (size_t i = 0; i < m->n_rcpts; i++) {
        if (m->rcpts[i].kind != kind || m->rcpts[i].state != RCPT_WAITING)
            continue;
        m->rcpts[i].state = s;
        message_set(&m->rcpts[i].answer, sv_c(answer));
    }
    queue_settle(q, m, kind);
}
