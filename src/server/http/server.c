/* Starting and stopping: one libmicrohttpd daemon per listening socket, one set of workers. */
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "log/log.h"
#include "os/file.h"
#include "server/http/http_priv.h"

#define ANSWERED_MS 1000 /* at the end: for clients to take what they asked for */

/* Unescaping would lose where a %2F was. */
static size_t keep_escapes(void *arg _unused_, struct MHD_Connection *c _unused_, char *s)
{
    return strlen(s);
}

/* libmicrohttpd reports every connection that a peer cuts short. */
static void drop_message(void *arg _unused_, const char *fmt _unused_, va_list ap _unused_)
{
}

int http_new(const struct http_opts *o, struct http **ret, struct errinfo *ei)
{
    struct http *h = xcalloc(1, sizeof(*h));

    h->o = *o;
    h->console_path = xstrdup(o->console_path);
    h->cert_dir = o->cert_dir ? xstrdup(o->cert_dir) : NULL;
    h->wake[0] = h->wake[1] = -1;
    pthread_mutex_init(&h->begin_lock, NULL);
    h->per_ip = map_new();
    h->bodies_ips = map_new();
    list_init(&h->peers);
    list_init(&h->jobs);
    list_init(&h->delayed);
    pthread_mutex_init(&h->peers_lock, NULL);
    pthread_mutex_init(&h->jobs_lock, NULL);
    pthread_cond_init(&h->jobs_come, NULL);
    pthread_cond_init(&h->timer_wakes, NULL);
    pthread_cond_init(&h->peers_change, NULL);
    *ret = h;
    return pipe2(h->wake, O_CLOEXEC) < 0 ? err_set_errno(ei, -errno, "pipe") : 0;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage a = { 0 };
    socklen_t n = sizeof(a);

    if (getsockname(fd, (struct sockaddr *)&a, &n) < 0)
        return 0;
    return ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)(void *)&a)->sin6_port
                                         : ((struct sockaddr_in *)(void *)&a)->sin_port);
}

int http_listen(struct http *h, int fd, bool tls, struct errinfo *ei)
{
    if (tls && !h->cert_dir) {
        close(fd);
        return 0;
    }
    if (h->n_waiting == HTTP_LISTEN_MAX) {
        close(fd);
        return err_set(ei, E_LIMIT, "web.listen: more than %d addresses", HTTP_LISTEN_MAX);
    }
    if (tls && !h->tls_port)
        h->tls_port = port_of(fd);
    h->waiting[h->n_waiting].fd = fd;
    h->waiting[h->n_waiting++].tls = tls;
    return 0;
}

int http_begin(struct http *h, struct errinfo *ei)
{
    return http_wait_begin(h, ei);
}

static int serve(struct http *h, int fd, bool tls, struct errinfo *ei)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC |
                     (tls ? MHD_USE_TLS : 0);
    const char *priorities = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"; /* see cert.c */
    struct MHD_OptionItem tls_options[] = {
        { MHD_OPTION_HTTPS_CERT_CALLBACK2, 0, (void *)(intptr_t)http_cert_callback },
        { MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(intptr_t)priorities },
        { MHD_OPTION_END, 0, NULL },
    };
    struct MHD_OptionItem none[] = { { MHD_OPTION_END, 0, NULL } };
    struct MHD_Daemon *d;

    if (tls && !h->cert_dir) {
        close(fd);
        return 0;
    }
    d = lib_mhd.MHD_start_daemon(
        flags, 0, http_accept, h, http_access, h, MHD_OPTION_EXTERNAL_LOGGER, drop_message, NULL,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED, http_completed, h,
        MHD_OPTION_NOTIFY_CONNECTION, http_notify, h, MHD_OPTION_URI_LOG_CALLBACK, http_uri_begin,
        h, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        HTTP_HEAD_MAX, MHD_OPTION_CONNECTION_LIMIT, (unsigned)cf->web.max_connections + 8,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)(cf->web.request_timeout / 1000),
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_ARRAY,
        tls ? tls_options : none, MHD_OPTION_END);
    if (!d) {
        close(fd);
        return err_set(ei, E_TEMP, "the web server cannot serve its socket");
    }
    h->daemons[h->n_daemons++] = d;
    return 0;
}

static int start_all(struct http *h, struct errinfo *ei)
{
    int r = http_libs_load(ei);

    if (r < 0)
        return r;
    h->files = files_new(h->console_path);
    if (h->cert_dir && http_certs_load(h->cert_dir, ei) < 0)
        log_error("%s; the web server refuses TLS until one is there and it reloads", ei->text);
    h->begun = true;
    r = http_workers_start(h, ei);
    for (size_t i = 0; i < h->n_waiting && r == 0; i++)
        r = serve(h, take_fd(&h->waiting[i].fd), h->waiting[i].tls, ei);
    return r;
}

void http_start(struct http *h)
{
    struct errinfo ei = { 0 };
    int r;

    pthread_mutex_lock(&h->begin_lock);
    r = start_all(h, &ei);
    pthread_mutex_unlock(&h->begin_lock);
    if (r < 0)
        log_error("the web server cannot start: %s", ei.text);
}

void http_reload(struct http *h)
{
    struct errinfo ei;

    pthread_mutex_lock(&h->begin_lock);
    if (h->begun) {
        files_scan(h->files);
        if (h->cert_dir && http_certs_load(h->cert_dir, &ei) < 0)
            log_error("certificates of the web server were not reloaded: %s", ei.text);
    }
    pthread_mutex_unlock(&h->begin_lock);
}

/* Nothing may be suspended when a daemon stops: first streams and jobs end, then connections. */
void http_stop(struct http *h)
{
    http_wait_end(h);
    for (size_t i = 0; i < h->n_daemons; i++) {
        int fd = lib_mhd.MHD_quiesce_daemon(h->daemons[i]);

        if (fd >= 0)
            close(fd);
    }
    h->o.handler.end_streams(h->o.handler.arg);
    http_workers_stop(h);
    h->o.handler.end_streams(h->o.handler.arg); /* those that the last jobs opened */
    http_wait_answered(h, ANSWERED_MS);
    for (size_t i = 0; i < h->n_daemons; i++)
        lib_mhd.MHD_stop_daemon(h->daemons[i]);
    if (h->begun) {
        http_certs_unload();
        files_free(h->files);
    }
    for (size_t i = 0; i < h->n_waiting; i++)
        closep(&h->waiting[i].fd);
    closep(&h->wake[0]);
    closep(&h->wake[1]);
    pthread_mutex_destroy(&h->begin_lock);
    map_free(h->per_ip, NULL);
    map_free(h->bodies_ips, NULL);
    pthread_cond_destroy(&h->jobs_come);
    pthread_cond_destroy(&h->timer_wakes);
    pthread_cond_destroy(&h->peers_change);
    pthread_mutex_destroy(&h->jobs_lock);
    pthread_mutex_destroy(&h->peers_lock);
    free(h->console_path);
    free(h->cert_dir);
    free(h);
}
