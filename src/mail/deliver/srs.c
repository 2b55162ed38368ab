#include "mail/deliver/srs.h"

#include "base/codec.h"

static struct sv domain_of(struct sv address)
{
    ssize_t at = sv_rfind(address, '@');
    return at < 0 ? SV("") : sv_skip(address, (size_t)at + 1);
}

/* The domain of ours that a recipient was given as, before it became an address elsewhere. */
static struct sv forwarded_for(struct deliver *d, const struct rcpt *r)
{
    struct sv domain = domain_of(sv_c(r->original));
    bool is = *r->original && !sv_ieq(sv_c(r->original), sv_c(r->address)) && domain.n &&
              account_domain_is_local(d->accounts, domain);
    return is ? domain : SV_NULL;
}

struct sv srs_sender(struct deliver *d, const struct conf *cf, const struct message *m,
                     struct rcpt *const *list, size_t n, struct buf *tmp)
{
    struct sv sender = sv_c(m->sender), domain = SV_NULL;
    if (!cf->smtp.srs || !sender.n || sv_has_8bit(sender) ||
        account_domain_is_local(d->accounts, domain_of(sender)))
        return sender;
    for (size_t i = 0; i < n && !domain.n; i++)
        domain = forwarded_for(d, list[i]);
    if (!domain.n || account_srs_forward(d->accounts, sender, domain, tmp, NULL) < 0)
        return sender;
    return buf_sv(tmp);
}
