/* The table of all settings, made from the same rows as struct conf, and lookups in it. Immutable
 * after the first use; any thread. */
#include "conf/conf_priv.h"

#include <pthread.h>

#define SETTING(rm, nm, ty, df, lo, hi, un, ap, gr, he, api)                                       \
    { .name = #rm "." #nm,                                                                         \
      .room = #rm,                                                                                 \
      .type = SET_##ty,                                                                            \
      .dflt = df,                                                                                  \
      .min = lo,                                                                                   \
      .max = hi,                                                                                   \
      .unit = un,                                                                                  \
      .apply = APPLY_##ap,                                                                         \
      .group = gr,                                                                                 \
      .help = he,                                                                                  \
      .offset = offsetof(struct conf, rm.nm),                                                      \
      .api_var = api },
static struct setting table[] = {
#include "conf/defs/archive.def"
#include "conf/defs/auth.def"
#include "conf/defs/deliver.def"
#include "conf/defs/dns.def"
#include "conf/defs/imap.def"
#include "conf/defs/log.def"
#include "conf/defs/events.def"
#include "conf/defs/mailbox.def"
#include "conf/defs/managesieve.def"
#include "conf/defs/net.def"
#include "conf/defs/pop3.def"
#include "conf/defs/queue.def"
#include "conf/defs/sieve.def"
#include "conf/defs/sms.def"
#include "conf/defs/smtp.def"
#include "conf/defs/system.def"
#include "conf/defs/web.def"
};
#undef SETTING

static pthread_once_t sorted = PTHREAD_ONCE_INIT;

const char *const conf_type_names[] = { "BOOL",   "INT",  "SIZE", "DURATION",
                                        "STRING", "ENUM", "LIST", "SECRET" };

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct setting *)a)->name, ((const struct setting *)b)->name);
}

static void sort_table(void)
{
    qsort(table, ARRAY_LEN(table), sizeof(table[0]), by_name);
}

const struct setting *conf_settings(size_t *ret_n)
{
    pthread_once(&sorted, sort_table);
    *ret_n = ARRAY_LEN(table);
    return table;
}

const struct setting *conf_find(struct sv name)
{
    size_t n;
    const struct setting *all = conf_settings(&n);
    for (size_t i = 0; i < n; i++)
        if (sv_ieq(name, sv_c(all[i].name)) ||
            (all[i].api_var && sv_ieq(name, sv_c(all[i].api_var))))
            return &all[i];
    return NULL;
}

enum { MAX_NAME = 64, MAX_NEAR = 3 };

/* Levenshtein distance, case ignored; both at most MAX_NAME long. */
static unsigned distance(struct sv a, struct sv b)
{
    unsigned row[MAX_NAME + 1];
    for (size_t j = 0; j <= b.n; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= a.n; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b.n; j++) {
            unsigned above = row[j];
            unsigned swap = diagonal + (ascii_lower(a.p[i - 1]) != ascii_lower(b.p[j - 1]));
            row[j] = MIN(MIN(above, row[j - 1]) + 1, swap);
            diagonal = above;
        }
    }
    return row[b.n];
}

/* How far a setting's name is from what was typed. Without a dot only the part behind the room is
 * compared, so that "max_errors" finds smtp.max_errors. */
static unsigned far_from(struct sv typed, const struct setting *s)
{
    struct sv name = sv_c(s->name);
    if (sv_find(typed, '.') < 0)
        name = sv_skip(name, strlen(s->room) + 1);
    unsigned d = distance(typed, sv_take(name, MAX_NAME));
    /* The right words in the wrong room, or a part of the name, are near too. */
    if (typed.n >= 4 && sv_ifind_sv(name, typed) >= 0)
        d = MIN(d, 2);
    struct sv tail = sv_skip(typed, (size_t)(sv_rfind(typed, '.') + 1));
    if (tail.n >= 4 && sv_ieq(tail, sv_skip(sv_c(s->name), strlen(s->room) + 1)))
        d = MIN(d, 3);
    return d;
}

int conf_unknown_name(struct sv name, struct errinfo *ei)
{
    struct sv typed = sv_take(name, MAX_NAME);
    size_t n, found = 0;
    const struct setting *all = conf_settings(&n), *near[MAX_NEAR];
    unsigned far[MAX_NEAR];
    unsigned limit = (unsigned)MAX(2, typed.n / 3);
    for (size_t i = 0; i < n; i++) {
        unsigned d = far_from(typed, &all[i]);
        if (d > limit || (found == MAX_NEAR && d >= far[found - 1]))
            continue;
        size_t at = found < MAX_NEAR ? found++ : found - 1;
        for (; at > 0 && far[at - 1] > d; at--) {
            far[at] = far[at - 1];
            near[at] = near[at - 1];
        }
        far[at] = d;
        near[at] = &all[i];
    }
    while (found > 1 && far[0] == 0 && far[found - 1] > 0) /* only the room is missing */
        found--;
    if (found == 0)
        return err_set(ei, E_NOTFOUND, "unknown setting '" SV_FMT "'; 'list' shows all names",
                       SV_ARG(typed));
    return err_set(ei, E_NOTFOUND, "unknown setting '" SV_FMT "'; did you mean %s%s%s%s%s?",
                   SV_ARG(typed), near[0]->name,
                   found > 2   ? ", "
                   : found > 1 ? " or "
                               : "",
                   found > 1 ? near[1]->name : "", found > 2 ? " or " : "",
                   found > 2 ? near[2]->name : "");
}
