#include "mail/command/output.h"

#include "base/codec.h"

enum { MAX_REPLY = 500, MAX_REASON = 200, MAX_SHOWN = 60 };

/* Printable ASCII; text: also UTF-8 and tabs. */
static bool is_clean(struct sv s, bool text)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == 127 || (c < 32 && !(text && c == '\t')) || (c > 127 && !text))
            return false;
    }
    return !text || utf8_valid(s);
}

static bool is_field_name(struct sv s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= 32 || s.p[i] >= 127 || s.p[i] == ':')
            return false;
    return s.n > 0 && s.n <= 76;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A code of refusal, a blank, a text. RFC 5321 4.2. */
static bool is_reply(struct sv s)
{
    return s.n > 4 && s.n <= MAX_REPLY && (s.p[0] == '4' || s.p[0] == '5') && is_digit(s.p[1]) &&
           is_digit(s.p[2]) && s.p[3] == ' ' && is_clean(s, false);
}

static int wrong(struct sv line, const char *fault, struct errinfo *ei)
{
    return err_set(ei, E_PARSE, "its line '" SV_FMT "' %s", SV_ARG(sv_take(line, MAX_SHOWN)),
                   fault);
}

static int take_edit(enum command_edit_kind kind, struct sv line, struct sv rest,
                     struct command_output *ret, struct errinfo *ei)
{
    struct sv value = rest;
    struct sv name = kind == COMMAND_REMOVE_HEADER ? rest : sv_split(&value, ':');
    if (!is_field_name(name))
        return wrong(line, "names no header field", ei);
    if (kind == COMMAND_REMOVE_HEADER)
        value = SV("");
    else if (!value.p)
        return wrong(line, "has no colon behind the name of the field", ei);
    if (!is_clean(value, true))
        return wrong(line, "has control characters or is no UTF-8", ei);
    if (ret->n_edits == COMMAND_MAX_EDITS)
        return err_set(ei, E_RANGE, "it asks for more than %d changes of the header",
                       COMMAND_MAX_EDITS);
    ret->edits[ret->n_edits++] =
        (struct command_edit){ .kind = kind, .name = name, .value = sv_trim(value) };
    return 0;
}

static int take_line(struct sv line, struct command_output *ret, struct errinfo *ei)
{
    struct sv rest = line;
    struct sv word = sv_split(&rest, ' ');
    rest = rest.p ? sv_trim(rest) : SV("");
    if (sv_eq(word, SV("add-header")))
        return take_edit(COMMAND_ADD_HEADER, line, rest, ret, ei);
    if (sv_eq(word, SV("set-header")))
        return take_edit(COMMAND_SET_HEADER, line, rest, ret, ei);
    if (sv_eq(word, SV("remove-header")))
        return take_edit(COMMAND_REMOVE_HEADER, line, rest, ret, ei);
    if (sv_eq(word, SV("reply"))) {
        ret->reply = rest;
        return is_reply(rest) ? 0 : wrong(line, "is no reply such as \"550 5.7.1 text\"", ei);
    }
    if (!sv_eq(word, SV("reason")))
        return wrong(line, "begins with no word that is known", ei);
    ret->reason = sv_take(rest, MAX_REASON);
    return 0;
}

static struct sv next_line(struct sv *rest)
{
    struct sv line = sv_split(rest, '\n');
    return line.n && line.p[line.n - 1] == '\r' ? sv_take(line, line.n - 1) : line;
}

int command_parse_output(struct sv text, struct command_output *ret, struct errinfo *ei)
{
    struct sv rest = text;
    struct sv first = next_line(&rest);
    ret->reply = ret->reason = SV("");
    ret->n_edits = 0;
    if (!sv_eq(first, SV("posthorn 1"))) {
        ret->reason = sv_take(sv_trim(first), MAX_REASON);
        return 0;
    }
    while (rest.n) {
        struct sv line = next_line(&rest);
        int r = line.n ? take_line(line, ret, ei) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}
