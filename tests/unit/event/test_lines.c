/* Tests of the form of log lines, of events too, against the transcripts that administrators know
 *: each kind of line once, and what peers may not do to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "event/event.h"

static struct buf got;

static void summary(struct logctx *c, struct sv from, struct sv rcpt, unsigned n, uint64_t bytes,
                    int64_t seconds, const char *outcome, const char *id)
{
    c->message_id = id;
    event(smtp_message_incomplete, c, F_ADDR(sender, from), F_ADDR(rcpt, rcpt), F_INT(rcpts, n),
          F_BYTES(bytes, bytes), F_MS(duration, seconds * 1000), F_STR(outcome, outcome));
}

static void login(const char *service, bool ok, const char *user, int method)
{
    if (ok)
        event(auth_succeeded, log_here(), F_STR(proto, service), F_ADDR(user, user),
              F_INT(method, method));
    else
        event(auth_failed, log_here(), F_STR(proto, service), F_ADDR(user, user),
              F_INT(method, method));
}

static int setup(void **state)
{
    (void)state;
    setenv("TZ", "UTC", 1);
    tzset();
    clock_test_freeze(1317811634874); /* Wed, 05 Oct 2011 10:47:14.874 */
    buf_init(&got, 4 * MiB);
    log_test_capture(&got);
    log_configure_levels((const int64_t[LOG_TYPE_COUNT]){ 2, 2, 2, 2, 2, 2, 3, 2, 2, 2 });
    log_set_max_line(8 * KiB);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    log_test_capture(NULL);
    log_thread_session(NULL);
    buf_done(&got);
    clock_test_freeze(0);
    return 0;
}

static void expect(const char *text)
{
    assert_int_equal(buf_terminate(&got), 0);
    assert_string_equal(got.p ? got.p : "", text);
    buf_reset(&got);
}

static bool has(const char *text)
{
    return sv_find_sv(buf_sv(&got), sv_c(text)) >= 0;
}

#define S(text) sv_c(text)

static void test_client_session(void **state)
{
    (void)state;
    struct logctx c = { .type = LOG_SMTP, .id = 0x1140, .prefix = "Client session " };
    log_line(&c, LOG_DEBUG, "Message id %s item %s", "OSA88513", "201110051047140042.tms");
    log_line(&c, LOG_DEBUG, "DNS query '%s' %d (%d) [OK - %d]", "icewarp.it", 0, 2, 1);
    log_line(&c, LOG_DEBUG, "Connecting to '%s'", "mail.icewarp.it");
    sv_copy(c.source, sizeof(c.source), S("89.186.73.168"));
    log_line(&c, LOG_DEBUG, "Connected, local IP= %s", "192.168.26.218");
    log_in(&c, S("220 mail.fastflow.it ESMTP; Wed, 05 Oct 2011 10:47:12 +0200\r\n"));
    log_out(&c, S("EHLO localhost\r\n"));
    log_line(&c, LOG_DEBUG, ">>> %d bytes (overall data transfer speed=%d B/s)", 589, 293275);
    summary(&c, S("admin@icewarpdemo.com"), S("test@icewarp.it"), 1, 589, 0, "OK", "OSA88513");
    log_line(&c, LOG_DEBUG, "Disconnected");
    expect("SYSTEM          [1140] 10:47:14 Client session Message id OSA88513 item "
           "201110051047140042.tms\n"
           "SYSTEM          [1140] 10:47:14 Client session DNS query 'icewarp.it' 0 (2) [OK - 1]\n"
           "SYSTEM          [1140] 10:47:14 Client session Connecting to 'mail.icewarp.it'\n"
           "89.186.73.168   [1140] 10:47:14 Client session Connected, local IP= 192.168.26.218\n"
           "89.186.73.168   [1140] 10:47:14 Client session <<< 220 mail.fastflow.it ESMTP; Wed, "
           "05 Oct 2011 10:47:12 +0200\n"
           "89.186.73.168   [1140] 10:47:14 Client session >>> EHLO localhost\n"
           "89.186.73.168   [1140] 10:47:14 Client session >>> 589 bytes (overall data transfer "
           "speed=293275 B/s)\n"
           "89.186.73.168   [1140] 10:47:14 Client session *** <admin@icewarpdemo.com> "
           "<test@icewarp.it> 1 589 00:00:00 OK OSA88513\n"
           "89.186.73.168   [1140] 10:47:14 Client session Disconnected\n");
}

static void test_server_session(void **state)
{
    (void)state;
    struct logctx c = { .type = LOG_SMTP, .id = 0xabc0ec4, .source = "79.38.14.7", .prefix = "" };
    log_line(&c, LOG_DEBUG, "Connected, local IP=%s", "10.0.0.20");
    log_in(&c, S("EHLO localhost\r\n"));
    log_out(&c, S("250-smtp.example.it Hello localhost [79.38.14.7], pleased to meet you.\r\n"
                  "250-ENHANCEDSTATUSCODES\r\n250-SIZE\r\n250 HELP\r\n"));
    log_line(&c, LOG_DEBUG, "Start of mail processing");
    summary(&c, S("admin@icewarpdemo.com"), S("test@icewarpdemo.com"), 1, 382, 12, "OK",
            "OSA88513");
    summary(&c, SV_NULL, SV_NULL, 0, 0, 0, "INCOMPLETE-SESSION", "");
    summary(&c, S("a@b"), S("c@d"), 1, 0, 86400 + 3661, "TIMEOUT", "IYG80904");
    log_line(&c, LOG_DEBUG, "Disconnected");
    expect("79.38.14.7      [0EC4] 10:47:14 Connected, local IP=10.0.0.20\n"
           "79.38.14.7      [0EC4] 10:47:14 <<< EHLO localhost\n"
           "79.38.14.7      [0EC4] 10:47:14 >>> 250-smtp.example.it Hello localhost [79.38.14.7], "
           "pleased to meet you.\n"
           "250-ENHANCEDSTATUSCODES\n"
           "250-SIZE\n"
           "250 HELP\n"
           "79.38.14.7      [0EC4] 10:47:14 Start of mail processing\n"
           "79.38.14.7      [0EC4] 10:47:14 *** <admin@icewarpdemo.com> <test@icewarpdemo.com> 1 "
           "382 00:00:12 OK OSA88513\n"
           "79.38.14.7      [0EC4] 10:47:14 *** <> <> 0 0 00:00:00 INCOMPLETE-SESSION\n"
           "79.38.14.7      [0EC4] 10:47:14 *** <a@b> <c@d> 1 0 25:01:01 TIMEOUT IYG80904\n"
           "79.38.14.7      [0EC4] 10:47:14 Disconnected\n");
}

static void test_sources(void **state)
{
    (void)state;
    struct logctx c = { .type = LOG_IMAP, .id = 1, .source = "192.168.226.218" };
    log_line(&c, LOG_SUMMARY, "x");
    sv_copy(c.source, sizeof(c.source), S("2001:db8:85a3::8a2e:370:7334"));
    log_line(&c, LOG_SUMMARY, "x");
    expect("192.168.226.218 [0001] 10:47:14 x\n"
           "2001:db8:85a3::8a2e:370:7334 [0001] 10:47:14 x\n");
}

static void test_auth(void **state)
{
    (void)state;
    struct logctx c = { .type = LOG_IMAP, .id = 0x1d14, .source = "194.188.6.143" };
    assert_null(log_thread_session(&c));
    event(auth_failure_counted, log_here(), F_STR(proto, "IMAP"), F_INT(count, 1),
          F_ADDR(user, "b@t.com"));
    event(auth_failures_cleared, log_here(), F_STR(proto, "IMAP"), F_ADDR(user, "b@t.com"));
    login("IMAP", false, "b", 0);
    login("IMAP", true, "b@t.com", 0);
    assert_ptr_equal(log_thread_session(NULL), &c);
    login("Control", true, "a@t.com", 9);
    expect("194.188.6.143   [1D14] 10:47:14:874 Login policy [IMAP] - increased failed login count "
           "to 1, user=b@t.com\n"
           "194.188.6.143   [1D14] 10:47:14:874 Login policy [IMAP] - cleared failed login count, "
           "user=b@t.com\n"
           "194.188.6.143   [1D14] 10:47:14:874 Authentication [IMAP] - Result=0, User=b, "
           "Method=0\n"
           "194.188.6.143   [1D14] 10:47:14:874 Authentication [IMAP] - Result=1, User=b@t.com, "
           "Method=0\n"
           "SYSTEM          [0000] 10:47:14:874 Authentication [Control] - Result=1, User=a@t.com, "
           "Method=9\n");
}

static void auth_lines(void)
{
    event(auth_user_locked, log_here(), F_STR(proto, "IMAP"), F_INT(minutes, 30),
          F_ADDR(user, "p"));
    login("IMAP", false, "f", 0);
    login("IMAP", true, "s", 0);
}

static void test_auth_levels(void **state)
{
    (void)state;
#define AT   "SYSTEM          [0000] 10:47:14:874 "
#define POL  AT "Login policy [IMAP] - locked for 30 min, user=p\n"
#define FAIL AT "Authentication [IMAP] - Result=0, User=f, Method=0\n"
#define GOOD AT "Authentication [IMAP] - Result=1, User=s, Method=0\n"
    static const char *const want[] = { "", POL FAIL, POL FAIL GOOD, POL FAIL GOOD };
    for (int l = LOG_NONE; l <= LOG_EXTENDED; l++) {
        log_set_level(LOG_AUTH, (enum log_level)l);
        auth_lines();
        expect(want[l]);
    }
}

static void test_maint_levels(void **state)
{
    (void)state;
#define HEAD   "SYSTEM          [0000] 10:47:14 "
#define CHANGE HEAD "'System' updated '123@icewarpdemo.com'\n"
#define SET    HEAD "'smtp.max_errors' updated 'root': '20' -> '50'\n"
#define DENIED HEAD "Access denied 'eve': tool set\n"
    static const char *const want[] = { "", CHANGE SET, DENIED, CHANGE SET DENIED };
    for (int l = LOG_NONE; l <= LOG_EXTENDED; l++) {
        log_set_level(LOG_MAINTENANCE, (enum log_level)l);
        event(object_changed, log_here(), F_STR(object, "System"),
              F_STR(admin, "123@icewarpdemo.com"));
        event(setting_changed, log_here(), F_STR(object, "smtp.max_errors"), F_STR(admin, "root"),
              F_STR(old, "20"), F_STR(new, "50"));
        event(access_denied, log_here(), F_STR(admin, "eve"), F_STR(what, "tool set"));
        expect(want[l]);
    }
}

static void test_errors(void **state)
{
    (void)state;
    log_set_level(LOG_ERRORS, LOG_NONE); /* always on */
    log_error("cannot open %s: %s", "x", "no such file");
    struct logctx c = { .type = LOG_SMTP, .id = 0xffff, .source = "10.0.0.1" };
    log_thread_session(&c);
    log_warn("slow disk");
    expect("SYSTEM          [0000] 10:47:14 Error: cannot open x: no such file\n"
           "10.0.0.1        [FFFF] 10:47:14 Warning: slow disk\n");
}

static void test_levels(void **state)
{
    (void)state;
    struct logctx c = { .type = LOG_POP3, .id = 1 };
    for (int l = LOG_NONE; l <= LOG_EXTENDED; l++) {
        log_set_level(LOG_POP3, (enum log_level)l);
        assert_true(log_on(LOG_POP3, LOG_SUMMARY) == (l >= LOG_SUMMARY));
        assert_true(log_on(LOG_POP3, LOG_EXTENDED) == (l >= LOG_EXTENDED));
        log_in(&c, S("QUIT"));
        summary(&c, SV_NULL, SV_NULL, 0, 0, 0, "OK", NULL);
        log_line(&c, LOG_EXTENDED, "x");
        size_t lines = 0;
        for (size_t i = 0; i < got.n; i++)
            lines += got.p[i] == '\n';
        assert_int_equal(lines, l);
        buf_reset(&got);
    }
    log_configure_levels((const int64_t[LOG_TYPE_COUNT]){ 3, -1, 99 });
    assert_true(log_on(LOG_SMTP, LOG_EXTENDED));
    assert_false(log_on(LOG_POP3, LOG_SUMMARY));
    assert_false(log_on(LOG_IMAP, LOG_SUMMARY));
    assert_true(log_on(LOG_ERRORS, LOG_EXTENDED));
}

static void test_hostile(void **state)
{
    (void)state;
    struct logctx c = { .type = LOG_SMTP, .id = 2, .source = "10.0.0.1" };
    log_in(&c, S("HELO a\nSYSTEM          [0001] 10:00:00 forged\x1b[2J\xff \xc3\xa9\r\n"));
    log_in(&c, sv_n("a\0b\rc", 5));
    log_line(&c, LOG_DEBUG, "%s", "text\nSYSTEM [0001] 10:00:00 forged");
    /* Lines of their own, as of a multi-line reply: they cannot look like ours. */
    log_in(&c, S("220-a\r\nSYSTEM          [0001] 10:00:00 forged\r\n[12ab] 99:x\r\n220 b"));
    log_in(&c, S(""));
    log_in(&c, S("\r\n"));
    expect("10.0.0.1        [0002] 10:47:14 <<< HELO a\\x0aSYSTEM          [0001] 10:00:00 "
           "forged\\x1b[2J\\xff \xc3\xa9\n"
           "10.0.0.1        [0002] 10:47:14 <<< a\\x00b\\x0dc\n"
           "10.0.0.1        [0002] 10:47:14 text\\x0aSYSTEM [0001] 10:00:00 forged\n"
           "10.0.0.1        [0002] 10:47:14 <<< 220-a\n"
           "SYSTEM          \\x5b0001] 10:00:00 forged\n"
           "\\x5b12ab] 99:x\n"
           "220 b\n"
           "10.0.0.1        [0002] 10:47:14 <<< \n"
           "10.0.0.1        [0002] 10:47:14 <<< \n");
}

static void test_long_lines(void **state)
{
    (void)state;
    struct logctx c = { .type = LOG_SMTP, .id = 2, .source = "10.0.0.1" };
    char big[1000];
    memset(big, 'a', sizeof(big));
    log_set_max_line(100);
    log_in(&c, sv_n(big, 100));
    char want[400];
    snprintf(want, sizeof(want), "10.0.0.1        [0002] 10:47:14 <<< %.100s\n", big);
    expect(want);
    log_in(&c, sv_n(big, 101));
    snprintf(want, sizeof(want), "10.0.0.1        [0002] 10:47:14 <<< %.100s... (cut, 101 bytes)\n",
             big);
    expect(want);
    memset(big, 1, sizeof(big)); /* escapes count too */
    log_in(&c, sv_n(big, 1000));
    assert_true(got.n < 200 && has("\\x01... (cut, 1000 bytes)\n"));
    buf_reset(&got);
    for (size_t i = 0; i + 1 < sizeof(big); i += 2)
        memcpy(big + i, "\xc3\xa9", 2);
    log_set_max_line(101); /* would end in the middle of a character */
    log_in(&c, sv_n(big, 1000));
    assert_true(has("\xc3\xa9... (cut, 1000 bytes)\n"));
    assert_false(has("\\x"));
    buf_reset(&got);
}

static void test_huge_entry(void **state)
{
    (void)state;
    struct logctx c = { .type = LOG_SMTP, .id = 2, .source = "10.0.0.1" };
    log_set_max_line(64 * KiB);
    _cleanup_(freep) char *big = xmalloc(4 * MiB);
    memset(big, 1, 4 * MiB);
    log_in(&c, sv_n(big, 4 * MiB));
    assert_true(got.n < 70 * KiB);
    buf_reset(&got);
    for (size_t i = 0; i < 4 * MiB; i += 4)
        memcpy(big + i, "ab\r\n", 4);
    log_out(&c, sv_n(big, 4 * MiB)); /* many continuation lines */
    assert_true(got.n < 40 * KiB);
    assert_int_equal(got.p[got.n - 1], '\n');
    assert_true(has("\n... (cut, "));
    buf_reset(&got);
    big[4 * MiB - 1] = '\0';
    log_line(&c, LOG_DEBUG, "%s", big);
    assert_true(got.n < 70 * KiB);
    buf_reset(&got);
    summary(&c, sv_n(big, 4 * MiB), sv_n(big, 4 * MiB), 1, 1, 1, "OK", "x");
    assert_true(got.n < 140 * KiB && got.p[got.n - 1] == '\n');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_client_session, setup, teardown),
        cmocka_unit_test_setup_teardown(test_server_session, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sources, setup, teardown),
        cmocka_unit_test_setup_teardown(test_auth, setup, teardown),
        cmocka_unit_test_setup_teardown(test_auth_levels, setup, teardown),
        cmocka_unit_test_setup_teardown(test_maint_levels, setup, teardown),
        cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_levels, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hostile, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(test_huge_entry, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
