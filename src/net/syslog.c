/* One thread, blocking calls with deadlines (client.h); it waits without end only for lines. */
#include "net/syslog.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/x509_vfy.h>

#include "base/clock.h"
#include "conf/conf.h"
#include "log/sink.h"
#include "log/log.h"
#include "net/client_priv.h"
#include "os/proc.h"
#include "stats/shm.h"

enum protocol { UDP, TCP, TLS }; /* as in log.syslog_protocol */

enum {
    CONNECT_MS = 10000,
    WRITE_MS = 30000,
    FIRST_PAUSE_MS = 500,
    LAST_PAUSE_MS = 5000,
    UDP_MAX = 2048,      /* what each receiver should take, RFC 5426 3.2 */
    UDP_QUIET_MS = 60000 /* after so long without a refusal the server is taken to be there */
};

struct syslog_sender {
    pthread_t thread;
    int fd, wake;
    atomic_bool cancel;
    /* The thread's own. */
    char *server; /* what the connection was made for */
    enum protocol protocol;
    bool verify;
    struct client *stream;
    int datagram; /* -1 = none */
    bool failing; /* and the log says so */
    int64_t refused_ms;
    char packet[LOG_PACKET_MAX];
};

/* Text of a host or address and of a port: "a", "a:1", "[::1]:1", "::1". */
static void split_server(const char *server, char host[256], char port[8], const char *dflt)
{
    struct sv v = sv_c(server);
    ssize_t colon = sv_rfind(v, ':');
    bool bare = colon >= 0 && v.p[0] != '[' && sv_find(v, ':') != colon; /* an IPv6 address */
    struct sv h = colon < 0 || bare ? v : sv_take(v, (size_t)colon);
    (void)sv_copy(port, 8, colon < 0 || bare ? sv_c(dflt) : sv_skip(v, (size_t)colon + 1));
    if (h.n > 2 && h.p[0] == '[')
        h = sv_n(h.p + 1, h.n - 2);
    (void)sv_copy(host, 256, h);
}

static void disconnect(struct syslog_sender *s)
{
    if (s->stream)
        client_close(s->stream);
    s->stream = NULL;
    closep(&s->datagram);
    s->datagram = -1;
}

static int open_datagram(struct syslog_sender *s, const struct addrinfo *a, struct errinfo *ei)
{
    _cleanup_(closep) int fd = socket(a->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, a->ai_addr, a->ai_addrlen) < 0)
        return err_set_errno(ei, -errno, "%s", s->server);
    s->datagram = take_fd(&fd);
    return 0;
}

static int open_stream(struct syslog_sender *s, const struct addrinfo *a, const char *host,
                       const char *port, struct errinfo *ei)
{
    char ip[INET6_ADDRSTRLEN];
    uint32_t number = 0;
    int r = getnameinfo(a->ai_addr, a->ai_addrlen, ip, sizeof(ip), NULL, 0, NI_NUMERICHOST);
    if (r != 0 || sv_to_u32(sv_c(port), &number) < 0)
        return err_set(ei, E_PARSE, "%s: not an address", s->server);
    struct client_opts o = {
        .ip = ip, .port = (uint16_t)number, .connect_timeout_ms = CONNECT_MS, .cancel = &s->cancel
    };
    _cleanup_(client_closep) struct client *c = NULL;
    r = client_connect(&o, &c, ei);
    if (r < 0)
        return r;
    client_set_timeout(c, WRITE_MS);
    if (s->protocol == TLS) {
        long verified = 0;
        r = client_starttls(c, host, &verified, ei);
        if (r < 0)
            return r;
        if (verified != X509_V_OK && s->verify)
            return err_set(ei, E_TLS, "%s: its certificate is not valid for it: %s", s->server,
                           X509_verify_cert_error_string(verified));
    }
    s->stream = c;
    c = NULL;
    return 0;
}

static int open_any(struct syslog_sender *s, struct errinfo *ei)
{
    char host[256], port[8];
    struct addrinfo want = { .ai_socktype = s->protocol == UDP ? SOCK_DGRAM : SOCK_STREAM },
                    *all = NULL;
    split_server(s->server, host, port, s->protocol == TLS ? "6514" : "514");
    int r = getaddrinfo(host, port, &want, &all);
    if (r != 0)
        return err_set(ei, E_NOTFOUND, "%s: %s", s->server, gai_strerror(r));
    r = E_NOTFOUND;
    for (const struct addrinfo *a = all; a && r < 0 && r != E_CANCELLED; a = a->ai_next)
        r = s->protocol == UDP ? open_datagram(s, a, ei) : open_stream(s, a, host, port, ei);
    freeaddrinfo(all);
    return r;
}

/* The server has closed: what would be written now would be lost. */
static bool is_closed(const struct client *c)
{
    struct pollfd p = { .fd = c->fd, .events = POLLRDHUP };
    return poll(&p, 1, 0) > 0;
}

/* A connection by the settings of this moment. 1 = no server is wanted any more. */
static int connected(struct syslog_sender *s, struct errinfo *ei)
{
    _cleanup_(conf_unrefp) const struct conf *c = conf_pin();
    enum protocol p = (enum protocol)c->log.syslog_protocol;
    if (!*c->log.syslog_server)
        return 1;
    if (!s->server || strcmp(s->server, c->log.syslog_server) != 0 || s->protocol != p ||
        s->verify != c->log.syslog_verify || (s->stream && is_closed(s->stream)))
        disconnect(s);
    free(s->server);
    s->server = xstrdup(c->log.syslog_server);
    s->protocol = p;
    s->verify = c->log.syslog_verify;
    return s->stream || s->datagram >= 0 ? 0 : open_any(s, ei);
}

static bool next_message(struct sv *packet, struct sv *ret)
{
    struct log_frame f;
    if (packet->n < sizeof(f))
        return false;
    memcpy(&f, packet->p, sizeof(f));
    *ret = sv_take(sv_skip(*packet, sizeof(f)), f.n);
    *packet = sv_skip(*packet, sizeof(f) + f.n);
    return true;
}

static int send_stream(struct syslog_sender *s, struct sv packet, struct errinfo *ei)
{
    struct sv m;
    int r = 0;
    while (r == 0 && next_message(&packet, &m)) {
        char len[16];
        int n = snprintf(len, sizeof(len), "%zu ", m.n);
        r = client_write(s->stream, sv_n(len, (size_t)n), ei);
        if (r == 0)
            r = client_write(s->stream, m, ei);
    }
    return r < 0 ? r : client_flush(s->stream, ei);
}

static void fails(struct syslog_sender *s, const char *why)
{
    if (!s->failing)
        log_warn("log lines cannot be sent to the syslog server: %s; they wait, up to 8 MiB", why);
    s->failing = true;
}

/* The error of a datagram comes with the next one. */
static int send_datagrams(struct syslog_sender *s, struct sv packet, struct errinfo *ei)
{
    struct sv m;
    while (next_message(&packet, &m)) {
        m = sv_take(m, UDP_MAX);
        while (send(s->datagram, m.p, m.n, MSG_NOSIGNAL) < 0) {
            if (errno == ECONNREFUSED) {
                ctr_inc(CTR_syslog_lines_lost);
                if (!s->failing)
                    log_warn("log lines are lost: the syslog server %s refuses them", s->server);
                s->failing = true;
                s->refused_ms = clock_mono_ms();
            } else if (errno != EINTR) {
                return err_set_errno(ei, -errno, "%s", s->server);
            }
        }
    }
    return 0;
}

static void works(struct syslog_sender *s)
{
    if (!s->failing ||
        (s->protocol == UDP && s->refused_ms && clock_mono_ms() < s->refused_ms + UDP_QUIET_MS))
        return;
    s->failing = false;
    log_warn("log lines are sent to the syslog server %s again", s->server);
}

/* Waits; false: it is to end. */
static bool pause_for(struct syslog_sender *s, int ms)
{
    struct pollfd p = { .fd = s->wake, .events = POLLIN };
    (void)poll(&p, 1, ms);
    return !atomic_load(&s->cancel);
}

static void lose(struct sv packet)
{
    struct sv m;
    while (next_message(&packet, &m))
        ctr_inc(CTR_syslog_lines_lost);
}

/* Until it is sent, or there is no server; lost when the sender is to end before. */
static void send_packet(struct syslog_sender *s, struct sv packet)
{
    for (int wait = FIRST_PAUSE_MS;; wait = MIN(2 * wait, (int)LAST_PAUSE_MS)) {
        struct errinfo ei = { 0 };
        int r = connected(s, &ei);
        if (r > 0)
            return;
        if (r == 0)
            r = s->protocol == UDP ? send_datagrams(s, packet, &ei) : send_stream(s, packet, &ei);
        if (r == 0) {
            works(s);
            return;
        }
        disconnect(s);
        if (r != E_CANCELLED)
            fails(s, ei.text);
        if (!pause_for(s, wait)) {
            lose(packet);
            return;
        }
    }
}

static void *run(void *arg)
{
    struct syslog_sender *s = arg;
    os_thread_name("syslog");
    while (!atomic_load(&s->cancel)) {
        struct pollfd p[2] = { { .fd = s->wake, .events = POLLIN },
                               { .fd = s->fd, .events = POLLIN } };
        (void)poll(p, 2, -1);
        ssize_t n = recv(s->fd, s->packet, sizeof(s->packet), MSG_DONTWAIT);
        if (n == 0 && (p[1].revents & POLLHUP))
            break; /* the sink is gone */
        if (n > 0)
            send_packet(s, sv_n(s->packet, (size_t)n));
    }
    return NULL;
}

int syslog_sender_start(int fd, struct syslog_sender **ret, struct errinfo *ei)
{
    struct syslog_sender *s = xcalloc(1, sizeof(*s));
    s->fd = fd;
    s->datagram = -1;
    s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int e = s->wake < 0 ? errno : pthread_create(&s->thread, NULL, run, s);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (e) {
        closep(&s->wake);
        free(s);
        return err_set_errno(ei, -e, "cannot start the sender of log lines");
    }
    *ret = s;
    return 0;
}

void syslog_sender_stop(struct syslog_sender *s)
{
    uint64_t one = 1;
    if (!s)
        return;
    atomic_store(&s->cancel, true);
    (void)!write(s->wake, &one, sizeof(one));
    pthread_join(s->thread, NULL);
    disconnect(s);
    close(s->wake);
    free(s->server);
    free(s);
}
