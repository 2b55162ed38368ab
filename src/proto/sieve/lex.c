/* Characters to tokens: RFC 5228 8.1. Line ends may be CRLF or LF; inside strings they become
 * CRLF. */
#include "proto/sieve/sieve_priv.h"

#include <stdio.h>

static uint32_t column(const struct sieve_parser *x, const char *p)
{
    return (uint32_t)(p - x->line_start) + 1;
}

static void fail(struct sieve_parser *x, const char *fmt, const char *what)
{
    sieve_complain(x->problems, x->t.line, x->t.col, fmt, what);
    x->t.kind = TOK_ERROR;
    x->failed = true;
}

static void newline(struct sieve_parser *x)
{
    x->p++;
    x->line++;
    x->line_start = x->p;
}

static void skip_line(struct sieve_parser *x)
{
    while (x->p < x->end && *x->p != '\n')
        x->p++;
}

/* False: a comment does not end. */
static bool skip_comment(struct sieve_parser *x)
{
    x->p += 2;
    for (; x->p < x->end; x->p++) {
        if (*x->p == '*' && x->end - x->p > 1 && x->p[1] == '/') {
            x->p += 2;
            return true;
        }
        if (*x->p == '\n') {
            newline(x);
            x->p--;
        }
    }
    return false;
}

static bool skip_white(struct sieve_parser *x)
{
    while (x->p < x->end) {
        char c = *x->p;
        if (c == '\n') {
            newline(x);
        } else if (c == ' ' || c == '\t' || c == '\r') {
            x->p++;
        } else if (c == '#') {
            skip_line(x);
        } else if (c == '/' && x->end - x->p > 1 && x->p[1] == '*') {
            x->t.line = x->line;
            x->t.col = column(x, x->p);
            if (!skip_comment(x))
                return false;
        } else {
            return true;
        }
    }
    return true;
}

static bool is_word_char(char c, bool first)
{
    char l = ascii_lower(c);
    return (l >= 'a' && l <= 'z') || c == '_' || (!first && c >= '0' && c <= '9');
}

static struct sv take_word(struct sieve_parser *x)
{
    const char *from = x->p;
    while (x->p < x->end && is_word_char(*x->p, x->p == from))
        x->p++;
    return sv_n(from, (size_t)(x->p - from));
}

static void lex_number(struct sieve_parser *x)
{
    uint64_t n = 0;
    unsigned shift = 0;
    bool over = false;
    x->t.kind = TOK_NUMBER;
    for (; x->p < x->end && *x->p >= '0' && *x->p <= '9'; x->p++) {
        n = n * 10 + (uint64_t)(*x->p - '0');
        over |= n > INT64_MAX / 32;
        n = over ? 0 : n;
    }
    char q = x->p < x->end ? ascii_lower(*x->p) : '\0';
    if (q == 'k' || q == 'm' || q == 'g') {
        shift = q == 'k' ? 10 : q == 'm' ? 20 : 30;
        x->p++;
    }
    if (over || n > (uint64_t)INT64_MAX >> shift) {
        fail(x, "the number is too large; the largest is %s", "8589934591G");
        return;
    }
    if (x->p < x->end && is_word_char(*x->p, false)) {
        fail(x, "a number ends in %s only", "K, M or G");
        return;
    }
    x->t.number = n << shift;
}

/* raw with each line end as CRLF; dots: a dot doubled at the front of a line loses one; else
 * backslashes go. Counts the lines. */
static bool take_text(struct sieve_parser *x, const char *from, const char *to, bool dots)
{
    size_t extra = 0;
    for (const char *p = from; p < to; p++)
        extra += *p == '\n';
    char *out = arena_alloc(x->a, (size_t)(to - from) + extra + 1);
    if (!out) {
        fail(x, "the script needs too much memory; make it %s", "shorter");
        return false;
    }
    size_t n = 0;
    for (const char *p = from; p < to; p++) {
        bool first = p == from || p[-1] == '\n';
        if (dots && first && *p == '.' && to - p > 1 && p[1] == '.')
            continue;
        if (*p == '\r' && to - p > 1 && p[1] == '\n')
            continue;
        if (*p == '\n') {
            out[n++] = '\r';
            x->line++;
            x->line_start = p + 1;
        } else if (*p == '\\' && !dots && to - p > 1 && p[1] != '\r' && p[1] != '\n') {
            p++;
        }
        out[n++] = *p;
    }
    x->t.text = sv_n(out, n);
    return true;
}

static void lex_quoted(struct sieve_parser *x)
{
    const char *from = ++x->p, *p = from;
    x->t.kind = TOK_STRING;
    while (p < x->end && *p != '"')
        p += *p == '\\' && x->end - p > 1 ? 2 : 1;
    if (p >= x->end) {
        fail(x, "the string that begins here does not end; a %s is missing", "\"");
        return;
    }
    if (take_text(x, from, p, false))
        x->p = p + 1;
}

/* text: ... up to a line with nothing but a dot. */
static void lex_multiline(struct sieve_parser *x)
{
    x->t.kind = TOK_STRING;
    while (x->p < x->end && (*x->p == ' ' || *x->p == '\t'))
        x->p++;
    if (x->p < x->end && *x->p == '#')
        skip_line(x);
    if (x->p < x->end && *x->p == '\r')
        x->p++;
    if (x->p >= x->end || *x->p != '\n') {
        fail(x, "nothing but a comment may follow %s on its line", "text:");
        return;
    }
    newline(x);
    const char *from = x->p, *p = from;
    for (; p < x->end; p = memchr(p, '\n', (size_t)(x->end - p)), p = p ? p + 1 : x->end) {
        size_t left = (size_t)(x->end - p);
        if (*p == '.' && (left == 1 || p[1] == '\n' || (left > 2 && p[1] == '\r' && p[2] == '\n')))
            break;
    }
    if (p >= x->end) {
        fail(x, "the text that begins here does not end; a line with nothing but %s is missing",
             "a dot");
        return;
    }
    if (take_text(x, from, p, true))
        x->p = p + 1;
}

void sieve_lex(struct sieve_parser *x)
{
    x->t = (struct sieve_token){ .kind = TOK_ERROR };
    if (x->failed)
        return;
    if (!skip_white(x)) {
        fail(x, "the comment that begins here does not end; a %s is missing", "*/");
        return;
    }
    x->t.line = x->line;
    x->t.col = column(x, x->p);
    if (x->p >= x->end) {
        x->t.kind = TOK_END;
        return;
    }
    char c = *x->p;
    if (is_word_char(c, true)) {
        x->t.kind = TOK_WORD;
        x->t.text = take_word(x);
        if (x->p < x->end && *x->p == ':' && sv_ieq(x->t.text, SV("text"))) {
            x->p++;
            lex_multiline(x);
        }
    } else if (c == ':') {
        x->p++;
        x->t.kind = TOK_TAG;
        x->t.text = take_word(x);
        if (!x->t.text.n)
            fail(x, "a colon must be followed by the name of %s", "a tag, as in :contains");
    } else if (c >= '0' && c <= '9') {
        lex_number(x);
    } else if (c == '"') {
        lex_quoted(x);
    } else if (c && strchr("[](){},;", c)) {
        x->t.kind = TOK_PUNCT;
        x->t.punct = c;
        x->p++;
    } else {
        size_t n = 1; /* all bytes of the character */
        while (x->p + n < x->end && ((unsigned char)x->p[n] & 0xc0) == 0x80)
            n++;
        char q[60];
        fail(x, "the character '%s' has no meaning here; texts stand in double quotes",
             sieve_quote(sv_n(x->p, n), q));
    }
}
