/* What becomes of segments after they were written: indexes, and deletion by age and size. */
#include "event/store.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "event/index.h"

struct old_segment {
    enum module m;
    uint32_t number;
    uint64_t bytes; /* with its index */
    int64_t last_s; /* of its last change */
};

static void build_missing(const char *dir, int stream)
{
    uint32_t *list;
    size_t n = segment_list(dir, stream, &list);
    /* The last one is being written, or will be gone on with. */
    for (size_t i = 0; i + 1 < n; i++) {
        char segment[SEGMENT_PATH], index[SEGMENT_PATH];
        struct index_info info;
        segment_path(segment, dir, stream, list[i], false);
        segment_path(index, dir, stream, list[i], true);
        if (index_info(index, &info) < 0)
            (void)index_build(segment, stream, index, NULL);
    }
    free(list);
}

static int by_age(const void *a, const void *b)
{
    const struct old_segment *x = a, *y = b;
    return x->last_s < y->last_s ? -1 : x->last_s > y->last_s;
}

static void remove_segment(const char *data_dir, const struct old_segment *o, int stream)
{
    char dir[SEGMENT_PATH], path[SEGMENT_PATH];
    store_dir(dir, data_dir, o->m);
    segment_path(path, dir, stream, o->number, false);
    (void)unlink(path);
    segment_path(path, dir, stream, o->number, true);
    (void)unlink(path);
}

/* All closed segments of all modules, and the bytes of everything. */
static size_t collect(const char *data_dir, int stream, struct old_segment **ret,
                      uint64_t *ret_bytes)
{
    size_t n = 0, cap = 0;
    *ret = NULL;
    *ret_bytes = 0;
    for (enum module m = 0; m < MOD_COUNT; m++) {
        char dir[SEGMENT_PATH];
        uint32_t *list;
        store_dir(dir, data_dir, m);
        size_t count = segment_list(dir, stream, &list);
        for (size_t i = 0; i < count; i++) {
            char path[SEGMENT_PATH];
            struct stat st, x;
            segment_path(path, dir, stream, list[i], false);
            if (stat(path, &st) < 0)
                continue;
            segment_path(path, dir, stream, list[i], true);
            uint64_t bytes = (uint64_t)st.st_size + (stat(path, &x) == 0 ? (uint64_t)x.st_size : 0);
            *ret_bytes += bytes;
            if (i + 1 == count)
                continue; /* it is being written */
            if (n == cap) {
                cap = cap ? 2 * cap : 32;
                *ret = xrealloc(*ret, cap * sizeof(**ret));
            }
            struct old_segment *o = &(*ret)[n++];
            o->m = m;
            o->number = list[i];
            o->bytes = bytes;
            o->last_s = st.st_mtime;
        }
        free(list);
    }
    if (n)
        qsort(*ret, n, sizeof(**ret), by_age);
    return n;
}

static void remove_old(const char *data_dir, int stream, const struct store_limits *limits)
{
    struct old_segment *list;
    uint64_t bytes;
    size_t n = collect(data_dir, stream, &list, &bytes);
    int64_t oldest_s = limits->days ? clock_wall_s() - (int64_t)limits->days * 86400 : INT64_MIN;
    for (size_t i = 0; i < n; i++) {
        if (list[i].last_s >= oldest_s && (!limits->max_bytes || bytes <= limits->max_bytes))
            continue;
        remove_segment(data_dir, &list[i], stream);
        bytes -= list[i].bytes;
    }
    free(list);
}

void store_maintain(const char *data_dir, enum module m, int stream,
                    const struct store_limits *limits)
{
    char dir[SEGMENT_PATH];
    store_dir(dir, data_dir, m);
    remove_old(data_dir, stream, limits);
    build_missing(dir, stream);
}
