/* Flag lists of STORE and APPEND. RFC 3501 section 2.3.2 and 9 (flag). */
#include "server/imap/imap_priv.h"

static int add_flag(struct imap_in *in, struct flag_list *l, struct sv name)
{
    if (name.p[0] == '\\') {
        uint64_t bit = imap_system_flag(name);
        /* \Recent cannot be changed (RFC 3501 2.3.2); clients that write back what they read send
         * it. */
        if (!bit && !sv_ieq(name, SV("\\Recent")))
            return E_PARSE;
        l->system |= bit;
        return 0;
    }
    if (l->n_keywords >= MAX_KEYWORDS)
        return E_LIMIT;
    if (!l->keywords)
        l->keywords = arena_alloc(in->a, (MAX_KEYWORDS + 1) * sizeof(*l->keywords));
    char *copy = arena_strndup(in->a, name.p, name.n);
    if (!l->keywords || !copy)
        return E_LIMIT;
    l->keywords[l->n_keywords++] = copy;
    return 0;
}

int flag_list_parse(struct imap_in *in, bool bare, struct flag_list *ret)
{
    struct flag_list l = { 0 };
    bool parens = imap_char(in, '(');
    if (!parens && !bare)
        return E_PARSE;
    if (parens && imap_char(in, ')')) {
        *ret = l;
        return 0;
    }
    do {
        struct sv name;
        int r = imap_flag(in, &name);
        if (r == 0)
            r = add_flag(in, &l, name);
        if (r < 0)
            return r;
    } while (imap_char(in, ' '));
    if (parens && !imap_char(in, ')'))
        return E_PARSE;
    *ret = l;
    return 0;
}

uint64_t flag_list_bits(const struct flag_list *l, const struct snap *snap)
{
    uint64_t bits = l->system;
    for (size_t i = 0; i < l->n_keywords; i++) {
        for (uint32_t k = 0; k < snap->n_keywords; k++) {
            if (sv_ieq(sv_c(l->keywords[i]), sv_c(snap->keywords[k])))
                bits |= 1ull << (FLAG_KEYWORD0 + k);
        }
    }
    return bits;
}
