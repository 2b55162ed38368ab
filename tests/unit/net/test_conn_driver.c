/* The test driver keeps the order of events of the real one. It is compiled in here: net and
 * net_test define the same functions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "../../../src/net/conn_test_driver.c"

static struct {
    struct conn *c;
    int closed, done, secured;
    enum close_why why;
    bool stay, refuse;
} seen;

static void *t_open(struct conn *c, void *arg)
{
    seen.c = c;
    conn_writef(c, "hello %s%s\n", (const char *)arg, conn_has_input(c) ? " early" : "");
    return seen.refuse ? NULL : &seen;
}

static int t_frame(void *session, struct sv in, bool eof, struct frame *ret)
{
    (void)session;
    ssize_t i = sv_find(in, '\n');
    if (i < 0 && !eof)
        return 0;
    size_t n = i < 0 ? in.n : (size_t)i;
    if (sv_starts(in, SV("bad"))) {
        ret->used = sv_starts(in, SV("badskip")) ? n + 1 : 0;
        return E_PARSE;
    }
    ret->data = sv_take(in, n);
    ret->used = MIN(n + 1, in.n);
    return 1;
}

static int t_gen(void *arg, struct buf *out)
{
    int *left = arg;
    if (*left < 0)
        return E_TEMP;
    (void)!buf_add_str(out, "gen ");
    return --*left > 0;
}

static void t_done(void *arg)
{
    (void)arg;
    seen.done++;
}

static void t_run(void *session, const struct frame *f)
{
    static int three, broken;
    (void)session;
    struct conn *c = seen.c;
    three = 3;
    broken = -1;
    if (f->kind == -1) {
        conn_write(c, SV("bad\n"));
    } else if (sv_eq(f->data, SV("quit"))) {
        conn_write(c, SV("bye\n"));
        conn_close(c);
    } else if (sv_eq(f->data, SV("gen"))) {
        conn_write(c, SV("<"));
        conn_write_gen(c, t_gen, t_done, &three);
        conn_write(c, SV(">\n"));
    } else if (sv_eq(f->data, SV("broken"))) {
        conn_write_gen(c, t_gen, t_done, &broken);
    } else if (sv_eq(f->data, SV("file"))) {
        conn_write_file(c, open("/etc/passwd", O_RDONLY | O_CLOEXEC), 0, 5);
        conn_write(c, SV("\n"));
    } else if (sv_eq(f->data, SV("delay"))) {
        conn_write(c, SV("late\n"));
        conn_delay(c, 1000);
    } else if (sv_eq(f->data, SV("starttls"))) {
        conn_write(c, SV("go\n"));
        conn_starttls(c);
    } else if (sv_eq(f->data, SV("input"))) {
        conn_write(c, conn_has_input(c) ? SV("yes\n") : SV("no\n"));
    } else {
        conn_writef(c, SV_FMT "\n", SV_ARG(f->data));
    }
}

static void t_note(void *session, const struct note *n)
{
    (void)session;
    conn_writef(seen.c, "note %d\n", n->type);
}

static bool t_timeout(void *session)
{
    (void)session;
    conn_write(seen.c, conn_shutting_down(seen.c) ? SV("shutdown\n") : SV("timeout\n"));
    if (seen.stay)
        conn_set_timeout(seen.c, 5000);
    return seen.stay;
}

static void t_secured(void *session)
{
    (void)session;
    seen.secured++;
}

static void t_closed(void *session, enum close_why why)
{
    (void)session;
    seen.closed++;
    seen.why = why;
}

static const struct proto_ops ops = {
    .name = "TEST",
    .open = t_open,
    .frame = t_frame,
    .run = t_run,
    .note = t_note,
    .timeout = t_timeout,
    .secured = t_secured,
    .closed = t_closed,
    .max_input = 64,
};

static struct conn *begin(void)
{
    static char who[] = "you";
    static const struct conn_test facts = { .peer_ip = "10.0.0.1", .can_tls = true };
    memset(&seen, 0, sizeof(seen));
    return conn_test_open(&ops, who, &facts);
}

static void expect(struct conn *c, const char *want)
{
    assert_string_equal(conn_test_output(c).p, want);
    conn_test_take(c);
}

static void say(struct conn *c, const char *text)
{
    conn_test_input(c, sv_c(text));
}

static void test_dialogue(void **state)
{
    (void)state;
    struct conn *c = begin();
    expect(c, "hello you\n");
    say(c, "a");
    expect(c, "");
    say(c, "b\ninput\ninput\n");
    expect(c, "ab\nyes\nno\n");
    say(c, "gen\nfile\nafter\n");
    expect(c, "<gen gen gen >\nroot:\nafter\n");
    assert_int_equal(seen.done, 1);
    assert_string_equal(conn_peer_ip(c), "10.0.0.1");
    say(c, "quit\nnever\n");
    expect(c, "bye\n");
    assert_true(conn_test_closed(c));
    assert_int_equal(seen.closed, 1);
    assert_int_equal(conn_test_why(c), CLOSE_QUIT);
    conn_test_free(c, CLOSE_PEER);
    assert_int_equal(seen.closed, 1);
}

static void test_early_refused_and_lost(void **state)
{
    (void)state;
    conn_test_early(SV("x\n"));
    struct conn *c = begin();
    expect(c, "hello you early\nx\n");
    conn_test_free(c, CLOSE_PEER);
    assert_int_equal(seen.closed, 1);
    assert_int_equal(seen.why, CLOSE_PEER);
    static char who[] = "nobody";
    memset(&seen, 0, sizeof(seen));
    seen.refuse = true;
    c = conn_test_open(&ops, who, NULL);
    expect(c, "hello nobody\n");
    assert_true(conn_test_closed(c));
    assert_int_equal(seen.closed, 0);
    conn_test_free(c, CLOSE_PEER);
}

static void test_delay_and_timeout(void **state)
{
    (void)state;
    struct conn *c = begin();
    conn_test_take(c);
    say(c, "one\ndelay\nthree\n");
    expect(c, "one\n");
    conn_test_advance(c, 500);
    expect(c, "");
    conn_test_advance(c, 500);
    expect(c, "late\nthree\n");
    seen.stay = true;
    conn_test_advance(c, 300000);
    expect(c, "timeout\n");
    assert_int_equal(conn_test_timeout(c), 5000);
    seen.stay = false;
    say(c, "partial");
    conn_test_advance(c, 5000);
    expect(c, "timeout\n");
    assert_int_equal(seen.why, CLOSE_TIMEOUT);
    conn_test_free(c, CLOSE_PEER);
}

static void test_bad_input(void **state)
{
    (void)state;
    struct conn *c = begin();
    conn_test_take(c);
    say(c, "badskip\nafter\n");
    expect(c, "bad\nafter\n");
    say(c, "bad\nnever\n");
    expect(c, "bad\n");
    assert_int_equal(seen.why, CLOSE_ERROR);
    conn_test_free(c, CLOSE_PEER);
    c = begin();
    conn_test_take(c);
    for (int i = 0; i < 64; i++)
        say(c, "x");
    expect(c, "bad\n");
    assert_true(conn_test_closed(c));
    conn_test_free(c, CLOSE_PEER);
    c = begin();
    conn_test_take(c);
    say(c, "broken\n");
    assert_true(conn_test_closed(c));
    assert_int_equal(seen.done, 1);
    conn_test_free(c, CLOSE_PEER);
}

static void test_starttls(void **state)
{
    (void)state;
    struct conn *c = begin();
    conn_test_take(c);
    say(c, "starttls\n");
    expect(c, "go\n");
    assert_true(conn_test_starttls(c));
    assert_false(conn_is_tls(c));
    conn_test_secure(c);
    assert_int_equal(seen.secured, 1);
    assert_true(conn_is_tls(c));
    say(c, "again\n");
    expect(c, "again\n");
    conn_test_free(c, CLOSE_PEER);
    c = begin();
    conn_test_take(c);
    say(c, "starttls\ninjected\n");
    expect(c, "");
    assert_true(conn_test_closed(c));
    assert_int_equal(seen.why, CLOSE_ERROR);
    conn_test_free(c, CLOSE_PEER);
}

static void test_eof_notes_kill_shutdown(void **state)
{
    (void)state;
    struct conn *c = begin();
    conn_test_take(c);
    conn_handle h = conn_handle_of(c);
    assert_int_equal(conn_note(h, (struct note){ .type = 1 }), 0);
    assert_int_equal(conn_note(h, (struct note){ .type = 1 }), 0);
    assert_int_equal(conn_note(h, (struct note){ .type = 2 }), 0);
    expect(c, "");
    conn_test_run_notes(c);
    expect(c, "note 1\nnote 2\n");
    say(c, "last");
    conn_test_eof(c);
    expect(c, "last\n");
    assert_int_equal(seen.why, CLOSE_PEER);
    assert_int_equal(conn_note(h, (struct note){ .type = 1 }), E_CLOSED);
    conn_test_free(c, CLOSE_PEER);
    c = begin();
    assert_int_equal(conn_kill_id(conn_id(c)), 0);
    assert_true(conn_test_closed(c));
    assert_int_equal(seen.why, CLOSE_KILLED);
    assert_int_equal(conn_kill_id(conn_id(c)), E_NOTFOUND);
    conn_test_free(c, CLOSE_PEER);
    c = begin();
    conn_test_take(c);
    seen.stay = true;
    conn_test_shutdown(c);
    expect(c, "shutdown\n");
    assert_int_equal(seen.why, CLOSE_SHUTDOWN);
    conn_test_free(c, CLOSE_PEER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dialogue),          cmocka_unit_test(test_early_refused_and_lost),
        cmocka_unit_test(test_delay_and_timeout), cmocka_unit_test(test_bad_input),
        cmocka_unit_test(test_starttls),          cmocka_unit_test(test_eof_notes_kill_shutdown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
