/* Tests of a message's life, its content, and the trace headers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "mail/message/message.h"
#include "os/file.h"

#include <unistd.h>

static void test_life(void **state)
{
    (void)state;
    struct message *m = message_new();
    assert_true(m->key != 0);
    assert_string_equal(m->sender, "");
    assert_string_equal(m->spool_path, "");
    struct rcpt *r = message_add_rcpt(m, SV("a@b"), RCPT_LOCAL);
    assert_string_equal(r->answer, "");
    message_set(&r->answer, SV("x"));
    message_set(&r->answer, SV(""));
    message_set(&r->answer, sv_c(r->address));            /* from another field */
    message_set(&r->answer, sv_skip(sv_c(r->answer), 1)); /* from itself */
    assert_string_equal(r->answer, "@b");
    assert_ptr_equal(message_ref(m), m);
    message_unref(m);
    message_unref(m);
    message_unref(NULL);
}

static void test_content(void **state)
{
    (void)state;
    _cleanup_(message_unrefp) struct message *m = message_new();
    struct buf tmp, b;
    struct sv got;
    struct errinfo ei;
    buf_init(&tmp, 1024);
    buf_init(&b, 1024);
    assert_int_equal(message_read(m, &tmp, &got, &ei), E_NOTFOUND);
    assert_int_equal(buf_add_str(&b, "Subject: x\r\n\r\nbody\r\n"), 0);
    message_take_content(m, &b);
    assert_int_equal(m->size, 20);
    assert_int_equal(message_read(m, &tmp, &got, &ei), 0);
    assert_true(sv_eq(got, SV("Subject: x\r\n\r\nbody\r\n")));

    char path[] = "/tmp/posthorn-message-XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(os_write_all(fd, "in a file", 9), 0);
    close(fd);
    message_drop_content(m);
    message_set(&m->spool_path, sv_c(path));
    assert_int_equal(message_read(m, &tmp, &got, &ei), 0);
    assert_true(sv_eq(got, SV("in a file")));
    unlink(path);
    assert_true(message_read(m, &tmp, &got, &ei) < 0);
    buf_done(&tmp);
    buf_done(&b);
}

static void test_trace(void **state)
{
    (void)state;
    setenv("TZ", "Europe/Rome", 1);
    tzset();
    struct trace_facts t = {
        .helo = SV("mail.example.org"),
        .peer_ip = SV("192.0.2.7"),
        .peer_host = SV("ptr.example.org"),
        .by = SV("mx.example.net"),
        .protocol = "ESMTPS",
        .tls_info = SV("TLSv1.3 TLS_AES_256_GCM_SHA384"),
        .for_rcpt = SV("bob@example.net"),
        .id = SV("OSA88513"),
        .wall_s = 1317804434,
    };
    struct buf b;
    buf_init(&b, 4096);
    assert_int_equal(message_trace_headers(&t, SV("ann@example.org"), &b), 0);
    assert_int_equal(buf_terminate(&b), 0);
    assert_string_equal(b.p, "Return-Path: <ann@example.org>\r\n"
                             "Received: from mail.example.org (ptr.example.org [192.0.2.7])\r\n"
                             "\tby mx.example.net with ESMTPS\r\n"
                             "\t(TLSv1.3 TLS_AES_256_GCM_SHA384) id OSA88513\r\n"
                             "\tfor <bob@example.net>;\r\n"
                             "\tWed, 05 Oct 2011 10:47:14 +0200\r\n");
    buf_reset(&b);
    /* A hostile HELO can neither break the line nor leave the field. */
    t.helo = SV("x) by evil (\r\nBcc: y;\t<z>");
    t.peer_ip = SV("2001:db8::1");
    t.peer_host = t.tls_info = t.for_rcpt = SV("");
    assert_int_equal(message_trace_headers(&t, SV("a\r\n@b"), &b), 0);
    assert_int_equal(buf_terminate(&b), 0);
    assert_string_equal(b.p, "Return-Path: <a??@b>\r\n"
                             "Received: from x??by?evil????Bcc:?y???z? ([IPv6:2001:db8::1])\r\n"
                             "\tby mx.example.net with ESMTPS id OSA88513;\r\n"
                             "\tWed, 05 Oct 2011 10:47:14 +0200\r\n");
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_content),
        cmocka_unit_test(test_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
