/* TLS reports: the documents, against the example of RFC 8460 (appendix B), and counting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <jansson.h>
#include <zlib.h>

#include "base/codec.h"
#include "mail/tlsrpt/counter.h"
#include "mail/tlsrpt/report.h"

#define POLICY  "version: STSv1\nmode: testing\nmx: *.mail.company-y.example\nmax_age: 86400"
#define PATTERN "*.mail.company-y.example"
#define STS     16891, "company-y.example", "sts", "company-y.example", POLICY, PATTERN

static const struct tls_count rfc_counts[] = {
    { STS, "", "", "", "", "", 5326 },
    { STS, "certificate-expired", "2001:db8:abcd:0012::1", "mx1.mail.company-y.example", "", "",
      100 },
    { STS, "starttls-not-supported", "2001:db8:abcd:0013::1", "mx2.mail.company-y.example",
      "203.0.113.56", "", 200 },
    { STS, "validation-failure", "198.51.100.62", "mx-backup.mail.company-y.example",
      "203.0.113.58", "X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED", 3 },
};

/* The example, with its mx-host as the array that the text of 4.4 asks for, and without the
 * additional-information, which is optional. */
static const char rfc_json[] =
    "{\"organization-name\": \"Company-X\","
    " \"date-range\": {\"start-datetime\": \"2016-04-01T00:00:00Z\","
    "                  \"end-datetime\": \"2016-04-01T23:59:59Z\"},"
    " \"contact-info\": \"sts-reporting@company-x.example\","
    " \"report-id\": \"5065427c-23d3-47ca-b6e0-946ea0e8c4be\","
    " \"policies\": [{"
    "  \"policy\": {\"policy-type\": \"sts\","
    "   \"policy-string\": [\"version: STSv1\", \"mode: testing\","
    "    \"mx: *.mail.company-y.example\", \"max_age: 86400\"],"
    "   \"policy-domain\": \"company-y.example\","
    "   \"mx-host\": [\"*.mail.company-y.example\"]},"
    "  \"summary\": {\"total-successful-session-count\": 5326,"
    "               \"total-failure-session-count\": 303},"
    "  \"failure-details\": [{"
    "   \"result-type\": \"certificate-expired\","
    "   \"sending-mta-ip\": \"2001:db8:abcd:0012::1\","
    "   \"receiving-mx-hostname\": \"mx1.mail.company-y.example\","
    "   \"failed-session-count\": 100"
    "  }, {"
    "   \"result-type\": \"starttls-not-supported\","
    "   \"sending-mta-ip\": \"2001:db8:abcd:0013::1\","
    "   \"receiving-mx-hostname\": \"mx2.mail.company-y.example\","
    "   \"receiving-ip\": \"203.0.113.56\","
    "   \"failed-session-count\": 200"
    "  }, {"
    "   \"result-type\": \"validation-failure\","
    "   \"sending-mta-ip\": \"198.51.100.62\","
    "   \"receiving-ip\": \"203.0.113.58\","
    "   \"receiving-mx-hostname\": \"mx-backup.mail.company-y.example\","
    "   \"failed-session-count\": 3,"
    "   \"failure-reason-code\": \"X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED\""
    "  }]}]}";

static const struct tls_report rfc_report = {
    .organisation = "Company-X",
    .contact = "sts-reporting@company-x.example",
    .submitter = "mail.company-x.example",
    .domain = "company-y.example",
    .id = "5065427c-23d3-47ca-b6e0-946ea0e8c4be",
    .start_s = 1459468800,
    .end_s = 1459555199,
    .v = rfc_counts,
    .n = ARRAY_LEN(rfc_counts),
};

static json_t *json_of(const struct tls_report *r, struct buf *text)
{
    buf_init(text, MiB);
    assert_int_equal(tls_report_json(r, text, NULL), 0);
    json_t *o = json_loadb(text->p, text->n, 0, NULL);
    assert_non_null(o);
    return o;
}

static void test_example_of_the_rfc(void **state)
{
    (void)state;
    struct buf text;
    json_t *got = json_of(&rfc_report, &text), *want = json_loads(rfc_json, 0, NULL);
    assert_non_null(want);
    if (!json_equal(got, want))
        fail_msg("%.*s", (int)text.n, text.p);
    json_decref(got);
    json_decref(want);
    buf_done(&text);
}

static void test_several_policies(void **state)
{
    (void)state;
    static const struct tls_count v[] = {
        { 1, "a.test", "no-policy-found", "a.test", "", "", "", "", "", "", "", 2 },
        { 1, "a.test", "tlsa", "mx.a.test", "3 1 1 aa\n3 1 1 bb", "", "", "", "", "", "", 3 },
        { 1, "a.test", "tlsa", "mx.a.test", "3 1 1 cc", "", "", "", "", "", "", 4 },
        { 1, "a.test", "tlsa", "mx.a.test", "3 1 1 aa\n3 1 1 bb", "", "dnssec-invalid", "",
          "mx.a.test", "", "bogus", 5 },
    };
    struct tls_report r = rfc_report;
    struct buf text;
    r.v = v;
    r.n = ARRAY_LEN(v);
    json_t *got = json_of(&r, &text);
    json_t *want = json_loads(
        "[{\"policy\": {\"policy-type\": \"no-policy-found\", \"policy-domain\": \"a.test\"},"
        "  \"summary\": {\"total-successful-session-count\": 2,"
        "   \"total-failure-session-count\": 0}},"
        " {\"policy\": {\"policy-type\": \"tlsa\", \"policy-string\": [\"3 1 1 aa\", \"3 1 1 bb\"],"
        "   \"policy-domain\": \"mx.a.test\"},"
        "  \"summary\": {\"total-successful-session-count\": 3,"
        "   \"total-failure-session-count\": 5},"
        "  \"failure-details\": [{\"result-type\": \"dnssec-invalid\","
        "   \"receiving-mx-hostname\": \"mx.a.test\", \"failed-session-count\": 5,"
        "   \"failure-reason-code\": \"bogus\"}]},"
        " {\"policy\": {\"policy-type\": \"tlsa\", \"policy-string\": [\"3 1 1 cc\"],"
        "   \"policy-domain\": \"mx.a.test\"},"
        "  \"summary\": {\"total-successful-session-count\": 4,"
        "   \"total-failure-session-count\": 0}}]",
        0, NULL);
    assert_non_null(want);
    if (!json_equal(json_object_get(got, "policies"), want))
        fail_msg("%.*s", (int)text.n, text.p);
    json_decref(got);
    json_decref(want);
    buf_done(&text);
}

static void assert_has(const struct buf *b, const char *part)
{
    if (sv_find_sv(buf_sv(b), sv_c(part)) < 0)
        fail_msg("'%s' is not in:\n%.*s", part, (int)b->n, b->p);
}

/* What stands behind the head of the last part, decoded and uncompressed. */
static void unpack(struct sv message, char *ret, size_t cap)
{
    struct buf text, gz;
    z_stream z = { 0 };
    ssize_t at = sv_find_sv(message, SV(".json.gz\"\r\n\r\n"));
    assert_true(at > 0);
    struct sv rest = sv_skip(message, (size_t)at + 13);
    buf_init(&text, MiB);
    buf_init(&gz, MiB);
    for (struct sv line; (line = sv_trim(sv_split(&rest, '\n'))).n;) {
        assert_true(line.n <= 76);
        (void)buf_add_sv(&text, line);
    }
    assert_int_equal(base64_dec(buf_sv(&text), &gz), 0);
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    z.next_in = (Bytef *)gz.p;
    z.avail_in = (uInt)gz.n;
    z.next_out = (Bytef *)ret;
    z.avail_out = (uInt)cap - 1;
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    ret[z.total_out] = '\0';
    inflateEnd(&z);
    buf_done(&text);
    buf_done(&gz);
}

static void test_mail(void **state)
{
    (void)state;
    static char json[8000];
    struct buf text, gz, b;
    json_t *want = json_of(&rfc_report, &text), *got;
    buf_init(&gz, MiB);
    buf_init(&b, MiB);
    assert_int_equal(tls_report_gzip(buf_sv(&text), &gz, NULL), 0);
    const struct tls_report_mail m = { "postmaster@mail.company-x.example", "<r@company-y.example>",
                                       buf_sv(&gz), 1459560000 };
    assert_int_equal(tls_report_mail(&rfc_report, &m, &b), 0);
    assert_has(&b, "From: <postmaster@mail.company-x.example>\r\nTo: <r@company-y.example>\r\n"
                   "Subject: Report Domain: company-y.example\r\n"
                   "\tSubmitter: mail.company-x.example\r\n"
                   "\tReport-ID: <5065427c-23d3-47ca-b6e0-946ea0e8c4be>\r\n");
    assert_has(&b, "\r\nTLS-Report-Domain: company-y.example\r\n"
                   "TLS-Report-Submitter: mail.company-x.example\r\nTLS-Required: No\r\n");
    assert_has(&b, "Content-Type: multipart/report; report-type=\"tlsrpt\";\r\n");
    assert_has(&b, "Content-Type: application/tlsrpt+gzip\r\n"
                   "Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment;\r\n"
                   "\tfilename=\"mail.company-x.example!company-y.example!1459468800!1459555199"
                   ".json.gz\"\r\n\r\n");
    unpack(buf_sv(&b), json, sizeof(json));
    got = json_loads(json, 0, NULL);
    assert_true(json_equal(got, want));
    json_decref(got);
    json_decref(want);
    buf_done(&text);
    buf_done(&gz);
    buf_done(&b);
}

static void test_counter(void **state)
{
    (void)state;
    struct tls_counter *c = tls_counter_new(2);
    struct tls_count one = rfc_counts[0], two = rfc_counts[1], three = rfc_counts[2], *v;
    uint64_t lost;
    one.reason = "caf\xc3\xa9\r\n";
    tls_counter_add(c, &one);
    one.sessions = 1;
    tls_counter_add(c, &one);
    two.day++;
    tls_counter_add(c, &two);
    tls_counter_add(c, &three); /* no room */
    tls_counter_add(c, &two);
    size_t n = tls_counter_take(c, &v, &lost);
    assert_int_equal(n, 2);
    assert_int_equal(lost, 200);
    const struct tls_count *first = v[0].sessions == 5327 ? &v[0] : &v[1],
                           *other = first == &v[0] ? &v[1] : &v[0];
    assert_int_equal(first->sessions, 5327);
    assert_string_equal(first->reason, "caf???\n");
    assert_string_equal(first->policy, POLICY);
    assert_int_equal(other->sessions, 200);
    assert_int_equal(other->day, 16892);
    assert_string_equal(other->mx, "mx1.mail.company-y.example");
    assert_string_equal(other->sending_ip, "2001:db8:abcd:0012::1");
    tls_counter_list_free(v, n);
    tls_counter_add(c, &three); /* it begins anew */
    n = tls_counter_take(c, &v, &lost);
    assert_int_equal(n, 1);
    assert_int_equal(lost, 0);
    assert_string_equal(v[0].result, "starttls-not-supported");
    tls_counter_list_free(v, n);
    tls_counter_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example_of_the_rfc),
        cmocka_unit_test(test_several_policies),
        cmocka_unit_test(test_mail),
        cmocka_unit_test(test_counter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
