/* What scripts cannot do: lose mail, run for long, take memory; and what edited headers look like.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "cases.h"

static struct arena arena;
static struct sieve_result res;
static struct buf content;
static int seen_answer;

static int begin(void **state _unused_)
{
    arena_init(&arena, SIEVE_ARENA);
    buf_init(&content, 8 * MiB);
    res = (struct sieve_result){ 0 };
    seen_answer = 0;
    return 0;
}

static int end(void **state _unused_)
{
    sieve_result_done(&res);
    arena_done(&arena);
    buf_done(&content);
    return 0;
}

static int fake_seen(void *arg _unused_, struct sv id _unused_, int64_t seconds _unused_,
                     bool refresh _unused_)
{
    return seen_answer;
}

static int run_with(const char *script, struct sieve_env *e)
{
    struct sieve_script s;
    struct sieve_problems p;
    sieve_result_done(&res);
    res = (struct sieve_result){ 0 };
    if (sieve_parse(sv_c(script), &arena, &s, &p) < 0)
        fail_msg("%s\nline %u: %s", script, p.v[0].line, p.v[0].text);
    return sieve_run(&s, e, &res);
}

static struct sieve_env env_of(const char *message)
{
    struct sieve_case c = { .from = "tim@example.com", .to = "ken@example.org" };
    struct sieve_env e = case_env(&c);
    e.sender = SV("tim@example.com");
    e.rcpt = SV("ken@example.org");
    e.message = sv_c(message);
    e.mailbox_exists = NULL;
    e.arg = NULL;
    e.seen = fake_seen;
    return e;
}

static void only_implicit_keep(const char *words)
{
    assert_int_equal(res.n, 1);
    assert_int_equal(res.v[0].kind, SIEVE_DO_KEEP);
    assert_int_equal(res.v[0].line, 0);
    assert_null(res.v[0].header.p);
    assert_int_equal(res.v[0].n_flags, 0);
    assert_int_equal(res.n_marks, 0);
    assert_true(res.error < 0);
    assert_true(res.error_line > 0);
    if (!strstr(res.ei.text, words))
        fail_msg("'%s' without '%s'", res.ei.text, words);
}

static void errors_keep_the_message(void **state _unused_)
{
    static const struct {
        const char *script, *words;
    } cases[] = {
        { "require [\"variables\", \"editheader\", \"imap4flags\", \"duplicate\"];\n"
          "discard; addflag \"x\"; addheader \"X-A\" \"b\"; if duplicate { stop; }\n"
          "set \"a\" \"no address\"; redirect \"${a}\";",
          "is no address" },
        { "require [\"variables\", \"fileinto\"]; discard; set \"a\" \"\"; fileinto \"${a}\";",
          "is no name of a folder" },
        { "require [\"variables\", \"editheader\"]; discard; set \"a\" \"x y\";\n"
          "addheader \"${a}\" \"b\";",
          "is no name of a header" },
        { "require [\"variables\", \"regex\"]; discard; set \"a\" \"(\";\n"
          "if header :regex \"Subject\" \"${a}\" { stop; }",
          "is no regular expression" },
        { "require \"regex\"; discard; if header :regex \"X-A\" \"^(a+)+$\" { stop; }",
          "takes too long" },
        { "redirect \"a@b.org\"; redirect \"c@b.org\"; redirect \"d@b.org\"; redirect "
          "\"e@b.org\";\n"
          "redirect \"f@b.org\";",
          "more than 4 times" },
        { "require [\"reject\", \"vacation\"]; vacation \"a\"; reject \"b\";",
          "cannot be refused" },
        { "require [\"date\", \"variables\"]; discard; set \"a\" \"CET\";\n"
          "if currentdate :zone \"${a}\" \"year\" \"1\" { stop; }",
          "is no time zone" },
    };
    struct sieve_env e = env_of(
        "Message-ID: <1@a>\r\nSubject: s\r\n"
        "X-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\r\n\r\nb\r\n");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(run_with(cases[i].script, &e), 0);
        only_implicit_keep(cases[i].words);
    }
}

static void too_many_actions(void **state _unused_)
{
    struct buf s;
    buf_init(&s, 64 * KiB);
    (void)buf_add_str(&s, "require \"fileinto\";");
    for (int i = 0; i < 33; i++)
        (void)buf_addf(&s, "fileinto \"%d\";", i);
    assert_int_equal(buf_terminate(&s), 0);
    struct sieve_env e = env_of("Subject: s\r\n\r\n");
    assert_int_equal(run_with(s.p, &e), 0);
    only_implicit_keep("more than 32 actions");
    buf_done(&s);
}

/* Variables that double: texts stop growing, memory is bounded. */
static void memory_is_bounded(void **state _unused_)
{
    struct buf s;
    buf_init(&s, MiB);
    (void)buf_add_str(&s,
                      "require [\"variables\", \"editheader\"]; set \"a\" \"0123456789abcdef\";");
    for (int i = 0; i < 4000; i++)
        (void)buf_add_str(&s, "set \"a\" \"${a}${a}${a}${a}${a}${a}${a}${a}${a}${a}\";");
    assert_int_equal(buf_terminate(&s), 0);
    struct sieve_env e = env_of("Subject: s\r\n\r\n");
    assert_int_equal(run_with(s.p, &e), 0);
    only_implicit_keep("too much memory");
    assert_true(res.arena.used <= SIEVE_RUN_MEMORY);
    buf_done(&s);
}

/* A large body and many tests of it: steps end the run. */
static void effort_is_bounded(void **state _unused_)
{
    struct buf s;
    buf_init(&s, MiB);
    (void)buf_add_str(&content, "Subject: s\r\n\r\n");
    while (content.n < 2 * MiB)
        (void)buf_add_str(&content, "some text that is not looked for\r\n");
    (void)buf_add_str(&s, "require \"body\"; discard;");
    for (int i = 0; i < 1000; i++)
        (void)buf_add_str(&s, "if body :contains \"needle\" { stop; }");
    assert_int_equal(buf_terminate(&s), 0);
    struct sieve_env e = env_of("");
    e.message = buf_sv(&content);
    assert_int_equal(run_with(s.p, &e), 0);
    only_implicit_keep("compares too much");
    buf_done(&s);
    e.max_cpu_us = 1;
    assert_int_equal(
        run_with("require \"body\"; if body :contains [\"needle\", \"x\"] { stop; }", &e), 0);
    only_implicit_keep("takes too long");
}

static void trouble_of_the_store_is_temporary(void **state _unused_)
{
    struct sieve_env e = env_of("Message-ID: <1@a>\r\n\r\n");
    seen_answer = -EIO;
    assert_int_equal(run_with("require \"duplicate\"; if duplicate { discard; }", &e), E_TEMP);
    assert_int_equal(res.n, 0);
}

static void duplicates(void **state _unused_)
{
    static const char script[] = "require \"duplicate\"; if duplicate :seconds 60 { discard; }";
    struct sieve_env e = env_of("Message-ID: <1@a>\r\n\r\n");
    assert_int_equal(run_with(script, &e), 0);
    assert_int_equal(res.n, 1);
    assert_int_equal(res.n_marks, 1);
    assert_int_equal(res.marks[0].seconds, 60);
    seen_answer = 1;
    assert_int_equal(run_with(script, &e), 0);
    assert_int_equal(res.n, 0);
    assert_int_equal(res.n_marks, 0);
    assert_int_equal(res.discard_line, 1);
}

static void edited_headers(void **state _unused_)
{
    static const char message[] =
        "A: 1\r\nSubject: s\r\nX: one\r\nX: two\r\nReceived: by a\r\n\r\nbody\r\n";
    struct sieve_env e = env_of(message);
    struct sv header, body;
    assert_int_equal(
        run_with("require [\"editheader\", \"fileinto\"]; fileinto \"first\";\n"
                 "addheader \"X-New\" \"Gr\xc3\xbc\xc3\x9f"
                 "e\"; addheader :last \"Y\" \"a\nb\";\n"
                 "fileinto \"second\"; deleteheader \"Received\"; deleteheader \"X\" \"ONE\";\n"
                 "deleteheader :index 1 \"A\"; keep;",
                 &e),
        0);
    assert_int_equal(res.n, 3);
    sieve_content(&e, &res, &res.v[0], &header, &body);
    assert_true(sv_eq(header, sv_take(e.message, header.n)) && sv_eq(body, SV("body\r\n")));
    sieve_content(&e, &res, &res.v[1], &header, &body);
    assert_true(sv_eq(header, SV("X-New: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nA: 1\r\nSubject: s\r\n"
                                 "X: one\r\nX: two\r\nReceived: by a\r\nY: a b\r\n\r\n")));
    sieve_content(&e, &res, &res.v[2], &header, &body);
    assert_true(sv_eq(header, SV("X-New: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nSubject: s\r\nX: two\r\n"
                                 "Received: by a\r\nY: a b\r\n\r\n")));
    assert_true(sv_eq(body, SV("body\r\n")));
}

static void odd_messages(void **state _unused_)
{
    static const char *const messages[] = { "", "\r\n", "body only", "Subject: no end",
                                            ":\r\n\r\n" };
    for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
        struct sieve_env e = env_of(messages[i]);
        struct sv header, body;
        assert_int_equal(run_with("require [\"editheader\", \"body\"]; addheader \"X-A\" \"b\";\n"
                                  "if anyof (body :raw :contains \"z\", exists \"y\") { discard; }",
                                  &e),
                         0);
        assert_int_equal(res.n, 1);
        sieve_content(&e, &res, &res.v[0], &header, &body);
        assert_true(sv_starts(header, SV("X-A: b\r\n")) && sv_iends(header, SV("\r\n\r\n")));
    }
}

/* --- scripts in scripts (RFC 6609) --- */

static const struct {
    bool global;
    const char *name, *text;
} library[] = {
    { false, "flags", "require \"imap4flags\"; addflag \"inc\";" },
    { true, "flags", "require \"imap4flags\"; addflag \"glob\";" },
    { false, "leaves", "require [\"include\", \"fileinto\"]; return; fileinto \"never\";" },
    { false, "stops", "stop;" },
    { false, "self", "require \"include\"; include \"self\";" },
    { false, "a", "require \"include\"; include \"b\";" },
    { false, "b", "require \"include\"; include \"a\";" },
    { false, "deep", "require \"include\"; include :global \"deep\";" },
    { true, "deep", "require \"include\"; include \"deeper\";" },
    { false, "own",
      "require [\"include\", \"variables\", \"fileinto\"];\n"
      "fileinto \"[${x}${g}${global.h}]\"; set \"x\" \"theirs\"; set \"global.h\" \"new\";" },
    { false, "shares",
      "require [\"include\", \"variables\", \"fileinto\"];\n"
      "global \"g\"; fileinto \"(${g}${1})\"; set \"g\" \"back\";" },
    { false, "fails",
      "require [\"variables\", \"fileinto\"];\nset \"a\" \"\"; fileinto \"${a}\";" },
    { false, "nothing", "" },
};

static int lookup(void *arg _unused_, bool global, struct sv name, const struct sieve_script **ret)
{
    static struct sieve_script parsed[ARRAY_LEN(library)];
    struct sieve_problems p;
    if (sv_eq(name, SV("locked")))
        return E_TEMP;
    for (size_t i = 0; i < ARRAY_LEN(library); i++) {
        if (library[i].global != global || !sv_eq(name, sv_c(library[i].name)))
            continue;
        if (sieve_parse(sv_c(library[i].text), &arena, &parsed[i], &p) < 0)
            fail_msg("%s: line %u: %s", library[i].name, p.v[0].line, p.v[0].text);
        *ret = &parsed[i];
        return 0;
    }
    return sv_eq(name, SV("broken")) ? E_CORRUPT : E_NOTFOUND;
}

/* "keep{flag flag} folder" */
static void run_including(const char *script, const char *want)
{
    struct sieve_env e = env_of("Subject: hi\r\n\r\nx\r\n");
    char text[2000] = "";
    size_t n = 0;
    e.include = lookup;
    assert_int_equal(run_with(script, &e), 0);
    if (res.error < 0)
        fail_msg("%s: %s", script, res.ei.text);
    for (size_t i = 0; i < res.n; i++) {
        const struct sieve_action *a = &res.v[i];
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s" SV_FMT, i ? " " : "",
                              SV_ARG(a->kind == SIEVE_DO_KEEP ? SV("keep") : a->target));
        for (size_t k = 0; k < a->n_flags; k++)
            n += (size_t)snprintf(text + n, sizeof(text) - n, "+" SV_FMT, SV_ARG(a->flags[k]));
    }
    assert_string_equal(text, want);
}

#define REQUIRE "require [\"include\", \"variables\", \"fileinto\", \"imap4flags\"];\n"

static void includes(void **state _unused_)
{
    run_including(REQUIRE "include \"flags\"; keep;", "keep+inc");
    run_including(REQUIRE "include :global \"flags\"; include :personal \"flags\"; keep;",
                  "keep+glob+inc");
    run_including(REQUIRE "include \"leaves\"; fileinto \"after\";", "after");
    run_including(REQUIRE "include \"nothing\"; fileinto \"a\"; return; fileinto \"b\";", "a");
    run_including(REQUIRE "if true { include \"stops\"; fileinto \"a\"; } fileinto \"b\";", "keep");
    run_including(REQUIRE "include :optional \"none\"; fileinto \"a\";", "a");
    /* Each execution has its own variables; shared ones are named. */
    run_including(REQUIRE "set \"x\" \"mine\"; set \"g\" \"G\"; set \"global.h\" \"H\";\n"
                          "include \"own\"; fileinto \"${x}${global.h}\";",
                  "[H] minenew");
    run_including(
        REQUIRE
        "global \"g\"; set \"g\" \"there\";\n"
        "if header :matches \"subject\" \"*\" { include \"shares\"; fileinto \"${g}${1}\"; }",
        "(there) backhi");
    run_including(REQUIRE "include :once \"own\"; include :once \"own\"; include \"own\";",
                  "[] [new]");
}

static void includes_that_fail(void **state _unused_)
{
    static const struct {
        const char *script, *words;
    } cases[] = {
        { "include \"none\";", "there is no personal script 'none' to include" },
        { "include :global \"own\";", "there is no global script 'own' to include" },
        { "include :optional \"broken\";", "the personal script 'broken' cannot be read" },
        { "include \"self\";", "in the personal script 'self': the script 'self' includes itself" },
        { "include \"a\";", "in the personal script 'b': the script 'a' includes itself" },
        { "include \"deep\";",
          "in the global script 'deep': there is no personal script 'deeper'" },
        { "include \"fails\";", "in the personal script 'fails': " },
    };
    struct sieve_env e = env_of("Subject: hi\r\n\r\nx\r\n");
    char script[400];
    e.include = lookup;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        snprintf(script, sizeof(script), REQUIRE "discard; %s", cases[i].script);
        assert_int_equal(run_with(script, &e), 0);
        only_implicit_keep(cases[i].words);
    }
    struct buf many;
    buf_init(&many, 64 * KiB);
    assert_int_equal(buf_add_str(&many, REQUIRE), 0);
    for (int i = 0; i < SIEVE_MAX_INCLUDES + 1; i++)
        assert_int_equal(buf_add_str(&many, "include \"nothing\";\n"), 0);
    assert_int_equal(buf_terminate(&many), 0);
    assert_int_equal(run_with(many.p, &e), 0);
    only_implicit_keep("more than 100 scripts are included");
    assert_int_equal(run_with(REQUIRE "discard; include \"locked\";", &e), E_TEMP);
    buf_done(&many);
    e.include = NULL;
    assert_int_equal(run_with(REQUIRE "include \"flags\";", &e), 0);
    only_implicit_keep("there is no personal script");
}

static void includes_that_are_wrong(void **state _unused_)
{
    static const struct {
        const char *script, *words;
    } cases[] = {
        { "include \"a\";", "put require \"include\"" },
        { "require \"include\"; include :personal :global \"a\";", "exclude each other" },
        { "require \"include\"; include \"\";", "is no name of a script" },
        { "require [\"include\", \"variables\"]; include \"${a}\";", "has no variables" },
        { "require \"include\"; global \"a\";", "put require \"variables\"" },
        { "require [\"include\", \"variables\"]; global \"global.a\";",
          "is no name of a variable" },
        { "require \"variables\"; set \"global.a\" \"b\";", "is no name of a variable" },
        { "require [\"include\", \"variables\"]; set \"other.a\" \"b\";",
          "is no name of a variable" },
        { "require [\"include\", \"variables\"]; set \"a\" \"${other.a}\";",
          "there is no namespace" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sieve_script s;
        struct sieve_problems p = { 0 };
        assert_int_equal(sieve_parse(sv_c(cases[i].script), &arena, &s, &p), E_PARSE);
        if (!strstr(p.v[0].text, cases[i].words))
            fail_msg("%s: '%s'", cases[i].script, p.v[0].text);
    }
}

/* --- several scripts one after the other --- */

static void run_sequence_of(const char *const *texts, size_t n, const char *want)
{
    struct sieve_env e = env_of("Subject: hi\r\n\r\nx\r\n");
    struct sieve_script s[4];
    const struct sieve_script *p[4];
    struct sieve_problems problems;
    char text[600] = "";
    size_t at = 0;
    sieve_result_done(&res);
    for (size_t i = 0; i < n; i++) {
        if (sieve_parse(sv_c(texts[i]), &arena, &s[i], &problems) < 0)
            fail_msg("%s: %s", texts[i], problems.v[0].text);
        p[i] = &s[i];
    }
    assert_int_equal(sieve_run_all(p, n, &e, &res), 0);
    for (size_t i = 0; i < res.n; i++)
        at += (size_t)snprintf(
            text + at, sizeof(text) - at, "%s" SV_FMT ":%u", i ? " " : "",
            SV_ARG(res.v[i].kind == SIEVE_DO_KEEP ? SV("keep") : res.v[i].target), res.v[i].script);
    assert_string_equal(text, want);
}

#define SEQUENCE(want, ...)                                                                        \
    do {                                                                                           \
        const char *const _t[] = { __VA_ARGS__ };                                                  \
        run_sequence_of(_t, ARRAY_LEN(_t), want);                                                  \
    } while (0)
#define FILE_(x) "require [\"fileinto\", \"copy\"]; fileinto " x ";"

static void sequences(void **state _unused_)
{
    SEQUENCE("keep:2", "", "", "");
    SEQUENCE("keep:1", "keep;", "stop; discard;");
    SEQUENCE("mine:1", "keep;", FILE_("\"mine\""), FILE_("\"never\""));
    SEQUENCE("first:0", FILE_("\"first\""), FILE_("\"never\""));
    SEQUENCE("all:0 mine:1", FILE_(":copy \"all\""), FILE_("\"mine\""));
    SEQUENCE("all:0 keep:1 last:1", FILE_(":copy \"all\""),
             "require \"fileinto\"; keep; fileinto \"last\";");
    SEQUENCE("both:0 mine:1", "require \"fileinto\"; fileinto \"both\"; keep;", FILE_("\"mine\""));
    SEQUENCE("", "discard;", "keep;");
    assert_int_equal(res.discard_script, 0);
    SEQUENCE("", "keep;", "stop;", "\ndiscard;");
    assert_int_equal(res.discard_script, 2);
    assert_int_equal(res.discard_line, 2);
    /* Variables and flags are each script's own; edited headers stay. */
    SEQUENCE("[]:1", "require \"variables\"; set \"a\" \"x\";",
             "require [\"variables\", \"fileinto\"]; fileinto \"[${a}]\";");
    SEQUENCE("seen:1", "require \"editheader\"; addheader \"X-A\" \"b\";",
             "require \"fileinto\"; if header \"x-a\" \"b\" { fileinto \"seen\"; }");
    /* An error in any of them keeps the message, and nothing else. */
    SEQUENCE("keep:1", FILE_(":copy \"all\""),
             "require [\"variables\", \"fileinto\"];\nset \"a\" \"\"; fileinto \"${a}\";",
             "discard;");
    assert_true(res.error < 0);
    assert_int_equal(res.error_script, 1);
    assert_int_equal(res.error_line, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(errors_keep_the_message, begin, end),
        cmocka_unit_test_setup_teardown(too_many_actions, begin, end),
        cmocka_unit_test_setup_teardown(memory_is_bounded, begin, end),
        cmocka_unit_test_setup_teardown(effort_is_bounded, begin, end),
        cmocka_unit_test_setup_teardown(trouble_of_the_store_is_temporary, begin, end),
        cmocka_unit_test_setup_teardown(duplicates, begin, end),
        cmocka_unit_test_setup_teardown(edited_headers, begin, end),
        cmocka_unit_test_setup_teardown(odd_messages, begin, end),
        cmocka_unit_test_setup_teardown(includes, begin, end),
        cmocka_unit_test_setup_teardown(sequences, begin, end),
        cmocka_unit_test_setup_teardown(includes_that_fail, begin, end),
        cmocka_unit_test_setup_teardown(includes_that_are_wrong, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
