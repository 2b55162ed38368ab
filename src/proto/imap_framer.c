/* The framer: lines, announced literals, pieces of literals, oversized lines. Runs wherever the
 * connection's owner is; never blocks, never allocates. RFC 3501 section 2.2.1. */
#include "proto/imap_framer.h"
#include "proto/imap_parse.h"

/* An oversized line is dropped but for its end, which may announce a literal. */
enum { KEEP_TAIL = 24 };

static int next_of_long_line(struct sv in, struct imap_frame *ret)
{
    ssize_t lf = sv_find(in, '\n');
    if (lf < 0) {
        if (in.n <= KEEP_TAIL)
            return 0;
        *ret = (struct imap_frame){ IMAP_SKIP, SV_NULL, in.n - KEEP_TAIL };
        return 1;
    }
    size_t n = (size_t)lf;
    struct sv tail = sv_n(in.p, n && in.p[n - 1] == '\r' ? n - 1 : n);
    *ret = (struct imap_frame){ IMAP_LONG_END, tail, n + 1 };
    return 1;
}

static bool is_clean(struct sv line)
{
    return line.n == 0 || (!memchr(line.p, '\0', line.n) && !memchr(line.p, '\r', line.n));
}

int imap_framer_next(struct imap_framer *f, struct sv in, struct imap_frame *ret)
{
    if (in.n == 0)
        return 0;
    if (f->literal_left) {
        size_t n = in.n < f->literal_left ? in.n : (size_t)f->literal_left;
        *ret = (struct imap_frame){ IMAP_CHUNK, sv_n(in.p, n), n };
        return 1;
    }
    if (f->skipping)
        return next_of_long_line(in, ret);
    size_t from = MIN((size_t)f->scanned, in.n);
    ssize_t lf = sv_find(sv_skip(in, from), '\n');
    if (lf < 0 && in.n <= f->max_line) {
        f->scanned = (uint32_t)in.n;
        return 0;
    }
    size_t n = lf < 0 ? in.n : from + (size_t)lf;
    if (n > f->max_line) {
        *ret = (struct imap_frame){ IMAP_LONG, sv_n(in.p, f->max_line), f->max_line };
        return 1;
    }
    bool crlf = n && in.p[n - 1] == '\r';
    struct sv line = sv_n(in.p, crlf ? n - 1 : n);
    uint64_t size;
    bool nonsync;
    *ret = (struct imap_frame){ IMAP_LINE, line, n + 1 };
    if (!crlf || !is_clean(line))
        ret->kind = IMAP_BAD_LINE;
    else if (!f->raw && imap_line_literal(line, &size, &nonsync))
        ret->kind = IMAP_PART;
    return 1;
}

void imap_framer_took(struct imap_framer *f, int kind, size_t used)
{
    f->scanned = 0;
    if (kind == IMAP_CHUNK)
        f->literal_left -= MIN(f->literal_left, (uint64_t)used);
    else if (kind == IMAP_LONG)
        f->skipping = true;
    else if (kind == IMAP_LONG_END)
        f->skipping = false;
}
