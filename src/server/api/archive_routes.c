/* The mail archive. A domain admin sees what his domains' accounts received and sent; of others'
 * recipients in the same message he learns when his own account sent it. Every look is recorded. */
#include "base/buf.h"
#include "server/api/api_priv.h"
#include "server/api/directory.h"
#include "server/api/page.h"

static const struct api_field recipient_fields[] = {
    { "address", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "original", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Before an alias; empty: the same." },
    { "local", API_BOOL, API_REQUIRED, 0, 0, NULL, NULL, "An account here." },
    { 0 },
};
static const struct api_schema recipient_schema = { "ArchiveRecipient",
                                                    "A recipient of an archived message.",
                                                    recipient_fields };

static const struct api_field message_fields[] = {
    { "name", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Of its file, without .eml." },
    { "id", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "As the logs show it: OSA88513." },
    { "received_at", API_TIME, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, NULL },
    { "sender", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Empty: a notice." },
    { "login", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL,
      "The account that sent it; empty: nobody had logged in." },
    { "peer", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Address that it came from." },
    { "original", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL,
      "Id of the message that it was made from; empty: none." },
    { "recipients", API_LIST, API_REQUIRED, 0, 0, NULL, &recipient_schema,
      "Those that the caller may know of, the first 1000." },
    { "n_recipients", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "How many these are." },
    { "size", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Bytes." },
    { "from", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Of its header." },
    { "to", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Of its header." },
    { "subject", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Of its header." },
    { 0 },
};
static const struct api_schema message_schema = { "ArchivedMessage",
                                                  "A message of the mail archive.",
                                                  message_fields };

static const struct api_field query_fields[] = {
    { "address", API_TEXT, 0, 1, 320, NULL, NULL, "Part of sender, login or a recipient." },
    { "sender", API_TEXT, 0, 1, 320, NULL, NULL, "Part of sender or login." },
    { "recipient", API_TEXT, 0, 1, 320, NULL, NULL, "Part of a recipient." },
    { "subject", API_TEXT, 0, 1, 200, NULL, NULL, "Part of the subject." },
    { "id", API_TEXT, 0, 1, 20, NULL, NULL, "Message id." },
    { "since", API_TEXT, 0, 1, 40, NULL, NULL,
      "A day (UTC) such as 2026-11-27, a time such as 2026-11-27T10:30:00Z, or an age: 3d." },
    { "until", API_TEXT, 0, 1, 40, NULL, NULL, "The same: what was received before it." },
    { 0 },
};

/* What the caller may see; none for a system admin. */
static void add_domains(struct api_call *c, json_t *args)
{
    struct buf b;

    if (api_sees_all(c->caller))
        return;
    buf_init(&b, CALLER_MAX_DOMAINS * 260);
    for (size_t i = 0; i < c->caller->n_domains; i++)
        buf_addf(&b, "%s%s", i ? ";" : "", c->caller->domains[i]);
    json_object_set_new(args, "domains", json_stringn(b.p ? b.p : "", b.n));
    buf_done(&b);
}

/* The same reference. */
static json_t *shown(json_t *row)
{
    json_object_set_new(row, "received_at",
                        api_time(json_integer_value(json_object_get(row, "received_ms"))));
    json_object_del(row, "received_ms");
    json_object_del(row, "recipient");
    json_object_del(row, "ok");
    return row;
}

static bool fits_q(struct api_call *c, const json_t *row)
{
    static const char *const fields[] = { "name", "sender", "login",  "recipient",
                                          "from", "to",     "subject" };
    const char *texts[ARRAY_LEN(fields)];

    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        const char *v = json_string_value(json_object_get(row, fields[i]));

        texts[i] = v ? v : "";
    }
    return api_q_matches(api_query(c, "q"), texts, ARRAY_LEN(texts));
}

static void list(struct api_call *c)
{
    char before[64], limit[24];
    json_t *args = json_object(), *reply, *items, *row;
    size_t i;

    if (!api_page_cursor(c, before, sizeof(before))) {
        json_decref(args);
        return;
    }
    for (const struct api_field *f = query_fields; f->name; f++)
        if (api_query(c, f->name))
            json_object_set_new(args, f->name, json_string(api_query(c, f->name)));
    if (*before)
        json_object_set_new(args, "before", json_string(before));
    snprintf(limit, sizeof(limit), "%zu", api_page_limit(c));
    json_object_set_new(args, "limit", json_string(limit));
    add_domains(c, args);
    reply = api_admin(c, "archive.list", args);
    if (!reply)
        return;
    items = json_array();
    json_array_foreach(json_object_get(reply, "rows"), i, row)
    {
        if (fits_q(c, row))
            json_array_append(items, shown(row));
    }
    api_page_answer(c, items, json_string_value(json_object_get(reply, "next")),
                    (int64_t)json_array_size(items), false);
    json_decref(reply);
}

static json_t *named(struct api_call *c)
{
    json_t *args = json_pack("{s:s}", "name", api_param(c, "name"));

    add_domains(c, args);
    return args;
}

static void show(struct api_call *c)
{
    json_t *reply = api_admin(c, "archive.show", named(c));

    if (reply)
        api_reply(c, 200, shown(reply));
}

static const struct api_field content_params[] = {
    { "offset", API_INT, 0, 0, INT64_MAX / 2, NULL, NULL, "Where to begin; 0 without it." },
    { 0 },
};
static const struct api_field content_fields[] = {
    { "name", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "size", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Bytes of the whole message." },
    { "offset", API_INT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "encoding", API_ENUM, API_REQUIRED, 0, 0, "base64", NULL, NULL },
    { "content", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL,
      "The message as it was queued, 4 MiB from the offset on." },
    { 0 },
};
static const struct api_schema content_schema = { "ArchivedContent", "An archived message's text.",
                                                  content_fields };

static void content(struct api_call *c)
{
    json_t *args = named(c), *reply;
    char offset[24];

    snprintf(offset, sizeof(offset), "%" PRId64, api_query_int(c, "offset", 0));
    json_object_set_new(args, "offset", json_string(offset));
    reply = api_admin(c, "archive.export", args);
    if (!reply)
        return;
    json_object_del(reply, "ok");
    api_reply(c, 200, reply);
}

static const struct api_field send_fields[] = {
    { "to", API_TEXTS, API_REQUIRED, 1, 100, NULL, NULL, "Accounts here, or any addresses." },
    { 0 },
};
static const struct api_schema send_schema = { "ArchiveSend", "Who gets it.", send_fields };
static const struct api_field sent_fields[] = {
    { "id", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Message id of what is sent." },
    { 0 },
};
static const struct api_schema sent_schema = { "ArchiveSent", "A new message in the queue.",
                                               sent_fields };

/* Who gets it reads it: so he who sends it must be one who may. */
static void send_again(struct api_call *c)
{
    json_t *args, *reply;

    if (!api_needs_scope(c, SCOPE_MESSAGES_CONTENT))
        return;

    _cleanup_(freep) char *to = api_join_list(json_object_get(c->body, "to"));

    args = named(c);
    json_object_set_new(args, "to", json_string(to));
    reply = api_admin(c, "archive.send", args);
    if (reply && !api_answer_dry_run(c, reply)) {
        json_object_del(reply, "ok");
        api_reply(c, 201, json_incref(reply));
    }
    json_decref(reply);
}

static const struct api_field status_fields[] = {
    { "enabled", API_BOOL, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "path", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Its directory." },
    { "keep_s", API_INT, API_REQUIRED, 0, 0, NULL, NULL,
      "Days older than these seconds are deleted; 0: never." },
    { "days", API_INT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "first_day", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "2026-11-27 (UTC); empty: none." },
    { "last_day", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "messages", API_INT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "bytes", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Of their files." },
    { "complete", API_BOOL, API_REQUIRED, 0, 0, NULL, NULL,
      "Else there are more messages and bytes: counting takes two seconds at most." },
    { 0 },
};
static const struct api_schema status_schema = { "ArchiveStatus", "What the mail archive has.",
                                                 status_fields };

static void show_status(struct api_call *c)
{
    json_t *reply;

    if (!api_sees_all(c->caller)) {
        api_fail(c, 403, "not_allowed", NULL, "the archive as a whole is for system admins");
        return;
    }
    reply = api_admin(c, "archive.status", json_object());
    json_object_del(reply, "ok");
    if (reply)
        api_reply(c, 200, reply);
}

const struct api_route api_archive_routes[] = {
    { .method = "GET",
      .path = "/archive",
      .scope = SCOPE_MESSAGES_READ,
      .id = "getArchive",
      .status = 200,
      .response = &status_schema,
      .run = show_status,
      .help = "Where the mail archive is, and how much is in it." },
    { .method = "GET",
      .path = "/archive/messages",
      .scope = SCOPE_MESSAGES_READ,
      .flags = ROUTE_PAGED | ROUTE_LOOKS,
      .id = "listArchivedMessages",
      .query = query_fields,
      .status = 200,
      .response = &message_schema,
      .run = list,
      .help =
          "Messages of the mail archive, the newest first; a page may have fewer than limit, or "
          "none, although more follow. The look is recorded in the audit." },
    { .method = "GET",
      .path = "/archive/messages/{name}",
      .scope = SCOPE_MESSAGES_READ,
      .flags = ROUTE_LOOKS,
      .id = "getArchivedMessage",
      .status = 200,
      .response = &message_schema,
      .run = show,
      .help = "One archived message; the look is recorded in the audit." },
    { .method = "GET",
      .path = "/archive/messages/{name}/content",
      .scope = SCOPE_MESSAGES_CONTENT,
      .flags = ROUTE_LOOKS,
      .id = "getArchivedMessageContent",
      .query = content_params,
      .status = 200,
      .response = &content_schema,
      .run = content,
      .help = "Its text; the look is recorded in the audit." },
    { .method = "POST",
      .path = "/archive/messages/{name}/send",
      .scope = SCOPE_QUEUE_WRITE,
      .flags = ROUTE_DRY_RUN | ROUTE_IDEMPOTENT,
      .id = "sendArchivedMessage",
      .body = &send_schema,
      .status = 201,
      .response = &sent_schema,
      .run = send_again,
      .help = "Sends it once more, as a new message; needs the scope messages:content too, and is "
              "recorded in the audit." },
    { 0 },
};
