/* Checks that a text is one IMAP value: lists, quoted strings, literals, NIL, numbers. */
#pragma once

#include <stdlib.h>

#include "base/sv.h"

static inline void imap_value(struct sv *s, int depth);

static inline void imap_need(bool ok)
{
    if (!ok)
        abort();
}

static inline void imap_quoted(struct sv *s)
{
    size_t i = 1;
    for (; i < s->n && s->p[i] != '"'; i++) {
        unsigned char c = (unsigned char)s->p[i];
        imap_need(c && c < 128 && c != '\r' && c != '\n');
        if (c == '\\') {
            i++;
            imap_need(i < s->n && (s->p[i] == '"' || s->p[i] == '\\'));
        }
    }
    imap_need(i < s->n);
    *s = sv_skip(*s, i + 1);
}

static inline void imap_literal(struct sv *s)
{
    uint32_t n = 0;
    ssize_t end = sv_find(*s, '}');
    imap_need(end > 1 && sv_to_u32(sv_n(s->p + 1, (size_t)end - 1), &n) == 0);
    *s = sv_skip(*s, (size_t)end + 1);
    imap_need(sv_starts(*s, SV("\r\n")) && s->n - 2 >= n);
    imap_need(sv_find(sv_n(s->p + 2, n), '\0') < 0);
    *s = sv_skip(*s, n + 2);
}

static inline void imap_list(struct sv *s, int depth)
{
    *s = sv_skip(*s, 1);
    imap_need(depth < 400 && s->n && *s->p != ')');
    for (bool again = true; again;) {
        imap_value(s, depth + 1);
        imap_need(s->n);
        again = *s->p == ' ' || *s->p == '('; /* parts of a multipart and addresses touch */
        if (*s->p == ' ')
            *s = sv_skip(*s, 1);
    }
    imap_need(*s->p == ')');
    *s = sv_skip(*s, 1);
}

static inline void imap_value(struct sv *s, int depth)
{
    size_t n = 0;
    imap_need(s->n);
    if (*s->p == '(') {
        imap_list(s, depth);
    } else if (*s->p == '"') {
        imap_quoted(s);
    } else if (*s->p == '{') {
        imap_literal(s);
    } else if (sv_starts(*s, SV("NIL"))) {
        *s = sv_skip(*s, 3);
    } else {
        while (n < s->n && s->p[n] >= '0' && s->p[n] <= '9')
            n++;
        imap_need(n);
        *s = sv_skip(*s, n);
    }
}

static inline void imap_check(struct sv s)
{
    imap_value(&s, 0);
    imap_need(s.n == 0);
}
