/* Tests of stats/shm.h: counters, sessions, readers beside writers, and the death of a module. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "segment.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rand.h"

enum { THREADS = 4 };

struct seen {
    unsigned n;
    struct shm_session_info last;
};

static bool count(const struct shm_session_info *i, void *arg)
{
    struct seen *s = arg;
    s->n++;
    s->last = *i;
    return true;
}

static struct seen look(void)
{
    struct seen s = { 0 };
    shm_session_each(seg, count, &s);
    return s;
}

static void test_private(void **state)
{
    (void)state;
    ctr_inc(CTR_auth_ok); /* without a segment: made on first use */
    struct shm *s = shm_current();
    assert_true(ctr_get(s, CTR_auth_ok) >= 1);
    assert_ptr_equal(shm_current(), s);
    shm_detach(s);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(module_names[MOD_ACCESS], "access");
    assert_string_equal(service_names[SVC_SMTP_CLIENT], "smtp-client");
    assert_string_equal(service_names[SVC_CONTROL], "control");
    assert_string_equal(counter_names[CTR_conn_accepted], "conn_accepted");
    for (unsigned c = 0; c < CTR_COUNT; c++)
        assert_true(counter_names[c][0] && counter_helps[c][0]);
}

static void *add_many(void *arg)
{
    for (int i = 0; i < 100000; i++)
        ctr_inc(CTR_bytes_in);
    return arg;
}

static void test_counters(void **state)
{
    (void)state;
    pthread_t t[THREADS];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&t[i], NULL, add_many, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    assert_int_equal(ctr_get(seg, CTR_bytes_in), THREADS * 100000);
    assert_int_equal(ctr_get_module(seg, MOD_ACCESS, CTR_bytes_in), THREADS * 100000);
    assert_int_equal(ctr_get_module(seg, MOD_SMTP, CTR_bytes_in), 0);
    ctr_add(CTR_bytes_out, (uint64_t)5 << 32);
    assert_true(ctr_get(seg, CTR_bytes_out) == (uint64_t)5 << 32);
}

static void test_epochs(void **state)
{
    (void)state;
    uint64_t before = epoch_get(EPOCH_ACCOUNTS);
    epoch_bump(EPOCH_ACCOUNTS);
    assert_int_equal(epoch_get(EPOCH_ACCOUNTS), before + 1);
    assert_int_equal(epoch_get(EPOCH_CERTS), 0);
}

static void test_applied(void **state)
{
    (void)state;
    assert_int_equal(applied_get(MOD_ACCESS), 0);
    assert_true(epoch_get(EPOCH_SETTINGS) > 0); /* 0 means: serves nobody */
    applied_set(epoch_get(EPOCH_SETTINGS));
    assert_int_equal(applied_get(MOD_ACCESS), epoch_get(EPOCH_SETTINGS));
    assert_int_equal(applied_get(MOD_SMTP), 0);
    shm_module_reset(seg, MOD_SMTP);
    assert_true(applied_get(MOD_ACCESS) > 0);
    shm_module_reset(seg, MOD_ACCESS);
    assert_int_equal(applied_get(MOD_ACCESS), 0);
}

static void test_interest(void **state)
{
    (void)state;
    assert_false(interest_any(42));
    interest_add(42);
    interest_add(42);
    assert_true(interest_any(42));
    interest_drop(42);
    assert_true(interest_any(42));
    interest_drop(42);
    assert_false(interest_any(42));
    interest_add(7);
    shm_module_reset(seg, MOD_ACCESS);
    assert_false(interest_any(7));
}

static void test_session(void **state)
{
    (void)state;
    clock_test_freeze(1700000000000);
    int32_t slot = shm_session_open(SVC_IMAP, 0x12345678, "2001:db8::1", "127.0.0.1");
    assert_true(slot >= 0);
    struct seen s = look();
    assert_int_equal(s.n, 1);
    assert_int_equal(s.last.id, 0x12345678);
    assert_int_equal(s.last.module, MOD_ACCESS);
    assert_int_equal(s.last.service, SVC_IMAP);
    assert_false(s.last.tls);
    assert_true(s.last.started_ms == 1700000000000 && s.last.active_ms == 1700000000000);
    assert_string_equal(s.last.peer, "2001:db8::1");
    assert_string_equal(s.last.local, "127.0.0.1");
    assert_string_equal(s.last.account, "");
    assert_string_equal(s.last.state, "");
    clock_test_advance(1000);
    shm_session_account(slot, SV("user@example.org"));
    shm_session_state(slot, SV("UID FETCH"));
    shm_session_tls(slot, true);
    shm_session_bytes(slot, 10, 2000);
    shm_session_bytes(slot, 1, 0);
    s = look();
    assert_true(s.last.tls);
    assert_int_equal(s.last.id, 0x12345678);
    assert_true(s.last.active_ms == 1700000001000 && s.last.started_ms == 1700000000000);
    assert_int_equal(s.last.bytes_in, 11);
    assert_int_equal(s.last.bytes_out, 2000);
    assert_string_equal(s.last.account, "user@example.org");
    assert_string_equal(s.last.state, "UID FETCH");
    assert_string_equal(s.last.about, "");
    shm_session_request(slot, SV("GET"), SV("/api/v1/me"));
    s = look();
    assert_string_equal(s.last.state, "GET");
    assert_string_equal(s.last.about, "/api/v1/me");
    shm_session_tls(slot, false);
    assert_false(look().last.tls);
    shm_session_close(slot);
    assert_int_equal(look().n, 0);
    /* The same slot again: nothing of the last session shows. */
    int32_t again = shm_session_open(SVC_POP3, 2, "10.0.0.1", "");
    assert_int_equal(again, slot);
    s = look();
    assert_int_equal(s.last.service, SVC_POP3);
    assert_int_equal(s.last.bytes_in, 0);
    assert_string_equal(s.last.account, "");
    assert_string_equal(s.last.about, "");
    shm_session_close(again);
    clock_test_freeze(0);
}

static void test_long_texts(void **state)
{
    (void)state;
    char text[300];
    memset(text, 'x', sizeof(text));
    text[299] = '\0';
    int32_t slot = shm_session_open(SVC_SMTP, 1, text, text);
    shm_session_account(slot, sv_c(text));
    shm_session_state(slot, sv_c(text));
    struct shm_session_info i = look().last;
    assert_int_equal(strlen(i.peer), sizeof(i.peer) - 1);
    assert_int_equal(strlen(i.account), sizeof(i.account) - 1);
    assert_int_equal(strlen(i.state), sizeof(i.state) - 1);
    shm_session_state(slot, SV("Q"));
    assert_string_equal(look().last.state, "Q");
    shm_session_close(slot);
    /* Without a slot everything is a no-op. */
    shm_session_state(-1, SV("Q"));
    shm_session_account(-1, SV("Q"));
    shm_session_bytes(-1, 1, 1);
    shm_session_tls(-1, true);
    shm_session_close(-1);
}

static void test_ids(void **state)
{
    (void)state;
    uint32_t a = shm_session_new_id(), b = shm_session_new_id();
    assert_true(a != 0 && b != 0 && a != b);
}

static void test_full_and_dense(void **state)
{
    (void)state;
    static int32_t slots[SHM_MAX_SESSIONS];
    for (int i = 0; i < 100; i++)
        assert_int_equal(shm_session_open(SVC_IMAP, (uint32_t)i, "", ""), i); /* from the low end */
    shm_session_close(50);
    assert_int_equal(shm_session_open(SVC_IMAP, 1, "", ""), 50);
    struct stat st;
    assert_int_equal(fstat(seg_fd, &st), 0);
    assert_true(st.st_blocks * 512 < 1024 * 1024); /* of 20 MiB */
    for (int i = 100; i < SHM_MAX_SESSIONS; i++)
        assert_int_equal(slots[i] = shm_session_open(SVC_IMAP, (uint32_t)i, "", ""), i);
    assert_int_equal(shm_session_open(SVC_IMAP, 1, "", ""), -1);
    assert_int_equal(look().n, SHM_MAX_SESSIONS);
    shm_session_close(65535);
    assert_int_equal(shm_session_open(SVC_IMAP, 1, "", ""), 65535);
    shm_module_reset(seg, MOD_SMTP);
    assert_int_equal(look().n, SHM_MAX_SESSIONS);
    shm_module_reset(seg, MOD_ACCESS);
    assert_int_equal(look().n, 0);
    assert_int_equal(shm_session_open(SVC_IMAP, 1, "", ""), 0);
    shm_session_close(0);
}

static _Atomic bool stop;

/* Account and peer of a session always tell the same number: a reader that sees two has read in the
 * middle of a change. */
static void *churn(void *arg)
{
    unsigned n = (unsigned)(uintptr_t)arg * 1000000;
    while (!atomic_load(&stop)) {
        char text[40];
        snprintf(text, sizeof(text), "%u", ++n);
        int32_t slot = shm_session_open(SVC_SMTP, n, text, text);
        for (int i = 0; i < 20; i++) {
            snprintf(text, sizeof(text), "%u", n);
            shm_session_account(slot, sv_c(text));
            snprintf(text, sizeof(text), "S%08u%08u", i, i);
            shm_session_state(slot, sv_c(text));
            shm_session_bytes(slot, 1, 1);
        }
        shm_session_close(slot);
    }
    return NULL;
}

static bool consistent(const struct shm_session_info *i, void *arg)
{
    char id[16];
    snprintf(id, sizeof(id), "%u", i->id);
    bool ok = strcmp(i->peer, id) == 0 && strcmp(i->local, id) == 0 &&
              (i->account[0] == '\0' || strcmp(i->account, id) == 0) &&
              (i->state[0] == '\0' ||
               (strlen(i->state) == 17 && memcmp(i->state + 1, i->state + 9, 8) == 0));
    if (!ok)
        fprintf(stderr, "id %u peer %s local %s account %s state %s\n", i->id, i->peer, i->local,
                i->account, i->state);
    *(bool *)arg &= ok;
    return ok;
}

static void test_readers_beside_writers(void **state)
{
    (void)state;
    pthread_t t[THREADS];
    atomic_store(&stop, false);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&t[i], NULL, churn, (void *)(uintptr_t)(i + 1));
    bool ok = true;
    for (int64_t end = clock_mono_ms() + 1000; clock_mono_ms() < end && ok;)
        shm_session_each(seg, consistent, &ok);
    atomic_store(&stop, true);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    assert_true(ok);
    assert_int_equal(look().n, 0);
}

/* A module in its own process, killed at a random moment. */
static void test_kill(void **state)
{
    (void)state;
    for (int round = 0; round < 30; round++) {
        pid_t pid = fork();
        if (pid == 0) {
            struct shm *mine;
            if (shm_attach(seg_fd, &mine, NULL) < 0)
                _exit(1);
            shm_use(mine, MOD_SMTP);
            pthread_t t;
            pthread_create(&t, NULL, churn, (void *)1);
            interest_add(99);
            churn((void *)2);
            _exit(0);
        }
        int32_t ours = shm_session_open(SVC_POP3, 5, "5", "5");
        usleep(1000 + rand_below(20000));
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        look(); /* readers get along with a slot that stopped in the middle */
        shm_module_reset(seg, MOD_SMTP);
        struct seen s = look();
        assert_int_equal(s.n, 1);
        assert_int_equal(s.last.id, 5);
        assert_false(interest_any(99));
        shm_session_close(ours);
        /* No slot is lost. */
        int32_t a = shm_session_open(SVC_POP3, 1, "", ""),
                b = shm_session_open(SVC_POP3, 1, "", "");
        int32_t c = shm_session_open(SVC_POP3, 1, "", "");
        assert_int_equal(a, 0);
        assert_int_equal(b, 1);
        assert_int_equal(c, 2);
        shm_module_reset(seg, MOD_ACCESS);
    }
}

static void test_attach_wrong(void **state)
{
    (void)state;
    struct errinfo ei;
    struct shm *s = NULL;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(shm_attach(fds[0], &s, &ei), E_CORRUPT);
    assert_non_null(strstr(ei.text, "restart"));
    assert_null(s);
    close(fds[0]);
    close(fds[1]);
    assert_true(ftruncate(seg_fd, 100) < 0); /* sealed */
}

static void test_cost(void **state)
{
    (void)state;
    enum { ROUNDS = 200000 };
    int32_t slot = shm_session_open(SVC_IMAP, 1, "1", "1");
    int64_t t0 = clock_mono_us();
    for (int i = 0; i < ROUNDS; i++)
        shm_session_state(slot, SV("UID FETCH"));
    int64_t t1 = clock_mono_us();
    for (int i = 0; i < ROUNDS; i++)
        ctr_inc(CTR_imap_commands);
    int64_t t2 = clock_mono_us();
    shm_session_close(slot);
    print_message("session state: %.1f ns, counter: %.1f ns\n", (double)(t1 - t0) * 1000 / ROUNDS,
                  (double)(t2 - t1) * 1000 / ROUNDS);
    assert_int_equal(ctr_get(seg, CTR_imap_commands), ROUNDS);
}

static void open_sessions_and_their_peak(void **state)
{
    (void)state;
    int32_t a = shm_session_open(SVC_IMAP, 1, "192.0.2.1", "192.0.2.2");
    int32_t b = shm_session_open(SVC_IMAP, 2, "192.0.2.1", "192.0.2.2");
    int32_t c = shm_session_open(SVC_POP3, 3, "192.0.2.1", "192.0.2.2");
    shm_session_close(a);
    assert_int_equal(shm_sessions_open(seg, SVC_IMAP), 1);
    assert_int_equal(shm_sessions_peak(seg, SVC_IMAP, true), 2);
    assert_int_equal(shm_sessions_peak(seg, SVC_IMAP, true), 1);
    assert_int_equal(shm_sessions_peak(seg, SVC_POP3, false), 1);
    shm_session_close(b);
    shm_session_close(c);
    assert_int_equal(shm_sessions_open(seg, SVC_IMAP), 0);
    /* A module that died has none. */
    shm_session_open(SVC_IMAP, 4, "192.0.2.1", "192.0.2.2");
    shm_module_reset(seg, MOD_ACCESS);
    assert_int_equal(shm_sessions_open(seg, SVC_IMAP), 0);
    shm_session_close(shm_session_open(SVC_IMAP, 5, "192.0.2.1", "192.0.2.2"));
    assert_int_equal(shm_sessions_open(seg, SVC_IMAP), 0);
}

/* Each service by itself; what is counted stays when sessions end and modules start again. */
static void test_figures_of_services(void **state)
{
    (void)state;
    struct shm_figures f;
    int32_t a = shm_session_open(SVC_IMAP, shm_session_new_id(), "192.0.2.1", "l");
    int32_t b = shm_session_open(SVC_IMAP, shm_session_new_id(), "192.0.2.2", "l");
    int32_t c = shm_session_open(SVC_POP3, shm_session_new_id(), "192.0.2.3", "l");
    shm_session_bytes(a, 10, 100);
    shm_session_bytes(b, 5, 0);
    shm_session_bytes(c, 1, 2);
    shm_session_close(b);
    (void)shm_sessions_peak(seg, SVC_IMAP, true); /* the samples' peak begins anew, this does not */
    assert_true(shm_service_figures(seg, SVC_IMAP, &f));
    assert_true(f.connections == 2 && f.active == 1 && f.peak == 2);
    assert_true(f.bytes_in == 15 && f.bytes_out == 100);
    assert_true(shm_service_figures(seg, SVC_POP3, &f));
    assert_true(f.connections == 1 && f.active == 1 && f.peak == 1 && f.bytes_in == 1);
    shm_module_reset(seg, MOD_ACCESS);
    assert_true(shm_service_figures(seg, SVC_IMAP, &f));
    assert_true(f.connections == 2 && f.active == 0 && f.peak == 2 && f.bytes_out == 100);
    assert_true(shm_service_figures(seg, SVC_SMTP, &f));
    assert_true(f.connections == 0 && f.peak == 0);
    assert_true(shm_service_figures(seg, SVC_CONTROL, &f));
    assert_true(f.connections == 0 && f.active == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_private),
        cmocka_unit_test(test_names),
        cmocka_unit_test_setup_teardown(test_counters, setup, teardown),
        cmocka_unit_test_setup_teardown(open_sessions_and_their_peak, setup, teardown),
        cmocka_unit_test_setup_teardown(test_figures_of_services, setup, teardown),
        cmocka_unit_test_setup_teardown(test_epochs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_applied, setup, teardown),
        cmocka_unit_test_setup_teardown(test_interest, setup, teardown),
        cmocka_unit_test_setup_teardown(test_session, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_texts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ids, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_and_dense, setup, teardown),
        cmocka_unit_test_setup_teardown(test_readers_beside_writers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kill, setup, teardown),
        cmocka_unit_test_setup_teardown(test_attach_wrong, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cost, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
