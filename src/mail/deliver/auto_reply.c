/* The automatic reply of an account (RFC 3834): by the rules, the memory and the form of vacation
 * (RFC 5230), without a script. */
#include "mail/deliver/script_priv.h"

#include <time.h>

#include "base/clock.h"

/* Days are those of the machine's time zone. */
bool auto_reply_wanted(const struct account *acc)
{
    char today[16];
    struct tm tm;
    time_t now = (time_t)clock_wall_s();
    const char *from = account_option(acc, OPT_AUTO_REPLY_FROM),
               *until = account_option(acc, OPT_AUTO_REPLY_UNTIL);
    if (!acc->option[OPT_AUTO_REPLY])
        return false;
    localtime_r(&now, &tm);
    strftime(today, sizeof(today), "%Y-%m-%d", &tm);
    return strcmp(from, today) <= 0 && (!*until || strcmp(today, until) <= 0);
}

void auto_reply(struct deliver *d, struct message *m, struct rcpt *r, const struct account *acc)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    const char *subject = account_option(acc, OPT_AUTO_REPLY_SUBJECT);
    struct errinfo ei = { 0 };
    struct mime_part *root = NULL;
    struct script_run x = { .d = d, .m = m, .r = r, .acc = acc, .cf = cf, .log = deliver_ctx(m) };
    const struct sieve_action a = {
        .kind = SIEVE_DO_VACATION,
        .text = sv_c(account_option(acc, OPT_AUTO_REPLY)),
        .subject = *subject ? sv_c(subject) : SV_NULL,
        .seconds = account_number(acc, OPT_AUTO_REPLY_DAYS) * 86400,
    };
    deliver_hostname(cf, x.host);
    int e = content_view_open(m, &x.content, &ei);
    if (e >= 0) {
        x.e = (struct sieve_env){ .message = x.content.bytes, .sender = sv_c(m->sender) };
        arena_init(&x.res.arena, 4 * MiB);
        (void)mime_parse(sv_take(x.e.message, mime_header_length(x.e.message)), &x.res.arena,
                         &root);
        x.res.root = root;
        e = script_vacation(&x, &a, &ei);
        sieve_result_done(&x.res);
    }
    content_view_close(&x.content);
    if (e < 0)
        script_not_sent(&x, &a, "automatic reply", ei.text);
}
