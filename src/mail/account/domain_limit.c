/* Amounts that a domain may send and keep: each of its accounts, and all together. Columns of its
 * row that have the names of the fields. Any thread. */
#include "mail/account/accounts_priv.h"

enum { MOST = 1000000000 };

const char *const domain_limit_names[DOMAIN_LIMITS] = {
    [DOMAIN_MAX_MESSAGES_HOUR] = "max_messages_hour",
    [DOMAIN_MAX_MESSAGES_DAY] = "max_messages_day",
    [DOMAIN_MAX_RECIPIENTS_HOUR] = "max_recipients_hour",
    [DOMAIN_MAX_RECIPIENTS_DAY] = "max_recipients_day",
    [DOMAIN_TOTAL_MESSAGES_HOUR] = "total_messages_hour",
    [DOMAIN_TOTAL_MESSAGES_DAY] = "total_messages_day",
    [DOMAIN_TOTAL_RECIPIENTS_HOUR] = "total_recipients_hour",
    [DOMAIN_TOTAL_RECIPIENTS_DAY] = "total_recipients_day",
    [DOMAIN_TOTAL_QUOTA] = "total_quota",
};

void domain_limits_from_row(struct db_stmt *s, int column, int64_t ret[DOMAIN_LIMITS])
{
    for (int i = 0; i < DOMAIN_LIMITS; i++)
        ret[i] = db_col_int(s, column + i);
}

int domain_limits_apply(const struct domain_spec *s, struct domain *d, struct errinfo *ei)
{
    int r = 0;
    for (size_t i = 0; i < DOMAIN_LIMITS && r == 0; i++) {
        const char *name = domain_limit_names[i], *text = s->limit[i];
        if (text)
            r = i == DOMAIN_TOTAL_QUOTA ? value_size(name, text, &d->limit[i], ei)
                                        : value_number(name, text, MOST, &d->limit[i], ei);
    }
    return r;
}

int domain_limits_write(struct change *ch, const struct domain *was, const struct domain *is)
{
    int r = 0;
    for (size_t i = 0; i < DOMAIN_LIMITS && r == 0; i++) {
        char sql[96];
        if (was->limit[i] == is->limit[i])
            continue;
        snprintf(sql, sizeof(sql), "UPDATE domain SET %s = ? WHERE id = ?", domain_limit_names[i]);
        r = db_run(ch->c, ch->ei, sql, "ii", is->limit[i], is->id);
    }
    return r;
}

int domain_limits_note(struct change *ch, const struct domain *was, const struct domain *is)
{
    int r = 0;
    for (size_t i = 0; i < DOMAIN_LIMITS && r == 0; i++)
        r = change_note_int(ch, domain_limit_names[i], was->limit[i], is->limit[i]);
    return r;
}
