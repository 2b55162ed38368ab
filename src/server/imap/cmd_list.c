/* LIST with its extensions (RFC 5258, 5819, 6154) and LSUB. The store's
 * folders are read once into the command's arena, then matched. RFC 3501 sections 6.3.8 and 6.3.9.
 */
#include "server/imap/imap_priv.h"

struct entry {
    struct sv name;
    const char *special;
    bool exists, subscribed, has_children;
};

struct folders {
    struct arena *a;
    struct entry *e;
    size_t n, cap;
    bool full;
};

static bool collect(const struct folder *f, void *arg)
{
    struct folders *fs = arg;
    if (fs->n == fs->cap) {
        size_t cap = fs->cap ? fs->cap * 2 : 32;
        struct entry *e = arena_alloc(fs->a, cap * sizeof(*e));
        if (!e) {
            fs->full = true;
            return false;
        }
        if (fs->n)
            memcpy(e, fs->e, fs->n * sizeof(*e));
        fs->e = e;
        fs->cap = cap;
    }
    struct sv name = arena_sv(fs->a, sv_c(f->name));
    char *special = arena_strndup(fs->a, f->special_use, strlen(f->special_use));
    if (!name.p || !special) {
        fs->full = true;
        return false;
    }
    fs->e[fs->n++] = (struct entry){ name, special, f->exists, f->subscribed, f->has_children };
    return true;
}

static int read_folders(struct cmd *c, struct folders *fs)
{
    struct errinfo ei = { 0 };
    *fs = (struct folders){ .a = c->a };
    int r = mailbox_folders(c->s->mb, false, collect, fs, &ei);
    if (r == 0 && fs->full)
        r = E_LIMIT;
    if (r < 0)
        cmd_error(c, r, &ei, NULL);
    return r;
}

/* --- arguments --- */

enum {
    SEL_SUBSCRIBED = 1,
    SEL_RECURSIVE = 2,
    SEL_REMOTE = 4,
    SEL_SPECIAL = 8,
    RET_SUBSCRIBED = 16,
    RET_CHILDREN = 32,
    RET_SPECIAL = 64,
    RET_STATUS = 128,
};

static const struct option {
    const char *name;
    unsigned bit;
} select_options[] = { { "SUBSCRIBED", SEL_SUBSCRIBED },
                       { "RECURSIVEMATCH", SEL_RECURSIVE },
                       { "REMOTE", SEL_REMOTE },
                       { "SPECIAL-USE", SEL_SPECIAL } },
  return_options[] = { { "SUBSCRIBED", RET_SUBSCRIBED },
                       { "CHILDREN", RET_CHILDREN },
                       { "SPECIAL-USE", RET_SPECIAL },
                       { "STATUS", RET_STATUS } };

struct list_args {
    unsigned opts, status;
    bool extended; /* \NonExistent instead of \Noselect, and so on */
    struct sv reference;
    struct sv *patterns;
    size_t n;
};

static int options(struct imap_in *in, const struct option *known, size_t n, struct list_args *l)
{
    l->extended = true;
    if (!imap_char(in, '('))
        return E_PARSE;
    while (!imap_char(in, ')')) {
        size_t i = 0;
        while (i < n && !imap_word(in, sv_c(known[i].name)))
            i++;
        if (i == n)
            return E_PARSE;
        l->opts |= known[i].bit;
        if (known[i].bit == RET_STATUS && (imap_sp(in) < 0 || status_items(in, &l->status) < 0))
            return E_PARSE;
        imap_char(in, ' ');
    }
    return 0;
}

static int add_pattern(struct imap_in *in, struct list_args *l, size_t *cap)
{
    struct sv p;
    int r = imap_list_mailbox(in, &p);
    if (r < 0)
        return r;
    if (l->n == *cap) {
        *cap = *cap ? *cap * 2 : 4;
        struct sv *bigger = arena_alloc(in->a, *cap * sizeof(*bigger));
        if (!bigger)
            return E_LIMIT;
        if (l->n)
            memcpy(bigger, l->patterns, l->n * sizeof(*bigger));
        l->patterns = bigger;
    }
    l->patterns[l->n++] = p;
    return 0;
}

static int patterns(struct imap_in *in, struct list_args *l)
{
    size_t cap = 0;
    int r;
    if (!imap_char(in, '('))
        return add_pattern(in, l, &cap);
    l->extended = true;
    do
        r = add_pattern(in, l, &cap);
    while (r == 0 && imap_char(in, ' '));
    return r == 0 && !imap_char(in, ')') ? E_PARSE : r;
}

static int list_args(struct cmd *c, bool extended, struct list_args *l)
{
    struct imap_in *in = &c->in;
    *l = (struct list_args){ 0 };
    int r = imap_sp(in);
    if (r == 0 && extended && imap_peek(in) == '(') {
        r = options(in, select_options, ARRAY_LEN(select_options), l);
        if (r == 0)
            r = imap_sp(in);
    }
    if (r == 0)
        r = imap_astring(in, &l->reference);
    if (r == 0)
        r = imap_sp(in);
    if (r == 0)
        r = patterns(in, l);
    if (r == 0 && extended && imap_char(in, ' ')) {
        r = imap_word(in, SV("RETURN")) ? imap_sp(in) : E_PARSE;
        if (r == 0)
            r = options(in, return_options, ARRAY_LEN(return_options), l);
    }
    if (r == 0 && !imap_end(in))
        r = E_PARSE;
    if (r == 0 && (l->opts & SEL_RECURSIVE) && !(l->opts & (SEL_SUBSCRIBED | SEL_SPECIAL)))
        r = E_PARSE; /* RFC 5258 3.1: needs another selection option */
    if (r < 0)
        cmd_bad_args(c, "reference and pattern");
    return r;
}

/* Reference and pattern are joined, then compared as UTF-8. */
static int prepare_patterns(struct cmd *c, struct list_args *l)
{
    for (size_t i = 0; i < l->n; i++) {
        struct sv p = l->patterns[i];
        char *joined = arena_alloc(c->a, l->reference.n + p.n);
        if (!joined) {
            cmd_done(c, RES_NO, "[LIMIT] Too many patterns");
            return E_LIMIT;
        }
        if (l->reference.n)
            memcpy(joined, l->reference.p, l->reference.n);
        if (p.n)
            memcpy(joined + l->reference.n, p.p, p.n);
        int r = cmd_mailbox_name(c, sv_n(joined, l->reference.n + p.n), &l->patterns[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

static bool matches(const struct list_args *l, struct sv name)
{
    for (size_t i = 0; i < l->n; i++) {
        if (imap_pattern_match(l->patterns[i], name))
            return true;
    }
    return false;
}

/* --- responses --- */

static void attr(struct buf *out, bool *first, const char *name)
{
    if (!*first)
        buf_add_c(out, ' ');
    *first = false;
    buf_add_str(out, name);
}

static void put_entry(struct cmd *c, const struct list_args *l, const struct entry *e,
                      bool child_matches)
{
    struct buf *out = &c->out;
    bool first = true;
    buf_add_str(out, "* LIST (");
    if (!e->exists)
        attr(out, &first, l->extended ? "\\NonExistent" : "\\Noselect");
    attr(out, &first, e->has_children ? "\\HasChildren" : "\\HasNoChildren");
    if (e->subscribed && l->opts & (SEL_SUBSCRIBED | RET_SUBSCRIBED))
        attr(out, &first, "\\Subscribed");
    if (e->special[0] && e->exists)
        attr(out, &first, e->special);
    buf_add_str(out, ") \"/\" ");
    put_mailbox(out, e->name);
    if (child_matches)
        buf_add_str(out, " (\"CHILDINFO\" (\"SUBSCRIBED\"))");
    buf_add(out, "\r\n", 2);
}

static bool selected_by(const struct list_args *l, const struct entry *e)
{
    if (l->opts & SEL_SUBSCRIBED && !e->subscribed)
        return false;
    if (l->opts & SEL_SPECIAL && (!e->special[0] || !e->exists))
        return false;
    /* A name that is only subscribed to appears when subscriptions are asked for, a parent that
     * does not exist when its children do. */
    return e->exists || e->has_children || l->opts & SEL_SUBSCRIBED;
}

static bool below(struct sv parent, struct sv name)
{
    return name.n > parent.n && name.p[parent.n] == '/' && sv_starts(name, parent);
}

/* RECURSIVEMATCH: is a subscribed folder below this one, that the pattern does not show itself? */
static bool has_hidden_child(const struct list_args *l, const struct folders *fs, size_t i)
{
    for (size_t k = 0; k < fs->n; k++) {
        const struct entry *e = &fs->e[k];
        if (below(fs->e[i].name, e->name) && e->subscribed && !matches(l, e->name))
            return true;
    }
    return false;
}

static void list_all(struct cmd *c, const struct list_args *l)
{
    struct folders fs;
    if (read_folders(c, &fs) < 0)
        return;
    for (size_t i = 0; i < fs.n; i++) {
        const struct entry *e = &fs.e[i];
        if (!matches(l, e->name))
            continue;
        bool child = l->opts & SEL_RECURSIVE && has_hidden_child(l, &fs, i);
        if (!selected_by(l, e) && !child)
            continue;
        put_entry(c, l, e, child);
        struct folder f = { 0 };
        if (l->opts & RET_STATUS && e->exists &&
            mailbox_folder(c->s->mb, e->name, c->a, &f, NULL) == 0)
            put_status(&c->out, e->name, &f, l->status);
    }
}

/* LIST "" "" asks for the hierarchy separator. */
static bool asks_separator(const struct list_args *l)
{
    return !l->extended && l->n == 1 && l->patterns[0].n == 0;
}

void cmd_list(struct cmd *c)
{
    struct list_args l;
    if (list_args(c, true, &l) < 0)
        return;
    if (asks_separator(&l)) {
        buf_add_str(&c->out, "* LIST (\\Noselect) \"/\" \"\"\r\n");
        return;
    }
    if (prepare_patterns(c, &l) == 0)
        list_all(c, &l);
}

/* --- LSUB --- */

static void put_lsub(struct cmd *c, struct sv name, bool noselect)
{
    buf_add_str(&c->out, noselect ? "* LSUB (\\Noselect) \"/\" " : "* LSUB () \"/\" ");
    put_mailbox(&c->out, name);
    buf_add(&c->out, "\r\n", 2);
}

/* "LSUB "" %" with only "a/b" subscribed shows "a" as \Noselect (RFC 3501 6.3.9): for the highest
 * matching parent of a subscribed name that the pattern does not match. */
static bool matching_parent(const struct list_args *l, struct sv name, struct sv *ret)
{
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] == '/' && matches(l, sv_take(name, i))) {
            *ret = sv_take(name, i);
            return true;
        }
    }
    return false;
}

void cmd_lsub(struct cmd *c)
{
    struct list_args l;
    struct folders fs;
    if (list_args(c, false, &l) < 0)
        return;
    if (asks_separator(&l)) {
        buf_add_str(&c->out, "* LSUB (\\Noselect) \"/\" \"\"\r\n");
        return;
    }
    if (prepare_patterns(c, &l) < 0 || read_folders(c, &fs) < 0)
        return;
    struct sv told = SV_NULL;
    for (size_t i = 0; i < fs.n; i++) {
        struct sv parent;
        if (!fs.e[i].subscribed)
            continue;
        if (matches(&l, fs.e[i].name)) {
            put_lsub(c, fs.e[i].name, false);
            told = fs.e[i].name;
        } else if (matching_parent(&l, fs.e[i].name, &parent) && !sv_eq(parent, told)) {
            put_lsub(c, parent, true);
            told = parent;
        }
    }
}
