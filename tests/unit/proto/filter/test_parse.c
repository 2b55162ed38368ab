/* What rules are accepted, what they become, and what is said about those that are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#include "base/buf.h"
#include "proto/filter/filter.h"

static void accepted(void **state _unused_)
{
    static const char *const rules[] = {
        "rule \"a\" then accept",
        "RULE \"a\" OFF IF Tls THEN Stop",
        "rule \"a\" if not tls then delete",
        "rule \"a\" if (tls or trusted) and not (outgoing) then reject",
        "rule \"a\" if header \"*\" contains \"x\" then reject \"no\"",
        "rule \"a\" if header \"X-Spam\" exists then quarantine",
        "rule \"a\" if size over 10M and score under -2.5 then quarantine \"large\", stop",
        "rule \"a\" if time from \"22:00\" to \"06:00\" then priority low",
        "rule \"a\" if date from \"2026-12-24\" to \"2026-12-24\" then score +1.25",
        "rule \"a\" if weekday is \"Monday\", \"sunday\" then tag-subject \"[x] \"",
        "rule \"a\" if ip in \"10.0.0.0/8\", \"2001:db8::/32\" then add-header \"X-A\" \"b\"",
        "rule \"a\" if body regex \"a+b\" then remove-header \"X-A\"",
        "rule \"a\" if sender is \"\" then set-header \"X-A\" \"\"",
        "rule \"a\" if attachments over 2 then forward \"a@b.test\"",
        "rule \"a\" then move \"Lists/x\", respond \"I am\nnot here\"",
        "rule \"a\" then tarpit 60, milter \"scan\", reject \"no\"",
        "# a comment\nrule \"a\" # another\n then copy \"a@b\" # and one\n# the last\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        struct filter_rules r;
        struct errinfo ei = { 0 };
        if (filter_parse(sv_c(rules[i]), &r, &ei) < 0)
            fail_msg("%s: %s", rules[i], ei.text);
        assert_int_equal(r.n, 1);
        assert_true(sv_eq(r.v[0]->name, SV("a")));
        filter_rules_done(&r);
    }
}

static void refused(void **state _unused_)
{
    static const struct {
        const char *rule, *why;
    } rules[] = {
        { "accept", "line 1, column 1: 'accept' stands where rule is expected" },
        { "rule a then accept", "column 6: 'a' stands where the rule's name" },
        { "rule \"a\" accept", "'accept' stands where if or then is expected" },
        { "rule \"a\" if then accept", "a condition, such as sender" },
        { "rule \"a\" if tls", "the text ends where and, or, then is expected" },
        { "rule \"a\" then tarpit 0", "'0' is not a number of seconds from 1 to 60" },
        { "rule \"a\" then tarpit 61", "'61' is not a number of seconds" },
        { "rule \"a\" then tarpit 1.5", "'1.5' is not a number of seconds" },
        { "rule \"a\" then tarpit", "the text ends where a number of seconds is expected" },
        { "rule \"a\" then milter \"\"", "the name of a milter has 1 to 60 bytes" },
        { "rule \"a\" then explode", "an action, such as reject" },
        { "rule \"a\" then delete, accept", "nothing is done after 'delete'" },
        { "rule \"a\" then delete\nrule \"a\" then delete", "line 2" },
        { "rule \"a/b\" then delete", "a name has 1 to 100 bytes" },
        { "rule \"\" then delete", "a name has 1 to 100 bytes" },
        { "rule \"a\" if sender contains \"\" then delete", "an empty text fits everything" },
        { "rule \"a\" if sender in \"x\" then delete", "'in' stands where is, contains" },
        { "rule \"a\" if sender exists then delete", "stands where is, contains" },
        { "rule \"a\" if ip in \"300.0.0.1\" then delete", "neither an address nor a network" },
        { "rule \"a\" if body regex \"(\" then delete", "no regular expression" },
        { "rule \"a\" if size over 1X then delete", "'1X' is not a number" },
        { "rule \"a\" if score over 1.234 then delete", "'1.234' is not a score" },
        { "rule \"a\" if score over 1.2.3 then delete", "is not a score" },
        { "rule \"a\" if time from \"25:00\" to \"06:00\" then delete", "is not a time" },
        { "rule \"a\" if date from \"2026-12-24\" to \"2026-12-23\" then delete",
          "comes before the first" },
        { "rule \"a\" if weekday is \"noday\" then delete", "is not a day" },
        { "rule \"a\" if (tls then delete", "')', and, or" },
        { "rule \"a\" then reject \"a\nb\"", "one line of ASCII" },
        { "rule \"a\" then forward \"nobody\"", "is not an address" },
        { "rule \"a\" then add-header \"a b\" \"c\"", "not the name of a header field" },
        { "rule \"a\" then remove-header \"received\"", "of a message's way stay" },
        { "rule \"a\" then priority", "high, normal or low" },
        { "rule \"a", "no closing quotation mark" },
        { "rule \"a\\\"", "no closing quotation mark" },
        { "rule \"a\x01\" then delete", "control character" },
        { "rule \"\xff\" then delete", "not valid UTF-8" },
        { "rule \"a\" then delete ;", "';' is not expected here" },
        { "\n\n  rule \"a\" if tls or\n  then delete", "line 4, column 3: 'then' stands where" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        struct filter_rules r;
        struct errinfo ei = { 0 };
        if (filter_parse(sv_c(rules[i].rule), &r, &ei) == 0)
            fail_msg("accepted: %s", rules[i].rule);
        if (!strstr(ei.text, rules[i].why) || strncmp(ei.text, "line ", 5) != 0)
            fail_msg("%s: '%s' does not say '%s'", rules[i].rule, ei.text, rules[i].why);
        assert_int_equal(r.n, 0);
    }
}

static void nothing_is_no_rule(void **state _unused_)
{
    struct filter_rules r;
    assert_int_equal(filter_parse(SV(" \n# only a comment\n"), &r, NULL), 0);
    assert_int_equal(r.n, 0);
}

/* The texts of the rules, one behind the other, are the same rules again. */
static void texts(void **state _unused_)
{
    struct filter_rules r;
    const struct sv text =
        SV("# first\nrule \"a\"\n  then accept # yes\n\n# second\nrule \"b\" then "
           "delete\n# end\n");
    assert_int_equal(filter_parse(text, &r, NULL), 0);
    assert_int_equal(r.n, 2);
    assert_true(sv_eq(r.v[0]->text, SV("# first\nrule \"a\"\n  then accept # yes")));
    assert_true(sv_eq(r.v[1]->text, SV("# second\nrule \"b\" then delete\n# end")));
    filter_rules_done(&r);
}

/* and binds more than or; not more than both. */
static void precedence(void **state _unused_)
{
    struct filter_rules r;
    assert_int_equal(
        filter_parse(SV("rule \"a\" if tls or not trusted and outgoing then accept"), &r, NULL), 0);
    const struct filter_node *n = r.v[0]->when;
    assert_int_equal(n->kind, FILTER_OR);
    assert_int_equal(n->a->fact, FILTER_TLS);
    assert_int_equal(n->b->kind, FILTER_AND);
    assert_int_equal(n->b->a->kind, FILTER_NOT);
    assert_int_equal(n->b->b->fact, FILTER_OUTGOING);
    filter_rules_done(&r);
}

static void values(void **state _unused_)
{
    struct filter_rules r;
    assert_int_equal(
        filter_parse(
            SV("rule \"a\" if header \"Subject\" contains \"ViAgra\", \"b\\\\\\\"c\" and size over "
               "10M and score is -2.5 and time from \"22:30\" to \"24:00\" then score 0.05, "
               "priority high, reject \"451 Later\""),
            &r, NULL),
        0);
    const struct filter_node *n = r.v[0]->when;
    assert_int_equal(n->b->from, 22 * 60 + 30);
    assert_int_equal(n->b->to, 24 * 60);
    n = n->a;
    assert_int_equal(n->b->from, -250);
    n = n->a;
    assert_int_equal(n->b->from, 10 << 20);
    n = n->a;
    assert_true(sv_eq(n->header, SV("Subject")));
    assert_true(sv_eq(n->values[0], SV("viagra")));
    assert_true(sv_eq(n->values[1], SV("b\\\"c")));
    assert_int_equal(r.v[0]->actions[0].number, 5);
    assert_int_equal(r.v[0]->actions[1].number, 0);
    assert_true(sv_eq(r.v[0]->actions[2].text, SV("451 4.7.1 Later")));
    assert_false(r.v[0]->slow);
    filter_rules_done(&r);
}

/* Automatic replies: text, and what may follow it. */
static void respond(void **state _unused_)
{
    static const struct {
        const char *text, *wrong, *described;
    } cases[] = {
        { "respond \"a\"", NULL, "respond 'a'" },
        { "respond \"a\" subject \"b c\", stop", NULL, "respond 'a' subject 'b c', stop" },
        { "respond \"a\" days 3", NULL, "respond 'a' days 3" },
        { "respond \"a\"\n subject \"b\" days 365", NULL, "respond 'a' subject 'b' days 365" },
        { "respond", "a text in quotation marks", NULL },
        { "respond \"\"", "1 to 16384 bytes", NULL },
        { "respond \"a\" subject", "the subject of the reply", NULL },
        { "respond \"a\" subject \"\"", "one line of 1 to 500 bytes", NULL },
        { "respond \"a\" subject \"b\nBcc: c\"", "one line of 1 to 500 bytes", NULL },
        { "respond \"a\" days", "a number of days", NULL },
        { "respond \"a\" days 0", "'0' is not a number of days from 1 to 365", NULL },
        { "respond \"a\" days 366", "from 1 to 365", NULL },
        { "respond \"a\" days 3 subject \"b\"", "'subject' stands where", NULL },
        { "command \"\"", "the name of a command", NULL },
        { "deny-sender \"x\"", "stands where", NULL },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct filter_rules r;
        struct errinfo ei = { 0 };
        char text[200], described[200];
        snprintf(text, sizeof(text), "rule \"a\" then %s", cases[i].text);
        int e = filter_parse(sv_c(text), &r, &ei);
        if (cases[i].wrong) {
            assert_int_equal(e, E_PARSE);
            if (!strstr(ei.text, cases[i].wrong))
                fail_msg("%s: %s", cases[i].text, ei.text);
            continue;
        }
        assert_int_equal(e, 0);
        filter_describe(r.v[0], described, sizeof(described));
        assert_string_equal(described, cases[i].described);
        filter_rules_done(&r);
    }
}

static void replies(void **state _unused_)
{
    static const struct {
        const char *text, *reply;
    } cases[] = { { "no", "550 5.7.1 no" },
                  { "554 no", "554 5.7.1 no" },
                  { "554 5.6.0 no", "554 5.6.0 no" },
                  { "5.2.1 no", "550 5.2.1 no" },
                  { "450 5.6.0 no", "450 4.7.1 5.6.0 no" },
                  { "250 fine", "550 5.7.1 250 fine" },
                  { "421 off", "421 4.7.1 off" } };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct filter_rules r;
        char text[100];
        snprintf(text, sizeof(text), "rule \"a\" then reject \"%s\"", cases[i].text);
        assert_int_equal(filter_parse(sv_c(text), &r, NULL), 0);
        assert_true(sv_eq(r.v[0]->actions[0].text, sv_c(cases[i].reply)));
        filter_rules_done(&r);
    }
}

static void levels(void **state _unused_)
{
    struct filter_rules r;
    struct errinfo ei;
    assert_int_equal(filter_parse(SV("rule \"a\" if not (tls and trusted) then delete\n"
                                     "rule \"b\" then move \"x\"\nrule \"c\" then priority low\n"
                                     "rule \"d\" if sender is \"\" then score 1, reject\n"
                                     "rule \"e\" then milter \"x\"\nrule \"f\" then tarpit 1\n"
                                     "rule \"g\" then respond \"x\"\n"
                                     "rule \"h\" then command \"x\"\n"
                                     "rule \"i\" then deny-sender, stop\n"
                                     "rule \"j\" then allow-sender"),
                                  &r, NULL),
                     0);
    assert_int_equal(filter_check_level(r.v[0], FILTER_SERVER, NULL), 0);
    assert_int_equal(filter_check_level(r.v[0], FILTER_ACCOUNT, &ei), E_CONFLICT);
    assert_non_null(strstr(ei.text, "rule 'a': the condition 'tls'"));
    for (unsigned level = FILTER_SERVER; level <= FILTER_ACCOUNT; level <<= 1) {
        assert_int_equal(filter_check_level(r.v[1], (enum filter_level)level, NULL), 0);
        assert_int_equal(filter_check_level(r.v[6], (enum filter_level)level, NULL), 0);
    }
    assert_true(r.v[7]->slow && r.v[8]->slow && r.v[9]->slow && !r.v[6]->slow);
    assert_int_equal(filter_check_level(r.v[7], FILTER_SERVER, NULL), 0);
    assert_int_equal(filter_check_level(r.v[7], FILTER_DOMAIN, &ei), E_CONFLICT);
    assert_string_equal(ei.text, "rule 'h': the action 'command' is for rules of the server");
    for (size_t i = 8; i < 10; i++) {
        assert_int_equal(filter_check_level(r.v[i], FILTER_DOMAIN, NULL), 0);
        assert_int_equal(filter_check_level(r.v[i], FILTER_ACCOUNT, &ei), E_CONFLICT);
        assert_non_null(strstr(ei.text, "-sender' is for rules of the server and of domains"));
    }
    assert_int_equal(filter_check_level(r.v[2], FILTER_ACCOUNT, NULL), E_CONFLICT);
    assert_int_equal(filter_check_level(r.v[3], FILTER_ACCOUNT, NULL), 0);
    assert_true(r.v[4]->slow);
    assert_int_equal(filter_check_level(r.v[4], FILTER_SERVER, NULL), 0);
    assert_int_equal(filter_check_level(r.v[4], FILTER_DOMAIN, &ei), E_CONFLICT);
    assert_non_null(strstr(ei.text, "'milter' is for rules of the server"));
    assert_int_equal(filter_check_level(r.v[4], FILTER_ACCOUNT, NULL), E_CONFLICT);
    assert_int_equal(filter_check_level(r.v[5], FILTER_DOMAIN, NULL), 0);
    assert_int_equal(filter_check_level(r.v[5], FILTER_ACCOUNT, NULL), E_CONFLICT);
    filter_rules_done(&r);
}

/* count times piece between the ends. */
static char *repeat(const char *begin, const char *piece, size_t count, const char *end)
{
    struct sv b = sv_c(begin), m = sv_c(piece), e = sv_c(end);
    char *text = xmalloc(b.n + count * m.n + e.n + 1), *p = text;
    memcpy(p, b.p, b.n);
    p += b.n;
    for (size_t i = 0; i < count; i++, p += m.n)
        memcpy(p, m.p, m.n);
    memcpy(p, e.p, e.n + 1);
    return text;
}

static void limits(void **state _unused_)
{
    char *texts_of[] = {
        repeat("rule \"a\" if ", "(", FILTER_MAX_DEPTH + 1, "tls"),
        repeat("rule \"a\" if ", "not ", FILTER_MAX_NODES, "tls then stop"),
        repeat("rule \"a\" if tls", " and tls", FILTER_MAX_NODES, " then stop"),
        repeat("rule \"a\" if sender is \"a\"", ",\"a\"", FILTER_MAX_VALUES, " then stop"),
        repeat("rule \"a\" then score 1", ",score 1", FILTER_MAX_ACTIONS, ""),
        repeat("rule \"a\" if sender is \"", "x", FILTER_MAX_TEXT, "\" then stop"),
    };
    for (size_t i = 0; i < ARRAY_LEN(texts_of); i++) {
        struct filter_rules r;
        struct errinfo ei = { 0 };
        assert_int_equal(filter_parse(sv_c(texts_of[i]), &r, &ei), E_LIMIT);
        free(texts_of[i]);
    }
}

static void turned(void **state _unused_)
{
    static const struct {
        const char *text, *off, *on;
    } cases[] = {
        { "rule \"a\" then stop", "rule \"a\" off then stop", "rule \"a\" then stop" },
        { "# off\n rule  \"off\"\n  then stop # x", "# off\n rule  \"off\" off\n  then stop # x",
          "# off\n rule  \"off\"\n  then stop # x" },
        { "rule \"a\"\noff if tls then stop", "rule \"a\"\noff if tls then stop",
          "rule \"a\"\n if tls then stop" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (int off = 0; off < 2; off++) {
            struct buf b;
            buf_init(&b, 1000);
            assert_int_equal(filter_turn(sv_c(cases[i].text), off, &b), 0);
            assert_int_equal(buf_terminate(&b), 0);
            assert_string_equal(b.p, off ? cases[i].off : cases[i].on);
            buf_done(&b);
        }
    struct buf b;
    buf_init(&b, 1000);
    assert_int_equal(filter_turn(SV("no rule"), true, &b), E_PARSE);
    assert_int_equal(filter_turn(SV("rule off"), true, &b), E_PARSE);
    buf_done(&b);
}

static void described(void **state _unused_)
{
    struct filter_rules r;
    char text[200], small[12];
    assert_int_equal(
        filter_parse(SV("rule \"a\" then score -1.5, priority low, set-header \"X\" \"y\", stop"),
                     &r, NULL),
        0);
    filter_describe(r.v[0], text, sizeof(text));
    assert_string_equal(text, "score -1.50, priority low, set-header X 'y', stop");
    filter_describe(r.v[0], small, sizeof(small));
    assert_string_equal(small, "score -1.50");
    filter_rules_done(&r);
}

/* What can be asked before there is a message. */
static void early(void **state _unused_)
{
    static const struct {
        const char *rules;
        size_t n;
    } cases[] = {
        { "rule \"a\" if helo is \"x\" then reject", 1 },
        { "rule \"a\" if helo is \"x\" or not (tls and ip in \"10.0.0.0/8\") then accept\n"
          "rule \"b\" if trusted or authenticated then stop",
          2 },
        { "rule \"a\" then reject", 0 },
        { "rule \"a\" off if helo is \"x\" then reject", 0 },
        { "rule \"a\" if helo is \"x\" then delete", 0 },
        { "rule \"a\" if helo is \"x\" then tarpit 5, reject", 0 },
        { "rule \"a\" if helo is \"x\" and sender is \"\" then reject", 0 },
        /* behind what may let the message in */
        { "rule \"a\" if sender is \"\" then accept\nrule \"b\" if tls then reject", 0 },
        { "rule \"a\" if tls then delete\nrule \"b\" if tls then reject", 0 },
        /* behind what only marks, or is not asked */
        { "rule \"a\" then score 1\nrule \"b\" if tls then reject", 1 },
        { "rule \"a\" off then accept\nrule \"b\" if tls then reject", 1 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct filter_rule *found[2];
        struct filter_rules r;
        assert_int_equal(filter_parse(sv_c(cases[i].rules), &r, NULL), 0);
        if (filter_early(&r, found) != cases[i].n)
            fail_msg("%s", cases[i].rules);
        filter_rules_done(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(early),     cmocka_unit_test(accepted),
        cmocka_unit_test(refused),   cmocka_unit_test(nothing_is_no_rule),
        cmocka_unit_test(texts),     cmocka_unit_test(precedence),
        cmocka_unit_test(values),    cmocka_unit_test(respond),
        cmocka_unit_test(replies),   cmocka_unit_test(levels),
        cmocka_unit_test(limits),    cmocka_unit_test(turned),
        cmocka_unit_test(described),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
