/* link: server_pop3 net_test */
/* A POP3 session with a hostile client, against real accounts and a real mailbox in memory-backed
 * storage. Input: first byte = facts of the connection, second = size of the pieces, then what the
 * client sends. */
#include <stdio.h>
#include <unistd.h>

#include "conf/conf.h"
#include "log/log.h"
#include "mail/account/account.h"
#include "mail/mailbox/mailbox.h"
#include "net/conn_test.h"
#include "os/file.h"
#include "server/pop3/pop3_server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct pop3_server server;
static char dir[64];

static const struct sv mails[] = {
    { "Subject: one\r\n\r\n.dot\r\n..\r\nend\r\n", 31 },
    { "Subject: no body", 16 },
    { "\r\n\r\n\r\n", 6 },
};

static void must(int r, const struct errinfo *ei)
{
    if (r < 0)
        panic("fuzz_pop3_session: %s", ei->text);
}

static void publish(void)
{
    static const struct conf_pair pairs[] = {
        { "auth.argon2_memory", "1MiB" },    { "auth.argon2_passes", "1" },
        { "auth.max_failures", "0" },        { "auth.max_failures_ip", "0" },
        { "auth.min_password_length", "1" }, { "auth.plain_without_tls", "always" },
        { "auth.cram_md5", "yes" },          { "auth.failure_delay", "0ms" },
        { "pop3.max_auth_attempts", "100" },
    };
    struct errinfo ei = { 0 };
    struct conf *c = NULL;
    must(conf_build(pairs, ARRAY_LEN(pairs), &c, &ei), &ei);
    conf_publish(c);
}

static void clean_up(void)
{
    os_remove_tree(dir, NULL);
}

/* The mailbox has its messages, whatever the session before has deleted. */
static void fill(void)
{
    struct errinfo ei = { 0 };
    struct mailbox *m = NULL;
    const struct account *a = NULL;
    const struct snap *s = NULL;
    static uint64_t key = 1;
    must(account_find_address(server.accounts, SV("u@a.test"), &a, &ei), &ei);
    must(mailbox_open(server.store, a->id, SV("u@a.test"), &m, &ei), &ei);
    must(mailbox_snapshot(m, mailbox_inbox_id(m), NULL, &s, &ei), &ei);
    for (size_t i = s->n; i < ARRAY_LEN(mails); i++) {
        struct mailbox_add add = {
            .key = key++, .content = mails[i], .size = mails[i].n, .internal_date_s = 1
        };
        must(mailbox_add(m, mailbox_inbox_id(m), &add, 1, false, 0, NULL, NULL, &ei), &ei);
    }
    snap_unref(s);
    mailbox_unref(m);
    account_unref(a);
}

static void open_once(void)
{
    struct errinfo ei = { 0 };
    struct db *db = NULL;
    char dsn[128], mail[80], temp[80];
    if (server.store)
        return;
    for (int t = 0; t < LOG_TYPE_COUNT; t++)
        log_set_level((enum log_type)t, LOG_NONE);
    publish();
    snprintf(dir, sizeof(dir), "/dev/shm/posthorn-fuzz-pop3-%d", (int)getpid());
    snprintf(mail, sizeof(mail), "%s/mail", dir);
    snprintf(temp, sizeof(temp), "%s/temp", dir);
    snprintf(dsn, sizeof(dsn), "sqlite:%s/system.db?sync=off", dir);
    must(os_mkdirs(mail, 0700, &ei), &ei);
    must(os_mkdirs(temp, 0700, &ei), &ei);
    atexit(clean_up);
    must(db_open(dsn, &db, &ei), &ei);
    must(db_migrate(db, account_migrations, account_migrations_count, &ei), &ei);
    must(accounts_open(db, &server.accounts, &ei), &ei);
    must(domain_create(server.accounts, "t", &(struct domain_spec){ .name = "a.test" }, &ei), &ei);
    must(account_create(server.accounts, "t", SV("u@a.test"),
                        &(struct account_spec){ .password = "{PLAIN}p" }, &ei),
         &ei);
    must(
        mailstore_open(&(struct mailstore_opts){ .root = mail, .temp_dir = temp, .alpha_group = 2 },
                       &server.store, &ei),
        &ei);
}

/* All that the server says are whole lines. */
static void check_output(struct conn *c)
{
    struct sv out = conn_test_output(c);
    if (out.n && (!sv_iends(out, SV("\r\n")) || sv_find(out, '\0') >= 0))
        panic("fuzz_pop3_session: output '" SV_FMT "'", SV_ARG(out));
    conn_test_take(c);
}

static void feed(struct conn *c, struct sv in, size_t piece)
{
    while (in.n && !conn_test_closed(c)) {
        struct sv part = sv_take(in, piece);
        char *copy = sv_dup(part); /* exact bounds for the sanitizer */
        conn_test_input(c, sv_n(copy, part.n));
        free(copy);
        in = sv_skip(in, part.n);
        check_output(c);
        if (conn_test_starttls(c))
            conn_test_secure(c);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    open_once();
    if (size < 2)
        return 0;
    fill();
    struct conn_test facts = { .peer_ip = "192.0.2.1",
                               .local_ip = "192.0.2.2",
                               .service = SVC_POP3,
                               .tls = data[0] & 1,
                               .can_tls = data[0] & 2,
                               .trusted = data[0] & 4 };
    struct conn *c = conn_test_open(&pop3_ops, &server, &facts);
    check_output(c);
    if (data[0] & 8)
        feed(c, SV("USER u@a.test\r\nPASS p\r\n"), 1000);
    feed(c, sv_n((const char *)data + 2, size - 2), data[1] ? data[1] : 100000);
    if (data[0] & 16)
        conn_test_advance(c, 700000);
    if (data[0] & 32)
        conn_test_eof(c);
    if (data[0] & 64)
        conn_test_shutdown(c);
    check_output(c);
    conn_test_free(c, CLOSE_PEER);
    return 0;
}
