/* Words, texts in quotes, numbers, brackets and commas; # begins a comment. */
#include "proto/filter/filter_priv.h"

#include <stdio.h>

const char *filter_quote(struct sv s, char ret[60])
{
    size_t n = 0;
    for (size_t i = 0; i < s.n && n < 50; i++)
        ret[n++] = (unsigned char)s.p[i] < ' ' || (unsigned char)s.p[i] > 126 ? '?' : s.p[i];
    if (s.n > 50)
        n += (size_t)snprintf(ret + n, 60 - n, "...");
    ret[n] = '\0';
    return ret;
}

int filter_wrong(struct filter_lexer *x, int code, const char *fmt, ...)
{
    char text[180];
    va_list ap;
    if (x->error)
        return x->error;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    x->t.kind = FT_ERROR;
    return x->error = err_set(x->ei, code, "line %u, column %u: %s", x->t.line, x->t.col, text);
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Over blanks and comments. A comment in the line of the token before belongs to it. */
static void skip(struct filter_lexer *x)
{
    bool same_line = x->at > 0;
    x->end = x->at;
    while (x->at < x->in.n) {
        char c = x->in.p[x->at];
        if (c == '#') {
            ssize_t lf = sv_find(sv_skip(x->in, x->at), '\n');
            x->at = lf < 0 ? x->in.n : x->at + (size_t)lf;
            if (same_line)
                x->end = x->at;
        } else if (c == '\n') {
            same_line = false;
            x->at++;
            x->line++;
            x->line_start = x->at;
        } else if (c == ' ' || c == '\t' || c == '\r') {
            x->at++;
        } else {
            return;
        }
    }
}

/* Length of the text that begins at x->at, quotation marks included; 0: it has no end. */
static size_t string_length(const struct filter_lexer *x)
{
    for (size_t at = x->at + 1; at < x->in.n; at++) {
        if (x->in.p[at] == '"')
            return at + 1 - x->at;
        at += x->in.p[at] == '\\';
    }
    return 0;
}

/* \" and \\ stand for the second character; before others \ stands for itself. */
static void lex_string(struct filter_lexer *x)
{
    size_t length = string_length(x), n = 0;
    char *out = length ? arena_alloc(x->a, length) : NULL;
    if (!out) {
        (void)(length ? filter_wrong(x, E_LIMIT, "the rule is too long")
                      : filter_wrong(x, E_PARSE, "this text has no closing quotation mark"));
        return;
    }
    uint32_t line = x->line;
    size_t line_start = x->line_start;
    for (size_t at = x->at + 1; at < x->at + length - 1; at++) {
        char c = x->in.p[at], next = x->in.p[at + 1];
        if (c == '\\' && (next == '"' || next == '\\'))
            c = x->in.p[++at];
        if (c == '\n') {
            line++;
            line_start = at + 1;
        } else if (((unsigned char)c < ' ' && c != '\t' && c != '\r') || c == 127) {
            (void)filter_wrong(x, E_PARSE, "a control character stands in a text");
            return;
        }
        out[n++] = c;
    }
    x->t.kind = FT_STRING;
    x->t.text = sv_n(out, n);
    x->at += length;
    x->line = line;
    x->line_start = line_start;
}

static void lex_run(struct filter_lexer *x, enum filter_token_kind kind)
{
    size_t n = 1;
    while (x->at + n < x->in.n &&
           (is_word(x->in.p[x->at + n]) || (kind == FT_NUMBER && x->in.p[x->at + n] == '.')))
        n++;
    x->t.kind = kind;
    x->t.text = sv_n(x->in.p + x->at, n);
    x->at += n;
}

void filter_lex(struct filter_lexer *x)
{
    char shown[60];
    if (x->error)
        return;
    skip(x);
    x->t = (struct filter_token){ .kind = FT_END,
                                  .text = SV(""),
                                  .line = x->line,
                                  .col = (uint32_t)(x->at - x->line_start + 1) };
    if (x->at >= x->in.n)
        return;
    char c = x->in.p[x->at], next = x->at + 1 < x->in.n ? x->in.p[x->at + 1] : '\0';
    if (c == '"') {
        lex_string(x);
    } else if (c == '(' || c == ')' || c == ',') {
        x->t.kind = FT_PUNCT;
        x->t.punct = c;
        x->t.text = sv_n(x->in.p + x->at++, 1);
    } else if (is_digit(c) || ((c == '-' || c == '+') && is_digit(next))) {
        lex_run(x, FT_NUMBER);
    } else if (is_word(c) && c != '-') {
        lex_run(x, FT_WORD);
    } else {
        (void)filter_wrong(x, E_PARSE, "'%s' is not expected here",
                           filter_quote(sv_n(&x->in.p[x->at], 1), shown));
    }
}
