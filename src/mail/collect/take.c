/* A collected message becomes one of the queue, with trace fields of its own. */
#include <unistd.h>

#include "base/clock.h"
#include "mail/collect/collect_priv.h"
#include "os/file.h"
#include "proto/mime.h"

enum { FAR_TOO_LARGE = 32 * 1024 * 1024 };

void sink_begin(struct sink *s, struct attempt *x, const struct listed *l)
{
    *s = (struct sink){ .x = x, .m = message_new(), .fd = -1 };
    s->limit = x->cf->smtp.max_message_size ? (uint64_t)x->cf->smtp.max_message_size : UINT64_MAX;
    message_assign_ids(s->m);
    s->m->key = l->key;
    s->m->session_id = x->log.id;
    s->m->body_8bit = true;
    sv_copy(s->m->peer_ip, sizeof(s->m->peer_ip), sv_c(x->ip));
    struct rcpt *r = message_add_rcpt(s->m, sv_c(x->acc->address), RCPT_LOCAL);
    r->account_id = x->acc->id;
    buf_init(&s->mem, (size_t)x->cf->queue.memory_limit + MAX_CONTENT_LINE + 64 * KiB);
}

/* The envelope sender, as the server that delivered it there wrote it down; nothing else is
 * trusted with bounces. */
static void find_sender(struct message *m, struct sv content)
{
    static const struct sv name = { "Return-Path:", 12 };
    struct sv line = content;
    if (!sv_istarts(content, name))
        return;
    line = sv_trim(sv_skip(sv_split(&line, '\n'), name.n));
    if (line.n < 4 || line.n > 320 || line.p[0] != '<' || line.p[line.n - 1] != '>' ||
        sv_rfind(line, '@') < 0)
        return;
    line = sv_n(line.p + 1, line.n - 2);
    for (size_t i = 0; i < line.n; i++)
        if ((unsigned char)line.p[i] <= ' ' || line.p[i] == 127 || strchr("<>,;\"", line.p[i]))
            return;
    message_set(&m->sender, line);
}

/* The header, or as much of it as fits into memory, is there. */
static int begin_content(struct sink *s, struct errinfo *ei)
{
    struct attempt *x = s->x;
    struct sv content = buf_sv(&s->mem);
    char host[256], protocol[16];
    struct buf whole;
    s->begun = true;
    find_sender(s->m, content);
    s->m->hops = mime_count_received(content) + 1;
    s->circles = s->m->hops > (unsigned)x->cf->smtp.max_hops;
    if (*x->cf->system.hostname)
        sv_copy(host, sizeof(host), sv_c(x->cf->system.hostname));
    else if (gethostname(host, sizeof(host)) < 0)
        sv_copy(host, sizeof(host), SV("localhost"));
    host[sizeof(host) - 1] = '\0';
    snprintf(protocol, sizeof(protocol), "%s%s", x->r->protocol == REMOTE_IMAP ? "IMAP" : "POP3",
             client_is_tls(x->client) ? "S" : "");
    const struct trace_facts t = { .helo = sv_c(x->r->host),
                                   .peer_ip = sv_c(x->ip),
                                   .by = sv_c(host),
                                   .protocol = protocol,
                                   .id = sv_c(s->m->id),
                                   .for_rcpt = sv_c(x->acc->address),
                                   .wall_s = clock_wall_s() };
    buf_init(&whole, s->mem.max + 8 * KiB);
    int r = message_trace_headers(&t, sv_c(s->m->sender), &whole);
    if (r == 0)
        r = buf_add_sv(&whole, mime_without_return_path(content));
    if (r < 0) {
        buf_done(&whole);
        return err_set(ei, r, "no memory for a message");
    }
    buf_done(&s->mem);
    s->mem = whole;
    return 0;
}

static int write_out(struct sink *s, struct errinfo *ei)
{
    int r = s->begun ? 0 : begin_content(s, ei);
    if (r == 0 && s->fd < 0)
        r = queue_spool_begin(s->x->c->o.queue, s->m, &s->fd, ei);
    if (r == 0) {
        r = os_write_all(s->fd, s->mem.p, s->mem.n);
        if (r < 0)
            err_set_errno(ei, r, "cannot write a message");
    }
    s->m->size += s->mem.n;
    buf_reset(&s->mem);
    return r;
}

int sink_add(struct sink *s, struct sv in, struct errinfo *ei)
{
    s->total += in.n;
    s->too_large |= s->total > s->limit;
    if (s->too_large) {
        buf_reset(&s->mem);
        return s->total / 2 < s->limit + FAR_TOO_LARGE
                   ? 0
                   : err_set(ei, E_RANGE, "a message there has no end");
    }
    int r = buf_add_sv(&s->mem, in);
    if (r < 0)
        return err_set(ei, r, "no memory for a message");
    return s->mem.n > (uint64_t)s->x->cf->queue.memory_limit ? write_out(s, ei) : 0;
}

int sink_end(struct sink *s, struct errinfo *ei)
{
    int r = s->begun ? 0 : begin_content(s, ei);
    if (r < 0 || s->circles)
        return r;
    if (s->fd >= 0)
        r = write_out(s, ei);
    else
        message_take_content(s->m, &s->mem);
    if (r == 0)
        r = queue_accept(s->x->c->o.queue, s->m, ei);
    s->accepted = r == 0;
    return r;
}

void sink_done(struct sink *s)
{
    if (s->fd >= 0)
        close(s->fd);
    if (!s->accepted && *s->m->spool_path) /* else the queue's */
        (void)unlink(s->m->spool_path);
    buf_done(&s->mem);
    message_unref(s->m);
}
