/* ETRN: whoever takes a backup domain's mail asks for what waits for it. RFC 1985. It only starts
 * an attempt at the domain's own server: the mail goes to nobody else. */
#include <pthread.h>

#include "base/clock.h"
#include "mail/account/address.h"
#include "server/smtp/etrn.h"
#include "server/smtp/smtp_priv.h"

enum {
    AGAIN_MS = 60000, /* looking through the queue costs: a node is looked for once in this time */
    REMEMBERED = 256,
};

struct etrn {
    pthread_mutex_t lock; /* guards what is below */
    size_t next;
    struct asked {
        uint64_t node; /* hash of its name; 0 = none */
        int64_t at_ms; /* monotonic */
    } asked[REMEMBERED];
};

struct etrn *etrn_new(void)
{
    struct etrn *e = xcalloc(1, sizeof(*e));
    pthread_mutex_init(&e->lock, NULL);
    return e;
}

void etrn_free(struct etrn *e)
{
    if (!e)
        return;
    pthread_mutex_destroy(&e->lock);
    free(e);
}

/* False: it was asked for a moment ago. */
static bool ask(struct etrn *e, struct sv node)
{
    uint64_t h = hash_isv(node) | 1;
    int64_t now = clock_mono_ms();
    bool again = false;
    if (!e)
        return true;
    pthread_mutex_lock(&e->lock);
    for (size_t i = 0; i < REMEMBERED && !again; i++)
        again = e->asked[i].node == h && now - e->asked[i].at_ms < AGAIN_MS;
    if (!again)
        e->asked[e->next++ % REMEMBERED] = (struct asked){ h, now };
    pthread_mutex_unlock(&e->lock);
    return !again;
}

struct wanted {
    struct sv domain;
    bool below; /* and the domains below it */
    struct accounts *accounts;
};

static bool is_wanted(const struct wanted *w, const char *address)
{
    ssize_t at = sv_rfind(sv_c(address), '@');
    struct sv domain = at < 0 ? SV("") : sv_skip(sv_c(address), (size_t)at + 1);
    if (sv_ieq(domain, w->domain))
        return true;
    return w->below && domain.n > w->domain.n + 1 && sv_iends(domain, w->domain) &&
           domain.p[domain.n - w->domain.n - 1] == '.' &&
           account_domain_is_backup(w->accounts, domain) > 0;
}

static bool reaches(const struct queue_info *i _unused_, const struct rcpt *r, void *arg)
{
    return r->kind == RCPT_REMOTE && is_wanted(arg, r->address);
}

/* While it is being delivered its recipients are the deliverer's: the first one tells. */
static bool want(const struct queue_info *i, void *arg)
{
    if (!i->rcpts)
        return is_wanted(arg, i->rcpt);
    for (size_t k = 0; k < i->n_rcpts; k++)
        if (i->rcpts[k].state == RCPT_WAITING && reaches(i, &i->rcpts[k], arg))
            return true;
    return false;
}

static void start(struct smtp_session *s, struct sv node, struct wanted *w)
{
    char text[400], who[80];
    struct queue_steered done = { 0 };
    const struct queue_steer steer = {
        .action = QUEUE_SEND_NOW, .admin = who, .want = want, .reaches = reaches, .arg = w
    };
    int n;
    snprintf(who, sizeof(who), "ETRN from %s", conn_peer_ip(s->c));
    int r = queue_steer(s->srv->queue, &steer, &done, NULL);
    size_t all = done.n[STEER_DONE] + done.n[STEER_AS_IT_WAS];
    if (r < 0)
        n = snprintf(text, sizeof(text), "458 4.3.0 Unable to queue messages for node " SV_FMT,
                     SV_ARG(node));
    else if (all)
        n = snprintf(text, sizeof(text),
                     "253 2.0.0 OK, %zu pending messages for node " SV_FMT " started", all,
                     SV_ARG(node));
    else
        n = snprintf(text, sizeof(text), "251 2.0.0 OK, no messages waiting for node " SV_FMT,
                     SV_ARG(node));
    smtp_reply(s, sv_n(text, (size_t)n));
}

static void not_allowed(struct smtp_session *s, struct sv node, const char *why)
{
    smtp_reply_parts(s, SV("459 5.7.1 Node "), node, SV(" not allowed: "), sv_c(why));
}

/* The argument: a domain, @domain with what is below it, or #queue, of which we have none. */
void smtp_cmd_etrn(struct smtp_session *s, struct sv args)
{
    char domain[ADDR_DOMAIN_MAX + 1];
    size_t n = 0;
    struct sv node = sv_take(args, 255);
    struct wanted w = { .below = sv_starts(args, SV("@")), .accounts = s->srv->accounts };
    if (sv_starts(args, SV("#"))) {
        smtp_reply_parts(s, SV("458 5.3.3 Unable to queue messages for node "), node);
        return;
    }
    if (args.n > 256 || addr_parse_domain(sv_skip(args, w.below), domain, &n, NULL) < 0 ||
        domain[0] == '[') {
        smtp_reply_lit(s, "501 5.5.4 Syntax error in parameters scanning");
        return;
    }
    w.domain = sv_n(domain, n);
    int backup = account_domain_is_backup(s->srv->accounts, w.domain);
    if (!s->account && !smtp_trusted(s) && s->cf->smtp.etrn == SMTP_ETRN_TRUSTED)
        not_allowed(s, node, "authentication required");
    else if (backup < 0)
        smtp_reply_lit(s, "451 4.3.0 Temporary failure, try again later");
    else if (!backup)
        not_allowed(s, node, "no backup domain");
    else if (!ask(s->srv->etrn, args))
        smtp_reply_parts(s, SV("250 2.0.0 OK, queuing for node "), node, SV(" started"));
    else
        start(s, node, &w);
}
