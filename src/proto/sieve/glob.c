/* Wildcards: '*' takes as little as it can, '?' one byte, '\' quotes. Between two stars the first
 * place that fits is taken, which never has to be taken back: effort is value times pattern. */
#include "proto/sieve/glob.h"

/* A piece of the pattern between stars. */
static struct sv next_piece(struct sv *rest, bool *ret_star)
{
    size_t n = 0;
    while (n < rest->n && rest->p[n] != '*')
        n += rest->p[n] == '\\' && n + 1 < rest->n ? 2 : 1;
    struct sv piece = sv_take(*rest, n);
    *ret_star = n < rest->n;
    *rest = sv_skip(*rest, n + *ret_star);
    return piece;
}

static size_t piece_length(struct sv piece)
{
    size_t n = 0;
    for (size_t i = 0; i < piece.n; i++, n++)
        i += piece.p[i] == '\\' && i + 1 < piece.n;
    return n;
}

static bool fits_at(struct sv piece, const char *v)
{
    for (size_t i = 0; i < piece.n; i++, v++) {
        if (piece.p[i] == '?')
            continue;
        i += piece.p[i] == '\\' && i + 1 < piece.n;
        if (piece.p[i] != *v)
            return false;
    }
    return true;
}

struct caps {
    struct sv *v;
    size_t n, max;
};

static void add_cap(struct caps *c, const char *p, size_t n)
{
    if (c->n < c->max)
        c->v[c->n++] = sv_n(p, n);
}

static void add_questions(struct caps *c, struct sv piece, const char *v)
{
    for (size_t i = 0; i < piece.n; i++, v++) {
        if (piece.p[i] == '?')
            add_cap(c, v, 1);
        i += piece.p[i] == '\\' && i + 1 < piece.n;
    }
}

bool glob_match(struct sv pattern, struct sv value, struct sv *caps, size_t max_caps, size_t *ret_n)
{
    struct caps c = { caps, 0, max_caps };
    const char *p = value.p ? value.p : "", *end = p + value.n, *star = NULL;
    bool more = true;
    add_cap(&c, p, value.n);
    while (more) {
        struct sv piece = next_piece(&pattern, &more);
        size_t n = piece_length(piece);
        if ((size_t)(end - p) < n)
            return false;
        const char *at = p;
        if (!more && star) /* the last one is at the end */
            at = end - n;
        while (!fits_at(piece, at)) {
            if (!star || !more || (size_t)(end - at) <= n)
                return false;
            at++;
        }
        if (star)
            add_cap(&c, star, (size_t)(at - star));
        add_questions(&c, piece, at);
        p = star = at + n;
    }
    *ret_n = c.n;
    return p == end;
}
