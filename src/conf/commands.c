#include "conf/commands.h"

#include "conf/conf_priv.h"
#include "conf/routes.h"

const char *const command_verdict_names[COMMAND_VERDICTS + 1] = {
    "fail", "accept", "reject", "discard", "defer", "hold", NULL,
};

enum { MAX_NAME = 60 };

/* A file name and nothing else: no path, nothing hidden. */
static bool is_name(struct sv v)
{
    bool ok = v.n > 0 && v.n <= MAX_NAME && v.p[0] != '.' && v.p[0] != '-';
    for (size_t i = 0; i < v.n && ok; i++)
        ok = sv_find(SV("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"),
                     v.p[i]) >= 0;
    return ok;
}

/* "1:reject,2:hold" */
static bool parse_exits(struct sv list, struct conf_command *ret)
{
    while (list.p) {
        struct sv word = sv_trim(sv_split(&list, ','));
        uint32_t status;
        if (sv_to_u32(sv_trim(sv_split(&word, ':')), &status) < 0 || status > 255 || !word.p)
            return false;
        int v = conf_choice(command_verdict_names, sv_trim(word));
        if (v < 0)
            return false;
        ret->verdict[status] = (uint8_t)v;
    }
    return true;
}

static bool parse_memory(struct sv v, int64_t *ret)
{
    return conf_parse_size(v, ret) == 0 && *ret >= (int64_t)(16 * MiB) &&
           *ret <= (int64_t)(1024 * 1024 * MiB);
}

static bool parse_field(struct sv name, struct sv v, struct conf_command *ret)
{
    static const char *const services[] = { "smtp", "submission", "rules", NULL };
    if (sv_ieq(name, SV("timeout")))
        return conf_parse_wait(v, &ret->timeout_ms);
    if (sv_ieq(name, SV("memory")))
        return parse_memory(v, &ret->memory_bytes);
    if (sv_ieq(name, SV("exit")))
        return parse_exits(v, ret);
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

bool conf_parse_command(struct sv item, struct conf_command *ret)
{
    *ret = (struct conf_command){
        .name = sv_trim(sv_split(&item, '|')),
        .timeout_ms = 30000,
        .memory_bytes = (int64_t)(1024 * MiB),
        .services = MILTER_FOR_SMTP | MILTER_FOR_SUBMISSION,
        /* As commands of qmail have it, and EX_TEMPFAIL of sysexits(3). Not EX_UNAVAILABLE:
         * spamc ends so when its daemon is away. */
        .verdict = { [0] = COMMAND_ACCEPT,
                     [100] = COMMAND_REJECT,
                     [75] = COMMAND_DEFER,
                     [111] = COMMAND_DEFER,
                     [99] = COMMAND_DISCARD },
    };
    if (!is_name(ret->name))
        return false;
    while (item.p) {
        struct sv v = sv_trim(sv_split(&item, '|'));
        struct sv name = sv_trim(sv_split(&v, '='));
        if (!v.p || !parse_field(name, sv_trim(v), ret))
            return false;
    }
    return true;
}
