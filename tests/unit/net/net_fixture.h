/* A net with one listener on loopback that speaks a little line protocol, and blocking clients.
 *   ECHO text     the line again            SLOW ms   sleeps in POOL_SLOW, then "slow"
 *   BLOCK ms      sleeps in POOL_FAST       GEN n     n bytes from a generator, then "end"
 *   FILE n        n bytes of a file, "end"  DELAY ms  "delayed", held back
 *   TIMEOUT ms    new idle timeout          STARTTLS  "220 go", then TLS
 *   INPUT         "yes" when more input waits         INFO      facts of the connection
 *   KILLME / HANDLE  fills fx.handle / fx.id          QUIT      "bye"
 *   BIG n         n plain bytes at once: "full" when refused                        */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/codec.h"
#include "conf/conf.h"
#include "net/net.h"

struct fx_state {
    struct net *net;
    uint16_t port;
    _Atomic uint64_t handle;
    _Atomic uint32_t id;
    atomic_int opened, closed, timeouts, notes, gens_done, early, pool_slow_seen, busy, delayed;
    atomic_int why[8];
    _Atomic int64_t note_sum;
    atomic_bool go, stay_on_timeout, secured, refuse_all;
    _Atomic size_t gen_calls;
    int64_t greet_delay_ms;
};
static struct fx_state fx;

struct fx_session {
    struct conn *c;
};

static void *fx_open(struct conn *c, void *arg)
{
    (void)arg;
    struct fx_session *s = xcalloc(1, sizeof(*s));
    s->c = c;
    if (conn_has_input(c))
        fx.early++;
    if (fx.greet_delay_ms)
        conn_delay(c, fx.greet_delay_ms);
    fx.opened++;
    assert_int_equal(conn_writef(c, "hello %s\r\n", conn_is_tls(c) ? "tls" : "plain"), 0);
    if (fx.refuse_all) {
        free(s);
        return NULL;
    }
    return s;
}

static int fx_frame(void *session, struct sv in, bool eof, struct frame *ret)
{
    (void)session;
    (void)eof;
    ssize_t i = sv_find(in, '\n');
    if (i < 0)
        return 0;
    if (sv_starts(in, SV("BAD"))) {
        ret->used = sv_starts(in, SV("BADSKIP")) ? (size_t)i + 1 : 0;
        return E_PARSE;
    }
    ret->kind = 1;
    ret->data = sv_trim(sv_take(in, (size_t)i));
    ret->used = (size_t)i + 1;
    return 1;
}

static enum pool fx_pool(void *session, const struct frame *f)
{
    (void)session;
    return sv_starts(f->data, SV("SLOW")) ? POOL_SLOW : POOL_FAST;
}

struct fx_gen {
    uint64_t left, at;
};

static int fx_gen_fill(void *arg, struct buf *out)
{
    struct fx_gen *g = arg;
    char block[8192];
    size_t n = MIN(g->left, sizeof(block));
    for (size_t i = 0; i < n; i++)
        block[i] = (char)('a' + (g->at + i) % 26);
    if (buf_add(out, block, n) < 0)
        return -ENOMEM;
    g->at += n;
    g->left -= n;
    fx.gen_calls++;
    return g->left > 0;
}

static void fx_gen_done(void *arg)
{
    fx.gens_done++;
    free(arg);
}

static int fx_temp_file(uint64_t n)
{
    char path[] = "/tmp/net_test.XXXXXX", block[8192];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    for (uint64_t at = 0; at < n;) {
        size_t k = MIN(n - at, sizeof(block));
        for (size_t i = 0; i < k; i++)
            block[i] = (char)('a' + (at + i) % 26);
        assert_int_equal(write(fd, block, k), (ssize_t)k);
        at += k;
    }
    return fd;
}

static void fx_run_output(struct conn *c, struct sv cmd, uint64_t n)
{
    if (sv_eq(cmd, SV("GEN"))) {
        struct fx_gen *g = xcalloc(1, sizeof(*g));
        g->left = n;
        conn_write_gen(c, fx_gen_fill, fx_gen_done, g);
        conn_write(c, SV("end\r\n"));
    } else if (sv_eq(cmd, SV("FILE"))) {
        conn_write_file(c, fx_temp_file(n), 0, n);
        conn_write(c, SV("end\r\n"));
    } else if (sv_eq(cmd, SV("SHORTFILE"))) {
        conn_write_file(c, fx_temp_file(n), 0, n + 1);
    } else if (sv_eq(cmd, SV("BIG"))) {
        char *p = xcalloc(1, n);
        memset(p, 'x', n);
        if (conn_write(c, sv_n(p, n)) == E_FULL)
            conn_write(c, SV("full"));
        conn_write(c, SV("\r\n"));
        free(p);
    }
}

static void fx_run(void *session, const struct frame *f)
{
    struct fx_session *s = session;
    struct conn *c = s->c;
    struct sv rest = f->data, cmd = sv_split(&rest, ' ');
    uint64_t n = 0;
    (void)sv_to_u64(rest, &n);
    if (f->kind == -1) {
        conn_write(c, SV("bad\r\n"));
    } else if (sv_eq(cmd, SV("ECHO"))) {
        conn_writef(c, SV_FMT "\r\n", SV_ARG(rest));
    } else if (sv_eq(cmd, SV("SLOW")) || sv_eq(cmd, SV("BLOCK"))) {
        char name[16] = "";
        pthread_getname_np(pthread_self(), name, sizeof(name));
        fx.pool_slow_seen += strcmp(name, "net-slow") == 0;
        fx.busy++;
        usleep((useconds_t)n * 1000);
        conn_write(c, SV("slow\r\n"));
    } else if (sv_eq(cmd, SV("WAIT"))) {
        fx.busy++;
        while (!fx.go)
            usleep(1000);
    } else if (sv_eq(cmd, SV("DELAY"))) {
        conn_write(c, SV("delayed\r\n"));
        conn_delay(c, (int64_t)n);
        fx.delayed++;
    } else if (sv_eq(cmd, SV("TIMEOUT"))) {
        conn_set_timeout(c, (int64_t)n);
        conn_write(c, SV("ok\r\n"));
    } else if (sv_eq(cmd, SV("STARTTLS"))) {
        conn_write(c, SV("220 go\r\n"));
        conn_starttls(c);
    } else if (sv_eq(cmd, SV("INPUT"))) {
        conn_write(c, conn_has_input(c) ? SV("yes\r\n") : SV("no\r\n"));
    } else if (sv_eq(cmd, SV("HANDLE"))) {
        fx.handle = conn_handle_of(c);
        fx.id = conn_id(c);
        conn_write(c, SV("ok\r\n"));
    } else if (sv_eq(cmd, SV("INFO"))) {
        conn_writef(c, "%s %u %s %u %d %d [%s]\r\n", conn_peer_ip(c), conn_peer_port(c),
                    conn_local_ip(c), conn_local_port(c), conn_is_tls(c), conn_peer_trusted(c),
                    conn_tls_info(c));
    } else if (sv_eq(cmd, SV("BINDING"))) {
        struct buf b, hex;
        const char *type = "none";
        buf_init(&b, 256);
        buf_init(&hex, 512);
        if (conn_channel_binding(c, &type, &b))
            hex_enc(buf_sv(&b), &hex);
        conn_writef(c, "%s " SV_FMT "\r\n", hex.n ? type : "none", SV_ARG(buf_sv(&hex)));
        buf_done(&b);
        buf_done(&hex);
    } else if (sv_eq(cmd, SV("QUIT"))) {
        conn_write(c, SV("bye\r\n"));
        conn_close(c);
    } else {
        fx_run_output(c, cmd, n);
    }
}

static void fx_note(void *session, const struct note *n)
{
    struct fx_session *s = session;
    fx.notes++;
    fx.note_sum += n->a;
    conn_writef(s->c, "note %d %" PRId64 "\r\n", n->type, n->a);
}

static bool fx_timeout(void *session)
{
    struct fx_session *s = session;
    fx.timeouts++;
    if (fx.stay_on_timeout && !conn_shutting_down(s->c)) {
        conn_write(s->c, SV("still there?\r\n"));
        conn_set_timeout(s->c, 60000);
        return true;
    }
    conn_write(s->c, conn_shutting_down(s->c) ? SV("shutdown\r\n") : SV("timeout\r\n"));
    return false;
}

static void fx_secured(void *session)
{
    (void)session;
    fx.secured = true;
}

static void fx_closed(void *session, enum close_why why)
{
    fx.closed++;
    fx.why[why]++;
    free(session);
}

static const struct proto_ops fx_ops = {
    .name = "TEST",
    .open = fx_open,
    .frame = fx_frame,
    .pool = fx_pool,
    .run = fx_run,
    .note = fx_note,
    .timeout = fx_timeout,
    .secured = fx_secured,
    .closed = fx_closed,
    .max_input = 2048,
};

static _unused_ void fx_refuse(struct conn *c, const char *reason)
{
    conn_writef(c, "421 %s\r\n", reason);
}

static void fx_conf(const struct conf_pair *pairs, size_t n)
{
    struct conf *cf;
    struct errinfo ei = { 0 };
    if (conf_build(pairs, n, &cf, &ei) < 0)
        fail_msg("%s", ei.text);
    conf_publish(cf);
}

static _unused_ uint16_t fx_listen(const struct net_listener *like)
{
    struct net_listener l = *like;
    struct errinfo ei = { 0 };
    struct sockaddr_in a;
    socklen_t n = sizeof(a);
    if (net_bind("127.0.0.1:0", &l.fd, &ei) < 0)
        fail_msg("%s", ei.text);
    assert_int_equal(getsockname(l.fd, (struct sockaddr *)&a, &n), 0);
    if (net_listen(fx.net, &l, &ei) < 0)
        fail_msg("%s", ei.text);
    return ntohs(a.sin_port);
}

static _unused_ void fx_start(const struct conf_pair *pairs, size_t n, bool tls)
{
    struct errinfo ei = { 0 };
    memset(&fx, 0, sizeof(fx));
    fx_conf(pairs, n);
    if (net_start(&fx.net, &ei) < 0)
        fail_msg("%s", ei.text);
    fx.port = fx_listen(&(struct net_listener){ .service = SVC_POP3,
                                                .ops = &fx_ops,
                                                .tls = tls,
                                                .per_ip_setting = "pop3.per_ip",
                                                .refuse = fx_refuse });
}

static _unused_ void fx_stop(void)
{
    net_stop(fx.net, 3000);
    fx.net = NULL;
    assert_int_equal(fx.opened - fx.refuse_all, fx.closed);
}

/* --- clients --- */

static _unused_ int fx_dial_from(const char *source, uint16_t port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
    struct timeval tv = { .tv_sec = 60 };
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    if (source) {
        struct sockaddr_in s = { .sin_family = AF_INET };
        inet_pton(AF_INET, source, &s.sin_addr);
        assert_int_equal(bind(fd, (struct sockaddr *)&s, sizeof(s)), 0);
    }
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

static _unused_ int fx_dial(void)
{
    return fx_dial_from(NULL, fx.port);
}

static _unused_ void fx_send(int fd, const char *text)
{
    size_t n = strlen(text);
    assert_int_equal(send(fd, text, n, MSG_NOSIGNAL), (ssize_t)n);
}

/* Reads one line without CRLF; "" at the end. */
static _unused_ const char *fx_line(int fd)
{
    static _Thread_local char line[4096];
    size_t n = 0;
    while (n < sizeof(line) - 1) {
        ssize_t r = recv(fd, line + n, 1, 0);
        if (r < 0 && errno == EAGAIN)
            fail_msg("no line within 20 s");
        if (r <= 0 || line[n] == '\n')
            break;
        n++;
    }
    if (n > 0 && line[n - 1] == '\r')
        n--;
    line[n] = '\0';
    return line;
}

#define fx_expect(fd, text) assert_string_equal(fx_line(fd), (text))

static _unused_ bool fx_at_end(int fd)
{
    char c;
    ssize_t r = recv(fd, &c, 1, 0);
    return r == 0 || (r < 0 && errno == ECONNRESET);
}

/* Reads n bytes of the test pattern. */
static _unused_ void fx_pattern(int fd, uint64_t n)
{
    char block[16384];
    for (uint64_t at = 0; at < n;) {
        ssize_t r = recv(fd, block, MIN(n - at, sizeof(block)), 0);
        assert_true(r > 0);
        for (ssize_t i = 0; i < r; i++)
            assert_int_equal(block[i], 'a' + (at + (uint64_t)i) % 26);
        at += (uint64_t)r;
    }
}

/* Waits until *v is at least want. */
static _unused_ void fx_wait(atomic_int *v, int want)
{
    for (int i = 0; i < 12000 && atomic_load(v) < want; i++)
        usleep(5000);
    assert_true(atomic_load(v) >= want);
}
