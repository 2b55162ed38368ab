/* link: proto_filter */
/* Rules: what is accepted keeps the promises of filter.h and is the same again from its own texts;
 * what is refused says where and why. */
#include <stdint.h>

#include "base/buf.h"
#include "base/codec.h"
#include "proto/filter/filter.h"

static void must(bool ok)
{
    if (!ok)
        abort();
}

static size_t check_node(const struct filter_node *n)
{
    if (!n)
        return 0;
    must((n->kind == FILTER_TEST) == !n->a);
    must((n->kind == FILTER_AND || n->kind == FILTER_OR) == (n->b != NULL));
    for (size_t i = 0; i < n->n; i++) {
        must(utf8_valid(n->values[i]));
        must((n->op == FILTER_REGEX) == (n->re[i] != NULL));
    }
    return 1 + check_node(n->a) + check_node(n->b);
}

static void check_again(const struct filter_rules *r)
{
    struct filter_rules again;
    struct buf b;
    buf_init(&b, 2 * MiB);
    for (size_t i = 0; i < r->n; i++) {
        buf_add_sv(&b, r->v[i]->text);
        buf_add_str(&b, "\n");
    }
    must(filter_parse(buf_sv(&b), &again, NULL) == 0 && again.n == r->n);
    for (size_t i = 0; i < r->n; i++)
        must(sv_eq(again.v[i]->name, r->v[i]->name) && again.v[i]->off == r->v[i]->off &&
             again.v[i]->n_actions == r->v[i]->n_actions);
    filter_rules_done(&again);
    buf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct filter_rules r;
    struct errinfo ei = { 0 };
    if (size > 128 * KiB)
        return 0;
    int e = filter_parse(sv_n(data, size), &r, &ei);
    must(e == 0 || e == E_PARSE || e == E_LIMIT);
    if (e < 0) {
        must(r.n == 0 && strncmp(ei.text, "line ", 5) == 0 && utf8_valid(sv_c(ei.text)));
        return 0;
    }
    must(r.n <= FILTER_MAX_RULES);
    for (size_t i = 0; i < r.n; i++) {
        must(r.v[i]->name.n && r.v[i]->name.n <= FILTER_MAX_NAME);
        must(r.v[i]->n_actions >= 1 && r.v[i]->n_actions <= FILTER_MAX_ACTIONS);
        must(check_node(r.v[i]->when) <= FILTER_MAX_NODES);
        for (size_t k = 0; k < r.v[i]->n_actions; k++)
            must(utf8_valid(r.v[i]->actions[k].text));
    }
    check_again(&r);
    filter_rules_done(&r);
    return 0;
}
