/* Table id_sequence: one row a kind of object. */
#include "mail/account/ids.h"

int id_next(struct dbc *c, const char *sequence, int64_t *ret, struct errinfo *ei)
{
    int r =
        db_run(c, ei, "UPDATE id_sequence SET last_id = last_id + 1 WHERE name = ?", "s", sequence);
    if (r < 0)
        return r;
    return db_value(c, ret, ei, "SELECT last_id FROM id_sequence WHERE name = ?", "s", sequence);
}
