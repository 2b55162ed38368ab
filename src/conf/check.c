/* Validation of one value and its canonical text. Pure. */
#include "conf/conf_priv.h"

#include "base/codec.h"

enum { SHOWN_BYTES = 60 };

int conf_bad_value(const struct setting *s, struct sv value, int code, const char *fault,
                   const char *allowed, struct errinfo *ei)
{
    if (!ei)
        return code;
    if (s->type == SET_SECRET)
        return err_set(ei, code, "%s: the value %s; allowed: %s", s->name, fault, allowed);
    struct buf shown;
    buf_init(&shown, 4 * SHOWN_BYTES);
    escape_text(sv_take(value, SHOWN_BYTES), &shown);
    int r = err_set(ei, code, "%s: '" SV_FMT "%s' %s; allowed: %s", s->name, SV_ARG(buf_sv(&shown)),
                    value.n > SHOWN_BYTES ? "..." : "", fault, allowed);
    buf_done(&shown);
    return r;
}

static bool has_control(struct sv v)
{
    for (size_t i = 0; i < v.n; i++)
        if ((unsigned char)v.p[i] < 0x20 || v.p[i] == 0x7f)
            return true;
    return false;
}

static int check_text(const struct setting *s, struct sv v, struct errinfo *ei)
{
    if (has_control(v))
        return conf_bad_value(s, v, E_PARSE, "has control characters", "one line of text", ei);
    if (!utf8_valid(v))
        return conf_bad_value(s, v, E_PARSE, "is not valid UTF-8", "text in UTF-8", ei);
    if (s->max > 0 && v.n > (size_t)s->max) {
        _cleanup_(freep) char *allowed = conf_allowed(s);
        return conf_bad_value(s, v, E_RANGE, "is too long", allowed, ei);
    }
    return 0;
}

bool conf_list_next(struct sv *rest, struct sv *ret_item)
{
    while (rest->p) {
        struct sv item = sv_trim(sv_split(rest, ';'));
        if (item.n == 0)
            continue;
        *ret_item = item;
        return true;
    }
    return false;
}

static char *join_list(struct sv v)
{
    struct buf b;
    buf_init(&b, v.n + 1);
    struct sv item;
    while (conf_list_next(&v, &item)) {
        if (b.n > 0)
            buf_add_c(&b, ';');
        buf_add_sv(&b, item);
    }
    return buf_take(&b, NULL);
}

int conf_check(const struct setting *s, struct sv value, char **ret_canonical, struct errinfo *ei)
{
    _cleanup_(freep) char *text = NULL;
    int64_t number;
    int r;
    switch (s->type) {
    case SET_BOOL:
    case SET_INT:
    case SET_SIZE:
    case SET_DURATION:
    case SET_ENUM:
        r = conf_parse_number(s, value, &number, ei);
        if (r < 0)
            return r;
        text = conf_format_number(s, number);
        break;
    case SET_STRING:
        value = sv_trim(value);
        r = check_text(s, value, ei);
        if (r < 0)
            return r;
        text = sv_dup(value);
        break;
    case SET_SECRET: /* blanks at its ends may be part of it */
        r = check_text(s, value, ei);
        if (r < 0)
            return r;
        text = sv_dup(value);
        break;
    case SET_LIST:
        value = sv_trim(value);
        r = check_text(s, value, ei);
        if (r < 0)
            return r;
        text = join_list(value);
        break;
    }
    r = conf_check_extra(s, sv_c(text), ei);
    if (r < 0)
        return r;
    *ret_canonical = take_ptr(text);
    return 0;
}
