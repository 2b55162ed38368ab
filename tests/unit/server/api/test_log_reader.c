/* Tests of the log reader: every form of line (log_samples.txt), and what a search finds, compared
 * with a search of the plainest kind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/rand.h"
#include "os/file.h"
#include "server/api/log_reader.h"
#include "server/api/page.h"

#include <regex.h>
#include <stdio.h>
#include <unistd.h>

#define SAMPLES "tests/unit/server/api/log_samples.txt"

static char dir[] = "/tmp/posthorn-logs-XXXXXX";

static int setup(void **state)
{
    (void)state;
    memcpy(dir + strlen(dir) - 6, "XXXXXX", 6);
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return os_remove_tree(dir, NULL);
}

static void write_log(const char *name, struct sv text)
{
    _cleanup_(freep) char *path = xasprintf("%s/%s", dir, name);
    assert_int_equal(os_write_file_atomic(path, text, 0600, NULL), 0);
}

static void read_samples(struct buf *b)
{
    buf_init(b, MiB);
    if (os_read_file(SAMPLES, b, NULL) < 0)
        fail_msg("cannot read %s", SAMPLES);
}

/* --- lines --- */

static struct sv group(struct sv line, const regmatch_t *m)
{
    return m->rm_so < 0 ? SV_NULL : sv_n(line.p + m->rm_so, (size_t)(m->rm_eo - m->rm_so));
}

#define assert_sv(got, want)                                                                       \
    do {                                                                                           \
        if (!sv_eq(got, want))                                                                     \
            fail_msg("'" SV_FMT "' is not '" SV_FMT "'", SV_ARG(got), SV_ARG(want));               \
    } while (0)

/* Source, session, date, time of day with its thousandths, text. */
static void test_samples(void **state)
{
    (void)state;
    static const char form[] =
        "^([^][ ]*) *\\[([0-9A-Z]{4}|[0-9A-Z]{8})\\] "
        "([A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} ([0-9:]{8} [-+][0-9]{4})|[0-9:]{8,12}) "
        "(.*)$";
    struct buf b;
    regex_t re;
    size_t heads = 0, others = 0;
    assert_int_equal(regcomp(&re, form, REG_EXTENDED), 0);
    read_samples(&b);
    for (struct sv rest = buf_sv(&b); rest.n;) {
        struct sv line = sv_split(&rest, '\n');
        _cleanup_(freep) char *text = sv_dup(line);
        regmatch_t m[6];
        struct log_row row;
        bool head = regexec(&re, text, ARRAY_LEN(m), m, 0) == 0;
        if (log_row_parse(line, &row) != head)
            fail_msg("%s line: %s", head ? "not taken for a" : "taken for a", text);
        struct sv l = sv_n(text, line.n);
        if (head) {
            assert_sv(row.source, group(l, &m[1]));
            assert_sv(row.session, group(l, &m[2]));
            assert_sv(row.time, m[4].rm_so < 0 ? group(l, &m[3]) : group(l, &m[4]));
            assert_sv(row.text, group(l, &m[5]));
            heads++;
        } else {
            assert_null(row.time.p);
            assert_null(row.session.p);
            assert_sv(row.text, l);
            others++;
        }
    }
    assert_int_equal(others, 17); /* continuations, and the reports without a head */
    assert_true(heads > 190);
    regfree(&re);
    buf_done(&b);
}

static void test_odd_lines(void **state)
{
    (void)state;
    static const char *const no[] = {
        "",
        "[",
        "x [1234]",
        "x [1234] ",
        "x [1234] 10:47:1",
        "x [123] 10:47:14 a",
        "x [12345678 10:47:14 a",
        "x [1234] 1a:47:14 a",
        "x [12345678] Thu; 22 Apr 2006 22:01:42 +0200 a",
        "x [12345678] Thu, 22 Apr 2006 22:01:42",
    };
    struct log_row row;
    for (size_t i = 0; i < ARRAY_LEN(no); i++) {
        assert_false(log_row_parse(sv_c(no[i]), &row));
        assert_sv(row.text, sv_c(no[i]));
    }
    assert_true(log_row_parse(SV("2001:db8::1     [1D14] 17:34:43:897 Login policy"), &row));
    assert_sv(row.time, SV("17:34:43:897"));
    assert_true(log_row_parse(SV("x [1234] 10:47:14"), &row));
    assert_sv(row.text, SV(""));
}

/* --- search --- */

static void count(void *arg, struct sv line)
{
    size_t *n = arg;
    (void)line;
    ++*n;
}

static void collect(void *arg, struct sv line)
{
    buf_add_sv(arg, line);
    buf_add_c(arg, '\n');
}

/* As slow as can be. */
static void search_plainly(struct sv text, const struct log_search *s, struct buf *out)
{
    bool inside = true;
    while (text.n) {
        struct sv line = sv_split(&text, '\n');
        struct log_row row;
        if (log_row_parse(line, &row))
            inside = (!s->from.p || sv_cmp(sv_take(row.time, 8), s->from) >= 0) &&
                     (!s->to.p || sv_cmp(sv_take(row.time, 8), s->to) <= 0);
        if (inside && api_q_fits(s->filter, line))
            collect(out, line);
    }
}

static void make_log(struct buf *b, size_t bytes)
{
    static const char *const words[] = { "<<< MAIL FROM:", "Ann@Example.ORG", ">>> 250 2.1.0",
                                         "Client session", "OSA88513" };
    buf_init(b, 2 * bytes);
    for (int at = 0; b->n < bytes; at++) {
        uint64_t r = rand_u64();
        if (r % 16)
            buf_addf(b, "192.0.2.%-8d[%04X] %02d:%02d:%02d ", (int)(r >> 8 & 255),
                     (unsigned)(r >> 16 & 0xffff), at / 600 % 24, at / 10 % 60, at % 60);
        for (uint64_t k = r >> 32 & 7; k > 0; k--)
            buf_addf(b, "%s ", words[(r >> (8 + 3 * k)) % ARRAY_LEN(words)]);
        if (r % 5000 == 1) /* longer than what is read at once is cut by nobody */
            for (int k = 0; k < 9000; k++)
                buf_add_str(b, "0123456789");
        buf_add_c(b, '\n');
    }
}

static void test_search(void **state)
{
    (void)state;
    static const char *const filters[] = {
        NULL,   "osa88513", "ann@example.org;[1",   "client;-mail from:",
        "-osa", ">",        "nothing of this kind", "192.0.2.17;250"
    };
    struct buf log;
    make_log(&log, 3 * MiB);
    write_log("s20111005-00.log", buf_sv(&log));
    for (size_t i = 0; i < ARRAY_LEN(filters); i++)
        for (int window = 0; window < 3; window++) {
            struct log_search s = { .dir = dir,
                                    .type = LOG_SMTP,
                                    .ymd = 20111005,
                                    .filter = filters[i],
                                    .from = window > 0 ? SV("07:15:00") : SV_NULL,
                                    .to = window > 1 ? SV("09:59:59") : SV_NULL,
                                    .max = SIZE_MAX,
                                    .budget_ms = 600000 };
            struct buf want, got;
            buf_init(&want, 8 * MiB);
            buf_init(&got, 8 * MiB);
            search_plainly(buf_sv(&log), &s, &want);
            assert_int_equal(log_search(&s, collect, &got), 0);
            assert_int_equal(got.n, want.n);
            assert_true(got.n == 0 || memcmp(got.p, want.p, got.n) == 0);
            assert_int_equal(s.offset, log.n);
            buf_done(&want);
            buf_done(&got);
        }
    buf_done(&log);
}

/* In pages: nothing twice, nothing left out. */
static void test_pages(void **state)
{
    (void)state;
    struct buf log, want, got;
    make_log(&log, MiB);
    write_log("s20111005-00.log", sv_take(buf_sv(&log), log.n));
    write_log("s20111005-01.log",
              SV("x               [0001] 23:59:59 osa88513 in the next file\n"));
    buf_init(&want, 4 * MiB);
    buf_init(&got, 4 * MiB);
    struct log_search s = { .dir = dir, .type = LOG_SMTP, .ymd = 20111005, .filter = "osa88513" };
    search_plainly(buf_sv(&log), &s, &want);
    buf_add_str(&want, "x               [0001] 23:59:59 osa88513 in the next file\n");
    s.budget_ms = 600000;
    int r = 1;
    while (r == 1) {
        s.max = 7;
        r = log_search(&s, collect, &got);
    }
    assert_int_equal(r, 0);
    assert_int_equal(got.n, want.n);
    assert_memory_equal(got.p, want.p, got.n);
    buf_done(&log);
    buf_done(&want);
    buf_done(&got);
}

/* --- back --- */

struct place {
    unsigned nn;
    uint64_t offset;
};

static size_t add_places(struct place *v, size_t n, unsigned nn, struct sv text)
{
    uint64_t at = 0;
    for (struct sv rest = text; sv_find(rest, '\n') >= 0; n++) {
        v[n] = (struct place){ nn, at };
        at += sv_split(&rest, '\n').n + 1;
    }
    return n;
}

/* From any line back by any number: to where counting the lines says; not to another day. */
static void test_back(void **state)
{
    (void)state;
    struct place *v = xcalloc(20000, sizeof(*v));
    struct buf log[2];
    size_t n = 0;
    make_log(&log[0], 600 * KiB);
    make_log(&log[1], 20 * KiB);
    write_log("s20111004-00.log", SV("x               [0001] 23:59:59 the day before\n"));
    write_log("s20111005-00.log", buf_sv(&log[0]));
    n = add_places(v, n, 0, buf_sv(&log[0]));
    write_log("s20111005-01.log", SV(""));
    write_log("s20111005-03.log", buf_sv(&log[1]));
    n = add_places(v, n, 3, buf_sv(&log[1]));
    assert_true(n < 20000);
    for (int i = 0; i < 1000; i++) {
        uint64_t r = rand_u64();
        size_t from = i == 0 ? 0 : i == 1 ? n - 1 : r % n;
        unsigned lines = i % 7 == 0 ? 0 : (unsigned)(r >> 32) % (i % 3 ? 500 : (unsigned)n + 100);
        size_t to = from - MIN(from, (size_t)lines);
        struct log_search s = { .dir = dir,
                                .type = LOG_SMTP,
                                .ymd = 20111005,
                                .nn = v[from].nn,
                                .offset = v[from].offset };
        int gone = log_back(&s, lines);
        if (gone != (int)(from - to) || s.nn != v[to].nn || s.offset != v[to].offset)
            fail_msg("from line %zu back %u: %d lines, %u:%llu", from, lines, gone, s.nn,
                     (unsigned long long)s.offset);
    }
    struct log_search s = { .dir = dir, .type = LOG_SMTP, .ymd = 20111005, .nn = 3, .offset = 1 };
    assert_int_equal(log_back(&s, 5), E_NOTFOUND); /* in the middle of a line */
    s.offset = log[1].n;
    assert_int_equal(log_back(&s, 5), E_NOTFOUND); /* behind the last */
    s.offset = 0;
    s.nn = 2;
    assert_int_equal(log_back(&s, 5), E_NOTFOUND); /* no such file */
    free(v);
    buf_done(&log[0]);
    buf_done(&log[1]);
}

static void test_files(void **state)
{
    (void)state;
    struct log_file *v = NULL;
    size_t n = 0;
    write_log("s20111004-00.log", SV("x"));
    write_log("s20111005-00.log", SV("xx"));
    write_log("s20111005-01.log", SV("xxx"));
    write_log("p20111005-00.log", SV("another log's"));
    write_log("notes.txt", SV("of somebody"));
    assert_int_equal(log_list_files(dir, LOG_SMTP, 20111005, &v, &n), 0);
    assert_int_equal(n, 3);
    assert_string_equal(v[0].name, "s20111005-01.log");
    assert_string_equal(v[1].name, "s20111005-00.log");
    assert_string_equal(v[2].name, "s20111004-00.log");
    assert_true(v[0].current && !v[1].current && !v[2].current);
    assert_int_equal(v[0].size, 3);
    free(v);
    assert_int_equal(log_list_files(dir, LOG_SMTP, 20111006, &v, &n), 0);
    assert_false(v[0].current); /* of yesterday: complete */
    free(v);
    assert_int_equal(log_list_files(dir, LOG_DNS, 20111006, &v, &n), 0);
    assert_int_equal(n, 0);
    free(v);
}

static void test_all_samples_are_found(void **state)
{
    (void)state;
    struct buf b;
    size_t lines = 0, found = 0;
    read_samples(&b);
    for (size_t i = 0; i < b.n; i++)
        lines += b.p[i] == '\n';
    write_log("s20111005-00.log", buf_sv(&b));
    struct log_search s = {
        .dir = dir, .type = LOG_SMTP, .ymd = 20111005, .max = 10000, .budget_ms = 600000
    };
    assert_int_equal(log_search(&s, count, &found), 0);
    assert_int_equal(found, lines);
    buf_done(&b);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_samples), T(test_odd_lines), T(test_all_samples_are_found),
        T(test_search),  T(test_pages),     T(test_back),
        T(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
