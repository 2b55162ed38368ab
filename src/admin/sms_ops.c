/* SMS by hand. */
#include "admin/admin_priv.h"

static json_t *ask(const struct admin_call *c, const char *op, json_t *args)
{
    json_t *reply =
        c->a->ask
            ? c->a->ask(c->a->arg, MOD_SMTP, op, args)
            : admin_error(E_CLOSED, "the server is not running; start it with `posthorn serve`");

    json_decref(args);
    return reply;
}

static json_t *test(const struct admin_call *c)
{
    bool send = false;
    json_t *error = NULL;

    if (!admin_switch(c, "send", &send, &error))
        return error;
    return ask(c, "sms.test",
               json_pack("{s:s*, s:s*, s:s*, s:b}", "to", admin_arg(c, "to"), "text",
                         admin_arg(c, "text"), "from", admin_arg(c, "from"), "send",
                         (int)(send && !c->a->dry_run)));
}

static json_t *send_one(const struct admin_call *c)
{
    return c->a->dry_run ? test(c) : ask(c, "sms.send", json_incref(c->args));
}

const struct admin_op admin_sms_ops[] = {
    { "sms.test", "to text [from] [send]",
      "Shows the request that a text would be sent by; send=yes sends it, and shows the answer.",
      test },
    { "sms.send", "to text [from]", "Puts an SMS into the queue.", send_one },
    { 0 },
};
