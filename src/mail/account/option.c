/* Fields of accounts that most leave at their defaults: a table of names and kinds, kept as rows of
 * account_option. Any thread. */
#include "mail/account/accounts_priv.h"

#include "base/codec.h"
#include "base/hash.h"
#include "mail/account/pattern.h"

enum { MAX_ADDRESSES = 1000 };

const struct option_info account_options[ACCOUNT_OPTIONS] = {
    [OPT_FORWARD_TO] = { "forward_to", OPTION_RECIPIENTS, "", NULL, 0 },
    [OPT_KEEP_COPY] = { "keep_copy", OPTION_SWITCH, "yes", NULL, 0 },
    [OPT_COPY_INCOMING] = { "copy_incoming", OPTION_RECIPIENTS, "", NULL, 0 },
    [OPT_COPY_OUTGOING] = { "copy_outgoing", OPTION_RECIPIENTS, "", NULL, 0 },
    [OPT_NULL_MAILBOX] = { "null_mailbox", OPTION_SWITCH, "no", NULL, 0 },
    [OPT_KIND] = { "kind", OPTION_CHOICE, "user", "user|list|group", 0 },
    [OPT_LIST_POST] = { "list_post", OPTION_CHOICE, "members", "members|anyone|moderators", 0 },
    [OPT_LIST_OWNER] = { "list_owner", OPTION_ADDRESSES, "", NULL, 0 },
    [OPT_LIST_MODERATORS] = { "list_moderators", OPTION_ADDRESSES, "", NULL, 0 },
    [OPT_LIST_QUERY] = { "list_query", OPTION_PATTERNS, "", NULL, 0 },
    [OPT_LIST_MODERATE] = { "list_moderate", OPTION_CHOICE, "no", "no|nonmembers|all", 0 },
    [OPT_LIST_ONE_CLICK] = { "list_one_click", OPTION_SWITCH, "no", NULL, 0 },
    [OPT_MAX_MESSAGES_HOUR] = { "max_messages_hour", OPTION_NUMBER, "0", NULL, 1000000000 },
    [OPT_MAX_MESSAGES_DAY] = { "max_messages_day", OPTION_NUMBER, "0", NULL, 1000000000 },
    [OPT_MAX_RECIPIENTS_HOUR] = { "max_recipients_hour", OPTION_NUMBER, "0", NULL, 1000000000 },
    [OPT_MAX_RECIPIENTS_DAY] = { "max_recipients_day", OPTION_NUMBER, "0", NULL, 1000000000 },
    [OPT_OLDER_TO] = { "forward_older_to", OPTION_ADDRESSES, "", NULL, 0 },
    [OPT_OLDER_DAYS] = { "forward_older_days", OPTION_NUMBER, "0", NULL, 36500 },
    [OPT_OLDER_DELETE] = { "forward_older_delete", OPTION_SWITCH, "no", NULL, 0 },
    [OPT_AUTO_REPLY] = { "auto_reply", OPTION_TEXT, "", NULL, 32 * KiB },
    [OPT_AUTO_REPLY_SUBJECT] = { "auto_reply_subject", OPTION_TEXT, "", NULL, 200 },
    [OPT_AUTO_REPLY_FROM] = { "auto_reply_from", OPTION_DATE, "", NULL, 0 },
    [OPT_AUTO_REPLY_UNTIL] = { "auto_reply_until", OPTION_DATE, "", NULL, 0 },
    [OPT_AUTO_REPLY_DAYS] = { "auto_reply_days", OPTION_NUMBER, "7", NULL, 365 },
};

const char *account_option(const struct account *a, enum account_option o)
{
    return a->option[o] ? a->option[o] : account_options[o].fallback;
}

bool account_is(const struct account *a, enum account_option o)
{
    return *account_option(a, o) == 'y';
}

int64_t account_number(const struct account *a, enum account_option o)
{
    uint64_t v = 0;
    return sv_to_u64(sv_c(account_option(a, o)), &v) < 0 ? 0 : (int64_t)v;
}

void options_free(struct account *acc)
{
    for (size_t i = 0; i < ACCOUNT_OPTIONS; i++) {
        free(acc->option[i]);
        if (acc->recipients)
            free(acc->recipients[i]);
    }
    free(acc->recipients);
}

const char *account_recipients(const struct account *a, enum account_option o)
{
    return a->recipients && a->recipients[o] ? a->recipients[o] : account_option(a, o);
}

/* Rows of a later version are passed over. */
static int read_options(struct view *v, struct account *acc, struct errinfo *ei)
{
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r = view_db(v, ei);
    if (r == 0)
        r = db_query(v->c, &s, ei, "SELECT name, value FROM account_option WHERE account_id = ?",
                     "i", acc->id);
    while (r == 0 && (r = db_step(s, ei)) == 1) {
        struct sv name = db_col_text(s, 0);
        for (size_t i = 0; i < ACCOUNT_OPTIONS; i++)
            if (sv_eq(name, sv_c(account_options[i].name)) && !acc->option[i])
                acc->option[i] = sv_dup(db_col_text(s, 1));
        r = 0;
    }
    return r;
}

struct resolving {
    const struct account *acc;
    struct map *seen;
    struct buf out;
};

static int add_recipient(struct sv address, void *arg)
{
    struct resolving *x = arg;
    if (sv_ieq(address, sv_c(x->acc->address)))
        return 0;
    if (x->out.n)
        (void)buf_add_c(&x->out, ';');
    return buf_add_sv(&x->out, address);
}

static int resolve_list(struct view *v, struct resolving *x, struct sv list, struct errinfo *ei)
{
    int r = 0;
    while (list.n && r == 0) {
        struct sv item = sv_split(&list, ';');
        struct addr a;
        if (pattern_is_name(item))
            r = pattern_recipients(v, pattern_inner(item), x->seen, add_recipient, x, ei);
        else if (addr_parse(item, &a, NULL) < 0 || !map_put(x->seen, addr_sv(&a), x))
            r = add_recipient(item, x);
    }
    return r;
}

/* Once for as long as the account is cached: a change of a pattern is one of accounts, too. */
static int resolve_patterns(struct view *v, struct account *acc, struct errinfo *ei)
{
    int r = 0;
    for (size_t i = 0; i < ACCOUNT_OPTIONS && r == 0; i++) {
        struct resolving x = { .acc = acc };
        if (account_options[i].kind != OPTION_RECIPIENTS || !acc->option[i] ||
            !strchr(acc->option[i], '['))
            continue;
        x.seen = map_new();
        buf_init(&x.out, 8 * MiB);
        r = resolve_list(v, &x, sv_c(acc->option[i]), ei);
        if (!acc->recipients)
            acc->recipients = xcalloc(ACCOUNT_OPTIONS, sizeof(*acc->recipients));
        acc->recipients[i] = buf_take(&x.out, NULL);
        map_free(x.seen, NULL);
    }
    return r;
}

int options_load(struct view *v, struct account *acc, struct errinfo *ei)
{
    int r = read_options(v, acc, ei);
    return r < 0 ? r : resolve_patterns(v, acc, ei);
}

/* --- canonical values --- */

static int add_item(struct sv item, struct map *seen, const char *field, struct buf *out,
                    struct errinfo *ei)
{
    if (map_count(seen) > MAX_ADDRESSES)
        return err_set(ei, E_RANGE, "%s: more than %d addresses", field, MAX_ADDRESSES);
    if (out->n)
        (void)buf_add_c(out, ';');
    return buf_add_sv(out, item);
}

static int add_pattern(const char *field, struct sv item, struct map *seen, struct buf *out,
                       struct errinfo *ei)
{
    char name[PATTERN_NAME_MAX + 3];
    for (size_t i = 0; i < item.n; i++)
        name[i] = ascii_lower(item.p[i]);
    struct sv lower = sv_n(name, item.n);
    return map_put(seen, lower, seen) ? 0 : add_item(lower, seen, field, out, ei);
}

/* As written: the local part of somebody else's address may depend on its case. */
static int add_address(const char *field, const struct addr *self, struct sv item, struct map *seen,
                       struct buf *out, struct errinfo *ei)
{
    struct addr a;
    struct errinfo why = { 0 };
    int r = addr_parse(item, &a, &why);
    if (r == 0)
        r = addr_check_new(&a, &why);
    if (r < 0)
        return err_set(ei, r, "%s: '" SV_FMT "': %.200s", field, SV_ARG(sv_take(item, 100)),
                       why.text);
    if (sv_eq(addr_sv(&a), addr_sv(self)))
        return err_set(ei, E_CONFLICT, "%s: '%.120s' is the account itself", field, a.text);
    return map_put(seen, addr_sv(&a), seen) ? 0 : add_item(item, seen, field, out, ei);
}

static int canonical_addresses(const struct option_info *o, const struct addr *self,
                               const char *text, struct buf *out, struct errinfo *ei)
{
    struct map *seen = map_new();
    struct sv rest = sv_c(text);
    int r = 0;
    while (r == 0 && rest.p) {
        struct sv item = sv_trim(sv_split(&rest, ';'));
        if (item.n && o->kind == OPTION_RECIPIENTS && pattern_is_name(item))
            r = add_pattern(o->name, item, seen, out, ei);
        else if (item.n)
            r = add_address(o->name, self, item, seen, out, ei);
    }
    map_free(seen, NULL);
    return r;
}

static int canonical_choice(const struct option_info *o, const char *text, struct buf *out,
                            struct errinfo *ei)
{
    struct sv rest = sv_c(o->choices), want = sv_trim(sv_c(text));
    while (rest.p) {
        struct sv one = sv_split(&rest, '|');
        if (sv_ieq(one, want))
            return buf_add_sv(out, one);
    }
    return err_set(ei, E_PARSE, "%s: '%.60s' is none of %s", o->name, text, o->choices);
}

static int canonical_number(const struct option_info *o, const char *text, struct buf *out,
                            struct errinfo *ei)
{
    int64_t v = 0;
    int r = value_number(o->name, text, o->max, &v, ei);
    return r < 0 ? r : buf_addf(out, "%" PRId64, v);
}

static int canonical_text(const struct option_info *o, const char *text, struct buf *out,
                          struct errinfo *ei)
{
    bool one_line = o->max < (int64_t)KiB;
    if (strlen(text) > (size_t)o->max)
        return err_set(ei, E_RANGE, "%s: longer than %" PRId64 " bytes", o->name, o->max);
    if (!utf8_valid(sv_c(text)))
        return err_set(ei, E_PARSE, "%s: is not valid UTF-8", o->name);
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p == 127 ||
            ((unsigned char)*p < ' ' && (one_line || !strchr("\r\n\t", *p))))
            return err_set(ei, E_PARSE, "%s: control characters are not allowed", o->name);
    return buf_add_str(out, text);
}

/* "2026-03-12", or nothing. */
static int canonical_date(const struct option_info *o, const char *text, struct buf *out,
                          struct errinfo *ei)
{
    static const unsigned char days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    struct sv v = sv_trim(sv_c(text)), rest = v;
    uint64_t year = 0, month = 0, day = 0;
    if (!v.n)
        return 0;
    struct sv y = sv_split(&rest, '-'), m = sv_split(&rest, '-');
    bool ok = y.n == 4 && m.n == 2 && rest.n == 2 && sv_to_u64(y, &year) == 0 &&
              sv_to_u64(m, &month) == 0 && sv_to_u64(rest, &day) == 0 && month >= 1 &&
              month <= 12 && day >= 1 && day <= days[month - 1];
    if (!ok)
        return err_set(ei, E_PARSE, "%s: '%.60s' is no day; write it as 2026-03-12", o->name, text);
    return buf_add_sv(out, v);
}

static int canonical(const struct option_info *o, const struct addr *self, const char *text,
                     struct buf *out, struct errinfo *ei)
{
    bool on = false;
    int r;
    switch (o->kind) {
    case OPTION_ADDRESSES:
    case OPTION_RECIPIENTS:
        return canonical_addresses(o, self, text, out, ei);
    case OPTION_SWITCH:
        r = value_bool(o->name, text, &on, ei);
        return r < 0 ? r : buf_add_str(out, on ? "yes" : "no");
    case OPTION_CHOICE:
        return canonical_choice(o, text, out, ei);
    case OPTION_NUMBER:
        return canonical_number(o, text, out, ei);
    case OPTION_TEXT:
        return canonical_text(o, text, out, ei);
    case OPTION_DATE:
        return canonical_date(o, text, out, ei);
    case OPTION_PATTERNS:
        return member_query_canonical(o->name, text, out, ei);
    }
    return -EINVAL;
}

/* --- writing --- */

static int read_value(struct change *ch, int64_t account_id, const struct option_info *o,
                      struct buf *out)
{
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r = db_query(ch->c, &s, ch->ei,
                     "SELECT value FROM account_option WHERE account_id = ? AND name = ?", "is",
                     account_id, o->name);
    if (r == 0)
        r = db_step(s, ch->ei);
    if (r < 0)
        return r;
    return r == 1 ? buf_add_sv(out, db_col_text(s, 0)) : buf_add_str(out, o->fallback);
}

static int write_one(struct change *ch, int64_t account_id, const struct option_info *o,
                     const char *was, const char *is)
{
    int r = db_run(ch->c, ch->ei, "DELETE FROM account_option WHERE account_id = ? AND name = ?",
                   "is", account_id, o->name);
    if (r == 0 && strcmp(is, o->fallback) != 0)
        r = db_run(ch->c, ch->ei,
                   "INSERT INTO account_option (account_id, name, value) VALUES (?, ?, ?)", "iss",
                   account_id, o->name, is);
    return r < 0 ? r : change_note(ch, o->name, was, is);
}

int options_write(struct change *ch, int64_t account_id, const struct addr *self,
                  const struct account_spec *s)
{
    int r = 0;
    for (size_t i = 0; i < ACCOUNT_OPTIONS && r == 0; i++) {
        _cleanup_(buf_done) struct buf was = { 0 }, is = { 0 };
        if (!s->option[i])
            continue;
        buf_init(&was, 1 * MiB);
        buf_init(&is, 1 * MiB);
        r = canonical(&account_options[i], self, s->option[i], &is, ch->ei);
        if (r == 0)
            r = read_value(ch, account_id, &account_options[i], &was);
        if (r == 0 && (buf_terminate(&was) < 0 || buf_terminate(&is) < 0))
            r = -ENOMEM;
        if (r == 0 && account_options[i].kind == OPTION_RECIPIENTS)
            r = pattern_check_recipients(ch, addr_sv(self), account_options[i].name, sv_c(is.p));
        if (r == 0 && strcmp(was.p, is.p) != 0)
            r = write_one(ch, account_id, &account_options[i], was.p, is.p);
    }
    return r;
}
