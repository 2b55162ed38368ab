/* The whole message before the milters, and what they and filter rules change: the content is
 * written anew, to memory or to another spool file. */
#include "server/smtp/smtp_priv.h"

#include <fcntl.h>
#include <unistd.h>

#include "os/file.h"

enum { COPY = 256 * 1024 };

/* A spool file that belongs to no message. */
static int spool_file(struct smtp_session *s, int *ret_fd, char **ret_path, struct errinfo *ei)
{
    struct message *scratch = message_new();
    int r = queue_spool_begin(s->srv->queue, scratch, ret_fd, ei);
    if (r == 0)
        *ret_path = sv_dup(sv_c(scratch->spool_path));
    message_unref(scratch);
    return r;
}

static int scratch(void *arg, int *ret_fd, struct errinfo *ei)
{
    char *path;
    int r = spool_file(arg, ret_fd, &path, ei);
    if (r < 0)
        return r;
    (void)unlink(path);
    free(path);
    return 0;
}

static int write_out(int fd, struct sv bytes)
{
    int r = os_write_all(fd, bytes.p, bytes.n);
    return r == -ENOSPC || r == -EDQUOT ? E_FULL : r < 0 ? E_TEMP : 0;
}

/* head: trace headers and header. */
static int to_file(struct smtp_session *s, const struct edit *e, struct sv head)
{
    struct smtp_rx *rx = &s->tx->rx;
    struct message *m = s->tx->m;
    char *path;
    int fd;
    int r = spool_file(s, &fd, &path, NULL);
    if (r < 0)
        return r;
    char *chunk = xmalloc(COPY);
    r = write_out(fd, head);
    for (uint64_t at = 0; r == 0 && at < e->body_size;) {
        ssize_t n = edit_read_body(e, at, chunk, COPY);
        r = n <= 0 ? E_TEMP : write_out(fd, sv_n(chunk, (size_t)n));
        at += n > 0 ? (uint64_t)n : 0;
    }
    free(chunk);
    if (r < 0) {
        close(fd);
        (void)unlink(path);
    } else {
        if (rx->fd >= 0) {
            close(rx->fd);
            (void)unlink(m->spool_path);
        }
        rx->fd = fd;
        rx->spooled = head.n + e->body_size;
        buf_done(&rx->mem);
        message_set(&m->spool_path, sv_c(path));
    }
    free(path);
    return r;
}

static int to_memory(struct smtp_session *s, const struct edit *e, struct buf *head)
{
    struct smtp_rx *rx = &s->tx->rx;
    size_t n = (size_t)e->body_size;
    head->max = head->n + n + 1;
    if (buf_reserve(head, n) < 0 || edit_read_body(e, 0, head->p + head->n, n) != (ssize_t)n)
        return E_TEMP;
    head->n += n;
    buf_done(&rx->mem);
    rx->mem = *head;
    *head = (struct buf){ 0 };
    return 0;
}

int smtp_edit_write(struct smtp_session *s, const struct edit *e)
{
    struct smtp_rx *rx = &s->tx->rx;
    struct buf head;
    buf_init(&head, (size_t)edit_header_size(e) + 64 * KiB);
    int r = smtp_rx_trace(s, &head);
    size_t trace = head.n;
    edit_put_header(e, &head);
    if (r < 0 || head.overflow)
        r = E_TEMP;
    else if (rx->fd < 0 && head.n + e->body_size <= rx->memory_limit)
        r = to_memory(s, e, &head);
    else
        r = to_file(s, e, buf_sv(&head));
    buf_done(&head);
    if (r == 0)
        rx->trace = rx->prefix = trace;
    return r;
}

/* An address as milters give it, with brackets or without; false, and a line in the log: it is
 * none.
 */
static bool parse(struct smtp_session *s, const char *text, struct smtp_path *ret)
{
    if (smtp_parse_path(sv_c(text), ret) != SMTP_ARG_OK) {
        log_line(&s->log, LOG_SUMMARY, "A milter gave '%s', which is no address: left out", text);
        return false;
    }
    s->tx->m->smtputf8 |= ret->utf8;
    return true;
}

static void change_envelope(struct smtp_session *s, const struct edit *e)
{
    struct message *m = s->tx->m;
    struct smtp_path path;
    if (e->sender && parse(s, e->sender, &path))
        message_set(&m->sender, path.address);
    for (size_t i = 0; i < e->n_rcpts; i++) {
        if (!parse(s, e->rcpts[i].address, &path) || path.address.n == 0)
            continue;
        if (e->rcpts[i].add)
            smtp_add_rcpt(s, path.address);
        else
            smtp_delete_rcpt(s, path.address);
    }
    m->held |= e->quarantine != NULL;
}

bool smtp_edit_open(struct smtp_session *s, struct edit *ret)
{
    const struct smtp_rx *rx = &s->tx->rx;
    uint64_t max = smtp_max_message(s);
    *ret = (struct edit){
        .fd = rx->fd,
        .offset = rx->trace,
        .scratch = scratch,
        .arg = s,
        .max_body = max ? max : 4096 * MiB,
    };
    if (rx->fd < 0)
        ret->mem = sv_skip(buf_sv(&rx->mem), rx->trace);
    ret->size = rx->fd < 0 ? ret->mem.n : rx->spooled - rx->trace;
    int error = edit_open(ret, NULL);
    if (error == E_RANGE) /* letting it pass unseen would be a way around them */
        smtp_rx_refuse(s, SV("554 5.3.4 Message header size exceeds the maximum of filters"));
    if (error < 0 && error != E_RANGE) {
        s->tx->rx.error = E_TEMP;
        (void)smtp_rx_check(s);
    }
    return error == 0;
}

static bool ask(struct smtp_session *s, struct edit *e)
{
    struct milter_result r;
    enum milter_verdict v = milters_message(s->milters, e, &r);
    if (v != MILTERS_PASS) {
        smtp_milter_refuse(s, v, &r);
        return false;
    }
    if (milters_discard(s->milters))
        return true;
    change_envelope(s, e);
    if (e->changed || e->sender)
        s->tx->rx.error = smtp_edit_write(s, e);
    return smtp_rx_check(s);
}

bool smtp_milter_message(struct smtp_session *s)
{
    struct edit e;
    if (!smtp_may_ask_milters(s) || milters_discard(s->milters))
        return true;
    bool ok = smtp_edit_open(s, &e) && ask(s, &e);
    edit_done(&e);
    return ok;
}
