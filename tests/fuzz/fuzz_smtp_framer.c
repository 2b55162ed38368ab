/* link: proto */
/* The SMTP framer and content decoder: terminates, stays in bounds, and gives the same lines and
 * content however the input is cut. The first byte chooses the mode and how it is cut. */
#include <stdint.h>

#include "base/buf.h"
#include "proto/smtp_body.h"
#include "proto/smtp_framer.h"

enum { MAX_LINE = 64 };

static void must(bool ok)
{
    if (!ok)
        abort();
}

/* Lines are marked, content is appended decoded; a line "D" begins DATA, "B<n>" a chunk. */
static void begin_content(struct smtp_framer *f, struct smtp_body *body, struct sv line,
                          bool normalize)
{
    uint64_t size;
    if (sv_eq(line, SV("D"))) {
        smtp_framer_data(f);
        smtp_body_begin(body, true, normalize);
    } else if (sv_starts(line, SV("B")) && sv_to_u64(sv_skip(line, 1), &size) == 0 && size) {
        smtp_framer_bdat(f, size, true);
        smtp_body_begin(body, false, normalize);
    }
}

static void drive(struct sv in, size_t step, bool normalize, struct buf *out, unsigned *ret_has)
{
    struct smtp_framer f = { 0 };
    struct smtp_body body = { 0 };
    size_t have = 0, off = 0;
    *ret_has = 0;
    while (have < in.n) {
        have = MIN(have + step, in.n);
        struct smtp_piece p;
        while (smtp_framer_next(&f, sv_n(in.p + off, have - off), MAX_LINE, &p) > 0) {
            must(p.used > 0 && p.used <= have - off && p.data.n <= p.used);
            off += p.used;
            *ret_has |= p.has;
            if (p.kind == SMTP_LINE) {
                must(!memchr(p.data.p, '\n', p.data.n) && !memchr(p.data.p, '\r', p.data.n));
                must(buf_add_c(out, 'L') == 0 && buf_add_sv(out, p.data) == 0);
                begin_content(&f, &body, p.data, normalize);
            } else if (p.kind == SMTP_LONG || p.kind == SMTP_BAD) {
                must(buf_add_c(out, p.kind == SMTP_LONG ? 'O' : 'X') == 0);
            } else if (p.kind != SMTP_SWALLOW) {
                must(smtp_body_add(&body, p.data, p.has, out) == 0);
                if (p.kind == SMTP_BODY_END || p.kind == SMTP_CHUNK_END)
                    must(buf_add_c(out, '$') == 0);
            }
        }
        must(have - off <= MAX_LINE + 1 || f.mode != SMTP_MODE_COMMAND);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct buf all, cut;
    unsigned has_all, has_cut;
    bool normalize = data[0] & 1;
    struct sv in = sv_n(data + 1, size - 1);
    buf_init(&all, 4 * size + 100);
    buf_init(&cut, 4 * size + 100);
    drive(in, in.n ? in.n : 1, normalize, &all, &has_all);
    drive(in, (size_t)(data[0] >> 1) % 40 + 1, normalize, &cut, &has_cut);
    /* The cut one may hold back less of an unfinished end: it is a prefix either way. */
    size_t n = MIN(all.n, cut.n);
    must(n == 0 || memcmp(all.p, cut.p, n) == 0);
    must(all.n == cut.n);
    must(has_all == has_cut);
    buf_done(&all);
    buf_done(&cut);
    return 0;
}
