/* Parser of SEARCH programs. Pure; depth and number of keys are bounded. RFC 3501 section 9
 * (search-key), RFC 5032, RFC 4731. */
#include "proto/imap_search.h"

enum arg {
    ARG_NONE,
    ARG_TEXT,
    ARG_KEYWORD,
    ARG_DATE,
    ARG_NUMBER,
    ARG_HEADER,
    ARG_UIDSET,
    ARG_NOT,
    ARG_OR
};

static const struct row {
    const char *name;
    enum imap_key key;
    enum arg arg;
    uint64_t flag; /* of KEY_FLAGS */
    bool negate;
} rows[] = {
    { "ALL", KEY_ALL, ARG_NONE, 0, false },
    { "ANSWERED", KEY_FLAGS, ARG_NONE, 2, false },
    { "BCC", KEY_BCC, ARG_TEXT, 0, false },
    { "BEFORE", KEY_BEFORE, ARG_DATE, 0, false },
    { "BODY", KEY_BODY, ARG_TEXT, 0, false },
    { "CC", KEY_CC, ARG_TEXT, 0, false },
    { "DELETED", KEY_FLAGS, ARG_NONE, 8, false },
    { "DRAFT", KEY_FLAGS, ARG_NONE, 16, false },
    { "FLAGGED", KEY_FLAGS, ARG_NONE, 4, false },
    { "FROM", KEY_FROM, ARG_TEXT, 0, false },
    { "HEADER", KEY_HEADER, ARG_HEADER, 0, false },
    { "KEYWORD", KEY_KEYWORD, ARG_KEYWORD, 0, false },
    { "LARGER", KEY_LARGER, ARG_NUMBER, 0, false },
    { "NEW", KEY_AND, ARG_NONE, 0, false },
    { "NOT", KEY_NOT, ARG_NOT, 0, false },
    { "OLD", KEY_RECENT, ARG_NONE, 0, true },
    { "OLDER", KEY_OLDER, ARG_NUMBER, 0, false },
    { "ON", KEY_ON, ARG_DATE, 0, false },
    { "OR", KEY_OR, ARG_OR, 0, false },
    { "RECENT", KEY_RECENT, ARG_NONE, 0, false },
    { "SEEN", KEY_FLAGS, ARG_NONE, 1, false },
    { "SENTBEFORE", KEY_SENTBEFORE, ARG_DATE, 0, false },
    { "SENTON", KEY_SENTON, ARG_DATE, 0, false },
    { "SENTSINCE", KEY_SENTSINCE, ARG_DATE, 0, false },
    { "SINCE", KEY_SINCE, ARG_DATE, 0, false },
    { "SMALLER", KEY_SMALLER, ARG_NUMBER, 0, false },
    { "SUBJECT", KEY_SUBJECT, ARG_TEXT, 0, false },
    { "TEXT", KEY_TEXT, ARG_TEXT, 0, false },
    { "TO", KEY_TO, ARG_TEXT, 0, false },
    { "UID", KEY_UIDSET, ARG_UIDSET, 0, false },
    { "UNANSWERED", KEY_FLAGS, ARG_NONE, 2, true },
    { "UNDELETED", KEY_FLAGS, ARG_NONE, 8, true },
    { "UNDRAFT", KEY_FLAGS, ARG_NONE, 16, true },
    { "UNFLAGGED", KEY_FLAGS, ARG_NONE, 4, true },
    { "UNKEYWORD", KEY_KEYWORD, ARG_KEYWORD, 0, true },
    { "UNSEEN", KEY_FLAGS, ARG_NONE, 1, true },
    { "YOUNGER", KEY_YOUNGER, ARG_NUMBER, 0, false },
};

struct parser {
    struct imap_in *in;
    unsigned n_keys, depth;
};

static int one_key(struct parser *p, struct imap_search_key **ret);

static struct imap_search_key *key_new(struct parser *p, enum imap_key key)
{
    if (++p->n_keys > IMAP_SEARCH_MAX_KEYS)
        return NULL;
    struct imap_search_key *k = arena_alloc(p->in->a, sizeof(*k));
    if (k)
        k->key = key;
    return k;
}

static struct imap_search_key *negated(struct parser *p, struct imap_search_key *k)
{
    struct imap_search_key *not = key_new(p, KEY_NOT);
    if (not )
        not ->children = k;
    return not ;
}

/* NEW = RECENT UNSEEN. */
static int new_key(struct parser *p, struct imap_search_key *k)
{
    struct imap_search_key *seen = key_new(p, KEY_FLAGS);
    k->children = key_new(p, KEY_RECENT);
    if (!seen || !k->children)
        return E_LIMIT;
    seen->number = 1;
    k->children->next = negated(p, seen);
    return k->children->next ? 0 : E_LIMIT;
}

static int number_arg(struct imap_in *in, struct imap_search_key *k)
{
    uint64_t v;
    int r = imap_u64(in, &v);
    if (r < 0)
        return r;
    k->number = v;
    return 0;
}

static int key_args(struct parser *p, enum arg arg, struct imap_search_key *k)
{
    struct imap_in *in = p->in;
    int r;
    if (arg == ARG_NONE)
        return 0;
    if (imap_sp(in) < 0)
        return E_PARSE;
    switch (arg) {
    case ARG_NONE:
        return 0;
    case ARG_TEXT:
        return imap_astring(in, &k->text);
    case ARG_KEYWORD:
        return imap_atom(in, &k->name);
    case ARG_DATE:
        return imap_date(in, &k->day);
    case ARG_NUMBER:
        return number_arg(in, k);
    case ARG_HEADER:
        r = imap_astring(in, &k->name);
        if (r == 0)
            r = imap_sp(in);
        return r < 0 ? r : imap_astring(in, &k->text);
    case ARG_UIDSET:
        return imap_set_parse(in, &k->set);
    case ARG_NOT:
        return one_key(p, &k->children);
    case ARG_OR:
        r = one_key(p, &k->children);
        if (r == 0)
            r = imap_sp(in);
        return r < 0 ? r : one_key(p, &k->children->next);
    }
    return E_PARSE;
}

static int named_key(struct parser *p, struct imap_search_key **ret)
{
    struct sv name;
    int r = imap_atom(p->in, &name);
    if (r < 0)
        return r;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (!sv_ieq(name, sv_c(rows[i].name)))
            continue;
        struct imap_search_key *k = key_new(p, rows[i].key);
        if (!k)
            return E_LIMIT;
        k->number = rows[i].flag;
        r = rows[i].key == KEY_AND ? new_key(p, k) : key_args(p, rows[i].arg, k);
        if (r < 0)
            return r;
        *ret = rows[i].negate ? negated(p, k) : k;
        return *ret ? 0 : E_LIMIT;
    }
    return E_PARSE;
}

/* Keys up to the end or a closing parenthesis, all of which must hold. */
static int key_list(struct parser *p, struct imap_search_key **ret)
{
    struct imap_search_key *and = key_new(p, KEY_AND);
    if (!and)
        return E_LIMIT;
    struct imap_search_key **at = &and->children;
    do {
        int r = one_key(p, at);
        if (r < 0)
            return r;
        at = &(*at)->next;
    } while (imap_char(p->in, ' ') && p->in->p < p->in->end);
    *ret = and;
    return 0;
}

static int one_key(struct parser *p, struct imap_search_key **ret)
{
    int r;
    char c = imap_peek(p->in);
    if (++p->depth > IMAP_SEARCH_MAX_DEPTH)
        return E_LIMIT;
    if (c == '(') {
        p->in->p++;
        r = key_list(p, ret);
        if (r == 0 && !imap_char(p->in, ')'))
            r = E_PARSE;
    } else if (c == '*' || (c >= '0' && c <= '9')) {
        *ret = key_new(p, KEY_SEQSET);
        r = *ret ? imap_set_parse(p->in, &(*ret)->set) : E_LIMIT;
    } else {
        r = named_key(p, ret);
    }
    p->depth--;
    return r;
}

static int return_options(struct imap_in *in, struct imap_search *s)
{
    static const struct {
        const char *name;
        unsigned bit;
    } options[] = {
        { "MIN", RETURN_MIN },
        { "MAX", RETURN_MAX },
        { "ALL", RETURN_ALL },
        { "COUNT", RETURN_COUNT },
    };
    s->esearch = true;
    if (imap_sp(in) < 0 || !imap_char(in, '('))
        return E_PARSE;
    while (!imap_char(in, ')')) {
        bool known = false;
        for (size_t i = 0; i < ARRAY_LEN(options) && !known; i++) {
            known = imap_word(in, sv_c(options[i].name));
            if (known)
                s->returns |= options[i].bit;
        }
        if (!known)
            return E_PARSE;
        imap_char(in, ' ');
    }
    if (!s->returns)
        s->returns = RETURN_ALL;
    return imap_sp(in);
}

int imap_search_parse(struct imap_in *in, struct imap_search *ret)
{
    struct parser p = { .in = in };
    struct imap_search s = { 0 };
    int r = 0;
    if (imap_word(in, SV("RETURN")))
        r = return_options(in, &s);
    if (r == 0 && imap_word(in, SV("CHARSET"))) {
        r = imap_sp(in);
        if (r == 0)
            r = imap_astring(in, &s.charset);
        if (r == 0)
            r = imap_sp(in);
    }
    if (r == 0)
        r = key_list(&p, &s.root);
    if (r == 0)
        *ret = s;
    return r;
}
