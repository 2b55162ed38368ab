/* Each condition, and the rules in their order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <time.h>
#include <zip.h>

#include "base/codec.h"
#include "mail/filter/filter_run.h"

static const char plain[] = "From: Ann <ann@a.test>\r\n"
                            "Subject: =?utf-8?q?Cheap_Pills?=\r\n"
                            "X-Spam: a\r\nX-Spam: b\r\n"
                            "\r\n"
                            "Buy our\r\npills\r\n";

static struct sv rcpts[] = { { "bob@b.test", 10 }, { "Carl@c.test", 11 } };

static struct filter_facts facts_of(struct sv message)
{
    return (struct filter_facts){
        .message = message,
        .sender = SV("Ann@A.test"),
        .rcpts = rcpts,
        .n_rcpts = 2,
        .helo = SV("mx.a.test"),
        .host = SV("host.a.test"),
        .user = SV("ann@a.test"),
        .ip = "192.0.2.7",
        .authenticated = true,
        .tls = true,
        .now_s = 1798113600, /* 2026-12-24 12:00 UTC, a Thursday */
    };
}

/* Hits, each a letter of the rule's name; "!" behind them for an error. */
static const char *run(const struct filter_facts *f, const char *text, struct filter_result *res)
{
    static char names[64];
    struct filter_result own = { 0 }, *r = res ? res : &own;
    struct filter_rules rules;
    struct errinfo ei = { 0 };
    size_t n = 0;
    if (filter_parse(sv_c(text), &rules, &ei) < 0)
        fail_msg("%s: %s", text, ei.text);
    struct filter_view *v = filter_view_new(f);
    int e = filter_run(v, &rules, r, &ei);
    for (size_t i = 0; i < r->n; i++)
        names[n++] = r->hits[i]->name.p[0];
    if (e < 0)
        names[n++] = '!';
    names[n] = '\0';
    filter_view_free(v);
    filter_result_done(r);
    filter_rules_done(&rules);
    return names;
}

static bool holds_for(const struct filter_facts *f, const char *condition)
{
    char text[600];
    snprintf(text, sizeof(text), "rule \"a\" if %s then accept", condition);
    const char *hits = run(f, text, NULL);
    if (strchr(hits, '!'))
        fail_msg("%s: error", condition);
    return *hits == 'a';
}

static void check(const struct filter_facts *f, const char *const *yes, const char *const *no)
{
    for (; *yes; yes++)
        if (!holds_for(f, *yes))
            fail_msg("does not hold: %s", *yes);
    for (; *no; no++)
        if (holds_for(f, *no))
            fail_msg("holds: %s", *no);
}

/* "[a]" has one address and one IP. */
static int in_pattern(void *arg, struct sv name, struct sv text, bool is_ip)
{
    if (sv_eq(name, SV("[broken]")))
        return E_TEMP;
    return sv_eq(name, arg ? SV("[b]") : SV("[a]")) &&
           sv_eq(text, is_ip ? SV("192.0.2.7") : SV("ann@a.test"));
}

static void patterns(void **state _unused_)
{
    struct filter_facts f = facts_of(sv_c(plain));
    struct sv literal = SV("[a]");
    f.in_pattern = in_pattern;
    static const char *const yes[] = { "sender is \"[A]\"",
                                       "sender is \"x\", \"[a]\"",
                                       "ip is \"[a]\"",
                                       "ip in \"10.0.0.0/8\", \"[A]\"",
                                       "not recipient is \"[a]\"",
                                       NULL };
    static const char *const no[] = { "sender is \"[b]\"",       "recipient is \"[a]\"",
                                      "ip in \"[b]\"",           "not sender is \"[a]\"",
                                      "sender contains \"[a]\"", "helo is \"[a]\"",
                                      "ip starts \"[a]\"",       NULL };
    check(&f, yes, no);
    assert_string_equal(run(&f, "rule \"a\" if sender is \"[broken]\" then accept", NULL), "!");
    f.rcpts = (struct sv[]){ SV("x@a.test"), SV("ann@a.test") };
    assert_true(holds_for(&f, "recipient is \"[a]\""));
    /* Other texts in brackets stay what they are. */
    f.helo = literal;
    assert_true(holds_for(&f, "helo is \"[a]\""));
    f.in_pattern = NULL;
    assert_false(holds_for(&f, "sender is \"[a]\""));
}

static void envelope(void **state _unused_)
{
    struct filter_facts f = facts_of(sv_c(plain));
    static const char *const yes[] = {
        "sender is \"ANN@a.test\"",
        "sender starts \"ann@\"",
        "sender ends \"@a.test\"",
        "sender contains \"n@a\"",
        "sender matches \"*@?.test\"",
        "sender regex \"^a[n]+@\"",
        "sender is \"x\", \"ann@a.test\"",
        "recipient is \"carl@c.test\"",
        "recipient is \"bob@b.test\" and recipient is \"carl@c.test\"",
        "helo is \"mx.a.test\"",
        "host ends \".a.test\"",
        "user is \"ann@a.test\"",
        "ip in \"192.0.2.0/24\"",
        "ip in \"10.0.0.0/8\", \"192.0.2.7\"",
        "ip starts \"192.0.2.\"",
        "authenticated",
        "tls",
        "not trusted",
        "not outgoing",
        "recipients is 2",
        "recipients over 1",
        "recipients under 3",
        NULL,
    };
    static const char *const no[] = {
        "sender is \"ann\"",
        "sender starts \"nn\"",
        "sender ends \"ann\"",
        "sender contains \"q\"",
        "sender matches \"*@?\"",
        "sender regex \"^b\"",
        "recipient is \"d@d\"",
        "ip in \"192.0.3.0/24\"",
        "not authenticated",
        "trusted",
        "outgoing",
        "recipients over 2",
        "recipients under 2",
        "not (tls or trusted)",
        "tls and trusted",
        NULL,
    };
    check(&f, yes, no);
    f.sender = SV_NULL;
    f.ip = "2001:db8::1";
    assert_true(holds_for(&f, "sender is \"\""));
    assert_true(holds_for(&f, "ip in \"2001:db8::/32\""));
}

static void header_and_body(void **state _unused_)
{
    struct filter_facts f = facts_of(sv_c(plain));
    static const char *const yes[] = {
        "header \"subject\" is \"cheap pills\"",
        "header \"X-Spam\" is \"b\"",
        "header \"x-spam\" exists",
        "header \"*\" contains \"pills\"",
        "not header \"Date\" exists",
        "body contains \"PILLS\"",
        "body regex \"our.+pills\"",
        "size over 90",
        "size under 1K",
        "attachments is 0",
        NULL,
    };
    static const char *const no[] = {
        "header \"subject\" contains \"utf-8\"",
        "header \"date\" exists",
        "body contains \"ann@\"",
        "size over 1K",
        NULL,
    };
    check(&f, yes, no);
}

static void html(void **state _unused_)
{
    struct filter_facts f = facts_of(SV("Content-Type: text/html; charset=iso-8859-1\r\n"
                                        "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
                                        "<b>Gr=FC</b>n &amp; <script>bad()</script>bl=\r\nau\r\n"));
    assert_true(holds_for(&f, "body contains \"grün & blau\""));
    assert_false(holds_for(&f, "body contains \"bad\""));
}

static void clock_conditions(void **state _unused_)
{
    struct filter_facts f = facts_of(sv_c(plain));
    static const char *const yes[] = {
        "time from \"12:00\" to \"12:01\"",    "time from \"22:00\" to \"12:01\"",
        "time from \"11:00\" to \"24:00\"",    "date from \"2026-12-24\" to \"2026-12-24\"",
        "weekday is \"monday\", \"Thursday\"", NULL,
    };
    static const char *const no[] = {
        "time from \"11:00\" to \"12:00\"",
        "time from \"12:01\" to \"11:59\"",
        "date from \"2026-12-25\" to \"2027-12-24\"",
        "weekday is \"friday\"",
        NULL,
    };
    setenv("TZ", "UTC", 1);
    tzset();
    check(&f, yes, no);
}

/* A zip with entries of these names and contents; its length. */
struct entry {
    const char *name;
    struct sv content;
    const char *password;
};

static struct sv make_zip(const struct entry *e, size_t n)
{
    zip_error_t err;
    zip_stat_t st;
    zip_source_t *out = zip_source_buffer_create(NULL, 0, 0, &err);
    zip_t *z = zip_open_from_source(out, ZIP_TRUNCATE, &err);
    assert_non_null(z);
    zip_source_keep(out);
    for (size_t i = 0; i < n; i++) {
        zip_int64_t at =
            zip_file_add(z, e[i].name, zip_source_buffer(z, e[i].content.p, e[i].content.n, 0),
                         ZIP_FL_ENC_UTF_8);
        assert_true(at >= 0);
        if (e[i].password)
            assert_int_equal(
                zip_file_set_encryption(z, (zip_uint64_t)at, ZIP_EM_AES_256, e[i].password), 0);
    }
    assert_int_equal(zip_close(z), 0);
    assert_int_equal(zip_source_open(out), 0);
    zip_source_stat(out, &st);
    char *p = xmalloc(st.size);
    assert_int_equal(zip_source_read(out, p, st.size), st.size);
    zip_source_close(out);
    zip_source_free(out);
    return sv_n(p, st.size);
}

static char *with_attachment(struct sv data, const char *name)
{
    struct buf b;
    buf_init(&b, 16 * MiB);
    buf_addf(&b,
             "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nsee the file\r\n--x\r\n"
             "Content-Type: application/octet-stream; name=\"%s\"\r\n"
             "Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment\r\n\r\n",
             name);
    for (size_t i = 0; i < data.n; i += 57) {
        (void)base64_enc(sv_take(sv_skip(data, i), 57), &b);
        buf_add_str(&b, "\r\n");
    }
    buf_add_str(&b, "--x--\r\n");
    return buf_take(&b, &(size_t){ 0 });
}

static void attachments(void **state _unused_)
{
    char *m = with_attachment(SV("MZ\220\0\3"), "=?utf-8?q?Harmless.PNG?=");
    struct filter_facts f = facts_of(sv_c(m));
    static const char *const yes[] = {
        "attachment-name is \"harmless.png\"",
        "attachment-type is \"application/octet-stream\"",
        "attachment-type is \"application/x-dosexec\"",
        "attachments is 1",
        "not encrypted-archive and not unreadable-archive",
        NULL,
    };
    static const char *const no[] = { "attachment-name matches \"*.exe\"",
                                      "attachment-type is \"text/plain\"", NULL };
    check(&f, yes, no);
    free(m);
}

static void in_archives(void **state _unused_)
{
    struct sv inner =
        make_zip((const struct entry[]){ { "deep/virus.EXE", SV("MZ1234"), NULL } }, 1);
    struct sv outer = make_zip((const struct entry[]){ { "readme.txt", SV("hello"), NULL },
                                                       { "inner.zip", inner, NULL },
                                                       { "empty/", SV(""), NULL } },
                               3);
    char *m = with_attachment(outer, "files.zip");
    struct filter_facts f = facts_of(sv_c(m));
    static const char *const yes[] = {
        "attachment-name is \"files.zip\"",
        "attachment-name is \"readme.txt\"",
        "attachment-name matches \"*.exe\"",
        "attachment-type is \"application/x-dosexec\"",
        "attachments is 1",
        NULL,
    };
    static const char *const no[] = { "encrypted-archive", "unreadable-archive", NULL };
    check(&f, yes, no);
    free(m);
    free((void *)(uintptr_t)inner.p);
    free((void *)(uintptr_t)outer.p);
}

static void encrypted(void **state _unused_)
{
    struct sv z = make_zip((const struct entry[]){ { "a.exe", SV("MZ"), "secret" } }, 1);
    char *m = with_attachment(z, "a.zip");
    struct filter_facts f = facts_of(sv_c(m));
    assert_true(holds_for(&f, "encrypted-archive and attachment-name is \"a.exe\""));
    assert_false(holds_for(&f, "attachment-type is \"application/x-dosexec\""));
    free(m);
    free((void *)(uintptr_t)z.p);
}

/* Deeper than is looked, more entries than are counted, damaged, another format. */
static void unreadable(void **state _unused_)
{
    struct sv z = make_zip((const struct entry[]){ { "a.exe", SV("MZ"), NULL } }, 1), next;
    for (int i = 0; i < 5; i++, z = next) {
        next = make_zip((const struct entry[]){ { "next.zip", z, NULL } }, 1);
        free((void *)(uintptr_t)z.p);
    }
    char *m = with_attachment(z, "a.zip");
    struct filter_facts f = facts_of(sv_c(m));
    assert_true(holds_for(&f, "unreadable-archive and not attachment-name is \"a.exe\""));
    free(m);
    free((void *)(uintptr_t)z.p);

    static struct entry many[5001];
    static char names[5001][8];
    for (size_t i = 0; i < ARRAY_LEN(many); i++) {
        snprintf(names[i], sizeof(names[i]), "%zu", i);
        many[i] = (struct entry){ names[i], SV("x"), NULL };
    }
    z = make_zip(many, ARRAY_LEN(many));
    m = with_attachment(z, "a.zip");
    f = facts_of(sv_c(m));
    assert_true(holds_for(&f, "unreadable-archive"));
    free(m);
    m = with_attachment(sv_take(z, z.n / 2), "a.zip");
    f = facts_of(sv_c(m));
    assert_true(holds_for(&f, "unreadable-archive"));
    free(m);
    free((void *)(uintptr_t)z.p);

    m = with_attachment(SV("Rar!\32\7\1\0 and so on"), "a.rar");
    f = facts_of(sv_c(m));
    assert_true(holds_for(&f, "unreadable-archive and attachment-type is \"application/vnd.rar\""));
    free(m);
}

static void order(void **state _unused_)
{
    struct filter_facts f = facts_of(sv_c(plain));
    struct filter_result r = { 0 };
    assert_string_equal(run(&f,
                            "rule \"a\" then score 2\nrule \"b\" off then delete\n"
                            "rule \"c\" if score over 1.99 then score -1.5\n"
                            "rule \"d\" if score is 0.5 then stop\nrule \"e\" then delete",
                            NULL),
                        "acd");
    assert_string_equal(run(&f,
                            "rule \"a\" if trusted then delete\nrule \"b\" then accept\n"
                            "rule \"c\" then delete",
                            NULL),
                        "b");
    struct filter_rules rules;
    assert_int_equal(
        filter_parse(SV("rule \"a\" then tag-subject \"x\", reject \"no\""), &rules, NULL), 0);
    struct filter_view *v = filter_view_new(&f);
    assert_int_equal(filter_run(v, &rules, &r, NULL), 0);
    assert_int_equal(r.end, FILTER_END_REJECT);
    assert_true(sv_eq(r.reply, SV("550 5.7.1 no")));
    filter_view_free(v);
    filter_result_done(&r);
    filter_rules_done(&rules);
}

/* A hostile text for a careless pattern ends the rule, and is told. */
static void effort(void **state _unused_)
{
    struct buf b;
    buf_init(&b, 1 * MiB);
    buf_add_str(&b, "Subject: x\r\n\r\n");
    for (int i = 0; i < 4000; i++)
        buf_add_str(&b, "a");
    struct filter_facts f = facts_of(buf_sv(&b));
    assert_string_equal(run(&f,
                            "rule \"a\" then score 1\n"
                            "rule \"b\" if body regex \"(a|aa)+[cd]\" then delete",
                            NULL),
                        "a!");
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(envelope),    cmocka_unit_test(header_and_body),
        cmocka_unit_test(html),        cmocka_unit_test(clock_conditions),
        cmocka_unit_test(attachments), cmocka_unit_test(in_archives),
        cmocka_unit_test(encrypted),   cmocka_unit_test(unreadable),
        cmocka_unit_test(order),       cmocka_unit_test(effort),
        cmocka_unit_test(patterns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
