/* Many commands from a file, one a line. A line that is refused is named with its number; the
 * others are done. */
#include "cli/answer.h"
#include "cli/print_priv.h"
#include "cli/tool.h"

#include <stdio.h>

#include "base/sv.h"

#define MAX_WORDS 64
#define MAX_LINE  65536

struct batch {
    struct tool *t;
    const char *name; /* of the file, in messages */
    bool json;
    unsigned line, done, refused;
};

static int run_line(struct batch *b, char *text, size_t n, struct errinfo *ei)
{
    char *words[MAX_WORDS];
    int r;

    while (n && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        text[--n] = '\0';
    if (n >= MAX_LINE)
        return err_set(ei, E_PARSE, "the line has %zu bytes; at most %d", n, MAX_LINE - 1);
    if (memchr(text, '\0', n))
        return err_set(ei, E_PARSE, "the line holds a NUL; this is no text file");
    if (b->line == 1 && n >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
        text += 3;
    r = tool_split(text, words, MAX_WORDS, ei);
    if (r <= 0)
        return r;
    r = tool_run(b->t, r, words, b->json ? TOOL_JSON | TOOL_BATCH : TOOL_BATCH, ei);
    b->done += r == 0;
    return r;
}

int tool_batch(struct tool *t, FILE *f, const char *name, bool json)
{
    struct batch b = { .t = t, .name = name, .json = json };
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;

    while ((n = getline(&line, &cap, f)) >= 0) {
        struct errinfo ei = { 0 };
        char said[sizeof(ei.text) * 2];

        b.line++;
        if (run_line(&b, line, (size_t)n, &ei) >= 0)
            continue;
        fflush(stdout);
        print_safe(ei.text, said, sizeof(said));
        fprintf(stderr, "%s: line %u: %s\n", b.name, b.line, said);
        b.refused++;
        if (ei.code == TOOL_UNREACHABLE) {
            fprintf(stderr, "%s: the other lines were not tried\n", b.name);
            break;
        }
    }
    if (ferror(f)) {
        fprintf(stderr, "%s: line %u: %s\n", b.name, b.line + 1, strerror(errno));
        b.refused++;
    }
    free(line);
    if (!json)
        printf("%u commands done, %u refused\n", b.done, b.refused);
    return b.refused ? 1 : 0;
}
