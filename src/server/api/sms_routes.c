/* A trial of the gateway for SMS. */
#include "server/api/api_priv.h"

static const struct api_field trial_fields[] = {
    { "to", API_TEXT, API_REQUIRED, 1, 60, NULL, NULL, "A telephone number." },
    { "text", API_TEXT, API_REQUIRED, 1, 2000, NULL, NULL, NULL },
    { "from", API_TEXT, 0, 1, 100, NULL, NULL, "What {from} stands for; else sms.from." },
    { "dry_run", API_BOOL, 0, 0, 0, NULL, NULL,
      "true, and so when it is absent: the request is shown; false: it is sent, and costs what the "
      "provider takes for it." },
    { 0 },
};
static const struct api_schema trial_schema = { "SmsTrial", "A text to a number.", trial_fields };

static const struct api_field result_fields[] = {
    { "number", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "As it is sent: E.164." },
    { "text", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "As it is sent." },
    { "encoding", API_ENUM, API_REQUIRED, 0, 0, "GSM-7|UCS-2", NULL, NULL },
    { "units", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Septets, or UTF-16 units." },
    { "segments", API_INT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "cut", API_BOOL, API_REQUIRED, 0, 0, NULL, NULL, "The text was too long." },
    { "method", API_ENUM, API_REQUIRED, 0, 0, "POST|GET|PUT", NULL, NULL },
    { "url", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Empty: the settings make none." },
    { "headers", API_TEXTS, API_REQUIRED, 0, 0, NULL, NULL, "Secrets are shown as ***." },
    { "body", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "The same." },
    { "result", API_ENUM, API_REQUIRED, 0, 0, "shown|not-sent|taken|refused|no-answer", NULL,
      "shown: it was not to be sent; not-sent: it cannot be, for the reason in answer." },
    { "status", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Of the provider's answer; 0: none." },
    { "answer", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "In the words of a reply." },
    { 0 },
};
static const struct api_schema result_schema = { "SmsResult", "What became of a trial.",
                                                 result_fields };

static void test(struct api_call *c)
{
    bool send = json_is_false(json_object_get(c->body, "dry_run"));
    json_t *reply;

    if (!api_sees_all(c->caller)) {
        api_fail(c, 403, "not_allowed", NULL, "the gateway for SMS is for system admins");
        return;
    }
    if (send && !api_audit(c, "sms", "test", api_body_text(c, "to")))
        return;
    reply = api_admin(c, "sms.test",
                      json_pack("{s:s, s:s, s:s*, s:s}", "to", api_body_text(c, "to"), "text",
                                api_body_text(c, "text"), "from", api_body_text(c, "from"), "send",
                                send ? "yes" : "no"));
    if (!reply)
        return;
    json_object_del(reply, "ok");
    api_reply(c, 200, reply);
}

const struct api_route api_sms_routes[] = {
    { .method = "POST",
      .path = "/sms/test",
      .scope = SCOPE_QUEUE_WRITE,
      .id = "testSms",
      .body = &trial_schema,
      .status = 200,
      .response = &result_schema,
      .run = test,
      .help = "Shows the request that an SMS would be sent by, or sends it." },
    { 0 },
};
