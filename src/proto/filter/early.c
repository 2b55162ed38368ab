/* Which rules can be asked before there is a message. */
#include "proto/filter/filter.h"

static bool is_of_client(const struct filter_node *n)
{
    if (n->kind != FILTER_TEST)
        return is_of_client(n->a) && (!n->b || is_of_client(n->b));
    return n->fact == FILTER_HELO || n->fact == FILTER_IP || n->fact == FILTER_AUTHENTICATED ||
           n->fact == FILTER_TRUSTED || n->fact == FILTER_TLS;
}

static bool is_end(enum filter_action_kind k)
{
    return k == FILTER_ACCEPT || k == FILTER_STOP || k == FILTER_REJECT || k == FILTER_DELETE;
}

/* The last of its actions says whether more rules are asked. */
static bool ends(const struct filter_rule *r)
{
    return r->n_actions && is_end(r->actions[r->n_actions - 1].kind);
}

size_t filter_early(const struct filter_rules *all, struct filter_rule **ret)
{
    size_t n = 0;
    for (size_t i = 0; i < all->n; i++) {
        struct filter_rule *r = all->v[i];
        if (r->off || !ends(r))
            continue;
        if (!r->when || !is_of_client(r->when) || r->n_actions != 1 ||
            r->actions[0].kind == FILTER_DELETE)
            break;
        ret[n++] = r;
    }
    return n;
}
