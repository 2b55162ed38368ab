/* Real rooms in a temporary directory behind an SMTP session on the test driver. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <unistd.h>

#include "conf/conf.h"
#include "db/db.h"
#include "log/log.h"
#include "net/conn_test.h"
#include "os/file.h"
#include "server/smtp/smtp_server.h"

struct fixture {
    char dir[64];
    struct db *db;
    struct smtp_server srv;
    struct conn *c;
};

static inline void must(int r, const struct errinfo *ei)
{
    if (r < 0)
        fail_msg("%s: %s", err_name(r), ei->text);
}

static inline void publish(const struct conf_pair *pairs, size_t n)
{
    struct conf *cf;
    struct errinfo ei = { 0 };
    must(conf_build(pairs, n, &cf, &ei), &ei);
    conf_publish(cf);
}

static inline void add_account(struct fixture *f, const char *domain, const char *address,
                               const char *password)
{
    struct errinfo ei = { 0 };
    const struct domain_spec d = { .name = domain };
    const struct account_spec a = { .password = password };
    if (!account_domain_is_local(f->srv.accounts, sv_c(domain)))
        must(domain_create(f->srv.accounts, "test", &d, &ei), &ei);
    must(account_create(f->srv.accounts, "test", sv_c(address), &a, &ei), &ei);
}

static inline int fixture_open(void **state)
{
    static const struct conf_pair pairs[] = {
        { "system.hostname", "mx.example" }, { "auth.argon2_memory", "1MiB" },
        { "auth.min_password_length", "1" }, { "auth.plain_without_tls", "always" },
        { "queue.min_free_space", "0" },     { "queue.journal_segment", "16MiB" },
        { "smtp.max_message_size", "0" },
    };
    struct errinfo ei = { 0 };
    struct fixture *f = xcalloc(1, sizeof(*f));
    (void)sv_copy(f->dir, sizeof(f->dir), SV("/tmp/posthorn-smtp-XXXXXX"));
    assert_non_null(mkdtemp(f->dir));
    publish(pairs, ARRAY_LEN(pairs));
    _cleanup_(freep) char *dsn = xasprintf("sqlite:%s/system.db?sync=off", f->dir);
    _cleanup_(freep) char *mail = xasprintf("%s/mail", f->dir);
    _cleanup_(freep) char *out = xasprintf("%s/mail/_outgoing", f->dir);
    _cleanup_(freep) char *temp = xasprintf("%s/temp", f->dir);
    must(os_mkdirs(out, 0700, &ei), &ei);
    must(os_mkdirs(temp, 0700, &ei), &ei);
    must(db_open(dsn, &f->db, &ei), &ei);
    must(db_migrate_set(f->db, "account", account_migrations, account_migrations_count, &ei), &ei);
    must(accounts_open(f->db, &f->srv.accounts, &ei), &ei);
    const struct queue_opts qo = {
        .dir = out, .temp_dir = temp, .sync_path = mail, .server_id = ""
    };
    must(queue_open(&qo, &f->srv.queue, &ei), &ei);
    log_set_level(LOG_SMTP, LOG_NONE);
    *state = f;
    return 0;
}

static inline int fixture_close(void **state)
{
    struct fixture *f = *state;
    struct errinfo ei;
    conn_test_free(f->c, CLOSE_PEER);
    log_test_capture(NULL);
    queue_close(f->srv.queue);
    accounts_close(f->srv.accounts);
    db_close(f->db);
    os_remove_tree(f->dir, &ei);
    publish(NULL, 0);
    free(f);
    return 0;
}

static inline void dial(struct fixture *f, const char *peer_ip, const char *local_ip, bool tls)
{
    const struct conn_test facts = { .peer_ip = peer_ip, .local_ip = local_ip, .tls = tls };
    conn_test_free(f->c, CLOSE_PEER);
    f->c = conn_test_open(&smtp_ops, &f->srv, &facts);
}

/* The whole reply to a line. */
static inline const char *say(struct fixture *f, const char *line)
{
    static char reply[4096];
    conn_test_take(f->c);
    conn_test_input(f->c, sv_c(line));
    conn_test_input(f->c, SV("\r\n"));
    (void)sv_copy(reply, sizeof(reply), sv_trim(conn_test_output(f->c)));
    return reply;
}

static inline void expect(struct fixture *f, const char *line, const char *begins)
{
    const char *got = say(f, line);
    if (!sv_starts(sv_c(got), sv_c(begins)))
        fail_msg("%s: %s", line, got);
}
