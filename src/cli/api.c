/* `posthorn tool api METHOD PATH [JSON]`: any request of the API as it is. */
#include <ctype.h>
#include <stdio.h>

#include "cli/answer.h"
#include "cli/tool.h"

#define PREFIX   "/api/v1"
#define MAX_BODY (64 * MiB) /* the server says what it takes */
#define USAGE    "usage: posthorn tool api METHOD PATH [JSON|-] [if-match=ETAG] [idempotency-key=KEY]"

/* It would last until the time is over, and be lost then. */
static bool is_stream(const char *path)
{
    size_t n = strlen("/events");

    return !strncmp(path, "/events", n) && (path[n] == '\0' || path[n] == '?');
}

/* The body: JSON, or - for standard input. */
static int read_body(const char *word, unsigned flags, json_t **ret, struct errinfo *ei)
{
    struct buf b;
    json_error_t je;
    size_t n;

    buf_init(&b, MAX_BODY);
    if (!strcmp(word, "-") && flags & TOOL_BATCH)
        return err_set(ei, E_PARSE, "'-' reads standard input, which a batch cannot");
    if (strcmp(word, "-") != 0)
        buf_add_str(&b, word);
    else
        while (buf_reserve(&b, 65536) == 0 && (n = fread(b.p + b.n, 1, 65536, stdin)) > 0)
            b.n += n;
    if (!strcmp(word, "-") && !feof(stdin)) {
        buf_done(&b);
        return err_set(ei, E_RANGE, "the body is longer than %zu MiB", MAX_BODY / MiB);
    }
    *ret = json_loadb(b.p ? b.p : "", b.n, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &je);
    buf_done(&b);
    return *ret ? 0
                : err_set(ei, E_PARSE, "the body is not JSON: %s (line %d, column %d)", je.text,
                          je.line, je.column);
}

/* The value of name=value, fit for a header. */
static int read_header(const char *word, const char **ret, struct errinfo *ei)
{
    *ret = strchr(word, '=') + 1;
    for (const char *p = *ret; *p; p++)
        if (iscntrl((unsigned char)*p))
            return err_set(ei, E_PARSE, "'%.40s': control characters cannot be sent", word);
    return 0;
}

static int read_words(int argc, char *const *argv, unsigned flags, struct tool_request *q,
                      struct errinfo *ei)
{
    if (argc < 3)
        return err_set(ei, E_PARSE, USAGE);
    q->path = argv[2];
    if (!strncmp(q->path, PREFIX "/", strlen(PREFIX "/")))
        q->path += strlen(PREFIX);
    if (*q->path != '/')
        return err_set(ei, E_PARSE, "path: '%.60s' must begin with /, as in /domains", argv[2]);
    for (const char *p = q->path; *p; p++)
        if (!isgraph((unsigned char)*p))
            return err_set(ei, E_PARSE, "path: '%.60s': write blanks and other characters as %%20",
                           argv[2]);
    if (is_stream(q->path))
        return err_set(ei, TOOL_REFUSED,
                       "path: %.60s is a stream of events, for programs that read it by HTTP",
                       q->path);
    for (int i = 3; i < argc; i++) {
        int r = 0;

        if (sv_starts(sv_c(argv[i]), SV("if-match=")))
            r = read_header(argv[i], &q->if_match, ei);
        else if (sv_starts(sv_c(argv[i]), SV("idempotency-key=")))
            r = read_header(argv[i], &q->idempotency_key, ei);
        else if (!q->body)
            r = read_body(argv[i], flags, &q->body, ei);
        else
            r = err_set(ei, E_PARSE, "too many arguments; " USAGE);
        if (r < 0)
            return r;
    }
    return 0;
}

static void print(const struct tool_answer *a, unsigned flags)
{
    size_t style = JSON_PRESERVE_ORDER | JSON_ENCODE_ANY |
                   (flags & TOOL_BATCH ? JSON_COMPACT : JSON_INDENT(2));
    json_t *whole;

    if (flags & TOOL_JSON) {
        whole = json_pack("{s:i, s:s?, s:O?}", "status", a->status, "etag",
                          *a->etag ? a->etag : NULL, "body", a->json);
        json_dumpf(whole, stdout, style);
        json_decref(whole);
        putchar('\n');
    } else if (a->json && a->status < 300) {
        json_dumpf(a->json, stdout, style);
        putchar('\n');
    } else if (a->status < 300 && a->raw.n) {
        fwrite(a->raw.p, 1, a->raw.n, stdout);
    }
}

int tool_api(struct tool *t, int argc, char *const *argv, unsigned flags, struct errinfo *ei)
{
    struct tool_request q = { 0 };
    struct tool_answer a;
    char method[16];
    int r = read_words(argc, argv, flags, &q, ei);

    answer_init(&a);
    if (r == 0 && strlen(argv[1]) >= sizeof(method))
        r = err_set(ei, E_PARSE, "'%.40s' is not a method of HTTP", argv[1]);
    if (r == 0) {
        size_t n = 0;

        for (; argv[1][n]; n++)
            method[n] = (char)toupper((unsigned char)argv[1][n]);
        method[n] = '\0';
        q.method = method;
        r = strcmp(method, "HEAD")
                ? tool_ask(t, &q, &a, ei)
                : err_set(ei, E_PARSE, "HEAD has no answer to be printed; use GET");
    }
    if (r == 0) {
        print(&a, flags);
        if (a.status >= 300)
            r = answer_error(&a, ei);
    }
    json_decref(q.body);
    answer_done(&a);
    return r;
}
