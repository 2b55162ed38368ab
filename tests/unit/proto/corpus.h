/* Messages to try parsers on: every .eml file of the corpus, with CRLF line ends as a client would
 * send them, and broken ones of our own. */
#pragma once

#include <ftw.h>
#include <stdio.h>

#include "../corpus_dir.h"
#include "base/buf.h"

typedef void corpus_fn(const char *name, struct sv message, void *arg);

static struct {
    corpus_fn *fn;
    void *arg;
    unsigned n;
} corpus;

static inline void to_crlf(struct sv in, struct buf *out)
{
    for (size_t i = 0; i < in.n; i++) {
        if (in.p[i] == '\n' && (i == 0 || in.p[i - 1] != '\r'))
            buf_add_c(out, '\r');
        buf_add_c(out, in.p[i]);
    }
}

static inline int corpus_file(const char *path, const struct stat *st, int type,
                              struct FTW *f _unused_)
{
    if (type != FTW_F || !sv_iends(sv_c(path), SV(".eml")))
        return 0;
    struct buf b;
    FILE *file = fopen(path, "rb");
    char *text = malloc((size_t)st->st_size + 1);
    size_t n = file && text ? fread(text, 1, (size_t)st->st_size, file) : 0;
    if (file)
        fclose(file);
    buf_init(&b, 256 * MiB);
    to_crlf(sv_n(text, n), &b);
    free(text);
    /* Exact bounds for the sanitizer. */
    char *exact = malloc(b.n ? b.n : 1);
    if (exact && b.n)
        memcpy(exact, b.p, b.n);
    corpus.fn(path, sv_n(exact, b.n), corpus.arg);
    corpus.n++;
    free(exact);
    buf_done(&b);
    return 0;
}

/* Number of messages. */
static inline unsigned corpus_each(corpus_fn *fn, void *arg)
{
    static const struct {
        const char *name;
        struct sv text;
    } own[] = {
        { "empty", { "", 0 } },
        { "one byte", { "x", 1 } },
        { "NUL", { "\0", 1 } },
        { "no body", { "Subject: x\r\n", 12 } },
        { "no header", { "\r\nbody", 6 } },
        { "line ends only", { "\r\n\r\n\r\n", 6 } },
        { "cut in a boundary",
          { "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\nx\r\n--", 57 } },
        { "boundary at once", { "Content-Type: multipart/mixed; boundary=a\r\n--a--", 48 } },
    };
    corpus.fn = fn;
    corpus.arg = arg;
    corpus.n = 0;
    for (size_t i = 0; i < ARRAY_LEN(own); i++) {
        fn(own[i].name, own[i].text, arg);
        corpus.n++;
    }
    if (nftw(corpus_dir(), corpus_file, 16, FTW_PHYS) != 0 || corpus.n < CORPUS_LEAST)
        panic("%s has %u messages", corpus_dir(), corpus.n);
    return corpus.n;
}
