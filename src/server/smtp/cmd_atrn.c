/* ATRN: who has logged in and may fetch a backup domain becomes the server on this connection, and
 * gets what waits for it. RFC 2645. On submission only: the others do not log in. */
#include "mail/account/address.h"
#include "server/smtp/smtp_priv.h"

enum { DOMAINS_MAX = 64 * KiB }; /* of an account, and a line is shorter */

bool smtp_atrn_on(const struct smtp_session *s)
{
    return s->cf->smtp.atrn && s->srv->submission && s->srv->turns.begin;
}

static bool has(struct sv list, struct sv domain)
{
    while (list.p && list.n)
        if (sv_eq(sv_split(&list, ','), domain))
            return true;
    return false;
}

/* What is asked for, canonical, of what the account may have; all of that without an argument.
 * E_PARSE; E_NOTFOUND: one of them is not the account's. */
static int choose(struct sv args, struct sv mine, struct buf *ret)
{
    char domain[ADDR_DOMAIN_MAX + 1];
    size_t n = 0;
    if (!args.n)
        return mine.n ? buf_add_sv(ret, mine) : E_NOTFOUND;
    while (args.p) {
        struct sv one = sv_split(&args, ',');
        if (addr_parse_domain(one, domain, &n, NULL) < 0 || domain[0] == '[')
            return E_PARSE;
        if (!has(mine, sv_n(domain, n)))
            return E_NOTFOUND;
        if (has(buf_sv(ret), sv_n(domain, n)))
            continue;
        if ((ret->n && buf_add_c(ret, ',') < 0) || buf_add(ret, domain, n) < 0)
            return E_PARSE;
    }
    return 0;
}

static void not_begun(struct smtp_session *s, int r)
{
    if (r == E_CONFLICT)
        smtp_reply_lit(s, "450 4.2.0 ATRN request refused: the mail is being fetched already");
    else if (r == E_LIMIT)
        smtp_reply_lit(s, "450 4.3.2 ATRN request refused: too many sessions fetch mail");
    else
        smtp_reply_lit(s, "451 4.3.0 Unable to process ATRN request now");
}

static void reverse(struct smtp_session *s, struct sv domains)
{
    const struct smtp_turns *t = &s->srv->turns;
    struct errinfo ei = { 0 };
    void *turn;
    size_t n = 0;
    int r = t->begin(t->deliver, sv_c(s->account->address), domains, &turn, &n, &ei);
    if (r < 0) {
        log_line(&s->log, LOG_DEBUG, "ATRN: %s", ei.text);
        not_begun(s, r);
        return;
    }
    if (!n) {
        t->go(turn, NULL);
        smtp_reply_lit(s, "453 4.2.0 You have no mail");
        return;
    }
    smtp_reply_lit(s, "250 2.0.0 OK now reversing the connection");
    event(odmr_began, &s->log, F_ADDR(account, s->account->address), F_STR(domain, domains),
          F_INT(messages, n));
    s->messages++; /* the session has served its purpose */
    smtp_set_state(s, ST_END);
    conn_hand_over(s->c, t->go, turn);
}

void smtp_cmd_atrn(struct smtp_session *s, struct sv args)
{
    struct buf mine, wanted;
    struct errinfo ei = { 0 };
    if (!s->account) {
        smtp_reply_lit(s, "530 5.7.1 Authentication required [AUTH]");
        return;
    }
    /* What is there already was not meant for a client, which we become. */
    if (conn_has_input(s->c)) {
        smtp_reply_lit(s, "503 5.5.1 ATRN must be the last command of a group");
        smtp_close(s);
        return;
    }
    buf_init(&mine, DOMAINS_MAX);
    buf_init(&wanted, DOMAINS_MAX);
    int r = account_fetches(s->srv->accounts, s->account->id, &mine, &ei);
    if (r < 0) {
        smtp_reply_lit(s, "451 4.3.0 Unable to process ATRN request now");
    } else {
        r = choose(args, buf_sv(&mine), &wanted);
        if (r == E_PARSE)
            smtp_reply_lit(s, "501 5.5.4 Syntax error in parameters scanning");
        else if (r < 0)
            smtp_reply_lit(s, "450 4.7.1 ATRN request refused: no access to all of the domains");
        else
            reverse(s, buf_sv(&wanted));
    }
    buf_done(&mine);
    buf_done(&wanted);
}
