/* `posthorn tool`: options, one command, its answer. */
#include "cli/answer.h"
#include "cli/print_priv.h"
#include "cli/tool.h"

#include <getopt.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/codec.h"
#include "base/sv.h"

/* password=- : one line from standard input, without echo on a terminal. A command line shows in
 * the process list. */
static int read_password(json_t *request, unsigned flags, struct errinfo *ei)
{
    json_t *args = json_object_get(request, "args"), *text;
    const char *v = json_string_value(json_object_get(args, "password"));
    struct termios old, quiet;
    _cleanup_(freep) char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    bool tty;

    if (!v || strcmp(v, "-"))
        return 0;
    if (flags & TOOL_BATCH)
        return err_set(ei, E_PARSE,
                       "password: '-' reads standard input, which a batch cannot; "
                       "write the password or its hash");
    tty = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &old) == 0;
    if (tty) {
        fprintf(stderr, "password: ");
        quiet = old;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(STDIN_FILENO, TCSANOW, &quiet);
    }
    n = getline(&line, &cap, stdin);
    if (tty) {
        tcsetattr(STDIN_FILENO, TCSANOW, &old);
        fputc('\n', stderr);
    }
    while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
        n--;
    if (n <= 0)
        return err_set(ei, E_PARSE, "password: standard input has none");
    text = memchr(line, '\0', (size_t)n) ? NULL : json_stringn(line, (size_t)n);
    explicit_bzero(line, cap);
    if (!text)
        return err_set(ei, E_PARSE, "password: what standard input has is not valid UTF-8");
    json_object_set_new(args, "password", text);
    return 0;
}

/* All of a file; - = standard input. what: for errors. */
static int read_all(const char *path, const char *what, unsigned flags, struct buf *ret,
                    struct errinfo *ei)
{
    bool is_stdin = !strcmp(path, "-");
    size_t n;
    FILE *f = is_stdin ? stdin : NULL;

    if (is_stdin && flags & TOOL_BATCH)
        return err_set(ei, E_PARSE,
                       "%s: '-' reads standard input, which a batch cannot; write them out", what);
    if (!is_stdin && !(f = fopen(path, "re")))
        return err_set_errno(ei, -errno, "%s '%.150s'", what, path);
    while (buf_reserve(ret, 65536) == 0 && (n = fread(ret->p + ret->n, 1, 65536, f)) > 0)
        ret->n += n;
    bool complete = feof(f);
    if (!is_stdin)
        fclose(f);
    return complete ? 0
                    : err_set(ei, E_RANGE, "%s: %s has more than %zu MiB, or is unreadable", what,
                              is_stdin ? "standard input" : path, ret->max / MiB);
}

/* members=- : all of standard input. */
static int read_members(json_t *request, unsigned flags, struct errinfo *ei)
{
    json_t *args = json_object_get(request, "args"), *text;
    const char *v = json_string_value(json_object_get(args, "members"));
    _cleanup_(buf_done) struct buf b = { 0 };
    int r;

    if (!v || strcmp(v, "-"))
        return 0;
    buf_init(&b, 8 * MiB);
    r = read_all(v, "members", flags, &b, ei);
    if (r < 0)
        return r;
    text = memchr(b.p, '\0', b.n) ? NULL : json_stringn(b.p, b.n);
    if (!text)
        return err_set(ei, E_PARSE, "members: what standard input has is not valid UTF-8");
    json_object_set_new(args, "members", text);
    return 0;
}

/* file=PATH: its content as text, or as data in base64 when it is no text. */
static int read_content(json_t *request, unsigned flags, struct errinfo *ei)
{
    json_t *args = json_object_get(request, "args"), *text;
    const char *path = json_string_value(json_object_get(args, "file"));
    _cleanup_(buf_done) struct buf b = { 0 }, coded = { 0 };
    int r;

    if (!path)
        return 0;
    buf_init(&b, 16 * MiB);
    r = read_all(path, "file", flags, &b, ei);
    if (r < 0)
        return r;
    text = b.n && memchr(b.p, '\0', b.n) ? NULL : json_stringn(b.n ? b.p : "", b.n);
    json_object_del(args, "file");
    if (text) {
        json_object_set_new(args, "text", text);
        return 0;
    }
    buf_init(&coded, 2 * b.n + 16);
    (void)base64_enc(buf_sv(&b), &coded);
    json_object_set_new(args, "data", json_stringn(coded.p, coded.n));
    return 0;
}

static const char *error_text(json_t *reply)
{
    const char *s = json_string_value(json_object_get(json_object_get(reply, "error"), "text"));

    return s ? s : "the answer has no result";
}

/* A message that comes in pieces: writes all of them. */
static int print_pieces(struct tool *t, json_t *request, json_t *reply, struct errinfo *ei)
{
    json_int_t size = json_integer_value(json_object_get(reply, "size")), at = 0;
    json_t *piece = json_incref(reply);
    char offset[24];
    int r = 0;

    for (;;) {
        size_t n = print_piece(piece);

        at += (json_int_t)n;
        json_decref(piece);
        if (at >= size || n == 0)
            break;
        snprintf(offset, sizeof(offset), "%" JSON_INTEGER_FORMAT, at);
        json_object_set_new(json_object_get(request, "args"), "offset", json_string(offset));
        piece = tool_call(t, request);
        if (json_is_true(json_object_get(piece, "ok")))
            continue;
        r = err_set(ei, TOOL_REFUSED, "%s", error_text(piece));
        json_decref(piece);
        return r;
    }
    return at < size ? err_set(ei, TOOL_REFUSED, "the message ends early") : 0;
}

int tool_run(struct tool *t, int argc, char *const *argv, unsigned flags, struct errinfo *ei)
{
    const struct tool_cmd *cmd = NULL;
    json_t *request = NULL, *reply, *failure;
    int r;

    if (argc && !strcmp(argv[0], "api"))
        return tool_api(t, argc, argv, flags, ei);
    r = tool_parse(argc, argv, &cmd, &request, ei);

    if (r == 0)
        r = read_password(request, flags, ei);
    if (r == 0)
        r = read_members(request, flags, ei);
    if (r == 0)
        r = read_content(request, flags, ei);
    if (r < 0) {
        json_decref(request);
        return r;
    }
    reply = cmd->print == PRINT_DNS_TEST ? tool_dns_test(t, request, !(flags & TOOL_JSON))
                                         : tool_call(t, request);
    failure = json_incref(json_object_get(json_object_get(reply, "error"), "failure"));
    json_object_del(json_object_get(reply, "error"), "failure"); /* it is the exit status */
    if (flags & TOOL_JSON) {
        json_dumpf(reply, stdout, flags & TOOL_BATCH ? JSON_COMPACT : JSON_INDENT(2));
        putchar('\n');
    }
    if (!json_is_true(json_object_get(reply, "ok")))
        r = err_set(ei, failure ? (int)json_integer_value(failure) : TOOL_REFUSED, "%s",
                    error_text(reply));
    else if (!(flags & TOOL_JSON) && cmd->print == PRINT_PIECES)
        r = print_pieces(t, request, reply, ei);
    else if (!(flags & TOOL_JSON))
        tool_print(cmd, reply);
    json_decref(failure);
    json_decref(reply);
    json_decref(request);
    return r;
}

static int exit_status(int r)
{
    switch (r) {
    case E_PARSE:
        return 2;
    case TOOL_DENIED:
        return 3;
    case TOOL_UNREACHABLE:
        return 4;
    default:
        return 1;
    }
}

static int fail(const struct errinfo *ei, int r)
{
    char text[sizeof(ei->text) * 2];

    print_safe(ei->text, text, sizeof(text)); /* a server elsewhere may have said it */
    fflush(stdout);
    fprintf(stderr, "posthorn tool: %s\n", text);
    return exit_status(r);
}

static int run_batch(const struct tool_opts *o, int argc, char **argv)
{
    struct tool *t = NULL;
    struct errinfo ei = { 0 };
    bool is_stdin = argc == 2 && !strcmp(argv[1], "-");
    FILE *f;
    int r;

    if (argc != 2)
        return fail(&ei, err_set(&ei, E_PARSE,
                                 "usage: posthorn tool batch FILE (- = standard "
                                 "input)"));
    /* By who calls: tool_open may go on as the server's user. */
    f = is_stdin ? stdin : fopen(argv[1], "re");
    if (!f)
        return fail(&ei, err_set_errno(&ei, -errno, "%s", argv[1]));
    r = tool_open(o, &t, &ei);
    r = r < 0 ? fail(&ei, r) : tool_batch(t, f, is_stdin ? "standard input" : argv[1], o->json);
    tool_close(t);
    if (!is_stdin)
        fclose(f);
    return r;
}

static int run(const struct tool_opts *o, int argc, char **argv)
{
    struct tool *t = NULL;
    struct errinfo ei = { 0 };
    int r = tool_open(o, &t, &ei);

    if (r == 0)
        r = tool_run(t, argc, argv, o->json ? TOOL_JSON : 0, &ei);
    tool_close(t);
    if (r == 0 && fflush(stdout) == 0)
        return 0;
    return fail(&ei, r < 0 ? r : err_set_errno(&ei, -errno, "standard output"));
}

static const struct option longopts[] = {
    { "data", required_argument, NULL, 'd' },
    { "db", required_argument, NULL, 'b' },
    { "user", required_argument, NULL, 'u' },
    { "server", required_argument, NULL, 's' },
    { "token-file", required_argument, NULL, 'f' },
    { "token", required_argument, NULL, 't' },
    { "ca", required_argument, NULL, 'c' },
    { "timeout", required_argument, NULL, 'w' },
    { "confirm", no_argument, NULL, 'y' },
    { "json", no_argument, NULL, 'j' },
    { "help", no_argument, NULL, 'h' },
    { 0 },
};

static int read_timeout(const char *text, int *ret, struct errinfo *ei)
{
    uint32_t n;

    if (sv_to_u32(sv_c(text), &n) < 0 || n == 0 || n > 3600)
        return err_set(ei, E_PARSE,
                       "--timeout: '%.40s' is not a number of seconds; allowed: 1 to 3600", text);
    *ret = (int)n;
    return 0;
}

/* 0, or what the program ends with plus 1. */
static int read_options(int argc, char **argv, struct tool_opts *o)
{
    struct errinfo ei = { 0 };
    int c;

    while ((c = getopt_long(argc, argv, "+d:u:jh", longopts, NULL)) != -1)
        switch (c) {
        case 'd':
            o->data = optarg;
            break;
        case 'b':
            o->dsn = optarg;
            break;
        case 'u':
            o->user = optarg;
            break;
        case 's':
            o->server = optarg;
            break;
        case 'f':
            o->token_file = optarg;
            break;
        case 't':
            o->token = optarg;
            break;
        case 'c':
            o->ca = optarg;
            break;
        case 'w':
            if (read_timeout(optarg, &o->timeout_s, &ei) < 0)
                return fail(&ei, E_PARSE) + 1;
            break;
        case 'y':
            o->confirm = true;
            break;
        case 'j':
            o->json = true;
            break;
        case 'h':
            tool_help();
            return 1;
        default:
            fprintf(stderr, "`posthorn tool help` lists options and commands\n");
            return 3;
        }
    if (o->server && (o->data || o->dsn || o->user))
        return fail(&ei, err_set(&ei, E_PARSE,
                                 "--server is another machine's; --data, --db and --user belong to "
                                 "a server here")) +
               1;
    if (!o->server && (o->token_file || o->token || o->ca || o->confirm))
        return fail(
                   &ei,
                   err_set(
                       &ei, E_PARSE,
                       "--token-file, --token, --ca and --confirm need --server https://host:port; "
                       "the server here knows its users")) +
               1;
    return 0;
}

int tool_main(int argc, char **argv, char *command)
{
    static char name[] = "posthorn tool";
    struct tool_opts o = { 0 };
    int r;

    argv[0] = name; /* getopt names the program in its messages */
    optind = 1;
    r = read_options(argc, argv, &o);
    if (r)
        return r - 1;
    if (command) /* before its arguments, in the place of what getopt has read */
        argv[--optind] = command;
    argc -= optind;
    argv += optind;
    if (argc == 0 || !strcmp(argv[0], "help")) {
        tool_help();
        return argc ? 0 : 2;
    }
    return strcmp(argv[0], "batch") ? run(&o, argc, argv) : run_batch(&o, argc, argv);
}
