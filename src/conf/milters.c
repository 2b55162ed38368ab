#include "conf/milters.h"

#include "base/iplist.h"
#include "base/pattern_item.h"

#include "conf/conf_priv.h"
#include "conf/routes.h"

const char *const milter_failure_names[] = { "tempfail", "accept", "reject", NULL };

enum { MAX_PATH = 107 /* sun_path */ };

static bool parse_inet(struct sv text, struct conf_milter *ret)
{
    uint32_t port;
    ssize_t at = sv_find(text, '@');
    if (at < 0 || sv_to_u32(sv_take(text, (size_t)at), &port) < 0 || port == 0 || port > 65535)
        return false;
    ret->port = (uint16_t)port;
    ret->host = sv_skip(text, (size_t)at + 1);
    if (ret->host.n > 2 && ret->host.p[0] == '[' && ret->host.p[ret->host.n - 1] == ']')
        ret->host = sv_n(ret->host.p + 1, ret->host.n - 2);
    return conf_address_family(ret->host) != 0 ||
           (sv_find(ret->host, ':') < 0 && conf_is_relay(ret->host));
}

static bool parse_address(struct sv text, struct conf_milter *ret)
{
    struct sv rest = text;
    struct sv kind = sv_split(&rest, ':');
    ret->address = ret->name = text;
    if (sv_ieq(kind, SV("unix")) || sv_ieq(kind, SV("local"))) {
        ret->path = rest;
        return rest.n > 1 && rest.n <= MAX_PATH && rest.p[0] == '/';
    }
    ret->ipv6 = sv_ieq(kind, SV("inet6"));
    return (ret->ipv6 || sv_ieq(kind, SV("inet"))) && parse_inet(rest, ret);
}

bool conf_parse_words(struct sv list, const char *const *names, unsigned *ret)
{
    *ret = 0;
    while (list.p) {
        int i = conf_choice(names, sv_trim(sv_split(&list, ',')));
        if (i < 0)
            return false;
        *ret |= 1u << i;
    }
    return true;
}

bool conf_parse_except(struct sv v, struct conf_except *ret)
{
    *ret = (struct conf_except){ .words = v };
    while (v.p) {
        struct sv word = sv_trim(sv_split(&v, ','));
        if (sv_ieq(word, SV("authenticated")))
            ret->authenticated = true;
        else if (sv_ieq(word, SV("trusted")))
            ret->trusted = true;
        else if (!ip_is_network_or_mask(word) && !pattern_is_name(word))
            return false;
    }
    return true;
}

bool conf_except_has(const struct conf_except *e, const char *ip)
{
    struct sv rest = e->words;
    while (rest.p)
        if (ip_in_list(ip, sv_split(&rest, ',')))
            return true;
    return false;
}

bool conf_parse_wait(struct sv v, int64_t *ret)
{
    return conf_parse_duration(v, ret) == 0 && *ret >= 100 && *ret <= 3600000;
}

static bool parse_field(struct sv name, struct sv v, struct conf_milter *ret)
{
    static const char *const services[] = { "smtp", "submission", "rules", NULL };
    if (sv_ieq(name, SV("name"))) {
        ret->name = v;
        return v.n > 0 && v.n <= 60;
    }
    if (sv_ieq(name, SV("timeout")))
        return conf_parse_wait(v, &ret->timeout_ms);
    if (sv_ieq(name, SV("total")))
        return conf_parse_wait(v, &ret->total_ms);
    if (sv_ieq(name, SV("services")))
        return conf_parse_words(v, services, &ret->services);
    if (sv_ieq(name, SV("except")))
        return conf_parse_except(v, &ret->except);
    if (!sv_ieq(name, SV("failure")))
        return false;
    int i = conf_choice(milter_failure_names, v);
    ret->failure = i < 0 ? MILTER_FAIL_TEMPFAIL : (enum milter_failure)i;
    return i >= 0;
}

bool conf_parse_milter(struct sv item, struct conf_milter *ret)
{
    *ret = (struct conf_milter){
        .timeout_ms = 30000,
        .total_ms = 300000,
        .services = MILTER_FOR_SMTP | MILTER_FOR_SUBMISSION,
    };
    if (!parse_address(sv_trim(sv_split(&item, '|')), ret))
        return false;
    while (item.p) {
        struct sv v = sv_trim(sv_split(&item, '|'));
        struct sv name = sv_trim(sv_split(&v, '='));
        if (!v.p || !parse_field(name, sv_trim(v), ret))
            return false;
    }
    return true;
}
