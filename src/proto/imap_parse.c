/* The cursor's basic tokens: atoms, strings, numbers, flags. Runs on workers and in fuzzers;
 * touches nothing but its input. RFC 3501 section 9. */
#include "proto/imap_parse.h"

enum { C_ATOM = 1, C_ASTRING = 2, C_LIST = 4, C_TAG = 8 };

static unsigned char_class(unsigned char c)
{
    if (c <= 0x20 || c >= 0x7f)
        return 0;
    switch (c) {
    case '(':
    case ')':
    case '{':
    case '"':
    case '\\':
        return 0;
    case '%':
    case '*':
        return C_LIST;
    case ']':
        return C_ASTRING | C_LIST | C_TAG;
    case '+':
        return C_ATOM | C_ASTRING | C_LIST;
    default:
        return C_ATOM | C_ASTRING | C_LIST | C_TAG;
    }
}

static int run_of(struct imap_in *in, unsigned class, struct sv *ret)
{
    const char *start = in->p;
    while (in->p < in->end && (char_class((unsigned char)*in->p) & class))
        in->p++;
    if (in->p == start)
        return E_PARSE;
    *ret = sv_n(start, (size_t)(in->p - start));
    return 0;
}

int imap_tag(struct imap_in *in, struct sv *ret)
{
    return run_of(in, C_TAG, ret);
}

int imap_atom(struct imap_in *in, struct sv *ret)
{
    return run_of(in, C_ATOM, ret);
}

static int unescape(struct imap_in *in, struct sv raw, struct sv *ret)
{
    char *p = arena_alloc(in->a, raw.n);
    if (!p)
        return E_LIMIT;
    size_t n = 0;
    for (size_t i = 0; i < raw.n; i++) {
        if (raw.p[i] == '\\')
            i++;
        p[n++] = raw.p[i];
    }
    *ret = sv_n(p, n);
    return 0;
}

static int quoted(struct imap_in *in, struct sv *ret)
{
    const char *start = ++in->p;
    bool escapes = false;
    for (; in->p < in->end; in->p++) {
        char c = *in->p;
        if (c == '"') {
            struct sv raw = sv_n(start, (size_t)(in->p - start));
            in->p++;
            if (escapes)
                return unescape(in, raw, ret);
            *ret = raw;
            return 0;
        }
        if (c == '\r' || c == '\n' || c == '\0')
            return E_PARSE;
        if (c == '\\') {
            escapes = true;
            if (++in->p >= in->end || (*in->p != '"' && *in->p != '\\'))
                return E_PARSE;
        }
    }
    return E_PARSE;
}

static int literal(struct imap_in *in, struct sv *ret)
{
    uint64_t n;
    in->p++;
    if (imap_u64(in, &n) < 0)
        return E_PARSE;
    imap_char(in, '+');
    if (!imap_char(in, '}') || !imap_char(in, '\r') || !imap_char(in, '\n'))
        return E_PARSE;
    if (n > (uint64_t)(in->end - in->p))
        return E_PARSE;
    *ret = sv_n(in->p, (size_t)n);
    in->p += n;
    return n && memchr(ret->p, '\0', (size_t)n) ? E_PARSE : 0;
}

int imap_string(struct imap_in *in, struct sv *ret)
{
    char c = imap_peek(in);
    if (c == '"')
        return quoted(in, ret);
    if (c == '{')
        return literal(in, ret);
    return E_PARSE;
}

int imap_astring(struct imap_in *in, struct sv *ret)
{
    char c = imap_peek(in);
    return c == '"' || c == '{' ? imap_string(in, ret) : run_of(in, C_ASTRING, ret);
}

int imap_list_mailbox(struct imap_in *in, struct sv *ret)
{
    char c = imap_peek(in);
    return c == '"' || c == '{' ? imap_string(in, ret) : run_of(in, C_LIST, ret);
}

int imap_flag(struct imap_in *in, struct sv *ret)
{
    const char *start = in->p;
    struct sv atom;
    imap_char(in, '\\');
    int r = run_of(in, C_ATOM, &atom);
    if (r < 0)
        return r;
    *ret = sv_n(start, (size_t)(in->p - start));
    return 0;
}

int imap_u64(struct imap_in *in, uint64_t *ret)
{
    const char *start = in->p;
    while (in->p < in->end && *in->p >= '0' && *in->p <= '9')
        in->p++;
    return sv_to_u64(sv_n(start, (size_t)(in->p - start)), ret);
}

int imap_u32(struct imap_in *in, uint32_t *ret)
{
    uint64_t v;
    int r = imap_u64(in, &v);
    if (r < 0)
        return r;
    if (v > UINT32_MAX)
        return E_RANGE;
    *ret = (uint32_t)v;
    return 0;
}

int imap_sp(struct imap_in *in)
{
    return imap_char(in, ' ') ? 0 : E_PARSE;
}

bool imap_char(struct imap_in *in, char c)
{
    if (in->p >= in->end || *in->p != c)
        return false;
    in->p++;
    return true;
}

bool imap_word(struct imap_in *in, struct sv word)
{
    const char *start = in->p;
    struct sv atom;
    if (run_of(in, C_ATOM, &atom) == 0 && sv_ieq(atom, word))
        return true;
    in->p = start;
    return false;
}

bool imap_end(struct imap_in *in)
{
    while (imap_char(in, ' '))
        ;
    return in->p >= in->end;
}

bool imap_line_literal(struct sv line, uint64_t *ret_size, bool *ret_nonsync)
{
    if (line.n < 3 || line.p[line.n - 1] != '}')
        return false;
    size_t i = line.n - 1;
    bool nonsync = line.p[i - 1] == '+';
    if (nonsync)
        i--;
    size_t end = i;
    while (i > 0 && line.p[i - 1] >= '0' && line.p[i - 1] <= '9')
        i--;
    if (i == end || i == 0 || line.p[i - 1] != '{')
        return false;
    uint64_t n;
    *ret_size = sv_to_u64(sv_n(line.p + i, end - i), &n) < 0 ? UINT64_MAX : n;
    *ret_nonsync = nonsync;
    return true;
}
