/* The log of a session reads like the administrator's guide shows it: the same types of line in the
 * same order. (Diagnosis guide, "Server" transcripts.) */
#include "fixture.h"

#include <regex.h>

#include "base/clock.h"

/* What a line is, by what follows the time. */
static const struct {
    const char *type, *pattern;
} types[] = {
    { "connected", "^Connected, local IP=[0-9.]+$" },
    { "banner", "^>>> 220 [^ ]+ ESMTP [A-Za-z]+( [0-9.]+)?( \\([-0-9]+\\))?; [A-Z][a-z]{2}, "
                "[0-9]{2} [A-Z][a-z]{2} [0-9]{4} "
                "[0-9:]{8} [-+][0-9]{4}$" },
    { "hello", "^<<< [eEhH][hHeE][lL][oO] [^ ]+" },
    { "hello-reply", "^>>> 250[- ][^ ]+ Hello [^ ]+ \\[[0-9.]+\\], pleased to meet you\\.$" },
    { "hello-more", "^250[- ][A-Z0-9]+" },
    { "mail", "^<<< [mM][aA][iI][lL] [fF][rR][oO][mM]:" },
    { "mail-reply", "^>>> 250 2\\.1\\.0 <[^>]*>\\.\\.\\. Sender ok$" },
    { "rcpt", "^<<< [rR][cC][pP][tT] [tT][oO]:" },
    { "rcpt-reply", "^>>> 250 2\\.1\\.5 <[^>]+>\\.\\.\\. Recipient ok(; will forward)?$" },
    { "data", "^<<< [dD][aA][tT][aA]$" },
    { "data-reply", "^>>> 354 Enter mail, end with \"\\.\" on a line by itself$" },
    { "bytes", "^<<< [0-9]+ bytes \\(overall data transfer speed=[0-9]+ B/s\\)$" },
    { "processing", "^Start of mail processing$" },
    { "summary", "^\\*\\*\\* <[^>]*> <[^>]*> [0-9]+ [0-9]+ [0-9:]{8} "
                 "(OK|TIMEOUT|INCOMPLETE-SESSION)( [A-Z]{3}[0-9]{5})?$" },
    { "accept", "^>>> 250 2\\.6\\.0 [0-9]+ bytes received in [0-9:]{8}; Message id "
                "[A-Z]{3}[0-9]{5} accepted for delivery$" },
    { "quit", "^<<< [qQ][uU][iI][tT]$" },
    { "quit-reply", "^>>> 221 2\\.0\\.0 [^ ]+ closing connection$" },
    { "rset", "^<<< [rR][sS][eE][tT]$" },
    { "rset-reply", "^>>> 250 2\\.0\\.0 Reset state$" },
    { "421", "^>>> 421 " },
    { "disconnected", "^Disconnected$" },
};

static bool matches(const char *pattern, const char *text)
{
    regex_t re;
    assert_int_equal(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
    bool hit = regexec(&re, text, 0, NULL, 0) == 0;
    regfree(&re);
    return hit;
}

static const char *type_of(const char *text)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (matches(types[i].pattern, text))
            return types[i].type;
    fail_msg("a line of no known type: %s", text);
    return "";
}

/* Types of all lines, separated by blanks. The guide's own dates and ids are text like any other.
 */
static char *line_types(struct sv log, bool skip_more)
{
    static const char *const head = "^[0-9.]+ +\\[[0-9A-Z]{4}\\] [0-9]{2}:[0-9]{2}:[0-9]{2} ";
    struct buf b;
    size_t n;
    buf_init(&b, 64 * KiB);
    while (log.n) {
        struct sv line = sv_split(&log, '\n');
        _cleanup_(freep) char *text = sv_dup(line);
        bool continued = matches("^250[- ]", text);
        if (!continued && !matches(head, text))
            fail_msg("not a log line: %s", text);
        const char *behind = continued ? text : strchr(text, ']') + 11;
        if (!continued || !skip_more)
            (void)buf_addf(&b, "%s ", type_of(behind));
    }
    return buf_take(&b, &n);
}

static void compare(const char *guide, const struct buf *log)
{
    char *want = line_types(sv_c(guide), true), *got = line_types(buf_sv(log), true);
    assert_string_equal(got, want);
    free(want);
    free(got);
}

static void test_good_delivery(void **state)
{
    static const char guide[] =
        "192.168.26.42 [OEC4] 10:47:13 Connected, local IP=192.168.26.218\n"
        "192.168.26.42 [OEC4] 10:47:13 >>> 220 localhost ESMTP IceWarp 10.3.4; Wed, 05 Oct 2011 "
        "10:47:13 +0200\n"
        "192.168.26.42 [OEC4] 10:47:13 <<< EHLO icewarpdemo.com [127.0.0.1]\n"
        "192.168.26.42 [OEC4] 10:47:13 >>> 250-localhost Hello icewarpdemo.com [192.168.26.42], "
        "pleased to meet you.\n"
        "192.168.26.42 [OEC4] 10:47:13 <<< MAIL FROM:<admin@icewarpdemo.com>\n"
        "192.168.26.42 [OEC4] 10:47:13 >>> 250 2.1.0 <admin@icewarpdemo.com>... Sender ok\n"
        "192.168.26.42 [OEC4] 10:47:13 <<< RCPT TO:<test@icewarp.it>\n"
        "192.168.26.42 [OEC4] 10:47:13 >>> 250 2.1.5 <test@icewarp.it>... Recipient ok; will "
        "forward\n"
        "192.168.26.42 [OEC4] 10:47:13 <<< DATA\n"
        "192.168.26.42 [OEC4] 10:47:13 >>> 354 Enter mail, end with \".\" on a line by itself\n"
        "192.168.26.42 [OEC4] 10:47:13 <<< 387 bytes (overall data transfer speed=383859 B/s)\n"
        "192.168.26.42 [OEC4] 10:47:13 Start of mail processing\n"
        "192.168.26.42 [OEC4] 10:47:13 *** <admin@icewarpdemo.com> <test@icewarp.it> 1 382 "
        "00:00:00 OK OSA88513\n"
        "192.168.26.42 [OEC4] 10:47:13 >>> 250 2.6.0 382 bytes received in 00:00:00; Message id "
        "OSA88513 accepted for "
        "delivery\n"
        "192.168.26.42 [OEC4] 10:47:13 <<< quit\n"
        "192.168.26.42 [OEC4] 10:47:13 >>> 221 2.0.0 localhost closing connection\n"
        "192.168.26.42 [OEC4] 10:47:13 Disconnected\n";
    struct fixture *f = *state;
    struct buf log;
    add_account(f, "icewarp.it", "test@icewarp.it", "secret");
    buf_init(&log, MiB);
    log_test_capture(&log);
    log_set_level(LOG_SMTP, LOG_DEBUG);
    dial(f, "192.168.26.42", "192.168.26.218", false);
    expect(f, "EHLO icewarpdemo.com [127.0.0.1]",
           "250-mx.example Hello icewarpdemo.com [192.168.26.42], ");
    expect(f, "MAIL FROM:<admin@icewarpdemo.com>",
           "250 2.1.0 <admin@icewarpdemo.com>... Sender ok");
    expect(f, "RCPT TO:<test@icewarp.it>", "250 2.1.5 <test@icewarp.it>... Recipient ok");
    expect(f, "DATA", "354 Enter mail, end with \".\" on a line by itself");
    expect(f, "Subject: x\r\n\r\nx\r\n.", "250 2.6.0 17 bytes received in 00:00:00; Message id ");
    expect(f, "quit", "221 2.0.0 mx.example closing connection");
    assert_true(conn_test_closed(f->c));
    compare(guide, &log);
    log_test_capture(NULL);
    buf_done(&log);
}

static void test_without_a_message(void **state)
{
    static const char guide[] =
        "127.0.0.1 [0208] 16:20:47 Connected, local IP=127.0.0.1\n"
        "127.0.0.1 [0208] 16:20:47 >>> 220 localhost ESMTP IceWarp 10.3.2; Thu, 01 Sep 2011 "
        "16:20:47 +0200\n"
        "127.0.0.1 [0208] 16:20:47 <<< EHLO [127.0.0.1]\n"
        "127.0.0.1 [0208] 16:20:47 >>> 250-localhost Hello [127.0.0.1] [127.0.0.1], pleased to "
        "meet you.\n"
        "127.0.0.1 [0208] 16:20:47 <<< QUIT\n"
        "127.0.0.1 [0208] 16:20:47 >>> 221 2.0.0 localhost closing connection\n"
        "127.0.0.1 [0208] 16:20:47 *** <> <> 0 0 00:00:00 INCOMPLETE-SESSION\n"
        "127.0.0.1 [0208] 16:20:47 Disconnected\n";
    struct fixture *f = *state;
    struct buf log;
    buf_init(&log, MiB);
    log_test_capture(&log);
    log_set_level(LOG_SMTP, LOG_DEBUG);
    dial(f, "127.0.0.1", "127.0.0.1", false);
    expect(f, "EHLO [127.0.0.1]", "250-");
    expect(f, "QUIT", "221 ");
    compare(guide, &log);
    log_test_capture(NULL);
    buf_done(&log);
}

/* The guide's server says nothing when it gives up; ours says 421 first (RFC 5321 3.8). */
static void test_timeout(void **state)
{
    static const char guide[] =
        "79.38.14.7 [05DC] 18:07:04 Connected, local IP=10.0.0.20\n"
        "79.38.14.7 [05DC] 18:07:04 >>> 220 smtp.example.it ESMTP IceWarp 10.3.1; Thu, 25 Aug 2011 "
        "18:07:04 +0200\n"
        "79.38.14.7 [05DC] 18:07:04 <<< EHLO localhost\n"
        "79.38.14.7 [05DC] 18:07:04 >>> 250-smtp.example.it Hello localhost [79.38.14.7], pleased "
        "to meet you.\n"
        "250-ENHANCEDSTATUSCODES\n"
        "250-SIZE\n"
        "79.38.14.7 [05DC] 18:07:04 <<< MAIL FROM:<admin@icewarpdemo.com> SIZE=19687\n"
        "79.38.14.7 [05DC] 18:07:04 >>> 250 2.1.0 <admin@icewarpdemo.com>... Sender ok\n"
        "79.38.14.7 [05DC] 18:07:04 <<< RCPT TO:<test@example.it>\n"
        "79.38.14.7 [05DC] 18:07:04 >>> 250 2.1.5 <test@example.it>... Recipient ok\n"
        "79.38.14.7 [05DC] 18:07:04 <<< DATA\n"
        "79.38.14.7 [05DC] 18:07:04 >>> 354 Enter mail, end with \".\" on a line by itself\n"
        "79.38.14.7 [05DC] 18:12:09 <<< 2736 bytes (overall data transfer speed=9 B/s)\n"
        "79.38.14.7 [05DC] 18:12:09 *** <admin@icewarpdemo.com> <test@example.it> 1 0 00:00:00 "
        "TIMEOUT IYG80904\n"
        "79.38.14.7 [05DC] 18:12:09 >>> 421 4.4.2 localhost\n"
        "79.38.14.7 [05DC] 18:12:09 Disconnected\n";
    struct fixture *f = *state;
    struct buf log;
    add_account(f, "example.it", "test@example.it", "secret");
    buf_init(&log, MiB);
    log_test_capture(&log);
    log_set_level(LOG_SMTP, LOG_DEBUG);
    dial(f, "79.38.14.7", "10.0.0.20", false);
    expect(f, "EHLO localhost", "250-");
    expect(f, "MAIL FROM:<admin@icewarpdemo.com> SIZE=19687", "250 ");
    expect(f, "RCPT TO:<test@example.it>", "250 ");
    expect(f, "DATA", "354 ");
    expect(f, "half of it", "");
    conn_test_advance(f->c, 300000);
    assert_true(conn_test_closed(f->c));
    compare(guide, &log);
    assert_non_null(strstr(log.p, "<<< 12 bytes (overall data transfer speed=0 B/s)"));
    log_test_capture(NULL);
    buf_done(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_good_delivery, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_without_a_message, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_timeout, fixture_open, fixture_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
