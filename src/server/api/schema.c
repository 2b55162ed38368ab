/* Checks values against fields. Pure. */
#include "server/api/schema.h"

#include <time.h>

#include "base/codec.h"
#include "base/sv.h"

static bool fault(struct api_fault *f, const char *fmt, ...) _printf_(2, 3);
static bool fault(struct api_fault *f, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(f->text, sizeof(f->text), fmt, ap);
    va_end(ap);
    return false;
}

/* Appends ".name" to the path of the field; returns where it was cut. */
static size_t enter(struct api_fault *f, const char *name)
{
    size_t n = strlen(f->field);

    snprintf(f->field + n, sizeof(f->field) - n, "%s%s", n ? "." : "", name);
    return n;
}

bool api_is_choice(const char *choices, const char *text)
{
    struct sv rest = sv_c(choices);

    while (rest.p)
        if (sv_eq(sv_split(&rest, '|'), sv_c(text)))
            return true;
    return false;
}

static bool digits(const char *s, size_t n, int *ret)
{
    int v = 0;

    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        v = v * 10 + (s[i] - '0');
    }
    *ret = v;
    return true;
}

/* RFC 3339 5.6 date-time. */
static bool parse_date_time(const char *t, int64_t *ret_ms)
{
    struct tm tm = { 0 };
    int ms = 0, zh = 0, zm = 0, sign = 1;
    size_t n = strlen(t), i = 19;

    if (n < 20 || n > 40 || !digits(t, 4, &tm.tm_year) || t[4] != '-' ||
        !digits(t + 5, 2, &tm.tm_mon) || t[7] != '-' || !digits(t + 8, 2, &tm.tm_mday) ||
        (t[10] != 'T' && t[10] != 't' && t[10] != ' ') || !digits(t + 11, 2, &tm.tm_hour) ||
        t[13] != ':' || !digits(t + 14, 2, &tm.tm_min) || t[16] != ':' ||
        !digits(t + 17, 2, &tm.tm_sec))
        return false;
    if (tm.tm_year < 1970 || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 ||
        tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
        return false;
    if (t[i] == '.') {
        int scale = 100;

        for (i++; t[i] >= '0' && t[i] <= '9'; i++, scale /= 10)
            ms += (t[i] - '0') * scale;
    }
    if (t[i] == '+' || t[i] == '-') {
        sign = t[i] == '-' ? -1 : 1;
        if (n - i != 6 || !digits(t + i + 1, 2, &zh) || t[i + 3] != ':' ||
            !digits(t + i + 4, 2, &zm) || zh > 23 || zm > 59)
            return false;
    } else if ((t[i] != 'Z' && t[i] != 'z') || t[i + 1]) {
        return false;
    }
    tm.tm_year -= 1900;
    tm.tm_mon--;
    *ret_ms = ((int64_t)timegm(&tm) - sign * (zh * 3600 + zm * 60)) * 1000 + ms;
    return true;
}

bool api_parse_time(const char *text, int64_t now_ms, int64_t *ret_ms)
{
    static const struct {
        char unit;
        int64_t ms;
    } units[] = { { 's', 1000 }, { 'm', 60000 }, { 'h', 3600000 }, { 'd', 86400000 } };
    size_t n = strlen(text);
    uint32_t v;

    for (size_t i = 0; n > 1 && i < ARRAY_LEN(units); i++)
        if (text[n - 1] == units[i].unit && sv_to_u32(sv_n(text, n - 1), &v) == 0) {
            *ret_ms = now_ms - (int64_t)v * units[i].ms;
            return v <= 100000000;
        }
    return parse_date_time(text, ret_ms);
}

static int64_t text_max(const struct api_field *f)
{
    return f->max ? f->max : API_TEXT_MAX;
}

static bool check_text(const struct api_field *f, const char *s, size_t n, struct api_fault *ret)
{
    if (strlen(s) != n)
        return fault(ret, "holds a NUL character");
    if ((int64_t)n < f->min || (int64_t)n > text_max(f))
        return f->min == 1 && n == 0 ? fault(ret, "must not be empty")
                                     : fault(ret, "has %zu bytes; allowed: %" PRId64 " to %" PRId64,
                                             n, f->min, text_max(f));
    return true;
}

static bool check_int(const struct api_field *f, int64_t v, struct api_fault *ret)
{
    if ((f->min || f->max) && (v < f->min || v > f->max))
        return fault(ret, "%" PRId64 " is out of range; allowed: %" PRId64 " to %" PRId64, v,
                     f->min, f->max);
    return true;
}

static bool check_choice(const struct api_field *f, const char *text, struct api_fault *ret)
{
    char all[200];
    size_t n = 0;

    if (api_is_choice(f->choices, text))
        return true;
    for (const char *c = f->choices; *c && n + 3 < sizeof(all); c++) {
        if (*c == '|')
            all[n++] = ',';
        all[n++] = *c == '|' ? ' ' : *c;
    }
    all[n] = '\0';
    return fault(ret, "'%.60s' is not one of: %s", text, all);
}

static bool check_value(const struct api_field *f, json_t *v, struct api_fault *ret);

static const struct api_field *find_field(const struct api_schema *s, const char *name)
{
    for (const struct api_field *f = s->fields; f->name; f++)
        if (!strcmp(f->name, name))
            return f;
    return NULL;
}

static bool check_object(const struct api_schema *s, json_t *o, struct api_fault *ret)
{
    const char *key;
    json_t *v;

    if (!json_is_object(o))
        return fault(ret, "must be an object");
    json_object_foreach(o, key, v)
    {
        const struct api_field *f = find_field(s, key);
        size_t at = enter(ret, key);

        if (!f)
            return fault(ret, "is not known here");
        if (!check_value(f, v, ret))
            return false;
        ret->field[at] = '\0';
    }
    for (const struct api_field *f = s->fields; f->name; f++)
        if (f->flags & API_REQUIRED && !json_object_get(o, f->name)) {
            enter(ret, f->name);
            return fault(ret, "is missing");
        }
    return true;
}

static bool check_items(const struct api_field *f, json_t *v, struct api_fault *ret)
{
    const struct api_field text = { .type = API_TEXT, .min = 1, .max = 1000 };
    int64_t max = f->max ? f->max : API_ITEMS_MAX, n = (int64_t)json_array_size(v);
    size_t at = strlen(ret->field), i;
    json_t *item;

    if (!json_is_array(v))
        return fault(ret, "must be an array");
    if (n < f->min || n > max)
        return fault(ret, "has %" PRId64 " items; allowed: %" PRId64 " to %" PRId64, n, f->min,
                     max);
    json_array_foreach(v, i, item)
    {
        bool ok;

        snprintf(ret->field + at, sizeof(ret->field) - at, "[%zu]", i);
        ok = f->type == API_LIST ? check_object(f->of, item, ret) : check_value(&text, item, ret);
        if (!ok)
            return false;
        ret->field[at] = '\0';
    }
    return true;
}

static bool check_value(const struct api_field *f, json_t *v, struct api_fault *ret)
{
    int64_t ms;

    if (json_is_null(v))
        return f->flags & API_NULL ? true : fault(ret, "must not be null");
    switch (f->type) {
    case API_TEXT:
        return json_is_string(v) ? check_text(f, json_string_value(v), json_string_length(v), ret)
                                 : fault(ret, "must be text");
    case API_INT:
        return json_is_integer(v) ? check_int(f, json_integer_value(v), ret)
                                  : fault(ret, "must be a whole number");
    case API_BOOL:
        return json_is_boolean(v) ? true : fault(ret, "must be true or false");
    case API_TIME:
        return json_is_string(v) && parse_date_time(json_string_value(v), &ms)
                   ? true
                   : fault(ret, "must be a time such as 2026-03-12T08:50:00Z");
    case API_ENUM:
        return json_is_string(v) ? check_choice(f, json_string_value(v), ret)
                                 : fault(ret, "must be text");
    case API_TEXTS:
    case API_LIST:
        return check_items(f, v, ret);
    case API_INTS:
        return json_is_array(v) ? true : fault(ret, "must be an array");
    case API_OBJECT:
        return check_object(f->of, v, ret);
    case API_MAP:
        return json_is_object(v) ? true : fault(ret, "must be an object");
    case API_ANY:
        return json_is_string(v) || json_is_number(v) || json_is_boolean(v)
                   ? true
                   : fault(ret, "must be text, a number, true or false");
    }
    return false;
}

bool api_check_body(const struct api_schema *s, json_t *body, struct api_fault *ret)
{
    ret->field[0] = ret->text[0] = '\0';
    return check_object(s, body, ret);
}

json_t *api_check_text(const struct api_field *f, const char *text, struct api_fault *ret)
{
    int64_t v;
    bool ok = false;

    snprintf(ret->field, sizeof(ret->field), "%s", f->name);
    switch (f->type) {
    case API_INT:
        if (sv_to_i64(sv_c(text), &v) < 0)
            ok = fault(ret, "'%.40s' is not a whole number", text);
        else
            ok = check_int(f, v, ret);
        return ok ? json_integer(v) : NULL;
    case API_BOOL:
        if (!strcmp(text, "true") || !strcmp(text, "false"))
            return json_boolean(*text == 't');
        fault(ret, "'%.40s' is neither true nor false", text);
        return NULL;
    case API_TIME:
        if (api_parse_time(text, 0, &v))
            return json_string(text);
        fault(ret, "'%.60s' is not a time; write 2026-03-12T08:50:00Z or an age such as 2h", text);
        return NULL;
    case API_ENUM:
        ok = check_choice(f, text, ret);
        break;
    case API_TEXT:
    case API_TEXTS:
    case API_INTS:
    case API_OBJECT:
    case API_LIST:
    case API_MAP:
    case API_ANY:
        ok = check_text(f, text, strlen(text), ret);
        break;
    default:
        ok = false;
    }
    return ok ? json_string(text) : NULL;
}
