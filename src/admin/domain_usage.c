#include "admin/domain_usage.h"

#include "log/log.h"
#include "mail/mailbox/mailbox.h"

struct counting {
    struct accounts *a;
    struct mailstore *s;
    const atomic_bool *stop;
    int error;
    struct errinfo *ei;
};

static bool stopped(const struct counting *c)
{
    return c->stop && atomic_load(c->stop);
}

static bool count_account(const struct account *acc, void *arg)
{
    struct counting *c = arg;
    c->error = mailstore_count(c->s, acc->id, sv_c(acc->address), c->ei);
    return c->error == 0 && !stopped(c);
}

int domain_usage_count(struct accounts *a, struct mailstore *s, struct sv domain,
                       const atomic_bool *stop, struct errinfo *ei)
{
    struct counting c = { .a = a, .s = s, .stop = stop, .ei = ei };
    int r = mailstore_count_begin(s, domain, ei);
    if (r <= 0)
        return r;
    r = account_each(a, domain, count_account, &c, ei);
    if (r == 0)
        r = c.error;
    if (r == 0 && !stopped(&c))
        mailstore_count_end(s, domain);
    return r;
}

static bool count_domain(const struct domain *d, void *arg)
{
    struct counting *c = arg;
    struct errinfo ei = { 0 };
    if (d->limit[DOMAIN_TOTAL_QUOTA] > 0 &&
        domain_usage_count(c->a, c->s, sv_c(d->name), c->stop, &ei) < 0)
        log_error("Domain %s: what its mailboxes hold cannot be counted: %s", d->name, ei.text);
    return !stopped(c);
}

void domain_usage_count_all(struct accounts *a, struct mailstore *s, const atomic_bool *stop)
{
    struct counting c = { .a = a, .s = s, .stop = stop };
    struct errinfo ei = { 0 };
    if (domain_each(a, count_domain, &c, &ei) < 0)
        log_error("What the mailboxes of domains hold cannot be counted: %s", ei.text);
}
