/* Looking into the mail archive. What is found is cut to the domains that are named: a message
 * belongs to those of its recipients here, and to that of the account that sent it. */
#include "admin/admin_priv.h"

#include "base/clock.h"
#include "conf/conf.h"
#include "mail/account/audit.h"
#include "mail/archive/find.h"

enum { MAX_FILES = 20000, BUDGET_MS = 10000, RCPTS_SHOWN = 1000 };

struct scope {
    const char *domains; /* with ; between them; NULL: all */
    struct sv address;   /* part of what is shown; NULL: any */
    struct sv sender, recipient;
    json_t *rows;
};

static bool domain_in(const char *domains, struct sv address)
{
    ssize_t at = sv_rfind(address, '@');
    struct sv rest = sv_c(domains), item, domain = sv_skip(address, (size_t)(at + 1));

    while (at >= 0 && conf_list_next(&rest, &item))
        if (sv_ieq(item, domain))
            return true;
    return false;
}

/* The account is in one of the domains, or the alias that led elsewhere. */
static bool is_his_rcpt(const struct scope *s, const struct entry_rcpt *r)
{
    return !s->domains || (r->local && domain_in(s->domains, r->address)) ||
           domain_in(s->domains, r->original);
}

/* By his login; a sender's address may be anybody's. */
static bool sent_it(const struct scope *s, const struct archive_row *r)
{
    return !s->domains || domain_in(s->domains, r->entry.login);
}

/* What he may know of a recipient: where an alias of another domain leads is none of his. */
static struct entry_rcpt shown_rcpt(const struct scope *s, const struct entry_rcpt *r)
{
    struct entry_rcpt shown = *r;

    if (!s->domains || !r->original.n)
        return shown;
    if (!domain_in(s->domains, r->address))
        shown.address = r->original;
    if (!domain_in(s->domains, r->original) || sv_ieq(shown.address, r->original))
        shown.original = SV("");
    return shown;
}

static bool has(struct sv text, struct sv part)
{
    return !part.p || sv_ifind_sv(text, part) >= 0;
}

static bool sees(const struct archive_row *r, void *arg)
{
    const struct scope *s = arg;
    bool all = sent_it(s, r), seen = all, fits = has(r->entry.sender, s->address);
    bool from = has(r->entry.sender, s->sender) || (all && has(r->entry.login, s->sender));
    bool got = !s->recipient.p;

    fits |= all && has(r->entry.login, s->address);
    for (size_t i = 0; i < r->entry.n_rcpts; i++) {
        struct entry_rcpt to = shown_rcpt(s, &r->entry.rcpts[i]);

        if (!all && !is_his_rcpt(s, &r->entry.rcpts[i]))
            continue;
        seen = true;
        fits |= has(to.address, s->address) || has(to.original, s->address);
        got |= has(to.address, s->recipient) || has(to.original, s->recipient);
    }
    return seen && fits && from && got;
}

static json_t *text(struct sv s)
{
    char *copy = sv_dup(s);
    json_t *j = admin_text(copy);

    free(copy);
    return j;
}

/* The recipients that he may know of; *ret_n: how many there are. */
static json_t *recipients(const struct scope *s, const struct archive_row *r, size_t *ret_n)
{
    json_t *list = json_array();
    bool all = sent_it(s, r);

    *ret_n = 0;
    for (size_t i = 0; i < r->entry.n_rcpts; i++) {
        struct entry_rcpt to = shown_rcpt(s, &r->entry.rcpts[i]);

        if (!all && !is_his_rcpt(s, &r->entry.rcpts[i]))
            continue;
        if (++*ret_n <= RCPTS_SHOWN)
            json_array_append_new(list,
                                  json_pack("{s:o, s:o, s:b}", "address", text(to.address),
                                            "original", text(to.original), "local", (int)to.local));
    }
    return list;
}

/* To a recipient's administrator, who the sender has logged in as, from where, and of which message
 * it was made is not told. */
static json_t *row_json(const struct scope *s, const struct archive_row *r)
{
    const struct entry *e = &r->entry;
    size_t n;
    json_t *to = recipients(s, r, &n);
    json_t *first = json_object_get(json_array_get(to, 0), "address");
    struct sv login = sent_it(s, r) ? e->login : SV(""), peer = s->domains ? SV("") : e->peer,
              parent = s->domains ? SV("") : e->parent;

    return json_pack("{s:s, s:o, s:I, s:o, s:o, s:o, s:o, s:O?, s:o, s:I, s:I, s:o, s:o, s:o}",
                     "name", r->name, "id", text(e->id), "received_ms",
                     (json_int_t)e->received_s * 1000, "sender", text(e->sender), "login",
                     text(login), "peer", text(peer), "original", text(parent), "recipient", first,
                     "recipients", to, "n_recipients", (json_int_t)n, "size", (json_int_t)r->size,
                     "from", text(r->from), "to", text(r->to), "subject", text(r->subject));
}

static void add_row(const struct archive_row *r, void *arg)
{
    struct scope *s = arg;

    json_array_append_new(s->rows, row_json(s, r));
}

/* The archive's directory; free it. NULL: *ret_error says why. Besides, two of its
 * settings. */
static char *directory_of(const struct admin_call *c, bool *ret_enabled, int64_t *ret_keep_ms,
                          json_t **ret_error)
{
    struct conf *cf = NULL, *dflt = NULL;
    struct errinfo ei = { 0 };
    char *dir;
    int r = admin_settings(c->a, &cf, &dflt, &ei);

    if (r < 0) {
        *ret_error = admin_error(r, "%s", ei.text);
        return NULL;
    }
    dir = *cf->archive.path ? xstrdup(cf->archive.path) : xasprintf("%s/archive", c->a->data_dir);
    *ret_enabled = cf->archive.enabled;
    *ret_keep_ms = cf->archive.keep;
    conf_unref(cf);
    conf_unref(dflt);
    return dir;
}

static char *directory(const struct admin_call *c, json_t **ret_error)
{
    bool enabled;
    int64_t keep_ms;

    return directory_of(c, &enabled, &keep_ms, ret_error);
}

/* --- arguments --- */

/* 2026-11-27, 2026-11-27T10:30:00Z, or 3d: that long ago. Absent: 0. */
static json_t *take_time(const struct admin_call *c, const char *name, int64_t *ret_ms)
{
    const char *v = admin_arg(c, name);
    struct tm tm = { 0 };
    int64_t ms;
    const char *end = v ? strptime(v, "%Y-%m-%d", &tm) : NULL;

    if (end && *end == 'T')
        end = strptime(end, "T%H:%M:%SZ", &tm);
    *ret_ms = 0;
    if (!v)
        return NULL;
    if (end && !*end)
        *ret_ms = (int64_t)timegm(&tm) * 1000;
    else if (conf_parse_duration(sv_c(v), &ms) == 0)
        *ret_ms = clock_wall_ms() - ms;
    else
        return admin_bad_arg(name, v,
                             "a day such as 2026-11-27, a time such as 2026-11-27T10:30:00Z, or an "
                             "age such as 12h, 3d");
    return NULL;
}

static json_t *list(const struct admin_call *c)
{
    struct scope s = { .domains = admin_arg(c, "domains"),
                       .address = sv_c(admin_arg(c, "address")),
                       .sender = sv_c(admin_arg(c, "sender")),
                       .recipient = sv_c(admin_arg(c, "recipient")) };
    struct archive_query q = { .id = sv_c(admin_arg(c, "id")),
                               .subject = sv_c(admin_arg(c, "subject")),
                               .before = admin_arg(c, "before"),
                               .max_files = MAX_FILES,
                               .budget_ms = BUDGET_MS,
                               .sees = sees,
                               .row = add_row,
                               .arg = &s };
    char next[ENTRY_NAME];
    struct errinfo ei = { 0 };
    json_t *error = take_time(c, "since", &q.from_ms);
    char *dir = NULL;
    int r;

    if (!error)
        error = take_time(c, "until", &q.to_ms);
    if (!error)
        error = admin_take_limit(c, &q.max_rows);
    if (!error)
        dir = directory(c, &error);
    if (error)
        return error;
    q.dir = dir;
    s.rows = json_array();
    r = archive_find(&q, next, &ei);
    free(dir);
    if (r < 0 || !*next)
        return admin_rows(r, s.rows, &ei);
    return json_pack("{s:b, s:o, s:s}", "ok", 1, "rows", s.rows, "next", next);
}

/* --- one message --- */

struct looking {
    struct scope scope;
    bool content;
    uint64_t offset;
    json_t *ret;
};

static json_t *content_json(const struct looking *l, const struct archive_row *r, int fd)
{
    json_t *j = admin_piece(fd, r->entry.length, r->size, l->offset);

    if (!j)
        return admin_error(E_TEMP, "%s of the archive cannot be read", r->name);
    json_object_set_new(j, "name", json_string(r->name));
    return j;
}

static int look_into(const struct archive_row *r, int fd, void *arg)
{
    struct looking *l = arg;

    if (!sees(r, &l->scope))
        return E_NOTFOUND;
    if (l->content) {
        l->ret = content_json(l, r, fd);
    } else {
        l->ret = row_json(&l->scope, r);
        json_object_set_new(l->ret, "ok", json_true());
    }
    return 0;
}

static json_t *look(const struct admin_call *c, struct looking *l)
{
    const char *name = admin_arg(c, "name");
    struct errinfo ei = { 0 };
    json_t *error = NULL;
    char *dir = directory(c, &error);
    int r;

    if (!dir)
        return error;
    l->scope.domains = admin_arg(c, "domains");
    r = archive_look(dir, name, look_into, l, &ei);
    free(dir);
    if (r == E_NOTFOUND)
        return admin_error(E_NOTFOUND,
                           "the archive has no message '%.60s'; `posthorn tool archive list` "
                           "shows their names",
                           name);
    return r < 0 ? admin_error(r, "%s", ei.text) : l->ret;
}

static json_t *show(const struct admin_call *c)
{
    return look(c, &(struct looking){ 0 });
}

static json_t *export_content(const struct admin_call *c)
{
    struct looking l = { .content = true };
    json_t *error = admin_take_offset(c, &l.offset);

    return error ? error : look(c, &l);
}

/* Sent once more: to accounts here, or to others. The look of who may not see it finds nothing. */
static json_t *send_again(const struct admin_call *c)
{
    const char *name = admin_arg(c, "name"), *to = admin_arg(c, "to");
    char object[120], text[300];
    struct errinfo ei = { 0 };
    json_t *error = NULL, *seen = show(c);
    char *dir;
    int r;

    if (json_object_get(seen, "error"))
        return seen;
    json_decref(seen);
    if (c->a->dry_run) {
        json_t *effect = json_array();

        snprintf(object, sizeof(object), "archive %s", name);
        admin_effect(effect, object, "send", NULL, to);
        return json_pack("{s:b, s:o}", "ok", 1, "effect", effect);
    }
    dir = directory(c, &error);
    if (!dir)
        return error;
    snprintf(object, sizeof(object), "archive %s", name);
    snprintf(text, sizeof(text), "%s", to);
    r = audit_write_alone(c->a->db, c->who, object, "send", NULL, text, &ei);
    error =
        r < 0 ? admin_error(r, "this cannot be recorded in the audit, and is not done: %s", ei.text)
              : admin_ask_smtp(c, "archive.send",
                               json_pack("{s:s, s:s, s:s, s:s}", "dir", dir, "name", name, "to", to,
                                         "admin", c->who));
    free(dir);
    return error;
}

enum { SUM_FILES = 1000000, SUM_MS = 2000 };

static json_t *status(const struct admin_call *c)
{
    struct archive_sum sum;
    struct errinfo ei = { 0 };
    json_t *error = NULL, *j;
    bool enabled;
    int64_t keep_ms;
    char *dir = directory_of(c, &enabled, &keep_ms, &error);
    int r;

    if (!dir)
        return error;
    r = archive_sum(dir, SUM_FILES, SUM_MS, &sum, &ei);
    j = r < 0 ? admin_result(r, &ei)
              : json_pack("{s:b, s:b, s:o, s:I, s:I, s:I, s:I, s:b, s:s, s:s}", "ok", 1, "enabled",
                          (int)enabled, "path", admin_text(dir), "keep_s",
                          (json_int_t)(keep_ms / 1000), "days", (json_int_t)sum.days, "messages",
                          (json_int_t)sum.messages, "bytes", (json_int_t)sum.bytes, "complete",
                          (int)sum.complete, "first_day", sum.first, "last_day", sum.last);
    free(dir);
    return j;
}

const struct admin_op admin_archive_ops[] = {
    { "archive.list",
      "[address] [sender] [recipient] [subject] [id] [since] [until] [domains] [before] [limit]",
      "Messages of the mail archive, the newest first. before: what an answer had as next.", list },
    { "archive.show", "name [domains]", "The envelope of an archived message.", show },
    { "archive.export", "name [offset] [domains]",
      "An archived message as it was queued, 4 MiB of it from an offset on.", export_content },
    { "archive.send", "name to [domains]",
      "Sends an archived message once more, to accounts or addresses (;), as a new message.",
      send_again },
    { "archive.status", "", "Where the mail archive is, how many days and messages it has.",
      status },
    { 0 },
};
