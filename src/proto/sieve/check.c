/* The tree against the tables: which words, tags and arguments stand where. RFC 5228 2.10, 3. */
#include "proto/sieve/sieve_priv.h"

#include <stdio.h>

struct checker {
    struct sieve_script *s;
    struct arena *a;
    struct sieve_problems *problems;
};

#define complain(c, at, ...) sieve_complain((c)->problems, (at)->line, (at)->col, __VA_ARGS__)

static bool required(const struct checker *c, enum sieve_ext e)
{
    return e == SIEVE_EXT_NONE || sieve_requires(c->s, e);
}

/* --- strings --- */

static void check_string(struct checker *c, struct sieve_str *s)
{
    if (sieve_requires(c->s, SIEVE_EXT_ENCODED_CHARACTER) && sv_find(s->s, '$') >= 0 &&
        !sieve_decode_characters(s, c->a, c->problems))
        return;
    s->vars = sieve_requires(c->s, SIEVE_EXT_VARIABLES) && sv_find_sv(s->s, SV("${")) >= 0;
}

/* --- arguments --- */

static void take_option(struct checker *c, struct sieve_node *n, const struct sieve_tag_spec *t,
                        const struct sieve_arg *value)
{
    struct sieve_option *o = arena_alloc(c->a, sizeof(*o));
    if (!o)
        return;
    o->tag = t->tag;
    if (value) {
        o->list = value->list;
        o->number = value->number;
    }
    o->next = n->options;
    n->options = o;
}

static bool fits(const struct sieve_arg *a, char want)
{
    if (want == 'N')
        return a->kind == SIEVE_ARG_NUMBER;
    return a->kind == SIEVE_ARG_STRINGS && (want == 'L' || !a->bracketed);
}

static const char *kind_name(char want)
{
    return want == 'N' ? "a number" : want == 'S' ? "one text" : "a text or a list of texts";
}

/* The tag that excludes t and is there already, or NULL. */
static const struct sieve_tag_spec *find_rival(const struct sieve_node *n, size_t before,
                                               const struct sieve_tag_spec *t)
{
    bool other;
    for (size_t i = 0; i < before; i++) {
        if (n->args[i].kind != SIEVE_ARG_TAG)
            continue;
        const struct sieve_tag_spec *u = sieve_find_tag(n->args[i].tag, n->word, &other);
        if (u && (u->tag == t->tag || (u->group != GROUP_NONE && u->group == t->group)))
            return u;
    }
    return NULL;
}

/* Takes the tag at args[i]; returns how many arguments it used. */
static size_t take_tag(struct checker *c, struct sieve_node *n, size_t i)
{
    const struct sieve_arg *a = &n->args[i];
    char q[60], w[60];
    bool other;
    const struct sieve_tag_spec *t = sieve_find_tag(a->tag, n->word, &other);
    sieve_quote(a->tag, q);
    sieve_quote(n->name, w);
    if (!t) {
        complain(c, a, other ? "'%s' does not take ':%s'" : "'%s': there is no tag ':%s'", w, q);
        return 1;
    }
    if (!required(c, t->ext))
        complain(c, a, "':%s' needs the extension; put require \"%s\"; at the top", q,
                 sieve_ext_name(t->ext));
    const struct sieve_tag_spec *rival = find_rival(n, i, t);
    if (rival && rival->tag == t->tag)
        complain(c, a, "':%s' stands here twice; take one away", q);
    else if (rival)
        complain(c, a, "':%s' and ':%s' exclude each other; take one away", rival->name, q);
    n->tags |= UINT64_C(1) << t->tag;
    if (!t->value) {
        take_option(c, n, t, NULL);
        return 1;
    }
    if (i + 1 >= n->n_args || !fits(&n->args[i + 1], t->value)) {
        complain(c, a, "':%s' must be followed by %s", q, kind_name(t->value));
        return 1;
    }
    take_option(c, n, t, &n->args[i + 1]);
    return 2;
}

static void usage(struct checker *c, const struct sieve_node *n, const struct sieve_spec *spec)
{
    char text[160] = "", q[60];
    bool optional = false;
    size_t used = 0;
    for (const char *w = spec->args; *w; w++) {
        if (*w == '?') {
            optional = true;
            continue;
        }
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s%s", used ? ", " : "",
                                 optional ? "perhaps " : "", kind_name(*w));
        optional = false;
    }
    complain(c, n, "'%s' takes %s", sieve_quote(n->name, q), used ? text : "no argument but tags");
}

/* Positional arguments: the rows' letters are matched from the end, so that an optional one in
 * front is left out first. deleteheader's values may be missing ("SL?"). */
static void take_positional(struct checker *c, struct sieve_node *n, const struct sieve_spec *spec,
                            const struct sieve_arg **pos, size_t n_pos)
{
    char want[4] = "";
    bool drop_front = *spec->args == '?', drop_back = strchr(spec->args, '?') && !drop_front;
    size_t n_want = 0;
    for (const char *w = spec->args; *w; w++)
        if (*w != '?')
            want[n_want++] = *w;
    size_t shift = drop_front && n_pos + 1 == n_want ? 1 : 0;
    bool ok = n_pos + shift == n_want || (drop_back && n_pos + 1 == n_want);
    for (size_t i = 0; ok && i < n_pos; i++)
        ok = fits(pos[i], want[i + shift]);
    if (!ok) {
        usage(c, n, spec);
        return;
    }
    for (size_t i = 0; i < n_pos; i++) {
        if (pos[i]->kind == SIEVE_ARG_NUMBER)
            n->number = pos[i]->number;
        else
            n->arg[i + shift] = pos[i]->list;
    }
}

static void check_arguments(struct checker *c, struct sieve_node *n, const struct sieve_spec *spec)
{
    const struct sieve_arg *pos[4];
    size_t n_pos = 0;
    for (size_t i = 0; i < n->n_args; i++)
        for (size_t k = 0; k < n->args[i].list.n; k++)
            check_string(c, &n->args[i].list.v[k]);
    for (size_t i = 0; i < n->n_args;) {
        if (n->args[i].kind == SIEVE_ARG_TAG) {
            if (n_pos && n->word != SIEVE_SIZE) {
                char q[60];
                complain(c, &n->args[i], "':%s' must stand before the other arguments",
                         sieve_quote(n->args[i].tag, q));
            }
            i += take_tag(c, n, i);
            continue;
        }
        if (n_pos == ARRAY_LEN(pos))
            break;
        pos[n_pos++] = &n->args[i++];
    }
    size_t before = c->problems->n;
    take_positional(c, n, spec, pos, n_pos);
    if (c->problems->n == before)
        sieve_check_values(c->s, n, c->problems);
}

/* --- commands and tests --- */

static void check_node(struct checker *c, struct sieve_node *n, bool test);

static void check_tests(struct checker *c, struct sieve_node *n, const struct sieve_spec *spec)
{
    char q[60];
    sieve_quote(n->name, q);
    if (spec->tests == TESTS_NONE && n->tests)
        complain(c, n->tests, "'%s' takes no test; commands stand in braces", q);
    else if (spec->tests == TESTS_ONE && (!n->tests || n->test_list))
        complain(c, n,
                 "'%s' needs one test, without parentheses; several go into anyof(...) or "
                 "allof(...)",
                 q);
    else if (spec->tests == TESTS_LIST && (!n->tests || !n->test_list))
        complain(c, n, "'%s' needs tests in parentheses, with commas between them", q);
    for (struct sieve_node *t = n->tests; t; t = t->next)
        check_node(c, t, true);
}

static void check_block(struct checker *c, struct sieve_node *first);

static void check_node(struct checker *c, struct sieve_node *n, bool test)
{
    const struct sieve_spec *spec = sieve_find_spec(n->name);
    const char *kind = test ? "test" : "command";
    char q[60];
    sieve_quote(n->name, q);
    if (!spec || spec->test != test) {
        complain(c, n, spec ? "'%s' is no %s and cannot stand here" : "there is no '%s' %s", q,
                 kind);
        return;
    }
    n->word = spec->word;
    if (!required(c, spec->ext))
        complain(c, n, "the %s '%s' needs the extension; put require \"%s\"; at the top", kind, q,
                 sieve_ext_name(spec->ext));
    check_arguments(c, n, spec);
    check_tests(c, n, spec);
    if (spec->block != n->has_block)
        complain(c, n,
                 spec->block ? "'%s' needs a block of commands in braces"
                             : "'%s' takes no block; it ends with ';'",
                 q);
    check_block(c, n->block);
}

static void check_block(struct checker *c, struct sieve_node *first)
{
    bool after_if = false;
    for (struct sieve_node *n = first; n && c->problems->n < SIEVE_MAX_PROBLEMS; n = n->next) {
        check_node(c, n, false);
        bool chained = n->word == SIEVE_ELSIF || n->word == SIEVE_ELSE;
        if (chained && !after_if) {
            char q[60];
            complain(c, n, "'%s' must follow the block of 'if' or 'elsif'",
                     sieve_quote(n->name, q));
        }
        after_if = n->word == SIEVE_IF || n->word == SIEVE_ELSIF;
    }
}

/* --- require --- */

static void take_require(struct checker *c, struct sieve_node *n)
{
    n->word = SIEVE_REQUIRE;
    if (n->n_args != 1 || n->args[0].kind != SIEVE_ARG_STRINGS || n->tests || n->has_block) {
        complain(c, n, "'require' takes one text or one list of texts, the names of extensions");
        return;
    }
    for (size_t i = 0; i < n->args[0].list.n; i++) {
        const struct sieve_str *s = &n->args[0].list.v[i];
        enum sieve_ext e = sieve_find_ext(s->s);
        char q[60];
        if (e == SIEVE_EXT_NONE)
            complain(c, s,
                     "the extension \"%s\" is not known here; take it out of 'require' and "
                     "do without it",
                     sieve_quote(s->s, q));
        c->s->ext |= UINT64_C(1) << e;
    }
    n->arg[0] = n->args[0].list;
}

void sieve_check(struct sieve_script *s, struct arena *a, struct sieve_problems *problems)
{
    struct checker c = { s, a, problems };
    struct sieve_node *n = s->commands;
    for (; n && sv_ieq(n->name, SV("require")); n = n->next)
        take_require(&c, n);
    for (struct sieve_node *k = n; k; k = k->next)
        if (sv_ieq(k->name, SV("require")))
            complain(&c, k, "'require' must stand at the top, before all other commands");
    s->ext &= ~UINT64_C(1);
    if (!problems->n)
        check_block(&c, n);
}
