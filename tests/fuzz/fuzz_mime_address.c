/* link: proto */
/* Any bytes as the value of a To field. */
#include "proto/mime.h"

#include "imap_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_string(struct sv s, struct buf *out)
{
    buf_reset(out);
    imap_need(mime_imap_string(s, out) == 0);
    imap_check(buf_sv(out));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct buf out;
    struct mime_address *v = NULL;
    size_t n = 0;
    bool in_group = false;
    arena_init(&a, 16 * MiB);
    buf_init(&out, 16 * MiB);
    imap_need(mime_addresses(sv_n(data, size), &a, &v, &n) == 0);
    for (size_t i = 0; i < n; i++) {
        imap_need(!v[i].group_start || !in_group);
        imap_need(!v[i].group_end || in_group);
        in_group = v[i].group_start || (in_group && !v[i].group_end);
        check_string(v[i].name, &out);
        check_string(v[i].route, &out);
        check_string(v[i].local, &out);
        check_string(v[i].host, &out);
    }
    imap_need(!in_group);
    buf_done(&out);
    arena_done(&a);
    return 0;
}
