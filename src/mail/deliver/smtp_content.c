/* The content of a message as a transaction sends it: without its Return-Path, dots doubled, and
 * with the URL of a list's member where the message has one for each. */
#include "base/codec.h"
#include "mail/account/unsubscribe.h"
#include "mail/deliver/smtp_client.h"
#include "proto/mime.h"
#include "stats/shm.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    CHUNK = 64 * 1024,
    FIRST_FIELD = 4096,
    HEADERS = 64 * 1024,
    URL_MAX = 900, /* a line has 998 characters at most */
};

/* Length of a Return-Path field at the beginning, 0 without. */
static size_t return_path_length(struct sv start)
{
    if (!sv_istarts(start, SV("Return-Path:")))
        return 0;
    for (size_t i = 0; i + 1 < start.n; i++)
        if (start.p[i] == '\n' && start.p[i + 1] != ' ' && start.p[i + 1] != '\t')
            return i + 1;
    return 0;
}

int content_open(const struct message *m, struct outgoing_content *ret)
{
    *ret = (struct outgoing_content){ .fd = -1 };
    if (m->content.p) {
        ret->mem = sv_skip(m->content, return_path_length(m->content));
        ret->end = ret->mem.n;
        return 0;
    }
    char start[FIRST_FIELD];
    struct stat st;
    _cleanup_(closep) int fd = open(m->spool_path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    ssize_t n = pread(fd, start, sizeof(start), 0);
    if (n < 0)
        return -errno;
    ret->at = return_path_length(sv_n(start, (size_t)n));
    ret->end = (uint64_t)st.st_size;
    ret->fd = take_fd(&fd);
    return 0;
}

void content_close(struct outgoing_content *c)
{
    closep(&c->fd);
    buf_done(&c->front);
}

uint64_t content_left(const struct outgoing_content *c)
{
    return c->front.n + c->end - c->at;
}

/* The list's message begins with List-Unsubscribe (list.c): the URL comes in front of what it has.
 */
int one_click_open(struct smtp_client *s, const struct rcpt *r, struct outgoing_content *c)
{
    static const char field[] = "List-Unsubscribe: ";
    _cleanup_(buf_done) struct buf url = { 0 };
    char base[300];
    if (*s->cf->web.public_url)
        snprintf(base, sizeof(base), "%s", s->cf->web.public_url);
    else
        snprintf(base, sizeof(base), "https://%s", s->our_name);
    buf_init(&url, 4 * KiB);
    int e = unsubscribe_url(s->d->accounts, base, sv_c(r->original), sv_c(r->address), &url, NULL);
    if (e < 0 || url.n > URL_MAX)
        return MIN(e, 0);
    buf_init(&c->front, 8 * KiB);
    c->at += strlen(field);
    return buf_addf(&c->front, "%s<" SV_FMT ">,\r\n\t", field, SV_ARG(buf_sv(&url)));
}

uint64_t content_size(const struct message *m)
{
    struct outgoing_content c;
    if (content_open(m, &c) < 0)
        return m->size;
    uint64_t n = content_left(&c);
    content_close(&c);
    return n;
}

bool content_headers_8bit(const struct outgoing_content *c)
{
    if (c->fd < 0)
        return sv_has_8bit(sv_take(c->mem, mime_header_length(c->mem)));
    char *p = xmalloc(HEADERS);
    ssize_t n = pread(c->fd, p, HEADERS, (off_t)c->at);
    struct sv start = sv_n(p, n > 0 ? (size_t)n : 0);
    bool yes = sv_has_8bit(sv_take(start, mime_header_length(start)));
    free(p);
    return yes;
}

/* The next piece; empty at the end. */
static int next_piece(struct outgoing_content *c, char *chunk, struct sv *ret)
{
    if (c->fd < 0) {
        *ret = sv_skip(c->mem, c->at);
        c->at = c->mem.n;
        return 0;
    }
    ssize_t n = pread(c->fd, chunk, MIN((uint64_t)CHUNK, c->end - c->at), (off_t)c->at);
    if (n < 0)
        return -errno;
    c->at += (uint64_t)n;
    *ret = sv_n(chunk, (size_t)n);
    return 0;
}

/* A dot at the beginning of a line is doubled (RFC 5321 4.5.2), also after a bare LF: some servers
 * take that for a line end. *tail keeps the last two bytes sent. */
static int send_stuffed(struct smtp_client *s, struct sv piece, char tail[2])
{
    struct errinfo ei;
    while (piece.n) {
        int r = 0;
        if (piece.p[0] == '.' && tail[1] == '\n')
            r = client_write(s->c, SV("."), &ei);
        const char *dot = memmem(piece.p, piece.n, "\n.", 2);
        struct sv run = sv_take(piece, dot ? (size_t)(dot - piece.p) + 1 : piece.n);
        if (r >= 0)
            r = client_write(s->c, run, &ei);
        if (r < 0)
            return r;
        tail[0] = run.n > 1 ? run.p[run.n - 2] : tail[1];
        tail[1] = run.p[run.n - 1];
        piece = sv_skip(piece, run.n);
    }
    return 0;
}

int smtp_send_content(struct smtp_client *s, struct outgoing_content *c)
{
    char *chunk = c->fd < 0 ? NULL : xmalloc(CHUNK);
    char tail[2] = { '\r', '\n' };
    struct errinfo ei;
    struct sv piece = SV("");
    int r;
    client_set_timeout(s->c, s->cf->deliver.data_timeout);
    r = send_stuffed(s, buf_sv(&c->front), tail);
    while (r >= 0) {
        r = next_piece(c, chunk, &piece);
        if (r >= 0)
            r = send_stuffed(s, piece, tail);
        shm_session_bytes(s->slot, 0, piece.n);
        if (!piece.n)
            break;
    }
    if (r >= 0)
        r = client_write(s->c, tail[0] == '\r' && tail[1] == '\n' ? SV(".\r\n") : SV("\r\n.\r\n"),
                         &ei);
    if (r >= 0)
        r = client_flush(s->c, &ei);
    s->timed_out = r == E_TIMEOUT;
    free(chunk);
    return r;
}
