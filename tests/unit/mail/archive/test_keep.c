/* The archive's files: what is wanted is there once, complete and findable; what cannot be written
 * makes mail wait or not, as is set; age takes days away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "conf/conf.h"
#include "log/log.h"
#include "mail/archive/archive.h"
#include "mail/archive/find.h"
#include "os/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOW_MS INT64_C(1795811896000) /* 2026-11-27 20:38:16 */
#define DAY_MS INT64_C(86400000)
#define BODY   "Subject: =?utf-8?q?caf=C3=A9?= tomorrow\r\nFrom: X <x@else.test>\r\n\r\nbody\r\n"

static char root[64], dir[96];
static struct archive *archive;
static struct buf logged;

static void settings(const char *name, const char *value)
{
    struct conf_pair pairs[] = { { "archive.enabled", "yes" }, { name, value } };
    struct conf *c = NULL;
    struct errinfo ei = { 0 };
    if (conf_build(pairs, name ? 2 : 1, &c, &ei) < 0)
        fail_msg("%s", ei.text);
    conf_publish(c);
}

static int setup(void **state)
{
    (void)state;
    snprintf(root, sizeof(root), "/tmp/posthorn-archive-XXXXXX");
    assert_non_null(mkdtemp(root));
    snprintf(dir, sizeof(dir), "%s/archive", root);
    buf_init(&logged, 16 * MiB);
    log_test_capture(&logged);
    settings(NULL, NULL);
    assert_int_equal(archive_open(dir, &archive, NULL), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    archive_close(archive);
    log_test_capture(NULL);
    buf_done(&logged);
    os_remove_tree(root, NULL);
    return 0;
}

static struct message *message_at(int64_t ms, const char *id, const char *sender)
{
    struct message *m = message_new();
    struct buf b;
    m->received_ms = ms;
    snprintf(m->id, sizeof(m->id), "%s", id);
    message_set(&m->sender, sv_c(sender));
    buf_init(&b, 1 * MiB);
    assert_int_equal(buf_add_str(&b, "Return-Path: <x@else.test>\r\n" BODY), 0);
    message_take_content(m, &b);
    return m;
}

static struct message *to_ann(const char *id)
{
    struct message *m = message_at(NOW_MS, id, "x@else.test");
    message_add_rcpt(m, SV("ann@home.test"), RCPT_LOCAL);
    return m;
}

static char *path_of(const struct message *m)
{
    char name[ENTRY_NAME], folder[ENTRY_FOLDER];
    entry_name(m->received_ms, m->id, m->key, name);
    entry_folder(name, folder);
    return xasprintf("%s/%s/%s.eml", dir, folder, name);
}

static bool is_there(const struct message *m)
{
    _cleanup_(freep) char *path = path_of(m);
    return access(path, F_OK) == 0;
}

static bool keep(struct message *m)
{
    bool wait = true;
    archive_keep(archive, &m, 1, &wait);
    return wait;
}

static void test_a_file_that_is_complete(void **state)
{
    (void)state;
    struct message *m = to_ann("OSA88513");
    struct buf b;
    struct stat st;
    message_add_rcpt(m, SV("bob@home.test"), RCPT_LOCAL);
    assert_false(keep(m));
    _cleanup_(freep) char *path = path_of(m);
    buf_init(&b, 1 * MiB);
    assert_int_equal(os_read_file(path, &b, NULL), 0);
    size_t n = entry_length(buf_sv(&b));
    assert_true(n > 0);
    assert_true(sv_eq(sv_skip(buf_sv(&b), n), SV("Return-Path: <x@else.test>\r\n" BODY)));
    assert_true(sv_find_sv(buf_sv(&b), SV("X-Archive-Recipient: local <bob@home.test>\r\n")) > 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(st.st_nlink, 1); /* nothing left below .new */
    buf_done(&b);
    message_unref(m);
}

static void test_a_repetition_changes_nothing(void **state)
{
    (void)state;
    struct message *m = to_ann("OSA88513");
    struct stat before, after;
    assert_false(keep(m));
    _cleanup_(freep) char *path = path_of(m);
    assert_int_equal(stat(path, &before), 0);
    atomic_store(&m->archived, false); /* as after a restart */
    assert_false(keep(m));
    assert_true(atomic_load(&m->archived));
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    message_unref(m);
}

static void test_a_batch(void **state)
{
    (void)state;
    struct message *m[20];
    bool wait[20];
    char id[16];
    for (size_t i = 0; i < ARRAY_LEN(m); i++) {
        snprintf(id, sizeof(id), "AAA%05zu", i);
        m[i] = to_ann(id);
        m[i]->received_ms += (int64_t)i * 3600 * 1000; /* over two days */
    }
    archive_keep(archive, m, ARRAY_LEN(m), wait);
    for (size_t i = 0; i < ARRAY_LEN(m); i++) {
        assert_false(wait[i]);
        assert_true(is_there(m[i]));
        message_unref(m[i]);
    }
}

static void test_content_of_a_spool_file(void **state)
{
    (void)state;
    struct message *m = to_ann("OSA88513");
    struct buf b;
    char spool[96];
    snprintf(spool, sizeof(spool), "%s/large", root);
    assert_int_equal(os_write_file_atomic(spool, m->content, 0600, NULL), 0);
    message_drop_content(m);
    message_set(&m->spool_path, sv_c(spool));
    assert_false(keep(m));
    _cleanup_(freep) char *path = path_of(m);
    buf_init(&b, 1 * MiB);
    assert_int_equal(os_read_file(path, &b, NULL), 0);
    assert_true(sv_eq(sv_skip(buf_sv(&b), entry_length(buf_sv(&b))),
                      SV("Return-Path: <x@else.test>\r\n" BODY)));
    buf_done(&b);
    message_unref(m);
}

static bool wanted(const char *name, const char *value, const struct message *m)
{
    settings(name, value);
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    return archive_wants(cf, m);
}

static void test_what_is_wanted(void **state)
{
    (void)state;
    struct message *in = to_ann("A1"), *out = message_at(NOW_MS, "A2", "x@home.test"),
                   *relayed = message_at(NOW_MS, "A3", "x@else.test");
    message_set(&out->auth_user, SV("bob@home.test"));
    message_add_rcpt(out, SV("far@else.test"), RCPT_REMOTE);
    message_add_rcpt(relayed, SV("far@other.test"), RCPT_REMOTE);
    assert_true(wanted(NULL, NULL, in) && wanted(NULL, NULL, out) && wanted(NULL, NULL, relayed));
    assert_true(wanted("archive.what", "received", in));
    assert_false(wanted("archive.what", "received", out));
    assert_false(wanted("archive.what", "sent", in));
    assert_true(wanted("archive.what", "sent", out));
    assert_true(wanted("archive.what", "sent", relayed));
    assert_true(wanted("archive.only", "Home.Test", in));
    assert_true(wanted("archive.only", "other.test;ann@home.test", in));
    assert_false(wanted("archive.only", "cid@home.test", in));
    assert_true(wanted("archive.only", "bob@home.test", out));
    assert_false(wanted("archive.only", "x@home.test", out)); /* the login counts */
    assert_true(wanted("archive.only", "else.test", relayed));
    assert_false(wanted("archive.except", "ann@home.test", in));
    message_add_rcpt(in, SV("bob@home.test"), RCPT_LOCAL);
    assert_true(wanted("archive.except", "ann@home.test", in));
    assert_false(wanted("archive.enabled", "no", in));
    message_unref(in);
    message_unref(out);
    message_unref(relayed);
}

static void test_off_writes_nothing(void **state)
{
    (void)state;
    struct message *m = to_ann("OSA88513");
    settings("archive.enabled", "no");
    assert_false(keep(m));
    assert_int_equal(access(dir, F_OK), -1);
    archive_keep(NULL, &m, 1, &(bool){ true });
    message_unref(m);
}

static void test_what_cannot_be_written(void **state)
{
    (void)state;
    struct message *m = to_ann("OSA88513");
    assert_int_equal(os_write_file_atomic(dir, SV("in the way"), 0600, NULL), 0);
    assert_true(keep(m));
    assert_true(sv_find_sv(buf_sv(&logged), SV("OSA88513 not archived: ")) >= 0);
    settings("archive.on_failure", "continue");
    assert_false(keep(m));
    assert_false(atomic_load(&m->archived));
    assert_true(sv_find_sv(buf_sv(&logged), SV("; it goes on without a copy")) >= 0);
    assert_int_equal(unlink(dir), 0);
    assert_false(keep(m));
    assert_true(is_there(m));
    message_unref(m);
}

static void test_age(void **state)
{
    (void)state;
    struct message *old = to_ann("A1"), *young = to_ann("A2");
    old->received_ms -= 2 * DAY_MS;
    assert_false(keep(old));
    assert_false(keep(young));
    assert_int_equal(archive_expire(dir, 0), 0);
    assert_int_equal(archive_expire(dir, NOW_MS - 2 * DAY_MS), 0); /* the day is not over then */
    assert_int_equal(archive_expire(dir, NOW_MS - DAY_MS), 1);
    assert_false(is_there(old));
    assert_true(is_there(young));
    message_unref(old);
    message_unref(young);
}

/* --- finding --- */

struct found {
    char text[600];
    size_t n;
};

static void note(const struct archive_row *r, void *arg)
{
    struct found *f = arg;
    size_t n = strlen(f->text);
    f->n++;
    snprintf(f->text + n, sizeof(f->text) - n, SV_FMT " ", SV_ARG(r->entry.id));
}

static struct found find_by(struct archive_query q, char next[ENTRY_NAME])
{
    struct found f = { 0 };
    struct errinfo ei = { 0 };
    char end[ENTRY_NAME];
    q.dir = dir;
    q.row = note;
    q.arg = &f;
    q.max_files = q.max_files ? q.max_files : 1000;
    q.max_rows = q.max_rows ? q.max_rows : 100;
    q.budget_ms = 60000;
    if (archive_find(&q, next ? next : end, &ei) < 0)
        fail_msg("%s", ei.text);
    return f;
}

static bool is_to_ann(const struct archive_row *r, void *arg)
{
    (void)arg;
    return sv_ieq(r->entry.rcpts[0].address, SV("ann@home.test"));
}

#define FIND(...) find_by((struct archive_query){ __VA_ARGS__ }, NULL).text

static void fill(void)
{
    static const char *const ids[] = { "AAA00001", "AAA00002", "AAA00003", "AAA00004" };
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        struct message *m =
            message_at(NOW_MS + (int64_t)i * 10 * 3600 * 1000, ids[i], "x@else.test");
        message_add_rcpt(m, i % 2 ? SV("bob@home.test") : SV("Ann@home.test"), RCPT_LOCAL);
        assert_false(keep(m));
        message_unref(m);
    }
}

static void test_finding(void **state)
{
    (void)state;
    assert_string_equal(FIND(0), ""); /* there is no archive yet */
    fill();
    assert_string_equal(FIND(0), "AAA00004 AAA00003 AAA00002 AAA00001 ");
    assert_string_equal(FIND(.sees = is_to_ann), "AAA00003 AAA00001 ");
    assert_string_equal(FIND(.subject = SV("caf\xc3\xa9 TOM")),
                        "AAA00004 AAA00003 AAA00002 AAA00001 ");
    assert_string_equal(FIND(.subject = SV("nothing")), "");
    assert_string_equal(FIND(.id = SV("aaa00002")), "AAA00002 ");
    assert_string_equal(FIND(.from_ms = NOW_MS + 10 * 3600 * 1000), "AAA00004 AAA00003 AAA00002 ");
    assert_string_equal(FIND(.to_ms = NOW_MS + 10 * 3600 * 1000), "AAA00001 ");
    assert_string_equal(FIND(.from_ms = NOW_MS + 1000, .to_ms = NOW_MS + 20 * 3600 * 1000),
                        "AAA00002 ");
}

static void test_pages(void **state)
{
    (void)state;
    char next[ENTRY_NAME] = "", all[700] = "", before[ENTRY_NAME] = "";
    unsigned pages = 0;
    fill();
    do {
        struct found f = find_by((struct archive_query){ .max_rows = 1,
                                                         .max_files = 2,
                                                         .sees = is_to_ann,
                                                         .before = *before ? before : NULL },
                                 next);
        assert_true(f.n <= 1);
        strncat(all, f.text, sizeof(all) - strlen(all) - 1);
        memcpy(before, next, sizeof(before));
    } while (*next && ++pages < 10);
    assert_string_equal(all, "AAA00003 AAA00001 ");
}

static void test_damaged_files_are_left_out(void **state)
{
    (void)state;
    struct message *m = to_ann("AAA00009");
    fill();
    assert_false(keep(m));
    _cleanup_(freep) char *path = path_of(m);
    assert_int_equal(truncate(path, 40), 0);
    assert_string_equal(FIND(0), "AAA00004 AAA00003 AAA00002 AAA00001 ");
    assert_true(sv_find_sv(buf_sv(&logged), SV("cannot be read")) >= 0);
    message_unref(m);
}

static int note_look(const struct archive_row *r, int fd, void *arg)
{
    char byte;
    assert_true(sv_eq(r->entry.id, SV("OSA88513")));
    assert_int_equal(r->size, strlen("Return-Path: <x@else.test>\r\n" BODY));
    assert_int_equal(pread(fd, &byte, 1, (off_t)r->entry.length), 1);
    assert_int_equal(byte, 'R');
    *(bool *)arg = true;
    return 0;
}

static void test_one_message(void **state)
{
    (void)state;
    struct message *m = to_ann("OSA88513");
    char name[ENTRY_NAME];
    bool seen = false;
    assert_false(keep(m));
    entry_name(m->received_ms, m->id, m->key, name);
    assert_int_equal(archive_look(dir, name, note_look, &seen, NULL), 0);
    assert_true(seen);
    assert_int_equal(archive_look(dir, "../x", note_look, &seen, NULL), E_NOTFOUND);
    name[0]++;
    assert_int_equal(archive_look(dir, name, note_look, &seen, NULL), E_NOTFOUND);
    message_unref(m);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_file_that_is_complete),
        TEST(test_a_repetition_changes_nothing),
        TEST(test_a_batch),
        TEST(test_content_of_a_spool_file),
        TEST(test_what_is_wanted),
        TEST(test_off_writes_nothing),
        TEST(test_what_cannot_be_written),
        TEST(test_age),
        TEST(test_finding),
        TEST(test_pages),
        TEST(test_damaged_files_are_left_out),
        TEST(test_one_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
