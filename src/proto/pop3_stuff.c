/* Copies in large pieces: only lines that begin with a dot need a look. */
#include "proto/pop3_stuff.h"

void pop3_stuff_init(struct pop3_stuff *s)
{
    *s = (struct pop3_stuff){ 0 };
}

void pop3_stuff_top(struct pop3_stuff *s, uint64_t lines)
{
    *s = (struct pop3_stuff){ .limited = true, .lines = lines };
}

static int feed_whole(struct pop3_stuff *s, struct sv in, struct buf *out)
{
    if (!s->mid_line && *in.p == '.')
        buf_add_c(out, '.');
    while (in.n) {
        const char *hit = memmem(in.p, in.n, "\n.", 2);
        struct sv part = sv_take(in, hit ? (size_t)(hit - in.p) + 1 : in.n);

        buf_add_sv(out, part);
        if (hit)
            buf_add_c(out, '.');
        in = sv_skip(in, part.n);
        s->mid_line = part.p[part.n - 1] != '\n';
    }
    return out->overflow ? -ENOMEM : 0;
}

/* One line or its beginning. */
static void feed_part(struct pop3_stuff *s, struct sv part, struct buf *out)
{
    bool ends = part.p[part.n - 1] == '\n';
    /* An empty line may come in two pieces: CR, then LF. */
    bool empty = sv_eq(part, SV("\n")) || (!s->mid_line && sv_eq(part, SV("\r\n")));

    if (!s->mid_line && *part.p == '.')
        buf_add_c(out, '.');
    buf_add_sv(out, part);
    if (s->in_body) {
        if (ends && --s->lines == 0)
            s->done = true;
    } else if (ends) {
        if (!s->line_has_text && empty) {
            s->in_body = true;
            s->done = s->lines == 0;
        }
        s->line_has_text = false;
    } else if (s->mid_line || !sv_eq(part, SV("\r"))) {
        s->line_has_text = true;
    }
    s->mid_line = !ends;
}

int pop3_stuff_feed(struct pop3_stuff *s, struct sv in, struct buf *out)
{
    if (!in.n)
        return 0;
    if (!s->limited)
        return feed_whole(s, in, out);
    while (in.n && !s->done) {
        ssize_t eol = sv_find(in, '\n');
        struct sv part = sv_take(in, eol < 0 ? in.n : (size_t)eol + 1);

        feed_part(s, part, out);
        in = sv_skip(in, part.n);
    }
    return out->overflow ? -ENOMEM : 0;
}

int pop3_stuff_end(struct pop3_stuff *s, struct buf *out)
{
    if (s->mid_line)
        buf_add_str(out, "\r\n"); /* also after a lone CR, which is content */
    return buf_add_str(out, ".\r\n");
}
