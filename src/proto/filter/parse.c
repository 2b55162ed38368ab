/* The grammar:
 *   rules  = *( "rule" name ["off"] ["if" any] "then" action *("," action) )
 *   any    = all *( "or" all )
 *   all    = one *( "and" one )
 *   one    = "not" one / "(" any ")" / test
 *   test   = text-word op string *("," string) / "header" name ( op ... / "exists" )
 *          / number-word ("over" / "under" / "is") number
 *          / ("time" / "date") "from" string "to" string / flag-word */
#include "proto/filter/filter_priv.h"

#include "base/codec.h"
#include "base/pattern_item.h"

enum { ARENA = 4 * 1024 * 1024 };

struct parser {
    struct filter_lexer x;
    struct filter_rule *r;
    size_t n_nodes, n_values;
    unsigned depth;
};

static bool at_word(const struct parser *p, const char *word)
{
    return p->x.t.kind == FT_WORD && sv_ieq(p->x.t.text, sv_c(word));
}

static bool take_word(struct parser *p, const char *word)
{
    bool is = at_word(p, word);
    if (is)
        filter_lex(&p->x);
    return is;
}

static bool take_punct(struct parser *p, char c)
{
    bool is = p->x.t.kind == FT_PUNCT && p->x.t.punct == c;
    if (is)
        filter_lex(&p->x);
    return is;
}

static int expected(struct parser *p, const char *what)
{
    char shown[60];
    if (p->x.t.kind == FT_END)
        return filter_wrong(&p->x, E_PARSE, "the text ends where %s is expected", what);
    return filter_wrong(&p->x, E_PARSE, "'%s' stands where %s is expected",
                        filter_quote(p->x.t.text, shown), what);
}

static int take_string(struct parser *p, const char *what, struct sv *ret)
{
    if (p->x.t.kind != FT_STRING)
        return expected(p, what);
    if (!utf8_valid(p->x.t.text))
        return filter_wrong(&p->x, E_PARSE, "the text is not valid UTF-8");
    *ret = p->x.t.text;
    return 0; /* the caller checks the value before it goes on, so that errors name its place */
}

/* --- conditions --- */

static struct filter_node *new_node(struct parser *p, enum filter_node_kind kind)
{
    struct filter_node *n = NULL;
    if (++p->n_nodes <= FILTER_MAX_NODES)
        n = arena_alloc(p->x.a, sizeof(*n));
    if (n)
        n->kind = kind;
    else
        (void)filter_wrong(&p->x, E_LIMIT, "the rule has more than %d conditions",
                           FILTER_MAX_NODES / 2);
    return n;
}

static int take_op(struct parser *p, const struct filter_fact_word *f, enum filter_op *ret)
{
    static const struct {
        const char *word;
        enum filter_op op;
    } ops[] = { { "is", FILTER_IS },           { "contains", FILTER_CONTAINS },
                { "starts", FILTER_STARTS },   { "ends", FILTER_ENDS },
                { "matches", FILTER_MATCHES }, { "regex", FILTER_REGEX },
                { "in", FILTER_IN },           { "exists", FILTER_EXISTS } };
    for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
        enum filter_op op = ops[i].op;
        bool known = (op != FILTER_IN || f->fact == FILTER_IP) &&
                     (op != FILTER_EXISTS || f->fact == FILTER_HEADER) &&
                     (f->fact != FILTER_WEEKDAY || op == FILTER_IS) &&
                     (f->fact != FILTER_BODY || op == FILTER_CONTAINS || op == FILTER_REGEX);
        if (known && take_word(p, ops[i].word)) {
            *ret = op;
            return 0;
        }
    }
    return expected(p, f->fact == FILTER_WEEKDAY ? "is"
                       : f->fact == FILTER_BODY  ? "contains or regex"
                       : f->fact == FILTER_IP ? "in, is, contains, starts, ends, matches or regex"
                       : f->fact == FILTER_HEADER
                           ? "is, contains, starts, ends, matches, regex or exists"
                           : "is, contains, starts, ends, matches or regex");
}

static int make_regex(struct parser *p, struct sv pattern, struct sieve_regex **ret)
{
    char why[100];
    if (sieve_regex_new(pattern, true, ret, why, sizeof(why)) < 0)
        return filter_wrong(&p->x, E_PARSE, "this is no regular expression: %s", why);
    p->r->regexes = xrealloc(p->r->regexes, (p->r->n_regexes + 1) * sizeof(*p->r->regexes));
    p->r->regexes[p->r->n_regexes++] = *ret;
    return 0;
}

static bool is_pattern(const struct filter_node *t, struct sv v)
{
    bool asked = t->fact == FILTER_SENDER || t->fact == FILTER_RECIPIENT || t->fact == FILTER_IP;
    return asked && (t->op == FILTER_IS || t->op == FILTER_IN) && pattern_is_name(v);
}

static int check_value(struct parser *p, const struct filter_node *t, struct sv v)
{
    if (is_pattern(t, v))
        return 0;
    if (t->op == FILTER_IN)
        return filter_check_networks(&p->x, v);
    if (t->fact == FILTER_WEEKDAY)
        return filter_check_weekday(&p->x, v);
    if (!v.n && t->op != FILTER_IS)
        return filter_wrong(&p->x, E_PARSE, "an empty text fits everything");
    return 0;
}

static int add_value(struct parser *p, struct filter_node *t, size_t *cap)
{
    struct sv v;
    int r = take_string(p, "a text in quotation marks", &v);
    if (r == 0)
        r = check_value(p, t, v);
    if (r == 0 && ++p->n_values > FILTER_MAX_VALUES)
        r = filter_wrong(&p->x, E_LIMIT, "the rule has more than %d texts", FILTER_MAX_VALUES);
    if (r == 0 && t->n == *cap) {
        size_t more = *cap ? 2 * *cap : 4;
        struct sv *values = arena_alloc(p->x.a, more * sizeof(*values));
        struct sieve_regex **re = arena_alloc(p->x.a, more * sizeof(struct sieve_regex *));
        if (!values || !re)
            return filter_wrong(&p->x, E_LIMIT, "the rule is too long");
        if (t->n) {
            memcpy(values, t->values, t->n * sizeof(*values));
            memcpy(re, t->re, t->n * sizeof(struct sieve_regex *));
        }
        t->values = values;
        t->re = re;
        *cap = more;
    }
    if (r == 0 && t->op == FILTER_REGEX)
        r = make_regex(p, v, &t->re[t->n]);
    if (r < 0)
        return r;
    for (size_t i = 0; t->op != FILTER_REGEX && i < v.n; i++)
        ((char *)(uintptr_t)v.p)[i] = ascii_lower(v.p[i]); /* the lexer's copy, ours alone */
    t->patterns |= is_pattern(t, v);
    t->values[t->n++] = v;
    filter_lex(&p->x);
    return 0;
}

static int parse_text(struct parser *p, struct filter_node *t, const struct filter_fact_word *f)
{
    size_t cap = 0;
    int r = 0;
    if (f->fact == FILTER_HEADER) {
        r = take_string(p, "the name of a header field in quotation marks", &t->header);
        if (r == 0 && !sv_eq(t->header, SV("*")))
            r = filter_check_header_name(&p->x, t->header);
        if (r == 0)
            filter_lex(&p->x);
    }
    if (r == 0)
        r = take_op(p, f, &t->op);
    if (r < 0 || t->op == FILTER_EXISTS)
        return r;
    do
        r = add_value(p, t, &cap);
    while (r == 0 && take_punct(p, ','));
    return r;
}

static int parse_number(struct parser *p, struct filter_node *t)
{
    if (take_word(p, "over"))
        t->op = FILTER_OVER;
    else if (take_word(p, "under"))
        t->op = FILTER_UNDER;
    else if (take_word(p, "is"))
        t->op = FILTER_EQUAL;
    else
        return expected(p, "over, under or is");
    if (p->x.t.kind != FT_NUMBER)
        return expected(p, "a number");
    int r = t->fact == FILTER_SCORE ? filter_parse_score(&p->x, p->x.t.text, &t->from)
                                    : filter_parse_bytes(&p->x, p->x.t.text, &t->from);
    if (r == 0)
        filter_lex(&p->x);
    return r;
}

static int take_moment(struct parser *p, enum filter_fact f, int64_t *ret)
{
    struct sv text;
    int r = take_string(
        p, f == FILTER_TIME ? "a time such as \"08:30\"" : "a date such as \"2026-12-24\"", &text);
    if (r == 0)
        r = f == FILTER_TIME ? filter_parse_minutes(&p->x, text, ret)
                             : filter_parse_date(&p->x, text, ret);
    if (r == 0)
        filter_lex(&p->x);
    return r;
}

static int parse_clock(struct parser *p, struct filter_node *t)
{
    t->op = FILTER_RANGE;
    if (!take_word(p, "from"))
        return expected(p, "from");
    int r = take_moment(p, t->fact, &t->from);
    if (r == 0 && !take_word(p, "to"))
        return expected(p, "to");
    if (r == 0)
        r = take_moment(p, t->fact, &t->to);
    if (r == 0 && t->fact == FILTER_DATE && t->to < t->from)
        return filter_wrong(&p->x, E_PARSE, "the last day comes before the first");
    return r;
}

static struct filter_node *parse_test(struct parser *p)
{
    const struct filter_fact_word *f =
        p->x.t.kind == FT_WORD ? filter_find_fact(p->x.t.text) : NULL;
    struct filter_node *t = NULL;
    if (!f)
        (void)expected(p, "a condition, such as sender or header");
    else
        t = new_node(p, FILTER_TEST);
    if (!t)
        return NULL;
    t->fact = f->fact;
    t->op = FILTER_YES;
    p->r->slow |= f->slow;
    filter_lex(&p->x);
    int r = f->kind == FACT_TEXT     ? parse_text(p, t, f)
            : f->kind == FACT_NUMBER ? parse_number(p, t)
            : f->kind == FACT_CLOCK  ? parse_clock(p, t)
                                     : 0;
    return r < 0 ? NULL : t;
}

static struct filter_node *parse_any(struct parser *p);

static struct filter_node *parse_one(struct parser *p)
{
    struct filter_node *n;
    if (take_word(p, "not")) {
        n = new_node(p, FILTER_NOT);
        if (n)
            n->a = parse_one(p);
        return n && n->a ? n : NULL;
    }
    if (!take_punct(p, '('))
        return parse_test(p);
    n = parse_any(p);
    if (n && !take_punct(p, ')')) {
        (void)expected(p, "')', and, or");
        return NULL;
    }
    return n;
}

/* first (word next)*, as a chain to the left. */
static struct filter_node *parse_chain(struct parser *p, const char *word,
                                       enum filter_node_kind kind,
                                       struct filter_node *(*next)(struct parser *))
{
    struct filter_node *left = next(p);
    while (left && take_word(p, word)) {
        struct filter_node *n = new_node(p, kind);
        if (!n)
            return NULL;
        n->a = left;
        n->b = next(p);
        left = n->b ? n : NULL;
    }
    return left;
}

static struct filter_node *parse_all(struct parser *p)
{
    return parse_chain(p, "and", FILTER_AND, parse_one);
}

static struct filter_node *parse_any(struct parser *p)
{
    struct filter_node *n = NULL;
    if (++p->depth > FILTER_MAX_DEPTH)
        (void)filter_wrong(&p->x, E_LIMIT, "brackets are nested more than %d deep",
                           FILTER_MAX_DEPTH);
    else
        n = parse_chain(p, "or", FILTER_OR, parse_all);
    p->depth--;
    return n;
}

/* --- actions --- */

static int take_priority(struct parser *p, int64_t *ret)
{
    static const char *const names[] = { "high", "normal", "low" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (take_word(p, names[i])) {
            *ret = (int64_t)i;
            return 0;
        }
    return expected(p, "high, normal or low");
}

/* What the kind wants of its text. */
static int check_text(struct parser *p, struct filter_action *a)
{
    switch (a->kind) {
    case FILTER_REJECT:
        return filter_make_reply(&p->x, a->text, &a->text);
    case FILTER_FORWARD:
    case FILTER_COPY:
        return filter_check_address(&p->x, a->text);
    case FILTER_MOVE:
        return a->text.n && a->text.n <= 1000 ? 0
                                              : filter_wrong(&p->x, E_PARSE, "a folder has a name");
    case FILTER_RESPOND:
        return a->text.n && a->text.n <= 16 * KiB
                   ? 0
                   : filter_wrong(&p->x, E_PARSE, "the text of a reply has 1 to 16384 bytes");
    case FILTER_ADD_HEADER:
    case FILTER_SET_HEADER:
    case FILTER_TAG_SUBJECT:
    case FILTER_QUARANTINE:
        for (size_t i = 0; i < a->text.n; i++)
            if ((unsigned char)a->text.p[i] < ' ')
                return filter_wrong(&p->x, E_PARSE, "the text must be one line");
        return a->text.n <= 800 ? 0
                                : filter_wrong(&p->x, E_PARSE, "the text is longer than 800 bytes");
    case FILTER_ACCEPT:
    case FILTER_STOP:
    case FILTER_DELETE:
    case FILTER_ADD_SCORE:
    case FILTER_REMOVE_HEADER:
    case FILTER_PRIORITY:
    case FILTER_TARPIT:
    case FILTER_DENY_SENDER:
    case FILTER_ALLOW_SENDER:
        break;
    case FILTER_MILTER:
    case FILTER_COMMAND:
        return a->text.n && a->text.n <= 60
                   ? 0
                   : filter_wrong(&p->x, E_PARSE, "the name of a %s has 1 to 60 bytes",
                                  filter_action_name(a->kind));
    }
    return 0;
}

static bool is_trace(struct sv name)
{
    return sv_ieq(name, SV("Received")) || sv_ieq(name, SV("Return-Path"));
}

static int take_header_name(struct parser *p, struct filter_action *a)
{
    int r = take_string(p, "the name of a header field in quotation marks", &a->name);
    if (r == 0)
        r = filter_check_header_name(&p->x, a->name);
    if (r == 0 && is_trace(a->name))
        r = filter_wrong(&p->x, E_PARSE, "the fields that tell of a message's way stay");
    if (r == 0)
        filter_lex(&p->x);
    return r;
}

static int take_seconds(struct parser *p, int64_t *ret)
{
    char shown[60];
    if (p->x.t.kind != FT_NUMBER)
        return expected(p, "a number of seconds");
    if (sv_to_i64(p->x.t.text, ret) < 0 || *ret < 1 || *ret > FILTER_MAX_TARPIT)
        return filter_wrong(&p->x, E_PARSE, "'%s' is not a number of seconds from 1 to %d",
                            filter_quote(p->x.t.text, shown), FILTER_MAX_TARPIT);
    filter_lex(&p->x);
    return p->x.error;
}

static int take_days(struct parser *p, int64_t *ret)
{
    char shown[60];
    if (p->x.t.kind != FT_NUMBER)
        return expected(p, "a number of days");
    if (sv_to_i64(p->x.t.text, ret) < 0 || *ret < 1 || *ret > FILTER_MAX_DAYS)
        return filter_wrong(&p->x, E_PARSE, "'%s' is not a number of days from 1 to %d",
                            filter_quote(p->x.t.text, shown), FILTER_MAX_DAYS);
    filter_lex(&p->x);
    return p->x.error;
}

static int take_subject(struct parser *p, struct sv *ret)
{
    int r = take_string(p, "the subject of the reply in quotation marks", ret);
    bool bad = r == 0 && (!ret->n || ret->n > 500);
    for (size_t i = 0; r == 0 && i < ret->n; i++)
        bad |= (unsigned char)ret->p[i] < ' ';
    if (bad)
        return filter_wrong(&p->x, E_PARSE, "the subject of a reply is one line of 1 to 500 bytes");
    if (r == 0)
        filter_lex(&p->x);
    return r;
}

/* text ["subject" text] ["days" number] */
static int take_reply(struct parser *p, struct filter_action *a)
{
    int r = take_string(p, "a text in quotation marks", &a->text);
    if (r == 0)
        r = check_text(p, a);
    if (r == 0)
        filter_lex(&p->x);
    if (r == 0 && take_word(p, "subject"))
        r = take_subject(p, &a->name);
    if (r == 0 && take_word(p, "days"))
        r = take_days(p, &a->number);
    return r;
}

static int take_args(struct parser *p, struct filter_action *a, const char *args)
{
    bool named = a->kind == FILTER_ADD_HEADER || a->kind == FILTER_SET_HEADER ||
                 a->kind == FILTER_REMOVE_HEADER;
    int r = named ? take_header_name(p, a) : 0;
    a->text = SV("");
    if (r < 0 || a->kind == FILTER_REMOVE_HEADER)
        return r;
    if (*args == 'R')
        return take_reply(p, a);
    if (*args == 'P')
        return take_priority(p, &a->number);
    if (*args == 'T')
        return take_seconds(p, &a->number);
    if (*args == 'N') {
        if (p->x.t.kind != FT_NUMBER)
            return expected(p, "a number");
        r = filter_parse_score(&p->x, p->x.t.text, &a->number);
        if (r == 0)
            filter_lex(&p->x);
        return r;
    }
    bool given = p->x.t.kind == FT_STRING;
    if (*args == 'S' || given)
        r = *args ? take_string(p, "a text in quotation marks", &a->text) : 0;
    if (r == 0 && a->kind == FILTER_REJECT && !given)
        a->text = SV(FILTER_OWN_REPLY);
    if (r == 0)
        r = check_text(p, a);
    if (r == 0 && given && *args)
        filter_lex(&p->x);
    return r;
}

static bool ends_rules(enum filter_action_kind k)
{
    return k == FILTER_ACCEPT || k == FILTER_STOP || k == FILTER_REJECT || k == FILTER_DELETE;
}

static int parse_action(struct parser *p)
{
    const struct filter_action_word *w =
        p->x.t.kind == FT_WORD ? filter_find_action(p->x.t.text) : NULL;
    struct filter_rule *r = p->r;
    if (!w)
        return expected(p, "an action, such as reject or add-header");
    if (r->n_actions == FILTER_MAX_ACTIONS)
        return filter_wrong(&p->x, E_LIMIT, "the rule has more than %d actions",
                            FILTER_MAX_ACTIONS);
    if (r->n_actions && ends_rules(r->actions[r->n_actions - 1].kind))
        return filter_wrong(&p->x, E_PARSE, "nothing is done after '%s'",
                            filter_action_name(r->actions[r->n_actions - 1].kind));
    struct filter_action *a = &r->actions[r->n_actions++];
    a->kind = w->kind;
    r->slow |= w->kind == FILTER_MILTER || w->kind == FILTER_COMMAND ||
               w->kind == FILTER_DENY_SENDER || w->kind == FILTER_ALLOW_SENDER;
    filter_lex(&p->x);
    return take_args(p, a, w->args);
}

/* --- rules --- */

static int parse_name(struct parser *p)
{
    int r = take_string(p, "the rule's name in quotation marks", &p->r->name);
    bool bad = r == 0 && (!p->r->name.n || p->r->name.n > FILTER_MAX_NAME);
    for (size_t i = 0; r == 0 && i < p->r->name.n; i++)
        bad |= (unsigned char)p->r->name.p[i] < ' ' || p->r->name.p[i] == '/';
    if (bad)
        return filter_wrong(&p->x, E_PARSE, "a name has 1 to %d bytes, no line breaks and no '/'",
                            FILTER_MAX_NAME);
    if (r == 0)
        filter_lex(&p->x);
    return r;
}

static int parse_rule(struct parser *p)
{
    if (!take_word(p, "rule"))
        return expected(p, "rule");
    int r = parse_name(p);
    if (r < 0)
        return r;
    p->r->off = take_word(p, "off");
    if (take_word(p, "if") && !(p->r->when = parse_any(p)))
        return p->x.error;
    if (p->x.error)
        return p->x.error;
    if (!take_word(p, "then"))
        return expected(p, p->r->when ? "and, or, then" : "if or then");
    do
        r = parse_action(p);
    while (r == 0 && take_punct(p, ','));
    return r == 0 ? p->x.error : r;
}

static void rule_free(struct filter_rule *r)
{
    for (size_t i = 0; i < r->n_regexes; i++)
        sieve_regex_free(r->regexes[i]);
    free(r->regexes);
    arena_done(&r->arena);
    free(r);
}

void filter_rules_done(struct filter_rules *r)
{
    for (size_t i = 0; i < r->n; i++)
        rule_free(r->v[i]);
    free(r->v);
    *r = (struct filter_rules){ 0 };
}

static int take_text(struct parser *p, struct sv text)
{
    text = sv_trim(text);
    if (text.n > FILTER_MAX_TEXT)
        return filter_wrong(&p->x, E_LIMIT, "the rule has more than %zu bytes", FILTER_MAX_TEXT);
    p->r->text = arena_sv(&p->r->arena, text);
    return p->r->text.p ? 0 : filter_wrong(&p->x, E_LIMIT, "the rule is too long");
}

static int check_name_is_new(struct parser *p, const struct filter_rules *rules)
{
    char shown[60];
    for (size_t i = 0; i + 1 < rules->n; i++)
        if (sv_eq(rules->v[i]->name, p->r->name))
            return filter_wrong(&p->x, E_PARSE, "the rule before has the name '%s', too",
                                filter_quote(p->r->name, shown));
    return 0;
}

int filter_parse(struct sv text, struct filter_rules *ret, struct errinfo *ei)
{
    struct parser p = { .x = { .in = text, .line = 1, .ei = ei } };
    size_t begin = 0;
    int r = 0;
    *ret = (struct filter_rules){ 0 };
    do {
        struct filter_rule *rule = xcalloc(1, sizeof(*rule));
        arena_init(&rule->arena, ARENA);
        ret->v = xrealloc(ret->v, (ret->n + 1) * sizeof(struct filter_rule *));
        ret->v[ret->n++] = rule;
        p.r = rule;
        p.x.a = &rule->arena;
        p.n_nodes = p.n_values = 0;
        if (ret->n == 1)
            filter_lex(&p.x);
        if (p.x.t.kind == FT_END && ret->n == 1) { /* no rule at all */
            filter_rules_done(ret);
            return p.x.error;
        }
        if (ret->n > FILTER_MAX_RULES)
            r = filter_wrong(&p.x, E_LIMIT, "there are more than %d rules", FILTER_MAX_RULES);
        if (r == 0)
            r = parse_rule(&p);
        size_t end = p.x.t.kind == FT_END ? text.n : p.x.end;
        if (r == 0)
            r = check_name_is_new(&p, ret);
        if (r == 0)
            r = take_text(&p, sv_n(text.p + begin, end - begin));
        begin = end;
    } while (r == 0 && p.x.t.kind != FT_END);
    if (r < 0)
        filter_rules_done(ret);
    return r;
}
