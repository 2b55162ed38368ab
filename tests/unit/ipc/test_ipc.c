/* Two modules over a socket pair: messages, requests with long answers, a lost peer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "ipc/ipc.h"

struct side {
    struct ipc *ipc;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int hints, lost;
    int64_t last_account;
    size_t reply_size;
    int fd, sockets;
};

static void on_msg(void *arg, const struct ipc_msg *m)
{
    struct side *s = arg;

    if (m->type == IPC_REQUEST) {
        char *big = xmalloc(s->reply_size);
        memset(big, 'x', s->reply_size);
        assert_int_equal(ipc_reply(s->ipc, m, sv_n(big, s->reply_size)), 0);
        free(big);
        return;
    }
    pthread_mutex_lock(&s->lock);
    if (m->type == IPC_LISTEN) {
        s->fd = m->fd;
        s->sockets++;
    }
    if (m->type == IPC_MAILBOX) {
        struct ipc_mailbox b;
        memcpy(&b, m->payload.p, sizeof(b));
        s->last_account = b.account_id;
        s->hints++;
    }
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void on_lost(void *arg)
{
    struct side *s = arg;

    pthread_mutex_lock(&s->lock);
    s->lost++;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static const struct ipc_ops ops = { on_msg, on_lost };

struct pair {
    struct side a, b;
};

static int setup(void **state)
{
    struct pair *p = xcalloc(1, sizeof(*p));
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
    pthread_mutex_init(&p->a.lock, NULL);
    pthread_mutex_init(&p->b.lock, NULL);
    pthread_cond_init(&p->a.changed, NULL);
    pthread_cond_init(&p->b.changed, NULL);
    assert_int_equal(ipc_open(fds[0], MOD_SMTP, &ops, &p->a, &p->a.ipc), 0);
    assert_int_equal(ipc_open(fds[1], MOD_ACCESS, &ops, &p->b, &p->b.ipc), 0);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct pair *p = *state;

    ipc_close(p->a.ipc);
    ipc_close(p->b.ipc);
    free(p);
    return 0;
}

static void hints_arrive_in_order(void **state)
{
    struct pair *p = *state;
    struct ipc_mailbox m = { 42, 7 };

    for (int i = 0; i < 50; i++) {
        m.account_id = i;
        assert_int_equal(ipc_send(p->a.ipc, MOD_ACCESS, IPC_MAILBOX, 0, false, sv_n(&m, sizeof(m))),
                         0);
    }
    pthread_mutex_lock(&p->b.lock);
    while (p->b.hints < 50)
        pthread_cond_wait(&p->b.changed, &p->b.lock);
    assert_int_equal(p->b.last_account, 49);
    pthread_mutex_unlock(&p->b.lock);
}

static void long_answers_are_joined(void **state)
{
    struct pair *p = *state;
    struct buf reply;

    buf_init(&reply, 8 * MiB);
    p->b.reply_size = 3 * MiB + 17;
    assert_int_equal(ipc_request(p->a.ipc, MOD_ACCESS, SV("{}"), 10000, &reply), 0);
    assert_int_equal(reply.n, 3 * MiB + 17);
    buf_done(&reply);
    buf_init(&reply, 1 * MiB);
    assert_int_equal(ipc_request(p->a.ipc, MOD_ACCESS, SV("{}"), 10000, &reply), E_RANGE);
    buf_done(&reply);
}

static void too_large_and_lost(void **state)
{
    struct pair *p = *state;
    char *big = xcalloc(1, IPC_MAX_PAYLOAD + 1);
    struct buf reply;

    assert_int_equal(
        ipc_send(p->a.ipc, MOD_ACCESS, IPC_MAILBOX, 0, false, sv_n(big, IPC_MAX_PAYLOAD + 1)),
        E_RANGE);
    free(big);
    ipc_close(p->b.ipc);
    p->b.ipc = NULL;
    pthread_mutex_lock(&p->a.lock);
    while (!p->a.lost)
        pthread_cond_wait(&p->a.changed, &p->a.lock);
    pthread_mutex_unlock(&p->a.lock);
    buf_init(&reply, 100);
    assert_int_equal(ipc_request(p->a.ipc, MOD_ACCESS, SV("{}"), 10000, &reply), E_CLOSED);
    buf_done(&reply);
}

/* A descriptor comes along with IPC_LISTEN and with nothing else. */
static void sockets_come_along(void **state)
{
    struct pair *p = *state;
    struct ipc_listen what = { 3 };
    struct ipc_msg m = {
        .type = IPC_LISTEN, .from = MOD_SMTP, .to = MOD_ACCESS, .payload = sv_n(&what, sizeof(what))
    };
    int fds[2], link[2];
    char c = 0;

    assert_int_equal(pipe(fds), 0);
    ipc_close(p->a.ipc);
    ipc_close(p->b.ipc);
    p->a.ipc = p->b.ipc = NULL;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, link), 0);
    assert_int_equal(ipc_open(link[1], MOD_ACCESS, &ops, &p->b, &p->b.ipc), 0);
    m.fd = fds[1];
    assert_int_equal(ipc_send_fd(link[0], &m), 0);
    pthread_mutex_lock(&p->b.lock);
    while (!p->b.sockets)
        pthread_cond_wait(&p->b.changed, &p->b.lock);
    pthread_mutex_unlock(&p->b.lock);
    close(fds[1]);
    assert_int_equal(write(p->b.fd, "x", 1), 1);
    assert_int_equal(read(fds[0], &c, 1), 1);
    close(p->b.fd);
    assert_int_equal(read(fds[0], &c, 1), 0); /* no other copy is left */
    close(fds[0]);
    close(link[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(hints_arrive_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(long_answers_are_joined, setup, teardown),
        cmocka_unit_test_setup_teardown(too_large_and_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(sockets_come_along, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
