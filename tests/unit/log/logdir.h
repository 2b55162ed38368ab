/* A log directory of its own for a test, and a look into it. */
#pragma once

#include "base/buf.h"
#include "os/file.h"

#include <glob.h>
#include <stdio.h>

static char logdir[] = "/tmp/posthorn-log-XXXXXX";

static inline char *log_path(const char *name)
{
    return xasprintf("%s/%s", logdir, name);
}

/* Content of a file; "" when it does not exist. free() it. */
static inline char *log_read(const char *name)
{
    _cleanup_(freep) char *path = log_path(name);
    struct buf b;
    buf_init(&b, 1024 * MiB);
    if (os_read_file(path, &b, NULL) < 0)
        buf_reset(&b);
    return buf_take(&b, NULL);
}

static inline size_t count_lines(const char *pattern)
{
    _cleanup_(freep) char *path = log_path(pattern);
    size_t lines = 0;
    glob_t g;
    if (glob(path, 0, NULL, &g) != 0)
        return 0;
    for (size_t i = 0; i < g.gl_pathc; i++) {
        FILE *f = fopen(g.gl_pathv[i], "re");
        char mem[65536];
        for (size_t n; (n = fread(mem, 1, sizeof(mem), f)) > 0;)
            for (size_t k = 0; k < n; k++)
                lines += mem[k] == '\n';
        fclose(f);
    }
    globfree(&g);
    return lines;
}

static inline size_t count_files(const char *pattern)
{
    _cleanup_(freep) char *path = log_path(pattern);
    glob_t g;
    if (glob(path, 0, NULL, &g) != 0)
        return 0;
    size_t n = g.gl_pathc;
    globfree(&g);
    return n;
}
