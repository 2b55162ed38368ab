/* The administrator's operations on a real database: what they do, what they refuse and how they
 * say it. Every refusal names the thing, the value and what is allowed. */
#include "admin_test.h"

static unsigned changed_calls;
static struct { /* what a module was asked, and what it answers */
    enum module to;
    char op[40];
    json_t *args, *answer[MOD_COUNT];
} asked;

static int changed_result;

static int changed(void *arg _unused_, struct errinfo *ei)
{
    changed_calls++;
    return changed_result < 0 ? err_set(ei, changed_result, "module smtp sleeps") : 0;
}

static json_t *ask(void *arg _unused_, enum module to, const char *op, json_t *args)
{
    asked.to = to;
    snprintf(asked.op, sizeof(asked.op), "%s", op);
    json_decref(asked.args);
    asked.args = json_deep_copy(args);
    return asked.answer[to] ? json_incref(asked.answer[to])
                            : admin_error(E_NOTFOUND, "module knows nothing");
}

static int begin(void **state _unused_)
{
    admin_begin();
    admin.changed = changed;
    return 0;
}

static int end(void **state _unused_)
{
    admin_end();
    json_decref(asked.args);
    return 0;
}

/* Runs {"op": op, "args": args}; args in JSON, single quotes for double ones. */
static json_t *run(const char *op, const char *args)
{
    char *text = xstrdup(args);
    json_error_t je;
    for (char *c = text; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    json_t *a = json_loads(text, JSON_DECODE_ANY, &je);
    if (!a)
        fail_msg("%s: %s", text, je.text);
    json_t *req = json_pack("{s:s, s:o}", "op", op, "args", a), *before = json_deep_copy(req);
    json_t *reply = admin_run(&admin, "tester", req);
    assert_true(json_equal(req, before)); /* it is borrowed */
    json_decref(before);
    json_decref(req);
    free(text);
    return reply;
}

static json_t *ok(const char *op, const char *args)
{
    json_t *reply = run(op, args);
    if (!json_is_true(json_object_get(reply, "ok"))) {
        char *text = json_dumps(reply, 0);
        fail_msg("%s %s: %s", op, args, text);
    }
    return reply;
}

static void done(const char *op, const char *args)
{
    json_decref(ok(op, args));
}

static void refused(const char *op, const char *args, const char *text)
{
    json_t *reply = run(op, args), *error = json_object_get(reply, "error");
    const char *got = json_string_value(json_object_get(error, "text"));
    if (!got || json_integer_value(json_object_get(error, "code")) >= 0)
        fail_msg("%s %s was not refused", op, args);
    if (!strstr(got, text))
        fail_msg("%s %s: '%s', want '%s'", op, args, got, text);
    json_decref(reply);
}

static json_t *row_of(json_t *reply, const char *key, const char *value)
{
    json_t *row;
    size_t i;
    json_array_foreach(json_object_get(reply, "rows"), i, row)
    {
        const char *v = json_string_value(json_object_get(row, key));
        if (v && !strcmp(v, value))
            return row;
    }
    return NULL;
}

static void requests(void **state _unused_)
{
    static const struct {
        const char *request, *error;
    } cases[] = {
        { "{}", "a request is {\"op\"" },
        { "[]", "a request is {\"op\"" },
        { "{\"op\": 1}", "a request is {\"op\"" },
        { "{\"op\": \"\"}", "unknown operation ''" },
        { "{\"op\": \"domain.destroy\"}",
          "unknown operation 'domain.destroy'; 'operations' lists all" },
        { "{\"op\": \"domain.list\", \"args\": []}", "domain.list: args must be an object" },
        { "{\"op\": \"domain.list\", \"args\": {\"x\": \"y\"}}",
          "domain.list: unknown argument 'x'; it takes none" },
        { "{\"op\": \"domain.create\"}",
          "domain.create: argument 'domain' is missing; it takes domain [en" },
        { "{\"op\": \"domain.create\", \"args\": {\"domain\": \"a.test\", \"quote\": 1}}",
          "domain.create: unknown argument 'quote'; it takes domain [en" },
        { "{\"op\": \"domain.create\", \"args\": {\"domain\": [\"a.test\"]}}",
          "domain.create: argument 'domain' must be text" },
        { "{\"op\": \"domain.create\", \"args\": {\"domain\": 1.5}}",
          "must be text, a whole number" },
        { "{\"op\": \"domain.create\", \"args\": {\"domain\": null}}", "must be text" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        json_t *req = json_loads(cases[i].request, 0, NULL), *reply = admin_run(&admin, "t", req);
        const char *text =
            json_string_value(json_object_get(json_object_get(reply, "error"), "text"));
        if (!text || !strstr(text, cases[i].error))
            fail_msg("%s: %s", cases[i].request, text ? text : "not refused");
        json_decref(reply);
        json_decref(req);
    }
    json_t *all = ok("operations", "{}"), *row;
    size_t n;
    json_array_foreach(json_object_get(all, "rows"), n, row)
        assert_true(strlen(json_string_value(json_object_get(row, "help"))) > 5);
    assert_true(n >= 25);
    json_decref(all);
}

static void domains(void **state _unused_)
{
    done("domain.create", "{'domain': 'One.Test', 'primary': true, 'quota': '10MiB'}");
    done("domain.create",
         "{'domain': 'two.test', 'unknown': 'forward', 'unknown_to': 'x@one.test'}");
    refused("domain.create", "{'domain': 'one.test'}", "one.test");
    refused("domain.create", "{'domain': 'not a domain'}", "not a domain");
    refused("domain.create", "{'domain': ''}", "domain");
    refused("domain.create", "{'domain': 'three.test', 'unknown': 'bounce'}", "'bounce'");
    refused("domain.create", "{'domain': 'three.test', 'unknown': 'forward'}", "unknown_to");
    refused("domain.create", "{'domain': 'three.test', 'quota': 'lots'}",
            "quota: 'lots' is not a size");
    refused("domain.create", "{'domain': 'three.test', 'enabled': 'maybe'}",
            "'maybe' is not a switch");
    refused("domain.update", "{'domain': 'none.test', 'quota': 1}", "none.test");
    done("domain.update", "{'domain': 'two.test', 'quota': 1048576, 'enabled': false}");
    json_t *list = ok("domain.list", "{}"), *two = row_of(list, "domain", "two.test"),
           *one = row_of(list, "domain", "one.test");
    assert_true(json_is_true(json_object_get(one, "primary")));
    assert_int_equal(json_integer_value(json_object_get(one, "quota")), 10 * MiB);
    assert_true(json_is_false(json_object_get(two, "enabled")));
    assert_string_equal(json_string_value(json_object_get(two, "unknown")), "forward");
    json_decref(list);
    refused("domain.delete", "{'domain': 'none.test'}", "none.test");
    refused("domain.delete", "{'domain': 'two.test', 'with_accounts': 'si'}",
            "with_accounts: 'si' is not a switch; allowed: yes, no");
    done("domain.delete", "{'domain': 'two.test'}");
    assert_true(sv_find_sv(buf_sv(&log_text), SV("'tester'")) >= 0);
}

static void add_mail(const char *address)
{
    struct errinfo ei = { 0 };
    _cleanup_(account_unrefp) const struct account *a = NULL;
    _cleanup_(mailbox_unrefp) struct mailbox *m = NULL;
    static uint64_t key = 100;
    assert_int_equal(account_find_address(admin.accounts, sv_c(address), &a, &ei), 0);
    assert_int_equal(mailbox_open(admin.store, a->id, sv_c(address), &m, &ei), 0);
    struct mailbox_add add = {
        .key = key++, .content = SV("Subject: x\r\n\r\n"), .size = 14, .internal_date_s = 1
    };
    assert_int_equal(mailbox_add(m, mailbox_inbox_id(m), &add, 1, false, 0, NULL, NULL, &ei), 0);
}

static bool has_mail(const char *local)
{
    _cleanup_(freep) char *path = xasprintf("%s/mail/one.test/%s", dir, local);
    return access(path, F_OK) == 0;
}

static void accounts(void **state _unused_)
{
    done("account.create",
         "{'address': 'Ann@one.test', 'password': 'very secret', 'name': 'Ann \xc3\xa4', "
         "'aliases': 'a;b@one.test', 'quota': '5MiB'}");
    done("account.create", "{'address': 'bob@one.test'}");
    refused("account.create", "{'address': 'ann@one.test'}", "ann@one.test");
    refused("account.create", "{'address': 'ann'}", "ann");
    refused("account.create", "{'address': 'x@none.test'}", "none.test");
    refused("account.create", "{'address': 'c@one.test', 'password': 'short'}", "password");
    refused("account.create", "{'address': 'c@one.test', 'password': '{NONE}x'}", "{NONE}");
    refused("account.create", "{'address': 'c@one.test', 'quota': '-1'}", "quota: '-1'");
    refused("account.create", "{'address': 'c@one.test', 'pasword': 'x'}",
            "unknown argument 'pasword'");
    refused("account.update", "{'address': 'nobody@one.test', 'name': 'x'}", "nobody@one.test");
    done("account.update", "{'address': 'bob@one.test', 'enabled': 'no', 'name': 'Bob'}");
    json_t *list = ok("account.list", "{'domain': 'one.test'}");
    assert_int_equal(json_array_size(json_object_get(list, "rows")), 2);
    assert_true(json_is_false(json_object_get(row_of(list, "address", "bob@one.test"), "enabled")));
    json_decref(list);
    add_mail("ann@one.test");
    json_t *show = ok("account.show", "{'address': 'ann@one.test'}");
    assert_string_equal(json_string_value(json_object_get(show, "aliases")),
                        "a@one.test;b@one.test");
    assert_int_equal(json_integer_value(json_object_get(show, "used_bytes")), 14);
    assert_int_equal(json_integer_value(json_object_get(show, "messages")), 1);
    json_decref(show);
    refused("account.show", "{'address': 'nobody@one.test'}", "nobody@one.test");
    /* Nothing about a password leaves: no answer, no audit, no log. */
    json_t *audit = ok("audit.list", "{'limit': 1000}");
    char *text = json_dumps(audit, 0);
    assert_null(strstr(text, "very secret"));
    assert_non_null(strstr(text, "password"));
    assert_true(sv_find_sv(buf_sv(&log_text), SV("very secret")) < 0);
    free(text);
    json_decref(audit);
}

static void deleted_accounts_and_their_mail(void **state _unused_)
{
    done("account.create", "{'address': 'd1@one.test'}");
    done("account.create", "{'address': 'd2@one.test'}");
    done("account.create", "{'address': 'd3@one.test'}");
    add_mail("d1@one.test");
    add_mail("d2@one.test");
    add_mail("d3@one.test");
    /* A misread switch must not cost mail. */
    refused("account.delete", "{'address': 'd1@one.test', 'keep_mail': 'sure'}",
            "keep_mail: 'sure' is not a switch");
    assert_true(has_mail("d1"));
    done("account.delete", "{'address': 'd1@one.test', 'keep_mail': true}");
    assert_true(has_mail("d1"));
    done("account.delete", "{'address': 'd2@one.test', 'keep_mail': 'no'}");
    assert_false(has_mail("d2"));
    refused("account.delete", "{'address': 'd2@one.test'}", "d2@one.test");
    /* A domain that is not deleted keeps its mail. */
    refused("domain.delete", "{'domain': 'one.test'}", "one.test");
    assert_true(has_mail("d3"));
    done("domain.create", "{'domain': 'gone.test'}");
    done("account.create", "{'address': 'x@gone.test'}");
    add_mail("x@gone.test");
    done("domain.delete", "{'domain': 'gone.test', 'with_accounts': 'yes'}");
    _cleanup_(freep) char *path = xasprintf("%s/mail/gone.test/x", dir);
    assert_int_not_equal(access(path, F_OK), 0);
    refused("account.show", "{'address': 'x@gone.test'}", "x@gone.test");
}

static void aliases(void **state _unused_)
{
    done("alias.set", "{'address': 'team@one.test', 'targets': 'ann@one.test;out@else.test'}");
    json_t *list = ok("alias.list", "{}");
    assert_string_equal(
        json_string_value(json_object_get(row_of(list, "address", "team@one.test"), "targets")),
        "ann@one.test;out@else.test");
    assert_non_null(row_of(list, "address", "a@one.test")); /* of an account */
    json_decref(list);
    done("alias.set", "{'address': 'team@one.test', 'targets': 'bob@one.test'}");
    list = ok("alias.list", "{'domain': 'one.test'}");
    assert_string_equal(
        json_string_value(json_object_get(row_of(list, "address", "team@one.test"), "targets")),
        "bob@one.test");
    json_decref(list);
    refused("alias.set", "{'address': 'team@one.test'}", "argument 'targets' is missing");
    refused("alias.set", "{'address': 'team@one.test', 'targets': ' '}",
            "targets: '' names nobody");
    refused("alias.set", "{'address': 'team@one.test', 'targets': 'no address'}", "no address");
    refused("alias.set", "{'address': 'x@else.test', 'targets': 'ann@one.test'}", "else.test");
    refused("alias.set", "{'address': 'ann@one.test', 'targets': 'bob@one.test'}", "ann@one.test");
    refused("alias.set", "{'address': 'team@one.test', 'targets': 'team@one.test'}",
            "team@one.test");
    refused("alias.delete", "{'address': 'none@one.test'}", "none@one.test");
    done("alias.delete", "{'address': 'team@one.test'}");
    list = ok("alias.list", "{}");
    assert_null(row_of(list, "address", "team@one.test"));
    json_decref(list);
}

static void app_passwords(void **state _unused_)
{
    json_t *made = ok("app-password.create", "{'address': 'ann@one.test', 'label': 'phone'}");
    const char *secret = json_string_value(json_object_get(made, "password"));
    assert_true(strlen(secret) >= 16);
    json_t *audit = ok("audit.list", "{}"),
           *list = ok("app-password.list", "{'address': 'ann@one.test'}");
    char *text = json_dumps(audit, 0), *rows = json_dumps(list, 0);
    assert_null(strstr(text, secret));
    assert_null(strstr(rows, secret));
    assert_true(sv_find_sv(buf_sv(&log_text), sv_c(secret)) < 0);
    assert_non_null(row_of(list, "label", "phone"));
    free(text);
    free(rows);
    json_decref(list);
    json_decref(audit);
    json_decref(made);
    refused("app-password.create", "{'address': 'ann@one.test', 'label': 'phone'}", "phone");
    refused("app-password.create", "{'address': 'no@one.test', 'label': 'x'}", "no@one.test");
    refused("app-password.create", "{'address': 'ann@one.test'}", "argument 'label' is missing");
    refused("app-password.delete", "{'address': 'ann@one.test', 'label': 'tablet'}", "tablet");
    done("app-password.delete", "{'address': 'ann@one.test', 'label': 'phone'}");
    refused("app-password.list", "{'address': 'no@one.test'}", "no@one.test");
}

static void settings(void **state _unused_)
{
    unsigned before = changed_calls;
    done("setting.set", "{'name': 'smtp.max_recipients', 'value': 77}");
    const struct conf *now = conf_pin();
    assert_int_equal(now->smtp.max_recipients, 77); /* in force for the next operation */
    conf_unref(now);
    assert_int_equal(changed_calls, before + 1);
    json_t *one = ok("setting.get", "{'name': 'SMTP.max_recipients'}");
    assert_string_equal(json_string_value(json_object_get(one, "value")), "77");
    assert_string_equal(json_string_value(json_object_get(one, "default")), "1000");
    json_decref(one);
    refused("setting.set", "{'name': 'smtp.max_recipients', 'value': 0}", "smtp.max_recipients");
    refused("setting.set", "{'name': 'smtp.max_recipients', 'value': '0'}", "'0'");
    refused("setting.set", "{'name': 'smtp.max_recipients', 'value': '0'}", "100000");
    refused("setting.set", "{'name': 'log.smtp', 'value': 'loud'}", "none, summary, debug");
    refused("setting.set", "{'name': 'smtp.max_recipient', 'value': '1'}",
            "did you mean smtp.max_recipients");
    refused("setting.get", "{'name': 'nothing'}", "unknown setting 'nothing'");
    refused("setting.reset", "{'name': 'nothing'}", "nothing");
    refused("setting.set", "{'name': 'smtp.max_recipients'}", "argument 'value' is missing");
    assert_int_equal(changed_calls, before + 1); /* not for what was refused */
    changed_result = E_TIMEOUT;
    refused("setting.set", "{'name': 'smtp.max_recipients', 'value': 78}",
            "smtp.max_recipients is stored, but module smtp sleeps");
    one = ok("setting.get", "{'name': 'smtp.max_recipients'}");
    assert_string_equal(json_string_value(json_object_get(one, "value")), "78");
    json_decref(one);
    done("setting.set", "{'name': 'mailbox.open_indexes', 'value': 99}"); /* nobody is waited for */
    done("setting.reset", "{'name': 'mailbox.open_indexes'}");
    changed_result = 0;
    done("setting.set", "{'name': 'c_system_adv_protocols_sessiontimeout', 'value': '200s'}");
    one = ok("setting.get", "{'name': 'net.session_timeout'}");
    assert_true(sv_starts(sv_c(json_string_value(json_object_get(one, "value"))), SV("200")));
    json_decref(one);
    done("setting.reset", "{'name': 'net.session_timeout'}");
    json_t *list = ok("setting.list", "{'pattern': 'smtp.max_hops'}");
    assert_int_equal(json_array_size(json_object_get(list, "rows")), 1);
    json_decref(list);
    list = ok("setting.list", "{}");
    assert_true(json_array_size(json_object_get(list, "rows")) > 100);
    json_decref(list);
    list = ok("audit.list", "{'limit': 3}");
    assert_int_equal(json_array_size(json_object_get(list, "rows")), 3);
    json_decref(list);
    refused("audit.list", "{'limit': 'all'}", "limit: 'all' is not a number of rows");
    admin.ask = ask; /* with a server a note tells of settings that need a restart */
    one = ok("setting.set", "{'name': 'net.reactors', 'value': '2'}");
    assert_string_equal(json_string_value(json_object_get(one, "note")),
                        "net.reactors takes effect after a restart");
    json_decref(one);
    admin.ask = NULL;
}

static void mailboxes(void **state _unused_)
{
    json_t *v = ok("mailbox.verify", "{'address': 'ann@one.test'}");
    assert_int_equal(json_integer_value(json_object_get(v, "total")), 0);
    json_decref(v);
    _cleanup_(freep) char *find = xasprintf("find %s/mail/one.test/ann -name '*.eml' -delete", dir);
    assert_int_equal(system(find), 0);
    v = ok("mailbox.verify", "{'address': 'ann@one.test'}");
    assert_true(json_integer_value(json_object_get(v, "total")) > 0);
    assert_true(json_is_false(json_object_get(v, "repaired")));
    json_decref(v);
    v = ok("mailbox.verify", "{'address': 'ann@one.test', 'repair': true}");
    assert_true(json_is_true(json_object_get(v, "repaired")));
    json_decref(v);
    v = ok("mailbox.verify", "{'address': 'ann@one.test'}");
    assert_int_equal(json_integer_value(json_object_get(v, "total")), 0);
    json_decref(v);
    refused("mailbox.verify", "{'address': 'none@one.test'}", "none@one.test");
    refused("mailbox.verify", "{'address': 'ann@one.test', 'repair': 'please'}", "'please'");
}

static void without_a_server(void **state _unused_)
{
    static const char *const ops[] = { "session.list", "stats.list", "queue.list", "queue.retry" };
    for (size_t i = 0; i < ARRAY_LEN(ops); i++)
        refused(ops[i], "{}", "the server is not running; start it with `posthorn serve`");
    refused("session.kill", "{'id': '1A'}", "not running");
    refused("queue.delete", "{'id': 'x'}", "not running");
    refused("queue.view", "{'id': 'x'}", "not running");
    admin.changed = NULL;
    refused("server.reload", "{}", "not running");
    admin.changed = changed;
    uint64_t before = epoch_get(EPOCH_SETTINGS);
    done("server.reload", "{}");
    assert_int_equal(epoch_get(EPOCH_SETTINGS), before + 1);
}

static void with_a_server(void **state _unused_)
{
    static const char *const bad[] = { "", "x", "-1", "0x1A", " 1A", "123456789", "1A " };
    char args[64];
    admin.ask = ask;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        snprintf(args, sizeof(args), "{'id': '%s'}", bad[i]);
        refused("session.kill", args, "is not a session id; `posthorn tool sessions` lists them");
    }
    refused("session.kill", "{'id': '1A'}", "no session '1A'");
    assert_string_equal(asked.op, "session.kill");
    assert_int_equal(json_integer_value(json_object_get(asked.args, "id")), 0x1a);
    asked.answer[MOD_ACCESS] = json_pack("{s:b}", "ok", 1);
    done("session.kill", "{'id': '0000001a'}");
    assert_int_equal(asked.to, MOD_ACCESS);
    json_decref(asked.answer[MOD_ACCESS]);
    asked.answer[MOD_ACCESS] = NULL;
    asked.answer[MOD_SMTP] = json_pack("{s:b, s:[]}", "ok", 1, "rows");
    done("queue.list", "{'filter': 'ann'}");
    assert_string_equal(json_string_value(json_object_get(asked.args, "filter")), "ann");
    done("queue.retry", "{}");
    refused("queue.retry", "{'idz': 'x'}", "unknown argument 'idz'"); /* not: all of them */
    json_decref(asked.answer[MOD_SMTP]);
    asked.answer[MOD_SMTP] =
        json_pack("{s:b, s:i, s:i, s:i}", "ok", 1, "done", 2, "busy", 0, "unchanged", 0);
    done("queue.hold", "{'ids': 'A; B', 'older': '2h'}");
    assert_string_equal(asked.op, "queue.steer");
    json_t *filter = json_object_get(asked.args, "filter");
    assert_int_equal(json_array_size(json_object_get(filter, "ids")), 2);
    assert_int_equal(json_integer_value(json_object_get(filter, "older_s")), 7200);
    done("queue.priority", "{'priority': 'low', 'sender': 'news@'}");
    assert_string_equal(json_string_value(json_object_get(asked.args, "priority")), "low");
    refused("queue.delete", "{}", "name a message or a filter; all=yes means all messages");
    refused("queue.hold", "{'older': 'long'}", "'long' is not a time");
    done("queue.pause", "{'destination': 'x.test'}");
    assert_true(json_is_true(json_object_get(asked.args, "on")));
    refused("queue.pause", "{}", "give one of");
    refused("queue.resume", "{'all': 'yes', 'sender': 'x.test'}", "give one of");
    json_decref(asked.answer[MOD_SMTP]);
    asked.answer[MOD_SMTP] =
        json_pack("{s:b, s:i, s:i, s:i}", "ok", 1, "done", 0, "busy", 1, "unchanged", 0);
    refused("queue.bounce", "{'id': 'OSA1'}", "message 'OSA1' is being delivered now");
    json_decref(asked.answer[MOD_SMTP]);
    asked.answer[MOD_SMTP] =
        json_pack("{s:b, s:i, s:i, s:i}", "ok", 1, "done", 0, "busy", 0, "held", 1);
    refused("queue.retry", "{'id': 'OSA1'}", "held; release it first");
    json_decref(asked.answer[MOD_SMTP]);
    asked.answer[MOD_SMTP] =
        json_pack("{s:b, s:i, s:i, s:i}", "ok", 1, "done", 0, "busy", 0, "unchanged", 0);
    refused("queue.delete", "{'id': 'OSA1'}", "no message 'OSA1'");
    json_decref(asked.answer[MOD_SMTP]);
    asked.answer[MOD_SMTP] = NULL;
    admin.ask = NULL;
}

static void texts_of_peers(void **state _unused_)
{
    json_t *e = admin_error(E_PARSE, "bytes \xff\xfe here");
    assert_non_null(json_object_get(json_object_get(e, "error"), "text"));
    json_decref(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests),         cmocka_unit_test(domains),
        cmocka_unit_test(accounts),         cmocka_unit_test(deleted_accounts_and_their_mail),
        cmocka_unit_test(aliases),          cmocka_unit_test(app_passwords),
        cmocka_unit_test(settings),         cmocka_unit_test(mailboxes),
        cmocka_unit_test(without_a_server), cmocka_unit_test(with_a_server),
        cmocka_unit_test(texts_of_peers),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
