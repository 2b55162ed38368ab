/* Senders that are kept out or let in (docs/senders.md): of the server, which are the system
 * admins', and of domains, which are their admins'. */
#include "mail/account/sender_list.h"

#include "server/api/api_priv.h"
#include "server/api/directory.h"
#include "server/api/page.h"
#include "server/api/senders.h"

#define VERDICTS "deny|allow"

static const struct api_field entry_fields[] = {
    { "owner", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "server, or a domain." },
    { "sender", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL,
      "An address, a domain with all below it, or a pattern: [name]." },
    { "verdict", API_ENUM, API_REQUIRED, 0, 0, VERDICTS, NULL, NULL },
    { "changed_at", API_TIME, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, NULL },
    { "changed_by", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { 0 },
};
static const struct api_schema entry_schema = { "SenderEntry",
                                                "A sender that is kept out, or let in.",
                                                entry_fields };
static const struct api_field put_fields[] = {
    { "verdict", API_ENUM, API_REQUIRED, 0, 0, VERDICTS, NULL,
      "deny: refused at RCPT; allow: an exception from a wider deny." },
    { 0 },
};
static const struct api_schema put_schema = { "SenderPut", "What becomes of a sender.",
                                              put_fields };
static const struct api_field list_params[] = {
    { "owner", API_TEXT, 0, 1, 300, NULL, NULL,
      "server or a domain; absent: all that the caller sees." },
    { "verdict", API_ENUM, 0, 0, 0, VERDICTS, NULL, NULL },
    { 0 },
};

bool api_sender_owner(struct api_call *c, const char *name, char ret[ADDR_DOMAIN_MAX + 1])
{
    size_t n = 0;
    int64_t id = 0;
    int r = 0;

    *ret = '\0';
    if (!strcmp(name, API_SENDER_SERVER)) {
        if (api_sees_all(c->caller))
            return true;
        api_fail(c, 403, "not_allowed", "owner",
                 "owner: the list of the server is for system admins; name a domain");
        return false;
    }
    if (addr_parse_domain(sv_c(name), ret, &n, NULL) == 0 && api_sees_domain(c->caller, sv_c(ret)))
        r = account_domain_id(api_admin_of(c)->accounts, sv_c(ret), &id);
    if (id)
        return true;
    if (r < 0)
        api_fail_err(c, r, "the database cannot be read");
    else
        api_fail(c, 404, "not_found", "owner", "domain '%.150s' does not exist", name);
    return false;
}

static const char *verdict_of(const struct sender_entry *e)
{
    return e->allow ? "allow" : "deny";
}

static json_t *entry_json(const struct sender_entry *e)
{
    return json_pack("{s:o, s:o, s:s, s:o, s:o}", "owner",
                     api_text(*e->owner ? e->owner : API_SENDER_SERVER), "sender",
                     api_text(e->sender), "verdict", verdict_of(e), "changed_at",
                     api_time(e->changed_ms), "changed_by", api_text(e->admin));
}

/* --- the list --- */

struct listing {
    struct api_page page;
    json_t *rows;
};

static bool is_seen(const struct api_caller *who, const char *owner)
{
    return *owner ? api_sees_domain(who, sv_c(owner)) : api_sees_all(who);
}

static bool add_row(const struct sender_entry *e, void *arg)
{
    struct listing *l = arg;
    struct api_call *c = l->page.c;
    const char *verdict = api_query(c, "verdict");
    struct api_key k = { .n = e->owner_id };
    json_t *row;

    if (!is_seen(c->caller, e->owner) || (verdict && strcmp(verdict, verdict_of(e)) != 0) ||
        !api_q_matches(api_query(c, "q"), (const char *const[]){ e->sender, e->admin }, 2))
        return true;
    row = entry_json(e);
    json_array_append_new(l->rows, row);
    sv_copy(k.id, sizeof(k.id), sv_c(e->sender));
    api_page_add(&l->page, &k, &row);
    return true;
}

static json_t *row_of(struct api_call *c _unused_, const void *payload)
{
    json_t *row;

    memcpy(&row, payload, sizeof(row));
    return json_incref(row);
}

static void list(struct api_call *c)
{
    const char *name = api_query(c, "owner");
    struct listing l = { 0 };
    struct errinfo ei = { 0 };
    char owner[ADDR_DOMAIN_MAX + 1];
    int r;

    if ((name && !api_sender_owner(c, name, owner)) ||
        !api_page_begin(&l.page, c, sizeof(json_t *), "place"))
        return;
    l.rows = json_array();
    r = senders_each(api_admin_of(c)->accounts, name ? sv_c(owner) : SV_NULL, add_row, &l, &ei);
    api_page_end(&l.page, row_of);
    json_decref(l.rows);
    if (r == E_NOTFOUND)
        api_fail(c, 404, "not_found", "owner", "%s", ei.text);
    else if (r < 0)
        api_fail_err(c, r, ei.text);
}

/* --- one --- */

struct search {
    const char *sender;
    json_t *found;
};

static bool find_entry(const struct sender_entry *e, void *arg)
{
    struct search *s = arg;

    if (!strcmp(e->sender, s->sender))
        s->found = entry_json(e);
    return !s->found;
}

static void show(struct api_call *c, const char *owner)
{
    char sender[ADDR_MAX + 1];
    struct search s = { .sender = sender };
    struct errinfo ei = { 0 };
    int r = sender_name(sv_c(api_param(c, "sender")), sender, &ei);

    if (r == 0)
        r = senders_each(api_admin_of(c)->accounts, sv_c(owner), find_entry, &s, &ei);
    if (s.found)
        api_reply(c, 200, s.found);
    else if (r < 0 && r != E_PARSE && r != E_RANGE)
        api_fail_err(c, r, ei.text);
    else
        api_fail_gone(c, "sender", api_param(c, "sender"));
}

static void get(struct api_call *c)
{
    char owner[ADDR_DOMAIN_MAX + 1];

    if (api_sender_owner(c, api_param(c, "owner"), owner))
        show(c, owner);
}

/* Runs an operation on the sender of the path. False: answered. */
static bool change(struct api_call *c, const char *op, const char *owner)
{
    json_t *args = json_pack("{s:s, s:s}", "owner", owner, "sender", api_param(c, "sender"));
    json_t *reply = api_admin(c, op, args);
    bool over = !reply || api_answer_dry_run(c, reply);

    json_decref(reply);
    return !over;
}

static void put(struct api_call *c)
{
    char owner[ADDR_DOMAIN_MAX + 1];
    bool allow = !strcmp(api_body_text(c, "verdict"), "allow");

    if (api_sender_owner(c, api_param(c, "owner"), owner) &&
        change(c, allow ? "sender.allow" : "sender.deny", owner))
        show(c, owner);
}

static void drop(struct api_call *c)
{
    char owner[ADDR_DOMAIN_MAX + 1];

    if (api_sender_owner(c, api_param(c, "owner"), owner) && change(c, "sender.remove", owner))
        api_reply(c, 204, NULL);
}

const struct api_route api_sender_routes[] = {
    { .method = "GET",
      .path = "/sender-lists",
      .scope = SCOPE_DIRECTORY_READ,
      .flags = ROUTE_PAGED,
      .id = "listSenders",
      .query = list_params,
      .status = 200,
      .response = &entry_schema,
      .run = list,
      .help = "Senders that are kept out or let in: the server's list first, then each domain's." },
    { .method = "GET",
      .path = "/sender-lists/{owner}/{sender}",
      .scope = SCOPE_DIRECTORY_READ,
      .id = "getSender",
      .status = 200,
      .response = &entry_schema,
      .run = get,
      .help = "One entry of a list." },
    { .method = "PUT",
      .path = "/sender-lists/{owner}/{sender}",
      .scope = SCOPE_DIRECTORY_WRITE,
      .flags = ROUTE_DRY_RUN,
      .id = "putSender",
      .body = &put_schema,
      .status = 200,
      .response = &entry_schema,
      .run = put,
      .help = "Puts a sender into a list, in place of what it said of him." },
    { .method = "DELETE",
      .path = "/sender-lists/{owner}/{sender}",
      .scope = SCOPE_DIRECTORY_WRITE,
      .flags = ROUTE_DRY_RUN,
      .id = "deleteSender",
      .status = 204,
      .run = drop,
      .help = "Takes a sender off a list." },
    { 0 },
};
