/* Wires the HTTP server to the API. */
#include "proc/web.h"

#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <unistd.h>

#include "conf/patterns.h"
#include "server/api/web.h"
#include "server/http/http.h"

struct web {
    struct module_ctx *m;
    struct api *api;
    pthread_mutex_t lock; /* guards http against its end */
    struct http *http;
};

static bool trusted(const char *ip)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();

    return conf_trusts_ip(cf, ip);
}

/* Indexes of net.access_mode and web.access_mode. */
enum { ACCESS_OFF, ACCESS_GRANT, ACCESS_DENY };

static bool allowed_by(const struct conf *cf, int64_t mode, const char *list, const char *ip)
{
    if (mode == ACCESS_OFF)
        return true;
    return conf_lists_ip(cf, conf_find(sv_c(list)), ip) == (mode == ACCESS_GRANT);
}

static bool allowed(const char *ip)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();

    return allowed_by(cf, cf->net.access_mode, "net.access_ips", ip) &&
           allowed_by(cf, cf->web.access_mode, "web.access_ips", ip);
}

/* web.console_path, else share/posthorn/console beside the program's directory, else where `make
 * console` builds it. free() it. */
static char *console_path(const struct conf *cf)
{
    char exe[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    char *dir, *path;

    if (*cf->web.console_path)
        return xstrdup(cf->web.console_path);
    exe[MAX(n, 0)] = '\0';
    dir = dirname(exe);
    path = xasprintf("%s/../share/posthorn/console", dir);
    if (access(path, R_OK) == 0)
        return path;
    free(path);
    path = xasprintf("%s/console", dir);
    if (access(path, R_OK) == 0)
        return path;
    free(path);
    return xasprintf("%s/../build/console", dir);
}

static int serve(void *arg, int fd, bool tls, struct errinfo *ei)
{
    struct web *w = arg;

    return http_listen(w->http, fd, tls, ei);
}

int web_start(struct module_ctx *m, struct admin *admin, struct web **ret, struct errinfo *ei)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    _cleanup_(freep) char *logs = boot_log_path(&m->boot, cf), *host = boot_hostname(cf),
                          *certs = boot_path(&m->boot, "certs"), *console = console_path(cf);
    struct web *w = xcalloc(1, sizeof(*w));
    int r;

    w->m = m;
    pthread_mutex_init(&w->lock, NULL);
    w->api = api_new(&(struct api_opts){ .admin = admin, .log_dir = logs, .hostname = host });
    r = http_new(&(struct http_opts){ .handler = api_web_handler(w->api),
                                      .console_path = console,
                                      .cert_dir = cf->net.tls ? certs : NULL,
                                      .allowed = allowed,
                                      .trusted = trusted },
                 &w->http, ei);
    *ret = w;
    if (r == 0)
        r = module_each_socket(m, SVC_CONTROL, serve, w, ei);
    return r < 0 ? r : http_begin(w->http, ei);
}

void web_reload(struct web *w)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    _cleanup_(freep) char *logs = boot_log_path(&w->m->boot, cf);

    api_set_log_dir(w->api, logs);
    http_reload(w->http);
}

bool web_end_session(struct web *w, uint32_t id)
{
    bool ended;

    pthread_mutex_lock(&w->lock);
    ended = w->http && http_session_end(w->http, id);
    pthread_mutex_unlock(&w->lock);
    return ended;
}

struct api *web_api(struct web *w)
{
    return w->api;
}

void web_stop(struct web *w)
{
    struct http *h;

    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    h = take_ptr(w->http);
    pthread_mutex_unlock(&w->lock);
    http_stop(h);
}

void web_free(struct web *w)
{
    if (!w)
        return;
    api_free(w->api);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
