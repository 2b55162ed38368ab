/* The table of commands and how words become a request. Pure. */
#include "cli/tool.h"

#include <ctype.h>
#include <stdio.h>

#include "base/sv.h"

#define MAX_WORDS 64

const struct tool_cmd tool_cmds[] = {
    { "get account", "account.get", "address variable", false, PRINT_VALUE,
      "a field of an account (by name or API variable)" },
    { "set account", "account.set", "address variable value", false, PRINT_OK,
      "change a field of an account" },
    { "get", "setting.get", "name", false, PRINT_VALUE,
      "value of a setting (by name or API variable)" },
    { "set", "setting.set", "name value", false, PRINT_OK, "change a setting" },
    { "reset", "setting.reset", "name", false, PRINT_OK, "a setting back to its default" },
    { "describe", "setting.get", "name", false, PRINT_SETTING,
      "type, range, default and meaning of a setting" },
    { "list domains", "domain.list", "", false, PRINT_DOMAINS, "all domains" },
    { "list accounts", "account.list", "[domain]", false, PRINT_ACCOUNTS,
      "accounts of a domain, or all" },
    { "list app-passwords", "app-password.list", "address", false, PRINT_APP_PASSWORDS,
      "app passwords of an account" },
    { "list aliases", "alias.list", "[domain]", false, PRINT_ALIASES,
      "aliases of a domain or all, with where they lead" },
    { "list patterns", "pattern.list", "", false, PRINT_PATTERNS,
      "named patterns of addresses and IP addresses, and their items" },
    { "pattern users", "pattern.users", "name", false, PRINT_PATTERN_USERS,
      "aliases, patterns, settings, accounts, lists of senders and rules that use a pattern" },
    { "list members", "member.list", "address", false, PRINT_MEMBERS,
      "members of a mailing list or group" },
    { "list waiting", "list.waiting", "", false, PRINT_POSTS,
      "posts to mailing lists that wait for a moderator" },
    { "list approve", "list.approve", "id", false, PRINT_OK,
      "a post that waits goes to the list's members" },
    { "list reject", "list.reject", "id", false, PRINT_OK,
      "a post that waits goes back to its sender, who is told" },
    { "list operations", "operations", "", false, PRINT_OPERATIONS,
      "what the local socket understands" },
    { "list tokens", "token.list", "", false, PRINT_TOKENS, "tokens of the API" },
    { "list", "setting.list", "[pattern]", false, PRINT_SETTINGS,
      "settings, all or those that match" },
    { "create domain", "domain.create", "domain", true, PRINT_OK,
      "primary=yes unknown=reject|forward|delete unknown_to= quota= type=backup backup_host= "
      "fetched_by= ..." },
    { "create account", "account.create", "address", true, PRINT_OK,
      "password= (or password=- to read it) name= quota= aliases=a;b role=system-admin ..." },
    { "create alias", "alias.set", "address", true, PRINT_OK,
      "targets=a@b;c@d: mail to the address goes there" },
    { "create pattern", "pattern.set", "name", true, PRINT_OK,
      "items=a@b;@c;x-*@d;10.0.0.0/8;[Other]: [NAME] stands for what fits one of them" },
    { "create app-password", "app-password.create", "address label", false, PRINT_PASSWORD,
      "a password for one program; shown once" },
    { "create token", "token.create", "account name", true, PRINT_TOKEN,
      "scopes=\"queue:read ...\" days=90: a bearer token for the API; shown once" },
    { "delete token", "token.delete", "id", false, PRINT_OK, "withdraw a token" },
    { "change domain", "domain.update", "domain", true, PRINT_OK,
      "the same arguments as create domain" },
    { "change account", "account.update", "address", true, PRINT_OK,
      "the same arguments as create account" },
    { "change members", "member.change", "address", true, PRINT_OK,
      "add=a@b;c@d remove=e@f: members of a mailing list or group" },
    { "import members", "member.set", "address", true, PRINT_OK,
      "members=- reads addresses, one a line, in place of all members" },
    { "change pattern", "pattern.set", "name", true, PRINT_OK, "items=...: other items" },
    { "change alias", "alias.set", "address", true, PRINT_OK, "targets=...: other targets" },
    { "delete domain", "domain.delete", "domain", true, PRINT_OK,
      "with_accounts=yes: with all accounts and their mail; references=remove: with what leads to "
      "it" },
    { "delete account", "account.delete", "address", true, PRINT_OK,
      "keep_mail=yes: without its mail" },
    { "delete pattern", "pattern.delete", "name", false, PRINT_OK,
      "delete a pattern that nothing uses" },
    { "delete alias", "alias.delete", "address", false, PRINT_OK, "withdraw an alias" },
    { "delete app-password", "app-password.delete", "address label", false, PRINT_OK,
      "withdraw an app password" },
    { "show account", "account.show", "address", false, PRINT_ACCOUNT,
      "one account with aliases and usage" },
    { "verify mailbox", "mailbox.verify", "address", true, PRINT_VERIFY,
      "compare index and files; repair=yes mends" },
    { "sieve list", "sieve.list", "address", false, PRINT_SCRIPTS,
      "Sieve scripts of an account; * is the active one" },
    { "sieve get", "sieve.get", "address name", false, PRINT_VALUE, "text of a script" },
    { "sieve put", "sieve.put", "address name text", false, PRINT_OK,
      "store a script: sieve put a@b main \"$(cat FILE)\"" },
    { "sieve check", "sieve.check", "text", false, PRINT_OK, "is this a correct script?" },
    { "sieve activate", "sieve.activate", "address name", false, PRINT_OK,
      "this script from now on, in place of another" },
    { "sieve deactivate", "sieve.deactivate", "address", false, PRINT_OK, "no script any more" },
    { "sieve rename", "sieve.rename", "address name new_name", false, PRINT_OK,
      "another name; an active script stays active" },
    { "sieve delete", "sieve.delete", "address name", false, PRINT_OK,
      "delete a script that is not active" },
    { "remote list", "remote.list", "[address]", false, PRINT_REMOTES,
      "POP3 and IMAP accounts elsewhere whose mail is collected, and how it went" },
    { "remote create", "remote.create", "address", true, PRINT_ID,
      "protocol=pop3|imap|atrn host= user= password=- port= tls=tls|starttls|never verify= leave= "
      "..." },
    { "remote change", "remote.update", "address id", true, PRINT_OK,
      "the same arguments as remote create" },
    { "remote delete", "remote.delete", "address id", false, PRINT_OK,
      "delete a remote account; the mail there stays" },
    { "remote collect", "remote.collect", "address id", false, PRINT_OK,
      "ask a remote account for mail now" },
    { "sessions kill", "session.kill", "id", false, PRINT_OK, "end a session at once" },
    { "sessions", "session.list", "[filter]", false, PRINT_SESSIONS, "live sessions" },
    { "queue retry", "queue.retry", "[id]", true, PRINT_STEERED, "try a message, or all, now" },
    { "queue hold", "queue.hold", "[id]", true, PRINT_STEERED,
      "no attempts: ID, or ids=A;B sender= recipient= subject= destination= state= answer= "
      "older=4h all=yes" },
    { "queue release", "queue.release", "[id]", true, PRINT_STEERED, "held messages go on" },
    { "queue bounce", "queue.bounce", "[id]", true, PRINT_STEERED,
      "return to the sender with a notice" },
    { "queue delete", "queue.delete", "[id]", true, PRINT_STEERED, "delete without a notice" },
    { "queue priority", "queue.priority", "priority [id]", true, PRINT_STEERED,
      "high, normal or low" },
    { "queue allow-sender", "queue.allow-sender", "[id]", true, PRINT_OK,
      "their senders into the server's list of those that are let in" },
    { "queue deny-sender", "queue.deny-sender", "[id]", true, PRINT_OK,
      "their senders into the server's list of those that are kept out" },
    { "queue pause", "queue.pause", "", true, PRINT_OK,
      "all=yes, destination=DOMAIN or sender=DOMAIN: nothing of it is sent" },
    { "queue resume", "queue.resume", "", true, PRINT_OK, "the same arguments: ends a pause" },
    { "queue pauses", "queue.pauses", "", false, PRINT_PAUSES, "what is paused" },
    { "queue destinations", "queue.destinations", "", false, PRINT_DESTINATIONS,
      "where messages wait to go: state, connections, next attempt, last answer" },
    { "queue view", "queue.view", "id", false, PRINT_MESSAGE,
      "a queued message as it will be sent" },
    { "queue mailbox show", "queue.mailbox-show", "address folder id", false, PRINT_PIECES,
      "a message of an account as it lies there, to standard output; it is recorded in the audit" },
    { "queue mailbox delete", "queue.mailbox-delete", "address folder id", false, PRINT_OK,
      "delete a message of an account for good; it is recorded in the audit" },
    { "queue mailbox", "queue.mailbox", "address [folder]", true, PRINT_MAILBOX,
      "messages of an account's inbox or junk folder: sender= recipient= subject= sort=-uid, "
      "received, size after= limit=" },
    { "queue", "queue.list", "[filter]", true, PRINT_QUEUE,
      "messages that wait for delivery: queue=outgoing, incoming, mda, sms or retry; sender= "
      "recipient= subject= destination= state= answer= older=4h" },
    { "events", "event.list", "", true, PRINT_EVENTS,
      "name= address= ip= id= session= service= severity= since= limit=: newest first" },
    { "trace", "message.trace", "what", true, PRINT_TRACE,
      "timeline of a message id; messages of an address or IP: since=1h limit=" },
    { "why", "message.why", "[id]", true, PRINT_TRACE,
      "an id, or from= to= since=1d: what became of a message, and why" },
    { "session", "session.show", "id", false, PRINT_TRANSCRIPT,
      "transcript of a session, by key or log id, and its totals" },
    { "service list", "service.list", "", false, PRINT_SERVICES,
      "services: state, addresses, log level, access" },
    { "service start", "service.start", "service", true, PRINT_OK,
      "open its ports; remember=yes: also when the server starts" },
    { "service stop", "service.stop", "service", true, PRINT_OK,
      "close its ports, let its sessions go; remember=yes: also when the server starts" },
    { "service restart", "service.restart", "service", false, PRINT_OK,
      "bind what the settings say, let its sessions go" },
    { "module restart", "module.restart", "module", false, PRINT_OK,
      "smtp, access or control; its ports stay open" },
    { "route list", "route.list", "", false, PRINT_ROUTES,
      "routes of outgoing mail in their order; the first that fits holds" },
    { "route find", "route.find", "address", false, PRINT_ROUTES,
      "the route of mail to an address or domain" },
    { "route create", "route.create", "pattern", true, PRINT_OK,
      "for DOMAIN, *.DOMAIN or *: host= user= password=- tls= family= source_ip= position=" },
    { "route change", "route.update", "pattern", true, PRINT_OK,
      "the same arguments as route create" },
    { "route delete", "route.delete", "pattern", false, PRINT_OK, "delete a route" },
    { "secure list", "secure.list", "", false, PRINT_SECURE,
      "secure destinations in their order; the first that fits holds" },
    { "secure read", "secure.read", "file", false, PRINT_CERTIFICATE,
      "subject, issuer and fingerprint of the certificate of a .pem (- = standard input)" },
    { "secure import", "secure.import", "pattern file", false, PRINT_CERTIFICATE,
      "a host, *.DOMAIN or * whose certificate has to be that of the .pem" },
    { "secure delete", "secure.delete", "pattern", false, PRINT_OK, "off the secure destinations" },
    { "secure adapted", "secure.adapted", "[text]", true, PRINT_SECURE_ADAPTED,
      "domains that deliver.secure_adapt has made secure destinations; limit= after=DOMAIN" },
    { "secure forget", "secure.forget", "domain", false, PRINT_OK,
      "no secure destination by deliver.secure_adapt, until it shows its certificate again" },
    { "filter list", "filter.list", "[owner]", false, PRINT_FILTERS,
      "rules of content filters of the server, a domain or an account, in their order" },
    { "filter show", "filter.show", "[name]", true, PRINT_VALUE,
      "text of a rule, or of all (to export them); owner=" },
    { "filter put", "filter.put", "file", true, PRINT_OK,
      "store the rules of a file (- = standard input); owner=, all=yes: in place of all" },
    { "filter enable", "filter.enable", "name enabled", true, PRINT_OK,
      "yes or no: a rule that is not enabled is not asked; owner=" },
    { "filter delete", "filter.delete", "name", true, PRINT_OK, "delete a rule; owner=" },
    { "filter move", "filter.move", "name position", true, PRINT_OK, "1 is asked first; owner=" },
    { "filter test", "filter.test", "file", true, PRINT_FILTER_TEST,
      "what the rules would do with a message; owner= rules= sender= recipient= ip= user= ..." },
    { "sms send", "sms.send", "to text", true, PRINT_ID,
      "put an SMS into the queue; from= is who sends it" },
    { "sms test", "sms.test", "to text", true, PRINT_SMS,
      "the request that a text would be sent by; send=yes sends it, and shows the answer" },
    { "tlsrpt list", "tlsrpt.list", "[domain]", false, PRINT_TLS_COUNTS,
      "what is counted for TLS reports, by day and domain" },
    { "tlsrpt send", "tlsrpt.send", "[domain]", false, PRINT_OK,
      "send TLS reports now, also about today" },
    { "senders list", "sender.list", "[owner]", false, PRINT_SENDERS,
      "senders that the server or a domain keeps out or lets in" },
    { "senders deny", "sender.deny", "sender", true, PRINT_OK,
      "keep an address or a domain out; owner=DOMAIN: of that domain only" },
    { "senders allow", "sender.allow", "sender", true, PRINT_OK,
      "let it in although its domain or the server keeps it out; owner=" },
    { "senders remove", "sender.remove", "sender", true, PRINT_OK, "off the list; owner=" },
    { "archive list", "archive.list", "[address]", true, PRINT_ARCHIVE,
      "messages of the mail archive: subject= id= since=2026-11-01 until= domains= limit=" },
    { "archive show", "archive.show", "name", false, PRINT_ARCHIVED,
      "envelope of an archived message" },
    { "archive export", "archive.export", "name", false, PRINT_PIECES,
      "an archived message as it was queued, to standard output" },
    { "archive send", "archive.send", "name to", false, PRINT_ARCHIVE_SENT,
      "an archived message once more, to accounts or addresses" },
    { "archive status", "archive.status", "", false, PRINT_ARCHIVE_STATUS,
      "where the mail archive is, and what is in it" },
    { "stats", "stats.list", "", false, PRINT_STATS, "counters since the start" },
    { "audit", "audit.list", "[limit]", false, PRINT_AUDIT, "who changed what, newest first" },
    { "dns test", "dns.test", "", true, PRINT_DNS_TEST,
      "[--rounds N] [--timeout TIME]: asks each configured name server; Ctrl-C ends it" },
    { "dns", "dns.lookup", "name [type]", true, PRINT_DNS,
      "[--server ADDRESS] [--timeout TIME] [--no-cache]: records with TTL and DNSSEC status" },
    { "reload", "server.reload", "", false, PRINT_OK, "read settings and certificates again" },
    { 0 },
};

/* Number of argv words that the command's words take, 0 = it is another command. */
static int match_words(const struct tool_cmd *cmd, int argc, char *const *argv)
{
    struct sv rest = sv_c(cmd->words);
    int n = 0;

    while (rest.p) {
        struct sv w = sv_split(&rest, ' ');

        if (n >= argc || !sv_eq(w, sv_c(argv[n])))
            return 0;
        n++;
    }
    return n;
}

static const struct tool_cmd *find(int argc, char *const *argv, int *ret_taken)
{
    for (const struct tool_cmd *c = tool_cmds; c->words; c++) {
        int n = match_words(c, argc, argv);

        if (n) {
            *ret_taken = n;
            return c;
        }
    }
    return NULL;
}

/* The command as its help shows it: what the administrator puts in is in capitals. */
static void form(const struct tool_cmd *c, char *out, size_t size)
{
    int n = snprintf(out, size, "%s%s", c->words, *c->positional ? " " : "");

    for (const char *p = c->positional; *p && (size_t)n + 1 < size; p++)
        out[n++] = (char)toupper((unsigned char)*p);
    snprintf(out + n, size - (size_t)n, "%s", c->pairs ? " [KEY=VALUE ...]" : "");
}

static int usage(const struct tool_cmd *c, struct errinfo *ei, const char *why)
{
    char left[80];

    form(c, left, sizeof(left));
    return err_set(ei, E_PARSE, "%s; usage: posthorn tool %s", why, left);
}

static int add_pair(json_t *args, const char *word, const struct tool_cmd *c, struct errinfo *ei)
{
    const char *eq = strchr(word, '=');
    json_t *value;

    if (!eq || eq == word) {
        char why[120];

        snprintf(why, sizeof(why), "'%.40s': arguments behind the name have the form key=value",
                 word);
        return usage(c, ei, why);
    }
    if (json_object_getn(args, word, (size_t)(eq - word)))
        return err_set(ei, E_PARSE, "argument '%.*s' is there twice", (int)(eq - word), word);
    value = json_string(eq + 1);
    if (!value)
        return err_set(ei, E_PARSE, "argument '%.*s' is not valid UTF-8", (int)(eq - word), word);
    json_object_setn_new(args, word, (size_t)(eq - word), value);
    return 0;
}

/* --key value, --key=value, --no-key: the same as key=value pairs. *ret_words: taken. */
static int add_option(json_t *args, const char *word, const char *next, const struct tool_cmd *c,
                      int *ret_words, struct errinfo *ei)
{
    char pair[600];
    const char *key = word + 2;
    bool has_value = strchr(key, '='), off = !has_value && !strncmp(key, "no-", 3);

    if (!has_value && !off && !next) {
        snprintf(pair, sizeof(pair), "'%.40s' needs a value", word);
        return usage(c, ei, pair);
    }
    *ret_words = has_value || off ? 1 : 2;
    snprintf(pair, sizeof(pair), "%s%s%s", off ? key + 3 : key, has_value ? "" : "=",
             has_value ? ""
             : off     ? "no"
                       : next);
    return add_pair(args, pair, c, ei);
}

static int add_words(json_t *args, char *const *argv, int n, const struct tool_cmd *c,
                     struct errinfo *ei)
{
    int r = 0, words = 1;

    if (n && !c->pairs)
        return usage(c, ei, "too many arguments");
    for (int i = 0; i < n && r == 0; i += words) {
        words = 1;
        r = strncmp(argv[i], "--", 2)
                ? add_pair(args, argv[i], c, ei)
                : add_option(args, argv[i], i + 1 < n ? argv[i + 1] : NULL, c, &words, ei);
    }
    return r;
}

static int add_positional(json_t *args, struct sv name, const char *word, struct errinfo *ei)
{
    json_t *value = json_string(word);

    if (!value)
        return err_set(ei, E_PARSE, "argument '" SV_FMT "' is not valid UTF-8", SV_ARG(name));
    json_object_setn_new(args, name.p, name.n, value);
    return 0;
}

/* `queue list` as well as `queue`, like `service list`; not `list list`, which looks for a word. */
static bool may_be_called_list(const struct tool_cmd *c)
{
    return !strchr(c->words, ' ') && strcmp(c->words, "list") != 0 &&
           sv_iends(sv_c(c->op), SV(".list"));
}

int tool_parse(int argc, char *const *argv, const struct tool_cmd **ret_cmd, json_t **ret_request,
               struct errinfo *ei)
{
    int i = 0, r = 0;
    const struct tool_cmd *c = find(argc, argv, &i);
    json_t *args;
    struct sv names;

    if (!c)
        return err_set(ei, E_PARSE,
                       "unknown command '%.40s%s%.40s'; `posthorn tool help` lists all",
                       argc ? argv[0] : "", argc > 1 ? " " : "", argc > 1 ? argv[1] : "");
    /* Scripts written for API variables: set system <variable> <value>. */
    if (!strncmp(c->op, "setting.", 8) && argc > i + 1 && !strcmp(argv[i], "system"))
        i++;
    if (argc > i && !strcmp(argv[i], "list") && may_be_called_list(c))
        i++;
    args = json_object();
    names = *c->positional ? sv_c(c->positional) : SV_NULL;
    while (names.p && r == 0) {
        struct sv name = sv_split(&names, ' ');
        bool optional = name.p[0] == '[';

        if (optional)
            name = sv_n(name.p + 1, name.n - 2);
        /* An optional one may be left out before pairs: no id or pattern has a '=' or begins so. */
        bool other = i < argc && (!strncmp(argv[i], "--", 2) || (c->pairs && strchr(argv[i], '=')));
        if (i < argc && !(optional && other))
            r = add_positional(args, name, argv[i++], ei);
        else if (!optional)
            r = usage(c, ei, "an argument is missing");
    }
    if (r == 0)
        r = add_words(args, argv + i, argc - i, c, ei);
    if (r < 0) {
        json_decref(args);
        return r;
    }
    *ret_cmd = c;
    *ret_request = json_pack("{s:s, s:o}", "op", c->op, "args", args);
    return 0;
}

int tool_split(char *line, char **words, int max, struct errinfo *ei)
{
    char *p = line, *out;
    int n = 0;

    for (;;) {
        while (*p == ' ' || *p == '\t')
            p++;
        if (!*p || *p == '#')
            return n;
        if (n == max)
            return err_set(ei, E_PARSE, "more than %d words", max);
        words[n++] = out = p;
        while (*p && *p != ' ' && *p != '\t') {
            if (*p != '"') {
                *out++ = *p++;
                continue;
            }
            for (p++; *p && *p != '"'; *out++ = *p++)
                if (*p == '\\' && (p[1] == '"' || p[1] == '\\'))
                    p++;
            if (!*p)
                return err_set(ei, E_PARSE, "a quoted word does not end");
            p++;
        }
        if (*p)
            p++;
        *out = '\0';
    }
}

void tool_help(void)
{
    printf("usage: posthorn tool [--data DIR] [--db DSN] [--user USER] [--json] COMMAND\n"
           "       posthorn tool --server https://HOST:PORT [--token-file FILE] [--ca FILE] "
           "[--timeout SECONDS] [--confirm] [--json] COMMAND\n\n"
           "Speaks to the running server through <data>/run/control.sock; without one it works on "
           "the database itself.\n"
           "With --server it speaks to another machine, as the account of a token: --token-file, "
           "--token or POSTHORN_TOKEN.\n\n");
    for (const struct tool_cmd *c = tool_cmds; c->words; c++) {
        char left[80];

        form(c, left, sizeof(left));
        printf("  %-42s %s\n", left, c->help);
    }
    printf("  %-42s %s\n", "api METHOD PATH [JSON]",
           "any request of the API as it is (- = body from standard input)");
    printf("  %-42s %s\n", "batch FILE",
           "runs the commands of a file, one a line (- = standard input)");
}
