/* Members by a query: the accounts whose addresses fit a pattern, whichever there are just now. */
#include "base/codec.h"
#include "mail/account/accounts_priv.h"
#include "mail/account/members.h"

enum { MAX_QUERY = 1000 };

/* --- the text --- */

/* Letters of a domain, and of local parts as accounts have them; "*" stands for anything. */
static bool is_pattern(struct sv item)
{
    ssize_t at = sv_find(item, '@');
    if (at <= 0 || (size_t)at + 1 == item.n || sv_rfind(item, '@') != at)
        return false;
    for (size_t i = 0; i < item.n; i++)
        if ((unsigned char)item.p[i] <= ' ' || item.p[i] == 127 ||
            strchr("<>\"(),:\\[]", item.p[i]))
            return false;
    return true;
}

int member_query_canonical(const char *field, const char *text, struct buf *out, struct errinfo *ei)
{
    struct sv rest = sv_c(text);
    size_t before = out->n;
    if (!utf8_valid(rest))
        return err_set(ei, E_PARSE, "%s: is not valid UTF-8", field);
    while (rest.n) {
        struct sv item = sv_trim(sv_split(&rest, ';'));
        if (!item.n)
            continue;
        if (!is_pattern(item))
            return err_set(ei, E_PARSE,
                           "%s: '" SV_FMT "' is no pattern of addresses; write it as "
                           "*@example.org or sales-*@example.org",
                           field, SV_ARG(sv_take(item, 100)));
        if (out->n > before)
            (void)buf_add_c(out, ';');
        for (size_t i = 0; i < item.n; i++)
            (void)buf_add_c(out, ascii_lower(item.p[i]));
        if (out->n - before > MAX_QUERY)
            return err_set(ei, E_RANGE, "%s: longer than %d bytes", field, MAX_QUERY);
    }
    return 0;
}

bool member_query_within(struct sv query, bool (*sees)(struct sv domain, void *arg), void *arg)
{
    while (query.n) {
        struct sv item = sv_trim(sv_split(&query, ';'));
        ssize_t at = sv_rfind(item, '@');
        struct sv domain = at < 0 ? SV_NULL : sv_skip(item, (size_t)at + 1);
        if (at >= 0 && (sv_find(domain, '*') >= 0 || !sees(domain, arg)))
            return false;
    }
    return true;
}

/* --- what it finds --- */

static char *like_of(struct sv pattern)
{
    struct buf b;
    buf_init(&b, 4 * MAX_QUERY);
    for (size_t i = 0; i < pattern.n; i++) {
        if (pattern.p[i] == '%' || pattern.p[i] == '_' || pattern.p[i] == '!')
            buf_add_c(&b, '!');
        buf_add_c(&b, pattern.p[i] == '*' ? '%' : pattern.p[i]);
    }
    return buf_take(&b, NULL);
}

/* Lists and groups are not found: one that finds itself would not end. */
#define FOUND                                                                                      \
    "SELECT a.address, a.id FROM account a JOIN domain d ON d.id = a.domain_id"                    \
    " WHERE a.enabled = 1 AND d.enabled = 1 AND a.address LIKE ? ESCAPE '!' AND NOT EXISTS"        \
    " (SELECT 1 FROM account_option o WHERE o.account_id = a.id AND o.name = 'kind')"

int member_query_each(struct dbc *c, struct sv query, member_fn *fn, void *arg, struct errinfo *ei)
{
    int r = 0;
    while (query.n && r == 0) {
        _cleanup_(freep) char *like = like_of(sv_split(&query, ';'));
        _cleanup_(db_resetp) struct db_stmt *s = NULL;
        r = db_query(c, &s, ei, FOUND, "s", like);
        while (r == 0 && (r = db_step(s, ei)) == 1) {
            struct member m = { db_col_text(s, 0), db_col_int(s, 1), false };
            r = fn(&m, arg) ? 0 : 1;
        }
    }
    return r;
}

int member_query_has(struct dbc *c, struct sv query, const char *address, struct errinfo *ei)
{
    int r = 0;
    while (query.n && r == 0) {
        _cleanup_(freep) char *like = like_of(sv_split(&query, ';'));
        _cleanup_(db_resetp) struct db_stmt *s = NULL;
        r = db_query(c, &s, ei, FOUND " AND a.address = ?", "ss", like, address);
        if (r == 0)
            r = db_step(s, ei);
    }
    return r;
}
