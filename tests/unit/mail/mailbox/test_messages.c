/* Adding, reading, flags, expunge, copy: what one client sees. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "fixture.h"

static void test_add_and_read(void **state)
{
    struct fixture *f = *state;
    int64_t inbox = mailbox_inbox_id(f->m);
    uint32_t uidvalidity = 0;
    const char *kw[] = { "$Forwarded", "work", NULL };
    struct mailbox_add a[2] = {
        { .key = 0x10, .content = SV("Subject: one\r\n\r\nx\r\n"), .internal_date_s = 1000 },
        { .key = 0x11,
          .content = SV("Subject: two\r\n\r\nyy\r\n"),
          .internal_date_s = 2000,
          .flags = FLAG_SEEN,
          .keywords = kw },
    };
    ok(mailbox_add(f->m, inbox, a, 2, false, 0, NULL, &uidvalidity, &ei));
    assert_int_equal(a[0].ret_uid, 1);
    assert_int_equal(a[1].ret_uid, 2);
    assert_true(uidvalidity > 1000000000);
    _cleanup_(snap_unrefp) const struct snap *s = fx_snap(f->m, inbox, NULL);
    assert_int_equal(s->n, 2);
    assert_int_equal(s->uidnext, 3);
    assert_int_equal(s->uidvalidity, uidvalidity);
    assert_int_equal(s->n_unseen, 1);
    assert_int_equal(s->first_unseen, 1);
    assert_int_equal(s->n_keywords, 2);
    assert_string_equal(s->keywords[0], "$Forwarded");
    assert_string_equal(s->keywords[1], "work");
    assert_int_equal(s->m[0].flags, 0);
    assert_int_equal(s->m[1].flags, FLAG_SEEN | (3ull << FLAG_KEYWORD0));
    assert_int_equal(s->m[1].size, a[1].content.n);
    assert_int_equal(snap_find_uid(s, 2), 1);
    assert_int_equal(snap_find_uid(s, 3), -1);
    int fd = -1;
    uint64_t size = 0;
    char text[64] = "";
    ok(mailbox_open_message(f->m, 0x11, &fd, &size, &ei));
    assert_int_equal(size, a[1].content.n);
    assert_int_equal(read(fd, text, sizeof(text)), (ssize_t)size);
    assert_memory_equal(text, a[1].content.p, size);
    close(fd);
    assert_int_equal(mailbox_open_message(f->m, 0x12, &fd, &size, NULL), E_NOTFOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_add_and_read, fx_setup, fx_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
