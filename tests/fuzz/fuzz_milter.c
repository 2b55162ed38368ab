/* link: mail_milter */
/* What a milter says: packets of the negotiation and answers are refused or give what may stand in
 * a header, an envelope or a reply; applied to a message they leave a header. The first byte
 * chooses what the rest is. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mail/milter/edit.h"
#include "proto/milter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void check_reply(struct sv lines)
{
    must(lines.n >= 6 && sv_iends(lines, SV("\r\n")));
    const char *code = lines.p;
    while (lines.n) {
        ssize_t end = sv_find_sv(lines, SV("\r\n"));
        must(end >= 4 && !memcmp(lines.p, code, 3) && (*code == '4' || *code == '5'));
        must(lines.p[3] == ((size_t)end + 2 == lines.n ? ' ' : '-'));
        for (ssize_t i = 0; i < end; i++)
            must((unsigned char)lines.p[i] >= 0x20);
        lines = sv_skip(lines, (size_t)end + 2);
    }
}

/* No line but the first of a field begins without a blank, and none is empty. */
static void check_field(const struct edit_field *f)
{
    for (size_t i = 0; i + 2 < f->n; i++)
        if (f->text[i] == '\n')
            must(f->text[i + 1] == ' ' || f->text[i + 1] == '\t');
    must(f->n >= 2 && f->text[f->n - 1] == '\n' && !memchr(f->text, '\0', f->n));
}

static void apply(const struct milter_answer *a)
{
    static const char text[] = "A: 1\r\nB: 2\r\n 3\r\nA: 4\r\n\r\nbody\r\n";
    struct edit e = { .mem = sv_n(text, sizeof(text) - 1), .fd = -1, .size = sizeof(text) - 1 };
    must(edit_open(&e, NULL) == 0 && e.n_fields == 3);
    if (a->kind == MILTER_CHANGE_HEADER)
        edit_change(&e, a->index, a->name, a->text, a->index & 1);
    else
        edit_insert(&e, a->index, a->name, a->text, a->index & 1);
    for (size_t i = 0; i < e.n_fields; i++)
        check_field(&e.fields[i]);
    edit_done(&e);
}

static void check_message(struct sv in)
{
    struct edit e = { .mem = in, .fd = -1, .size = in.n };
    struct buf head, value;
    char body[64];
    if (edit_open(&e, NULL) < 0) {
        edit_done(&e);
        return;
    }
    buf_init(&head, 2 * in.n + 64);
    buf_init(&value, in.n + 64);
    edit_put_header(&e, &head);
    must(head.n == edit_header_size(&e) && e.body_offset + e.body_size == in.n);
    for (size_t i = 0; i < e.n_fields; i++)
        if (e.fields[i].name_n)
            (void)edit_value(&e.fields[i], i & 1, &value);
    must(edit_read_body(&e, 0, body, sizeof(body)) == (ssize_t)MIN(e.body_size, sizeof(body)));
    buf_done(&head);
    buf_done(&value);
    edit_done(&e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct sv in = sv_n(data + 1, size - 1);
    if (data[0] == 'T') {
        struct milter_terms t;
        if (milter_parse_terms(in, &t, NULL) == 0)
            must(t.version >= 2 && t.version <= MILTER_VERSION &&
                 !(t.protocol & ~(uint32_t)MILTER_PROTOCOL_ALL));
    } else if (data[0] == 'M') {
        check_message(in);
    } else {
        static struct milter_answer a;
        if (milter_parse_answer(in, &a, NULL) < 0)
            return 0;
        must(a.kind < MILTER_KINDS);
        if (a.kind == MILTER_REPLY)
            check_reply(a.text);
        if (a.name.n)
            apply(&a);
    }
    return 0;
}
