#include "base/generated.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check(const struct buf *text, const char *program, const char *path)
{
    FILE *f = fopen(path, "re");
    if (!f) {
        fprintf(stderr, "%s: cannot open %s: %s\n", program, path, strerror(errno));
        return 1;
    }
    _cleanup_(freep) char *have = xmalloc(text->n + 1);
    size_t n = fread(have, 1, text->n + 1, f);
    fclose(f);
    if (n == text->n && memcmp(have, text->p, n) == 0)
        return 0;
    fprintf(stderr, "%s is stale: make docs\n", path);
    return 1;
}

int generated_main(const struct buf *text, const char *usage, int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--check") == 0)
        return check(text, argv[0], argv[2]);
    if (argc != 1) {
        fprintf(stderr, "usage: %s\n", usage);
        return 2;
    }
    fwrite(text->p, 1, text->n, stdout);
    if (fflush(stdout) == 0)
        return 0;
    fprintf(stderr, "%s: cannot write: %s\n", argv[0], strerror(errno));
    return 1;
}
