#include "mail/deliver/srs.h"

#include "base/codec.h"

static struct sv domain_of(struct sv address)
{
    ssize_t at = sv_rfind(address, '@');
    return at < 0 ? SV("") : sv_skip(address, (size_t)at + 1);
}

/* Given as an address of ours, became one elsewhere: 1, else 0. E_TEMP. */
static int is_forwarded(struct deliver *d, const struct rcpt *r)
{
    struct sv domain = domain_of(sv_c(r->original));
    if (!domain.n || sv_ieq(sv_c(r->original), sv_c(r->address)))
        return 0;
    return account_domain_is_local(d->accounts, domain);
}

/* What is not forwarded asks no database: it goes out also when that is away. */
int srs_sender(struct deliver *d, const struct conf *cf, const struct message *m,
               struct rcpt *const *list, size_t n, struct buf *tmp, struct sv *ret)
{
    int r = 0;
    size_t i = 0;
    *ret = sv_c(m->sender);
    if (!cf->smtp.srs || !ret->n || sv_has_8bit(*ret))
        return 0;
    while (i < n && (r = is_forwarded(d, list[i])) == 0)
        i++;
    if (r <= 0)
        return r;
    r = account_domain_is_local(d->accounts, domain_of(*ret));
    if (r != 0)
        return MIN(r, 0);
    r = account_srs_forward(d->accounts, *ret, domain_of(sv_c(list[i]->original)), tmp, NULL);
    if (r == 0)
        *ret = buf_sv(tmp);
    return r == E_TEMP ? r : 0;
}
