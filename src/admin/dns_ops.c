/* Questions to the name servers, as the server asks them. */
#include "admin/admin_priv.h"

static json_t *ask_resolver(const struct admin_call *c, const char *op)
{
    if (!c->a->ask)
        return admin_error(E_CLOSED, "the server is not running; start it with `posthorn serve`");
    return c->a->dry_run ? admin_ok() : c->a->ask(c->a->arg, MOD_CONTROL, op, c->args);
}

static json_t *lookup(const struct admin_call *c)
{
    return ask_resolver(c, "dns.lookup");
}

static json_t *test(const struct admin_call *c)
{
    return ask_resolver(c, "dns.test");
}

const struct admin_op admin_dns_ops[] = {
    { "dns.lookup", "name [type] [server] [timeout] [cache]",
      "Looks a name up, with its DNSSEC status and the server that answered; cache=no asks afresh.",
      lookup },
    { "dns.test", "[rounds] [timeout] [name] [from]",
      "Asks each configured name server in rounds; from=N: the question of that number only, as "
      "`next` of the answer before told it.",
      test },
    { 0 },
};
