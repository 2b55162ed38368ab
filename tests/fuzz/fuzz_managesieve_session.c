/* link: server_managesieve net_test */
/* A ManageSieve session with a hostile client, against real accounts. Input: first byte = facts of
 * the connection, second = size of the pieces, then what the client sends. */
#include <stdio.h>
#include <unistd.h>

#include "conf/conf.h"
#include "log/log.h"
#include "mail/account/script.h"
#include "net/conn_test.h"
#include "os/file.h"
#include "server/managesieve/managesieve_server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LOGIN "AUTHENTICATE \"PLAIN\" \"AHVAYS50ZXN0AHA=\"\r\n"

static struct managesieve_server server;
static char dir[64];

static void must(int r, const struct errinfo *ei)
{
    if (r < 0)
        panic("fuzz_managesieve_session: %s", ei->text);
}

static void publish(void)
{
    static const struct conf_pair pairs[] = {
        { "auth.argon2_memory", "1MiB" },    { "auth.argon2_passes", "1" },
        { "auth.max_failures", "0" },        { "auth.max_failures_ip", "0" },
        { "auth.min_password_length", "1" }, { "auth.plain_without_tls", "always" },
        { "auth.cram_md5", "yes" },          { "auth.failure_delay", "0ms" },
        { "sieve.max_scripts", "4" },        { "sieve.max_script_size", "1KiB" },
        { "managesieve.max_errors", "100" }, { "managesieve.max_auth_attempts", "100" },
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

static void open_once(void)
{
    struct errinfo ei = { 0 };
    struct db *db = NULL;
    char dsn[128], mail[80], temp[80];
    if (server.accounts)
        return;
    for (int t = 0; t < LOG_TYPE_COUNT; t++)
        log_set_level((enum log_type)t, LOG_NONE);
    publish();
    snprintf(dir, sizeof(dir), "/dev/shm/posthorn-fuzz-ms-%d", (int)getpid());
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

/* All that the server says are whole lines, and no more than a few scripts. */
static void check_output(struct conn *c)
{
    struct sv out = conn_test_output(c);
    if (out.n && (!sv_iends(out, SV("\r\n")) || sv_find(out, '\0') >= 0))
        panic("fuzz_managesieve_session: output '" SV_FMT "'", SV_ARG(out));
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
    struct conn_test facts = { .peer_ip = "192.0.2.1",
                               .local_ip = "192.0.2.2",
                               .service = SVC_MANAGESIEVE,
                               .tls = data[0] & 1,
                               .can_tls = data[0] & 2,
                               .trusted = data[0] & 4 };
    struct conn *c = conn_test_open(&managesieve_ops, &server, &facts);
    check_output(c);
    if (data[0] & 8)
        feed(c, SV(LOGIN), 1000);
    feed(c, sv_n((const char *)data + 2, size - 2), data[1] ? data[1] : 100000);
    if (data[0] & 16)
        conn_test_advance(c, 1900000);
    if (data[0] & 32)
        conn_test_eof(c);
    if (data[0] & 64)
        conn_test_shutdown(c);
    check_output(c);
    conn_test_free(c, CLOSE_PEER);
    return 0;
}
