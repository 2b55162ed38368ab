/* The table of explanations, and finding the row of a reply. */
#include "event/explain.h"

const struct explanation explanations[] = {
#define EXPLAIN(id, pattern, cause, remedy, setting) { id, pattern, cause, remedy, setting },
#include "event/explain.def"
#undef EXPLAIN
};
const size_t explanations_count = ARRAY_LEN(explanations);

/* '*' stands for anything, also nothing. */
static bool matches(struct sv pattern, struct sv text)
{
    size_t p = 0, t = 0, star = SIZE_MAX, resume = 0;
    while (t < text.n) {
        if (p < pattern.n && pattern.p[p] == '*') {
            star = p++;
            resume = t;
        } else if (p < pattern.n && pattern.p[p] == text.p[t]) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.n && pattern.p[p] == '*')
        p++;
    return p == pattern.n;
}

bool explain_matches(const struct explanation *e, struct sv reply)
{
    return matches(sv_c(e->pattern), sv_trim(reply));
}

const struct explanation *explain_reply(struct sv reply, bool by_peer)
{
    for (size_t i = 0; i < explanations_count; i++) {
        const struct explanation *e = &explanations[i];

        if (by_peer && !sv_starts(sv_c(e->id), SV("smtp.err.c.")))
            continue;
        if (explain_matches(e, reply))
            return e;
    }
    return NULL;
}

const char *explain_code(unsigned code)
{
    if (code >= 500)
        return "The other server refuses for good; its reply says why.";
    if (code >= 400)
        return "The other server asks to try again later; its reply says why.";
    return "The other server did not say why.";
}
