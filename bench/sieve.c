/* Measures Sieve alone: reading a script, and running it over a message, in CPU time of one thread.
 * sieve SCRIPT MESSAGE [RUNS] */
#include <stdio.h>
#include <time.h>

#include "mail/sieve/sieve_run.h"

static int64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static struct sv content(const char *path, struct buf *b)
{
    char piece[4096];
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        exit(1);
    }
    buf_init(b, 64 * MiB);
    for (size_t n; (n = fread(piece, 1, sizeof(piece), f)) > 0;)
        buf_add(b, piece, n);
    fclose(f);
    return buf_sv(b);
}

int main(int argc, char **argv)
{
    _cleanup_(buf_done) struct buf text = { 0 }, message = { 0 };
    if (argc < 3) {
        fputs("usage: sieve SCRIPT MESSAGE [RUNS]\n", stderr);
        return 2;
    }
    struct sv s = content(argv[1], &text);
    struct sieve_env e = { .message = content(argv[2], &message),
                           .sender = SV("x@else.example"),
                           .rcpt = SV("ann@home.example"),
                           .auth = SV(""),
                           .delimiters = SV("+"),
                           .now_s = 1700000000,
                           .max_actions = 32,
                           .max_redirects = 4,
                           .max_cpu_us = 1000000 };
    long runs = argc > 3 ? strtol(argv[3], NULL, 10) : 20000;
    struct sieve_problems problems;
    struct sieve_script script;
    struct arena a;
    int64_t start = cpu_ns();
    for (long i = 0; i < runs; i++) {
        arena_init(&a, SIEVE_ARENA);
        if (sieve_parse(s, &a, &script, &problems) < 0) {
            fprintf(stderr, "line %u: %s\n", problems.v[0].line, problems.v[0].text);
            return 1;
        }
        if (i + 1 < runs)
            arena_done(&a);
    }
    int64_t parsed = cpu_ns();
    size_t actions = 0;
    for (long i = 0; i < runs; i++) {
        struct sieve_result r;
        if (sieve_run(&script, &e, &r) < 0)
            return 1;
        actions += r.n;
        sieve_result_done(&r);
    }
    int64_t done = cpu_ns();
    printf("read    %8.1f us of CPU time\nrun     %8.1f us, %zu actions\n",
           (double)(parsed - start) / (double)runs / 1e3,
           (double)(done - parsed) / (double)runs / 1e3, actions / (size_t)runs);
    arena_done(&a);
    return 0;
}
