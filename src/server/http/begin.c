/* Waits for the first connection, which starts the server. */
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "log/log.h"
#include "os/proc.h"
#include "server/http/http_priv.h"

static void *wait_for_first(void *arg)
{
    struct http *h = arg;
    struct pollfd p[HTTP_LISTEN_MAX + 1];
    size_t n = 0;
    bool come = false;

    os_thread_name("http-first");
    for (; n < h->n_waiting; n++)
        p[n] = (struct pollfd){ .fd = h->waiting[n].fd, .events = POLLIN };
    p[n] = (struct pollfd){ .fd = h->wake[0], .events = POLLIN };
    while (poll(p, n + 1, -1) < 0)
        if (errno != EINTR) {
            log_error("the web server cannot wait for connections: %s", strerror(errno));
            return NULL;
        }
    for (size_t i = 0; i < n; i++)
        come |= p[i].revents != 0;
    if (come && !p[n].revents)
        http_start(h);
    return NULL;
}

int http_wait_begin(struct http *h, struct errinfo *ei)
{
    if (!h->n_waiting)
        return 0;
    h->waits = pthread_create(&h->waiter, NULL, wait_for_first, h) == 0;
    return h->waits ? 0 : err_set(ei, E_TEMP, "the web server's threads cannot be started");
}

void http_wait_end(struct http *h)
{
    if (!h->waits)
        return;
    if (write(h->wake[1], "x", 1) < 0)
        log_error("web server: stop: %s", strerror(errno));
    pthread_join(h->waiter, NULL);
    h->waits = false;
}
