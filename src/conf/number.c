/* Numbers of settings: sizes, durations, choices; from text and back to the one canonical text.
 * Pure. */
#include "conf/conf_priv.h"

#include "base/buf.h"

struct unit {
    const char *name;
    int64_t factor;
};

/* In the order in which a canonical text tries them: the largest that divides the value. Names
 * behind the empty one are only read. */
static const struct unit size_units[] = {
    { "TiB", 1099511627776 },
    { "GiB", 1073741824 },
    { "MiB", 1048576 },
    { "KiB", 1024 },
    { "TB", 1000000000000 },
    { "GB", 1000000000 },
    { "MB", 1000000 },
    { "kB", 1000 },
    { "", 1 },
    { "B", 1 },
    { "K", 1024 },
    { "M", 1048576 },
    { "G", 1073741824 },
    { "T", 1099511627776 },
};

static const struct unit duration_units[] = {
    { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 }, { "", 1000 },
};

/* digits, optional space, unit. */
static int parse_units(struct sv text, const struct unit *units, size_t n, int64_t *ret)
{
    text = sv_trim(text);
    size_t digits = 0;
    while (digits < text.n && text.p[digits] >= '0' && text.p[digits] <= '9')
        digits++;
    if (digits == 0)
        return E_PARSE;
    struct sv unit = sv_trim(sv_skip(text, digits));
    for (size_t i = 0; i < n; i++) {
        if (!sv_ieq(unit, sv_c(units[i].name)))
            continue;
        int64_t v;
        int r = sv_to_i64(sv_take(text, digits), &v);
        if (r < 0)
            return r;
        return __builtin_mul_overflow(v, units[i].factor, ret) ? E_RANGE : 0;
    }
    return E_PARSE;
}

int conf_parse_size(struct sv text, int64_t *ret_bytes)
{
    return parse_units(text, size_units, ARRAY_LEN(size_units), ret_bytes);
}

int conf_parse_duration(struct sv text, int64_t *ret_ms)
{
    return parse_units(text, duration_units, ARRAY_LEN(duration_units), ret_ms);
}

static char *format_units(int64_t v, const struct unit *units)
{
    while (v % units->factor != 0)
        units++;
    return xasprintf("%" PRId64 "%s", v / units->factor, units->name);
}

static char *format_size(int64_t v)
{
    return v == 0 ? xstrdup("0") : format_units(v, size_units);
}

static char *format_duration(int64_t v)
{
    return v == 0 ? xstrdup("0s") : format_units(v, duration_units);
}

static int parse_bool(struct sv v, int64_t *ret)
{
    static const struct {
        const char *name;
        bool value;
    } words[] = { { "yes", true }, { "no", false }, { "true", true }, { "false", false },
                  { "1", true },   { "0", false },  { "on", true },   { "off", false } };
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (sv_ieq(v, sv_c(words[i].name))) {
            *ret = words[i].value;
            return 0;
        }
    return E_PARSE;
}

static int parse_enum(const struct setting *s, struct sv v, int64_t *ret)
{
    struct sv rest = sv_c(s->unit);
    for (int64_t i = 0; rest.p; i++)
        if (sv_ieq(sv_split(&rest, '|'), v)) {
            *ret = i;
            return 0;
        }
    return E_PARSE;
}

static const char *fault_of(enum set_type type)
{
    switch (type) {
    case SET_BOOL:
        return "is not a switch";
    case SET_INT:
        return "is not a number";
    case SET_SIZE:
        return "is not a size such as 10MiB";
    case SET_DURATION:
        return "is not a duration such as 30s or 5m";
    case SET_ENUM:
        return "is not one of the choices";
    case SET_STRING:
    case SET_LIST:
    case SET_SECRET:
        break;
    }
    return "is not valid";
}

static int parse_any(const struct setting *s, struct sv v, int64_t *ret)
{
    switch (s->type) {
    case SET_BOOL:
        return parse_bool(v, ret);
    case SET_INT:
        return sv_to_i64(v, ret);
    case SET_SIZE:
        return conf_parse_size(v, ret);
    case SET_DURATION:
        return conf_parse_duration(v, ret);
    case SET_ENUM:
        return parse_enum(s, v, ret);
    case SET_STRING:
    case SET_LIST:
    case SET_SECRET:
        break;
    }
    return E_PARSE;
}

int conf_parse_number(const struct setting *s, struct sv value, int64_t *ret, struct errinfo *ei)
{
    int64_t v = 0;
    struct sv text = sv_trim(value);
    int r = parse_any(s, text, &v);
    bool ranged = s->type == SET_INT || s->type == SET_SIZE || s->type == SET_DURATION;
    if (r == 0 && ranged && (s->min != 0 || s->max != 0) && (v < s->min || v > s->max))
        r = E_RANGE;
    if (r < 0) {
        _cleanup_(freep) char *allowed = conf_allowed(s);
        return conf_bad_value(s, text, r, r == E_RANGE ? "is out of range" : fault_of(s->type),
                              allowed, ei);
    }
    *ret = v;
    return 0;
}

char *conf_format_number(const struct setting *s, int64_t v)
{
    struct sv rest = sv_c(s->unit), choice = SV_NULL;
    switch (s->type) {
    case SET_BOOL:
        return xstrdup(v ? "yes" : "no");
    case SET_SIZE:
        return format_size(v);
    case SET_DURATION:
        return format_duration(v);
    case SET_ENUM:
        for (int64_t i = 0; i <= v && rest.p; i++)
            choice = sv_split(&rest, '|');
        return sv_dup(choice);
    case SET_INT:
    case SET_STRING:
    case SET_LIST:
    case SET_SECRET:
        break;
    }
    return xasprintf("%" PRId64, v);
}

static char *allowed_choices(const struct setting *s)
{
    struct buf b;
    buf_init(&b, 4 * KiB);
    struct sv rest = sv_c(s->unit);
    while (rest.p) {
        struct sv c = sv_split(&rest, '|');
        if (b.n > 0)
            buf_add_str(&b, ", ");
        buf_add_sv(&b, c);
    }
    return buf_take(&b, NULL);
}

char *conf_allowed(const struct setting *s)
{
    bool checked = s->min != 0 || s->max != 0;
    if (conf_allowed_extra(s))
        return xstrdup(conf_allowed_extra(s));
    if (s->type == SET_BOOL)
        return xstrdup("yes, no");
    if (s->type == SET_ENUM)
        return allowed_choices(s);
    if (s->type == SET_STRING || s->type == SET_SECRET)
        return s->max > 0 ? xasprintf("at most %" PRId64 " bytes", s->max) : xstrdup("any text");
    if (s->type == SET_LIST)
        return xstrdup("items separated by ;");
    if (!checked)
        return xstrdup("any");
    _cleanup_(freep) char *lo = conf_format_number(s, s->min);
    _cleanup_(freep) char *hi = conf_format_number(s, s->max);
    const char *unit = s->type == SET_INT ? s->unit : "";
    if (s->type == SET_SIZE && strcmp(s->unit, "bytes/s") == 0)
        unit = "per second";
    return xasprintf("%s to %s%s%s", lo, hi, *unit ? " " : "", unit);
}
