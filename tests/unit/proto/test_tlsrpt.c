/* TLS reports: the record that asks for them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "proto/tlsrpt.h"

/* "mail:ADDRESS" and "https:HOST:PORT PATH", each with a blank behind it. */
static const char *targets_of(const char *txt)
{
    static char text[2000];
    static struct tlsrpt_record r;
    size_t n = 0;
    text[0] = '\0';
    if (!tlsrpt_parse(sv_c(txt), &r))
        return "no record";
    for (size_t i = 0; i < r.n; i++)
        n += (size_t)(r.target[i].https
                          ? snprintf(text + n, sizeof(text) - n, "https:%s:%u %s ",
                                     r.target[i].host, r.target[i].port, r.target[i].path)
                          : snprintf(text + n, sizeof(text) - n, "mail:%s ", r.target[i].address));
    return text;
}

static void test_records(void **state)
{
    (void)state;
    static const struct {
        const char *txt, *targets;
    } rows[] = {
        { "v=TLSRPTv1;rua=mailto:reports@example.com", "mail:reports@example.com " },
        { "v=TLSRPTv1; rua=https://reporting.example.com/v1/tlsrpt",
          "https:reporting.example.com:443 /v1/tlsrpt " },
        { "v=TLSRPTv1; rua=mailto:a@b.example , https://H.example:8443?x=1#f;",
          "mail:a@b.example https:h.example:8443 /?x=1 " },
        { "v=TLSRPTv1; x=y; rua=MAILTO:a%2Bb@c.example?subject=x; rua=mailto:late@c.example",
          "mail:a+b@c.example " },
        { "v=TLSRPTv1; rua=https://h.example", "https:h.example:443 / " },
        /* Targets that cannot be used. */
        { "v=TLSRPTv1; rua=mailto:nobody", "" },
        { "v=TLSRPTv1; rua=mailto:a%0Ab@c.example", "" },
        { "v=TLSRPTv1; rua=mailto:a%00@c.example", "" },
        { "v=TLSRPTv1; rua=mailto:a%4@c.example", "" },
        { "v=TLSRPTv1; rua=mailto:<a>@c.example", "" },
        { "v=TLSRPTv1; rua=mailto:a%2Cb@c.example", "" },
        { "v=TLSRPTv1; rua=http://h.example/", "" },
        { "v=TLSRPTv1; rua=https://user@h.example/", "" },
        { "v=TLSRPTv1; rua=https://h.example:0/", "" },
        { "v=TLSRPTv1; rua=https://h.example:65536/", "" },
        { "v=TLSRPTv1; rua=https://[::1]/", "" },
        { "v=TLSRPTv1; rua=https:///path", "" },
        { "v=TLSRPTv1; rua=https://h.example/a b", "" },
        { "v=TLSRPTv1; rua=", "" },
        /* No records. */
        { "v=TLSRPTv1;", "no record" },
        { "v=TLSRPTv1", "no record" },
        { "v=TLSRPTv2; rua=mailto:a@b.example", "no record" },
        { "v=tlsrptv1; rua=mailto:a@b.example", "no record" },
        { "rua=mailto:a@b.example; v=TLSRPTv1", "no record" },
        { "", "no record" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (strcmp(targets_of(rows[i].txt), rows[i].targets) != 0)
            fail_msg("'%s': '%s'", rows[i].txt, targets_of(rows[i].txt));
}

static void test_bounds(void **state)
{
    (void)state;
    char txt[12000] = "v=TLSRPTv1; rua=mailto:a@b.example";
    static struct tlsrpt_record r;
    size_t n = strlen(txt);
    for (int i = 0; i < 20; i++)
        n += (size_t)snprintf(txt + n, sizeof(txt) - n, ",mailto:a@b.example");
    assert_true(tlsrpt_parse(sv_c(txt), &r));
    assert_int_equal(r.n, TLSRPT_MAX_TARGETS);
    n = (size_t)snprintf(txt, sizeof(txt), "v=TLSRPTv1; rua=https://h.example/");
    memset(txt + n, 'x', TLSRPT_TARGET_TEXT);
    txt[n + TLSRPT_TARGET_TEXT - 2] = '\0';
    assert_true(tlsrpt_parse(sv_c(txt), &r));
    assert_int_equal(r.n, 1);
    assert_int_equal(strlen(r.target[0].path), TLSRPT_TARGET_TEXT - 1);
    txt[n + TLSRPT_TARGET_TEXT - 2] = 'x';
    txt[n + TLSRPT_TARGET_TEXT - 1] = '\0';
    assert_true(tlsrpt_parse(sv_c(txt), &r));
    assert_int_equal(r.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_records),
                                        cmocka_unit_test(test_bounds) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
