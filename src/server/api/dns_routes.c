/* The test of the name servers, a question at a time: whoever watches it asks for the next one, so
 * that it ends when he stops or goes away. */
#include "server/api/api_priv.h"

static const struct api_field body_fields[] = {
    { "rounds", API_INT, 0, 1, 100, NULL, NULL, "How often each server is asked; absent: once." },
    { "from", API_INT, 0, 0, 1000000, NULL, NULL,
      "Number of the question: 0, then `next` of the answer before." },
    { "timeout", API_TEXT, 0, 1, 20, NULL, NULL, "Such as 500ms; absent: dns.timeout." },
    { "name", API_TEXT, 0, 1, 255, NULL, NULL,
      "Whose NS records are asked for; absent: the root." },
    { 0 },
};
static const struct api_schema body_schema = { "DnsTest", "A question of a test.", body_fields };

static const struct api_field result_fields[] = {
    { "round", API_INT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "server", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "passed", API_BOOL, API_REQUIRED, 0, 0, NULL, NULL, "It has answered." },
    { "status", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL,
      "NOERROR, NODATA, NXDOMAIN, SERVFAIL, TIMEOUT." },
    { "dnssec", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL,
      "secure, insecure, bogus; empty: not known." },
    { "took_ms", API_INT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "text", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Why it failed." },
    { 0 },
};
static const struct api_schema result_schema = { "DnsTestResult", "What a server has answered.",
                                                 result_fields };
static const struct api_field answer_fields[] = {
    { "servers", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "How many there are." },
    { "total", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Questions of the whole test." },
    { "next", API_INT, API_NULL | API_REQUIRED, 0, 0, NULL, NULL, "null: this was the last." },
    { "result", API_OBJECT, API_REQUIRED, 0, 0, NULL, &result_schema, NULL },
    { 0 },
};
static const struct api_schema answer_schema = { "DnsTestAnswer", "A step of a test.",
                                                 answer_fields };

static void test(struct api_call *c)
{
    const char *timeout = api_body_text(c, "timeout"), *name = api_body_text(c, "name");
    json_t *reply, *args;

    if (!api_sees_all(c->caller)) {
        api_fail(c, 403, "not_allowed", NULL, "the name servers are for system admins");
        return;
    }
    args =
        json_pack("{s:I, s:I, s:s*, s:s*}", "rounds", (json_int_t)api_body_int(c, "rounds", 1),
                  "from", (json_int_t)api_body_int(c, "from", 0), "timeout", timeout, "name", name);
    reply = api_admin(c, "dns.test", args);
    if (!reply)
        return;
    api_reply(c, 200,
              json_pack("{s:O, s:O, s:O, s:O}", "servers", json_object_get(reply, "servers"),
                        "total", json_object_get(reply, "total"), "next",
                        json_object_get(reply, "next"), "result",
                        json_array_get(json_object_get(reply, "rows"), 0)));
    json_decref(reply);
}

const struct api_route api_dns_routes[] = {
    { .method = "POST",
      .path = "/dns/test",
      .scope = SCOPE_SERVICES_READ,
      .id = "testDns",
      .body = &body_schema,
      .status = 200,
      .response = &answer_schema,
      .run = test,
      .help = "Asks one name server one question of a test that goes through all of them in "
              "rounds." },
    { 0 },
};
