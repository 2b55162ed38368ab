/* What wire scripts cannot say: sizes near the limits of buffers, every cut of the input, the mail
 * store and the audit behind the answers. */
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
#include "mail/account/script.h"
#include "net/conn_test.h"
#include "os/file.h"
#include "server/managesieve/managesieve_server.h"

#define ANN   SV("ann@example.org")
#define LOGIN "AUTHENTICATE \"PLAIN\" \"AGFubkBleGFtcGxlLm9yZwBzZWNyZXQ=\"\r\n"

struct env {
    char dir[64];
    struct db *db;
    struct managesieve_server server;
    struct conn *c;
};

static void must(int r, const struct errinfo *ei)
{
    if (r < 0)
        fail_msg("%s", ei->text);
}

static void settings(const char *script_size)
{
    const struct conf_pair pairs[] = {
        { "system.hostname", "sieve.example" },   { "auth.argon2_memory", "1MiB" },
        { "auth.min_password_length", "1" },      { "auth.plain_without_tls", "always" },
        { "sieve.max_script_size", script_size },
    };
    struct errinfo ei = { 0 };
    struct conf *cf;
    must(conf_build(pairs, ARRAY_LEN(pairs), &cf, &ei), &ei);
    conf_publish(cf);
}

static void env_open(struct env *e)
{
    struct errinfo ei = { 0 };
    const char *tmp = getenv("TMPDIR");
    *e = (struct env){ 0 };
    (void)snprintf(e->dir, sizeof(e->dir), "%s/posthorn-ms-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(e->dir));
    settings("1MiB");
    _cleanup_(freep) char *dsn = xasprintf("sqlite:%s/system.db?sync=off", e->dir);
    _cleanup_(freep) char *mail = xasprintf("%s/mail", e->dir);
    _cleanup_(freep) char *temp = xasprintf("%s/temp", e->dir);
    must(os_mkdirs(mail, 0700, &ei), &ei);
    must(os_mkdirs(temp, 0700, &ei), &ei);
    must(db_open(dsn, &e->db, &ei), &ei);
    must(db_migrate(e->db, account_migrations, account_migrations_count, &ei), &ei);
    must(accounts_open(e->db, &e->server.accounts, &ei), &ei);
    must(
        mailstore_open(&(struct mailstore_opts){ .root = mail, .temp_dir = temp, .alpha_group = 2 },
                       &e->server.store, &ei),
        &ei);
    must(domain_create(e->server.accounts, "test", &(struct domain_spec){ .name = "example.org" },
                       &ei),
         &ei);
    must(account_create(e->server.accounts, "test", ANN,
                        &(struct account_spec){ .password = "{PLAIN}secret" }, &ei),
         &ei);
}

static void env_close(struct env *e)
{
    struct conf *defaults;
    mailstore_close(e->server.store);
    accounts_close(e->server.accounts);
    db_close(e->db);
    os_remove_tree(e->dir, NULL);
    if (conf_build(NULL, 0, &defaults, NULL) == 0)
        conf_publish(defaults);
}

static void session_open(struct env *e, bool log_in)
{
    struct conn_test facts = { .peer_ip = "192.0.2.1",
                               .local_ip = "192.0.2.2",
                               .peer_port = 40000,
                               .service = SVC_MANAGESIEVE };
    e->c = conn_test_open(&managesieve_ops, &e->server, &facts);
    conn_test_take(e->c);
    if (!log_in)
        return;
    conn_test_input(e->c, SV(LOGIN));
    assert_true(sv_starts(conn_test_output(e->c), SV("OK")));
    conn_test_take(e->c);
}

static void session_close(struct env *e)
{
    conn_test_free(e->c, CLOSE_PEER);
}

static void says(struct env *e, struct sv first)
{
    struct sv out = conn_test_output(e->c);
    if (!sv_starts(out, first))
        fail_msg("expected '" SV_FMT "', got '" SV_FMT "'", SV_ARG(first),
                 SV_ARG(sv_take(out, 300)));
    conn_test_take(e->c);
}

static void put(struct env *e, const char *name, struct sv text)
{
    _cleanup_(freep) char *head = xasprintf("PUTSCRIPT \"%s\" {%zu+}\r\n", name, text.n);
    conn_test_input(e->c, sv_c(head));
    conn_test_input(e->c, text);
    conn_test_input(e->c, SV("\r\n"));
}

/* --- the largest script goes in and comes out again --- */

static void largest_script(void **state _unused_)
{
    struct env e;
    _cleanup_(buf_done) struct buf text = { 0 };
    env_open(&e);
    session_open(&e, true);
    buf_init(&text, MiB);
    while (text.n < MiB)
        buf_add_c(&text, text.n % 80 == 0 ? '#' : text.n % 80 == 79 ? '\n' : 'x');
    text.p[MiB - 1] = '\n';
    put(&e, "large", buf_sv(&text));
    says(&e, SV("OK \"Stored\"\r\n"));
    conn_test_input(e.c, SV("GETSCRIPT \"large\"\r\nNOOP\r\n"));
    struct sv out = conn_test_output(e.c), head = SV("{1048576}\r\n");
    assert_true(sv_starts(out, head));
    assert_true(sv_eq(sv_take(sv_skip(out, head.n), MiB), buf_sv(&text)));
    assert_true(sv_eq(sv_skip(out, head.n + MiB), SV("\r\nOK\r\nOK \"Nothing done\"\r\n")));
    conn_test_take(e.c);
    settings("1KiB"); /* what is stored can still be read, and is not taken again */
    conn_test_input(e.c, SV("GETSCRIPT \"large\"\r\n"));
    assert_true(conn_test_output(e.c).n > MiB);
    conn_test_take(e.c);
    put(&e, "large", buf_sv(&text));
    says(&e, SV("NO (QUOTA/MAXSIZE)"));
    session_close(&e);
    env_close(&e);
}

/* --- the same answers however the input is cut --- */

static const char talk[] = LOGIN
    "PUTSCRIPT {4+}\r\nma\\n {15+}\r\n# \"quo\r\nkeep;\r\n\r\n"
    "NOOP \"a\\\"b\"\r\nPUTSCRIPT \"a\" {7+}\r\nkeep;\r\n\r\nSETACTIVE \"a\"\r\nLISTSCRIPTS\r\n"
    "GETSCRIPT \"a\"\r\nNOOP {3}\r\nCHECKSCRIPT {3+}\r\n}}}\r\nLOGOUT\r\n";

static void feed(struct env *e, size_t piece, struct buf *ret)
{
    struct sv in = sv_c(talk);
    session_open(e, false);
    while (in.n) {
        _cleanup_(freep) char *copy = sv_dup(sv_take(in, piece)); /* exact bounds */
        conn_test_input(e->c, sv_n(copy, MIN(piece, in.n)));
        in = sv_skip(in, piece);
    }
    buf_add_sv(ret, conn_test_output(e->c));
    session_close(e);
}

static void any_cut(void **state _unused_)
{
    struct env e;
    _cleanup_(buf_done) struct buf whole = { 0 };
    env_open(&e);
    buf_init(&whole, MiB);
    feed(&e, sizeof(talk), &whole);
    assert_true(sv_find_sv(buf_sv(&whole), SV("\"a\" ACTIVE\r\n\"ma\\\\n\"\r\nOK\r\n")) > 0);
    assert_true(sv_iends(buf_sv(&whole), SV("OK \"Bye\"\r\n")));
    for (size_t piece = 1; piece < 60; piece++) {
        _cleanup_(buf_done) struct buf cut = { 0 };
        buf_init(&cut, MiB);
        feed(&e, piece, &cut);
        assert_int_equal(cut.n, whole.n);
        assert_memory_equal(cut.p, whole.p, whole.n);
    }
    env_close(&e);
}

/* --- what is stored is what delivery runs --- */

static void active_script_is_run(void **state _unused_)
{
    struct env e;
    struct errinfo ei = { 0 };
    const struct account *acc = NULL;
    const struct active_script *script = NULL;
    env_open(&e);
    must(account_find_address(e.server.accounts, ANN, &acc, &ei), &ei);
    session_open(&e, true);
    put(&e, "a", SV("discard;"));
    says(&e, SV("OK"));
    assert_int_equal(account_script_active(e.server.accounts, acc->id, &script, &ei), E_NOTFOUND);
    conn_test_input(e.c, SV("SETACTIVE \"a\"\r\nRENAMESCRIPT \"a\" \"b\"\r\n"));
    says(&e, SV("OK \"The script is active\"\r\nOK \"Renamed\"\r\n"));
    must(account_script_active(e.server.accounts, acc->id, &script, &ei), &ei);
    assert_string_equal(script->name, "b");
    assert_int_equal(script->script.commands->word, SIEVE_DISCARD);
    active_script_unref(script);
    account_unref(acc);
    session_close(&e);
    env_close(&e);
}

/* --- a literal costs memory as it comes, not as it is announced --- */

static void announced_literal_costs_nothing(void **state _unused_)
{
    struct env e;
    env_open(&e);
    session_open(&e, true);
    conn_test_input(e.c, SV("PUTSCRIPT \"a\" {16777216+}\r\n")); /* swallowed, then refused */
    for (int i = 0; i < 16384; i++) {
        char kib[KiB];
        memset(kib, '#', sizeof(kib));
        conn_test_input(e.c, sv_n(kib, sizeof(kib)));
    }
    assert_int_equal(conn_test_output(e.c).n, 0);
    conn_test_input(e.c, SV("\r\nNOOP\r\n"));
    says(&e, SV("NO (QUOTA/MAXSIZE) \"More than 1048576 bytes are not taken\"\r\nOK"));
    conn_test_input(e.c, SV("PUTSCRIPT \"a\" {16777217+}\r\n"));
    says(&e, SV("BYE (QUOTA/MAXSIZE)"));
    assert_true(conn_test_closed(e.c));
    session_close(&e);
    env_close(&e);
}

static void session_table(void **state _unused_)
{
    struct env e;
    env_open(&e);
    session_open(&e, true);
    assert_string_equal(conn_test_account(e.c), "ann@example.org");
    assert_string_equal(conn_test_state(e.c), "AUTHENTICATE");
    conn_test_input(e.c, SV("listscripts\r\n"));
    assert_string_equal(conn_test_state(e.c), "LISTSCRIPTS");
    assert_int_equal(conn_test_timeout(e.c), 30 * 60 * 1000);
    conn_test_input(e.c, SV("UNAUTHENTICATE\r\n"));
    assert_string_equal(conn_test_account(e.c), "");
    session_close(&e);
    env_close(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(largest_script),       cmocka_unit_test(any_cut),
        cmocka_unit_test(active_script_is_run), cmocka_unit_test(announced_literal_costs_nothing),
        cmocka_unit_test(session_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
