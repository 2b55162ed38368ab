/* Lookups and tests of name servers as JSON. */
#include "proc/dns_requests.h"

#include "admin/admin.h"
#include "conf/conf.h"
#include "net/dns.h"

enum { MAX_ROUNDS = 100, TEST_MAX_MS = 25000 };

static const char *text_arg(json_t *args, const char *name)
{
    const char *v = json_string_value(json_object_get(args, name));

    return v && *v ? v : NULL;
}

static json_t *bad_type(const char *word)
{
    return admin_error(E_PARSE,
                       "type: '%.20s' is not a type of record; allowed: A, AAAA, CNAME, MX, NAPTR, "
                       "NS, PTR, SOA, SRV, TLSA, TXT",
                       word);
}

static json_t *timeout_arg(json_t *args, int64_t *ret)
{
    const char *v = text_arg(args, "timeout");

    *ret = 0;
    if (v && (conf_parse_duration(sv_c(v), ret) < 0 || *ret < 100 || *ret > 60000))
        return admin_error(E_PARSE, "timeout: '%.40s' is not a time from 100ms to 60s", v);
    return NULL;
}

static bool is_no(const char *v)
{
    return v && (!strcmp(v, "no") || !strcmp(v, "false") || !strcmp(v, "off") || !strcmp(v, "0"));
}

/* In the form of dig: the preference of an MX record is part of its result. */
static void add_rows(json_t *rows, const struct dns_question *q, const struct dns_reply *r)
{
    const char *name = *r->canonical ? r->canonical : q->name;
    char text[1200];

    for (size_t i = 0; r->answer && i < r->answer->n; i++) {
        const struct dns_rr *rr = &r->answer->rr[i];

        if (q->type == DNS_MX)
            snprintf(text, sizeof(text), "%u %s", rr->prio, *rr->text ? rr->text : ".");
        json_array_append_new(rows, json_pack("{s:o, s:I, s:s, s:s, s:o}", "name", admin_text(name),
                                              "ttl", (json_int_t)r->ttl_s, "class", "IN", "type",
                                              dns_type_name(q->type), "result",
                                              admin_text(q->type == DNS_MX ? text : rr->text)));
    }
}

static const char *status_word(int result)
{
    return result == 0            ? "NOERROR"
           : result == E_NXDOMAIN ? "NXDOMAIN"
           : result == E_NODATA   ? "NODATA"
           : result == E_TIMEOUT  ? "TIMEOUT"
                                  : "SERVFAIL";
}

static json_t *lookup(json_t *args)
{
    struct dns_question q = { .name = text_arg(args, "name"),
                              .type = DNS_A,
                              .server = text_arg(args, "server"),
                              .fresh = is_no(text_arg(args, "cache")) };
    const char *type = text_arg(args, "type");
    struct errinfo ei = { 0 };
    struct dns_reply r;
    json_t *rows, *wrong;
    int result;

    if (!q.name)
        return admin_error(E_PARSE, "name: it is missing");
    if (type && !dns_type_parse(type, &q.type))
        return bad_type(type);
    wrong = timeout_arg(args, &q.timeout_ms);
    if (wrong)
        return wrong;
    result = dns_ask(&q, &r, &ei);
    rows = json_array();
    add_rows(rows, &q, &r);
    /* Where nothing was read from a server there is nothing to say about its signatures. */
    json_t *reply = json_pack("{s:b, s:s, s:s, s:s, s:b, s:I, s:o, s:o}", "ok", 1, "status",
                              status_word(result), "dnssec",
                              *r.server || r.cached ? dns_security_name(r.security) : "", "server",
                              r.server, "cached", (int)r.cached, "took_ms", (json_int_t)r.took_ms,
                              "text", admin_text(result < 0 ? ei.text : ""), "rows", rows);
    dns_reply_done(&r);
    return reply;
}

/* --- test of the servers --- */

/* A real question, whose answer is signed where the root is reachable; "no such name" is an answer
 * too. */
static json_t *test_server(const char *server, unsigned round, const char *name, int64_t timeout_ms)
{
    struct errinfo ei = { 0 };
    struct dns_reply r;
    int result = dns_ask(&(struct dns_question){ .name = name,
                                                 .type = DNS_NS,
                                                 .server = server,
                                                 .timeout_ms = timeout_ms,
                                                 .fresh = true },
                         &r, &ei);
    bool answered = result == 0 || result == E_NXDOMAIN || result == E_NODATA;
    json_t *row =
        json_pack("{s:s, s:I, s:b, s:s, s:s, s:I, s:o}", "server", server, "round",
                  (json_int_t)round, "passed", (int)answered, "status", status_word(result),
                  "dnssec", *r.server ? dns_security_name(r.security) : "", "took_ms",
                  (json_int_t)r.took_ms, "text", admin_text(answered ? "" : ei.text));

    dns_reply_done(&r);
    return row;
}

/* A number from min to max; absent = dflt. NULL: it is one. */
static json_t *number_arg(json_t *args, const char *name, uint32_t min, uint32_t max, uint32_t dflt,
                          uint32_t *ret)
{
    const char *text = text_arg(args, name);

    *ret = dflt;
    if (text && (sv_to_u32(sv_c(text), ret) < 0 || *ret < min || *ret > max))
        return admin_error(E_PARSE, "%s: '%.20s' is not a number from %u to %u", name, text, min,
                           max);
    return NULL;
}

/* The questions are counted through, round by round. With `from` one of them is asked, and who asks
 * goes on with `next` for as long as he is there and wants to: nothing runs that he could leave
 * behind. */
static json_t *test(json_t *args)
{
    char servers[DNS_MAX_SERVERS][DNS_SERVER_TEXT];
    const char *name = text_arg(args, "name");
    bool step = text_arg(args, "from");
    uint32_t rounds, total, at = 0;
    int64_t timeout_ms, left_ms = TEST_MAX_MS;
    struct errinfo ei = { 0 };
    json_t *rows, *wrong = timeout_arg(args, &timeout_ms);
    int n;

    if (!wrong)
        wrong = number_arg(args, "rounds", 1, MAX_ROUNDS, 1, &rounds);
    if (wrong)
        return wrong;
    n = dns_servers(servers, &ei);
    if (n < 0)
        return admin_error(n, "%s", ei.text);
    total = rounds * (uint32_t)n;
    wrong = number_arg(args, "from", 0, total - 1, 0, &at);
    if (wrong)
        return wrong;
    rows = json_array();
    do {
        json_t *row = test_server(servers[at % (uint32_t)n], at / (uint32_t)n + 1,
                                  name ? name : ".", timeout_ms);

        left_ms -= json_integer_value(json_object_get(row, "took_ms"));
        json_array_append_new(rows, row);
        at++;
    } while (at < total && left_ms > 0 && !step);
    return json_pack("{s:b, s:I, s:I, s:o, s:b, s:o}", "ok", 1, "servers", (json_int_t)n, "total",
                     (json_int_t)total, "next", at < total ? json_integer(at) : json_null(), "cut",
                     (int)(!step && at < total), "rows", rows);
}

json_t *dns_request(const char *op, json_t *args)
{
    if (!strcmp(op, "dns.lookup"))
        return lookup(args);
    return !strcmp(op, "dns.test") ? test(args) : NULL;
}
