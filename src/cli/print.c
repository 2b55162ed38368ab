/* Answers for people: columns as wide as their content. */
#include "cli/print_priv.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/codec.h"
#include "mail/account/account.h"

struct column {
    const char *key, *title;
    enum { COL_TEXT, COL_NUMBER, COL_BYTES, COL_AGE_MS, COL_TIME_MS, COL_TIME_S, COL_YESNO } kind;
};

static void bytes_text(int64_t v, char *out, size_t cap)
{
    static const char *const units[] = { "", "K", "M", "G", "T" };
    double d = (double)v;
    size_t u = 0;

    while (d >= 10240 && u + 1 < ARRAY_LEN(units)) {
        d /= 1024;
        u++;
    }
    snprintf(out, cap, "%.0f%s", d, units[u]);
}

static void age_text(int64_t ms, char *out, size_t cap)
{
    int64_t s = ms < 0 ? -ms / 1000 : ms / 1000;
    const char *sign = ms < 0 ? "in " : "";

    if (s < 120)
        snprintf(out, cap, "%s%" PRId64 "s", sign, s);
    else if (s < 7200)
        snprintf(out, cap, "%s%" PRId64 "m", sign, s / 60);
    else if (s < 172800)
        snprintf(out, cap, "%s%" PRId64 "h", sign, s / 3600);
    else
        snprintf(out, cap, "%s%" PRId64 "d", sign, s / 86400);
}

static void time_text(int64_t s, char *out, size_t cap)
{
    struct tm tm;
    time_t t = (time_t)s;

    if (!s || !localtime_r(&t, &tm) || !strftime(out, cap, "%Y-%m-%d %H:%M:%S", &tm))
        snprintf(out, cap, "-");
}

/* Text for a terminal: what peers have sent must not steer it. */
void print_safe(const char *s, char *out, size_t cap)
{
    struct buf b;

    buf_init(&b, 64 * KiB);
    escape_text(sv_c(s), &b);
    if (!sv_copy(out, cap, buf_sv(&b)))
        memcpy(out + cap - 4, "...", 4);
    buf_done(&b);
}

static void cell(const struct column *c, json_t *row, char *out, size_t cap)
{
    json_t *v = json_object_get(row, c->key);
    int64_t n = json_is_integer(v) ? json_integer_value(v) : 0;

    switch (c->kind) {
    case COL_TEXT:
        print_safe(json_is_string(v) ? json_string_value(v) : "", out, cap);
        return;
    case COL_NUMBER:
        snprintf(out, cap, "%" PRId64, n);
        return;
    case COL_BYTES:
        if (json_is_null(v))
            snprintf(out, cap, "-");
        else
            bytes_text(n, out, cap);
        return;
    case COL_AGE_MS:
        if (n)
            age_text(clock_wall_ms() - n, out, cap);
        else
            snprintf(out, cap, "-");
        return;
    case COL_TIME_MS:
        time_text(n / 1000, out, cap);
        return;
    case COL_TIME_S:
        time_text(n, out, cap);
        return;
    case COL_YESNO:
        snprintf(out, cap, "%s", json_is_true(v) ? "yes" : "no");
        return;
    }
}

/* Characters, not bytes. */
static int text_width(const char *s)
{
    int n = 0;

    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

/* The last column (width -1) ends the line and is not padded. */
static void put_cell(const char *text, int width)
{
    if (width < 0)
        printf("%s\n", text);
    else
        printf("%s%*s  ", text, width - text_width(text), "");
}

static void table(json_t *rows, const struct column *cols, const char *empty)
{
    int width[16] = { 0 };
    char text[512];
    size_t n = 0, i;
    json_t *row;

    if (json_array_size(rows) == 0) {
        puts(empty);
        return;
    }
    for (; cols[n].key; n++)
        width[n] = (int)strlen(cols[n].title);
    json_array_foreach(rows, i, row) for (size_t k = 0; k < n; k++)
    {
        cell(&cols[k], row, text, sizeof(text));
        width[k] = MAX(width[k], text_width(text));
    }
    for (size_t k = 0; k < n; k++)
        put_cell(cols[k].title, k + 1 < n ? width[k] : -1);
    json_array_foreach(rows, i, row) for (size_t k = 0; k < n; k++)
    {
        cell(&cols[k], row, text, sizeof(text));
        put_cell(text, k + 1 < n ? width[k] : -1);
    }
}

const char *print_text(json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));

    return s ? s : "";
}

static void print_setting(json_t *s)
{
    int64_t min = json_integer_value(json_object_get(s, "min")),
            max = json_integer_value(json_object_get(s, "max"));

    printf("%s = %s\n  %s\n  type: %s", print_text(s, "name"), print_text(s, "value"),
           print_text(s, "help"), print_text(s, "type"));
    if (*print_text(s, "unit"))
        printf(" (%s)", print_text(s, "unit"));
    if (min || max)
        printf(", from %" PRId64 " to %" PRId64, min, max);
    printf("\n  default: %s\n  takes effect: %s\n", print_text(s, "default"),
           json_is_true(json_object_get(s, "live")) ? "at once" : "after a restart");
    if (*print_text(s, "api_variable"))
        printf("  API variable: %s\n", print_text(s, "api_variable"));
}

static void print_settings(json_t *rows)
{
    size_t i;
    json_t *s;

    json_array_foreach(rows, i, s)
        printf("%-34s %s%s\n", print_text(s, "name"), print_text(s, "value"),
               json_is_true(json_object_get(s, "changed")) ? "   (changed)" : "");
    if (i == 0)
        puts("no setting matches");
}

/* Further fields, those that are not at their defaults. */
static void print_options(json_t *a)
{
    for (size_t i = 0; i < ACCOUNT_OPTIONS; i++) {
        const struct option_info *o = &account_options[i];
        json_t *v = json_object_get(a, o->name);
        char number[24];
        const char *text =
            json_is_boolean(v) ? json_is_true(v) ? "yes" : "no" : json_string_value(v);
        snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(v));
        if (json_is_integer(v))
            text = number;
        if (text && strcmp(text, o->fallback) != 0)
            printf("%s:%*s%s\n", o->name, (int)MAX(1, 9 - (int)strlen(o->name)), "", text);
    }
}

static void print_account(json_t *a)
{
    char used[32], quota[32], name[512];

    print_safe(print_text(a, "name"), name, sizeof(name));
    bytes_text(json_integer_value(json_object_get(a, "used_bytes")), used, sizeof(used));
    bytes_text(json_integer_value(json_object_get(a, "quota")), quota, sizeof(quota));
    printf("address:  %s\nname:     %s\nenabled:  %s\naliases:  %s\nused:     %s in "
           "%" JSON_INTEGER_FORMAT " messages\nquota:    %s\n",
           print_text(a, "address"), name,
           json_is_true(json_object_get(a, "enabled")) ? "yes" : "no", print_text(a, "aliases"),
           used, json_integer_value(json_object_get(a, "messages")),
           json_integer_value(json_object_get(a, "quota")) ? quota : "none");
    print_options(a);
}

static void print_steered(json_t *r)
{
    static const struct {
        const char *name, *text;
    } rest[] = { { "later", "being delivered now: done when that attempt ends" },
                 { "unchanged", "not changed" },
                 { "busy", "being delivered now" },
                 { "held", "held, to be released first" },
                 { "failed", "could not be recorded" } };

    printf("%" JSON_INTEGER_FORMAT " messages\n", json_integer_value(json_object_get(r, "done")));
    for (size_t i = 0; i < ARRAY_LEN(rest); i++) {
        json_int_t n = json_integer_value(json_object_get(r, rest[i].name));

        if (n)
            printf("%" JSON_INTEGER_FORMAT " %s\n", n, rest[i].text);
    }
}

static void print_message(json_t *m)
{
    struct buf b;
    const char *text = print_text(m, "content");

    buf_init(&b, strlen(text) + 1);
    if (base64_dec(sv_c(text), &b) == 0 && b.n)
        fwrite(b.p, 1, b.n, stdout);
    if (json_integer_value(json_object_get(m, "size")) > (json_int_t)b.n)
        fprintf(stderr, "(the first %zu of %" JSON_INTEGER_FORMAT " bytes)\n", b.n,
                json_integer_value(json_object_get(m, "size")));
    buf_done(&b);
}

static void print_faults(json_t *reply)
{
    json_t *rows = json_object_get(reply, "rows"), *row;
    json_int_t total = json_integer_value(json_object_get(reply, "total"));
    char text[512];
    size_t i;

    json_array_foreach(rows, i, row)
    {
        print_safe(print_text(row, "fault"), text, sizeof(text));
        puts(text);
    }
    if (total == 0)
        puts("no faults");
    else
        printf("%" JSON_INTEGER_FORMAT " faults%s\n", total,
               json_is_true(json_object_get(reply, "repaired")) ? ", mended"
                                                                : "; repair=yes mends them");
}

static void print_stats(json_t *rows)
{
    size_t i;
    json_t *s;

    json_array_foreach(rows, i, s)
        printf("%-28s %14" JSON_INTEGER_FORMAT "  %s\n", print_text(s, "name"),
               json_integer_value(json_object_get(s, "value")), print_text(s, "help"));
    if (i == 0)
        puts("no counters");
}

static const struct column domain_cols[] = {
    { "domain", "DOMAIN", COL_TEXT },
    { "enabled", "ENABLED", COL_YESNO },
    { "primary", "PRIMARY", COL_YESNO },
    { "unknown", "UNKNOWN USERS", COL_TEXT },
    { "unknown_to", "TO", COL_TEXT },
    { "quota", "QUOTA", COL_BYTES },
    { "total_quota", "QUOTA OF ALL", COL_BYTES },
    { "used", "USED", COL_BYTES },
    { 0 },
};
static const struct column account_cols[] = {
    { "address", "ADDRESS", COL_TEXT }, { "name", "NAME", COL_TEXT },
    { "kind", "KIND", COL_TEXT },       { "enabled", "ENABLED", COL_YESNO },
    { "quota", "QUOTA", COL_BYTES },    { 0 },
};
static const struct column token_cols[] = {
    { "id", "ID", COL_TEXT },
    { "account", "ACCOUNT", COL_TEXT },
    { "name", "NAME", COL_TEXT },
    { "scopes", "SCOPES", COL_TEXT },
    { "expires_ms", "EXPIRES", COL_TIME_MS },
    { "used_ms", "USED", COL_TIME_MS },
    { 0 },
};
static const struct column session_cols[] = {
    { "id", "SESSION", COL_TEXT },
    { "service", "SERVICE", COL_TEXT },
    { "peer", "PEER", COL_TEXT },
    { "account", "ACCOUNT", COL_TEXT },
    { "state", "STATE", COL_TEXT },
    { "tls", "TLS", COL_YESNO },
    { "started_ms", "AGE", COL_AGE_MS },
    { "active_ms", "IDLE", COL_AGE_MS },
    { "bytes_in", "IN", COL_BYTES },
    { "bytes_out", "OUT", COL_BYTES },
    { 0 },
};
static const struct column pause_cols[] = {
    { "what", "WHAT", COL_TEXT },
    { "domain", "DOMAIN", COL_TEXT },
    { 0 },
};
static const struct column destination_cols[] = {
    { "destination", "DESTINATION", COL_TEXT },
    { "messages", "MESSAGES", COL_NUMBER },
    { "state", "STATE", COL_TEXT },
    { "active", "CONNECTIONS", COL_NUMBER },
    { "window", "LIMIT", COL_NUMBER },
    { "next_try_ms", "NEXT TRY", COL_TIME_MS },
    { "answer", "LAST ANSWER", COL_TEXT },
    { 0 },
};
static const struct column pattern_cols[] = {
    { "name", "NAME", COL_TEXT },
    { "items", "ITEMS", COL_TEXT },
    { 0 },
};

static const struct column pattern_user_cols[] = {
    { "kind", "KIND", COL_TEXT },
    { "name", "NAME", COL_TEXT },
    { "owner", "OF", COL_TEXT },
    { 0 },
};

static const struct column post_cols[] = {
    { "id", "ID", COL_TEXT },           { "received_ms", "AGE", COL_AGE_MS },
    { "size", "SIZE", COL_BYTES },      { "sender", "FROM", COL_TEXT },
    { "recipient", "LIST", COL_TEXT },  { "next_try_ms", "RETURNED AT", COL_TIME_MS },
    { "subject", "SUBJECT", COL_TEXT }, { 0 },
};

static const struct column queue_cols[] = {
    { "id", "ID", COL_TEXT },
    { "item", "ITEM", COL_TEXT },
    { "received_ms", "AGE", COL_AGE_MS },
    { "size", "SIZE", COL_BYTES },
    { "state", "STATE", COL_TEXT },
    { "priority", "PRIORITY", COL_TEXT },
    { "sender", "FROM", COL_TEXT },
    { "recipient", "TO", COL_TEXT },
    { "waiting", "WAITING", COL_NUMBER },
    { "attempts", "TRIES", COL_NUMBER },
    { "next_try_ms", "NEXT TRY", COL_TIME_MS },
    { "subject", "SUBJECT", COL_TEXT },
    { "answer", "LAST ANSWER", COL_TEXT },
    { 0 },
};
static const struct column audit_cols[] = {
    { "at_ms", "WHEN", COL_TIME_MS },
    { "admin", "WHO", COL_TEXT },
    { "object", "WHAT", COL_TEXT },
    { "field", "FIELD", COL_TEXT },
    { "old", "OLD", COL_TEXT },
    { "new", "NEW", COL_TEXT },
    { 0 },
};
static const struct column app_password_cols[] = {
    { "label", "LABEL", COL_TEXT },
    { "created_s", "CREATED", COL_TIME_S },
    { "used_s", "LAST USED", COL_TIME_S },
    { 0 },
};
static const struct column script_cols[] = {
    { "active", "", COL_TEXT },
    { "name", "SCRIPT", COL_TEXT },
    { "bytes", "BYTES", COL_NUMBER },
    { "changed_s", "CHANGED", COL_TIME_S },
    { 0 },
};
static const struct column remote_cols[] = {
    { "id", "ID", COL_TEXT },
    { "address", "ACCOUNT", COL_TEXT },
    { "protocol", "BY", COL_TEXT },
    { "host", "HOST", COL_TEXT },
    { "port", "PORT", COL_NUMBER },
    { "tls", "TLS", COL_TEXT },
    { "user", "USER", COL_TEXT },
    { "leave", "LEAVE", COL_TEXT },
    { "enabled", "ON", COL_YESNO },
    { "last_ms", "LAST", COL_TIME_MS },
    { "last_count", "MESSAGES", COL_NUMBER },
    { "last_result", "RESULT", COL_TEXT },
    { "next_ms", "NEXT", COL_TIME_MS },
    { 0 },
};
static const struct column route_cols[] = {
    { "position", "#", COL_NUMBER },
    { "pattern", "DOMAIN", COL_TEXT },
    { "host", "RELAY", COL_TEXT },
    { "user", "USER", COL_TEXT },
    { "tls", "TLS", COL_TEXT },
    { "family", "ADDRESSES", COL_TEXT },
    { "source_ip", "FROM", COL_TEXT },
    { "trouble", "TROUBLE", COL_TEXT },
    { 0 },
};
static const struct column secure_cols[] = {
    { "pattern", "HOST", COL_TEXT },
    { "sha256", "SHA256", COL_TEXT },
    { "subject", "SUBJECT", COL_TEXT },
    { "issuer", "ISSUER", COL_TEXT },
    { 0 },
};
static const struct column secure_adapted_cols[] = {
    { "domain", "DOMAIN", COL_TEXT },      { "name", "CERTIFICATE", COL_TEXT },
    { "issuer", "ISSUER", COL_TEXT },      { "ip", "FROM", COL_TEXT },
    { "since_ms", "SINCE", COL_TIME_MS },  { "seen_ms", "LAST", COL_TIME_MS },
    { "in_force", "IN FORCE", COL_YESNO }, { 0 },
};
static const struct column filter_cols[] = {
    { "position", "#", COL_NUMBER },
    { "name", "RULE", COL_TEXT },
    { "enabled", "ON", COL_YESNO },
    { "hits", "HITS", COL_NUMBER },
    { "hit_ms", "LAST", COL_TIME_MS },
    { "changed_ms", "CHANGED", COL_TIME_MS },
    { 0 },
};
static const struct column filter_test_cols[] = {
    { "rule", "RULE", COL_TEXT },
    { "actions", "ACTIONS", COL_TEXT },
    { 0 },
};
static const struct column alias_cols[] = {
    { "address", "ALIAS", COL_TEXT },
    { "targets", "TARGETS", COL_TEXT },
    { 0 },
};
static const struct column member_cols[] = {
    { "address", "MEMBER", COL_TEXT },
    { "local", "LOCAL", COL_YESNO },
    { "listed", "LISTED", COL_YESNO },
    { 0 },
};
static const struct column tls_count_cols[] = {
    { "day", "DAY", COL_TEXT },
    { "domain", "DOMAIN", COL_TEXT },
    { "policy", "POLICY", COL_TEXT },
    { "sessions", "SESSIONS", COL_NUMBER },
    { "result", "RESULT", COL_TEXT },
    { "mx", "MX", COL_TEXT },
    { "ip", "IP", COL_TEXT },
    { "reason", "REASON", COL_TEXT },
    { 0 },
};
static const struct column sender_cols[] = {
    { "sender", "SENDER", COL_TEXT },
    { "verdict", "VERDICT", COL_TEXT },
    { "changed_ms", "SINCE", COL_TIME_MS },
    { "admin", "BY", COL_TEXT },
    { 0 },
};
static const struct column mailbox_cols[] = {
    { "id", "ID", COL_TEXT },           { "received_ms", "RECEIVED", COL_TIME_MS },
    { "size", "SIZE", COL_BYTES },      { "seen", "READ", COL_YESNO },
    { "from", "FROM", COL_TEXT },       { "to", "TO", COL_TEXT },
    { "subject", "SUBJECT", COL_TEXT }, { 0 }
};
static const struct column archive_cols[] = {
    { "name", "NAME", COL_TEXT },
    { "size", "SIZE", COL_BYTES },
    { "sender", "FROM", COL_TEXT },
    { "recipient", "TO", COL_TEXT },
    { "n_recipients", "RECIPIENTS", COL_NUMBER },
    { "subject", "SUBJECT", COL_TEXT },
    { 0 },
};
static const struct column operation_cols[] = {
    { "op", "OPERATION", COL_TEXT },
    { "args", "ARGUMENTS", COL_TEXT },
    { "help", "", COL_TEXT },
    { 0 },
};

static const struct column service_cols[] = {
    { "service", "SERVICE", COL_TEXT },
    { "module", "MODULE", COL_TEXT },
    { "state", "STATE", COL_TEXT },
    { "sessions", "SESSIONS", COL_NUMBER },
    { "autostart", "AUTOSTART", COL_TEXT },
    { "access_mode", "ACCESS", COL_TEXT },
    { "level", "LOG", COL_TEXT },
    { "addresses", "ADDRESSES", COL_TEXT },
    { 0 },
};

/* "127.0.0.1:110 127.0.0.1:995/tls"; what is not open is in brackets. */
static json_t *addresses_text(json_t *bindings)
{
    struct buf b;
    json_t *one, *text;
    size_t i;

    buf_init(&b, 64 * KiB);
    json_array_foreach(bindings, i, one)
    {
        bool open = json_is_true(json_object_get(one, "open"));

        buf_addf(&b, "%s%s%s%s%s", i ? " " : "", open ? "" : "[", print_text(one, "address"),
                 json_is_true(json_object_get(one, "tls")) ? "/tls" : "", open ? "" : "]");
    }
    text = json_stringn(b.p ? b.p : "", b.n);
    buf_done(&b);
    return text;
}

static void print_services(json_t *rows)
{
    char fault[512];
    json_t *row, *b;
    size_t i, k;

    json_array_foreach(rows, i, row)
        json_object_set_new(row, "addresses", addresses_text(json_object_get(row, "bindings")));
    table(rows, service_cols, "");
    json_array_foreach(rows, i, row) json_array_foreach(json_object_get(row, "bindings"), k, b)
    {
        print_safe(print_text(b, "fault"), fault, sizeof(fault));
        if (*fault)
            printf("%s: %s\n", print_text(row, "service"), fault);
    }
}

void tool_print(const struct tool_cmd *cmd, json_t *reply)
{
    json_t *rows = json_object_get(reply, "rows");
    json_int_t total = json_integer_value(json_object_get(reply, "total"));

    switch (cmd->print) {
    case PRINT_OK:
        if (*print_text(reply, "note"))
            puts(print_text(reply, "note"));
        break;
    case PRINT_SETTINGS:
        print_settings(rows);
        break;
    case PRINT_SETTING:
        print_setting(reply);
        break;
    case PRINT_VALUE:
        puts(print_text(reply, "value"));
        break;
    case PRINT_DOMAINS:
        table(rows, domain_cols, "no domains; `posthorn tool create domain NAME` makes one");
        break;
    case PRINT_ACCOUNTS:
        table(rows, account_cols,
              "no accounts; `posthorn tool create account ADDRESS password=...` makes one");
        break;
    case PRINT_ACCOUNT:
        print_account(reply);
        break;
    case PRINT_SESSIONS:
        table(rows, session_cols, "no sessions");
        break;
    case PRINT_QUEUE:
        table(rows, queue_cols, "the queue is empty");
        break;
    case PRINT_MAILBOX:
        table(rows, mailbox_cols, "the folder has no such message");
        if (*print_text(reply, "next"))
            printf("(there may be more: after=%s)\n", print_text(reply, "next"));
        break;
    case PRINT_SENDERS:
        table(rows, sender_cols, "no sender is on the list");
        break;
    case PRINT_ARCHIVE:
        table(rows, archive_cols, "the archive has no such message");
        if (*print_text(reply, "next"))
            printf("(there may be more: before=%s)\n", print_text(reply, "next"));
        break;
    case PRINT_ARCHIVED:
        print_archived(reply);
        break;
    case PRINT_ARCHIVE_SENT:
        print_archive_sent(reply);
        break;
    case PRINT_ARCHIVE_STATUS:
        print_archive_status(reply);
        break;
    case PRINT_PIECES: /* tool.c */
        break;
    case PRINT_PATTERNS:
        table(rows, pattern_cols,
              "no patterns; `posthorn tool create pattern NAME items=...` makes one");
        break;
    case PRINT_PATTERN_USERS:
        table(rows, pattern_user_cols, "nothing uses the pattern");
        if (json_is_true(json_object_get(reply, "more")))
            printf("(there are more: these are the first %zu)\n", json_array_size(rows));
        break;
    case PRINT_POSTS:
        table(rows, post_cols, "no post waits for a moderator");
        break;
    case PRINT_STEERED:
        print_steered(reply);
        break;
    case PRINT_PAUSES:
        table(rows, pause_cols, "nothing is paused");
        break;
    case PRINT_DESTINATIONS:
        table(rows, destination_cols, "nothing waits");
        break;
    case PRINT_MESSAGE:
        print_message(reply);
        break;
    case PRINT_STATS:
        print_stats(rows);
        break;
    case PRINT_AUDIT:
        table(rows, audit_cols, "no changes yet");
        break;
    case PRINT_PASSWORD:
        puts(print_text(reply, "password"));
        break;
    case PRINT_TOKEN:
        puts(print_text(reply, "token"));
        break;
    case PRINT_TOKENS:
        table(rows, token_cols, "no tokens");
        break;
    case PRINT_APP_PASSWORDS:
        table(rows, app_password_cols, "no app passwords");
        break;
    case PRINT_REMOTES:
        table(rows, remote_cols, "no remote accounts; `posthorn tool remote create` makes one");
        break;
    case PRINT_ID:
        puts(print_text(reply, "id"));
        break;
    case PRINT_SCRIPTS:
        table(rows, script_cols, "no scripts; `posthorn tool sieve put` stores one");
        break;
    case PRINT_ALIASES:
        table(rows, alias_cols, "no aliases");
        break;
    case PRINT_ROUTES:
        table(rows, route_cols,
              "no route: mail goes by deliver.relay_host, or by MX where that is empty");
        break;
    case PRINT_FILTERS:
        table(rows, filter_cols, "no rules; `posthorn tool filter put FILE` stores some");
        break;
    case PRINT_FILTER_TEST:
        table(rows, filter_test_cols, "no rule fits");
        printf("the message %s; score %.2f%s%s\n", print_text(reply, "outcome"),
               json_number_value(json_object_get(reply, "score")),
               json_is_string(json_object_get(reply, "reason")) ? ": " : "",
               json_is_string(json_object_get(reply, "reason")) ? print_text(reply, "reason") : "");
        break;
    case PRINT_TLS_COUNTS:
        table(rows, tls_count_cols, "nothing is counted for TLS reports");
        break;
    case PRINT_MEMBERS:
        table(rows, member_cols, "no members");
        break;
    case PRINT_VERIFY:
        print_faults(reply);
        return;
    case PRINT_EVENTS:
        print_events(rows);
        break;
    case PRINT_TRACE:
        print_trace(reply);
        break;
    case PRINT_TRANSCRIPT:
        print_transcript(reply);
        break;
    case PRINT_SERVICES:
        print_services(rows);
        break;
    case PRINT_SECURE:
        table(rows, secure_cols, "no secure destinations");
        break;
    case PRINT_SECURE_ADAPTED:
        table(rows, secure_adapted_cols,
              *print_text(reply, "text") ? "no such domain has been adapted to"
              : json_integer_value(json_object_get(reply, "adapt_ms"))
                  ? "no domain has been adapted to"
                  : "no domain has been adapted to; deliver.secure_adapt is off");
        if (*print_text(reply, "next"))
            printf("(there are more: after=%s)\n", print_text(reply, "next"));
        break;
    case PRINT_CERTIFICATE:
        print_certificate(reply);
        break;
    case PRINT_SMS:
        print_sms(reply);
        break;
    case PRINT_DNS:
        print_dns(reply);
        break;
    case PRINT_DNS_TEST: /* has been printed row by row */
        break;
    case PRINT_OPERATIONS:
        table(rows, operation_cols, "");
        break;
    }
    if (total > (json_int_t)json_array_size(rows) && rows)
        printf("... %" JSON_INTEGER_FORMAT " in all; narrow the list with a filter\n", total);
}
