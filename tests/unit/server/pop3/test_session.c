/* Sessions side by side and against a mail store that changes under them. */
#include "pop3_test.h"

#include "server/pop3/pop3_priv.h"

#include <pthread.h>

static struct env env;

static int begin(void **state _unused_)
{
    env_open(&env);
    return 0;
}

static int end(void **state _unused_)
{
    env_close(&env);
    return 0;
}

static void one_session_per_maildrop(void **state _unused_)
{
    static const enum close_why whys[] = { CLOSE_PEER, CLOSE_TIMEOUT, CLOSE_KILLED, CLOSE_ERROR,
                                           CLOSE_SHUTDOWN };
    for (size_t i = 0; i < ARRAY_LEN(whys); i++) {
        struct conn *first = pop3_login(&env, "ann@example.org"), *second = pop3_connect(&env);
        pop3_cmd(second, "USER ann@example.org");
        expect(pop3_cmd(second, "PASS secret"),
               "-ERR [IN-USE] Another POP3 session has this mailbox\r\n");
        expect(pop3_cmd(second, "STAT"), "-ERR Log in first");
        /* The same session may try another account, and the first one again later. */
        pop3_cmd(second, "USER bob@example.org");
        expect(pop3_cmd(second, "PASS secret"), "+OK 0 messages");
        conn_test_free(second, CLOSE_PEER);
        conn_test_free(first, whys[i]);
        conn_test_free(pop3_login(&env, "ann@example.org"), CLOSE_PEER);
    }
}

static void quit_frees_the_maildrop_before_it_answers(void **state _unused_)
{
    struct conn *first = pop3_login(&env, "ann@example.org");
    expect(pop3_cmd(first, "QUIT"), "+OK 0 messages deleted, bye\r\n");
    /* net/ has not closed the first one yet. */
    conn_test_free(pop3_login(&env, "ann@example.org"), CLOSE_PEER);
    conn_test_free(first, CLOSE_QUIT);
}

static unsigned inbox_count(const char *address)
{
    _cleanup_(mailbox_unrefp) struct mailbox *m = env_mailbox(&env, address);
    _cleanup_(snap_unrefp) const struct snap *s = NULL;
    assert_int_equal(mailbox_snapshot(m, mailbox_inbox_id(m), NULL, &s, NULL), 0);
    return s->n;
}

static void update_state_only_after_quit(void **state _unused_)
{
    const struct sv two[] = { SV("Subject: 1\r\n\r\nx\r\n"), SV("Subject: 2\r\n\r\nx\r\n") };
    struct conn *c;
    env_mail(&env, "ann@example.org", two, 2);
    c = pop3_login(&env, "ann@example.org");
    expect(pop3_cmd(c, "DELE 1"), "+OK");
    expect(pop3_cmd(c, "DELE 2"), "+OK");
    assert_int_equal(inbox_count("ann@example.org"), 2);
    conn_test_eof(c);
    conn_test_free(c, CLOSE_PEER);
    assert_int_equal(inbox_count("ann@example.org"), 2);
    c = pop3_login(&env, "ann@example.org");
    expect(pop3_cmd(c, "DELE 1"), "+OK");
    expect(pop3_cmd(c, "RSET"), "+OK maildrop has 2 messages");
    expect(pop3_cmd(c, "DELE 2"), "+OK");
    expect(pop3_cmd(c, "QUIT"), "+OK 1 messages deleted, bye");
    conn_test_free(c, CLOSE_QUIT);
    assert_int_equal(inbox_count("ann@example.org"), 1);
    c = pop3_login(&env, "ann@example.org");
    assert_true(sv_find_sv(pop3_cmd(c, "RETR 1"), SV("Subject: 1")) >= 0);
    expect(pop3_cmd(c, "DELE 1"), "+OK");
    expect(pop3_cmd(c, "QUIT"), "+OK");
    conn_test_free(c, CLOSE_QUIT);
    assert_int_equal(inbox_count("ann@example.org"), 0);
}

static void what_another_session_has_deleted(void **state _unused_)
{
    const struct sv three[] = { SV("Subject: 1\r\n\r\n"), SV("Subject: 2\r\n\r\n"),
                                SV("Subject: 3\r\n\r\n") };
    struct buf ids;
    env_mail(&env, "ann@example.org", three, 3);
    struct conn *c = pop3_login(&env, "ann@example.org");
    _cleanup_(mailbox_unrefp) struct mailbox *m = env_mailbox(&env, "ann@example.org");
    _cleanup_(snap_unrefp) const struct snap *s = NULL;
    mailbox_snapshot(m, mailbox_inbox_id(m), NULL, &s, NULL);
    uint32_t uids[] = { s->m[0].uid, s->m[1].uid };
    assert_int_equal(mailbox_expunge(m, s->folder_id, uids, 2, false, NULL, NULL), 0);
    expect(pop3_cmd(c, "STAT"), "+OK 3 42");
    expect(pop3_cmd(c, "RETR 1"), "-ERR Message is gone");
    expect(pop3_cmd(c, "TOP 2 1"), "-ERR Message is gone");
    expect(pop3_cmd(c, "RETR 3"), "+OK 14 octets");
    buf_init(&ids, 4096);
    assert_true(pop3_body(pop3_cmd(c, "UIDL"), &ids));
    char want[200];
    snprintf(want, sizeof(want), "1 gone.%08x\r\n2 gone.%08x\r\n3 ", uids[0], uids[1]);
    expect(buf_sv(&ids), want);
    buf_done(&ids);
    expect(pop3_cmd(c, "DELE 1"), "+OK");
    expect(pop3_cmd(c, "DELE 3"), "+OK");
    expect(pop3_cmd(c, "QUIT"), "+OK 2 messages deleted");
    conn_test_free(c, CLOSE_QUIT);
    assert_int_equal(inbox_count("ann@example.org"), 0);
}

static void a_large_maildrop(void **state _unused_)
{
    enum { N = 6000 };
    struct sv *all = xcalloc(N, sizeof(*all));
    struct buf text, seen;
    char prev[64] = "";
    for (int i = 0; i < N; i++)
        all[i] = SV("Subject: x\r\n\r\nbody\r\n");
    env_mail(&env, "bob@example.org", all, N);
    free(all);
    struct conn *c = pop3_login(&env, "bob@example.org");
    expect(pop3_cmd(c, "STAT"), "+OK 6000 120000\r\n");
    expect(pop3_cmd(c, "DELE 3000"), "+OK");
    buf_init(&text, 4 * MiB);
    buf_init(&seen, 4 * MiB);
    assert_true(pop3_body(pop3_cmd(c, "LIST"), &text));
    struct sv rest = buf_sv(&text);
    for (int i = 1; i <= N; i++) {
        if (i == 3000)
            continue;
        char want[32];
        snprintf(want, sizeof(want), "%d 20\r", i);
        assert_true(sv_eq(sv_split(&rest, '\n'), sv_c(want)));
    }
    assert_int_equal(rest.n, 0);
    buf_reset(&text);
    assert_true(pop3_body(pop3_cmd(c, "UIDL"), &text));
    rest = buf_sv(&text);
    for (int i = 1; i <= N - 1; i++) {
        struct sv line = sv_split(&rest, '\n');
        (void)sv_split(&line, ' ');
        assert_int_equal(line.n, 17); /* 16 digits and CR */
        assert_false(sv_eq(line, sv_c(prev)));
        sv_copy(prev, sizeof(prev), line);
    }
    buf_done(&text);
    buf_done(&seen);
    expect(pop3_cmd(c, "RETR 6000"), "+OK 20 octets");
    expect(pop3_cmd(c, "QUIT"), "+OK 1 messages deleted");
    conn_test_free(c, CLOSE_QUIT);
}

static void a_message_that_is_cut_on_disk(void **state _unused_)
{
    static const size_t sizes[] = { 2000, 2 * MiB }; /* at once, by generator */
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct buf path;
        char *text = xmalloc(sizes[i]);
        uint64_t key = env.next_key;
        memset(text, 'x', sizes[i]);
        env_mail(&env, "ann@example.org", &(struct sv){ text, sizes[i] }, 1);
        free(text);
        struct conn *c = pop3_login(&env, "ann@example.org");
        _cleanup_(mailbox_unrefp) struct mailbox *m = env_mailbox(&env, "ann@example.org");
        buf_init(&path, 4096);
        assert_int_equal(mailbox_message_path(m, key, &path), 0);
        buf_terminate(&path);
        assert_int_equal(truncate(path.p, (off_t)(sizes[i] / 2)), 0);
        buf_done(&path);
        expect(pop3_cmd(c, "RETR 1"), "-ERR [SYS/PERM] Message is damaged\r\n");
        expect(pop3_cmd(c, "TOP 1 0"), "-ERR [SYS/PERM] Message is damaged\r\n");
        conn_test_free(c, CLOSE_PEER);
        c = pop3_login(&env, "ann@example.org");
        pop3_cmd(c, "DELE 1");
        expect(pop3_cmd(c, "QUIT"), "+OK");
        conn_test_free(c, CLOSE_QUIT);
    }
}

static void slow_logins_have_their_own_pool(void **state _unused_)
{
    struct pop3_session *s;
    struct conn *c;
    struct frame f = { .kind = 1 };
    env_account(&env, "slow@example.org", "needs a hash");
    c = conn_test_open(&pop3_ops, &env.server, &env.facts);
    s = pop3_ops.open(c, &env.server);
    f.data = SV("CAPA");
    assert_int_equal(pop3_ops.pool(s, &f), POOL_FAST);
    f.data = SV("PASS needs a hash");
    assert_int_equal(pop3_ops.pool(s, &f), POOL_SLOW);
    f.data = SV("USER slow@example.org");
    pop3_ops.run(s, &f);
    f.data = SV("PASS needs a hash");
    assert_int_equal(pop3_ops.pool(s, &f), POOL_SLOW);
    f.data = SV("USER ann@example.org");
    pop3_ops.run(s, &f);
    f.data = SV("PASS secret");
    assert_int_equal(pop3_ops.pool(s, &f), POOL_FAST);
    f.data = SV("AUTH PLAIN AAAA");
    assert_int_equal(pop3_ops.pool(s, &f), POOL_SLOW);
    pop3_ops.closed(s, CLOSE_PEER);
    conn_test_free(c, CLOSE_PEER);
}

static void authentication_log_names_the_session(void **state _unused_)
{
    log_set_level(LOG_AUTH, LOG_EXTENDED);
    buf_reset(&env.log);
    struct conn *c = pop3_login(&env, "ann@example.org");
    char want[64];
    snprintf(want, sizeof(want), "192.0.2.1       [%04X]", conn_id(c) & 0xffff);
    struct sv log = buf_sv(&env.log);
    ssize_t at = sv_find_sv(log, SV("ann@example.org"));
    bool found = false;
    while (log.n && !found) {
        struct sv line = sv_split(&log, '\n');
        found = sv_starts(line, sv_c(want)) && sv_find_sv(line, SV("POP3")) >= 0;
    }
    if (!found)
        fail_msg("'%s' is not in the log (%zd):\n" SV_FMT, want, at, SV_ARG(buf_sv(&env.log)));
    conn_test_free(c, CLOSE_PEER);
    assert_null(log_thread_session(NULL));
}

/* --- the lock --- */

static _Atomic int holders, most;

static void *take_and_free(void *arg)
{
    int64_t *taken = arg;
    for (int i = 0; i < 3000; i++) {
        int64_t id = 1000000 + i % 7;
        if (pop3_lock(id, 0) < 0)
            continue;
        int now = ++holders;
        if (now > most)
            most = now;
        ++*taken;
        holders--;
        pop3_unlock(id);
    }
    return NULL;
}

static void locks_from_many_threads(void **state _unused_)
{
    pthread_t t[4];
    int64_t taken[4] = { 0 };
    for (size_t i = 0; i < ARRAY_LEN(t); i++)
        assert_int_equal(pthread_create(&t[i], NULL, take_and_free, &taken[i]), 0);
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        pthread_join(t[i], NULL);
        assert_true(taken[i] > 0);
    }
    assert_true(most <= 4);
    assert_int_equal(pop3_lock(7, 0), 0);
    assert_int_equal(pop3_lock(7, 0), E_CONFLICT);
    assert_int_equal(pop3_lock(7 + 1024, 0), 0); /* the same bucket */
    pop3_unlock(7);
    assert_int_equal(pop3_lock(7, 60000), E_LIMIT);
    clock_test_advance(60001);
    assert_int_equal(pop3_lock(7, 60000), 0);
    pop3_unlock(7);
    pop3_unlock(7 + 1024);
    pop3_unlock(12345);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_session_per_maildrop),
        cmocka_unit_test(quit_frees_the_maildrop_before_it_answers),
        cmocka_unit_test(update_state_only_after_quit),
        cmocka_unit_test(what_another_session_has_deleted),
        cmocka_unit_test(a_large_maildrop),
        cmocka_unit_test(a_message_that_is_cut_on_disk),
        cmocka_unit_test(slow_logins_have_their_own_pool),
        cmocka_unit_test(authentication_log_names_the_session),
        cmocka_unit_test(locks_from_many_threads),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
