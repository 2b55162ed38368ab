/* What scripts are accepted, and what is said about those that are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#include "proto/sieve/regex.h"
#include "proto/sieve/sieve.h"

static struct arena arena;
static struct sieve_script script;
static struct sieve_problems problems;

static int begin(void **state _unused_)
{
    arena_init(&arena, SIEVE_ARENA);
    return 0;
}

static int end(void **state _unused_)
{
    arena_done(&arena);
    return 0;
}

static int parse(struct sv text)
{
    return sieve_parse(text, &arena, &script, &problems);
}

static void accepted(void **state _unused_)
{
    static const char *const scripts[] = {
        "",
        "# nothing\n/* at\n all */",
        "keep;",
        "KEEP;stop ;",
        "if true { keep; } elsif false { discard; } else { stop; }",
        "if not anyof (true, allof (false, not true)) { keep; }",
        "if header :contains \"Subject\" [\"a\", \"b\"] { discard; }",
        "if header :comparator \"i;octet\" :matches \"x\" \"*\" { keep; }",
        "if size :over 100K { discard; }",
        "if size :under 2G { discard; }",
        "require \"fileinto\"; fileinto \"a/b\";",
        "require [\"fileinto\", \"copy\", \"mailbox\", \"imap4flags\"];\n"
        "fileinto :copy :create :flags [\"\\\\Seen\", \"$x\"] \"a\";",
        "require \"reject\"; reject text:\r\n..a\r\n.\r\n;",
        "require \"vacation\"; vacation text: # why\nI am away\n.\n;",
        "require [\"vacation\", \"vacation-seconds\"]; vacation :seconds 60 :subject \"s\" \"x\";",
        "require [\"variables\"]; set :lower :upperfirst :length \"a_1\" \"${b}${0}\";",
        "require [\"imap4flags\", \"variables\"]; setflag \"\\\\Seen\"; addflag \"v\" [\"a\"];"
        "if hasflag [\"v\"] \"a\" { keep; }",
        "require [\"relational\", \"comparator-i;ascii-numeric\"];"
        "if header :value \"ge\" :comparator \"i;ascii-numeric\" \"x\" \"3\" { keep; }",
        "require [\"editheader\"]; addheader :last \"X-A\" \"b\"; deleteheader \"X-A\";"
        "deleteheader :index 2 :contains \"X-A\" [\"b\"];",
        "require [\"date\", \"index\"]; if date :index 1 :last :originalzone \"date\" \"hour\" "
        "\"3\" "
        "{ keep; } if currentdate :zone \"+0100\" \"year\" \"2026\" { keep; }",
        "require [\"enotify\"]; notify :importance \"1\" :message \"m\" \"mailto:a@b.org\";",
        "require [\"duplicate\"]; if duplicate :seconds 9 :header \"x\" { discard; }",
        "require [\"body\", \"envelope\", \"subaddress\"]; if anyof (body :content \"text\" \"x\", "
        "body :raw \"y\", envelope :detail \"to\" \"z\") { keep; }",
        "require \"regex\"; if header :regex \"subject\" \"^(a|b)+[[:digit:]]$\" { keep; }",
        "require \"encoded-character\"; if header \"x\" \"${hex:e2 82 AC}${unicode:20ac}\" { keep; "
        "}",
        "redirect \"\\\"a b\\\"@b.org\";",
        "if address :domain [\"from\", \"reply-to\"] \"b.org\" { keep; }",
        "\xef\xbb\xbfkeep;",
    };
    for (size_t i = 0; i < ARRAY_LEN(scripts); i++)
        if (parse(sv_c(scripts[i])) < 0)
            fail_msg("%s\nrefused: line %u, column %u: %s", scripts[i], problems.v[0].line,
                     problems.v[0].col, problems.v[0].text);
}

static void refused(void **state _unused_)
{
    static const struct {
        const char *script;
        unsigned line, col;
        const char *text; /* part of the first problem */
    } cases[] = {
        { "keep", 1, 5, "'keep' goes on with an argument or ends with ';', not the end" },
        { "keep;\n kep;", 2, 2, "there is no 'kep' command" },
        { "if tru { keep; }", 1, 4, "there is no 'tru' test" },
        { "keep; }", 1, 7, "a command must stand here, not '}'" },
        { "true;", 1, 1, "'true' is no command" },
        { "if keep { keep; }", 1, 4, "'keep' is no test" },
        { "if true keep;", 1, 9, "'true' takes no test" },
        { "if true;", 1, 1, "'if' needs a block" },
        { "keep { stop; }", 1, 1, "'keep' takes no block" },
        { "if { keep; }", 1, 1, "'if' needs one test" },
        { "if (true) { keep; }", 1, 1, "'if' needs one test" },
        { "if anyof true { keep; }", 1, 4, "'anyof' needs tests in parentheses" },
        { "if anyof (true, ) { keep; }", 1, 17, "a test must stand here, not ')'" },
        { "else { keep; }", 1, 1, "'else' must follow the block" },
        { "if true { keep; } keep; elsif true { keep; }", 1, 25, "'elsif' must follow" },
        { "keep \"a\";", 1, 1, "'keep' takes no argument but tags" },
        { "redirect;", 1, 1, "'redirect' takes one text" },
        { "redirect [\"a@b.org\"];", 1, 1, "'redirect' takes one text" },
        { "redirect \"nobody\";", 1, 10, "\"nobody\" is no address" },
        { "redirect \"a@b.org, c@d.org\";", 1, 10, "is no address" },
        { "fileinto \"x\";", 1, 1, "put require \"fileinto\"" },
        { "keep :copy;", 1, 6, "'keep' does not take ':copy'" },
        { "keep :nonsense;", 1, 6, "there is no tag ':nonsense'" },
        { "redirect :copy \"a@b.org\";", 1, 10, "put require \"copy\"" },
        { "require \"spamtest\";", 1, 9, "\"spamtest\" is not known here" },
        { "keep; require \"fileinto\";", 1, 7, "'require' must stand at the top" },
        { "if header :is :contains \"a\" \"b\" { keep; }", 1, 15, "exclude each other" },
        { "if header :is :is \"a\" \"b\" { keep; }", 1, 15, "stands here twice" },
        { "if header :comparator 3 \"a\" \"b\" { keep; }", 1, 11,
          "':comparator' must be followed" },
        { "if header \"a\" :is \"b\" { keep; }", 1, 15, "must stand before" },
        { "if header :comparator \"i;x\" \"a\" \"b\" { keep; }", 1, 23, "no comparator \"i;x\"" },
        { "if header :comparator \"i;ascii-numeric\" \"a\" \"b\" { keep; }", 1, 23, "put require" },
        { "if header \"a:\" \"b\" { keep; }", 1, 11, "\"a:\" is no name of a header" },
        { "if header \"a\" { keep; }", 1, 4, "'header' takes" },
        { "if header \"a\" 3 { keep; }", 1, 4, "'header' takes" },
        { "if address \"subject\" \"b\" { keep; }", 1, 12, "holds addresses" },
        { "if size 3 { keep; }", 1, 4, "needs ':over' or ':under'" },
        { "if size :over :under 3 { keep; }", 1, 15, "exclude each other" },
        { "if size :over 99999999999999999999 { keep; }", 1, 15, "too large" },
        { "if size :over 3X { keep; }", 1, 15, "K, M or G" },
        { "\"a\";", 1, 1, "a command must stand here, not the text \"a\"" },
        { "redirect \"a", 1, 10, "does not end" },
        { "/* a", 1, 1, "the comment that begins here does not end" },
        { "require \"reject\"; reject text:\na\n", 1, 26, "does not end" },
        { "require \"reject\"; reject text: a\n.\n;", 1, 26, "may follow text:" },
        { "keep; %", 1, 7, "'%' has no meaning" },
        { "keep : copy;", 1, 6, "a colon must be followed" },
        { "require [\"regex\"]; if header :regex \"a\" \"(\" { keep; }", 1, 41,
          "is no regular expression" },
        { "require \"relational\"; if header :value \"gg\" \"a\" \"1\" { keep; }", 1, 40,
          "\"gg\" is no relation" },
        { "require \"envelope\"; if envelope \"frm\" \"a\" { keep; }", 1, 33,
          "part of the envelope" },
        { "require \"variables\"; set \"1a\" \"x\";", 1, 26, "no name of a variable" },
        { "require \"variables\"; set \"a\" \"${b.c}\";", 1, 30, "no namespace" },
        { "require \"date\"; if currentdate \"century\" \"a\" { keep; }", 1, 32, "part of a date" },
        { "require \"date\"; if currentdate :zone \"CET\" \"year\" \"a\" { keep; }", 1, 38,
          "time zone" },
        { "require \"index\"; if header :last \"a\" \"b\" { keep; }", 1, 21, "goes with ':index'" },
        { "require \"index\"; if header :index 0 \"a\" \"b\" { keep; }", 1, 21, "counts from 1" },
        { "require \"enotify\"; notify \"xmpp:a@b.org\";", 1, 27, "mailto:" },
        { "require \"encoded-character\"; redirect \"${hex:ff}\";", 1, 39, "no UTF-8" },
        { "require \"encoded-character\"; redirect \"${unicode:d800}\";", 1, 39, "no character" },
        { "keep;\n\xff", 2, 1, "is not UTF-8" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct sieve_problem *p = problems.v;
        if (parse(sv_c(cases[i].script)) != E_PARSE || !problems.n)
            fail_msg("%s\naccepted", cases[i].script);
        if (p->line != cases[i].line || p->col != cases[i].col || !strstr(p->text, cases[i].text))
            fail_msg("%s\nline %u, column %u: %s\nwanted line %u, column %u: %s", cases[i].script,
                     p->line, p->col, p->text, cases[i].line, cases[i].col, cases[i].text);
    }
}

static void all_problems_at_once(void **state _unused_)
{
    struct buf text;
    buf_init(&text, 8192);
    assert_int_equal(parse(SV("kep;\nkeep 3;\nstp;")), E_PARSE);
    sieve_problems_text(&problems, &text);
    assert_string_equal((buf_terminate(&text), text.p),
                        "line 1, column 1: there is no 'kep' command\r\n"
                        "line 2, column 1: 'keep' takes no argument but tags\r\n"
                        "line 3, column 1: there is no 'stp' command");
    buf_done(&text);
}

static void texts(void **state _unused_)
{
    static const struct {
        const char *script, *want;
    } cases[] = {
        { "require \"reject\"; reject \"a\\\\b\\\"c\\d\";", "a\\b\"cd" },
        { "require \"reject\"; reject \"a\nb\r\nc\";", "a\r\nb\r\nc" },
        { "require \"reject\"; reject text:\n..a\n.b\n...\n.\n;", ".a\r\n.b\r\n..\r\n" },
        { "require \"reject\"; reject text:\r\n.\r\n;", "" },
        { "require \"reject\"; reject text:   # comment\r\na\r\n.\r\n;", "a\r\n" },
        { "require [\"reject\", \"encoded-character\"]; reject \"${hex:24 }${unicode: "
          "20AC}${hex:}\";",
          "$\xe2\x82\xac${hex:}" },
        { "require [\"reject\"]; reject \"${hex:24}\";", "${hex:24}" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(parse(sv_c(cases[i].script)), 0);
        struct sv got = script.commands->next->arg[0].v[0].s;
        if (!sv_eq(got, sv_c(cases[i].want)))
            fail_msg("%s\ngot '" SV_FMT "'", cases[i].script, SV_ARG(got));
    }
}

static void tree(void **state _unused_)
{
    assert_int_equal(
        parse(SV("require [\"fileinto\", \"copy\"];\nif size :over 2K {\n fileinto :copy "
                 "\"x\";\n}")),
        0);
    assert_true(sieve_requires(&script, SIEVE_EXT_COPY));
    const struct sieve_node *n = script.commands->next;
    assert_int_equal(n->word, SIEVE_IF);
    assert_int_equal(n->tests->number, 2048);
    assert_true(sieve_has(n->tests, SIEVE_T_OVER));
    assert_int_equal(n->block->word, SIEVE_FILEINTO);
    assert_int_equal(n->block->line, 3);
    assert_true(sieve_has(n->block, SIEVE_T_COPY));
}

static void limits(void **state _unused_)
{
    struct buf b;
    buf_init(&b, 4 * MiB);
    for (int i = 0; i < SIEVE_MAX_NESTING + 1; i++)
        assert_int_equal(buf_add_str(&b, "if not true {"), 0);
    assert_int_equal(parse(buf_sv(&b)), E_PARSE);
    assert_non_null(strstr(problems.v[0].text, "levels of nesting"));
    buf_reset(&b);
    for (int i = 0; i < SIEVE_MAX_NODES + 1; i++)
        assert_int_equal(buf_add_str(&b, "keep;"), 0);
    assert_int_equal(parse(buf_sv(&b)), E_PARSE);
    assert_non_null(strstr(problems.v[0].text, "commands and tests"));
    buf_reset(&b);
    while (b.n <= SIEVE_MAX_SCRIPT)
        assert_int_equal(buf_add_str(&b, "# comment\n"), 0);
    assert_int_equal(parse(buf_sv(&b)), E_RANGE);
    assert_non_null(strstr(problems.v[0].text, "at most"));
    buf_done(&b);
}

static void regex_limits(void **state _unused_)
{
    struct sieve_regex *re = NULL;
    struct sv caps[4];
    size_t n;
    char why[140], hay[4096];
    memset(hay, 'a', sizeof(hay));
    assert_int_equal(sieve_regex_new(SV("^(a+)+$"), false, &re, why, sizeof(why)), 0);
    hay[sizeof(hay) - 1] = '!';
    assert_int_equal(sieve_regex_match(re, sv_n(hay, sizeof(hay)), caps, 4, &n), E_LIMIT);
    sieve_regex_free(re);
    assert_int_equal(
        sieve_regex_new(SV("(((a{1,255}){1,255}){1,255}){1,255}"), false, &re, why, sizeof(why)),
        E_PARSE);
    assert_int_equal(sieve_regex_new(SV("(x)?(b+)"), true, &re, why, sizeof(why)), 0);
    assert_int_equal(sieve_regex_match(re, SV("aBBc"), caps, 4, &n), 1);
    assert_int_equal(n, 3);
    assert_null(caps[1].p);
    assert_true(sv_eq(caps[2], SV("BB")));
    sieve_regex_free(re);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(accepted, begin, end),
        cmocka_unit_test_setup_teardown(refused, begin, end),
        cmocka_unit_test_setup_teardown(all_problems_at_once, begin, end),
        cmocka_unit_test_setup_teardown(texts, begin, end),
        cmocka_unit_test_setup_teardown(tree, begin, end),
        cmocka_unit_test_setup_teardown(limits, begin, end),
        cmocka_unit_test(regex_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
