/* Texts of account and domain fields: switches and sizes, as people write them. Pure. */
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

static const struct {
    const char *suffix;
    uint64_t factor;
} units[] = {
    { "", 1 },
    { "B", 1 },
    { "KiB", (uint64_t)1 << 10 },
    { "MiB", (uint64_t)1 << 20 },
    { "GiB", (uint64_t)1 << 30 },
    { "TiB", (uint64_t)1 << 40 },
    { "KB", 1000 },
    { "MB", 1000000 },
    { "GB", 1000000000 },
    { "TB", 1000000000000 },
    { "K", (uint64_t)1 << 10 },
    { "M", (uint64_t)1 << 20 },
    { "G", (uint64_t)1 << 30 },
    { "T", (uint64_t)1 << 40 },
};

int value_size(const char *field, const char *text, int64_t *ret, struct errinfo *ei)
{
    struct sv v = sv_trim(sv_c(text));
    size_t digits = 0;
    uint64_t n = 0;
    while (digits < v.n && v.p[digits] >= '0' && v.p[digits] <= '9')
        digits++;
    struct sv suffix = sv_trim(sv_skip(v, digits));
    if (sv_to_u64(sv_take(v, digits), &n) == 0) {
        for (size_t i = 0; i < ARRAY_LEN(units); i++) {
            if (!sv_ieq(suffix, sv_c(units[i].suffix)))
                continue;
            if (n > ((uint64_t)1 << 50) / units[i].factor)
                return err_set(ei, E_RANGE, "%s: '%.60s' is too large; at most 1024TiB", field,
                               text);
            *ret = (int64_t)(n * units[i].factor);
            return 0;
        }
    }
    return err_set(ei, E_PARSE,
                   "%s: '%.60s' is not a size; write bytes or a number with KiB, MiB, GiB, TiB, "
                   "KB, MB, GB or TB; 0 = no limit",
                   field, text);
}
