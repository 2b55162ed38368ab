/* Surroundings for tests of the IMAP server: accounts and a mail store in a temporary directory,
 * sessions on the test driver, commands that return what the server said. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/rand.h"
#include "conf/conf.h"
#include "db/db.h"
#include "log/log.h"
#include "mail/account/account.h"
#include "mail/mailbox/mailbox.h"
#include "mail/notify/notify.h"
#include "net/conn_test.h"
#include "os/file.h"
#include "server/imap/imap_server.h"

struct env {
    char dir[64];
    struct db *db;
    struct accounts *accounts;
    struct mailstore *store;
    struct imap_server server;
    struct conn_test facts;
    struct buf log;
};

_unused_ static void must_be_ok(int r, const struct errinfo *ei, const char *what)
{
    if (r < 0)
        fail_msg("%s: %s (%s)", what, ei->text, err_name(r));
}

_unused_ static void env_settings(const struct conf_pair *more, size_t n)
{
    struct conf_pair pairs[32] = {
        { "system.hostname", "imap.example" }, { "auth.argon2_memory", "1MiB" },
        { "auth.min_password_length", "1" },   { "auth.plain_without_tls", "always" },
        { "auth.failure_delay", "0ms" },
    };
    struct conf *cf;
    struct errinfo ei = { 0 };
    for (size_t i = 0; i < n; i++)
        pairs[5 + i] = more[i];
    must_be_ok(conf_build(pairs, 5 + n, &cf, &ei), &ei, "settings");
    conf_publish(cf);
}

_unused_ static void env_account(struct env *e, const char *address, const char *quota)
{
    struct errinfo ei = { 0 };
    struct account_spec s = { .password = "{PLAIN}secret", .quota = quota };
    must_be_ok(account_create(e->accounts, "test", sv_c(address), &s, &ei), &ei, "account");
}

_unused_ static void env_open(struct env *e)
{
    struct errinfo ei = { 0 };
    *e = (struct env){ 0 };
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(e->dir, sizeof(e->dir), "%s/posthorn-imap-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(e->dir));
    env_settings(NULL, 0);
    _cleanup_(freep) char *dsn = xasprintf("sqlite:%s/system.db?sync=off", e->dir);
    _cleanup_(freep) char *mail = xasprintf("%s/mail", e->dir);
    _cleanup_(freep) char *temp = xasprintf("%s/temp", e->dir);
    must_be_ok(os_mkdirs(mail, 0700, &ei), &ei, mail);
    must_be_ok(os_mkdirs(temp, 0700, &ei), &ei, temp);
    must_be_ok(db_open(dsn, &e->db, &ei), &ei, "db");
    must_be_ok(db_migrate_set(e->db, "account", account_migrations, account_migrations_count, &ei),
               &ei, "schema");
    must_be_ok(accounts_open(e->db, &e->accounts, &ei), &ei, "accounts");
    const struct mailstore_opts so = { .root = mail, .temp_dir = temp, .alpha_group = 2 };
    must_be_ok(mailstore_open(&so, &e->store, &ei), &ei, "store");
    struct domain_spec d = { .name = "example.org", .primary = "yes" };
    must_be_ok(domain_create(e->accounts, "test", &d, &ei), &ei, "domain");
    env_account(e, "ann@example.org", NULL);
    e->server = (struct imap_server){ .accounts = e->accounts, .store = e->store };
    e->server.temp_dir = strdup(temp);
    e->facts = (struct conn_test){
        .peer_ip = "192.0.2.1", .local_ip = "192.0.2.143", .peer_port = 40000, .service = SVC_IMAP
    };
    notify_set_hooks(&(struct notify_hooks){ .post = imap_post });
    buf_init(&e->log, 256 * MiB);
    log_test_capture(&e->log);
}

_unused_ static void env_close(struct env *e)
{
    log_test_capture(NULL);
    mailstore_close(e->store);
    accounts_close(e->accounts);
    db_close(e->db);
    os_remove_tree(e->dir, NULL);
    buf_done(&e->log);
    free((char *)e->server.temp_dir);
    struct conf *defaults;
    if (conf_build(NULL, 0, &defaults, NULL) == 0)
        conf_publish(defaults);
}

/* --- sessions --- */

_unused_ static struct conn *imap_connect(struct env *e)
{
    struct conn *c = conn_test_open(&imap_ops, &e->server, &e->facts);
    assert_true(sv_starts(conn_test_output(c), SV("* OK [CAPABILITY IMAP4rev1 ")));
    conn_test_take(c);
    return c;
}

/* Sends raw input; the output so far, until the next call. */
_unused_ static struct sv imap_send(struct conn *c, struct sv in)
{
    conn_test_take(c);
    conn_test_input(c, in);
    return conn_test_output(c);
}

/* "x command": the whole answer. */
_unused_ _printf_(2, 3) static struct sv imap_cmd(struct conn *c, const char *fmt, ...)
{
    struct buf b;
    va_list ap;
    buf_init(&b, 16 * MiB);
    buf_add_str(&b, "x ");
    va_start(ap, fmt);
    buf_vaddf(&b, fmt, ap);
    va_end(ap);
    buf_add_str(&b, "\r\n");
    struct sv out = imap_send(c, buf_sv(&b));
    buf_done(&b);
    return out;
}

_unused_ static bool has(struct sv out, const char *text)
{
    return sv_find_sv(out, sv_c(text)) >= 0;
}

_unused_ static void expect(struct sv out, const char *text)
{
    if (!has(out, text))
        fail_msg("'%s' is not in:\n" SV_FMT, text, SV_ARG(sv_take(out, 3000)));
}

_unused_ static void expect_not(struct sv out, const char *text)
{
    if (has(out, text))
        fail_msg("'%s' is in:\n" SV_FMT, text, SV_ARG(sv_take(out, 3000)));
}

_unused_ static struct conn *imap_login(struct env *e, const char *user)
{
    struct conn *c = imap_connect(e);
    expect(imap_cmd(c, "LOGIN %s secret", user), "x OK [CAPABILITY ");
    return c;
}

_unused_ static struct sv imap_append(struct conn *c, const char *args, struct sv message)
{
    struct buf b;
    buf_init(&b, 256 * MiB);
    buf_addf(&b, "x APPEND %s {%zu+}\r\n", args, message.n);
    buf_add_sv(&b, message);
    buf_add_str(&b, "\r\n");
    struct sv out = imap_send(c, buf_sv(&b));
    buf_done(&b);
    return out;
}

#define MESSAGE(subject)                                                                           \
    SV("From: Bob <bob@example.net>\r\nTo: ann@example.org\r\nSubject: " subject                   \
       "\r\nDate: Mon, 5 Feb 2024 10:00:00 +0100\r\nMessage-ID: <" subject                         \
       "@example.net>\r\n\r\nThis is about " subject ".\r\n")
