/* Which messages belong into the archive. A message counts as sent by who has logged in, else by
 * the sender that it names; as received by each account here that gets it. */
#include "conf/conf.h"
#include "mail/archive/archive.h"

enum { WHAT_ALL, WHAT_RECEIVED, WHAT_SENT };

static struct sv domain_of(struct sv address)
{
    ssize_t at = sv_rfind(address, '@');
    return at < 0 ? SV_NULL : sv_skip(address, (size_t)at + 1);
}

/* Items are addresses or domains. */
static bool is_listed(const char *list, struct sv address)
{
    struct sv rest = sv_c(list), item, domain = domain_of(address);
    while (conf_list_next(&rest, &item))
        if (sv_find(item, '@') >= 0 ? sv_ieq(item, address) : domain.n && sv_ieq(item, domain))
            return true;
    return false;
}

static bool is_chosen(const struct conf *cf, struct sv address)
{
    return (!*cf->archive.only || is_listed(cf->archive.only, address)) &&
           !is_listed(cf->archive.except, address);
}

static bool is_sent(const struct conf *cf, const struct message *m)
{
    bool leaves = *m->auth_user;
    for (size_t i = 0; i < m->n_rcpts && !leaves; i++)
        leaves = m->rcpts[i].kind == RCPT_REMOTE;
    return leaves && is_chosen(cf, sv_c(*m->auth_user ? m->auth_user : m->sender));
}

static bool is_received(const struct conf *cf, const struct message *m)
{
    for (size_t i = 0; i < m->n_rcpts; i++)
        if (m->rcpts[i].kind == RCPT_LOCAL && is_chosen(cf, sv_c(m->rcpts[i].address)))
            return true;
    return false;
}

bool archive_wants(const struct conf *cf, const struct message *m)
{
    if (!cf->archive.enabled)
        return false;
    return (cf->archive.what != WHAT_SENT && is_received(cf, m)) ||
           (cf->archive.what != WHAT_RECEIVED && is_sent(cf, m));
}

const char *archive_dir(const struct conf *cf, const char *dflt_dir)
{
    return *cf->archive.path ? cf->archive.path : dflt_dir;
}
