/* Replies as a client reads them (RFC 5321 4.2). Pure. */
#include "proto/smtp_reply.h"

#include "base/buf.h"

int smtp_reply_line(struct sv line, int *ret_code, bool *ret_last)
{
    if (line.n < 3)
        return E_PARSE;
    for (int i = 0; i < 3; i++)
        if (line.p[i] < '0' || line.p[i] > '9')
            return E_PARSE;
    if (line.n > 3 && line.p[3] != ' ' && line.p[3] != '-')
        return E_PARSE;
    *ret_code = (line.p[0] - '0') * 100 + (line.p[1] - '0') * 10 + (line.p[2] - '0');
    *ret_last = line.n == 3 || line.p[3] == ' ';
    return 0;
}

void smtp_reply_join(struct sv lines, char *ret, size_t cap)
{
    struct sv rest = lines, first = sv_split(&rest, '\n');
    struct buf b;
    buf_init(&b, cap - 1);
    struct sv words = sv_skip(first, 4), enhanced = sv_split(&words, ' ');
    (void)buf_addf(&b, SV_FMT " " SV_FMT, SV_ARG(sv_take(first, 3)), SV_ARG(sv_skip(first, 4)));
    while (rest.p) {
        struct sv text = sv_skip(sv_split(&rest, '\n'), 4);
        if (!text.n)
            continue;
        if (enhanced.n > 4 && sv_find(enhanced, '.') > 0 && sv_starts(text, enhanced))
            text = sv_trim(sv_skip(text, enhanced.n));
        struct sv room = sv_take(text, b.max - b.n > 1 ? b.max - b.n - 1 : 0);
        if (room.n) {
            (void)buf_add_c(&b, ' ');
            (void)buf_add_sv(&b, room);
        }
    }
    sv_copy(ret, cap, b.overflow ? sv_take(first, cap - 1) : buf_sv(&b));
    buf_done(&b);
}
