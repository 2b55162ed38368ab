/* Finds the parts of a message that FETCH names (RFC 3501 6.4.5) and picks header fields. Pure. */
#include "proto/mime_priv.h"

#include "base/hash.h"

static const struct mime_part *child_at(const struct mime_part *p, uint32_t n)
{
    const struct mime_part *c = p->children;

    for (uint32_t i = 1; c && i < n; i++)
        c = c->next;
    return c;
}

/* Part `n` of a message or of a nested message: of a multipart its n-th part, else 1 is the body
 * itself. */
static const struct mime_part *part_of_message(const struct mime_part *m, uint32_t n)
{
    if (m->n_children && sv_ieq(m->type, SV("multipart")))
        return child_at(m, n);
    return n == 1 ? m : NULL;
}

int mime_section(const struct mime_part *root, struct sv msg, struct sv section, struct sv *ret)
{
    const struct mime_part *p = root;
    struct sv rest = section;
    bool whole = true; /* p is a message, not a numbered part */

    if (!section.n) {
        *ret = msg;
        return 0;
    }
    while (rest.n && *rest.p >= '0' && *rest.p <= '9') {
        uint32_t n;

        if (sv_to_u32(sv_split(&rest, '.'), &n) < 0 || n == 0)
            return E_NOTFOUND;
        if (whole)
            p = part_of_message(p, n);
        else if (sv_ieq(p->type, SV("multipart")))
            p = child_at(p, n);
        else
            p = mime_is_message(p) && p->children ? part_of_message(p->children, n) : NULL;
        if (!p)
            return E_NOTFOUND;
        whole = false;
    }
    if (!rest.n) {
        *ret = p->body;
        return 0;
    }
    if (sv_ieq(rest, SV("MIME"))) {
        *ret = p->header;
        return whole ? E_NOTFOUND : 0;
    }
    if (!whole)
        p = mime_is_message(p) ? p->children : NULL;
    if (!p)
        return E_NOTFOUND;
    if (sv_ieq(rest, SV("HEADER")))
        *ret = p->header;
    else if (sv_ieq(rest, SV("TEXT")))
        *ret = p->body;
    else
        return E_NOTFOUND;
    return 0;
}

/* Names of fields, hashed when there are many: a request may name thousands, a header may hold
 * thousands. */
struct names {
    const struct sv *v;
    size_t n, mask;
    uint32_t *slot; /* index + 1; NULL = compare one after the other */
};

static void names_open(struct names *t, const struct sv *names, size_t n)
{
    *t = (struct names){ .v = names, .n = n };
    if (n < 16 || n > UINT32_MAX / 4)
        return;
    for (t->mask = 32; t->mask < 2 * n;)
        t->mask *= 2;
    t->slot = xcalloc(t->mask, sizeof(*t->slot));
    t->mask--;
    for (size_t i = 0; i < n; i++) {
        size_t at = hash_isv(names[i]) & t->mask;

        while (t->slot[at] && !sv_ieq(names[t->slot[at] - 1], names[i]))
            at = (at + 1) & t->mask;
        t->slot[at] = (uint32_t)i + 1;
    }
}

static bool names_have(const struct names *t, struct sv name)
{
    if (!t->slot) {
        for (size_t i = 0; i < t->n; i++)
            if (sv_ieq(name, t->v[i]))
                return true;
        return false;
    }
    for (size_t at = hash_isv(name) & t->mask; t->slot[at]; at = (at + 1) & t->mask)
        if (sv_ieq(t->v[t->slot[at] - 1], name))
            return true;
    return false;
}

static bool name_listed(const struct names *t, struct sv line)
{
    ssize_t colon = sv_find(line, ':');

    return names_have(t, colon < 0 ? SV_NULL : sv_trim(sv_take(line, (size_t)colon)));
}

int mime_header_fields(struct sv header, const struct sv *names, size_t n, bool not,
                       struct buf *out)
{
    struct names t;
    bool take = false, ended = true;

    names_open(&t, names, n);
    while (header.n) {
        ssize_t eol = sv_find(header, '\n');
        struct sv line = sv_take(header, eol < 0 ? header.n : (size_t)eol + 1);
        bool folded = *line.p == ' ' || *line.p == '\t';

        header = sv_skip(header, line.n);
        if (sv_eq(line, SV("\r\n")) || sv_eq(line, SV("\n")))
            break;
        if (!folded)
            take = name_listed(&t, line) != not ;
        if (!take)
            continue;
        buf_add_sv(out, line);
        ended = eol >= 0;
    }
    free(t.slot);
    if (!ended)
        buf_add_str(out, "\r\n");
    buf_add_str(out, "\r\n");
    return out->overflow ? -ENOMEM : 0;
}
