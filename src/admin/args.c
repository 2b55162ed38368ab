/* Arguments and answers that several operations have. */
#include <unistd.h>

#include "admin/admin_priv.h"
#include "base/codec.h"

enum { MAX_ROWS = 2000, PIECE = 4 << 20 };

json_t *admin_bad_arg(const char *name, const char *value, const char *allowed)
{
    return admin_error(E_PARSE, "%s: '%.60s' is not %s", name, value, allowed);
}

json_t *admin_take_limit(const struct admin_call *c, size_t *ret)
{
    const char *v = admin_arg(c, "limit");
    uint64_t n = 100;

    if (v && (sv_to_u64(sv_c(v), &n) < 0 || n == 0 || n > MAX_ROWS))
        return admin_bad_arg("limit", v, "a number from 1 to 2000");
    *ret = (size_t)n;
    return NULL;
}

json_t *admin_take_offset(const struct admin_call *c, uint64_t *ret)
{
    const char *v = admin_arg(c, "offset");

    *ret = 0;
    if (v && (sv_to_u64(sv_c(v), ret) < 0 || *ret > INT64_MAX / 2))
        return admin_bad_arg("offset", v, "a number of bytes");
    return NULL;
}

json_t *admin_piece(int fd, uint64_t begin, uint64_t size, uint64_t offset)
{
    struct buf coded;
    char *piece = xmalloc(PIECE);
    ssize_t n = pread(fd, piece, PIECE, (off_t)(begin + offset));
    json_t *j = NULL;

    buf_init(&coded, (size_t)2 * PIECE);
    if (n >= 0)
        (void)base64_enc(sv_n(piece, (size_t)n), &coded);
    free(piece);
    if (n >= 0)
        j = json_pack("{s:b, s:I, s:I, s:s, s:s%}", "ok", 1, "size", (json_int_t)size, "offset",
                      (json_int_t)offset, "encoding", "base64", "content", coded.p ? coded.p : "",
                      coded.n);
    buf_done(&coded);
    return j;
}
