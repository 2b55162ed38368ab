/* Rules for the values of single commands and tests, as far as they are known before the script
 * runs. */
#include "base/codec.h"
#include "proto/sieve/regex.h"
#include "proto/sieve/sieve_priv.h"

#include <stdio.h>

#define complain(p, at, ...) sieve_complain(p, (at)->line, (at)->col, __VA_ARGS__)

/* --- forms --- */

static bool is_atext(char c)
{
    unsigned char u = (unsigned char)c;
    return u >= 0x80 || (u > ' ' && u != 127 && !strchr("()<>[]:;@\\,.\"", c));
}

static bool is_dot_atom(struct sv s)
{
    bool dot = true; /* one may not stand here */
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '.' ? dot : !is_atext(s.p[i]))
            return false;
        dot = s.p[i] == '.';
    }
    return s.n && !dot;
}

static bool is_quoted(struct sv s)
{
    if (s.n < 2 || s.p[0] != '"' || s.p[s.n - 1] != '"')
        return false;
    for (size_t i = 1; i + 1 < s.n; i++) {
        if ((unsigned char)s.p[i] < ' ' || s.p[i] == 127 || s.p[i] == '"')
            return false;
        if (s.p[i] == '\\' && ++i + 1 >= s.n)
            return false;
    }
    return true;
}

static bool is_domain(struct sv s)
{
    bool literal = s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']';
    for (size_t i = 0; i < s.n; i++) {
        char l = ascii_lower(s.p[i]);
        bool word = (l >= 'a' && l <= 'z') || (l >= '0' && l <= '9') || l == '-' || l == '.' ||
                    (unsigned char)l >= 0x80;
        if (!word && !(literal && (i == 0 || i + 1 == s.n || l == ':')))
            return false;
    }
    return s.n && s.n <= 255 && (literal || (is_dot_atom(s) && s.p[0] != '-'));
}

bool sieve_is_address(struct sv s)
{
    ssize_t at = sv_rfind(s, '@');
    if (at <= 0 || s.n > 512 || !is_domain(sv_skip(s, (size_t)at + 1)))
        return false;
    struct sv local = sv_take(s, (size_t)at);
    return local.n <= 128 && (is_dot_atom(local) || is_quoted(local));
}

bool sieve_is_header_name(struct sv s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] >= 127 || s.p[i] == ':')
            return false;
    return s.n && s.n <= 200;
}

bool sieve_is_address_header(struct sv s)
{
    static const char *const names[] = {
        "From",
        "To",
        "Cc",
        "Bcc",
        "Sender",
        "Reply-To",
        "Resent-From",
        "Resent-To",
        "Resent-Cc",
        "Resent-Bcc",
        "Resent-Sender",
        "Resent-Reply-To",
        "Return-Path",
        "Delivered-To",
        "X-Original-To",
        "Envelope-To",
        "X-Envelope-To",
        "X-Delivered-To",
        "Apparently-To",
        "Errors-To",
        "Mail-Followup-To",
        "Mail-Reply-To",
        "X-BeenThere",
        "Disposition-Notification-To",
        "Return-Receipt-To",
        "Read-Receipt-To",
        "X-Confirm-Reading-To",
        "Registered-Mail-Reply-Requested-By",
        "Return-Receipt-Requested",
        "For-Approval",
        "For-Comment",
        "For-Handling",
        "Approved-By",
        "Abuse-Reports-To",
        "X-Complaints-To",
        "X-Report-Abuse-To",
        "X-Admin",
        "List-Owner",
        "X-Envelope-From",
        "X-Forwarded-To",
        "Original-From",
        "X-Mailing-List",
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (sv_ieq(s, sv_c(names[i])))
            return true;
    return false;
}

bool sieve_is_date_part(struct sv s)
{
    static const char *const names[] = { "year",  "month",  "day",    "date", "julian",
                                         "hour",  "minute", "second", "time", "iso8601",
                                         "std11", "zone",   "weekday" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (sv_ieq(s, sv_c(names[i])))
            return true;
    return false;
}

bool sieve_is_zone(struct sv s, int *ret_minutes)
{
    if (s.n != 5 || (s.p[0] != '+' && s.p[0] != '-'))
        return false;
    for (size_t i = 1; i < 5; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    int h = (s.p[1] - '0') * 10 + s.p[2] - '0', m = (s.p[3] - '0') * 10 + s.p[4] - '0';
    if (h > 23 || m > 59)
        return false;
    *ret_minutes = (s.p[0] == '-' ? -1 : 1) * (h * 60 + m);
    return true;
}

bool sieve_is_relation(struct sv s)
{
    return s.n == 2 && (sv_ieq(s, SV("gt")) || sv_ieq(s, SV("ge")) || sv_ieq(s, SV("lt")) ||
                        sv_ieq(s, SV("le")) || sv_ieq(s, SV("eq")) || sv_ieq(s, SV("ne")));
}

bool sieve_is_variable(struct sv s)
{
    for (size_t i = 0; i < s.n; i++) {
        char l = ascii_lower(s.p[i]);
        if (!((l >= 'a' && l <= 'z') || l == '_' || (i && l >= '0' && l <= '9')))
            return false;
    }
    return s.n && s.n <= 64;
}

bool sieve_is_global(struct sv s)
{
    return sv_istarts(s, SV("global.")) && sieve_is_variable(sv_skip(s, 7));
}

/* --- matching --- */

static bool check_comparator(const struct sieve_script *s, const struct sieve_node *n,
                             struct sieve_problems *p)
{
    const struct sieve_option *o = sieve_option(n, SIEVE_T_COMPARATOR);
    char q[60];
    if (!o || !o->list.n)
        return true;
    const struct sieve_str *v = &o->list.v[0];
    bool numeric = sv_eq(v->s, SV("i;ascii-numeric"));
    if (!numeric && !sv_eq(v->s, SV("i;octet")) && !sv_eq(v->s, SV("i;ascii-casemap"))) {
        complain(p, v,
                 "there is no comparator \"%s\" here; there are i;ascii-casemap, i;octet and "
                 "i;ascii-numeric",
                 sieve_quote(v->s, q));
        return false;
    }
    if (numeric && !sieve_requires(s, SIEVE_EXT_NUMERIC))
        complain(p, v,
                 "this comparator needs the extension; put require "
                 "\"comparator-i;ascii-numeric\"; at the top");
    if (numeric && (sieve_has(n, SIEVE_T_CONTAINS) || sieve_has(n, SIEVE_T_MATCHES) ||
                    sieve_has(n, SIEVE_T_REGEX)))
        complain(p, v,
                 "numbers cannot be compared by parts of texts; use :is, :value or :count "
                 "with i;ascii-numeric");
    return true;
}

static void check_relation(const struct sieve_node *n, enum sieve_tag t, struct sieve_problems *p)
{
    const struct sieve_option *o = sieve_option(n, t);
    char q[60];
    if (o && o->list.n && !sieve_is_relation(o->list.v[0].s))
        complain(p, &o->list.v[0], "\"%s\" is no relation; it is one of gt, ge, lt, le, eq, ne",
                 sieve_quote(o->list.v[0].s, q));
}

static void check_regexes(const struct sieve_list *keys, struct sieve_problems *p)
{
    for (size_t i = 0; i < keys->n; i++) {
        _cleanup_(sieve_regex_freep) struct sieve_regex *re = NULL;
        char why[140], q[60];
        if (keys->v[i].vars)
            continue;
        if (sieve_regex_new(keys->v[i].s, true, &re, why, sizeof(why)) < 0)
            complain(p, &keys->v[i], "\"%s\" is no regular expression: %s",
                     sieve_quote(keys->v[i].s, q), why);
    }
}

static const struct sieve_list *keys_of(const struct sieve_node *n)
{
    for (size_t i = ARRAY_LEN(n->arg); i-- > 0;)
        if (n->arg[i].n)
            return &n->arg[i];
    return NULL;
}

static void check_matching(const struct sieve_script *s, const struct sieve_node *n,
                           struct sieve_problems *p)
{
    check_comparator(s, n, p);
    check_relation(n, SIEVE_T_COUNT, p);
    check_relation(n, SIEVE_T_VALUE, p);
    const struct sieve_list *keys = keys_of(n);
    if (sieve_has(n, SIEVE_T_REGEX) && keys)
        check_regexes(keys, p);
    const struct sieve_option *index = sieve_option(n, SIEVE_T_INDEX);
    if (index && index->number < 1)
        complain(p, n, "':index' counts from 1");
    if (!index && sieve_has(n, SIEVE_T_LAST) && n->word != SIEVE_ADDHEADER &&
        n->word != SIEVE_DUPLICATE)
        complain(p, n, "':last' goes with ':index'");
}

/* --- lists of names --- */

static void each(const struct sieve_list *l, bool (*ok)(struct sv), const char *what,
                 struct sieve_problems *p)
{
    char q[60];
    for (size_t i = 0; i < l->n; i++)
        if (!l->v[i].vars && !ok(l->v[i].s))
            complain(p, &l->v[i], "\"%s\" is no %s", sieve_quote(l->v[i].s, q), what);
}

static bool is_envelope_part(struct sv s)
{
    return sv_ieq(s, SV("from")) || sv_ieq(s, SV("to")) || sv_ieq(s, SV("auth"));
}

static bool is_folder(struct sv s)
{
    return s.n && s.n <= 1000;
}

/* "Name <local@domain>" or the address alone. */
static bool is_from(struct sv s)
{
    ssize_t open = sv_rfind(s, '<');
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < ' ')
            return false;
    if (open < 0)
        return sieve_is_address(sv_trim(s));
    s = sv_trim(sv_skip(s, (size_t)open + 1));
    return s.n && s.p[s.n - 1] == '>' && sieve_is_address(sv_take(s, s.n - 1));
}

static bool is_importance(struct sv s)
{
    return s.n == 1 && *s.p >= '1' && *s.p <= '3';
}

static bool is_method(struct sv s)
{
    return sv_istarts(s, SV("mailto:")) && s.n > 7;
}

static bool is_zone(struct sv s)
{
    int m;
    return sieve_is_zone(s, &m);
}

static void each_option(const struct sieve_node *n, enum sieve_tag t, bool (*ok)(struct sv),
                        const char *what, struct sieve_problems *p)
{
    const struct sieve_option *o = sieve_option(n, t);
    if (o)
        each(&o->list, ok, what, p);
}

/* "${...}" with a namespace is none that we have (RFC 5229 3). */
static void check_variables(const struct sieve_script *s, const struct sieve_list *l,
                            struct sieve_problems *p)
{
    bool global = sieve_requires(s, SIEVE_EXT_INCLUDE);
    for (size_t i = 0; i < l->n; i++) {
        struct sv rest = l->v[i].s;
        for (ssize_t at; l->v[i].vars && (at = sv_find_sv(rest, SV("${"))) >= 0;) {
            rest = sv_skip(rest, (size_t)at + 2);
            ssize_t end = sv_find(rest, '}'), dot = sv_find(rest, '.');
            char q[60];
            if (end > 0 && dot > 0 && dot < end && sieve_is_variable(sv_take(rest, (size_t)dot)) &&
                sieve_is_variable(sv_n(rest.p + dot + 1, (size_t)(end - dot - 1))) &&
                !(global && sieve_is_global(sv_take(rest, (size_t)end))))
                complain(p, &l->v[i],
                         "there is no namespace for the variable \"%s\"; write a "
                         "name without a dot",
                         sieve_quote(sv_take(rest, (size_t)end), q));
        }
    }
}

/* global: with a namespace, too. */
static void check_variable_name(const struct sieve_list *l, bool global, struct sieve_problems *p)
{
    char q[60];
    for (size_t i = 0; i < l->n; i++)
        if (!sieve_is_variable(l->v[i].s) && !(global && sieve_is_global(l->v[i].s)))
            complain(p, &l->v[i],
                     "\"%s\" is no name of a variable: letters, digits and "
                     "underscores, no digit first",
                     sieve_quote(l->v[i].s, q));
}

/* RFC 6609 3.2: constant. */
static void check_script_name(const struct sieve_list *l, struct sieve_problems *p)
{
    char q[60];
    for (size_t i = 0; i < l->n; i++) {
        const struct sieve_str *n = &l->v[i];
        if (n->vars)
            complain(p, n, "the name of an included script has no variables");
        else if (!n->s.n || n->s.n > 128 || sv_find(n->s, '/') >= 0)
            complain(p, n, "\"%s\" is no name of a script", sieve_quote(n->s, q));
    }
}

static void check_size(const struct sieve_node *n, struct sieve_problems *p)
{
    if (!sieve_has(n, SIEVE_T_OVER) && !sieve_has(n, SIEVE_T_UNDER))
        complain(p, n, "'size' needs ':over' or ':under' before its number");
}

/* Named variables of the flag commands need both extensions (RFC 5232 3). */
static void check_flag_variable(const struct sieve_script *s, const struct sieve_node *n,
                                struct sieve_problems *p)
{
    if (!n->arg[0].n)
        return;
    if (!sieve_requires(s, SIEVE_EXT_VARIABLES))
        complain(p, n,
                 "flags in a variable need the extension; put require \"variables\"; at "
                 "the top");
    check_variable_name(&n->arg[0], sieve_requires(s, SIEVE_EXT_INCLUDE), p);
}

void sieve_check_values(const struct sieve_script *s, const struct sieve_node *n,
                        struct sieve_problems *p)
{
    for (size_t i = 0; i < n->n_args; i++)
        check_variables(s, &n->args[i].list, p);
    check_matching(s, n, p);
    switch (n->word) {
    case SIEVE_ADDRESS:
        each(&n->arg[0], sieve_is_address_header,
             "header field that holds addresses; use the test "
             "'header'",
             p);
        break;
    case SIEVE_HEADER:
    case SIEVE_EXISTS:
    case SIEVE_DATE:
    case SIEVE_ADDHEADER:
    case SIEVE_DELETEHEADER:
        each(&n->arg[0], sieve_is_header_name,
             "name of a header field; it stands without a colon "
             "or space",
             p);
        if (n->word == SIEVE_DATE)
            each(&n->arg[1], sieve_is_date_part, "part of a date, such as year, date or hour", p);
        break;
    case SIEVE_CURRENTDATE:
        each(&n->arg[0], sieve_is_date_part, "part of a date, such as year, date or hour", p);
        break;
    case SIEVE_ENVELOPE:
        each(&n->arg[0], is_envelope_part, "part of the envelope; there are from, to and auth", p);
        break;
    case SIEVE_SIZE:
        check_size(n, p);
        break;
    case SIEVE_REDIRECT:
        each(&n->arg[0], sieve_is_address, "address; write local@domain, without a name", p);
        break;
    case SIEVE_FILEINTO:
        each(&n->arg[0], is_folder, "name of a folder", p);
        break;
    case SIEVE_SET:
        check_variable_name(&n->arg[0], sieve_requires(s, SIEVE_EXT_INCLUDE), p);
        break;
    case SIEVE_INCLUDE:
        check_script_name(&n->arg[0], p);
        break;
    case SIEVE_GLOBAL:
        check_variable_name(&n->arg[0], false, p);
        if (!sieve_requires(s, SIEVE_EXT_VARIABLES))
            complain(p, n, "'global' needs the extension; put require \"variables\"; at the top");
        break;
    case SIEVE_SETFLAG:
    case SIEVE_ADDFLAG:
    case SIEVE_REMOVEFLAG:
    case SIEVE_HASFLAG:
        check_flag_variable(s, n, p);
        break;
    case SIEVE_VACATION:
        each_option(n, SIEVE_T_FROM, is_from, "address", p);
        each_option(n, SIEVE_T_ADDRESSES, sieve_is_address, "address", p);
        break;
    case SIEVE_NOTIFY:
        each(&n->arg[0], is_method, "method of notification known here; write mailto:local@domain",
             p);
        each_option(n, SIEVE_T_FROM, is_from, "address", p);
        each_option(n, SIEVE_T_IMPORTANCE, is_importance, "importance; write 1, 2 or 3", p);
        break;
    case SIEVE_DUPLICATE:
        each_option(n, SIEVE_T_HEADER, sieve_is_header_name, "name of a header field", p);
        break;
    default:
        break;
    }
    each_option(n, SIEVE_T_ZONE, is_zone, "time zone; write +0100 or -0500", p);
}
