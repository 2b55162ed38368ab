/* Checks that belong to single settings: addresses, networks, names, schedules. One table, name ->
 * check; a setting without a row is checked by its type alone. Pure. */
#include "base/iplist.h"
#include "base/pattern_item.h"
#include "conf/conf_priv.h"
#include "conf/commands.h"
#include "conf/milters.h"
#include "conf/patterns.h"
#include "conf/routes.h"
#include "proto/sieve/regex.h"

#include <arpa/inet.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
    c = ascii_lower(c);
    return is_digit(c) || (c >= 'a' && c <= 'z');
}

static bool is_alnum_or_bracket(char c)
{
    return is_alnum(c) || c == '[';
}

int conf_address_family(struct sv v)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char bin[16];
    if (!sv_copy(text, sizeof(text), v) || strlen(text) != v.n)
        return 0;
    if (inet_pton(AF_INET, text, bin) == 1)
        return AF_INET;
    return inet_pton(AF_INET6, text, bin) == 1 ? AF_INET6 : 0;
}

static bool is_number_to(struct sv v, uint32_t lo, uint32_t hi)
{
    uint32_t n;
    return v.n > 0 && is_digit(v.p[0]) && sv_to_u32(v, &n) == 0 && n >= lo && n <= hi;
}

static bool is_listen(struct sv v)
{
    ssize_t colon = sv_rfind(v, ':');
    if (colon < 0 || !is_number_to(sv_skip(v, (size_t)colon + 1), 1, 65535))
        return false;
    struct sv host = sv_take(v, (size_t)colon);
    if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
        return conf_address_family(sv_n(host.p + 1, host.n - 2)) == AF_INET6;
    return conf_address_family(host) == AF_INET;
}

static bool is_network(struct sv v)
{
    bool v4;
    return ip_net_bits(v, &v4) >= 0 || pattern_is_name(v);
}

static bool is_network_or_mask(struct sv v)
{
    return ip_is_network_or_mask(v) || pattern_is_name(v);
}

static bool is_binding(struct sv v)
{
    ssize_t colon = sv_rfind(v, ':');
    return is_listen(v) || (colon > 0 && pattern_is_name(sv_take(v, (size_t)colon)) &&
                            is_number_to(sv_skip(v, (size_t)colon + 1), 1, 65535));
}

static bool is_dns_server(struct sv v)
{
    ssize_t at = sv_find(v, '@');
    if (at < 0)
        return conf_address_family(v) != 0;
    return conf_address_family(sv_take(v, (size_t)at)) != 0 &&
           is_number_to(sv_skip(v, (size_t)at + 1), 1, 65535);
}

/* host, *.suffix or *, then fields of a certificate behind | each */
static bool is_secure_destination(struct sv v)
{
    struct sv pattern = sv_trim(sv_split(&v, '|'));
    bool ok = pattern.n > 0 && sv_find(pattern, ' ') < 0 && sv_find(pattern, '=') < 0;
    while (ok && v.p) {
        struct sv field = sv_trim(sv_split(&v, '|'));
        ssize_t eq = sv_find(field, '=');
        struct sv name = sv_take(field, eq < 0 ? 0 : (size_t)eq);
        ok = sv_trim(sv_skip(field, (size_t)eq + 1)).n > 0 &&
             (sv_ieq(name, SV("sha256")) || sv_ieq(name, SV("subject")) ||
              sv_ieq(name, SV("issuer")));
    }
    return ok;
}

static bool is_command(struct sv v)
{
    struct conf_command c;
    return conf_parse_command(v, &c);
}

static bool is_milter(struct sv v)
{
    struct conf_milter m;
    return conf_parse_milter(v, &m);
}

static bool is_wait(struct sv v)
{
    int64_t ms;
    return conf_parse_duration(v, &ms) == 0 && ms >= 1000 && ms <= 2592000000;
}

static bool is_address(struct sv v)
{
    return conf_address_family(v) != 0;
}

/* RFC 1123 host name; also the U-label form of an internationalised one. */
static bool is_host(struct sv v)
{
    if (v.n == 0 || v.n > 253)
        return false;
    while (v.p) {
        struct sv label = sv_split(&v, '.');
        if (label.n == 0 || label.n > 63 || label.p[0] == '-' || label.p[label.n - 1] == '-')
            return false;
        for (size_t i = 0; i < label.n; i++)
            if (!is_alnum(label.p[i]) && label.p[i] != '-' && (unsigned char)label.p[i] < 0x80)
                return false;
    }
    return true;
}

bool conf_is_relay(struct sv v)
{
    if (conf_address_family(v) != 0 || is_host(v))
        return true;
    ssize_t colon = sv_rfind(v, ':');
    if (colon < 0 || !is_number_to(sv_skip(v, (size_t)colon + 1), 1, 65535))
        return false;
    return is_listen(v) || is_host(sv_take(v, (size_t)colon));
}

static bool is_server_id(struct sv v)
{
    for (size_t i = 0; i < v.n; i++)
        if (!is_alnum(v.p[i]))
            return false;
    return true;
}

static bool is_user(struct sv v)
{
    if (v.n > 32 || v.p[0] == '-' || is_digit(v.p[0]))
        return false;
    for (size_t i = 0; i < v.n; i++)
        if (!is_alnum(v.p[i]) && !memchr("-_.$", v.p[i], 4))
            return false;
    return true;
}

static bool is_path(struct sv v)
{
    return v.p[0] == '/';
}

static bool is_zip(struct sv v)
{
    return is_path(v) && v.n > 5 && v.p[v.n - 5] != '/' && sv_iends(v, SV(".zip"));
}

static bool is_mailbox_name(struct sv v)
{
    return sv_find(v, '@') <= 0 || sv_rfind(v, '@') + 1 < (ssize_t)v.n;
}

/* user@domain or domain */
static bool is_account_or_domain(struct sv v)
{
    ssize_t at = sv_rfind(v, '@');
    return at != 0 && is_host(sv_skip(v, (size_t)(at + 1)));
}

/* https://name[:port], nothing behind it. */
static bool is_https_origin(struct sv v)
{
    if (!sv_starts(v, SV("https://")) || v.n > 270)
        return false;
    for (size_t i = 8; i < v.n; i++)
        if ((unsigned char)v.p[i] <= ' ' || (unsigned char)v.p[i] >= 127 ||
            strchr("/?#<>\"@\\", v.p[i]))
            return false;
    return v.n > 8;
}

/* Without the + */
static bool is_calling_code(struct sv v)
{
    return v.n <= 3 && v.p[0] != '0' && is_number_to(v, 1, 999);
}

static bool is_trunk(struct sv v)
{
    return v.n <= 3 && is_number_to(v, 0, 999);
}

static bool is_status(struct sv v)
{
    return v.n == 3 && is_number_to(v, 300, 599);
}

/* RFC 9110 5.1, and a value. */
static bool is_header(struct sv v)
{
    ssize_t colon = sv_find(v, ':');
    for (ssize_t i = 0; i < colon; i++)
        if (!is_alnum(v.p[i]) && !memchr("-_.", v.p[i], 3))
            return false;
    return colon > 0 && sv_trim(sv_skip(v, (size_t)colon + 1)).n > 0;
}

/* A wrong one would only be found when an answer comes: the SMS has been sent then. */
static bool is_regex(struct sv v)
{
    _cleanup_(sieve_regex_freep) struct sieve_regex *re = NULL;
    char why[1];
    return sieve_regex_new(v, false, &re, why, sizeof(why)) == 0;
}

static bool is_http_url(struct sv v)
{
    struct sv rest = sv_skip(v, sv_starts(v, SV("https://")) ? 8 : 7);
    if (!sv_starts(v, SV("https://")) && !sv_starts(v, SV("http://")))
        return false;
    for (size_t i = 0; i < v.n; i++)
        if ((unsigned char)v.p[i] <= ' ' || (unsigned char)v.p[i] >= 127 ||
            strchr("#<>\"\\^`|", v.p[i]))
            return false;
    return rest.n > 0 && is_alnum_or_bracket(rest.p[0]);
}

static bool is_folder(struct sv v)
{
    return v.p[0] != '/' && v.p[v.n - 1] != '/' && sv_find_sv(v, SV("//")) < 0 &&
           sv_find(v, '%') < 0 && sv_find(v, '*') < 0;
}

/* needed: the value must not be empty. ok is called for each item of a LIST, or for a whole STRING
 * that is not empty. */
#define NETWORKS_OR_MASKS                                                                          \
    "addresses, 10.0.0.0/8, 192.168.*.*, 192-193.*.*.* or [Pattern], separated by ;"
#define BINDINGS "address:port, [IPv6]:port or [Pattern]:port, separated by ;"

static const struct {
    const char *name;
    bool (*ok)(struct sv);
    bool needed;
    const char *allowed;
} checks[] = {
    { "archive.except", is_account_or_domain, false, "accounts and domains, separated by ;" },
    { "archive.only", is_account_or_domain, false, "accounts and domains, separated by ;" },
    { "archive.path", is_path, false, "an absolute path" },
    { "deliver.bounce_from", is_mailbox_name, true, "a local part or an address" },
    { "deliver.ca_file", is_path, false, "an absolute path" },
    { "deliver.client_certificate", is_path, false, "an absolute path" },
    { "deliver.relay_host", conf_is_relay, false, "host, host:port, address or [IPv6]:port" },
    { "deliver.secure_destinations", is_secure_destination, false,
      "host patterns such as *.example.com, each with |sha256=, |subject= or |issuer= if needed" },
    { "deliver.source_ip", is_address, false, "an IP address of this machine" },
    { "dns.servers", is_dns_server, false, "addresses or address@port, separated by ;" },
    { "imap.access_ips", is_network_or_mask, false, NETWORKS_OR_MASKS },
    { "imap.listen", is_binding, false, BINDINGS },
    { "imap.listen_tls", is_binding, false, BINDINGS },
    { "log.archive", is_zip, false,
      "the absolute path of a file that ends in .zip, such as /var/lib/posthorn/logs.zip; not "
      "a folder" },
    { "log.syslog_server", conf_is_relay, false, "host, host:port, address or [IPv6]:port" },
    { "mailbox.default_folders", is_folder, false, "folder names without % and *" },
    { "managesieve.access_ips", is_network_or_mask, false, NETWORKS_OR_MASKS },
    { "managesieve.listen", is_binding, false, BINDINGS },
    { "net.access_ips", is_network_or_mask, false, NETWORKS_OR_MASKS },
    { "net.trusted_ips", is_network, false,
      "addresses, networks (10.0.0.0/8, fd00::/8) and [Pattern]" },
    { "pop3.access_ips", is_network_or_mask, false, NETWORKS_OR_MASKS },
    { "pop3.listen", is_binding, false, BINDINGS },
    { "pop3.listen_tls", is_binding, false, BINDINGS },
    { "queue.retry_schedule", is_wait, true, "waits of 1s to 30d, separated by ;" },
    { "sms.allowed", is_account_or_domain, false,
      "accounts, groups, lists and domains, separated by ;" },
    { "sms.ca_file", is_path, false, "an absolute path" },
    { "sms.country", is_calling_code, false, "a calling code such as 39" },
    { "sms.domain", is_host, false, "a domain such as sms.example.com" },
    { "sms.headers", is_header, false, "header fields such as X-Key: {secret}, separated by ;" },
    { "sms.success", is_regex, false, "a regular expression such as \"status\": *\"(ok|queued)\"" },
    { "sms.temporary", is_status, false, "statuses of 300 to 599, separated by ;" },
    { "sms.trunk", is_trunk, false, "at most 3 digits, such as 0" },
    { "sms.url", is_http_url, false, "https://host[:port]/path or http://..., without spaces" },
    { "smtp.access_ips", is_network_or_mask, false, NETWORKS_OR_MASKS },
    { "smtp.access_ips_submission", is_network_or_mask, false, NETWORKS_OR_MASKS },
    { "smtp.commands", is_command, false,
      "names of files in the directory for commands, each with |timeout=, |memory=, "
      "|failure=tempfail, accept or reject, |exit=1:reject, |services=, |except= if needed; "
      "separated by ;" },
    { "smtp.listen", is_binding, false, BINDINGS },
    { "smtp.listen_odmr", is_binding, false, BINDINGS },
    { "smtp.listen_submission", is_binding, false, BINDINGS },
    { "smtp.listen_submission_tls", is_binding, false, BINDINGS },
    { "smtp.milters", is_milter, false,
      "inet:port@host, inet6:port@host or unix:/path, each with |name=, |timeout=, |total=, "
      "|failure=tempfail, accept or reject, |services=, |except= if needed; separated by ;" },
    { "system.command_user", is_user, true, "the name of a user" },
    { "system.hostname", is_host, false, "a host name such as mail.example.com" },
    { "system.log_path", is_path, false, "an absolute path" },
    { "system.mail_path", is_path, false, "an absolute path" },
    { "system.server_id", is_server_id, false, "at most 2 letters and digits" },
    { "system.temp_path", is_path, false, "an absolute path" },
    { "system.user", is_user, true, "the name of a user" },
    { "web.access_ips", is_network_or_mask, false, NETWORKS_OR_MASKS },
    { "web.console_path", is_path, false, "an absolute path" },
    { "web.listen", is_binding, false, BINDINGS },
    { "web.listen_tls", is_binding, false, BINDINGS },
    { "web.public_url", is_https_origin, false, "https://name or https://name:port" },
};

/* Index of the setting's row, or ARRAY_LEN(checks). */
static size_t row_of(const struct setting *s)
{
    size_t i = 0;
    while (i < ARRAY_LEN(checks) && strcmp(checks[i].name, s->name) != 0)
        i++;
    return i;
}

const char *conf_allowed_extra(const struct setting *s)
{
    size_t i = row_of(s);
    return i < ARRAY_LEN(checks) ? checks[i].allowed : NULL;
}

enum conf_pattern_use conf_pattern_use(const struct setting *s)
{
    size_t i = row_of(s);
    bool (*ok)(struct sv) = i < ARRAY_LEN(checks) ? checks[i].ok : NULL;
    return ok == is_milter || ok == is_command            ? CONF_PATTERN_EXCEPT
           : ok == is_binding                             ? CONF_PATTERN_BINDS
           : ok == is_network || ok == is_network_or_mask ? CONF_PATTERN_IPS
                                                          : CONF_PATTERN_NONE;
}

int conf_check_extra(const struct setting *s, struct sv value, struct errinfo *ei)
{
    size_t i = row_of(s);
    if (i == ARRAY_LEN(checks))
        return 0;
    const char *allowed = checks[i].allowed;
    if (value.n == 0)
        return checks[i].needed ? conf_bad_value(s, value, E_PARSE, "is empty", allowed, ei) : 0;
    if (s->type != SET_LIST)
        return checks[i].ok(value) ? 0
                                   : conf_bad_value(s, value, E_PARSE, "is not valid", allowed, ei);
    struct sv item;
    while (conf_list_next(&value, &item))
        if (!checks[i].ok(item))
            return conf_bad_value(s, item, E_PARSE, "is not valid", allowed, ei);
    return 0;
}
