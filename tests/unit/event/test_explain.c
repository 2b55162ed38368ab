/* Each reply that the SMTP server can send, and each reason of a delivery, has exactly one row: the
 * replies are taken from the sources. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <glob.h>
#include <stdio.h>

#include "base/buf.h"
#include "conf/conf.h"
#include "event/explain.h"
#include "os/file.h"

static size_t checked;

static void check(struct sv reply, const char *file)
{
    size_t n = 0;
    for (size_t i = 0; i < explanations_count; i++)
        n += explain_matches(&explanations[i], reply);
    if (n != 1)
        fail_msg("%s: '" SV_FMT "' has %zu rows in explain.def", file, SV_ARG(reply), n);
    checked++;
}

/* The literal that begins at s, with those that follow it joined; PRI macros and conversions become
 * a word. */
static struct sv literal(struct sv s, char *out, size_t cap)
{
    size_t n = 0;
    for (bool inside = false; s.n && n + 4 < cap; s = sv_skip(s, 1)) {
        if (*s.p == '"') {
            inside = !inside;
            continue;
        }
        if (!inside && (*s.p == ',' || *s.p == ')' || *s.p == ';' || *s.p == ':'))
            break;
        if (!inside)
            continue;
        if (*s.p == '%') {
            out[n++] = 'x';
            while (s.n > 1 && !strchr("sdu\"", s.p[1]))
                s = sv_skip(s, 1);
            if (s.n > 1 && s.p[1] != '"')
                s = sv_skip(s, 1);
            continue;
        }
        out[n++] = *s.p;
    }
    if (n && out[n - 1] == ' ') /* a word of the session's follows */
        out[n++] = 'x';
    return sv_n(out, n);
}

static bool is_reply(struct sv s)
{
    return s.n > 8 && s.p[0] == '"' && (s.p[1] == '4' || s.p[1] == '5') && s.p[2] >= '0' &&
           s.p[2] <= '9' && s.p[3] >= '0' && s.p[3] <= '9' && s.p[4] == ' ' && s.p[5] != '%' &&
           s.p[5] != '"';
}

static void check_421(struct sv s, const char *file)
{
    char code[200], reason[200], whole[500];
    struct sv enhanced = sv_skip(s, (size_t)sv_find(s, '"'));
    struct sv c = literal(enhanced, code, sizeof(code));
    ssize_t second = sv_find_sv(enhanced, SV("SV(\""));
    if (second < 0 || second > 200)
        return; /* the definition */
    struct sv r = literal(sv_skip(enhanced, (size_t)second + 3), reason, sizeof(reason));
    int n =
        snprintf(whole, sizeof(whole), "421 " SV_FMT " host.example " SV_FMT, SV_ARG(c), SV_ARG(r));
    check(sv_n(whole, (size_t)n), file);
}

static void check_file(const char *file)
{
    struct buf b;
    char text[600];
    buf_init(&b, 1 * MiB);
    assert_int_equal(os_read_file(file, &b, NULL), 0);
    for (struct sv s = buf_sv(&b); s.n; s = sv_skip(s, 1)) {
        if (is_reply(s))
            check(literal(s, text, sizeof(text)), file);
        if (sv_starts(s, SV("smtp_reply_421(s, SV(\"")))
            check_421(s, file);
    }
    buf_done(&b);
}

static void check_all(const char *pattern, size_t at_least)
{
    glob_t g;
    checked = 0;
    assert_int_equal(glob(pattern, 0, NULL, &g), 0);
    for (size_t i = 0; i < g.gl_pathc; i++)
        check_file(g.gl_pathv[i]);
    globfree(&g);
    if (checked < at_least)
        fail_msg("%s: only %zu replies were found", pattern, checked);
}

static void test_server_replies(void **state)
{
    (void)state;
    check_all("src/server/smtp/*.c", 55);
}

static void test_delivery_reasons(void **state)
{
    (void)state;
    check_all("src/mail/deliver/[lr]o*.c", 8);
    check_all("src/mail/deliver/moderate.c", 5);
    check_all("src/mail/deliver/smtp_[cdt]*.c", 5);
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < explanations_count; i++) {
        const struct explanation *e = &explanations[i];
        assert_true(*e->cause && *e->remedy);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(e->id, explanations[k].id);
        if (*e->setting && !conf_find(sv_c(e->setting)))
            fail_msg("%s names the setting '%s', which is not there", e->id, e->setting);
    }
    assert_null(explain_reply(SV("550 no such row"), false));
    /* Another server's words: its users are not ours. */
    assert_string_equal(explain_reply(SV("550 5.1.1 Unknown local user"), false)->id,
                        "smtp.err.550.ulocal");
    assert_null(explain_reply(SV("550 5.1.1 Unknown local user"), true));
    assert_string_equal(explain_reply(SV("451 4.4.1 connect to mx.example"), true)->id,
                        "smtp.err.c.connecting");
    /* The first row that fits: special ones stand before general ones. */
    static const char *const tls[][2] = {
        { "451 4.7.5 Could not verify SSL connection (mx.example: DANE: STARTTLS is not offered)",
          "smtp.err.c.dane" },
        { "451 4.7.5 Could not verify SSL connection (mx.example: DANE: the TLSA records cannot be "
          "looked up: bogus)",
          "smtp.err.c.danedns" },
        { "554 Could not verify SSL connection (mx.example: DANE: the certificate does not match: "
          "x)",
          "smtp.err.c.daneend" },
        { "451 4.7.5 Could not verify SSL connection (mx.example: MTA-STS: the policy does not "
          "name "
          "this server)",
          "smtp.err.c.sts" },
        { "554 Could not verify SSL connection (mx.example: adapted secure destination: STARTTLS "
          "is not offered)",
          "smtp.err.c.adapted" },
        { "451 4.3.0 The database cannot be asked now: x", "smtp.err.c.database" },
        { "554 Could not verify SSL connection (mx.example: secure destination: STARTTLS is not "
          "offered)",
          "smtp.err.c.secure" },
        { "554 Could not verify SSL connection (mx.example: STARTTLS is not offered)",
          "smtp.err.c.ssl" },
    };
    for (size_t i = 0; i < ARRAY_LEN(tls); i++)
        assert_string_equal(explain_reply(sv_c(tls[i][0]), false)->id, tls[i][1]);
    assert_string_equal(
        explain_reply(SV("421 4.4.2 mx.example Timeout, closing connection\r\n"), false)->id,
        "smtp.err.421.timeout");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_server_replies),
        cmocka_unit_test(test_delivery_reasons),
        cmocka_unit_test(test_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
