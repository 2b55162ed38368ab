/* Decoding of SMTP content, line by line where a piece needs it, in one copy where it does not.
 * RFC 5321 4.5.2. */
#include "proto/smtp_body.h"

#include "proto/smtp_framer.h"

void smtp_body_begin(struct smtp_body *b, bool dots, bool normalize)
{
    *b = (struct smtp_body){ .dots = dots, .normalize = normalize, .bol = true };
}

static int add_lines(struct smtp_body *b, struct sv in, struct buf *out)
{
    while (in.n) {
        if (b->dots && b->bol && *in.p == '.') {
            in = sv_skip(in, 1);
            b->bol = b->cr = false;
            continue;
        }
        const char *lf = memchr(in.p, '\n', in.n);
        if (!lf) {
            b->bol = false;
            b->cr = in.p[in.n - 1] == '\r';
            return buf_add_sv(out, in);
        }
        size_t n = (size_t)(lf - in.p);
        bool crlf = n ? lf[-1] == '\r' : b->cr;
        buf_add(out, in.p, n);
        if (!crlf && b->normalize)
            buf_add_c(out, '\r');
        if (buf_add_c(out, '\n') < 0)
            return -ENOMEM;
        b->bol = crlf;
        b->cr = false;
        in = sv_skip(in, n + 1);
    }
    return 0;
}

int smtp_body_add(struct smtp_body *b, struct sv in, unsigned has, struct buf *out)
{
    if (in.n == 0)
        return 0;
    if ((b->dots && (has & SMTP_HAS_DOT)) || (b->normalize && (has & SMTP_HAS_BARE_LF)))
        return add_lines(b, in, out);
    bool cr = in.n > 1 ? in.p[in.n - 2] == '\r' : b->cr;
    b->bol = in.p[in.n - 1] == '\n' && cr;
    b->cr = in.p[in.n - 1] == '\r';
    return buf_add_sv(out, in);
}
