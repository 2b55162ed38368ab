#include "mail/sms/sms_right.h"

#include "mail/account/members.h"

static struct sv domain_of(struct sv address)
{
    ssize_t at = sv_rfind(address, '@');
    return at < 0 ? SV_NULL : sv_skip(address, (size_t)at + 1);
}

bool sms_is_address(const struct conf *cf, struct sv address)
{
    return *cf->sms.domain && sv_ieq(domain_of(address), sv_c(cf->sms.domain));
}

int sms_number_of(const struct conf *cf, struct sv address, char ret[SMS_NUMBER_TEXT])
{
    const struct sms_plan plan = { cf->sms.country, cf->sms.trunk };
    ssize_t at = sv_rfind(address, '@');
    return sms_number(sv_take(address, at < 0 ? address.n : (size_t)at), &plan, ret);
}

struct search {
    const struct account *acc;
    bool found;
};

static bool is_member(const struct member *m, void *arg)
{
    struct search *s = arg;
    s->found = m->account_id == s->acc->id || sv_ieq(m->address, sv_c(s->acc->address));
    return !s->found;
}

/* The item is the account, or a list or group that it is a member of. */
static int fits(struct accounts *a, struct sv item, const struct account *acc, struct errinfo *ei)
{
    const struct account *named = NULL;
    struct search s = { .acc = acc };
    if (sv_find(item, '@') < 0)
        return sv_ieq(item, domain_of(sv_c(acc->address)));
    if (sv_ieq(item, sv_c(acc->address)))
        return 1;
    int r = account_find_address(a, item, &named, ei);
    if (r < 0)
        return r == E_NOTFOUND || r == E_PARSE ? 0 : r;
    if (account_kind(named) != KIND_USER)
        r = account_members_each(a, named->id, is_member, &s, ei);
    account_unref(named);
    return r < 0 ? r : s.found;
}

int sms_may_send(struct accounts *a, const struct conf *cf, const struct account *acc,
                 struct errinfo *ei)
{
    struct sv rest = sv_c(cf->sms.allowed), item;
    int r = !rest.n;
    while (r == 0 && conf_list_next(&rest, &item))
        r = fits(a, item, acc, ei);
    return r;
}
