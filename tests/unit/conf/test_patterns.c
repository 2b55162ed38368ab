/* Patterns in settings: what they stand for, patterns in patterns, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "conf/milters.h"
#include "conf/patterns.h"

static const char *const rows[][2] = {
    { "office", "10.0.0.0/8" }, { "office", "a@example.org" }, { "office", "[home]" },
    { "mixed", "192.0.2.1" },   { "mixed", "192.168.*.*" },    { "mixed", "2001:db8::1" },
    { "mixed", "192.0.2.1" },   { "home", "10.0.0.0/8" },      { "home", "::1" },
    { "home", "[office]" },     { "mails", "a@example.org" },  { "many", "10.0.0.1" },
};

static struct conf_patterns *made(void)
{
    struct conf_patterns *l = conf_patterns_new();
    char ip[20];
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        conf_patterns_add(l, sv_c(rows[i][0]), sv_c(rows[i][1]));
    for (int i = 2; i <= CONF_PATTERN_BINDINGS_MAX + 1; i++) {
        snprintf(ip, sizeof(ip), "10.0.0.%d", i);
        conf_patterns_add(l, SV("many"), sv_c(ip));
    }
    conf_patterns_finish(l);
    return l;
}

static struct conf *build(const struct conf_pair *pairs, size_t n)
{
    struct conf *c = NULL;
    struct errinfo ei;
    if (conf_build(pairs, n, &c, &ei) < 0)
        fail_msg("%s", ei.text);
    conf_set_patterns(c, made());
    return c;
}

static void test_in_force(void **state)
{
    (void)state;
    const struct conf_pair pairs[] = {
        { "net.trusted_ips", "127.0.0.1;[Office]" },
        { "smtp.access_ips", "[none];[mails]" },
        { "imap.listen", "0.0.0.0:143;[Mixed]:1143;[::]:143" },
        { "smtp.milters", "inet:1@[::1]|name=a;inet:2@mx|except=trusted, [Office] ,::7|name=b" },
        { "smtp.commands", "one|except=[Home];two|except=[none]|timeout=1s" },
    };
    _cleanup_(conf_unrefp) const struct conf *c = build(pairs, ARRAY_LEN(pairs));
    const struct setting *s = conf_find(SV("net.trusted_ips"));
    _cleanup_(freep) char *text = conf_text(c, s);
    assert_string_equal(text, "127.0.0.1;[Office]");                     /* as it was written */
    assert_string_equal(c->net.trusted_ips, "127.0.0.1;10.0.0.0/8;::1"); /* nested; a loop is cut */
    assert_string_equal(conf_in_force(c, s), c->net.trusted_ips);
    assert_string_equal(c->smtp.access_ips, "");
    assert_string_equal(c->imap.listen, "0.0.0.0:143;192.0.2.1:1143;[2001:db8::1]:1143;[::]:143");
    assert_string_equal(c->smtp.milters, "inet:1@[::1]|name=a;inet:2@mx|except=trusted,10.0.0.0/8,"
                                         "::1,::7|name=b");
    assert_string_equal(c->smtp.commands, "one|except=10.0.0.0/8,::1;two|except=[none]|timeout=1s");
    assert_string_equal(c->pop3.listen, "0.0.0.0:110;[::]:110");
    _cleanup_(freep) char *other = conf_resolve(c, s, SV("::2;[home]"));
    assert_string_equal(other, "::2;10.0.0.0/8;::1");
    assert_string_equal(conf_pattern_ips(c, SV("MIXED")), "192.0.2.1;192.168.*.*;2001:db8::1");
    assert_string_equal(conf_pattern_ips(c, SV("none")), "");
    /* Without patterns at all: nothing is trusted by their names. */
    struct conf *bare = NULL;
    struct errinfo ei;
    assert_int_equal(conf_build(pairs, 1, &bare, &ei), 0);
    assert_string_equal(conf_pattern_ips(bare, SV("office")), "");
    conf_unref(bare);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *setting, *value, *why; /* NULL: it can be */
    } tried[] = {
        { "net.trusted_ips", "[office];[MIXED]", NULL },
        { "net.trusted_ips", "::1;[none]",
          "net.trusted_ips: '[none]': pattern '[none]' does not exist; create it first, with IP "
          "addresses among its items" },
        { "smtp.access_ips", "[mails]",
          "smtp.access_ips: '[mails]': pattern '[mails]' has no IP address and no network; add one "
          "to its items" },
        { "pop3.listen", "[mixed]:110;[::1]:110", NULL },
        { "pop3.listen", "[mails]:110",
          "pop3.listen: '[mails]:110': pattern '[mails]' has no IP address to listen at (networks "
          "and masks are not); add one to its items" },
        { "pop3.listen", "[many]:110",
          "pop3.listen: '[many]:110': pattern '[many]' has 17 IP addresses, at most 16 can be "
          "listened at; use a smaller pattern" },
        { "smtp.milters", "inet:2@mx|except=trusted,[office]", NULL },
        { "smtp.milters", "inet:2@mx|except=trusted,[none]",
          "smtp.milters: 'inet:2@mx|except=trusted,[none]': pattern '[none]' does not exist; "
          "create "
          "it first, with IP addresses among its items" },
        { "system.hostname", "[none]", NULL }, /* none of the settings that have patterns */
    };
    _cleanup_(conf_patterns_freep) struct conf_patterns *l = made();
    for (size_t i = 0; i < ARRAY_LEN(tried); i++) {
        struct errinfo ei = { 0 };
        int r =
            conf_patterns_check(l, conf_find(sv_c(tried[i].setting)), sv_c(tried[i].value), &ei);
        assert_int_equal(r < 0, tried[i].why != NULL);
        if (tried[i].why)
            assert_string_equal(ei.text, tried[i].why);
    }
}

static void test_used(void **state)
{
    (void)state;
    const struct setting *list = conf_find(SV("web.access_ips")),
                         *binds = conf_find(SV("web.listen"));
    assert_true(conf_patterns_used(list, SV("::1;[Office]"), SV("office")));
    assert_true(conf_patterns_used(binds, SV("[Office]:80"), SV("office")));
    assert_false(conf_patterns_used(list, SV("::1;[Office2]"), SV("office")));
    assert_true(conf_patterns_used(conf_find(SV("smtp.commands")), SV("a;b|except=::1,[Office]"),
                                   SV("office")));
    assert_false(
        conf_patterns_used(conf_find(SV("system.hostname")), SV("[office]"), SV("office")));
}

static void test_except(void **state)
{
    (void)state;
    struct conf_milter m;
    assert_false(conf_parse_milter(SV("inet:2@mx|except=authenticated,10.0.0.0/33"), &m));
    assert_true(conf_parse_milter(SV("inet:2@mx|except=authenticated,10.0.0.0/8, 192.0.2.7"), &m));
    assert_true(m.except.authenticated && !m.except.trusted);
    assert_true(conf_except_has(&m.except, "10.9.9.9") && conf_except_has(&m.except, "192.0.2.7"));
    assert_false(conf_except_has(&m.except, "192.0.2.8") || conf_except_has(&m.except, "::1"));
    assert_true(conf_parse_milter(SV("inet:2@mx"), &m));
    assert_false(conf_except_has(&m.except, "10.9.9.9"));
    assert_false(conf_parse_milter(SV("inet:2@mx|except=nobody"), &m));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_force),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_used),
        cmocka_unit_test(test_except),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
