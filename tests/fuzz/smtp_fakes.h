/* Accounts, logins, mailboxes and a queue that remember nothing: SMTP sessions without a database
 * or a disk, for fuzzing and for measuring. Includes definitions: for one file per program only. */
#pragma once

#include <unistd.h>

#include "base/codec.h"
#include "mail/account/auth.h"
#include "mail/account/filter_store.h"
#include "mail/account/members.h"
#include "mail/account/pattern.h"
#include "mail/account/sender_list.h"
#include "mail/mailbox/mailbox.h"
#include "mail/queue/queue.h"

static struct account fake_account = {
    .id = 7,
    .address = (char *)"bob@example.org",
    .local = (char *)"bob",
    .domain = (char *)"example.org",
    .name = (char *)"",
    .enabled = true,
};
static const struct account *fake_accounts[1] = { &fake_account };
static char *fake_forward[1] = { (char *)"far@example.net" };
static int fake_accept_result, fake_spool_result; /* errors to give */
static bool fake_filters;                         /* the server has rules */
static unsigned fake_accepted;                    /* messages taken by queue_accept */
static void (*fake_on_accept)(struct message *m); /* may be NULL */

void account_unref(const struct account *a)
{
    (void)a;
}

int account_domain_is_local(struct accounts *a, struct sv domain)
{
    (void)a;
    return sv_ieq(domain, SV("example.org"));
}

int account_domain_is_backup(struct accounts *a, struct sv domain)
{
    (void)a;
    return sv_ieq(domain, SV("backup.example"));
}

int account_fetches(struct accounts *a, int64_t account_id, struct buf *ret, struct errinfo *ei)
{
    (void)a;
    (void)account_id;
    (void)ei;
    return buf_add_str(ret, "backup.example");
}

int account_domain_id(struct accounts *a, struct sv domain, int64_t *ret)
{
    *ret = account_domain_is_local(a, domain);
    return 0;
}

/* The server may have rules; they want what inputs may have. */
int account_filters(struct accounts *a, enum filter_level level, int64_t owner,
                    const struct filter_list **ret, struct errinfo *ei)
{
    static struct filter_list list = { .level = FILTER_SERVER,
                                       .name = (char *)"server",
                                       .slow = true };
    (void)a;
    (void)owner;
    (void)ei;
    if (level != FILTER_SERVER || !fake_filters)
        return E_NOTFOUND;
    if (!list.rules.n &&
        filter_parse(SV("rule \"a\" if header \"X-Tag\" exists then tag-subject \"[x]\", "
                        "set-header \"X-Tag\" \"y\", remove-header \"X-Gone\"\n"
                        "rule \"b\" if body contains \"delete me\" then delete\n"
                        "rule \"c\" if attachments over 3 then reject \"no\"\n"
                        "rule \"d\" if header \"X-Order\" exists then move \"A/B\", deny-sender, "
                        "respond \"away\" subject \"Away\" days 2, allow-sender\n"
                        "rule \"e\" if header \"X-Run\" exists then command \"c\""),
                     &list.rules, NULL) < 0)
        abort();
    *ret = &list;
    return 0;
}

int account_sender_verdict(struct accounts *a, int64_t domain_id, struct sv sender,
                           enum sender_verdict *ret)
{
    (void)a;
    (void)domain_id;
    *ret = sv_iends(sender, SV("@denied.test")) ? SENDER_DENY : SENDER_UNKNOWN;
    return 0;
}

int senders_put(struct accounts *a, const char *admin, struct sv owner, const struct sv *senders,
                size_t n, bool allow, size_t *ret, struct errinfo *ei)
{
    (void)a;
    (void)admin;
    (void)owner;
    (void)senders;
    (void)n;
    (void)ret;
    return allow ? 0 : err_set(ei, E_LIMIT, "the list is full");
}

void filter_list_unref(const struct filter_list *l)
{
    (void)l;
}

void account_filter_hit(struct accounts *a, const struct filter_list *l, size_t rule)
{
    (void)a;
    (void)l;
    (void)rule;
}

int account_find_login(struct accounts *a, struct sv login, const struct account **ret,
                       struct errinfo *ei)
{
    (void)a;
    (void)ei;
    *ret = &fake_account;
    return sv_ieq(login, SV("bob")) || sv_ieq(login, SV("bob@example.org")) ? 0 : E_NOTFOUND;
}

int account_find_address(struct accounts *a, struct sv address, const struct account **ret,
                         struct errinfo *ei)
{
    (void)a;
    (void)ei;
    *ret = &fake_account;
    return sv_ieq(address, SV("bob@example.org")) ? 0 : E_NOTFOUND;
}

int account_members_each(struct accounts *a, int64_t account_id, member_fn *fn, void *arg,
                         struct errinfo *ei)
{
    (void)a;
    (void)account_id;
    (void)fn;
    (void)arg;
    (void)ei;
    return 0;
}

int account_find_id(struct accounts *a, int64_t id, const struct account **ret, struct errinfo *ei)
{
    (void)a;
    (void)ei;
    *ret = &fake_account;
    return id == 7 ? 0 : E_NOTFOUND;
}

int account_owns_address(struct accounts *a, const struct account *acc, struct sv address)
{
    (void)a;
    return sv_ieq(address, sv_c(acc->address));
}

int account_resolve(struct accounts *a, struct sv address, struct resolved *ret, struct errinfo *ei)
{
    (void)a;
    (void)ei;
    *ret = (struct resolved){ .kind = RESOLVE_REMOTE };
    if (sv_ieq(address, SV("bob@example.org")))
        *ret = (struct resolved){ .kind = RESOLVE_LOCAL, .n = 1, .accounts = fake_accounts };
    else if (sv_ieq(address, SV("staff@example.org")))
        *ret = (struct resolved){ .kind = RESOLVE_FORWARD,
                                  .n = 1,
                                  .accounts = fake_accounts,
                                  .n_forward = 1,
                                  .forward = fake_forward };
    else if (sv_ieq(address, SV("hole@example.org")))
        ret->kind = RESOLVE_DISCARD;
    else if (sv_ieq(address, SV("off@example.org")))
        ret->kind = RESOLVE_DISABLED;
    else if (sv_iends(address, SV("@example.org")))
        ret->kind = RESOLVE_UNKNOWN;
    else if (sv_ieq(address, SV("db@example.com")))
        return E_TEMP;
    else if (address.n > 200)
        return E_PARSE;
    return 0;
}

const struct option_info account_options[ACCOUNT_OPTIONS] = {
    [OPT_MAX_MESSAGES_HOUR] = { .name = "max_messages_hour" },
    [OPT_MAX_MESSAGES_DAY] = { .name = "max_messages_day" },
    [OPT_MAX_RECIPIENTS_HOUR] = { .name = "max_recipients_hour" },
    [OPT_MAX_RECIPIENTS_DAY] = { .name = "max_recipients_day" },
};

const char *const domain_limit_names[DOMAIN_LIMITS] = {
    [DOMAIN_TOTAL_MESSAGES_HOUR] = "total_messages_hour",
    [DOMAIN_TOTAL_MESSAGES_DAY] = "total_messages_day",
    [DOMAIN_TOTAL_RECIPIENTS_HOUR] = "total_recipients_hour",
    [DOMAIN_TOTAL_RECIPIENTS_DAY] = "total_recipients_day",
};

const char *account_option(const struct account *a, enum account_option o)
{
    (void)a;
    (void)o;
    return "";
}

const char *account_recipients(const struct account *a, enum account_option o)
{
    return account_option(a, o);
}

/* One pattern, that has one sender. */
int pattern_has(void *accounts, struct sv name, struct sv text, bool is_ip)
{
    (void)accounts;
    return !is_ip && sv_eq(name, SV("[p]")) && sv_iends(text, SV("@pattern.test"));
}

int64_t account_number(const struct account *a, enum account_option o)
{
    (void)a;
    (void)o;
    return 0;
}

bool account_stores(const struct account *acc)
{
    (void)acc;
    return true;
}

bool account_can_receive(struct accounts *a, const struct account *acc)
{
    (void)a;
    (void)acc;
    return true;
}

enum account_kind account_kind(const struct account *acc)
{
    (void)acc;
    return KIND_USER;
}

int account_may_post(struct accounts *a, const struct account *list, struct sv sender,
                     struct sv auth, struct errinfo *ei)
{
    (void)a;
    (void)list;
    (void)auth;
    (void)ei;
    return sender.n > 0;
}

int account_srs_reverse(struct accounts *a, struct sv local, int64_t max_age_ms, struct buf *out,
                        struct errinfo *ei)
{
    (void)a;
    (void)max_age_ms;
    (void)ei;
    return local.n > 20 ? E_PERM : buf_add_str(out, "far@example.net");
}

void resolved_done(struct resolved *r)
{
    (void)r;
}

int auth_mechanisms(const struct auth_peer *p, const char *prefix, const char *sep, struct buf *out)
{
    (void)p;
    return buf_addf(out, "%sPLAIN%s%sLOGIN", prefix, sep, prefix);
}

bool auth_is_fast_with(struct accounts *a, struct sv user, struct sv password)
{
    (void)a;
    return user.n > password.n;
}

/* PLAIN takes "\0bob\0secret"; LOGIN asks twice and then has a last word, as SCRAM does. */
struct sasl {
    bool login;
    int steps;
};

int sasl_start(struct accounts *a, const struct auth_peer *p, struct sv mechanism,
               struct sasl **ret, struct errinfo *ei)
{
    (void)a;
    (void)p;
    (void)ei;
    bool login = sv_ieq(mechanism, SV("LOGIN"));
    if (!login && !sv_ieq(mechanism, SV("PLAIN")))
        return E_UNSUPPORTED;
    *ret = xcalloc(1, sizeof(**ret));
    (*ret)->login = login;
    return 0;
}

bool sasl_is_fast(const struct sasl *s, struct sv in)
{
    return s->login && in.n < 5;
}

bool sasl_client_first(const struct sasl *s)
{
    return !s->login;
}

int sasl_step(struct sasl *s, struct sv in, struct buf *out, const struct account **ret,
              struct errinfo *ei)
{
    (void)ei;
    *ret = &fake_account;
    if (!s->login)
        return sv_eq(in, SV("\0bob\0secret")) ? 0 : in.n > 50 ? E_PARSE : E_AUTH;
    if (s->steps++ < 2)
        return buf_add_str(out, "question") < 0 ? E_TEMP : 1;
    if (in.n == 0)
        return E_LIMIT;
    return buf_add_str(out, "last word") < 0 ? E_TEMP : 0;
}

void sasl_free(struct sasl *s)
{
    free(s);
}

int mailbox_open(struct mailstore *s, int64_t account_id, struct sv address, struct mailbox **ret,
                 struct errinfo *ei)
{
    (void)s;
    (void)account_id;
    (void)address;
    (void)ret;
    (void)ei;
    return E_TEMP;
}

void mailbox_unref(struct mailbox *m)
{
    (void)m;
}

bool mailstore_domain_full(struct mailstore *s, struct sv domain, uint64_t quota, uint64_t more)
{
    (void)s;
    (void)domain;
    return quota > 0 && more > quota;
}

int mailbox_usage(struct mailbox *m, uint64_t *ret_bytes, uint64_t *ret_messages,
                  struct errinfo *ei)
{
    (void)m;
    (void)ret_bytes;
    (void)ret_messages;
    (void)ei;
    return E_TEMP;
}

bool queue_has_space(struct queue *q)
{
    (void)q;
    return true;
}

int queue_spool_begin(struct queue *q, struct message *m, int *ret_fd, struct errinfo *ei)
{
    (void)q;
    (void)ei;
    if (fake_spool_result < 0)
        return fake_spool_result;
    char path[] = "/tmp/posthorn-spool-XXXXXX";
    *ret_fd = mkstemp(path);
    if (*ret_fd < 0)
        return E_TEMP;
    message_set(&m->spool_path, sv_c(path));
    return 0;
}

int queue_steer(struct queue *q, const struct queue_steer *s, struct queue_steered *ret,
                struct errinfo *ei)
{
    (void)q, (void)s, (void)ei;
    *ret = (struct queue_steered){ 0 };
    return 0;
}

int queue_accept(struct queue *q, struct message *m, struct errinfo *ei)
{
    (void)q;
    (void)ei;
    if (fake_on_accept)
        fake_on_accept(m);
    if (*m->spool_path)
        (void)unlink(m->spool_path);
    fake_accepted += fake_accept_result == 0;
    return fake_accept_result;
}
