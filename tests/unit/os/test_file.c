/* Tests of os/file.h in a directory of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "os/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char root[] = "/tmp/posthorn-os-XXXXXX";

static char *at(const char *name)
{
    return xasprintf("%s/%s", root, name);
}

static int setup(void **state)
{
    (void)state;
    return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return os_remove_tree(root, NULL);
}

static void test_write_and_read(void **state)
{
    (void)state;
    struct errinfo ei;
    _cleanup_(freep) char *path = at("a");
    umask(0077);
    assert_int_equal(os_write_file_atomic(path, SV("one\r\n"), 0644, &ei), 0);
    assert_int_equal(os_write_file_atomic(path, SV("two"), 0640, &ei), 0);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    struct buf b;
    buf_init(&b, 10);
    assert_int_equal(os_read_file(path, &b, &ei), 0);
    assert_true(sv_eq(buf_sv(&b), SV("two")));
    assert_int_equal(os_read_file(path, &b, &ei), 0); /* appends */
    assert_true(sv_eq(buf_sv(&b), SV("twotwo")));
    buf_done(&b);
}

static void test_read_bounds(void **state)
{
    (void)state;
    struct errinfo ei;
    struct buf b;
    _cleanup_(freep) char *path = at("b");
    assert_int_equal(os_write_file_atomic(path, SV("0123456789"), 0600, NULL), 0);
    buf_init(&b, 10);
    assert_int_equal(os_read_file(path, &b, &ei), 0); /* exactly full */
    assert_int_equal(b.n, 10);
    buf_done(&b);
    buf_init(&b, 9);
    assert_int_equal(os_read_file(path, &b, &ei), -EFBIG);
    assert_non_null(strstr(ei.text, path));
    buf_done(&b);
    buf_init(&b, 4096);
    assert_int_equal(os_read_file("/proc/self/status", &b, &ei), 0); /* says size 0 */
    assert_true(b.n > 100);
    buf_done(&b);
    assert_int_equal(os_read_file("/nonexistent/x", &b, &ei), -ENOENT);
    assert_non_null(strstr(ei.text, "/nonexistent/x"));
    assert_int_equal(os_read_file("/tmp", &b, &ei), -EISDIR);
}

static void test_failed_write_keeps_old(void **state)
{
    (void)state;
    struct errinfo ei;
    _cleanup_(freep) char *dir = at("isdir"), *inner = at("isdir/x");
    assert_int_equal(os_mkdirs(inner, 0700, &ei), 0);
    assert_true(os_write_file_atomic(dir, SV("x"), 0600, &ei) < 0); /* a directory is in the way */
    assert_true(access(inner, F_OK) == 0);
    assert_int_equal(os_write_file_atomic("/nonexistent/f", SV("x"), 0600, &ei), -ENOENT);
    /* No temporary file is left. */
    _cleanup_(freep) char *cmd = xasprintf("test -z \"$(ls %s | grep tmp-)\"", root);
    assert_int_equal(system(cmd), 0);
}

static void test_mkdirs(void **state)
{
    (void)state;
    struct errinfo ei;
    _cleanup_(freep) char *deep = at("d//e/f/"), *file = at("file"), *below = at("file/x");
    assert_int_equal(os_mkdirs(deep, 0755, &ei), 0);
    assert_int_equal(os_mkdirs(deep, 0755, &ei), 0);
    assert_int_equal(os_mkdirs("/", 0755, &ei), 0);
    assert_int_equal(os_mkdirs("", 0755, &ei), -EINVAL);
    assert_int_equal(os_write_file_atomic(file, SV(""), 0600, &ei), 0);
    assert_int_equal(os_mkdirs(file, 0755, &ei), -ENOTDIR);
    assert_int_equal(os_mkdirs(below, 0755, &ei), -ENOTDIR);
    assert_non_null(strstr(ei.text, file));
}

static void test_remove_tree(void **state)
{
    (void)state;
    struct errinfo ei;
    _cleanup_(freep) char *tree = at("tree"), *sub = at("tree/a/b"), *f = at("tree/a/b/f");
    _cleanup_(freep) char *keep = at("keep"), *kept = at("keep/f"), *link = at("tree/a/link");
    assert_int_equal(os_mkdirs(sub, 0700, &ei), 0);
    assert_int_equal(os_mkdirs(keep, 0700, &ei), 0);
    assert_int_equal(os_write_file_atomic(f, SV("x"), 0600, &ei), 0);
    assert_int_equal(os_write_file_atomic(kept, SV("x"), 0600, &ei), 0);
    assert_int_equal(symlink(keep, link), 0);
    assert_int_equal(os_remove_tree(tree, &ei), 0);
    assert_int_equal(access(tree, F_OK), -1);
    assert_int_equal(access(kept, F_OK), 0);
    assert_int_equal(os_remove_tree(tree, &ei), 0); /* gone already */
    assert_int_equal(os_remove_tree(kept, &ei), 0); /* a file */
}

static void test_fsync(void **state)
{
    (void)state;
    assert_int_equal(os_fsync_dir(root), 0);
    assert_int_equal(os_fsync_parent(root), 0);
    assert_int_equal(os_fsync_parent("/tmp/"), 0);
    assert_int_equal(os_fsync_parent("name"), 0);
    assert_int_equal(os_fsync_dir("/nonexistent"), -ENOENT);
}

static void test_pwrite(void **state)
{
    (void)state;
    _cleanup_(freep) char *path = at("p");
    _cleanup_(closep) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(os_write_all(fd, "hello", 5), 0);
    assert_int_equal(os_pwrite_all(fd, "ipp", 3, 2), 0);
    char got[5];
    assert_int_equal(pread(fd, got, 5, 0), 5);
    assert_memory_equal(got, "heipp", 5);
    assert_int_equal(os_write_all(-1, "x", 1), -EBADF);
}

static void test_lock(void **state)
{
    (void)state;
    struct errinfo ei;
    _cleanup_(freep) char *path = at("lock");
    int fd = -1;
    assert_int_equal(os_lock_file(path, &fd, &ei), 0);
    pid_t pid = fork();
    if (pid == 0) {
        int other = -1;
        close(fd); /* the lock stays: the parent has the same open file */
        int r = os_lock_file(path, &other, &ei);
        _exit(r == E_CONFLICT && other == -1 && strstr(ei.text, path) ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    close(fd);
    assert_int_equal(os_lock_file(path, &fd, &ei), 0);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write_and_read),
        cmocka_unit_test(test_read_bounds),
        cmocka_unit_test(test_failed_write_keeps_old),
        cmocka_unit_test(test_mkdirs),
        cmocka_unit_test(test_remove_tree),
        cmocka_unit_test(test_fsync),
        cmocka_unit_test(test_pwrite),
        cmocka_unit_test(test_lock),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
