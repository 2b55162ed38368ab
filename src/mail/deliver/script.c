/* Delivery by the account's rules and Sieve scripts.
 *
 * Order: folders, then redirects, then replies, then what `duplicate` remembers. A delivery that is
 * repeated after a crash finds the message in its folders (the mailbox knows its key) and adds
 * nothing. What is sent is durable in the queue before the delivery is recorded, and the queue
 * knows it when the repetition makes it again (send.h). */
#include "base/clock.h"
#include "base/codec.h"
#include "base/hash.h"
#include "mail/deliver/script_priv.h"

enum { MAX_FLAGS = 64 };

/* --- what the script asks --- */

static int mailbox_exists(void *arg, struct sv name)
{
    struct script_run *x = arg;
    _cleanup_(arena_done) struct arena a;
    struct folder f;
    arena_init(&a, 64 * KiB);
    int r = mailbox_folder(x->mb, name, &a, &f, NULL);
    return r == E_NOTFOUND || r == E_RANGE ? 0 : r < 0 ? r : f.exists;
}

static int seen(void *arg, struct sv id, int64_t seconds _unused_, bool refresh _unused_)
{
    struct script_run *x = arg;
    return account_script_seen(x->d->accounts, x->acc->id, 'd', id, x->m->key, NULL);
}

/* --- folders --- */

/* RFC 6609: what the script includes stays until the run is over. */
static int include(void *arg, bool global, struct sv name, const struct sieve_script **ret)
{
    struct script_run *x = arg;
    const struct active_script *s = NULL;
    int r = account_script_named(x->d->accounts, global ? SCRIPT_GLOBAL_ID : x->acc->id, name, &s,
                                 NULL);
    if (r < 0)
        return r;
    x->included = xrealloc(x->included, (x->n_included + 1) * sizeof(*x->included));
    x->included[x->n_included++] = s;
    *ret = &s->script;
    return 0;
}

bool script_asks(const struct script_run *x, const struct sieve_action *a)
{
    return x->scripts && a->line;
}

const char *script_name(const struct script_run *x, unsigned index)
{
    return x->scripts->v[MIN((size_t)index, x->scripts->n - 1)]->name;
}

static void failed(struct script_run *x, unsigned script, uint32_t line, const char *reason)
{
    event(sieve_failed, &x->log, F_ADDR(rcpt, x->r->address), F_STR(script, script_name(x, script)),
          F_INT(line, line), F_STR(reason, reason));
}

static int find_folder(struct script_run *x, struct sv name, int64_t *ret, struct errinfo *ei)
{
    _cleanup_(arena_done) struct arena a;
    struct folder f;
    arena_init(&a, 64 * KiB);
    int r = mailbox_folder(x->mb, name, &a, &f, ei);
    if (r >= 0 && !f.exists)
        r = err_set(ei, E_NOTFOUND, "the folder '%.100s' does not exist", name.p);
    if (r >= 0)
        *ret = f.id;
    return r;
}

/* 0 and the folder; the inbox when there is no such folder or cannot be one. */
static int choose_folder(struct script_run *x, const struct sieve_action *a, int64_t *ret,
                         bool *ret_inbox, struct errinfo *ei)
{
    bool moved = a->kind == SIEVE_DO_KEEP && x->folder.n;
    struct sv target = moved ? x->folder : a->target;
    *ret = mailbox_inbox_id(x->mb);
    *ret_inbox = (a->kind == SIEVE_DO_KEEP && !moved) || sv_ieq(target, SV("INBOX"));
    if (*ret_inbox)
        return 0;
    _cleanup_(freep) char *name = sv_dup(target);
    int r = find_folder(x, sv_c(name), ret, ei);
    if (r == E_NOTFOUND && (moved || a->create || x->cf->sieve.create_folders)) {
        r = mailbox_create_folder(x->mb, sv_c(name), "", ei);
        if (r >= 0)
            (void)mailbox_subscribe(x->mb, sv_c(name), true, NULL);
        if (r >= 0 || r == E_EXISTS)
            r = find_folder(x, sv_c(name), ret, ei);
    }
    if (r != E_NOTFOUND && r != E_RANGE && r != E_LIMIT && r != E_PERM)
        return r;
    char why[400];
    snprintf(why, sizeof(why),
             r == E_NOTFOUND ? "the folder '%s' does not exist" : "folder '%s': %s", name,
             ei->text);
    if (moved)
        rules_failed(x, why);
    else
        failed(x, a->script, a->line, why);
    *ret = mailbox_inbox_id(x->mb);
    *ret_inbox = true;
    return 0;
}

/* --- adding --- */

static uint64_t system_flag(struct sv f)
{
    static const struct {
        const char *name;
        uint64_t bit;
    } flags[] = { { "\\seen", FLAG_SEEN },
                  { "\\answered", FLAG_ANSWERED },
                  { "\\flagged", FLAG_FLAGGED },
                  { "\\deleted", FLAG_DELETED },
                  { "\\draft", FLAG_DRAFT } };
    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        if (sv_ieq(f, sv_c(flags[i].name)))
            return flags[i].bit;
    return 0;
}

/* An edited form of the message is another message, and the same one when it is made again. */
static uint64_t key_of(const struct script_run *x, struct sv header)
{
    uint64_t mix[2] = { x->m->key, fnv1a64(header.p, header.n) };
    uint64_t k = fnv1a64(mix, sizeof(mix));
    return k ? k : 1;
}

static int add(struct script_run *x, const struct sieve_action *a, int64_t folder,
               struct errinfo *ei)
{
    _cleanup_(buf_done) struct buf edited = { 0 };
    char *keywords[MAX_FLAGS + 1] = { NULL };
    size_t n = 0;
    struct mailbox_add add = { .key = x->m->key,
                               .internal_date_s = x->m->received_ms / 1000,
                               .size = x->m->size,
                               .content = x->m->content };
    if (a->header.p || x->changed.n) {
        struct sv header, body;
        sieve_content(&x->e, &x->res, a, &header, &body);
        add.key = key_of(x, header);
        buf_init(&edited, header.n + body.n + 1);
        (void)buf_add_sv(&edited, header);
        (void)buf_add_sv(&edited, body);
        add.content = buf_sv(&edited);
    } else if (!add.content.p) {
        add.path = x->m->spool_path;
    }
    for (size_t i = 0; i < a->n_flags && n < MAX_FLAGS; i++) {
        uint64_t bit = system_flag(a->flags[i]);
        add.flags |= bit;
        if (!bit)
            keywords[n++] = sv_dup(a->flags[i]);
    }
    add.keywords = (const char *const *)keywords;
    int r = mailbox_add(x->mb, folder, &add, 1, false, &x->quota, NULL, NULL, ei);
    if (r >= 0 && add.ret_error == E_LIMIT) { /* the folder has all keywords that it can have */
        add.keywords = NULL;
        add.ret_error = 0;
        r = mailbox_add(x->mb, folder, &add, 1, false, &x->quota, NULL, NULL, ei);
    }
    for (size_t i = 0; i < n; i++)
        free(keywords[i]);
    return r < 0 ? r : add.ret_error;
}

static int store(struct script_run *x, const struct sieve_action *a, struct errinfo *ei)
{
    int64_t folder;
    bool inbox;
    int r = choose_folder(x, a, &folder, &inbox, ei);
    if (r >= 0)
        r = add(x, a, folder, ei);
    if (r < 0)
        return r;
    x->stored = true;
    if (a->line)
        event(sieve_filed, &x->log, F_ADDR(rcpt, x->r->address),
              F_STR(folder, inbox ? SV("INBOX") : a->target),
              F_STR(script, script_name(x, a->script)), F_INT(line, a->line));
    return 0;
}

static int store_all(struct script_run *x, struct errinfo *ei)
{
    bool any = false, lost = false;
    int r = 0;
    for (size_t i = 0; i < x->res.n && r >= 0; i++) {
        const struct sieve_action *a = &x->res.v[i];
        bool is_store = a->kind == SIEVE_DO_KEEP || a->kind == SIEVE_DO_FILE;
        any |= is_store;
        lost |= a->kind == SIEVE_DO_REDIRECT && x->dropped[i];
        if (is_store)
            r = store(x, a, ei);
    }
    struct sieve_action keep = { .kind = SIEVE_DO_KEEP, .target = SV("INBOX") };
    return r >= 0 && lost && !any && x->mb ? store(x, &keep, ei) : r;
}

/* --- the answer --- */

static void refuse(const struct sieve_action *a, struct script_outcome *ret)
{
    size_t n = 0;
    ret->state = RCPT_FAILED;
    sv_copy(ret->text, sizeof(ret->text), SV("550 5.7.1 "));
    n = strlen(ret->text);
    for (size_t i = 0; i < a->text.n && n + 8 < sizeof(ret->text); i++) {
        unsigned char c = (unsigned char)a->text.p[i];
        if (c > ' ' && c != 127)
            ret->text[n++] = (char)c;
        else if (ret->text[n - 1] != ' ')
            ret->text[n++] = ' ';
    }
    while (!utf8_valid(sv_n(ret->text, n))) /* half a character */
        n--;
    ret->text[n] = '\0';
}

static void answer(struct script_run *x, struct script_outcome *ret)
{
    const struct sieve_action *reject = NULL, *sent = NULL;
    for (size_t i = 0; i < x->res.n; i++) {
        if (x->res.v[i].kind == SIEVE_DO_REJECT)
            reject = &x->res.v[i];
        if (x->res.v[i].kind == SIEVE_DO_REDIRECT && !sent)
            sent = &x->res.v[i];
    }
    ret->state = RCPT_DELIVERED;
    ret->stored = x->stored;
    sv_copy(ret->text, sizeof(ret->text), SV("250 2.1.5 Delivered to mailbox"));
    if (x->stored)
        return;
    if (x->sent_on) {
        sv_copy(ret->text, sizeof(ret->text), SV("250 2.1.5 Forwarded"));
        return;
    }
    if (reject)
        refuse(reject, ret);
    else
        sv_copy(ret->text, sizeof(ret->text),
                sent ? SV("250 2.1.5 Sent on by the recipient's Sieve script")
                     : SV("250 2.1.5 Discarded by the recipient's Sieve script"));
    event(sieve_discarded, &x->log, F_ADDR(rcpt, x->r->address),
          F_STR(script, script_name(x, reject ? reject->script
                                       : sent ? sent->script
                                              : x->res.discard_script)),
          F_INT(line, reject ? reject->line
                      : sent ? sent->line
                             : x->res.discard_line),
          F_STR(reason, reject ? "refused"
                        : sent ? "sent on"
                               : "discarded"));
}

/* Lost memory costs a second copy at most: no reason to hold the message back. */
static void remember(struct script_run *x)
{
    struct errinfo ei = { 0 };
    for (size_t i = 0; i < x->res.n_marks; i++) {
        const struct sieve_mark *k = &x->res.marks[i];
        if (account_script_remember(x->d->accounts, x->acc->id, 'd', k->id, x->m->key,
                                    clock_wall_ms() + k->seconds * 1000, false, &ei) < 0)
            log_error("Sieve script of %s: cannot remember message %s: %s", x->acc->address,
                      x->m->id, ei.text);
    }
}

/* What rules refuse or delete is seen by nothing else. False: there is no such thing. */
static bool ended_by_rules(const struct script_run *x, struct script_outcome *ret)
{
    if (!x->refusal.n && !x->deleted)
        return false;
    ret->state = x->refusal.n ? RCPT_FAILED : RCPT_DELIVERED;
    ret->deleted = x->deleted;
    sv_copy(ret->text, sizeof(ret->text),
            x->refusal.n ? x->refusal : SV("250 2.1.5 Deleted by a rule of the recipient"));
    return true;
}

static int carry_out(struct script_run *x, struct script_outcome *ret, struct errinfo *ei)
{
    x->dropped = xcalloc(x->res.n + 1, sizeof(*x->dropped));
    if (x->res.error < 0)
        failed(x, x->res.error_script, x->res.error_line, x->res.ei.text);
    int r = script_plan(x, ei);
    if (r >= 0)
        r = store_all(x, ei);
    if (r >= 0)
        r = script_send(x, ei);
    if (r < 0)
        return r;
    remember(x);
    answer(x, ret);
    return 0;
}

/* Of a message that is sent on, only its structure is read. */
static int run_scripts(struct script_run *x, struct errinfo *ei)
{
    const struct sieve_script *all[SCRIPTS_MAX] = { NULL };
    for (size_t i = 0; i < x->scripts->n; i++)
        all[i] = &x->scripts->v[i]->script;
    int e = sieve_run_all(all, x->sent_on ? 0 : x->scripts->n, &x->e, &x->res);
    if (e < 0 && ei)
        *ei = x->res.ei;
    if (e >= 0 && x->sent_on)
        x->res.n = 0; /* what would keep it */
    if (e >= 0)
        rules_add_actions(x);
    return e;
}

int script_deliver(struct deliver *d, struct message *m, struct rcpt *r, const struct account *acc,
                   const struct script_chain *scripts, struct forward_plan *forward,
                   struct mailbox *mb, struct script_outcome *ret, struct errinfo *ei)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    struct script_run x = { .d = d,
                            .m = m,
                            .r = r,
                            .acc = acc,
                            .scripts = scripts,
                            .forward = forward,
                            .cf = cf,
                            .mb = mb,
                            .log = deliver_ctx(m),
                            .quota = deliver_quota(acc) };
    x.e = (struct sieve_env){
        .sender = sv_c(m->sender),
        .rcpt = sv_c(*r->original ? r->original : r->address),
        .auth = sv_c(m->auth_user),
        .delimiters = sv_c(cf->auth.subaddress_separator),
        .now_s = clock_wall_s(),
        .max_actions = (size_t)cf->sieve.max_actions,
        .max_redirects = (size_t)cf->sieve.max_sent,
        .max_cpu_us = cf->sieve.max_cpu * 1000,
        .mailbox_exists = mailbox_exists,
        .seen = seen,
        .include = include,
        .arg = &x,
    };
    deliver_hostname(cf, x.host);
    *ret = (struct script_outcome){ .state = RCPT_WAITING };
    int e = content_view_open(m, &x.content, ei);
    x.e.message = x.content.bytes;
    x.sent_on = forward && !forward->store;
    rules_take_order(&x);
    if (e >= 0 && scripts->rules)
        e = rules_ask(&x, ei);
    if (e >= 0 && !ended_by_rules(&x, ret)) {
        e = run_scripts(&x, ei);
        if (e >= 0)
            e = carry_out(&x, ret, ei);
        sieve_result_done(&x.res);
    }
    rules_done(&x);
    for (size_t i = 0; i < x.n_included; i++)
        active_script_unref(x.included[i]);
    free(x.included);
    free(x.dropped);
    content_view_close(&x.content);
    return e;
}
