/* An API without sockets on a data directory of its own, and how tests ask it: root sees all, dom
 * is the admin of b.test. */
#pragma once

#include "../../admin/admin_test.h"
#include "server/api/api.h"

static struct api *api;
static struct api_caller *root, *dom;

static _unused_ void run_op(const char *text)
{
    json_error_t je;
    json_t *req = json_loads(text, 0, &je), *reply = admin_run(&admin, "setup", req);
    if (!json_object_get(reply, "ok"))
        fail_msg("%s: %s", text, json_dumps(reply, 0));
    json_decref(req);
    json_decref(reply);
}

static _unused_ int begin(void **state _unused_)
{
    struct errinfo ei = { 0 };

    admin_begin();
    admin.shm = shm_current();
    admin.data_dir = dir;
    run_op("{\"op\":\"domain.create\",\"args\":{\"domain\":\"a.test\"}}");
    run_op("{\"op\":\"domain.create\",\"args\":{\"domain\":\"b.test\"}}");
    run_op("{\"op\":\"account.create\",\"args\":{\"address\":\"root@a.test\",\"password\":"
           "\"{PLAIN}pw\",\"role\":\"system-admin\"}}");
    run_op("{\"op\":\"account.create\",\"args\":{\"address\":\"dom@b.test\",\"password\":"
           "\"{PLAIN}pw\",\"role\":\"domain-admin\",\"admin_domains\":\"b.test\"}}");
    run_op("{\"op\":\"account.create\",\"args\":{\"address\":\"u@b.test\"}}");
    api = api_new(&(struct api_opts){ .admin = &admin, .log_dir = dir, .hostname = "mx.test" });
    const struct account *acc = NULL;
    assert_int_equal(account_find_address(admin.accounts, SV("root@a.test"), &acc, &ei), 0);
    assert_int_equal(api_caller_account(admin.accounts, acc->id, &root, &ei), 0);
    account_unref(acc);
    assert_int_equal(account_find_address(admin.accounts, SV("dom@b.test"), &acc, &ei), 0);
    assert_int_equal(api_caller_account(admin.accounts, acc->id, &dom, &ei), 0);
    account_unref(acc);
    root->proof = dom->proof = PROOF_TOKEN;
    return 0;
}

static _unused_ int end(void **state _unused_)
{
    api_caller_free(root);
    api_caller_free(dom);
    api_free(api);
    admin_end();
    return 0;
}

/* The last answer, as text and JSON. */
static struct {
    int status;
    char etag[24], allow[48];
    json_t *body;
    bool replayed;
} got;

static _unused_ struct api_request request(const struct api_caller *who, const char *method,
                                           const char *path, const char *body)
{
    struct sv rest = sv_c(path), p = sv_split(&rest, '?');
    return (struct api_request){ .method = method,
                                 .path = p,
                                 .query = rest,
                                 .body = sv_c(body ? body : ""),
                                 .content_type = body ? "application/json" : NULL,
                                 .peer = "192.0.2.1",
                                 .tls = true,
                                 .caller = who };
}

static _unused_ int send(const struct api_request *req)
{
    struct api_response res;
    json_error_t je;
    api_handle(api, req, &res);
    json_decref(got.body);
    got.status = res.status;
    got.replayed = res.replayed;
    memcpy(got.etag, res.etag, sizeof(got.etag));
    memcpy(got.allow, res.allow, sizeof(got.allow));
    got.body = res.type ? json_loadb(res.body.p, res.body.n, 0, &je) : NULL;
    if (res.type)
        assert_non_null(got.body);
    api_response_done(&res);
    return got.status;
}

static _unused_ int ask(const struct api_caller *who, const char *method, const char *path,
                        const char *body)
{
    struct api_request r = request(who, method, path, body);
    return send(&r);
}

static _unused_ const char *text(const char *name)
{
    const char *s = json_string_value(json_object_get(got.body, name));
    return s ? s : "";
}
