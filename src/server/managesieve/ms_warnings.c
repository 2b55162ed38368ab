/* What a script that is correct may still do other than its author expects, as far as it can be
 * seen before a message comes. */
#include "server/managesieve/managesieve_priv.h"

#include "base/arena.h"

enum { MAX_WARNINGS = 10, MAX_NAME = 200 };

struct looking {
    struct mailbox *mb;
    struct buf *out;
    unsigned n;
};

static void warn_folder(struct looking *x, const struct sieve_str *name)
{
    _cleanup_(arena_done) struct arena arena;
    struct folder f;
    int r;

    arena_init(&arena, 64 * KiB);
    r = mailbox_folder(x->mb, name->s, &arena, &f, NULL);
    if (r != E_NOTFOUND && !(r >= 0 && !f.exists))
        return;
    x->n++;
    buf_addf(x->out,
             "%sline %u: the folder '" SV_FMT "' does not exist; until it is made, messages stay "
             "in the inbox",
             x->out->n ? "\r\n" : "", name->line,
             SV_ARG(name->s.n <= MAX_NAME ? name->s : SV("...")));
}

static void look(struct looking *x, const struct sieve_node *n)
{
    for (; n && x->n < MAX_WARNINGS; n = n->next) {
        const struct sieve_list *to = &n->arg[0];
        if (n->word == SIEVE_FILEINTO && !sieve_has(n, SIEVE_T_CREATE) && to->n == 1 &&
            !to->v[0].vars)
            warn_folder(x, &to->v[0]);
        if (n->has_block)
            look(x, n->block);
    }
}

void ms_warnings(struct ms_session *s, const struct sieve_script *script, struct buf *out)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    struct looking x = { .out = out };

    if (!cf->sieve.enabled)
        buf_add_str(out, "scripts do not run now: the setting sieve.enabled is off");
    if (cf->sieve.create_folders ||
        mailbox_open(s->srv->store, s->account->id, sv_c(s->account->address), &x.mb, NULL) < 0)
        return;
    look(&x, script->commands);
    mailbox_unref(x.mb);
}
