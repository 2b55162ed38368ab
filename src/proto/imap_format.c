/* Formatting of IMAP responses. Pure; runs on workers, millions of times: no printf here.
 * RFC 3501 section 9 (astring, flag-list, sequence-set). */
#include "proto/imap_format.h"

void imap_put_u64(struct buf *out, uint64_t v)
{
    char tmp[20];
    size_t i = sizeof(tmp);
    do {
        tmp[--i] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    buf_add(out, tmp + i, sizeof(tmp) - i);
}

static bool is_atom(struct sv s)
{
    if (s.n == 0 || sv_ieq(s, SV("NIL")))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c <= 0x20 || c >= 0x7f || strchr("(){%*\"\\", c))
            return false;
    }
    return true;
}

void imap_put_astring(struct buf *out, struct sv s)
{
    if (is_atom(s)) {
        buf_add_sv(out, s);
        return;
    }
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 0x20 || c >= 0x7f) {
            buf_add_c(out, '{');
            imap_put_u64(out, s.n);
            buf_add(out, "}\r\n", 3);
            buf_add_sv(out, s);
            return;
        }
    }
    buf_add_c(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"' || s.p[i] == '\\')
            buf_add_c(out, '\\');
        buf_add_c(out, s.p[i]);
    }
    buf_add_c(out, '"');
}

static const struct {
    const char *name;
    size_t n;
} system_flags[] = {
    { "\\Seen", 5 }, { "\\Answered", 9 }, { "\\Flagged", 8 }, { "\\Deleted", 8 }, { "\\Draft", 6 },
};

static void put_one(struct buf *out, bool *first, const char *name, size_t n)
{
    if (!*first)
        buf_add_c(out, ' ');
    *first = false;
    buf_add(out, name, n);
}

void imap_put_flags(struct buf *out, uint64_t flags, bool recent, const char *const *keywords,
                    size_t n_keywords)
{
    bool first = true;
    buf_add_c(out, '(');
    for (size_t i = 0; i < ARRAY_LEN(system_flags); i++) {
        if (flags & 1ull << i)
            put_one(out, &first, system_flags[i].name, system_flags[i].n);
    }
    uint64_t kw = flags >> 8;
    for (size_t i = 0; kw && i < n_keywords; i++, kw >>= 1) {
        if (kw & 1)
            put_one(out, &first, keywords[i], strlen(keywords[i]));
    }
    if (recent)
        put_one(out, &first, "\\Recent", 7);
    buf_add_c(out, ')');
}

uint64_t imap_system_flag(struct sv name)
{
    for (size_t i = 0; i < ARRAY_LEN(system_flags); i++) {
        if (sv_ieq(name, sv_n(system_flags[i].name, system_flags[i].n)))
            return 1ull << i;
    }
    return 0;
}

static void put_run(struct imap_set_writer *w)
{
    if (!w->lo)
        return;
    if (w->any)
        buf_add_c(w->out, ',');
    w->any = true;
    imap_put_u64(w->out, w->lo);
    if (w->hi > w->lo) {
        buf_add_c(w->out, ':');
        imap_put_u64(w->out, w->hi);
    }
}

void imap_set_add(struct imap_set_writer *w, uint32_t v)
{
    if (w->lo && v == w->hi + 1) {
        w->hi = v;
        return;
    }
    put_run(w);
    w->lo = w->hi = v;
}

void imap_set_done(struct imap_set_writer *w)
{
    put_run(w);
    w->lo = 0;
}
