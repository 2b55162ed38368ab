/* Surroundings for tests of the POP3 server: accounts and a mail store in a temporary directory,
 * sessions on the test driver. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "conf/conf.h"
#include "db/db.h"
#include "log/log.h"
#include "mail/account/account.h"
#include "mail/mailbox/mailbox.h"
#include "net/conn_test.h"
#include "os/file.h"
#include "server/pop3/pop3_server.h"

struct env {
    char dir[64];
    struct db *db;
    struct accounts *accounts;
    struct mailstore *store;
    struct pop3_server server;
    struct conn_test facts;
    struct buf log;
    uint64_t next_key;
};

_unused_ static void must_be_ok(int r, const struct errinfo *ei, const char *what)
{
    if (r < 0)
        fail_msg("%s: %s (%s)", what, ei->text, err_name(r));
}

_unused_ static void env_settings(void)
{
    static const struct conf_pair pairs[] = {
        { "system.hostname", "pop3.example" }, { "auth.argon2_memory", "1MiB" },
        { "auth.min_password_length", "1" },   { "auth.plain_without_tls", "always" },
        { "auth.failure_delay", "0ms" },
    };
    struct conf *cf;
    struct errinfo ei = { 0 };
    must_be_ok(conf_build(pairs, ARRAY_LEN(pairs), &cf, &ei), &ei, "settings");
    conf_publish(cf);
}

_unused_ static void env_account(struct env *e, const char *address, const char *password)
{
    struct errinfo ei = { 0 };
    struct account_spec s = { .password = password };
    must_be_ok(account_create(e->accounts, "test", sv_c(address), &s, &ei), &ei, "account");
}

_unused_ static void env_open(struct env *e)
{
    struct errinfo ei = { 0 };
    const char *tmp = getenv("TMPDIR");
    *e = (struct env){ .next_key = 1 };
    (void)snprintf(e->dir, sizeof(e->dir), "%s/posthorn-pop3-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(e->dir));
    env_settings();
    _cleanup_(freep) char *dsn = xasprintf("sqlite:%s/system.db?sync=off", e->dir);
    _cleanup_(freep) char *mail = xasprintf("%s/mail", e->dir);
    _cleanup_(freep) char *temp = xasprintf("%s/temp", e->dir);
    must_be_ok(os_mkdirs(mail, 0700, &ei), &ei, mail);
    must_be_ok(os_mkdirs(temp, 0700, &ei), &ei, temp);
    must_be_ok(db_open(dsn, &e->db, &ei), &ei, "db");
    must_be_ok(db_migrate(e->db, account_migrations, account_migrations_count, &ei), &ei, "schema");
    must_be_ok(accounts_open(e->db, &e->accounts, &ei), &ei, "accounts");
    const struct mailstore_opts so = { .root = mail, .temp_dir = temp, .alpha_group = 2 };
    must_be_ok(mailstore_open(&so, &e->store, &ei), &ei, "store");
    struct domain_spec d = { .name = "example.org", .primary = "yes" };
    must_be_ok(domain_create(e->accounts, "test", &d, &ei), &ei, "domain");
    env_account(e, "ann@example.org", "{PLAIN}secret");
    env_account(e, "bob@example.org", "{PLAIN}secret");
    e->server = (struct pop3_server){ .accounts = e->accounts, .store = e->store };
    e->facts = (struct conn_test){
        .peer_ip = "192.0.2.1", .local_ip = "192.0.2.110", .peer_port = 40000, .service = SVC_POP3
    };
    buf_init(&e->log, 256 * MiB);
    log_test_capture(&e->log);
}

_unused_ static void env_close(struct env *e)
{
    struct conf *defaults;
    log_test_capture(NULL);
    mailstore_close(e->store);
    accounts_close(e->accounts);
    db_close(e->db);
    os_remove_tree(e->dir, NULL);
    buf_done(&e->log);
    if (conf_build(NULL, 0, &defaults, NULL) == 0)
        conf_publish(defaults);
}

/* The account's mailbox; unref it. */
_unused_ static struct mailbox *env_mailbox(struct env *e, const char *address)
{
    struct errinfo ei = { 0 };
    _cleanup_(account_unrefp) const struct account *a = NULL;
    struct mailbox *m = NULL;
    must_be_ok(account_find_address(e->accounts, sv_c(address), &a, &ei), &ei, address);
    must_be_ok(mailbox_open(e->store, a->id, sv_c(address), &m, &ei), &ei, address);
    return m;
}

/* Puts messages into the INBOX, 500 at a time. */
_unused_ static void env_mail(struct env *e, const char *address, const struct sv *messages,
                              size_t n)
{
    struct errinfo ei = { 0 };
    _cleanup_(mailbox_unrefp) struct mailbox *m = env_mailbox(e, address);
    for (size_t done = 0; done < n;) {
        struct mailbox_add adds[500] = { 0 };
        size_t k = MIN(n - done, ARRAY_LEN(adds));
        for (size_t i = 0; i < k; i++)
            adds[i] = (struct mailbox_add){ .key = e->next_key++,
                                            .content = messages[done + i],
                                            .size = messages[done + i].n,
                                            .internal_date_s = 1700000000 };
        must_be_ok(mailbox_add(m, mailbox_inbox_id(m), adds, k, false, 0, NULL, NULL, &ei), &ei,
                   "mail");
        for (size_t i = 0; i < k; i++)
            assert_int_equal(adds[i].ret_error, 0);
        done += k;
    }
}

/* --- sessions --- */

_unused_ static struct conn *pop3_connect(struct env *e)
{
    struct conn *c = conn_test_open(&pop3_ops, &e->server, &e->facts);
    assert_true(sv_starts(conn_test_output(c), SV("+OK pop3.example POP3 server ready\r\n")));
    conn_test_take(c);
    return c;
}

/* Sends "command\r\n"; all that the server says, until the next call. */
_unused_ _printf_(2, 3) static struct sv pop3_cmd(struct conn *c, const char *fmt, ...)
{
    char line[4096];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof(line) - 2, fmt, ap);
    va_end(ap);
    memcpy(line + n, "\r\n", 3);
    conn_test_take(c);
    conn_test_input(c, sv_c(line));
    return conn_test_output(c);
}

_unused_ static void expect(struct sv out, const char *begins)
{
    if (!sv_starts(out, sv_c(begins)))
        fail_msg("'%s' expected, got '" SV_FMT "'", begins, SV_ARG(sv_take(out, 500)));
}

_unused_ static struct conn *pop3_login(struct env *e, const char *user)
{
    struct conn *c = pop3_connect(e);
    expect(pop3_cmd(c, "USER %s", user), "+OK");
    expect(pop3_cmd(c, "PASS secret"), "+OK");
    return c;
}

/* Bytes up to and with the first CRLF, 0 without one. No memmem: under a sanitizer it looks at all
 * that follows, which a large reply with many lines makes quadratic. */
_unused_ static size_t pop3_line_end(struct sv s)
{
    for (size_t n = 0; n < s.n;) {
        ssize_t at = sv_find(sv_skip(s, n), '\n');
        if (at < 0)
            return 0;
        n += (size_t)at + 1;
        if (n > 1 && s.p[n - 2] == '\r')
            return n;
    }
    return 0;
}

/* The lines of a reply behind its first one, dots taken off, into out. False when it is not such a
 * reply. */
_unused_ static bool pop3_body(struct sv reply, struct buf *out)
{
    size_t n = pop3_line_end(reply);
    if (!sv_starts(reply, SV("+OK")) || !n)
        return false;
    reply = sv_skip(reply, n);
    while (reply.n) {
        n = pop3_line_end(reply);
        if (!n)
            return false;
        struct sv line = sv_take(reply, n);
        reply = sv_skip(reply, line.n);
        if (sv_eq(line, SV(".\r\n")))
            return reply.n == 0;
        buf_add_sv(out, *line.p == '.' ? sv_skip(line, 1) : line);
    }
    return false;
}
