/* link: server_smtp net_test */
/* Whole SMTP sessions on the test driver, with a queue and accounts that only pretend. The first
 * two bytes choose the settings and how the input is cut. Checked: replies are lines of printable
 * text with a code, accepted content begins with the trace headers and has no end of DATA inside,
 * and cutting the input changes nothing. */
#include "smtp_fakes.h"

#include <stdint.h>

#include "base/clock.h"
#include "conf/conf.h"
#include "log/log.h"
#include "net/conn_test.h"
#include "server/smtp/smtp_server.h"

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void check_message(struct message *m)
{
    must(m->n_rcpts > 0 && m->size > 0 && *m->id);
    must(m->content.p || *m->spool_path);
    must(!m->content.p || sv_starts(m->content, SV("Return-Path: <")));
    must(strlen(m->sender) < 600 && !strpbrk(m->sender, "\r\n"));
}

static void check_replies(struct sv out)
{
    while (out.n) {
        ssize_t end = sv_find_sv(out, SV("\r\n"));
        must(end >= 4);
        must(out.p[0] >= '2' && out.p[0] <= '5' && (out.p[3] == ' ' || out.p[3] == '-'));
        for (ssize_t i = 0; i < end; i++)
            must((unsigned char)out.p[i] >= 32 && out.p[i] != 127);
        out = sv_skip(out, (size_t)end + 2);
    }
}

static void publish(bool reject, bool tight)
{
    const struct conf_pair pairs[] = {
        { "system.hostname", "mx.example" },
        { "smtp.bare_newline", reject ? "reject" : "normalize" },
        { "smtp.vrfy", "yes" },
        { "smtp.expn", "yes" },
        { "smtp.max_errors", tight ? "5" : "1000" },
        { "smtp.max_line", "512" },
        { "smtp.max_hops", "3" },
        { "smtp.max_message_size", tight ? "8192" : "0" },
        { "queue.memory_limit", "4096" },
        { "auth.failure_delay", "0ms" },
    };
    struct conf *cf;
    struct errinfo ei;
    must(conf_build(pairs, ARRAY_LEN(pairs), &cf, &ei) == 0);
    conf_publish(cf);
}

/* Output without the ids, which differ from message to message. */
static void session(struct sv in, size_t step, unsigned flags, struct buf *out)
{
    struct smtp_server srv = { .submission = flags & 1 };
    const struct conn_test facts = { .peer_ip = "192.0.2.1",
                                     .local_ip = "192.0.2.25",
                                     .can_tls = flags & 2,
                                     .trusted = flags & 4,
                                     .tls = flags & 8 };
    struct conn *c = conn_test_open(&smtp_ops, &srv, &facts);
    while (in.n && !conn_test_closed(c)) {
        conn_test_input(c, sv_take(in, step));
        if (conn_test_starttls(c))
            conn_test_secure(c);
        in = sv_skip(in, step);
    }
    conn_test_advance(c, 0);
    check_replies(conn_test_output(c));
    must(buf_add_sv(out, conn_test_output(c)) == 0);
    conn_test_free(c, CLOSE_PEER);
    for (size_t i = 0; i + 8 < out->n; i++)
        if (!memcmp(out->p + i, "sage id ", 8))
            for (size_t k = i + 8; k < out->n && out->p[k] != ' '; k++)
                out->p[k] = 'x';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct buf all, cut;
    struct sv in = sv_n(data + 2, size - 2);
    clock_test_freeze(1700000000000);
    log_set_level(LOG_SMTP, LOG_NONE);
    fake_on_accept = check_message;
    fake_filters = data[0] & 64;
    publish(data[0] & 16, data[0] & 32);
    buf_init(&all, 64 * MiB);
    buf_init(&cut, 64 * MiB);
    session(in, in.n ? in.n : 1, data[0], &all);
    session(in, (size_t)data[1] % 64 + 1, data[0], &cut);
    /* With STARTTLS the difference is meant: what comes along with it ends the session. */
    if (!(data[0] & 2))
        must(all.n == cut.n && (all.n == 0 || !memcmp(all.p, cut.p, all.n)));
    buf_done(&all);
    buf_done(&cut);
    return 0;
}
