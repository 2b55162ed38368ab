/* A rule's text with or without `off`; all else stays as it was written. */
#include "base/buf.h"
#include "proto/filter/filter_priv.h"

int filter_turn(struct sv text, bool off, struct buf *ret)
{
    _cleanup_(arena_done) struct arena a;
    struct filter_lexer x = { .in = text, .line = 1, .a = &a };
    arena_init(&a, 2 * FILTER_MAX_TEXT);
    filter_lex(&x);
    if (x.t.kind != FT_WORD || !sv_ieq(x.t.text, SV("rule")))
        return E_PARSE;
    filter_lex(&x);
    if (x.t.kind != FT_STRING)
        return E_PARSE;
    size_t name_end = x.at;
    filter_lex(&x);
    bool was = x.t.kind == FT_WORD && sv_ieq(x.t.text, SV("off"));
    if (was == off)
        return buf_add_sv(ret, text);
    size_t from = name_end, to = name_end; /* what goes */
    if (was) {
        to = x.at;
        from = to - x.t.text.n;
        from -= text.p[from - 1] == ' ';
    }
    int r = buf_add_sv(ret, sv_take(text, from));
    if (r == 0 && off)
        r = buf_add_str(ret, " off");
    return r < 0 ? r : buf_add_sv(ret, sv_skip(text, to));
}
