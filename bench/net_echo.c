/* Measures net/ alone: an echo protocol over loopback. Requests per second with some clients that
 * each wait for their answer, and what an idle connection costs.
 *   net_echo [-t] [-c clients] [-s seconds] [-i idle connections] [-w fast workers] [-b
 * microseconds] -t: TLS. -b: each request blocks its worker so long, as one that waits for a disk
 * does. The clients run in a second process, so that the server's memory stands alone. */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <getopt.h>
#include <sys/prctl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <openssl/ssl.h>

#include "base/clock.h"
#include "conf/conf.h"
#include "net/net.h"
#include "net/tls.h"
#include "os/proc.h"

static void *echo_open(struct conn *c, void *arg)
{
    (void)arg;
    return c;
}

static int echo_frame(void *session, struct sv in, bool eof, struct frame *ret)
{
    (void)session;
    (void)eof;
    ssize_t i = sv_find(in, '\n');
    if (i < 0)
        return 0;
    ret->data = sv_take(in, (size_t)i + 1);
    ret->used = (size_t)i + 1;
    return 1;
}

static useconds_t block_us; /* set before the server starts */

static void echo_run(void *session, const struct frame *f)
{
    if (block_us)
        usleep(block_us);
    (void)!conn_write(session, f->data);
}

static void echo_closed(void *session, enum close_why why)
{
    (void)session;
    (void)why;
}

static const struct proto_ops echo = {
    .name = "ECHO",
    .open = echo_open,
    .frame = echo_frame,
    .run = echo_run,
    .closed = echo_closed,
    .max_input = 4096,
};

static long rss_kb(pid_t pid)
{
    char path[64], line[256];
    long kb = 0;
    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof(line), f))
        sscanf(line, "VmRSS: %ld", &kb);
    if (f)
        fclose(f);
    return kb;
}

static uint64_t *shared_done; /* requests, for the parent */

static double cpu_us(void)
{
    struct rusage ru;
    getrusage(RUSAGE_SELF, &ru);
    return (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1e6 +
           (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec);
}

struct peer {
    int fd;
    SSL *ssl;
};

static struct peer dial(uint16_t port, SSL_CTX *ctx)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
    struct peer p = { .fd = socket(AF_INET, SOCK_STREAM, 0) };
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (p.fd < 0 || connect(p.fd, (struct sockaddr *)&a, sizeof(a)) < 0)
        panic("connect: %m");
    if (ctx) {
        p.ssl = SSL_new(ctx);
        SSL_set_fd(p.ssl, p.fd);
        if (SSL_connect(p.ssl) != 1)
            panic("TLS handshake");
    }
    return p;
}

static void put(struct peer *p)
{
    static const char line[] = "0123456789 request line\r\n";
    if (p->ssl)
        SSL_write(p->ssl, line, sizeof(line) - 1);
    else if (send(p->fd, line, sizeof(line) - 1, 0) < 0)
        panic("send: %m");
}

static void get(struct peer *p)
{
    char line[512];
    if ((p->ssl ? SSL_read(p->ssl, line, sizeof(line)) : recv(p->fd, line, sizeof(line), 0)) <= 0)
        panic("recv: %m");
}

static void clients(uint16_t port, SSL_CTX *ctx, int n, int seconds)
{
    struct peer *p = xcalloc((size_t)n, sizeof(*p));
    int ep = epoll_create1(0);
    for (int i = 0; i < n; i++) {
        p[i] = dial(port, ctx);
        struct epoll_event ev = { .events = EPOLLIN, .data.u32 = (uint32_t)i };
        epoll_ctl(ep, EPOLL_CTL_ADD, p[i].fd, &ev);
        put(&p[i]);
        get(&p[i]);
    }
    uint64_t done = 0;
    int64_t start = clock_mono_us();
    for (int i = 0; i < n; i++)
        put(&p[i]);
    while (clock_mono_us() - start < seconds * 1000000LL) {
        struct epoll_event ev[64];
        int k = epoll_wait(ep, ev, 64, 1000);
        for (int i = 0; i < k; i++) {
            get(&p[ev[i].data.u32]);
            put(&p[ev[i].data.u32]);
            done++;
        }
    }
    *shared_done = done;
    printf("%d clients: %.0f requests/s\n", n,
           (double)done * 1e6 / (double)(clock_mono_us() - start));
    fflush(stdout);
}

static void idlers(uint16_t port, SSL_CTX *ctx, int n)
{
    struct rlimit rl = { 0 };
    long before = rss_kb(getppid());
    int64_t start = clock_mono_us();
    getrlimit(RLIMIT_NOFILE, &rl);
    for (int i = 0; i < n; i++) {
        struct peer p = dial(port, ctx);
        put(&p);
        get(&p);
    }
    double s = (double)(clock_mono_us() - start) / 1e6;
    sleep(7);
    long after = rss_kb(getppid());
    printf("%d idle: %.2f KiB each (server %ld -> %ld KiB), %.0f accepts/s\n", n,
           (double)(after - before) / n, before, after, n / s);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    bool tls = false;
    int n = 100, seconds = 4, idle = 0, workers = 0;
    for (int o; (o = getopt(argc, argv, "tc:s:i:w:b:")) != -1;) {
        uint32_t v = 0;
        if (optarg && sv_to_u32(sv_c(optarg), &v) < 0)
            return 2;
        switch (o) {
        case 't':
            tls = true;
            break;
        case 'c':
            n = (int)v;
            break;
        case 's':
            seconds = (int)v;
            break;
        case 'i':
            idle = (int)v;
            break;
        case 'b':
            block_us = v;
            break;
        case 'w':
            workers = (int)v;
            break;
        }
    }
    os_raise_nofile();
    char wtext[16], dir[] = "/tmp/net_echo.XXXXXX";
    snprintf(wtext, sizeof(wtext), "%d", workers);
    struct conf_pair pairs[] = { { "net.workers_fast", wtext } };
    struct conf *cf;
    struct errinfo ei = { 0 };
    if (conf_build(pairs, workers > 0, &cf, &ei) < 0)
        panic("%s", ei.text);
    conf_publish(cf);
    int fd;
    if (net_bind("127.0.0.1:0", &fd, &ei) < 0)
        panic("%s", ei.text);
    struct sockaddr_in a;
    socklen_t len = sizeof(a);
    getsockname(fd, (struct sockaddr *)&a, &len);
    int go[2];
    if (pipe(go) < 0)
        return 1;
    shared_done =
        mmap(NULL, sizeof(*shared_done), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid = fork();
    if (pid == 0) {
        char c;
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        SSL_CTX *ctx = tls ? SSL_CTX_new(TLS_client_method()) : NULL;
        if (read(go[0], &c, 1) != 1)
            return 1;
        if (idle)
            idlers(ntohs(a.sin_port), ctx, idle);
        else
            clients(ntohs(a.sin_port), ctx, n, seconds);
        _exit(0);
    }
    if (tls &&
        (!mkdtemp(dir) || tls_ensure_default(dir, "localhost", &ei) < 0 || tls_load(dir, &ei) < 0))
        panic("%s", ei.text);
    struct net *net;
    if (net_start(&net, &ei) < 0)
        panic("%s", ei.text);
    struct net_listener l = { .service = SVC_POP3, .ops = &echo, .fd = fd, .tls = tls };
    if (net_listen(net, &l, &ei) < 0)
        panic("%s", ei.text);
    if (write(go[1], "g", 1) != 1)
        return 1;
    double cpu = cpu_us();
    waitpid(pid, NULL, 0);
    if (*shared_done > 0)
        printf("server CPU %.2f us/request\n", (cpu_us() - cpu) / (double)*shared_done);
    net_stop(net, 5000);
    printf("server after closing: %ld KiB\n", rss_kb(getpid()));
    return 0;
}
