/* link: proto */
/* The parsers of IMAP arguments: the first byte chooses one. What is accepted lies inside the input
 * or the arena and keeps the promises of the headers. */
#include <stdint.h>

#include "proto/imap_fetch.h"
#include "proto/imap_fold.h"
#include "proto/imap_format.h"
#include "proto/imap_search.h"

static void must(bool ok)
{
    if (!ok)
        abort();
}

static volatile size_t sink;

static void readable(struct sv s)
{
    for (size_t i = 0; i < s.n; i++)
        sink += (unsigned char)s.p[i];
}

/* A string that was read, written again and read again is the same. */
static void check_string(struct imap_in *in)
{
    struct sv s, again;
    struct buf b;
    if (imap_astring(in, &s) < 0)
        return;
    readable(s);
    buf_init(&b, 4 * MiB);
    imap_put_astring(&b, s);
    struct imap_in second = imap_in_sv(buf_sv(&b), in->a);
    must(imap_astring(&second, &again) == 0 && sv_eq(s, again) && second.p == second.end);
    buf_done(&b);
}

static void check_fetch(struct imap_in *in)
{
    struct imap_fetch f;
    if (imap_fetch_parse(in, &f) < 0)
        return;
    must(f.items || f.n);
    for (size_t i = 0; i < f.n; i++) {
        const struct imap_section *s = &f.sections[i];
        readable(s->label);
        readable(s->path);
        readable(s->part);
        must(s->label.n && (!s->partial || s->length > 0));
        must((s->n_names > 0) == (s->kind == SECTION_FIELDS || s->kind == SECTION_FIELDS_NOT));
        for (size_t k = 0; k < s->n_names; k++)
            readable(s->names[k]);
    }
}

static unsigned check_key(const struct imap_search_key *k)
{
    unsigned n = 1, children = 0;
    must(k->key < KEY_COUNT);
    readable(k->name);
    readable(k->text);
    for (const struct imap_search_key *c = k->children; c; c = c->next, children++)
        n += check_key(c);
    must(k->key != KEY_NOT || children == 1);
    must(k->key != KEY_OR || children == 2);
    return n;
}

static void check_search(struct imap_in *in)
{
    struct imap_search s;
    if (imap_search_parse(in, &s) == 0)
        must(check_key(s.root) <= IMAP_SEARCH_MAX_KEYS);
}

static void check_set(struct imap_in *in)
{
    struct imap_set set;
    if (imap_set_parse(in, &set) < 0)
        return;
    must(set.n > 0);
    for (size_t i = 0; i < set.n; i++)
        sink += set.r[i].lo + set.r[i].hi;
}

static void check_dates(struct imap_in *in)
{
    struct imap_day d;
    struct imap_in copy = *in;
    int64_t t;
    if (imap_date(in, &d) == 0)
        must(d.day >= 1 && d.day <= 31 && d.month >= 1 && d.month <= 12);
    if (imap_date_time(&copy, &t) == 0)
        must(t > -70000000000 && t < 300000000000);
}

static void check_pattern(struct sv in)
{
    struct sv name = in;
    struct sv pattern = sv_split(&name, '\n');
    if (name.p && in.n < 300)
        sink += imap_pattern_match(pattern, name);
    if (pattern.n == 0 && name.n)
        must(!imap_pattern_match(pattern, name));
    must(imap_pattern_match(SV("*"), in));
}

static void check_fold(struct sv in)
{
    struct buf once, twice;
    buf_init(&once, 4 * MiB);
    buf_init(&twice, 4 * MiB);
    must(imap_fold(in, &once) == 0 && imap_fold(buf_sv(&once), &twice) == 0);
    must(sv_eq(buf_sv(&once), buf_sv(&twice)));
    must(imap_fold_contains(in, buf_sv(&once), &twice));
    struct sv hay = in;
    struct sv needle = sv_split(&hay, '\n');
    if (hay.p)
        must(imap_ascii_contains(hay, needle) == (sv_ifind_sv(hay, needle) >= 0));
    buf_done(&once);
    buf_done(&twice);
}

static void check_small(struct imap_in *in)
{
    struct sv s;
    uint64_t size;
    bool nonsync;
    struct imap_in a = *in, b = *in, c = *in;
    sink += (size_t)imap_line_literal(sv_n(in->p, (size_t)(in->end - in->p)), &size, &nonsync);
    if (imap_tag(&a, &s) == 0)
        readable(s);
    if (imap_flag(&b, &s) == 0)
        readable(s);
    if (imap_list_mailbox(&c, &s) == 0)
        readable(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 64 * KiB)
        return 0;
    struct arena a;
    struct sv text = sv_n(data + 1, size - 1);
    arena_init(&a, 16 * MiB);
    struct imap_in in = imap_in_sv(text, &a);
    switch (data[0] % 8) {
    case 0:
        check_string(&in);
        break;
    case 1:
        check_fetch(&in);
        break;
    case 2:
        check_search(&in);
        break;
    case 3:
        check_set(&in);
        break;
    case 4:
        check_dates(&in);
        break;
    case 5:
        check_pattern(text);
        break;
    case 6:
        check_fold(text);
        break;
    default:
        check_small(&in);
    }
    arena_done(&a);
    return 0;
}
