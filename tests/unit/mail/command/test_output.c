/* What commands write, and the packets between the processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "conf/commands.h"
#include "mail/command/output.h"
#include "mail/command/wire.h"

static struct command_output out;
static struct errinfo ei;

static int parse(const char *text)
{
    memset(&ei, 0, sizeof(ei));
    return command_parse_output(sv_c(text), &out, &ei);
}

static void assert_sv(struct sv got, const char *want)
{
    assert_int_equal(got.n, strlen(want));
    assert_memory_equal(got.p, want, got.n);
}

static void test_output_of_any_program(void **state _unused_)
{
    assert_int_equal(parse("stdin: Eicar-Test-Signature FOUND\r\nsecond line\n"), 0);
    assert_sv(out.reason, "stdin: Eicar-Test-Signature FOUND");
    assert_int_equal(out.n_edits, 0);
    assert_int_equal(parse(""), 0);
    assert_sv(out.reason, "");
    assert_int_equal(parse("posthorn 2\nreply 550 no\n"), 0);
    assert_int_equal(out.reply.n, 0);
}

static void test_output_with_words(void **state _unused_)
{
    assert_int_equal(parse("posthorn 1\nreply 550 5.7.1 Not here\nreason list: known\r\n\n"
                           "add-header X-Score: 7.3\nset-header Subject:  [L] Gr\xc3\xbc\xc3\x9f"
                           "e\nremove-header X-Old"),
                     0);
    assert_sv(out.reply, "550 5.7.1 Not here");
    assert_sv(out.reason, "list: known");
    assert_int_equal(out.n_edits, 3);
    assert_int_equal(out.edits[0].kind, COMMAND_ADD_HEADER);
    assert_sv(out.edits[0].name, "X-Score");
    assert_sv(out.edits[0].value, "7.3");
    assert_int_equal(out.edits[1].kind, COMMAND_SET_HEADER);
    assert_sv(out.edits[1].value, "[L] Gr\xc3\xbc\xc3\x9f"
                                  "e");
    assert_int_equal(out.edits[2].kind, COMMAND_REMOVE_HEADER);
    assert_sv(out.edits[2].name, "X-Old");
}

static void test_output_that_is_wrong(void **state _unused_)
{
    static const char *const wrong[] = {
        "posthorn 1\nquarantine\n",
        "posthorn 1\nreply 250 fine\n",
        "posthorn 1\nreply 550\n",
        "posthorn 1\nreply 5x0 no\n",
        "posthorn 1\nadd-header X\n",
        "posthorn 1\nadd-header X Y: 1\n",
        "posthorn 1\nadd-header : 1\n",
        "posthorn 1\nadd-header X: a\rb\n",
        "posthorn 1\nadd-header X: \xff\n",
        "posthorn 1\nremove-header A: b\n",
        "posthorn 1\nreply 550 gr\xc3\xbc\n",
        "posthorn 1\nadd-headers X: 1\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_true(parse(wrong[i]) < 0);
        assert_non_null(strstr(ei.text, "its line '"));
    }
}

static void test_too_many_changes(void **state _unused_)
{
    struct buf b;
    buf_init(&b, 64 * KiB);
    buf_add_str(&b, "posthorn 1\n");
    for (int i = 0; i < COMMAND_MAX_EDITS; i++)
        buf_add_str(&b, "remove-header X\n");
    assert_int_equal(command_parse_output(buf_sv(&b), &out, &ei), 0);
    buf_add_str(&b, "remove-header X\n");
    assert_int_equal(command_parse_output(buf_sv(&b), &out, &ei), E_RANGE);
    buf_done(&b);
}

static void test_items(void **state _unused_)
{
    struct conf_command c;
    assert_true(conf_parse_command(SV("spam.sh"), &c));
    assert_int_equal(c.timeout_ms, 30000);
    assert_int_equal(c.verdict[0], COMMAND_ACCEPT);
    assert_int_equal(c.verdict[1], COMMAND_FAILED);
    assert_int_equal(c.verdict[100], COMMAND_REJECT);
    assert_int_equal(c.verdict[75], COMMAND_DEFER);
    assert_int_equal(c.verdict[111], COMMAND_DEFER);
    assert_int_equal(c.verdict[69], COMMAND_FAILED);
    assert_int_equal(c.verdict[99], COMMAND_DISCARD);
    assert_true(conf_parse_command(SV("a | timeout = 2s|memory=64MiB|failure=accept|"
                                      "exit=1:hold, 2:reject,100:fail|services=submission|"
                                      "except=trusted"),
                                   &c));
    assert_sv(c.name, "a");
    assert_int_equal(c.timeout_ms, 2000);
    assert_int_equal(c.memory_bytes, 64 * MiB);
    assert_int_equal(c.failure, MILTER_FAIL_ACCEPT);
    assert_int_equal(c.verdict[1], COMMAND_HOLD);
    assert_int_equal(c.verdict[2], COMMAND_REJECT);
    assert_int_equal(c.verdict[100], COMMAND_FAILED);
    assert_int_equal(c.services, MILTER_FOR_SUBMISSION);
    assert_true(c.except.trusted && !c.except.authenticated);
    assert_true(conf_parse_command(SV("a|services=rules"), &c));
    assert_int_equal(c.services, MILTER_FOR_RULES);
    static const char *const wrong[] = {
        "",
        "/bin/sh",
        "../sh",
        ".hidden",
        "-x",
        "a b",
        "a|exit=1",
        "a|exit=x:hold",
        "a|exit=256:hold",
        "a|exit=1:spam",
        "a|memory=1KiB",
        "a|timeout=0",
        "a|failure=no",
        "a|services=pop3",
        "a|name=b",
        "a|timeout",
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_false(conf_parse_command(sv_c(wrong[i]), &c));
}

static void test_packets(void **state _unused_)
{
    static const char env[] = "A=1\0B=2"; /* with the NUL at its end */
    struct command_order o = { 12345, 99, SV("name"), sv_n(env, sizeof(env)) }, o2;
    struct command_result r = { COMMAND_EXITED, 7, SV("out"), SV("err") }, r2;
    struct buf b;
    buf_init(&b, COMMAND_MAX_ORDER);
    assert_int_equal(command_put_order(&o, &b), 0);
    assert_int_equal(command_parse_order(buf_sv(&b), &o2), 0);
    assert_int_equal(o2.deadline_ms, 12345);
    assert_int_equal(o2.memory_bytes, 99);
    assert_sv(o2.name, "name");
    assert_memory_equal(o2.env.p, env, sizeof(env));
    for (size_t n = 0; n < b.n; n++)
        assert_int_equal(command_parse_order(sv_n(b.p, n), &o2), E_PARSE);
    b.p[b.n - 1] = 'x'; /* the last text has no end */
    assert_int_equal(command_parse_order(buf_sv(&b), &o2), E_PARSE);
    buf_reset(&b);
    command_put_result(&r, &b);
    assert_int_equal(command_parse_result(buf_sv(&b), &r2), 0);
    assert_int_equal(r2.code, 7);
    assert_sv(r2.output, "out");
    assert_sv(r2.errors, "err");
    for (size_t n = 0; n < b.n; n++)
        assert_int_equal(command_parse_result(sv_n(b.p, n), &r2), E_PARSE);
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_output_of_any_program),
        cmocka_unit_test(test_output_with_words),
        cmocka_unit_test(test_output_that_is_wrong),
        cmocka_unit_test(test_too_many_changes),
        cmocka_unit_test(test_items),
        cmocka_unit_test(test_packets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
