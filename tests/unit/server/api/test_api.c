/* The API without sockets: what is refused before a handler runs and how, pages, dry runs, rights.
 */
#include "api_test.h"

#include "base/clock.h"
#include "mail/account/web_auth.h"
#include "os/file.h"
#include "samples/sampler.h"
#include "server/api/auth.h"
#include "server/api/import.h"
#include "server/api/log_reader.h"
#include "server/api/page.h"
#include "server/api/web.h"

static const char *field(void)
{
    json_t *f = json_array_get(json_object_get(got.body, "fields"), 0);
    const char *s = json_string_value(json_object_get(f, "name"));
    return s ? s : "";
}

static void refusals_before_a_handler(void **state _unused_)
{
    static const struct {
        const char *method, *path, *body;
        int status;
        const char *code, *field;
    } cases[] = {
        { "GET", "/nothing", NULL, 404, "no_such_path", "" },
        { "GET", "/accounts/", NULL, 404, "no_such_path", "" },
        { "PUT", "/me", NULL, 405, "method_not_allowed", "" },
        { "GET", "/accounts?limit=0", NULL, 400, "invalid_parameter", "limit" },
        { "GET", "/accounts?limit=1&limit=1", NULL, 400, "repeated_parameter", "limit" },
        { "GET", "/accounts?colour=red", NULL, 400, "unknown_parameter", "colour" },
        { "GET", "/accounts?q=%zz", NULL, 400, "malformed_query", "" },
        { "GET", "/accounts?q=%00", NULL, 400, "malformed_query", "" },
        { "GET", "/accounts?cursor=zzz", NULL, 400, "invalid_parameter", "cursor" },
        { "GET", "/search", NULL, 400, "missing_parameter", "q" },
        { "GET", "/me", "{}", 400, "body_not_expected", "" },
        { "POST", "/accounts", "{", 400, "malformed_json", "" },
        { "POST", "/accounts", "[]", 422, "invalid_field", "" },
        { "POST", "/accounts", "{}", 422, "invalid_field", "address" },
        { "POST", "/accounts", "{\"address\":\"x@a.test\",\"quota\":-1}", 422, "invalid_field",
          "quota" },
        { "POST", "/accounts", "{\"address\":\"x@a.test\",\"quota\":\"1\"}", 422, "invalid_field",
          "quota" },
        { "POST", "/accounts", "{\"address\":\"x@a.test\",\"role\":\"king\"}", 422, "invalid_field",
          "role" },
        { "POST", "/accounts", "{\"address\":\"x@a.test\",\"aliases\":[1]}", 422, "invalid_field",
          "aliases[0]" },
        { "POST", "/queue/outgoing/messages/actions",
          "{\"action\":\"delete\",\"filter\":{\"colour\":1}}", 422, "invalid_field",
          "filter.colour" },
        { "PATCH", "/settings/smtp.vrfy", "{\"value\":\"maybe\"}", 422, "invalid_field",
          "smtp.vrfy" },
        { "PATCH", "/settings/smtp.nonsense", "{\"value\":\"yes\"}", 404, "not_found", "" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ask(root, cases[i].method, cases[i].path, cases[i].body);
        if (got.status != cases[i].status || strcmp(text("code"), cases[i].code) ||
            strcmp(field(), cases[i].field))
            fail_msg("%s %s: %s", cases[i].method, cases[i].path, json_dumps(got.body, 0));
    }
    ask(root, "PUT", "/me", NULL);
    assert_string_equal(got.allow, "GET");
    struct api_request r = request(root, "POST", "/accounts", "{\"address\":\"x@a.test\"}");
    r.content_type = "text/plain";
    assert_int_equal(send(&r), 415);
}

static void rights(void **state _unused_)
{
    assert_int_equal(ask(NULL, "GET", "/accounts", NULL), 401);
    assert_int_equal(ask(NULL, "GET", "/openapi.json", NULL), 200);
    assert_int_equal(ask(dom, "GET", "/settings", NULL), 403);
    assert_string_equal(text("code"), "missing_scope");
    struct api_caller session = *root;
    session.proof = PROOF_SESSION;
    assert_int_equal(ask(&session, "GET", "/me", NULL), 200);
    assert_int_equal(ask(&session, "PATCH", "/domains/a.test", "{}"), 403);
    assert_string_equal(text("code"), "csrf");
    session.csrf_ok = true;
    assert_int_equal(ask(&session, "PATCH", "/domains/a.test", "{}"), 200);
}

static void a_domain_admin_sees_his_domains(void **state _unused_)
{
    json_t *items, *row;
    size_t i;
    ask(dom, "GET", "/accounts", NULL);
    items = json_object_get(got.body, "items");
    assert_int_equal(json_array_size(items), 2);
    json_array_foreach(items, i, row)
        assert_non_null(strstr(json_string_value(json_object_get(row, "address")), "@b.test"));
    assert_int_equal(ask(dom, "GET", "/accounts/root@a.test", NULL), 404);
    assert_int_equal(ask(dom, "GET", "/accounts/nobody@a.test", NULL), 404);
    assert_int_equal(ask(dom, "GET", "/accounts?domain=a.test", NULL), 404);
    assert_int_equal(ask(dom, "GET", "/domains/a.test", NULL), 404);
    ask(dom, "GET", "/domains", NULL);
    assert_int_equal(json_array_size(json_object_get(got.body, "items")), 1);
    assert_int_equal(ask(dom, "POST", "/accounts", "{\"address\":\"x@a.test\"}"), 403);
    assert_int_equal(ask(dom, "PATCH", "/accounts/u@b.test", "{\"role\":\"system-admin\"}"), 403);
    assert_int_equal(ask(dom, "PATCH", "/accounts/u@b.test", "{\"aliases\":[\"x@a.test\"]}"), 403);
    assert_int_equal(ask(dom, "PATCH", "/accounts/u@b.test", "{\"name\":\"U\"}"), 200);
    assert_int_equal(ask(dom, "PUT", "/aliases/x@a.test", "{\"targets\":[\"u@b.test\"]}"), 404);
    /* Nobody changes one of higher rank, even in his own domain. */
    run_op("{\"op\":\"account.create\",\"args\":{\"address\":\"boss@b.test\",\"role\":"
           "\"system-admin\"}}");
    assert_int_equal(ask(dom, "PATCH", "/accounts/boss@b.test", "{\"password\":\"mine12345\"}"),
                     403);
    assert_int_equal(
        ask(dom, "POST", "/accounts/boss@b.test/app-passwords", "{\"label\":\"mine\"}"), 403);
    run_op("{\"op\":\"account.delete\",\"args\":{\"address\":\"boss@b.test\"}}");
}

static void dry_runs_change_nothing(void **state _unused_)
{
    int64_t before = 0, after = 0;
    struct dbc *c = NULL;
    assert_int_equal(db_get(admin.db, &c, NULL), 0);
    assert_int_equal(db_value(c, &before, NULL, "SELECT COUNT(*) FROM audit", ""), 0);
    assert_int_equal(
        ask(root, "POST", "/accounts?dry_run=true", "{\"address\":\"d@a.test\",\"quota\":5}"), 200);
    assert_true(json_array_size(json_object_get(got.body, "effect")) >= 2);
    assert_int_equal(ask(root, "GET", "/accounts/d@a.test", NULL), 404);
    assert_int_equal(ask(root, "DELETE", "/domains/b.test?with_accounts=true&dry_run=true", NULL),
                     200);
    assert_int_equal(ask(root, "GET", "/accounts/u@b.test", NULL), 200);
    assert_int_equal(ask(root, "PATCH", "/settings/smtp.vrfy?dry_run=true", "{\"value\":true}"),
                     200);
    json_t *effect = json_array_get(json_object_get(got.body, "effect"), 0);
    assert_string_equal(json_string_value(json_object_get(effect, "new")), "yes");
    assert_int_equal(db_value(c, &after, NULL, "SELECT COUNT(*) FROM audit", ""), 0);
    assert_int_equal(before, after);
    db_put(c);
}

static void writes_are_guarded(void **state _unused_)
{
    struct api_request r = request(root, "PATCH", "/accounts/u@b.test", "{\"name\":\"One\"}");
    char etag[24];
    ask(root, "GET", "/accounts/u@b.test", NULL);
    memcpy(etag, got.etag, sizeof(etag));
    assert_true(*etag);
    r.if_match = etag;
    assert_int_equal(send(&r), 200);
    r.body = SV("{\"name\":\"Two\"}");
    assert_int_equal(send(&r), 412);
    ask(root, "GET", "/accounts/u@b.test", NULL);
    assert_string_equal(text("name"), "One");

    r = request(root, "POST", "/accounts", "{\"address\":\"i@a.test\"}");
    r.idempotency_key = "k";
    assert_int_equal(send(&r), 201);
    assert_false(got.replayed);
    assert_int_equal(send(&r), 201);
    assert_true(got.replayed);
    r.body = SV("{\"address\":\"j@a.test\"}");
    assert_int_equal(send(&r), 422);
    assert_string_equal(text("code"), "key_reused");
    assert_int_equal(ask(root, "DELETE", "/accounts/i@a.test", NULL), 204);
}

static void sign_in(void **state _unused_)
{
    struct api_request r = request(NULL, "POST", "/login",
                                   "{\"user\":\"root@a.test\","
                                   "\"password\":\"pw\"}");
    struct api_response res;
    struct api_caller *who = NULL;
    api_handle(api, &r, &res);
    assert_int_equal(res.status, 200);
    assert_int_equal(res.effect, API_EFFECT_SIGNED_IN);
    assert_int_equal(api_caller_session(admin.accounts, sv_c(res.secret), true, &who, NULL), 0);
    assert_string_equal(who->who, "root@a.test");
    assert_int_equal(strlen(who->csrf), 32);
    /* The database does not hold what opens the door. */
    assert_string_not_equal(who->session, res.secret);
    assert_int_equal(ask(who, "POST", "/logout", NULL), 403);
    who->csrf_ok = true;
    assert_int_equal(ask(who, "POST", "/logout", NULL), 204);
    api_caller_free(take_ptr(who));
    assert_int_equal(api_caller_session(admin.accounts, sv_c(res.secret), true, &who, NULL),
                     E_NOTFOUND);
    api_response_done(&res);
    r.body = SV("{\"user\":\"root@a.test\",\"password\":\"no\"}");
    api_handle(api, &r, &res);
    assert_int_equal(res.status, 401);
    assert_true(res.delay_ms > 0);
    assert_string_equal(res.secret, "");
    api_response_done(&res);
    r.tls = false; /* no clear-text password from an address that is not trusted */
    api_handle(api, &r, &res);
    assert_int_equal(res.status, 403);
    api_response_done(&res);
}

static void looks_are_recorded(void **state _unused_)
{
    ask(root, "GET", "/queue/outgoing/messages/OSA00001/content", NULL);
    ask(root, "GET", "/audit?limit=1", NULL);
    json_t *row = json_array_get(json_object_get(got.body, "items"), 0);
    assert_string_equal(json_string_value(json_object_get(row, "field")), "looked at");
    assert_non_null(strstr(json_string_value(json_object_get(row, "object")), "OSA00001"));
}

static void every_route_is_documented_once(void **state _unused_)
{
    json_t *doc = api_openapi(), *paths = json_object_get(doc, "paths"), *item, *op, *ids;
    const char *path, *method;
    ids = json_object();
    json_object_foreach(paths, path, item)
    {
        json_object_foreach(item, method, op)
        {
            const char *id = json_string_value(json_object_get(op, "operationId"));
            assert_non_null(id);
            assert_null(json_object_get(ids, id));
            json_object_set_new(ids, id, json_true());
            assert_true(strlen(json_string_value(json_object_get(op, "summary"))) > 3);
        }
    }
    assert_true(json_object_size(ids) > 40);
    json_decref(ids);
    json_decref(doc);
}

static void csv_fields(void **state _unused_)
{
    struct sv rest = SV("a,\"b \"\"c\"\", d\",\r\n\"x\ny\"");
    struct buf b;
    buf_init(&b, 100);
    assert_int_equal(api_csv_field(&rest, ',', &b), 1);
    assert_string_equal(b.p, "a");
    assert_int_equal(api_csv_field(&rest, ',', &b), 1);
    assert_string_equal(b.p, "b \"c\", d");
    assert_int_equal(api_csv_field(&rest, ',', &b), 0);
    assert_int_equal(b.n, 0);
    assert_int_equal(api_csv_field(&rest, ',', &b), 0);
    assert_string_equal(b.p, "x\ny");
    rest = SV("\"never");
    assert_int_equal(api_csv_field(&rest, ',', &b), E_PARSE);
    buf_done(&b);
}

static void log_lines(void **state _unused_)
{
    struct log_row r;
    assert_true(log_row_parse(SV("127.0.0.1       [1B6C] 10:31:02 >>> 250 ok"), &r));
    assert_true(sv_eq(r.source, SV("127.0.0.1")) && sv_eq(r.session, SV("1B6C")) &&
                sv_eq(r.time, SV("10:31:02")) && sv_eq(r.text, SV(">>> 250 ok")));
    assert_true(log_row_parse(SV("SYSTEM          [0000] 10:31:02"), &r));
    assert_false(log_row_parse(SV("250-PIPELINING"), &r));
    assert_false(log_row_parse(SV(""), &r));
    assert_false(log_row_parse(SV("x [1B6C] 1:31:02 text"), &r));
}

static void kinds_of_log_lines(void **state _unused_)
{
    static const char *const kinds[] = { "in", "out", "in", "out", "summary", "text" };
    _cleanup_(freep) char *path = xasprintf("%s/s20231114-00.log", dir);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fputs("192.0.2.1       [0001] 10:31:02 <<< QUIT\n"
          "192.0.2.1       [0001] 10:31:02 >>> 221 bye\n"
          "192.0.2.9       [0002] 10:31:02 Client session <<< 550 5.1.1 no\n"
          "192.0.2.9       [0002] 10:31:02 Client session >>> QUIT\n"
          "192.0.2.9       [0002] 10:31:02 Client session *** <a> <b> 1 2 00:00:01 OK\n"
          "192.0.2.9       [0002] 10:31:02 Client session Disconnected\n",
          f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(ask(root, "GET", "/logs/smtp/lines?date=2023-11-14", NULL), 200);
    json_t *items = json_object_get(got.body, "items");
    assert_int_equal(json_array_size(items), ARRAY_LEN(kinds));
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        assert_string_equal(json_string_value(json_object_get(json_array_get(items, i), "kind")),
                            kinds[i]);
}

static const char *of_item(size_t i, const char *name)
{
    json_t *item = json_array_get(json_object_get(got.body, "items"), i);
    return json_string_value(json_object_get(item, name));
}

static size_t items(void)
{
    return json_array_size(json_object_get(got.body, "items"));
}

static const char *setting_now(const char *name)
{
    char path[80];
    snprintf(path, sizeof(path), "/settings/%s", name);
    assert_int_equal(ask(root, "GET", path, NULL), 200);
    return text("value");
}

static void on_database(const char *sql)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    assert_int_equal(db_get_writer(admin.db, &c, NULL), 0);
    assert_int_equal(db_run(c, NULL, sql, ""), 0);
}

/* All or none, also when the database fails in the middle. */
static void settings_change_together(void **state _unused_)
{
    assert_int_equal(ask(root, "PATCH", "/settings/smtp.max_errors", "{\"value\":null}"), 200);
    assert_int_equal(ask(root, "PATCH", "/settings",
                         "{\"values\":{\"smtp.max_errors\":7,\"smtp.max_hops\":\"many\"}}"),
                     422);
    assert_string_equal(field(), "smtp.max_hops");
    assert_int_equal(
        ask(root, "PATCH", "/settings", "{\"values\":{\"smtp.max_errors\":7,\"smtp.no\":1}}"), 422);
    assert_string_equal(field(), "smtp.no");
    assert_int_equal(ask(root, "PATCH", "/settings",
                         "{\"values\":{\"smtp.max_errors\":[],\"smtp.max_hops\":9}}"),
                     422);
    assert_string_equal(field(), "smtp.max_errors");
    on_database("CREATE TRIGGER broken BEFORE INSERT ON setting WHEN NEW.name = 'smtp.max_hops' "
                "BEGIN SELECT RAISE(ABORT, 'out of order'); END");
    assert_int_not_equal(
        ask(root, "PATCH", "/settings", "{\"values\":{\"smtp.max_errors\":7,\"smtp.max_hops\":9}}"),
        200);
    on_database("DROP TRIGGER broken");
    assert_string_equal(setting_now("smtp.max_errors"), "20");
    assert_int_equal(
        ask(root, "PATCH", "/settings", "{\"values\":{\"smtp.max_errors\":7,\"smtp.max_hops\":9}}"),
        200);
    assert_string_equal(setting_now("smtp.max_errors"), "7");
    assert_string_equal(setting_now("smtp.max_hops"), "9");
    assert_int_equal(ask(root, "PATCH", "/settings?dry_run=true",
                         "{\"values\":{\"smtp.max_errors\":null,\"smtp.max_hops\":8}}"),
                     200);
    assert_int_equal(json_array_size(json_object_get(got.body, "effect")), 2);
    assert_int_equal(ask(root, "PATCH", "/settings",
                         "{\"values\":{\"smtp.max_errors\":null,\"smtp.max_hops\":null}}"),
                     200);
    assert_string_equal(setting_now("smtp.max_errors"), "20");
}

static int change_setting(const char *name, const char *value, const char *query)
{
    char path[120], body[200];
    snprintf(path, sizeof(path), "/settings/%s%s", name, query);
    snprintf(body, sizeof(body), "{\"value\":%s}", value);
    return ask(root, "PATCH", path, body);
}

static bool gets_in(const char *service, const char *ip)
{
    char path[120];
    snprintf(path, sizeof(path), "/services/%s/access-test?ip=%s", service, ip);
    if (ask(root, "GET", path, NULL) != 200)
        fail_msg("%s: %s", path, json_dumps(got.body, 0));
    return json_is_true(json_object_get(got.body, "allowed"));
}

static void who_would_get_in(void **state _unused_)
{
    assert_true(gets_in("imap", "203.0.113.5"));
    assert_int_equal(change_setting("imap.access_ips", "\"203.0.*.*; 10.0.0.0/8\"", ""), 200);
    assert_true(gets_in("imap", "203.0.113.5")); /* off: the list does not matter */
    assert_int_equal(change_setting("imap.access_mode", "\"deny\"", ""), 200);
    assert_false(gets_in("imap", "203.0.113.5"));
    json_t *rule = json_array_get(json_object_get(got.body, "rules"), 1);
    assert_string_equal(json_string_value(json_object_get(rule, "entry")), "203.0.*.*");
    assert_string_equal(json_string_value(json_object_get(rule, "setting")), "imap.access_mode");
    assert_true(gets_in("imap", "203.1.113.5"));
    assert_true(gets_in("pop3", "203.0.113.5"));
    assert_int_equal(change_setting("imap.access_mode", "\"grant\"", ""), 200);
    assert_true(gets_in("imap", "203.0.113.5"));
    assert_false(gets_in("imap", "2001:db8::1"));
    assert_int_equal(change_setting("imap.access_mode", "null", ""), 200);
    assert_int_equal(change_setting("imap.access_ips", "null", ""), 200);
    assert_int_equal(ask(root, "GET", "/services/imap/access-test?ip=10.0.0.0%2F8", NULL), 400);
    assert_int_equal(ask(root, "GET", "/services/imap/access-test?ip=here", NULL), 400);
    assert_int_equal(ask(root, "GET", "/services/imap/access-test", NULL), 400);
    assert_int_equal(ask(root, "GET", "/services/smtp-client/access-test?ip=10.0.0.1", NULL), 404);
    assert_int_equal(ask(root, "GET", "/services/fax/access-test?ip=10.0.0.1", NULL), 404);
}

/* Whoever asks comes from 192.0.2.1 to port 443. */
static void nobody_shuts_himself_out(void **state _unused_)
{
    static const struct {
        const char *name, *value;
        bool shut;
    } rows[] = {
        { "web.listen_tls", "\"\"", true },
        { "web.listen_tls", "\"0.0.0.0:8443\"", true },
        { "web.listen_tls", "\"192.0.2.7:443\"", false },
        { "web.listen", "\"\"", false },
        { "net.tls", "false", true },
        { "net.ipv6", "false", false },
        { "net.access_mode", "\"grant\"", true },
        { "C_System_Services_Firewall", "\"grant\"", true },
        { "net.access_mode", "\"deny\"", false },
        { "web.access_mode", "\"grant\"", true },
        { "web.access_ips", "\"192.0.2.0/24\"", false },
        { "imap.access_mode", "\"grant\"", false },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int status = change_setting(rows[i].name, rows[i].value, "?dry_run=true");
        if (status != (rows[i].shut ? 409 : 200))
            fail_msg("%s=%s: %d %s", rows[i].name, rows[i].value, status, json_dumps(got.body, 0));
        if (rows[i].shut)
            assert_string_equal(text("code"), "locks_you_out");
    }
    assert_int_equal(ask(root, "PATCH", "/settings",
                         "{\"values\":{\"net.access_mode\":\"grant\",\"net.access_ips\":\"10.0.0.0/"
                         "8\"}}"),
                     409);
    assert_string_equal(field(), "net.access_ips");
    assert_int_equal(ask(root, "PATCH", "/settings",
                         "{\"values\":{\"net.access_mode\":\"grant\",\"net.access_ips\":\"192.0.2."
                         "1\"}}"),
                     200);
    assert_int_equal(change_setting("net.access_ips", "\"10.0.0.0/8\"", ""), 409);
    assert_int_equal(change_setting("net.access_ips", "\"10.0.0.0/8\"", "?confirm=true"), 200);
    /* Taking that back lets him in again; taking the step before back would not. */
    assert_int_equal(change_setting("net.access_ips", "\"192.0.2.1\"", ""), 200);
    ask(root, "GET", "/audit?object=net.access_ips&limit=1", NULL);
    char path[100];
    snprintf(path, sizeof(path), "/audit/%s/revert?dry_run=true", of_item(0, "id"));
    assert_int_equal(ask(root, "POST", path, NULL), 409);
    assert_string_equal(text("code"), "locks_you_out");
    struct api_request r = request(root, "PATCH", "/settings/net.access_ips", "{\"value\":null}");
    r.peer = "local";
    assert_int_equal(send(&r), 200);
    assert_int_equal(change_setting("net.access_mode", "null", ""), 200);
    /* The commands of `posthorn tool --server` as well. */
    static const char set[] = "{\"args\":{\"name\":\"net.access_mode\",\"value\":\"grant\"}}";
    assert_int_equal(ask(root, "POST", "/commands/setting.set", set), 409);
    assert_string_equal(text("code"), "locks_you_out");
    assert_int_equal(ask(root, "POST", "/commands/setting.set?confirm=true", set), 200);
    assert_int_equal(
        ask(root, "POST", "/commands/setting.reset", "{\"args\":{\"name\":\"net.access_mode\"}}"),
        200);
}

static void put_log(const char *name, const char *text)
{
    _cleanup_(freep) char *path = xasprintf("%s/%s", dir, name);
    assert_int_equal(os_write_file_atomic(path, sv_c(text), 0600, NULL), 0);
}

static void log_lines_around_one(void **state _unused_)
{
    char at[60], path[200];
    put_log("s20240103-00.log", "192.0.2.1       [0001] 10:00:01 one\n"
                                "192.0.2.1       [0001] 10:00:02 two\n"
                                "192.0.2.1       [0002] 10:00:03 three\n");
    put_log("s20240103-01.log", "192.0.2.1       [0001] 10:00:04 four\n"
                                "192.0.2.1       [0001] 10:00:05 five\n");
    assert_int_equal(ask(root, "GET", "/logs/smtp/lines?date=2024-01-03&filter=three", NULL), 200);
    assert_int_equal(items(), 1);
    snprintf(at, sizeof(at), "%s", of_item(0, "at"));
    snprintf(path, sizeof(path), "/logs/smtp/lines?around=%s&before=1&after=1", at);
    assert_int_equal(ask(root, "GET", path, NULL), 200);
    assert_int_equal(items(), 3);
    assert_string_equal(of_item(0, "text"), "two");
    assert_string_equal(of_item(1, "at"), at);
    assert_string_equal(of_item(2, "text"), "four");
    snprintf(path, sizeof(path), "/logs/smtp/lines?around=%s", at);
    assert_int_equal(ask(root, "GET", path, NULL), 200);
    assert_int_equal(items(), 5);
    snprintf(path, sizeof(path), "/logs/smtp/lines?around=%s&filter=x", at);
    assert_int_equal(ask(root, "GET", path, NULL), 400);
    assert_int_equal(ask(root, "GET", "/logs/smtp/lines?around=20240103-0-1", NULL), 404);
    assert_int_equal(ask(root, "GET", "/logs/smtp/lines?around=20240103-7-0", NULL), 404);
    assert_int_equal(ask(root, "GET", "/logs/smtp/lines?around=..", NULL), 400);
    assert_int_equal(ask(root, "GET", "/logs/smtp/lines?around=1-1-99999999999999999999", NULL),
                     400);
}

static void a_thread_through_all_logs(void **state _unused_)
{
    static const char *const want[] = { "one", "two", "three", "four" };
    _cleanup_(freep) char *auth = xasprintf("%s/auth", dir);
    assert_int_equal(os_mkdirs(auth, 0700, NULL), 0);
    put_log("s20240104-00.log", "192.0.2.1       [00AB] 10:00:01 one\n"
                                "192.0.2.1       [00AC] 10:00:02 other\n"
                                "192.0.2.1       [00AB] 10:00:04 four\n");
    put_log("auth/20240104-00.log", "192.0.2.1       [00AB] 10:00:02:123 two\n"
                                    "192.0.2.1       [00AD] 10:00:02:124 text with [00AB] in it\n");
    put_log("m20240104-00.log", "192.0.2.1       [00AB] 10:00:03 three\n");
    assert_int_equal(
        ask(root, "GET", "/logs/thread?date=2024-01-04&session=00000012000000AB", NULL), 200);
    assert_int_equal(items(), ARRAY_LEN(want));
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        assert_string_equal(of_item(i, "text"), want[i]);
    assert_string_equal(of_item(1, "log"), "auth");
    assert_string_equal(of_item(2, "log"), "imap");
    assert_int_equal(
        ask(root, "GET", "/logs/thread?date=2024-01-04&session=00ab&from=10:00:03", NULL), 200);
    assert_int_equal(items(), 2);
    assert_int_equal(ask(root, "GET", "/logs/thread?date=2024-01-04&text=%5B00AB%5D", NULL), 200);
    assert_int_equal(items(), 5);
    assert_false(json_is_true(json_object_get(got.body, "cut")));
    assert_int_equal(ask(root, "GET", "/logs/thread?date=2024-01-04", NULL), 400);
    assert_int_equal(ask(root, "GET", "/logs/thread?session=00abc", NULL), 400);
    assert_int_equal(ask(dom, "GET", "/logs/thread?session=00ab", NULL), 403);
}

static void log_files(void **state _unused_)
{
    struct api_caller reader = *root;
    struct api_response res;
    char ymd[16], today[40], path[100];
    clock_ymd(clock_wall_s(), ymd);
    snprintf(today, sizeof(today), "p%s-00.log", ymd);
    put_log(today, "192.0.2.1       [0001] 10:00:01 now\n");
    put_log("p20240105-00.log", "192.0.2.1       [0001] 10:00:01 then\n");
    put_log("pass.txt", "not a log");
    reader.scopes &= ~SCOPE_BIT(SCOPE_LOGS_WRITE);
    assert_int_equal(ask(root, "GET", "/logs/pop3/files", NULL), 200);
    assert_int_equal(items(), 2);
    assert_string_equal(of_item(0, "name"), today);
    assert_string_equal(of_item(1, "date"), "2024-01-05");
    assert_int_equal(ask(root, "GET", "/logs/pop3/files/pass.txt", NULL), 404);
    assert_int_equal(ask(root, "GET", "/logs/pop3/files/..%2Fpass.txt", NULL), 404);
    assert_int_equal(ask(root, "GET", "/logs/smtp/files/p20240105-00.log", NULL), 404);
    struct api_request r =
        request(root, "GET", "/logs/pop3/files/p20240105-00.log?offset=23", NULL);
    api_handle(api, &r, &res);
    assert_int_equal(res.status, 200);
    assert_true(sv_eq(buf_sv(&res.body), SV("10:00:01 then\n")));
    assert_non_null(strstr(res.type, "text/plain"));
    api_response_done(&res);
    snprintf(path, sizeof(path), "/logs/pop3/files/%s", today);
    assert_int_equal(ask(root, "DELETE", path, NULL), 409);
    assert_int_equal(ask(&reader, "DELETE", "/logs/pop3/files/p20240105-00.log", NULL), 403);
    assert_int_equal(ask(root, "DELETE", "/logs/pop3/files/p20240105-00.log", NULL), 204);
    assert_int_equal(ask(root, "DELETE", "/logs/pop3/files/p20240105-00.log", NULL), 404);
    ask(root, "GET", "/audit?q=p20240105-00.log", NULL);
    assert_int_equal(items(), 1);
}

static void origins_and_cookies(void **state _unused_)
{
    assert_true(api_origin_is_own(NULL, NULL, "a.test", true));
    assert_true(api_origin_is_own("https://a.test", "same-origin", "a.test", true));
    assert_false(api_origin_is_own("http://a.test", NULL, "a.test", true));
    assert_false(api_origin_is_own("https://a.test:8443", NULL, "a.test", true));
    assert_false(api_origin_is_own("null", NULL, "a.test", true));
    assert_false(api_origin_is_own("https://a.test", "same-site", "a.test", true));
    assert_true(sv_eq(api_cookie("a=1; posthorn=x; b=2", "posthorn"), SV("x")));
    assert_null(api_cookie("xposthorn=x", "posthorn").p);
    assert_null(api_cookie(NULL, "posthorn").p);
}

static void times(void **state _unused_)
{
    int64_t ms;
    assert_true(api_parse_time("1970-01-01T00:00:01Z", 0, &ms) && ms == 1000);
    assert_true(api_parse_time("1970-01-01T01:00:00.250+01:00", 0, &ms) && ms == 250);
    assert_true(api_parse_time("2h", 7200001, &ms) && ms == 1);
    assert_false(api_parse_time("2026-13-01T00:00:00Z", 0, &ms));
    assert_false(api_parse_time("2026-01-01", 0, &ms));
    assert_false(api_parse_time("h", 0, &ms));
}

/* A day, an hour and a minute begin: 2026-03-12 00:00:00 UTC. */
#define DAY INT64_C(1773273600)

static json_t *series(size_t i)
{
    return json_array_get(json_object_get(got.body, "series"), i);
}

static json_t *value(size_t of, size_t i)
{
    return json_array_get(json_object_get(series(of), "values"), i);
}

static void figures_over_time(void **state _unused_)
{
    struct sampler *s = NULL;
    clock_test_freeze(DAY * 1000);
    assert_int_equal(sampler_open(dir, admin.shm, &s, NULL), 0);
    ctr_add(CTR_smtp_rcpt_refused, 3);
    ctr_add(CTR_smtp_messages_refused, 4);
    clock_test_advance(60000);
    assert_int_equal(sampler_tick(s, NULL), 0);
    clock_test_advance(15000);
    ctr_add(CTR_smtp_rcpt_refused, 2);
#define SPAN "&from=2026-03-12T00:00:00Z&to=2026-03-12T00:03:00Z"
    ask(root, "GET", "/metrics/query?metric=smtp_rcpt_refused,smtp_messages_refused" SPAN, NULL);
    assert_int_equal(got.status, 200);
    assert_int_equal(json_integer_value(json_object_get(got.body, "step_seconds")), 60);
    assert_string_equal(text("from"), "2026-03-12T00:00:00.000Z");
    assert_string_equal(text("since"), "2026-03-12T00:00:00.000Z");
    assert_int_equal(json_integer_value(value(0, 0)), 3);
    assert_int_equal(json_integer_value(value(0, 1)), 2); /* not sampled yet */
    assert_true(json_is_null(value(0, 2)));
    assert_int_equal(json_integer_value(value(1, 0)), 4);
    assert_string_equal(json_string_value(json_object_get(series(1), "name")),
                        "smtp_messages_refused");
    ask(root, "GET",
        "/metrics/query?metric=smtp_rcpt_refused,smtp_messages_refused&by=total&step=1h" SPAN,
        NULL);
    assert_int_equal(json_array_size(json_object_get(got.body, "series")), 1);
    assert_int_equal(json_integer_value(value(0, 0)), 9);
    ask(root, "GET", "/metrics/query?metric=sessions_imap" SPAN, NULL);
    assert_string_equal(json_string_value(json_object_get(series(0), "kind")), "peak");
    static const struct {
        const char *path, *field;
    } wrong[] = {
        { "/metrics/query", "metric" },
        { "/metrics/query?metric=nothing", "metric" },
        { "/metrics/query?metric=", "metric" },
        { "/metrics/query?metric=auth_ok,", "metric" },
        { "/metrics/query?metric=auth_ok&step=7m", "step" },
        { "/metrics/query?metric=auth_ok&from=30d&step=1m", "step" },
        { "/metrics/query?metric=auth_ok&from=1h&to=2h", "to" },
        { "/metrics/query?metric=auth_ok&from=yesterday", "from" },
        { "/metrics/query?metric=auth_ok,bytes_in&by=total", "by" },
        { "/metrics/query?metric=sessions_imap&by=total", "by" },
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        ask(root, "GET", wrong[i].path, NULL);
        if (got.status != 400 || strcmp(field(), wrong[i].field))
            fail_msg("%s: %s", wrong[i].path, json_dumps(got.body, 0));
    }
    assert_int_equal(ask(dom, "GET", "/metrics/query?metric=auth_ok", NULL), 403);
    assert_int_equal(ask(NULL, "GET", "/metrics/query?metric=auth_ok", NULL), 401);
    sampler_close(s);
    clock_test_freeze(0);
}

static json_t *annotation(size_t i)
{
    return json_array_get(json_object_get(got.body, "items"), i);
}

static const char *annotation_text(size_t i, const char *name)
{
    const char *s = json_string_value(json_object_get(annotation(i), name));
    return s ? s : "";
}

static void annotations(void **state _unused_)
{
    char path[80];
    assert_int_equal(ask(root, "POST", "/annotations",
                         "{\"text\":\"new line\",\"at\":\"2026-03-12T00:01:00Z\"}"),
                     201);
    snprintf(path, sizeof(path), "/annotations/%s", text("id"));
    assert_string_equal(text("who"), "root@a.test");
    run_op("{\"op\":\"setting.set\",\"args\":{\"name\":\"smtp.max_errors\",\"value\":\"9\"}}");
    ask(root, "GET", "/annotations?from=2026-03-12T00:00:00Z&to=2026-03-12T00:03:00Z", NULL);
    size_t n = json_array_size(json_object_get(got.body, "items"));
    assert_true(n > 0); /* a start may stand beside it */
    assert_string_equal(annotation_text(n - 1, "kind"), "note");
    assert_string_equal(annotation_text(n - 1, "text"), "new line");
    assert_int_equal(json_array_size(json_object_get(annotation(n - 1), "actions")), 1);
    ask(root, "GET", "/annotations?from=1h", NULL);
    n = json_array_size(json_object_get(got.body, "items"));
    assert_true(n > 0);
    assert_string_equal(annotation_text(n - 1, "kind"), "setting");
    assert_string_equal(annotation_text(n - 1, "text"), "smtp.max_errors");
    assert_string_equal(annotation_text(n - 1, "new"), "9");
    assert_int_equal(ask(root, "POST", "/annotations", "{\"text\":\"a\\nb\"}"), 422);
    assert_int_equal(ask(root, "POST", "/annotations", "{\"text\":\"\"}"), 422);
    assert_int_equal(
        ask(root, "POST", "/annotations", "{\"text\":\"x\",\"at\":\"2999-01-01T00:00:00Z\"}"), 422);
    assert_int_equal(ask(dom, "GET", "/annotations", NULL), 403);
    assert_int_equal(ask(dom, "POST", "/annotations", "{\"text\":\"x\"}"), 403);
    assert_int_equal(ask(dom, "DELETE", path, NULL), 403);
    assert_int_equal(ask(root, "DELETE", path, NULL), 204);
    assert_int_equal(ask(root, "DELETE", path, NULL), 404);
    assert_int_equal(ask(root, "DELETE", "/annotations/start-1", NULL), 404);
    ask(root, "GET", "/audit?object=annotation", NULL);
    assert_int_equal(json_array_size(json_object_get(got.body, "items")), 2);
}

/* The server's start, which the samples know. */
static void restarts_are_annotations(void **state _unused_)
{
    struct sampler *s = NULL;
    assert_int_equal(sampler_open(dir, admin.shm, &s, NULL), 0);
    sampler_close(s);
    ask(root, "GET", "/annotations?from=10m", NULL);
    assert_string_equal(annotation_text(0, "kind"), "restart");
}

/* The queue's module, as the checks hear of it. */
static json_t *queue_says(void *arg, enum module m, const char *op, json_t *args _unused_)
{
    json_int_t hour_ago = (json_int_t)clock_wall_ms() - 3600000;
    if (m != MOD_SMTP || strcmp(op, "queue.page") != 0)
        return NULL;
    return json_pack("{s:b, s:{s:i}, s:[{s:s, s:i, s:I, s:s}, {s:s, s:i, s:I, s:s}, {s:s, s:i, "
                     "s:I, s:s}]}",
                     "ok", 1, "states", "overdue", *(int *)arg, "destinations", "domain",
                     "<b>late.test", "messages", 1, "oldest_ms", hour_ago, "answer", "451 later",
                     "domain", "new.test", "messages", 9, "oldest_ms", (json_int_t)clock_wall_ms(),
                     "answer", "", "domain", "many.test", "messages", 5, "oldest_ms",
                     (json_int_t)clock_wall_ms(), "answer", "no answer");
}

static const json_t *check(const char *id)
{
    json_t *row;
    size_t i;
    json_array_foreach(json_object_get(got.body, "items"), i, row)
    {
        if (!strcmp(json_string_value(json_object_get(row, "id")), id))
            return row;
    }
    return NULL;
}

static void what_needs_somebody(void **state _unused_)
{
    int overdue = 0;
    admin.ask = queue_says;
    admin.arg = &overdue;
    assert_int_equal(ask(root, "GET", "/health/checks", NULL), 200);
    const json_t *late = check("destination.<b>late.test");
    assert_string_equal(json_string_value(json_object_get(late, "object")), "<b>late.test");
    assert_int_equal(json_integer_value(json_object_get(late, "value")), 1);
    assert_string_equal(json_string_value(json_object_get(late, "state")), "warn");
    assert_non_null(strstr(json_string_value(json_object_get(late, "detail")), "451 later"));
    assert_non_null(check("destination.many.test"));
    assert_null(check("destination.new.test")); /* it has not been tried yet */
    assert_string_equal(json_string_value(json_object_get(check("queue.overdue"), "state")), "ok");
    assert_string_equal(json_string_value(json_object_get(check("module.smtp"), "state")), "bad");
    assert_string_equal(json_string_value(json_object_get(check("logins.refused"), "state")), "ok");
    overdue = 3;
    ctr_add(CTR_auth_failed, 100);
    ask(root, "GET", "/health/checks", NULL);
    assert_string_equal(json_string_value(json_object_get(check("queue.overdue"), "state")),
                        "warn");
    assert_int_equal(json_integer_value(json_object_get(check("queue.overdue"), "value")), 3);
    assert_string_equal(json_string_value(json_object_get(check("logins.refused"), "state")),
                        "warn");
    admin.ask = NULL;
    admin.arg = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_over_time),
        cmocka_unit_test(annotations),
        cmocka_unit_test(restarts_are_annotations),
        cmocka_unit_test(refusals_before_a_handler),
        cmocka_unit_test(rights),
        cmocka_unit_test(a_domain_admin_sees_his_domains),
        cmocka_unit_test(dry_runs_change_nothing),
        cmocka_unit_test(writes_are_guarded),
        cmocka_unit_test(sign_in),
        cmocka_unit_test(looks_are_recorded),
        cmocka_unit_test(every_route_is_documented_once),
        cmocka_unit_test(csv_fields),
        cmocka_unit_test(log_lines),
        cmocka_unit_test(kinds_of_log_lines),
        cmocka_unit_test(log_lines_around_one),
        cmocka_unit_test(settings_change_together),
        cmocka_unit_test(who_would_get_in),
        cmocka_unit_test(nobody_shuts_himself_out),
        cmocka_unit_test(a_thread_through_all_logs),
        cmocka_unit_test(log_files),
        cmocka_unit_test(origins_and_cookies),
        cmocka_unit_test(times),
        cmocka_unit_test(what_needs_somebody),
    };
    int r = cmocka_run_group_tests(tests, begin, end);
    json_decref(got.body);
    return r;
}
