/* The SMTP framer. One pass over content finds its end and tells whether it needs more than a copy.
 * A piece never ends between CR and LF or inside what may become the end of DATA: those few bytes
 * wait for more input. RFC 5321, RFC 3030. */
#include "proto/smtp_framer.h"

static int piece(struct smtp_piece *ret, enum smtp_piece_kind kind, struct sv data, size_t used,
                 unsigned has)
{
    *ret = (struct smtp_piece){ .kind = kind, .has = has, .data = data, .used = used };
    return 1;
}

/* No line end in sight: everything but a CR, which may be half of one. */
static int swallow_all(struct smtp_framer *f, struct sv in, enum smtp_piece_kind kind,
                       struct smtp_piece *ret)
{
    size_t n = in.p[in.n - 1] == '\r' ? in.n - 1 : in.n;
    if (n == 0)
        return 0;
    f->swallow = true;
    return piece(ret, kind, sv_take(in, n), n, 0);
}

static int next_line(struct smtp_framer *f, struct sv in, size_t max_line, struct smtp_piece *ret)
{
    const char *lf = memchr(in.p, '\n', in.n);
    if (!lf) {
        if (f->swallow)
            return swallow_all(f, in, SMTP_SWALLOW, ret);
        return in.n >= max_line ? swallow_all(f, in, SMTP_LONG, ret) : 0;
    }
    size_t used = (size_t)(lf - in.p) + 1;
    bool crlf = used >= 2 && lf[-1] == '\r';
    struct sv line = sv_take(in, used - (crlf ? 2 : 1));
    if (used > max_line && !f->swallow) /* its end is judged by itself */
        return swallow_all(f, line, SMTP_LONG, ret);
    if (!crlf) {
        f->swallow = true;
        return piece(ret, SMTP_BAD, line, used, SMTP_HAS_BARE_LF);
    }
    if (f->swallow) {
        f->swallow = false;
        return piece(ret, SMTP_SWALLOW, line, used, 0);
    }
    if (memchr(line.p, '\r', line.n) || memchr(line.p, '\0', line.n))
        return piece(ret, SMTP_BAD, line, used, 0);
    return piece(ret, SMTP_LINE, line, used, 0);
}

/* Bare CRs in p[0..n), which is followed by `more` further bytes. Returns the offset from which
 * bytes must wait because the next ones decide, or n. */
static size_t check_bare_cr(const char *p, size_t n, size_t more, unsigned *has)
{
    size_t at = 0;
    const char *cr;
    while (at < n && (cr = memchr(p + at, '\r', n - at))) {
        size_t i = (size_t)(cr - p);
        size_t behind = n + more - i - 1;
        if (behind == 0 || (behind == 1 && p[i + 1] == '.'))
            return i;
        if (behind >= 2 && p[i + 1] == '.' && p[i + 2] == '\r')
            *has |= SMTP_HAS_CR_DOT;
        at = i + 1;
    }
    return n;
}

/* At a line's begin that is a dot: 1 = the end of DATA, 0 = a stuffed line, -1 = more input
 * decides. */
static int dot_line(const char *p, size_t n)
{
    if (n < 2 || (n == 2 && p[1] == '\r'))
        return -1;
    return p[1] == '\r' && p[2] == '\n';
}

static int next_body(struct smtp_framer *f, struct sv in, struct smtp_piece *ret)
{
    size_t pos = 0;
    unsigned has = 0;
    while (pos < in.n) {
        const char *p = in.p + pos;
        size_t left = in.n - pos;
        if (f->bol && *p == '.') {
            int r = dot_line(p, left);
            if (r < 0)
                break;
            if (r > 0) {
                f->mode = SMTP_MODE_COMMAND;
                return piece(ret, SMTP_BODY_END, sv_take(in, pos), pos + 3, has);
            }
            has |= SMTP_HAS_DOT;
        }
        const char *lf = memchr(p, '\n', left);
        bool crlf = lf && lf > p && lf[-1] == '\r';
        size_t n = lf ? (size_t)(lf - p) - crlf : left;
        size_t safe = check_bare_cr(p, n, left - n, &has);
        if (safe < n) {
            pos += safe;
            f->bol = f->bol && safe == 0;
            break;
        }
        if (!lf) {
            pos = in.n;
            f->bol = false;
            break;
        }
        if (!crlf)
            has |= SMTP_HAS_BARE_LF;
        f->bol = crlf;
        pos += (size_t)(lf - p) + 1;
    }
    return pos ? piece(ret, SMTP_BODY, sv_take(in, pos), pos, has) : 0;
}

static unsigned scan_chunk(struct smtp_framer *f, struct sv in)
{
    unsigned has = 0;
    size_t at = 0;
    const char *lf;
    while (at < in.n && (lf = memchr(in.p + at, '\n', in.n - at))) {
        size_t i = (size_t)(lf - in.p);
        if ((i ? in.p[i - 1] : f->last[1]) != '\r') {
            has |= SMTP_HAS_BARE_LF;
            break;
        }
        at = i + 1;
    }
    char edge[4] = { f->last[0], f->last[1], in.p[0], in.n > 1 ? in.p[1] : 0 };
    if (memmem(edge, sizeof(edge), "\r.\r", 3) || memmem(in.p, in.n, "\r.\r", 3))
        has |= SMTP_HAS_CR_DOT;
    f->last[0] = in.n > 1 ? in.p[in.n - 2] : f->last[1];
    f->last[1] = in.p[in.n - 1];
    return has;
}

static int next_chunk(struct smtp_framer *f, struct sv in, struct smtp_piece *ret)
{
    struct sv data = sv_take(in, f->chunk_left < in.n ? (size_t)f->chunk_left : in.n);
    unsigned has = scan_chunk(f, data);
    f->chunk_left -= data.n;
    if (f->chunk_left)
        return piece(ret, SMTP_CHUNK, data, data.n, has);
    f->mode = SMTP_MODE_COMMAND;
    return piece(ret, SMTP_CHUNK_END, data, data.n, has);
}

int smtp_framer_next(struct smtp_framer *f, struct sv in, size_t max_line, struct smtp_piece *ret)
{
    if (in.n == 0)
        return 0;
    switch ((enum smtp_framer_mode)f->mode) {
    case SMTP_MODE_COMMAND:
        return next_line(f, in, max_line, ret);
    case SMTP_MODE_DATA:
        return next_body(f, in, ret);
    case SMTP_MODE_BDAT:
        return next_chunk(f, in, ret);
    }
    return 0;
}

void smtp_framer_data(struct smtp_framer *f)
{
    f->mode = SMTP_MODE_DATA;
    f->bol = true;
}

void smtp_framer_bdat(struct smtp_framer *f, uint64_t size, bool first)
{
    f->mode = SMTP_MODE_BDAT;
    f->chunk_left = size;
    if (first)
        f->last[0] = f->last[1] = 0;
}
