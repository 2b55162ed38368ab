/* MTA-STS records and policies. Unknown keys are for later versions; of a key that is there twice
 * the first counts (RFC 8461 3.2). */
#include "proto/mta_sts.h"

static bool is_alnum(char c)
{
    c = ascii_lower(c);
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z');
}

static bool is_id(struct sv s)
{
    if (!s.n || s.n > 32)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!is_alnum(s.p[i]))
            return false;
    return true;
}

bool mta_sts_record(struct sv txt, char ret_id[33])
{
    struct sv rest = txt, version = sv_trim(sv_split(&rest, ';'));
    bool found = false;
    if (!sv_eq(version, SV("v=STSv1")))
        return false;
    while (rest.p && !found) {
        struct sv field = sv_trim(sv_split(&rest, ';'));
        found = sv_starts(field, SV("id="));
        if (found && (!is_id(sv_skip(field, 3)) || !sv_copy(ret_id, 33, sv_skip(field, 3))))
            return false;
    }
    return found;
}

/* A host name, perhaps behind "*.": letters, digits, hyphens, dots. */
static bool is_pattern(struct sv s)
{
    if (sv_starts(s, SV("*.")))
        s = sv_skip(s, 2);
    if (!s.n || s.n > 253 || s.p[0] == '.')
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!is_alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '.')
            return false;
    return true;
}

struct seen {
    bool version, mode, age;
};

static int take_mode(struct sv value, enum mta_sts_mode *ret)
{
    static const char *const names[] = { "none", "testing", "enforce" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (sv_eq(value, sv_c(names[i]))) {
            *ret = (enum mta_sts_mode)i;
            return 0;
        }
    return E_PARSE;
}

static int take_age(struct sv value, int64_t *ret)
{
    uint64_t v;
    if (value.n > 10 || sv_to_u64(value, &v) < 0)
        return E_PARSE;
    *ret = (int64_t)MIN(v, (uint64_t)MTA_STS_MAX_AGE_S);
    return 0;
}

static int take_field(struct sv key, struct sv value, struct mta_sts_policy *p, struct seen *seen)
{
    if (sv_eq(key, SV("version")) && !seen->version) {
        seen->version = true;
        return sv_eq(value, SV("STSv1")) ? 0 : E_PARSE;
    }
    if (sv_eq(key, SV("mode")) && !seen->mode) {
        seen->mode = true;
        return take_mode(value, &p->mode);
    }
    if (sv_eq(key, SV("max_age")) && !seen->age) {
        seen->age = true;
        return take_age(value, &p->max_age_s);
    }
    if (!sv_eq(key, SV("mx")))
        return 0;
    if (p->n == MTA_STS_MAX_MX || !is_pattern(value))
        return E_PARSE;
    sv_copy(p->mx[p->n++], sizeof(p->mx[0]), value);
    return 0;
}

int mta_sts_parse(struct sv text, struct mta_sts_policy *ret, struct errinfo *ei)
{
    struct seen seen = { 0 };
    *ret = (struct mta_sts_policy){ .mode = MTA_STS_NONE };
    while (text.p) {
        struct sv line = sv_trim(sv_split(&text, '\n'));
        ssize_t colon = sv_find(line, ':');
        if (!line.n)
            continue;
        if (colon <= 0 || take_field(sv_trim(sv_take(line, (size_t)colon)),
                                     sv_trim(sv_skip(line, (size_t)colon + 1)), ret, &seen) < 0)
            return err_set(ei, E_PARSE, "the policy has a line that cannot be read");
    }
    if (!seen.version || !seen.mode || !seen.age || (ret->mode != MTA_STS_NONE && !ret->n))
        return err_set(ei, E_PARSE, "the policy lacks its version, mode, max_age or mx");
    return 0;
}

bool mta_sts_names(const struct mta_sts_policy *p, struct sv host)
{
    ssize_t dot = sv_find(host, '.');
    for (size_t i = 0; i < p->n; i++) {
        struct sv pattern = sv_c(p->mx[i]);
        if (sv_ieq(pattern, host))
            return true;
        if (sv_starts(pattern, SV("*.")) && dot > 0 &&
            sv_ieq(sv_skip(pattern, 1), sv_skip(host, (size_t)dot)))
            return true;
    }
    return false;
}
