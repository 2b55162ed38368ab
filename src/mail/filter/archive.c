/* What is in a zip, by libzip: names, and the first bytes of each entry; zips inside of it, too.
 * All is bounded: what goes beyond a bound is unreadable, which rules can ask for. */
#include <zip.h>

#include "mail/filter/filter_run_priv.h"
#include "os/library.h"

enum {
    MAX_DEPTH = 4,      /* an archive in an archive in ... */
    MAX_ENTRIES = 5000, /* of all archives of a message */
    BEGIN = 512,        /* bytes that tell the type */
};
#define MAX_ZIP      (32 * MiB)  /* one archive */
#define MAX_INFLATED (128 * MiB) /* of all archives of a message */

/* clang-format off */
#define LIBZIP(X) \
    X(zip_discard) X(zip_fclose) X(zip_fopen_index) X(zip_fread) X(zip_get_name) \
    X(zip_get_num_entries) X(zip_open_from_source) X(zip_source_buffer_create) X(zip_source_free) \
    X(zip_stat_index) X(zip_stat_init)
/* clang-format on */
static struct {
    LIBZIP(LIBRARY_POINTER)
} lib;

static int load_library(void)
{
#define SYMBOL(function) { #function, (void **)&lib.function },
    static const struct library_symbol symbols[] = { LIBZIP(SYMBOL) };
#undef SYMBOL
    return library_load("libzip.so.4", "libzip4", symbols, ARRAY_LEN(symbols), NULL);
}

/* libzip makes room for as many entries as a directory's end claims: none may claim too many. A
 * zip64 claims 65535 here. */
static bool claims_too_much(struct sv zip)
{
    struct sv tail = sv_skip(zip, zip.n - MIN(zip.n, 66 * KiB));
    for (size_t i = 0; i + 22 <= tail.n; i++) {
        const unsigned char *p = (const unsigned char *)tail.p + i;
        if (memcmp(p, "PK\5\6", 4) == 0 && (p[10] | p[11] << 8) > MAX_ENTRIES)
            return true;
    }
    return false;
}

static int note_name(struct filter_view *v, zip_t *z, zip_uint64_t i)
{
    const char *name = lib.zip_get_name(z, i, ZIP_FL_ENC_GUESS);
    return name ? filter_word(v, &v->names, sv_take(sv_c(name), 1000)) : 0;
}

/* The whole entry, a zip itself. */
static int look_deeper(struct filter_view *v, zip_file_t *f, struct sv begin, uint64_t size,
                       unsigned depth)
{
    if (depth >= MAX_DEPTH || size > MAX_ZIP || size < begin.n ||
        v->inflated + size > MAX_INFLATED) {
        v->unreadable = true;
        return 0;
    }
    _cleanup_(freep) char *whole = xmalloc(size + 1);
    size_t n = begin.n;
    memcpy(whole, begin.p, begin.n);
    while (n < size) {
        zip_int64_t got = lib.zip_fread(f, whole + n, size - n);
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    v->inflated += n;
    int r = filter_charge(v, n);
    if (r == 0 && n == size)
        return filter_look_into(v, sv_n(whole, n), depth + 1);
    v->unreadable = true;
    return r;
}

static int note_content(struct filter_view *v, zip_t *z, zip_uint64_t i, unsigned depth)
{
    char begin[BEGIN];
    zip_stat_t st;
    lib.zip_stat_init(&st);
    if (lib.zip_stat_index(z, i, 0, &st) < 0) {
        v->unreadable = true;
        return 0;
    }
    if ((st.valid & ZIP_STAT_ENCRYPTION_METHOD) && st.encryption_method != ZIP_EM_NONE) {
        v->encrypted = true;
        return 0;
    }
    if (!(st.valid & ZIP_STAT_SIZE) || st.size == 0)
        return 0;
    zip_file_t *f = lib.zip_fopen_index(z, i, 0);
    zip_int64_t n = f ? lib.zip_fread(f, begin, sizeof(begin)) : -1;
    int r = filter_charge(v, 4 * KiB);
    if (n < 0) {
        v->unreadable = true;
    } else {
        struct sv type = filter_signature(sv_n(begin, (size_t)n));
        if (r == 0 && type.p)
            r = filter_word(v, &v->types, type);
        v->unreadable |= filter_is_closed_archive(type);
        if (r == 0 && sv_eq(type, SV("application/zip")))
            r = look_deeper(v, f, sv_n(begin, (size_t)n), st.size, depth);
    }
    if (f)
        lib.zip_fclose(f);
    return r;
}

static int note_entries(struct filter_view *v, zip_t *z, unsigned depth)
{
    zip_int64_t n = lib.zip_get_num_entries(z, 0);
    int r = 0;
    for (zip_int64_t i = 0; i < n && r == 0; i++) {
        if (++v->n_entries > MAX_ENTRIES) {
            v->unreadable = true;
            break;
        }
        r = note_name(v, z, (zip_uint64_t)i);
        if (r == 0)
            r = note_content(v, z, (zip_uint64_t)i, depth);
    }
    return r;
}

int filter_look_into(struct filter_view *v, struct sv zip, unsigned depth)
{
    zip_source_t *source = NULL;
    zip_t *z = NULL;
    if (zip.n <= MAX_ZIP && !claims_too_much(zip) && load_library() == 0)
        source = lib.zip_source_buffer_create(zip.p, zip.n, 0, NULL);
    if (source)
        z = lib.zip_open_from_source(source, ZIP_RDONLY, NULL);
    if (!z) {
        if (source)
            lib.zip_source_free(source);
        v->unreadable = true;
        return 0;
    }
    int r = note_entries(v, z, depth);
    lib.zip_discard(z);
    return r;
}
