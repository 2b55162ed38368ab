/* Every script of tests/sieve does what its "expect" lines say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "cases.h"

static const char dir[] = "tests/sieve";

/* An action with text of several lines is one line here. */
static void flatten(struct buf *b)
{
    for (size_t i = 0; i + 1 < b->n; i++)
        if (b->p[i] == '\r')
            b->p[i] = b->p[i + 1] = ' ';
}

static void check_case(const char *name)
{
    struct sieve_case c;
    struct sieve_problems p;
    struct sieve_result res = { 0 };
    struct arena a;
    struct buf out;
    arena_init(&a, SIEVE_ARENA);
    buf_init(&out, MiB);
    assert_true(case_load(dir, name, &c));
    if (case_run(&c, &res, &p, &a) < 0)
        fail_msg("%s: line %u: %s", name, p.v[0].line, p.v[0].text);
    print_actions(&res, &out);
    flatten(&out);
    if (!sv_eq(buf_sv(&out), sv_c(c.expect)))
        fail_msg("%s:\n" SV_FMT "wanted:\n%s", name, SV_ARG(buf_sv(&out)), c.expect);
    sieve_result_done(&res);
    case_done(&c);
    buf_done(&out);
    arena_done(&a);
}

static void cases(void **state _unused_)
{
    DIR *d = opendir(dir);
    size_t n = 0;
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        if (sv_iends(sv_c(e->d_name), SV(".sieve"))) {
            check_case(e->d_name);
            n++;
        }
    closedir(d);
    assert_true(n >= 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(cases) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
