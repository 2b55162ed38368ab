/* The mail of one account, where the queue is looked at: its inbox or its junk folder. Who may
 * change the account may see what is in it; it takes the scopes of the queue and those of mail. */
#include "server/api/api_priv.h"
#include "server/api/directory.h"
#include "server/api/page.h"

#define FOLDER "/queue/mailbox/{account}/{folder}/messages"

static const struct api_field message_fields[] = {
    { "id", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL,
      "UIDVALIDITY and UID with a dot between them: it never comes to mean another message." },
    { "uid", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "As IMAP shows it." },
    { "uidvalidity", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Of the folder." },
    { "from", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Of its header, decoded." },
    { "to", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Its beginning, some 1000 bytes." },
    { "subject", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "date", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "The field Date as it is." },
    { "message_id", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "received_at", API_TIME, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, "INTERNALDATE." },
    { "size", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Bytes." },
    { "seen", API_BOOL, API_REQUIRED, 0, 0, NULL, NULL, "It was read." },
    { "flags", API_TEXTS, API_REQUIRED, 0, 0, NULL, NULL, "System flags, such as \\Seen." },
    { 0 },
};
static const struct api_schema message_schema = { "MailboxMessage", "A message in a mailbox.",
                                                  message_fields };

static const struct api_field query_fields[] = {
    { "sender", API_TEXT, 0, 1, 320, NULL, NULL, "Part of the header's From." },
    { "recipient", API_TEXT, 0, 1, 320, NULL, NULL, "Part of its To." },
    { "subject", API_TEXT, 0, 1, 200, NULL, NULL, "Part of its Subject." },
    { 0 },
};

/* The operation's arguments; NULL: answered. */
static json_t *place(struct api_call *c, enum api_scope mail)
{
    _cleanup_(account_unrefp) const struct account *acc = NULL;
    const char *folder = api_param(c, "folder");

    if (!api_needs_scope(c, SCOPE_QUEUE_READ) || !api_needs_scope(c, mail))
        return NULL;
    acc = api_account_of(c, true); /* nobody reads the mail of one of higher rank */
    if (!acc)
        return NULL;
    if (!api_is_choice("inbox|junk", folder)) {
        api_fail(c, 404, "not_found", NULL,
                 "folder '%.60s' does not exist here; there are: inbox, junk", folder);
        return NULL;
    }
    return json_pack("{s:s, s:s}", "address", acc->address, "folder", folder);
}

/* The same of a message. */
static json_t *place_of(struct api_call *c, enum api_scope mail)
{
    json_t *args = place(c, mail);

    if (args)
        json_object_set_new(args, "id", json_string(api_param(c, "id")));
    return args;
}

/* The same reference. */
static json_t *shown(json_t *row)
{
    json_object_set_new(row, "received_at",
                        api_time(json_integer_value(json_object_get(row, "received_ms"))));
    json_object_del(row, "received_ms");
    json_object_del(row, "ok");
    return row;
}

static bool fits_q(struct api_call *c, const json_t *row)
{
    const char *texts[] = { json_string_value(json_object_get(row, "from")),
                            json_string_value(json_object_get(row, "to")),
                            json_string_value(json_object_get(row, "subject")) };

    return api_q_matches(api_query(c, "q"), texts, ARRAY_LEN(texts));
}

/* "<value>.<uid>", or none. False: answered. */
static bool read_cursor(struct api_call *c, char *ret, size_t cap)
{
    struct sv rest;
    int64_t value;
    uint32_t uid;

    if (!api_page_cursor(c, ret, cap))
        return false;
    rest = sv_c(ret);
    if (!rest.n || (sv_to_i64(sv_split(&rest, '.'), &value) == 0 && sv_to_u32(rest, &uid) == 0))
        return true;
    return api_page_bad_cursor(c);
}

static void list(struct api_call *c)
{
    const char *sort = api_query(c, "sort");
    char after[64], limit[24];
    json_t *args, *reply, *items, *row;
    bool all = !api_query(c, "q");
    size_t i;

    if (!read_cursor(c, after, sizeof(after)))
        return;
    args = place(c, SCOPE_MESSAGES_READ);
    if (!args)
        return;
    for (const struct api_field *f = query_fields; f->name; f++) {
        if (!api_query(c, f->name))
            continue;
        json_object_set_new(args, f->name, json_string(api_query(c, f->name)));
        all = false;
    }
    if (*after)
        json_object_set_new(args, "after", json_string(after));
    if (sort)
        json_object_set_new(args, "sort", json_string(sort));
    snprintf(limit, sizeof(limit), "%zu", api_page_limit(c));
    json_object_set_new(args, "limit", json_string(limit));
    reply = api_admin(c, "queue.mailbox", args);
    if (!reply)
        return;
    items = json_array();
    json_array_foreach(json_object_get(reply, "rows"), i, row)
    {
        if (fits_q(c, row))
            json_array_append(items, shown(row));
    }
    api_page_answer(c, items, json_string_value(json_object_get(reply, "next")),
                    all ? json_integer_value(json_object_get(reply, "total"))
                        : (int64_t)json_array_size(items),
                    all);
    json_decref(reply);
}

static void show(struct api_call *c)
{
    json_t *args = place_of(c, SCOPE_MESSAGES_READ);
    json_t *reply = args ? api_admin(c, "queue.mailbox-row", args) : NULL;

    if (reply)
        api_reply(c, 200, shown(reply));
}

static const struct api_field content_params[] = {
    { "offset", API_INT, 0, 0, INT64_MAX / 2, NULL, NULL, "Where to begin; 0 without it." },
    { 0 },
};
static const struct api_field content_fields[] = {
    { "id", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "size", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Bytes of the whole message." },
    { "offset", API_INT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "encoding", API_ENUM, API_REQUIRED, 0, 0, "base64", NULL, NULL },
    { "content", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL,
      "The message as it lies there, 4 MiB from the offset on." },
    { 0 },
};
static const struct api_schema content_schema = { "MailboxContent",
                                                  "The text of a message in a mailbox.",
                                                  content_fields };

static void content(struct api_call *c)
{
    json_t *args = place_of(c, SCOPE_MESSAGES_CONTENT), *reply;
    char offset[24];

    if (!args)
        return;
    snprintf(offset, sizeof(offset), "%" PRId64, api_query_int(c, "offset", 0));
    json_object_set_new(args, "offset", json_string(offset));
    reply = api_admin(c, "queue.mailbox-show", args);
    if (!reply)
        return;
    json_object_del(reply, "ok");
    api_reply(c, 200, reply);
}

static void delete (struct api_call *c)
{
    json_t *args = place_of(c, SCOPE_MESSAGES_READ);
    json_t *reply = args ? api_admin(c, "queue.mailbox-delete", args) : NULL;

    if (reply && !api_answer_dry_run(c, reply))
        api_reply(c, 204, NULL);
    json_decref(reply);
}

const struct api_route api_mailbox_routes[] = {
    { .method = "GET",
      .path = FOLDER,
      .scope = SCOPE_QUEUE_READ,
      .flags = ROUTE_PAGED | ROUTE_LOOKS,
      .id = "listMailboxMessages",
      .query = query_fields,
      .status = 200,
      .response = &message_schema,
      .sort = "uid|-uid|received|-received|size|-size",
      .run = list,
      .help =
          "Messages in an account's inbox or junk folder (the one with the special use \\Junk), "
          "the newest first; with a filter a page may have fewer than limit, or none, although "
          "more follow. Needs the scope messages:read too; the look is recorded in the audit." },
    { .method = "GET",
      .path = FOLDER "/{id}",
      .scope = SCOPE_QUEUE_READ,
      .flags = ROUTE_LOOKS,
      .id = "getMailboxMessage",
      .status = 200,
      .response = &message_schema,
      .run = show,
      .help = "One of them; needs the scope messages:read too." },
    { .method = "DELETE",
      .path = FOLDER "/{id}",
      .scope = SCOPE_QUEUE_WRITE,
      .flags = ROUTE_DRY_RUN,
      .id = "deleteMailboxMessage",
      .status = 204,
      .run = delete,
      .help = "Deletes it for good; sessions of the account are told at once. Needs the scopes "
              "queue:read and messages:read too, and is recorded in the audit." },
    { .method = "GET",
      .path = FOLDER "/{id}/content",
      .scope = SCOPE_MESSAGES_CONTENT, /* the operation records the look */
      .id = "getMailboxMessageContent",
      .query = content_params,
      .status = 200,
      .response = &content_schema,
      .run = content,
      .help = "Its text; needs the scope queue:read too, and is recorded in the audit." },
    { 0 },
};
