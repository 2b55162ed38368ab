/* What the queue takes from a message's header: the subject as people read it, and low priority. */
#include "queue_test.h"

#include "base/codec.h"
#include "mail/queue/look.h"

static struct env e;

static int setup(void **state)
{
    (void)state;
    return env_start(&e);
}

static int teardown(void **state)
{
    (void)state;
    return env_end(&e);
}

static void check_subject(const char *header, const char *expected)
{
    struct buf b;
    buf_init(&b, SUBJECT_MAX);
    look_subject(sv_c(header), &b);
    assert_false(b.overflow);
    assert_true(utf8_valid(buf_sv(&b)));
    if (!sv_eq(buf_sv(&b), sv_c(expected)))
        fail_msg("'%s' gives '" SV_FMT "'", header, SV_ARG(buf_sv(&b)));
    buf_done(&b);
}

static void test_subject(void **state)
{
    (void)state;
    check_subject("From: a@b\r\nSubject: plain text \r\nTo: c@d\r\n\r\n", "plain text");
    check_subject("subject:no blank\n\n", "no blank");
    check_subject("SUBJECT: last line", "last line");
    check_subject("Subject: first\r\nSubject: second\r\n\r\n", "first");
    check_subject("From: a@b\r\n Subject: no field\r\nX-Subject: nor this\r\n\r\n", "");
    check_subject("Subject:\r\nTo: c@d\r\n\r\n", "");
    check_subject("Subject: \t\r\n \r\n\r\n", "");
    check_subject("", "");
    check_subject("Subject: in two\r\n\tlines\r\nTo: c@d\r\n\r\n", "in two lines");
    check_subject("Subject: =?UTF-8?Q?Gr=C3=B6?=\r\n =?utf-8?b?w59l?= of\r\n\r\n", "Größe of");
    check_subject("Subject: =?ISO-8859-1?Q?caff=E8?=\r\n\r\n", "caffè");
    check_subject("Subject: =?UTF-8?Q?two=0D=0Alines=00?=\r\n\r\n", "two  lines");
    check_subject("Subject: =?x-none?Q?a?= <b>\r\n\r\n", "a <b>");
    check_subject("Subject: \xff raw\r\n\r\n", "ÿ raw");
    check_subject("Subject: \xc2\x9b[2J\r\n\r\n", "\\xc2\\x9b[2J");
}

static void test_cut(void **state)
{
    (void)state;
    char header[400], expected[SUBJECT_MAX + 1];
    memset(expected, 'x', SUBJECT_MAX);
    expected[SUBJECT_MAX] = '\0';
    for (int i = 0; i < 4; i++) { /* where the border is in a character of 3 bytes */
        snprintf(header, sizeof(header), "Subject: %.*s€€ and more\r\n\r\n", SUBJECT_MAX - i,
                 expected);
        char kept[SUBJECT_MAX + 8];
        snprintf(kept, sizeof(kept), "%.*s%s", SUBJECT_MAX - i, expected, i == 3 ? "€" : "");
        check_subject(header, kept);
    }
}

struct seen {
    char subject[SUBJECT_MAX + 1];
    enum priority priority;
    unsigned n;
};

static bool see(const struct queue_info *i, void *arg)
{
    struct seen *s = arg;
    snprintf(s->subject, sizeof(s->subject), "%s", i->subject);
    s->priority = i->priority;
    s->n++;
    return true;
}

static struct seen accept_text(const char *head, size_t size)
{
    _cleanup_(message_unrefp) struct message *m = message_new();
    struct seen s = { 0 };
    struct buf b;
    message_assign_ids(m);
    message_add_rcpt(m, SV("far@example.net"), RCPT_REMOTE);
    buf_init(&b, 4 * MiB);
    assert_int_equal(buf_add_str(&b, head), 0);
    while (b.n < size)
        assert_int_equal(buf_add_str(&b, "Subject: of the body\r\n"), 0);
    message_take_content(m, &b);
    must_accept(e.q, m);
    queue_each(e.q, see, &s);
    assert_int_equal(s.n, 1);
    return s;
}

static void restart(bool crash, const char *expected)
{
    struct seen s = { 0 };
    if (crash)
        env_crash(&e);
    else
        env_close(&e);
    env_open(&e);
    queue_each(e.q, see, &s);
    assert_int_equal(s.n, 1);
    assert_string_equal(s.subject, expected);
}

/* In the journal and, too large for it, in its own file. */
static void test_kept(void **state)
{
    (void)state;
    static const char head[] =
        "List-Id: <l.example>\r\nSubject: =?UTF-8?Q?Gr=C3=B6=C3=9Fe?=\r\n\r\n";
    const size_t sizes[] = { 100, 1 * MiB };
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct seen s = accept_text(head, sizes[i]);
        assert_string_equal(s.subject, "Größe");
        assert_int_equal(s.priority, PRIORITY_LOW);
        restart(true, "Größe");
        restart(false, "Größe");
        env_end(&e);
        env_start(&e);
    }
}

static void test_none(void **state)
{
    (void)state;
    struct seen s = accept_text("Precedence: first-class\r\n\r\n", 500);
    assert_string_equal(s.subject, "");
    assert_int_equal(s.priority, PRIORITY_NORMAL);
    restart(true, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_subject),
        cmocka_unit_test(test_cut),
        cmocka_unit_test_setup_teardown(test_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_none, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
