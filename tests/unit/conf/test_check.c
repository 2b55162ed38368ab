/* Tests of the table and of single values: canonical forms, ranges, errors, suggestions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "conf/conf.h"

static const struct setting *find(const char *name)
{
    const struct setting *s = conf_find(sv_c(name));
    if (!s)
        fail_msg("no setting %s", name);
    return s;
}

/* want: the canonical text, or with a leading "!" the whole error. */
static void check(const char *name, const char *value, const char *want)
{
    char *text = NULL;
    struct errinfo ei = { 0 };
    int r = conf_check(find(name), sv_c(value), &text, &ei);
    if (want[0] == '!') {
        assert_true(r < 0);
        assert_int_equal(r, ei.code);
        assert_null(text);
        assert_string_equal(ei.text, want + 1);
        assert_int_equal(conf_check(find(name), sv_c(value), &text, NULL), r);
        return;
    }
    if (r < 0)
        fail_msg("%s", ei.text);
    assert_string_equal(text, want);
    /* What is canonical stays as it is. */
    _cleanup_(freep) char *again = NULL;
    assert_int_equal(conf_check(find(name), sv_c(text), &again, &ei), 0);
    assert_string_equal(again, text);
    free(text);
}

static void test_bool(void **state)
{
    (void)state;
    static const char *const yes[] = { "yes", "true", "1", "on", "YES", " On " };
    static const char *const no[] = { "no", "false", "0", "off", "No" };
    for (size_t i = 0; i < ARRAY_LEN(yes); i++)
        check("net.tls", yes[i], "yes");
    for (size_t i = 0; i < ARRAY_LEN(no); i++)
        check("net.tls", no[i], "no");
    check("net.tls", "maybe", "!net.tls: 'maybe' is not a switch; allowed: yes, no");
    check("net.tls", "", "!net.tls: '' is not a switch; allowed: yes, no");
}

static void test_int(void **state)
{
    (void)state;
    check("smtp.max_errors", "1", "1");
    check("smtp.max_errors", " 10000 ", "10000");
    check("smtp.max_errors", "007", "7");
    check("smtp.max_errors", "0",
          "!smtp.max_errors: '0' is out of range; allowed: 1 to 10000 replies");
    check("smtp.max_errors", "10001",
          "!smtp.max_errors: '10001' is out of range; allowed: 1 to 10000 replies");
    check("smtp.max_errors", "-1",
          "!smtp.max_errors: '-1' is out of range; allowed: 1 to 10000 replies");
    check("smtp.max_errors", "99999999999999999999999",
          "!smtp.max_errors: '99999999999999999999999' is out of range; allowed: 1 to 10000 "
          "replies");
    check("smtp.max_errors", "many",
          "!smtp.max_errors: 'many' is not a number; allowed: 1 to 10000 replies");
    check("smtp.max_errors", "1\x1b[2J",
          "!smtp.max_errors: '1\\x1b[2J' is not a number; allowed: 1 to 10000 replies");
}

static void test_size(void **state)
{
    (void)state;
    const char *s = "smtp.max_message_size";
    check(s, "50MiB", "50MiB");
    check(s, "50 mib", "50MiB");
    check(s, "50M", "50MiB");
    check(s, "52428800", "50MiB");
    check(s, "52428800B", "50MiB");
    check(s, "1024K", "1MiB");
    check(s, "10MB", "10MB");
    check(s, "10000kB", "10MB");
    check(s, "1GB", "1GB");
    check(s, "1g", "1GiB");
    check(s, "1023", "1023");
    check(s, "0", "0");
    check(s, "4GiB", "4GiB");
    check(s, "4294967297",
          "!smtp.max_message_size: '4294967297' is out of range; allowed: 0 to 4GiB");
    check(s, "99999999999TiB",
          "!smtp.max_message_size: '99999999999TiB' is out of range; allowed: 0 to 4GiB");
    check(s, "5XB",
          "!smtp.max_message_size: '5XB' is not a size such as 10MiB; allowed: 0 to 4GiB");
    check(s, "MiB",
          "!smtp.max_message_size: 'MiB' is not a size such as 10MiB; allowed: 0 to 4GiB");
    check("net.bandwidth", "-5",
          "!net.bandwidth: '-5' is not a size such as 10MiB; allowed: 0 to 1TiB per second");
}

static void test_duration(void **state)
{
    (void)state;
    const char *s = "net.session_timeout";
    check(s, "300s", "5m");
    check(s, "300", "5m");
    check(s, "5m", "5m");
    check(s, "1500ms", "1500ms");
    check(s, "90 s", "90s");
    check(s, "1d", "1d");
    check(s, "24H", "1d");
    check("smtp.greeting_delay", "0", "0s");
    check("smtp.greeting_delay", "250ms", "250ms");
    check(s, "999ms", "!net.session_timeout: '999ms' is out of range; allowed: 1s to 1d");
    check(s, "2d", "!net.session_timeout: '2d' is out of range; allowed: 1s to 1d");
    check(s, "5 minutes",
          "!net.session_timeout: '5 minutes' is not a duration such as 30s or 5m; allowed: 1s to "
          "1d");
}

static void test_enum(void **state)
{
    (void)state;
    check("log.smtp", "Extended", "extended");
    check("net.tls_min_version", "1.3", "1.3");
    check("log.smtp", "loud",
          "!log.smtp: 'loud' is not one of the choices; allowed: none, summary, debug, extended");
    check("log.smtp", "2",
          "!log.smtp: '2' is not one of the choices; allowed: none, summary, debug, extended");
}

static void test_text(void **state)
{
    (void)state;
    check("system.server_id", "", "");
    check("system.server_id", "b2", "b2");
    check("system.server_id", "abc",
          "!system.server_id: 'abc' is too long; allowed: at most 2 letters and digits");
    check("system.server_id", "/.",
          "!system.server_id: '/.' is not valid; allowed: at most 2 letters and digits");
    check("system.hostname", " mail.example.org ", "mail.example.org");
    check("system.hostname",
          "b\xc3\xbc"
          "cher.example",
          "b\xc3\xbc"
          "cher.example");
    check("system.hostname", "a..b",
          "!system.hostname: 'a..b' is not valid; allowed: a host name such as mail.example.com");
    check("system.hostname", "a b",
          "!system.hostname: 'a b' is not valid; allowed: a host name such as mail.example.com");
    check("system.hostname", "a\nb",
          "!system.hostname: 'a\\x0ab' has control characters; allowed: one line of text");
    check("system.hostname", "a\xff",
          "!system.hostname: 'a\\xff' is not valid UTF-8; allowed: text in UTF-8");
    check("system.log_path", "/var/log/x", "/var/log/x");
    check("log.archive", "/var/backups/Logs.ZIP", "/var/backups/Logs.ZIP");
    check("log.archive", "", "");
    check("sms.url", "https://a.example/x?to={to}", "https://a.example/x?to={to}");
    check("sms.url", "http://[2001:db8::1]:8080/", "http://[2001:db8::1]:8080/");
    check("sms.url", "ftp://a.example/",
          "!sms.url: 'ftp://a.example/' is not valid; allowed: "
          "https://host[:port]/path or http://..., without spaces");
    check("sms.country", "39", "39");
    check("sms.country", "039",
          "!sms.country: '039' is not valid; allowed: a calling code such as 39");
    check("sms.headers", "X-Key: {secret};X-Id: {id}", "X-Key: {secret};X-Id: {id}");
    check("sms.headers", "X Key: y",
          "!sms.headers: 'X Key: y' is not valid; allowed: header fields "
          "such as X-Key: {secret}, separated by ;");
    check("sms.temporary", "404;429", "404;429");
    check("sms.temporary", "200",
          "!sms.temporary: '200' is not valid; allowed: statuses of 300 to "
          "599, separated by ;");
    for (size_t i = 0; i < 4; i++) {
        static const char *const no[] = { "/var/backups", "/var/backups/", "logs.zip", "/x/.zip" };
        char want[300];
        snprintf(want, sizeof(want),
                 "!log.archive: '%s' is not valid; allowed: the absolute path of a file that ends "
                 "in .zip, such as /var/lib/posthorn/logs.zip; not a folder",
                 no[i]);
        check("log.archive", no[i], want);
    }
    check("log.syslog_server", "[::1]:6514", "[::1]:6514");
    check("log.syslog_server", "log.example.net", "log.example.net");
    check("log.syslog_server", "log.example.net:0",
          "!log.syslog_server: 'log.example.net:0' is not valid; allowed: host, host:port, address "
          "or [IPv6]:port");
    check("system.log_path", "logs",
          "!system.log_path: 'logs' is not valid; allowed: an absolute path");
    check("system.user", "", "!system.user: '' is empty; allowed: the name of a user");
    check("system.user", "a/b", "!system.user: 'a/b' is not valid; allowed: the name of a user");
    check("deliver.relay_host", "mx.example.org:2525", "mx.example.org:2525");
    check("deliver.relay_host", "[2001:db8::1]:25", "[2001:db8::1]:25");
    check("deliver.relay_host", "10.0.0.1", "10.0.0.1");
    check("deliver.relay_host", "mx:0",
          "!deliver.relay_host: 'mx:0' is not valid; allowed: host, host:port, address or "
          "[IPv6]:port");
    check("deliver.source_ip", "2001:db8::1", "2001:db8::1");
    check("deliver.source_ip", "localhost",
          "!deliver.source_ip: 'localhost' is not valid; allowed: an IP address of this machine");
}

static void test_lists(void **state)
{
    (void)state;
    check("smtp.listen", " 0.0.0.0:25 ;; [::]:25; ", "0.0.0.0:25;[::]:25");
    check("smtp.listen", "", "");
    static const char *const bad[] = { "0.0.0.0", "0.0.0.0:0",    "0.0.0.0:65536", "::1:25", "*:25",
                                       "host:25", "[1.2.3.4]:25", "1.2.3.4:+5",    ":25" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        _cleanup_(freep) char *want =
            xasprintf("!smtp.listen: '%s' is not valid; allowed: address:port, [IPv6]:port or "
                      "[Pattern]:port, separated by ;",
                      bad[i]);
        check("smtp.listen", bad[i], want);
    }
    check("smtp.listen", "0.0.0.0:25;x",
          "!smtp.listen: 'x' is not valid; allowed: address:port, [IPv6]:port or [Pattern]:port, "
          "separated by ;");
    check("net.trusted_ips", "127.0.0.0/8; ::1;fd00::/8", "127.0.0.0/8;::1;fd00::/8");
    check("net.trusted_ips", "10.0.0.0/33",
          "!net.trusted_ips: '10.0.0.0/33' is not valid; allowed: addresses, networks "
          "(10.0.0.0/8, fd00::/8) and [Pattern]");
    check("net.trusted_ips", " [Office]; ::1", "[Office];::1");
    check("smtp.access_ips", "[Office];10.0.0.0/8", "[Office];10.0.0.0/8");
    check("imap.listen", "[Office]:143;[::1]:143", "[Office]:143;[::1]:143");
    static const char *const names[] = { "[Office", "[a b]", "[]", "Office", "[1.2.3.4]" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char *text = NULL;
        assert_true(conf_check(find("net.trusted_ips"), sv_c(names[i]), &text, NULL) < 0);
    }
    check("net.access_ips", "192.168.*.*;192-193.*.*.*;10.0.0.0/8;1.2.3.4",
          "192.168.*.*;192-193.*.*.*;10.0.0.0/8;1.2.3.4");
    static const char *const masks[] = { "192.168.*", "193-192.*.*.*", "256.*.*.*", "1.2.3.4.5",
                                         "a.*.*.*",   "-1.*.*.*",      "*" };
    for (size_t i = 0; i < ARRAY_LEN(masks); i++) {
        char *text = NULL;
        assert_true(conf_check(find("net.access_ips"), sv_c(masks[i]), &text, NULL) < 0);
    }
    check("dns.servers", "10.0.0.1;::1@5353", "10.0.0.1;::1@5353");
    check("dns.servers", "10.0.0.1@0",
          "!dns.servers: '10.0.0.1@0' is not valid; allowed: addresses or address@port, separated "
          "by ;");
    check("queue.retry_schedule", "1m; 5m;1h", "1m;5m;1h");
    check(
        "queue.retry_schedule", "1m;soon",
        "!queue.retry_schedule: 'soon' is not valid; allowed: waits of 1s to 30d, separated by ;");
    check("queue.retry_schedule", "0",
          "!queue.retry_schedule: '0' is not valid; allowed: waits of 1s to 30d, separated by ;");
    check("queue.retry_schedule", " ; ",
          "!queue.retry_schedule: '' is empty; allowed: waits of 1s to 30d, separated by ;");
}

static void test_long_value(void **state)
{
    (void)state;
    char big[5000];
    memset(big, 'x', sizeof(big));
    big[4999] = '\0';
    char *text = NULL;
    struct errinfo ei;
    assert_true(conf_check(find("smtp.max_errors"), sv_c(big), &text, &ei) < 0);
    assert_non_null(strstr(ei.text, "xxx...' is not a number; allowed: 1 to 10000 replies"));
}

static void test_table(void **state)
{
    (void)state;
    size_t n;
    const struct setting *all = conf_settings(&n);
    assert_true(n > 100);
    for (size_t i = 0; i < n; i++) {
        const struct setting *s = &all[i];
        if (i > 0 && strcmp(all[i - 1].name, s->name) >= 0)
            fail_msg("%s is not sorted, or there twice", s->name);
        assert_true(s->help[0] && s->group[0]);
        assert_true(s->min <= s->max);
        char *text = NULL;
        struct errinfo ei;
        if (conf_check(s, sv_c(s->dflt), &text, &ei) < 0)
            fail_msg("default: %s", ei.text);
        free(text);
        assert_ptr_equal(conf_find(sv_c(s->name)), s);
        if (s->api_var)
            assert_ptr_equal(conf_find(sv_c(s->api_var)), s); /* no variable is there twice */
    }
}

static void test_find(void **state)
{
    (void)state;
    assert_string_equal(find("SMTP.Max_Errors")->name, "smtp.max_errors");
    assert_string_equal(find("C_System_Adv_Protocols_SessionTimeout")->name, "net.session_timeout");
    assert_null(conf_find(SV("smtp")));
    assert_null(conf_find(SV("")));
}

static void unknown(const char *name, const char *want)
{
    struct conf *c = NULL;
    struct errinfo ei;
    assert_int_equal(conf_build(&(struct conf_pair){ name, "1" }, 1, &c, &ei), E_NOTFOUND);
    assert_null(c);
    assert_string_equal(ei.text, want);
}

static void test_unknown(void **state)
{
    (void)state;
    unknown("smtp.max_error", "unknown setting 'smtp.max_error'; did you mean smtp.max_errors?");
    unknown("max_recipients",
            "unknown setting 'max_recipients'; did you mean smtp.max_recipients?");
    unknown("imap.max_hops", "unknown setting 'imap.max_hops'; did you mean smtp.max_hops?");
    unknown("pop3.listn", "unknown setting 'pop3.listn'; did you mean pop3.listen?");
    unknown(
        "listen",
        "unknown setting 'listen'; did you mean imap.listen, managesieve.listen or pop3.listen?");
    unknown("qqqqqqqq.zzzzzzzz", "unknown setting 'qqqqqqqq.zzzzzzzz'; 'list' shows all names");
    unknown("", "unknown setting ''; 'list' shows all names");
}

static void test_parsers(void **state)
{
    (void)state;
    int64_t v = -1;
    assert_int_equal(conf_parse_duration(SV("2h"), &v), 0);
    assert_true(v == 7200000);
    assert_int_equal(conf_parse_size(SV("1KiB"), &v), 0);
    assert_true(v == 1024);
    assert_int_equal(conf_parse_size(SV("1 KiB x"), &v), E_PARSE);
    assert_int_equal(conf_parse_size(SV(""), &v), E_PARSE);
    assert_int_equal(conf_parse_size(SV("9223372036854775807K"), &v), E_RANGE);
    struct sv rest = sv_c("a;b"), item;
    assert_true(conf_list_next(&rest, &item) && sv_eq(item, SV("a")));
    assert_true(conf_list_next(&rest, &item) && sv_eq(item, SV("b")));
    assert_false(conf_list_next(&rest, &item));
    rest = sv_c("");
    assert_false(conf_list_next(&rest, &item));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bool),    cmocka_unit_test(test_int),
        cmocka_unit_test(test_size),    cmocka_unit_test(test_duration),
        cmocka_unit_test(test_enum),    cmocka_unit_test(test_text),
        cmocka_unit_test(test_lists),   cmocka_unit_test(test_long_value),
        cmocka_unit_test(test_table),   cmocka_unit_test(test_find),
        cmocka_unit_test(test_unknown), cmocka_unit_test(test_parsers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
