/* Connecting: hosts in order, greeting, EHLO or HELO. RFC 5321, 1870, 2920, 6152,
 * 6531, 3461. */
#include "mail/deliver/smtp_auth.h"
#include "mail/deliver/smtp_tls.h"
#include "mail/deliver/trouble.h"

#include "base/clock.h"
#include "stats/shm.h"

#include <time.h>

enum { QUIT_MS = 5000, MAX_UNLOGGED = 1024 * 1024, MAX_REPLY = 64 * 1024 };
enum { MAX_ATTEMPTS = 8 }; /* addresses tried for one message */

void smtp_begin(struct smtp_client *s, struct deliver *d, const struct conf *cf)
{
    *s = (struct smtp_client){ .d = d, .cf = cf, .slot = -1 };
    outgoing_open(d, &s->out);
    s->log = (struct logctx){ .type = LOG_SMTP,
                              .id = s->out.id,
                              .prefix = LOG_CLIENT,
                              .service = 1 + SVC_SMTP_CLIENT,
                              .session = shm_session_key(s->out.id) };
    deliver_hostname(cf, s->our_name);
    buf_init(&s->unlogged, MAX_UNLOGGED);
    buf_init(&s->reply_lines, MAX_REPLY);
}

void smtp_end(struct smtp_client *s)
{
    smtp_disconnect(s);
    outgoing_close(s->d, &s->out);
    buf_done(&s->unlogged);
    buf_done(&s->reply_lines);
}

/* --- the limit of connections --- */

static void take_connection(struct smtp_client *s)
{
    struct deliver *d = s->d;
    int64_t max = s->cf->deliver.max_outgoing;
    pthread_mutex_lock(&d->lock);
    while (max && d->n_connections >= max && !atomic_load(&d->stopping))
        pthread_cond_wait(&d->connection_free, &d->lock);
    d->n_connections++;
    pthread_mutex_unlock(&d->lock);
}

static void free_connection(struct smtp_client *s)
{
    pthread_mutex_lock(&s->d->lock);
    s->d->n_connections--;
    pthread_cond_signal(&s->d->connection_free);
    pthread_mutex_unlock(&s->d->lock);
}

/* --- one host --- */

static void drop(struct smtp_client *s)
{
    if (!s->c)
        return;
    uint64_t in, out;
    shm_session_totals(s->slot, &in, &out);
    s->bytes_in += in;
    s->bytes_out += out;
    client_close(s->c);
    s->c = NULL;
    shm_session_close(s->slot);
    s->slot = -1;
    s->caps = 0;
    s->max_size = 0;
    s->sent = 0;
    s->in_transaction = s->broken = s->proven = false;
    buf_reset(&s->unlogged);
    free_connection(s);
}

static void tell_totals(struct smtp_client *s)
{
    const char *outcome = s->delivered ? "success" : s->timed_out ? "disconnected" : "failed";
    event(session_end, &s->log, F_STR(outcome, outcome), F_STR(host, *s->host ? s->host : NULL),
          F_MS(duration, s->began_ms ? clock_mono_ms() - s->began_ms : 0),
          F_BYTES(bytes_in, s->bytes_in), F_BYTES(bytes_out, s->bytes_out),
          F_INT(commands, s->commands), F_INT(messages, s->delivered));
    s->delivered = s->commands = 0;
    s->bytes_in = s->bytes_out = 0;
    s->began_ms = 0;
}

void smtp_disconnect(struct smtp_client *s)
{
    struct reply r;
    if (s->c && !s->broken && smtp_send(s, "QUIT") >= 0)
        (void)smtp_read_reply(s, QUIT_MS, &r);
    drop(s);
    if (s->talked)
        tell_totals(s);
    s->talked = false;
    s->log.message = 0;
    s->log.message_id = NULL;
    s->log.source[0] = '\0';
}

static int open_connection(struct smtp_client *s, const char *host, const char *ip, uint16_t port,
                           struct failure *why)
{
    struct client_opts o = {
        .ip = ip,
        .port = port,
        .source_ip = s->rule && *s->rule->source_ip ? s->rule->source_ip : s->cf->deliver.source_ip,
        .connect_timeout_ms = s->cf->deliver.connect_timeout,
        .cancel = &s->out.cancel,
    };
    struct errinfo ei = { 0 };
    take_connection(s);
    int r = client_connect(&o, &s->c, &ei);
    if (r < 0) {
        s->c = NULL;
        free_connection(s);
        s->timed_out = false;
        event(client_connect_failed, &s->log, F_STR(host, host), F_IP(remote_ip, ip),
              F_STR(reason, err_name(r)));
        failure_set(why, false,
                    "451 4.4.1 Could not connect and send the mail to recipient (%s [%s]: %s)",
                    host, ip, err_name(r));
        return r;
    }
    sv_copy(s->host, sizeof(s->host), sv_c(host));
    sv_copy(s->ip, sizeof(s->ip), sv_c(ip));
    sv_copy(s->log.source, sizeof(s->log.source), sv_c(ip));
    s->slot = shm_session_open(SVC_SMTP_CLIENT, s->out.id, ip, client_local_ip(s->c));
    if (!s->began_ms)
        s->began_ms = clock_mono_ms();
    event(client_session_start, &s->log, F_IP(local, client_local_ip(s->c)), F_STR(host, host),
          F_IP(remote_ip, ip), F_INT(port, port));
    return 0;
}

int smtp_turned_away(struct smtp_client *s, int r, const struct reply *reply, struct failure *why)
{
    if (r < 0) {
        smtp_lost(s, r, why->answer);
        why->permanent = false;
        why->mta[0] = '\0';
        return r;
    }
    failure_set(why, reply->code >= 500, "%.500s", reply->text);
    sv_copy(why->mta, sizeof(why->mta), sv_c(s->host));
    return E_TEMP;
}

static void parse_capability(struct smtp_client *s, struct sv line)
{
    static const struct {
        const char *name;
        unsigned cap;
    } known[] = { { "PIPELINING", CAP_PIPELINING },
                  { "SIZE", CAP_SIZE },
                  { "8BITMIME", CAP_8BITMIME },
                  { "SMTPUTF8", CAP_SMTPUTF8 },
                  { "DSN", CAP_DSN },
                  { "STARTTLS", CAP_STARTTLS },
                  { "TRANSID", CAP_TRANSID },
                  { "REQUIRETLS", CAP_REQUIRETLS } };
    struct sv rest = sv_trim(line), word = sv_split(&rest, ' ');
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (sv_ieq(word, sv_c(known[i].name)))
            s->caps |= known[i].cap;
    if (sv_ieq(word, SV("AUTH")) && rest.p)
        sv_copy(s->auth, sizeof(s->auth), sv_trim(rest));
    if (sv_ieq(word, SV("SIZE")) && (!rest.p || sv_to_u64(sv_trim(rest), &s->max_size) < 0))
        s->max_size = 0;
}

static void parse_capabilities(struct smtp_client *s)
{
    struct sv rest = buf_sv(&s->reply_lines);
    s->caps = 0;
    s->max_size = 0;
    s->auth[0] = '\0';
    (void)sv_split(&rest, '\n'); /* the greeting line */
    while (rest.p)
        parse_capability(s, sv_skip(sv_split(&rest, '\n'), 4));
}

static int hello(struct smtp_client *s, struct failure *why)
{
    struct reply reply = { 0 };
    s->waiting_for = "EHLO";
    int r = smtp_send(s, "EHLO %s", s->our_name);
    if (r >= 0)
        r = smtp_read_reply(s, s->cf->deliver.command_timeout, &reply);
    if (r >= 0 && reply.code == 250) {
        parse_capabilities(s);
        return 0;
    }
    if (r < 0 || reply.code == 421)
        return smtp_turned_away(s, r, &reply, why);
    s->waiting_for = "HELO";
    r = smtp_send(s, "HELO %s", s->our_name);
    if (r >= 0)
        r = smtp_read_reply(s, s->cf->deliver.command_timeout, &reply);
    if (r < 0 || reply.code != 250)
        return smtp_turned_away(s, r, &reply, why);
    s->caps = 0;
    s->max_size = 0;
    s->auth[0] = '\0';
    return 0;
}

static int greeting(struct smtp_client *s, struct failure *why)
{
    int64_t ms = s->cf->deliver.command_timeout;
    struct reply reply;
    s->waiting_for = "the greeting";
    int r = smtp_read_reply(s, s->impatient ? MIN(ms, s->cf->deliver.connect_timeout) : ms, &reply);
    if (r < 0 || reply.code != 220)
        return smtp_turned_away(s, r, &reply, why);
    return 0;
}

/* Greeting to the state where MAIL may come. E_TLS: the handshake failed. */
static int introduce(struct smtp_client *s, const struct tls_policy *tls, struct failure *why)
{
    int r = greeting(s, why);
    if (r >= 0)
        r = hello(s, why);
    if (r >= 0 && tls->level != TLS_NEVER)
        r = smtp_start_tls(s, tls, why);
    if (r == 1)
        r = hello(s, why);
    if (r >= 0 && s->rule && *s->rule->user)
        r = smtp_auth(s, why);
    return r;
}

static int try_address(struct smtp_client *s, const char *host, const char *ip, uint16_t port,
                       const struct tls_policy *tls, struct failure *why)
{
    static const struct tls_policy clear = { .level = TLS_NEVER };
    s->timed_out = false;
    int r = open_connection(s, host, ip, port, why);
    if (r >= 0)
        r = introduce(s, tls, why);
    if (r == E_TLS && s->c && tls->level == TLS_MAY) {
        drop(s); /* better in clear text than not at all: that is what "may" means */
        r = open_connection(s, host, ip, port, why);
        if (r >= 0)
            r = introduce(s, &clear, why);
    }
    if (r < 0 && s->c) {
        struct reply bye;
        if ((r == E_TEMP || r == E_AUTH) && smtp_send(s, "QUIT") >= 0)
            (void)smtp_read_reply(s, QUIT_MS, &bye);
        drop(s);
    }
    return r;
}

int smtp_take_over(struct smtp_client *s, struct client *c, const char *who, struct failure *why)
{
    pthread_mutex_lock(&s->d->lock); /* smtp.atrn_sessions is its limit: it does not wait here */
    s->d->n_connections++;
    pthread_mutex_unlock(&s->d->lock);
    s->c = c;
    client_set_cancel(c, &s->out.cancel);
    snprintf(s->host, sizeof(s->host), "[%s]", client_peer_ip(c));
    sv_copy(s->ip, sizeof(s->ip), sv_c(client_peer_ip(c)));
    sv_copy(s->log.source, sizeof(s->log.source), sv_c(s->ip));
    s->slot = shm_session_open(SVC_SMTP_CLIENT, s->out.id, s->ip, client_local_ip(c));
    shm_session_account(s->slot, sv_c(who));
    shm_session_tls(s->slot, client_is_tls(c));
    s->proven = client_is_tls(c);
    s->began_ms = clock_mono_ms();
    s->talked = true;
    event(client_session_start, &s->log, F_IP(local, client_local_ip(s->c)), F_STR(host, s->host),
          F_IP(remote_ip, s->ip));
    int r = greeting(s, why);
    if (r >= 0)
        r = hello(s, why);
    return r;
}

/* --- all hosts --- */

static int try_host(struct smtp_client *s, const struct route *route, size_t i, struct sv domain,
                    unsigned *attempts, struct failure *why)
{
    struct route_addresses found;
    struct tls_policy tls;
    int r = E_TEMP;
    log_line(&s->log, LOG_DEBUG, "Connecting to '%s'", route->host[i]);
    if (!route_addresses(route->host[i], route_family(s->cf, s->rule), &found, why))
        return r;
    r = smtp_tls_policy(s, route, i, domain, &found, &tls, why);
    for (size_t k = 0; r >= 0 && k < found.n && *attempts < MAX_ATTEMPTS; k++) {
        ++*attempts;
        r = try_address(s, route->host[i], found.ip[k], route->port, &tls, why);
        if (r >= 0 || r == E_CANCELLED || r == E_AUTH)
            return r;
        r = 0;
    }
    return r < 0 ? r : E_TEMP;
}

bool smtp_knows_requiretls(const struct smtp_client *s)
{
    return s->proven && s->caps & CAP_REQUIRETLS;
}

static int try_hosts(struct smtp_client *s, const struct route *route, struct sv domain,
                     struct failure *why)
{
    struct failure one = { 0 };
    unsigned attempts = 0;
    int r = E_TEMP;
    bool first = true;
    size_t passed_over = route->n;
    s->unasked = false;
    for (size_t i = 0; i < route->n && r != E_CANCELLED && r != E_AUTH; i++) {
        r = try_host(s, route, i, domain, &attempts, &one);
        if (r >= 0 && s->strict && !smtp_knows_requiretls(s) && i + 1 < route->n) {
            passed_over = i;
            smtp_disconnect(s);
            continue;
        }
        if (r >= 0)
            return r;
        s->unasked = true;
        if (first || !one.permanent) /* permanent only when every host says so */
            *why = one;
        first = false;
    }
    if (passed_over < route->n && r != E_CANCELLED && r != E_AUTH) { /* it is there, at least */
        attempts = 0;
        r = try_host(s, route, passed_over, domain, &attempts, why);
    }
    return r;
}

void smtp_suit(struct smtp_client *s, const struct message *m)
{
    bool strict = m->requiretls && *m->sender; /* a notice goes by any, without its content */
    if (s->c && ((s->lenient && !m->tls_optional) || (strict && !smtp_knows_requiretls(s))))
        smtp_disconnect(s);
    if (!s->c) {
        s->lenient = m->tls_optional;
        s->strict = strict;
    }
}

int smtp_connect(struct smtp_client *s, struct sv domain, struct failure *why)
{
    struct route route;
    s->log.source[0] = '\0';
    s->rule = route_rule(s->cf, domain);
    if (s->rule && trouble_holds(s->d, s->rule, why))
        return E_AUTH;
    int r = route_find(s->cf, s->rule, domain, s->our_name, &s->log, &route, why);
    if (r >= 0)
        r = try_hosts(s, &route, domain, why);
    free(s->sts);
    s->sts = NULL;
    return r;
}
