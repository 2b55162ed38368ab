/* HTML to the text that a reader sees, about. */
#include "proto/mime.h"

void mime_html_text(struct sv in, struct buf *out)
{
    static const struct {
        struct sv name;
        char c;
    } entities[] = { { { "&amp;", 5 }, '&' },  { { "&lt;", 4 }, '<' },   { { "&gt;", 4 }, '>' },
                     { { "&quot;", 6 }, '"' }, { { "&#39;", 5 }, '\'' }, { { "&nbsp;", 6 }, ' ' } };
    while (in.n) {
        if (*in.p == '<') {
            bool script = sv_istarts(in, SV("<script")), style = sv_istarts(in, SV("<style"));
            ssize_t end = script                      ? sv_ifind_sv(in, SV("</script"))
                          : style                     ? sv_ifind_sv(in, SV("</style"))
                          : sv_starts(in, SV("<!--")) ? sv_find_sv(in, SV("-->"))
                                                      : 0;
            in = sv_skip(in, end > 0 ? (size_t)end : 0);
            end = sv_find(in, '>');
            in = end < 0 ? SV_NULL : sv_skip(in, (size_t)end + 1);
            continue;
        }
        size_t used = 1;
        char c = *in.p;
        for (size_t i = 0; c == '&' && i < ARRAY_LEN(entities); i++) {
            if (!sv_istarts(in, entities[i].name))
                continue;
            c = entities[i].c;
            used = entities[i].name.n;
            break;
        }
        (void)buf_add_c(out, c);
        in = sv_skip(in, used);
    }
}
