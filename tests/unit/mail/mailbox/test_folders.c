/* Folders: names, hierarchy, rename and delete, listing, subscriptions, uidvalidity. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "conf/conf.h"
#include "fixture.h"

static bool list_one(const struct folder *f, void *arg)
{
    struct buf *b = arg;
    buf_addf(b, "%s%s%s%s%s%s ", f->name, f->exists ? "" : "!", f->subscribed ? "+" : "",
             f->has_children ? "/" : "", *f->special_use ? ":" : "", f->special_use);
    return true;
}

static void check_list(struct mailbox *m, const char *want)
{
    _cleanup_(buf_done) struct buf b;
    buf_init(&b, 64 * KiB);
    ok(mailbox_folders(m, true, list_one, &b, &ei));
    buf_terminate(&b);
    assert_string_equal(b.p, want);
}

static int create(struct mailbox *m, const char *name)
{
    return mailbox_create_folder(m, sv_c(name), "", NULL);
}

/* An account without default folders, to see the rest. */
static struct mailbox *plain(struct fixture *f)
{
    static const char *const names[] = { "Drafts", "Sent", "Trash", "Junk", "Archive" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        ok(mailbox_delete_folder(f->m, sv_c(names[i]), &ei));
        ok(mailbox_subscribe(f->m, sv_c(names[i]), false, &ei));
    }
    return f->m;
}

static void test_defaults(void **state)
{
    struct fixture *f = *state;
    check_list(f->m, "INBOX+ Archive+:\\Archive Drafts+:\\Drafts Junk+:\\Junk Sent+:\\Sent "
                     "Trash+:\\Trash ");
    assert_int_equal(fx_folder(f->m, "inBox"), mailbox_inbox_id(f->m));
}

static void test_names(void **state)
{
    struct fixture *f = *state;
    char longest[1100];
    memset(longest, 'x', sizeof(longest));
    longest[1001] = '\0';
    assert_int_equal(create(f->m, longest), E_RANGE);
    longest[1000] = '\0';
    assert_int_equal(create(f->m, longest), 0);
    static const char *const bad[] = { "",      "/",    "/a",       "a//b",       "a\tb",
                                       "a\x7f", "\xff", "a\r\nb c", "x\xc2\x85y", "a//" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct errinfo ei = { .text = "" };
        assert_int_equal(mailbox_create_folder(f->m, sv_c(bad[i]), "", &ei), E_RANGE);
        assert_true(strlen(ei.text) > 10);
    }
    assert_int_equal(mailbox_create_folder(f->m, sv_n("a\0b", 3), "", NULL), E_RANGE);
    assert_int_equal(create(f->m, "inbox"), E_EXISTS);
    assert_int_equal(create(f->m, "inbox/sub"), 0);
    assert_true(fx_folder(f->m, "INBOX/sub") > 0);
    assert_int_equal(create(f->m, "inboxes/"), 0);
    assert_true(fx_folder(f->m, "inboxes") > 0);
    assert_int_equal(create(f->m, "Z\xc3\xbcrich & 100%* (x)"), 0);
}

static void test_hierarchy(void **state)
{
    struct mailbox *m = plain(*state);
    check_list(m, "INBOX+ ");
    assert_int_equal(create(m, "a/b/c"), 0);
    assert_int_equal(create(m, "a-b"), 0);
    assert_int_equal(create(m, "B"), 0);
    assert_int_equal(create(m, "a/b"), E_EXISTS);
    check_list(m, "INBOX+ B a/ a-b a/b/ a/b/c ");
    /* A parent may go, its children stay. */
    ok(mailbox_delete_folder(m, SV("a/b"), &ei));
    ok(mailbox_delete_folder(m, SV("a"), &ei));
    check_list(m, "INBOX+ B a!/ a-b a/b!/ a/b/c ");
    assert_int_equal(mailbox_delete_folder(m, SV("a"), NULL), E_NOTFOUND);
    assert_int_equal(create(m, "a"), 0);
    check_list(m, "INBOX+ B a/ a-b a/b!/ a/b/c ");
    assert_int_equal(mailbox_delete_folder(m, SV("inbox"), NULL), E_PERM);
    assert_int_equal(mailbox_delete_folder(m, SV("x//y"), NULL), E_NOTFOUND);
}

static void test_rename(void **state)
{
    struct mailbox *m = plain(*state);
    create(m, "a/b/c");
    create(m, "ab");
    create(m, "z");
    fx_add(m, fx_folder(m, "a/b"), 1, "moved", 0);
    int64_t id = fx_folder(m, "a/b");
    ok(mailbox_rename_folder(m, SV("a"), SV("x/y"), &ei));
    check_list(m, "INBOX+ ab x/ x/y/ x/y/b/ x/y/b/c z ");
    assert_int_equal(fx_folder(m, "x/y/b"), id);
    _cleanup_(snap_unrefp) const struct snap *s = fx_snap(m, id, NULL);
    assert_int_equal(s->n, 1);
    assert_int_equal(mailbox_rename_folder(m, SV("nope"), SV("q"), NULL), E_NOTFOUND);
    assert_int_equal(mailbox_rename_folder(m, SV("x"), SV("z"), NULL), E_EXISTS);
    assert_int_equal(mailbox_rename_folder(m, SV("z"), SV("INBOX"), NULL), E_EXISTS);
    assert_int_equal(mailbox_rename_folder(m, SV("x"), SV("x/y/in"), NULL), E_RANGE);
    assert_int_equal(mailbox_rename_folder(m, SV("z"), SV("q//r"), NULL), E_RANGE);
    check_list(m, "INBOX+ ab x/ x/y/ x/y/b/ x/y/b/c z ");
    /* A child takes the place of a parent that is gone. */
    ok(mailbox_delete_folder(m, SV("x/y"), &ei));
    ok(mailbox_rename_folder(m, SV("x/y/b"), SV("x/y"), &ei));
    check_list(m, "INBOX+ ab x/ x/y/ x/y/c z ");
}

static void test_rename_inbox_moves_its_messages(void **state)
{
    struct mailbox *m = plain(*state);
    create(m, "INBOX/child");
    for (uint64_t k = 1; k <= 5; k++)
        fx_add(m, INBOX_ID, k, "old", k == 2 ? FLAG_SEEN : 0);
    ok(mailbox_rename_folder(m, SV("Inbox"), SV("old/2024"), &ei));
    check_list(m, "INBOX+/ INBOX/child old/ old/2024 ");
    _cleanup_(snap_unrefp) const struct snap *s = fx_snap(m, fx_folder(m, "old/2024"), NULL);
    _cleanup_(snap_unrefp) const struct snap *i = fx_snap(m, INBOX_ID, NULL);
    assert_int_equal(s->n, 5);
    assert_int_equal(s->m[1].flags, FLAG_SEEN);
    assert_int_equal(i->n, 0);
    assert_int_equal(i->uidnext, 6);
    assert_int_equal(mailbox_rename_folder(m, SV("INBOX"), SV("old"), NULL), E_EXISTS);
}

static void test_subscriptions(void **state)
{
    struct mailbox *m = plain(*state);
    create(m, "s");
    ok(mailbox_subscribe(m, SV("s"), true, &ei));
    ok(mailbox_subscribe(m, SV("s"), true, &ei));
    ok(mailbox_subscribe(m, SV("not/there"), true, &ei));
    ok(mailbox_delete_folder(m, SV("s"), &ei));
    check_list(m, "INBOX+ not/there!+ s!+ ");
    ok(mailbox_subscribe(m, SV("not/there"), false, &ei));
    ok(mailbox_subscribe(m, SV("never"), false, &ei));
    check_list(m, "INBOX+ s!+ ");
}

static void test_uidvalidity_grows(void **state)
{
    struct fixture *f = *state;
    uint32_t last = 0;
    for (int i = 0; i < 20; i++) {
        struct arena a;
        struct folder folder;
        arena_init(&a, 4096);
        assert_int_equal(create(f->m, "again"), 0);
        ok(mailbox_folder(f->m, SV("again"), &a, &folder, &ei));
        assert_true(folder.uidvalidity > last);
        last = folder.uidvalidity;
        fx_add(f->m, folder.id, 100 + (uint64_t)i, "u", 0);
        ok(mailbox_delete_folder(f->m, SV("again"), &ei));
        const struct snap *s;
        assert_int_equal(mailbox_snapshot(f->m, folder.id, NULL, &s, NULL), E_NOTFOUND);
        arena_done(&a);
        if (i == 10)
            fx_reopen(f);
    }
    uint64_t bytes = 0, n = 0;
    ok(mailbox_usage(f->m, &bytes, &n, &ei));
    assert_int_equal(n, 0);
}

static void test_limit(void **state)
{
    struct fixture *f = *state;
    struct conf *c = NULL;
    struct conf_pair p = { "mailbox.max_folders", "10" };
    ok(conf_build(&p, 1, &c, &ei));
    conf_publish(c);
    assert_int_equal(create(f->m, "a/b/c/d"), 0);
    assert_int_equal(create(f->m, "e"), E_LIMIT);
    assert_int_equal(create(f->m, "a"), E_EXISTS);
    assert_int_equal(mailbox_rename_folder(f->m, SV("Sent"), SV("new/parent/Sent"), NULL), E_LIMIT);
    ok(conf_build(NULL, 0, &c, &ei));
    conf_publish(c);
}

static void test_one_folder_by_name(void **state)
{
    struct fixture *f = *state;
    struct arena a;
    struct folder x = { .id = 0 };
    arena_init(&a, 4096);
    create(f->m, "Sent/2024");
    fx_add(f->m, fx_folder(f->m, "Sent"), 1, "s", FLAG_SEEN);
    fx_add(f->m, fx_folder(f->m, "Sent"), 2, "s", 0);
    ok(mailbox_folder(f->m, SV("Sent"), &a, &x, &ei));
    assert_string_equal(x.name, "Sent");
    assert_string_equal(x.special_use, "\\Sent");
    assert_true(x.exists && x.subscribed && x.has_children);
    assert_int_equal(x.messages, 2);
    assert_int_equal(x.unseen, 1);
    assert_int_equal(x.uidnext, 3);
    assert_int_equal(x.bytes, 2 * fx_message("s").n);
    assert_int_equal(mailbox_folder(f->m, SV("sent"), &a, &x, NULL), E_NOTFOUND);
    assert_int_equal(mailbox_folder(f->m, SV("Sent/"), &a, &x, NULL), E_NOTFOUND);
    arena_done(&a);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fx_setup, fx_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_defaults),
        T(test_names),
        T(test_hierarchy),
        T(test_rename),
        T(test_rename_inbox_moves_its_messages),
        T(test_subscriptions),
        T(test_uidvalidity_grows),
        T(test_limit),
        T(test_one_folder_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
