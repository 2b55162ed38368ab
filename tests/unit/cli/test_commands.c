/* Words into requests, batch lines into words, answers into columns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <unistd.h>

#include "admin/admin.h"
#include "base/buf.h"
#include "base/clock.h"
#include "cli/tool.h"

/* --- words into requests --- */

static int parse_line(const char *line, const struct tool_cmd **cmd, json_t **req,
                      struct errinfo *ei)
{
    char *words[64], *copy = xstrdup(line);
    int n = tool_split(copy, words, 64, ei);
    assert_true(n >= 0);
    int r = tool_parse(n, words, cmd, req, ei);
    free(copy);
    return r;
}

static void requests(void **state _unused_)
{
    static const struct {
        const char *line, *request;
    } cases[] = {
        { "get smtp.vrfy", "{\"op\":\"setting.get\",\"args\":{\"name\":\"smtp.vrfy\"}}" },
        { "set smtp.vrfy yes",
          "{\"op\":\"setting.set\",\"args\":{\"name\":\"smtp.vrfy\",\"value\":\"yes\"}}" },
        { "set system C_Var x",
          "{\"op\":\"setting.set\",\"args\":{\"name\":\"C_Var\",\"value\":\"x\"}}" },
        { "get system C_Var", "{\"op\":\"setting.get\",\"args\":{\"name\":\"C_Var\"}}" },
        { "set system.hostname \"\"",
          "{\"op\":\"setting.set\",\"args\":{\"name\":\"system.hostname\",\"value\":\"\"}}" },
        { "list", "{\"op\":\"setting.list\",\"args\":{}}" },
        { "list smtp", "{\"op\":\"setting.list\",\"args\":{\"pattern\":\"smtp\"}}" },
        { "list domains", "{\"op\":\"domain.list\",\"args\":{}}" },
        { "list accounts a.test", "{\"op\":\"account.list\",\"args\":{\"domain\":\"a.test\"}}" },
        { "list aliases", "{\"op\":\"alias.list\",\"args\":{}}" },
        { "create domain a.test primary=yes quota=",
          "{\"op\":\"domain.create\",\"args\":{\"domain\":\"a.test\",\"primary\":\"yes\",\"quota\":"
          "\"\"}}" },
        { "create account a@a.test \"name=A \\\"B\\\"\" password={PLAIN}a=b",
          "{\"op\":\"account.create\",\"args\":{\"address\":\"a@a.test\",\"name\":\"A \\\"B\\\"\","
          "\"password\":\"{PLAIN}a=b\"}}" },
        { "create alias x@a.test targets=a@a.test;b@b.test",
          "{\"op\":\"alias.set\",\"args\":{\"address\":\"x@a.test\",\"targets\":\"a@a.test;b@b."
          "test\"}}" },
        { "delete alias x@a.test",
          "{\"op\":\"alias.delete\",\"args\":{\"address\":\"x@a.test\"}}" },
        { "verify mailbox a@a.test repair=yes",
          "{\"op\":\"mailbox.verify\",\"args\":{\"address\":\"a@a.test\",\"repair\":\"yes\"}}" },
        { "sessions", "{\"op\":\"session.list\",\"args\":{}}" },
        { "sessions kill 1A", "{\"op\":\"session.kill\",\"args\":{\"id\":\"1A\"}}" },
        { "sessions imap", "{\"op\":\"session.list\",\"args\":{\"filter\":\"imap\"}}" },
        { "sessions list", "{\"op\":\"session.list\",\"args\":{}}" },
        { "queue list a@b.test", "{\"op\":\"queue.list\",\"args\":{\"filter\":\"a@b.test\"}}" },
        { "list list", "{\"op\":\"setting.list\",\"args\":{\"pattern\":\"list\"}}" },
        { "queue retry", "{\"op\":\"queue.retry\",\"args\":{}}" },
        { "queue retry OSA1", "{\"op\":\"queue.retry\",\"args\":{\"id\":\"OSA1\"}}" },
        { "queue hold sender=a@b.test",
          "{\"op\":\"queue.hold\",\"args\":{\"sender\":\"a@b.test\"}}" },
        { "audit 5", "{\"op\":\"audit.list\",\"args\":{\"limit\":\"5\"}}" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct tool_cmd *cmd = NULL;
        json_t *req = NULL, *want = json_loads(cases[i].request, 0, NULL);
        struct errinfo ei = { 0 };
        assert_non_null(want);
        if (parse_line(cases[i].line, &cmd, &req, &ei) < 0)
            fail_msg("%s: %s", cases[i].line, ei.text);
        if (!json_equal(req, want))
            fail_msg("%s: %s", cases[i].line, json_dumps(req, JSON_COMPACT));
        json_decref(req);
        json_decref(want);
    }
}

static void wrong_words(void **state _unused_)
{
    static const struct {
        const char *line, *error;
    } cases[] = {
        { "frobnicate", "unknown command 'frobnicate'; `posthorn tool help` lists all" },
        { "create", "unknown command 'create'" },
        { "create mailbox x", "unknown command 'create mailbox'" },
        { "get", "an argument is missing; usage: posthorn tool get NAME" },
        { "set system x", "an argument is missing" },
        { "get a b", "too many arguments; usage: posthorn tool get NAME" },
        { "set smtp.vrfy", "an argument is missing; usage: posthorn tool set NAME VALUE" },
        { "create account", "usage: posthorn tool create account ADDRESS [KEY=VALUE ...]" },
        { "create account a@b password",
          "'password': arguments behind the name have the form key=value" },
        { "create account a@b =x", "'=x': arguments behind the name" },
        { "create account a@b name=\xff", "argument 'name' is not valid UTF-8" },
        { "create account \xff", "argument 'address' is not valid UTF-8" },
        { "create account a@b name=1 name=2", "argument 'name' is there twice" },
        { "create account a@b address=c@d", "argument 'address' is there twice" },
        { "delete account a@b c@d", "'c@d': arguments behind the name" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct tool_cmd *cmd = NULL;
        json_t *req = NULL;
        struct errinfo ei = { 0 };
        assert_int_equal(parse_line(cases[i].line, &cmd, &req, &ei), E_PARSE);
        if (!strstr(ei.text, cases[i].error))
            fail_msg("%s: '%s', want '%s'", cases[i].line, ei.text, cases[i].error);
        assert_null(req);
    }
    const struct tool_cmd *cmd;
    json_t *req;
    struct errinfo ei;
    assert_int_equal(tool_parse(0, NULL, &cmd, &req, &ei), E_PARSE);
}

/* Every command's operation exists and takes what the command passes. */
static void commands_and_operations_agree(void **state _unused_)
{
    json_t *ops = admin_describe(), *op;
    size_t i;
    for (const struct tool_cmd *c = tool_cmds; c->words; c++) {
        const char *args = NULL;
        json_array_foreach(ops, i, op)
        {
            if (!strcmp(json_string_value(json_object_get(op, "op")), c->op))
                args = json_string_value(json_object_get(op, "args"));
        }
        if (!args)
            fail_msg("%s: operation %s does not exist", c->words, c->op);
        struct sv rest = *c->positional ? sv_c(c->positional) : SV_NULL;
        while (rest.p) {
            struct sv name = sv_split(&rest, ' ');
            if (*name.p == '[')
                name = sv_n(name.p + 1, name.n - 2);
            if (sv_eq(name, SV("file")))
                name = SV("text"); /* the tool reads the file */
            if (sv_find_sv(sv_c(args), name) < 0)
                fail_msg("%s: %s takes no '" SV_FMT "'", c->words, c->op, SV_ARG(name));
        }
    }
    json_decref(ops);
}

/* --- batch lines into words --- */

static void words(void **state _unused_)
{
    static const struct {
        const char *line, *words; /* with | between; NULL: refused */
    } cases[] = {
        { "", "" },
        { "   \t ", "" },
        { "# a comment", "" },
        { "  # a comment", "" },
        { "one", "one" },
        { " one\ttwo  three ", "one|two|three" },
        { "a#b # c", "a#b" },
        { "\"two words\" x", "two words|x" },
        { "name=\"A B\"", "name=A B" },
        { "\"\"", ""
                  "|" },
        { "a \"\" b", "a||b" },
        { "\"a\"\"b\"", "ab" },
        { "\"\\\"\\\\\\n\"", "\"\\\\n" },
        { "back\\slash", "back\\slash" },
        { "\"# no comment\"", "# no comment" },
        { "\"open", NULL },
        { "a \"open\\\"", NULL },
        { "it's", "it's" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *line = xstrdup(cases[i].line), *w[8];
        struct errinfo ei = { 0 };
        struct buf b;
        int n = tool_split(line, w, 8, &ei);
        buf_init(&b, 1000);
        if (!cases[i].words) {
            assert_int_equal(n, E_PARSE);
            assert_string_equal(ei.text, "a quoted word does not end");
        }
        for (int k = 0; k < n; k++)
            buf_addf(&b, "%s%s", k ? "|" : "", w[k]);
        if (n == 1 && !*w[0])
            buf_add_c(&b, '|'); /* one empty word */
        if (cases[i].words && (n < 0 || !sv_eq(buf_sv(&b), sv_c(cases[i].words))))
            fail_msg("'%s': '" SV_FMT "'", cases[i].line, SV_ARG(buf_sv(&b)));
        buf_done(&b);
        free(line);
    }
    char *w[2], many[] = "a b c";
    struct errinfo ei;
    assert_int_equal(tool_split(many, w, 2, &ei), E_PARSE);
    assert_string_equal(ei.text, "more than 2 words");
}

/* --- answers into columns --- */

/* What tool_print writes for this command. */
static char *printed(const char *line, const char *reply_json)
{
    static char text[16384];
    const struct tool_cmd *cmd = NULL;
    json_t *req = NULL, *reply = json_loads(reply_json, 0, NULL);
    struct errinfo ei;
    FILE *f = tmpfile();
    int out = dup(STDOUT_FILENO);
    assert_non_null(reply);
    assert_int_equal(parse_line(line, &cmd, &req, &ei), 0);
    fflush(stdout);
    dup2(fileno(f), STDOUT_FILENO);
    tool_print(cmd, reply);
    fflush(stdout);
    dup2(out, STDOUT_FILENO);
    close(out);
    rewind(f);
    size_t n = fread(text, 1, sizeof(text) - 1, f);
    text[n] = '\0';
    fclose(f);
    json_decref(req);
    json_decref(reply);
    return text;
}

static void empty_answers(void **state _unused_)
{
    static const char none[] = "{\"ok\": true, \"rows\": []}";
    assert_string_equal(printed("queue", none), "the queue is empty\n");
    assert_string_equal(printed("sessions", none), "no sessions\n");
    assert_string_equal(printed("list aliases", none), "no aliases\n");
    assert_string_equal(printed("audit", none), "no changes yet\n");
    assert_string_equal(printed("list x", none), "no setting matches\n");
    assert_string_equal(printed("stats", none), "no counters\n");
    assert_string_equal(printed("list app-passwords a@b", none), "no app passwords\n");
    assert_string_equal(printed("verify mailbox a@b", "{\"ok\": true, \"total\": 0, \"rows\": []}"),
                        "no faults\n");
    assert_non_null(strstr(printed("list domains", none), "posthorn tool create domain"));
    assert_non_null(strstr(printed("list accounts", none), "posthorn tool create account"));
    assert_string_equal(printed("set a b", "{\"ok\": true}"), "");
}

static void columns(void **state _unused_)
{
    assert_string_equal(
        printed("list domains",
                "{\"rows\": [{\"domain\": \"a.test\", \"enabled\": true, \"primary\": "
                "false, \"unknown\": \"reject\", \"unknown_to\": \"\", \"quota\": "
                "20971520, \"total_quota\": 0, \"used\": null}, {\"domain\": \"b.test\", "
                "\"unknown\": \"delete\", \"quota\": 0, \"total_quota\": 2097152, \"used\": "
                "1048576}]}"),
        "DOMAIN  ENABLED  PRIMARY  UNKNOWN USERS  TO  QUOTA  QUOTA OF ALL  USED\n"
        "a.test  yes      no       reject             20M    0             -\n"
        "b.test  no       no       delete             0      2048K         1024K\n");
    /* characters, not bytes, make the width */
    assert_string_equal(printed("list aliases", "{\"rows\": [{\"address\": \"\xc3\xa4\xc3\xb6@a\", "
                                                "\"targets\": \"x\"}, {\"address\": \"abcdefg\", "
                                                "\"targets\": \"y\"}]}"),
                        "ALIAS    TARGETS\n\xc3\xa4\xc3\xb6@a     x\nabcdefg  y\n");
    assert_string_equal(
        printed("queue", "{\"total\": 7, \"rows\": [{\"id\": \"ABC12345\", \"item\": \"x.tms\", "
                         "\"received_ms\": 0, \"size\": 5, \"state\": \"held\", "
                         "\"priority\": \"low\", \"sender\": \"\", \"recipient\": \"b@c\", "
                         "\"waiting\": 1, \"attempts\": 2, \"next_try_ms\": 0, \"subject\": "
                         "\"Gr\\u00f6\\u00dfe\", "
                         "\"answer\": \"\"}]}"),
        "ID        ITEM   AGE  SIZE  STATE  PRIORITY  FROM  TO   WAITING  TRIES  NEXT TRY  "
        "SUBJECT  LAST ANSWER\n"
        "ABC12345  x.tms  -    5     held   low             b@c  1        2      -         Größe   "
        " \n"
        "... 7 in all; narrow the list with a filter\n");
}

/* Peers choose senders, answers and commands: none of it may steer the terminal. */
static void hostile_texts(void **state _unused_)
{
    char *out = printed("queue", "{\"rows\": [{\"sender\": \"\\u001b[2J\\u0007\\r\\nx\"}]}");
    assert_null(strchr(out, '\033'));
    assert_null(strchr(out, '\007'));
    assert_null(strchr(out, '\r'));
    assert_non_null(strstr(out, "\\x1b[2J"));
    out = printed("show account a@b", "{\"address\": \"a@b\", \"name\": \"\\u001b]0;x\\u0007\"}");
    assert_null(strchr(out, '\033'));
    out = printed("verify mailbox a@b", "{\"total\": 1, \"rows\": [{\"fault\": \"\\u001b[2J\"}]}");
    assert_null(strchr(out, '\033'));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests),
        cmocka_unit_test(wrong_words),
        cmocka_unit_test(commands_and_operations_agree),
        cmocka_unit_test(words),
        cmocka_unit_test(empty_answers),
        cmocka_unit_test(columns),
        cmocka_unit_test(hostile_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
