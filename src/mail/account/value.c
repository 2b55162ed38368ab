/* Texts of account and domain fields: switches, sizes and choices, as people write them. Pure. */
#include "conf/routes.h"
#include "mail/account/accounts_priv.h"

int value_bool(const char *field, const char *text, bool *ret, struct errinfo *ei)
{
    static const char *const yes[] = { "yes", "true", "on", "1" };
    static const char *const no[] = { "no", "false", "off", "0" };
    struct sv v = sv_trim(sv_c(text));
    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        bool is_yes = sv_ieq(v, sv_c(yes[i]));
        if (is_yes || sv_ieq(v, sv_c(no[i]))) {
            *ret = is_yes;
            return 0;
        }
    }
    return err_set(ei, E_PARSE, "%s: '%.60s' is not a switch; allowed: yes, no", field, text);
}

int value_number(const char *field, const char *text, int64_t max, int64_t *ret, struct errinfo *ei)
{
    uint64_t v = 0;
    if (sv_to_u64(sv_trim(sv_c(text)), &v) < 0 || v > (uint64_t)max)
        return err_set(ei, E_RANGE, "%s: '%.60s' is no number from 0 to %" PRId64, field, text,
                       max);
    *ret = (int64_t)v;
    return 0;
}

int value_size(const char *field, const char *text, int64_t *ret, struct errinfo *ei)
{
    const int64_t most = (int64_t)1 << 50;
    int64_t v = 0;
    int r = conf_parse_size(sv_c(text), &v);
    if (r == 0 && v >= 0 && v <= most) {
        *ret = v;
        return 0;
    }
    if (r == E_RANGE || (r == 0 && v > most))
        return err_set(ei, E_RANGE, "%s: '%.60s' is too large; at most 1024TiB", field, text);
    return err_set(ei, E_PARSE,
                   "%s: '%.60s' is not a size; write bytes or a number with KiB, MiB, GiB, TiB, "
                   "KB, MB, GB or TB; 0 = no limit",
                   field, text);
}

int value_choice(const char *field, const char *const *names, const char *text, int *ret,
                 struct errinfo *ei)
{
    char all[120] = "";
    size_t n = 0;
    *ret = conf_choice(names, sv_trim(sv_c(text)));
    if (*ret >= 0)
        return 0;
    for (size_t i = 0; names[i]; i++)
        n += (size_t)snprintf(all + n, sizeof(all) - n, "%s%s", i ? ", " : "", names[i]);
    return err_set(ei, E_PARSE, "%s: '%.60s' is not a choice; allowed: %s", field, text, all);
}

int value_fault(struct errinfo *ei, const char *field, int r)
{
    struct sv text = sv_c(ei ? ei->text : ""), name = sv_c(field);
    bool ours = r == E_PARSE || r == E_RANGE || r == E_NOTFOUND || r == E_EXISTS || r == E_CONFLICT;
    if (!ours || !text.n || (sv_starts(text, name) && text.n > name.n && text.p[name.n] == ':'))
        return r;
    _cleanup_(freep) char *was = sv_dup(text);
    return err_set(ei, r, "%s: %s", field, was);
}
