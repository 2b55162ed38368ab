/* RFC 5804 sections 1.2 and 4. */
#include "proto/managesieve.h"

#define QUOTED_MAX 1024

static int one(struct imap_in *in, char kind, size_t *n_strings, struct managesieve_args *ret)
{
    int r = imap_sp(in);
    if (r < 0)
        return r;
    if (kind == 'n')
        return imap_u64(in, &ret->number);
    return imap_string(in, &ret->string[(*n_strings)++]);
}

int managesieve_args(struct imap_in *in, const char *form, struct managesieve_args *ret)
{
    size_t n_strings = 0;
    bool may_miss = false;
    *ret = (struct managesieve_args){ 0 };
    for (; *form; form++) {
        if (*form == '?') {
            may_miss = true;
            continue;
        }
        struct imap_in at_end = *in;
        if (may_miss && imap_end(&at_end))
            return 0;
        if (one(in, *form, &n_strings, ret) < 0)
            return E_PARSE;
        ret->n++;
    }
    return imap_end(in) ? 0 : E_PARSE;
}

static bool fits_quotes(struct sv s)
{
    if (s.n > QUOTED_MAX)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '\r' || s.p[i] == '\n' || s.p[i] == '\0')
            return false;
    return true;
}

void managesieve_put_string(struct buf *out, struct sv s)
{
    if (!fits_quotes(s)) {
        buf_addf(out, "{%zu}\r\n", s.n);
        buf_add_sv(out, s);
        return;
    }
    buf_add_c(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"' || s.p[i] == '\\')
            buf_add_c(out, '\\');
        buf_add_c(out, s.p[i]);
    }
    buf_add_c(out, '"');
}
