/* Tokens to a tree: RFC 5228 8.2. Knows no command. */
#include "base/codec.h"
#include "proto/sieve/sieve_priv.h"

#include <stdio.h>

void sieve_complain(struct sieve_problems *p, uint32_t line, uint32_t col, const char *fmt, ...)
{
    if (p->n >= SIEVE_MAX_PROBLEMS)
        return;
    struct sieve_problem *q = &p->v[p->n++];
    va_list ap;
    q->line = line;
    q->col = col;
    va_start(ap, fmt);
    size_t n = (size_t)vsnprintf(q->text, sizeof(q->text), fmt, ap);
    va_end(ap);
    if (n < sizeof(q->text))
        return;
    for (n = sizeof(q->text) - 1; n && !utf8_valid(sv_n(q->text, n)); n--) /* no half character */
        q->text[n - 1] = '\0';
}

const char *sieve_quote(struct sv s, char ret[60])
{
    size_t n = 0;
    for (size_t i = 0; i < s.n && n < 50; i++) {
        unsigned char c = (unsigned char)s.p[i];
        ret[n++] = c < ' ' || c == 127 ? ' ' : (char)c;
    }
    while (n && n < s.n && ((unsigned char)s.p[n] & 0xc0) == 0x80)
        n--; /* no character is cut in two */
    memcpy(ret + n, n < s.n ? "..." : "", n < s.n ? 4 : 1);
    return ret;
}

void sieve_problems_text(const struct sieve_problems *p, struct buf *out)
{
    for (size_t i = 0; i < p->n; i++)
        (void)buf_addf(out, "%sline %u, column %u: %s", i ? "\r\n" : "", p->v[i].line, p->v[i].col,
                       p->v[i].text);
}

static const char *describe(const struct sieve_token *t, char ret[80])
{
    char q[60];
    switch (t->kind) {
    case TOK_WORD:
        snprintf(ret, 80, "'%s'", sieve_quote(t->text, q));
        break;
    case TOK_TAG:
        snprintf(ret, 80, "':%s'", sieve_quote(t->text, q));
        break;
    case TOK_NUMBER:
        snprintf(ret, 80, "a number");
        break;
    case TOK_STRING:
        snprintf(ret, 80, "the text \"%s\"", sieve_quote(t->text, q));
        break;
    case TOK_PUNCT:
        snprintf(ret, 80, "'%c'", t->punct);
        break;
    case TOK_END:
    case TOK_ERROR:
        snprintf(ret, 80, "the end of the script");
        break;
    }
    return ret;
}

static void fail(struct sieve_parser *x, const char *wanted)
{
    char t[80];
    if (!x->failed)
        sieve_complain(x->problems, x->t.line, x->t.col, "%s, not %s", wanted, describe(&x->t, t));
    x->failed = true;
}

static void fail_limit(struct sieve_parser *x, const char *what, unsigned long limit)
{
    if (!x->failed)
        sieve_complain(x->problems, x->t.line, x->t.col,
                       "the script has more than %lu %s; make it simpler", limit, what);
    x->failed = true;
}

static bool is_punct(const struct sieve_parser *x, char c)
{
    return x->t.kind == TOK_PUNCT && x->t.punct == c;
}

static bool take_punct(struct sieve_parser *x, char c)
{
    if (!is_punct(x, c))
        return false;
    sieve_lex(x);
    return true;
}

/* Room for one more in an array of the arena; doubles. */
static void *grow(struct sieve_parser *x, void *v, size_t n, size_t size)
{
    if (n && (n & (n - 1)))
        return v;
    void *more = arena_alloc(x->a, (n ? n * 2 : 1) * size);
    if (!more)
        fail_limit(x, "bytes in memory", SIEVE_ARENA);
    else if (n)
        memcpy(more, v, n * size);
    return more;
}

static bool add_string(struct sieve_parser *x, struct sieve_list *l)
{
    if (x->t.kind != TOK_STRING) {
        fail(x, "a text in double quotes must stand here");
        return false;
    }
    if (++x->n_strings > SIEVE_MAX_STRINGS) {
        fail_limit(x, "strings", SIEVE_MAX_STRINGS);
        return false;
    }
    struct sieve_str *v = grow(x, l->v, l->n, sizeof(*v));
    if (!v)
        return false;
    l->v = v;
    l->v[l->n++] = (struct sieve_str){ x->t.text, x->t.line, x->t.col, false };
    sieve_lex(x);
    return true;
}

static void parse_list(struct sieve_parser *x, struct sieve_list *l)
{
    sieve_lex(x);
    do {
        if (!add_string(x, l))
            return;
    } while (take_punct(x, ','));
    if (!take_punct(x, ']'))
        fail(x, "a list goes on with ',' or ends with ']'");
}

static bool parse_argument(struct sieve_parser *x, struct sieve_arg *a)
{
    *a = (struct sieve_arg){ .line = x->t.line, .col = x->t.col };
    if (x->t.kind == TOK_TAG) {
        a->kind = SIEVE_ARG_TAG;
        a->tag = x->t.text;
        sieve_lex(x);
    } else if (x->t.kind == TOK_NUMBER) {
        a->kind = SIEVE_ARG_NUMBER;
        a->number = x->t.number;
        sieve_lex(x);
    } else if (x->t.kind == TOK_STRING) {
        a->kind = SIEVE_ARG_STRINGS;
        add_string(x, &a->list);
    } else if (is_punct(x, '[')) {
        a->kind = SIEVE_ARG_STRINGS;
        a->bracketed = true;
        parse_list(x, &a->list);
    } else {
        return false;
    }
    return true;
}

static bool deeper(struct sieve_parser *x)
{
    if (++x->depth <= SIEVE_MAX_NESTING)
        return true;
    fail_limit(x, "levels of nesting", SIEVE_MAX_NESTING);
    return false;
}

static struct sieve_node *parse_node(struct sieve_parser *x, bool test);

static void parse_tests(struct sieve_parser *x, struct sieve_node *n)
{
    struct sieve_node **tail = &n->tests;
    bool list = take_punct(x, '(');
    n->test_list = list;
    if (!deeper(x))
        return;
    do {
        if (x->t.kind != TOK_WORD) {
            fail(x, "a test must stand here");
            return;
        }
        *tail = parse_node(x, true);
        if (!*tail)
            return;
        tail = &(*tail)->next;
    } while (list && take_punct(x, ','));
    if (list && !take_punct(x, ')'))
        fail(x, "a list of tests goes on with ',' or ends with ')'");
    x->depth--;
}

static void parse_end(struct sieve_parser *x, struct sieve_node *n)
{
    if (take_punct(x, ';'))
        return;
    if (!take_punct(x, '{')) {
        char want[120], q[60];
        snprintf(want, sizeof(want), "the command '%s' goes on with an argument or ends with ';'",
                 sieve_quote(n->name, q));
        fail(x, want);
        return;
    }
    n->has_block = true;
    if (!deeper(x))
        return;
    n->block = sieve_parse_commands(x);
    if (!take_punct(x, '}'))
        fail(x, "a command or '}' must stand here");
    x->depth--;
}

static struct sieve_node *parse_node(struct sieve_parser *x, bool test)
{
    struct sieve_node *n = arena_alloc(x->a, sizeof(*n));
    if (!n || ++x->n_nodes > SIEVE_MAX_NODES) {
        fail_limit(x, "commands and tests", SIEVE_MAX_NODES);
        return NULL;
    }
    n->name = x->t.text;
    n->line = x->t.line;
    n->col = x->t.col;
    sieve_lex(x);
    struct sieve_arg a;
    while (!x->failed && parse_argument(x, &a)) {
        if (n->n_args >= 64)
            fail_limit(x, "arguments of one command", 64);
        struct sieve_arg *v = x->failed ? NULL : grow(x, n->args, n->n_args, sizeof(*v));
        if (!v)
            return n;
        n->args = v;
        n->args[n->n_args++] = a;
    }
    if (!x->failed && (x->t.kind == TOK_WORD || is_punct(x, '(')))
        parse_tests(x, n);
    if (!test && !x->failed)
        parse_end(x, n);
    return n;
}

struct sieve_node *sieve_parse_commands(struct sieve_parser *x)
{
    struct sieve_node *first = NULL, **tail = &first;
    while (!x->failed && x->t.kind == TOK_WORD) {
        *tail = parse_node(x, false);
        if (!*tail)
            break;
        tail = &(*tail)->next;
    }
    return first;
}

/* Where the first byte is that may not stand in a script. */
static bool find_bad_byte(struct sieve_parser *x)
{
    struct sv all = sv_n(x->p, (size_t)(x->end - x->p)), rest = all;
    uint32_t line = 1;
    while (rest.p) {
        struct sv l = sv_split(&rest, '\n');
        bool nul = memchr(l.p ? l.p : "", '\0', l.n) != NULL;
        if (nul || !utf8_valid(l)) {
            sieve_complain(x->problems, line, 1, "this line %s; save the script as UTF-8 text",
                           nul ? "has a NUL byte" : "is not UTF-8");
            return true;
        }
        line++;
    }
    return false;
}

int sieve_parse(struct sv text, struct arena *a, struct sieve_script *ret,
                struct sieve_problems *problems)
{
    struct sieve_parser x = { .a = a, .line = 1, .problems = problems };
    *ret = (struct sieve_script){ 0 };
    problems->n = 0;
    if (text.n > SIEVE_MAX_SCRIPT) {
        sieve_complain(problems, 1, 1, "the script has %zu bytes; at most %zu are allowed", text.n,
                       SIEVE_MAX_SCRIPT);
        return E_RANGE;
    }
    if (sv_starts(text, SV("\xef\xbb\xbf"))) /* what Windows puts before UTF-8 */
        text = sv_skip(text, 3);
    x.p = x.line_start = text.n ? text.p : "";
    x.end = x.p + text.n;
    if (find_bad_byte(&x))
        return E_PARSE;
    sieve_lex(&x);
    ret->commands = sieve_parse_commands(&x);
    if (!x.failed && x.t.kind != TOK_END)
        fail(&x, "a command must stand here");
    if (!x.failed)
        sieve_check(ret, a, problems);
    if (a->overflow && !problems->n)
        sieve_complain(problems, 1, 1,
                       "the script needs more than %zu bytes of memory; make it "
                       "shorter",
                       SIEVE_ARENA);
    return problems->n ? E_PARSE : 0;
}
