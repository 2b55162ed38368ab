/* link: proto_sieve */
/* Scripts: what is accepted keeps the promises of sieve.h, what is refused says where and why. */
#include <stdint.h>

#include "base/codec.h"
#include "proto/sieve/sieve.h"

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void check_list(const struct sieve_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        must(l->v[i].line >= 1 && l->v[i].col >= 1);
        must(utf8_valid(l->v[i].s));
        must(!l->v[i].s.n || !memchr(l->v[i].s.p, '\0', l->v[i].s.n));
    }
}

static unsigned check_nodes(const struct sieve_node *first, unsigned depth)
{
    unsigned n = 0;
    must(depth <= 2 * SIEVE_MAX_NESTING);
    for (const struct sieve_node *k = first; k; k = k->next) {
        must(k->word < SIEVE_WORD_COUNT);
        for (size_t i = 0; i < ARRAY_LEN(k->arg); i++)
            check_list(&k->arg[i]);
        for (const struct sieve_option *o = k->options; o; o = o->next) {
            must(sieve_has(k, o->tag));
            check_list(&o->list);
        }
        must((k->word == SIEVE_IF || k->word == SIEVE_ELSIF || k->word == SIEVE_NOT) ==
             (k->tests && !k->test_list));
        n += 1 + check_nodes(k->tests, depth + 1) + check_nodes(k->block, depth + 1);
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct sieve_script s;
    struct sieve_problems p;
    struct buf text;
    if (size > 64 * KiB)
        return 0;
    arena_init(&a, SIEVE_ARENA);
    buf_init(&text, 16 * KiB);
    if (sieve_parse(sv_n(data, size), &a, &s, &p) == 0) {
        must(!p.n);
        must(check_nodes(s.commands, 0) <= SIEVE_MAX_NODES);
    } else {
        must(p.n >= 1 && p.v[0].line >= 1 && p.v[0].col >= 1);
    }
    sieve_problems_text(&p, &text);
    must(!text.overflow && utf8_valid(buf_sv(&text)));
    buf_done(&text);
    arena_done(&a);
    return 0;
}
