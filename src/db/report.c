/* What the db room tells others: error sentences, counters, the SQL log. Values of parameters are
 * never logged: they may be passwords. Any thread. */
#include "db/db_priv.h"

#include "base/clock.h"
#include "log/log.h"
#include "stats/shm.h"

static const struct logctx sql_log = { .type = LOG_SQL, .source = "", .prefix = "" };

/* The start of a statement on one line, for messages of limited length. */
static void squeeze(const char *sql, char *out, size_t cap)
{
    size_t n = 0;
    bool space = true;
    for (; *sql && n + 1 < cap; sql++) {
        bool white = *sql == ' ' || *sql == '\n' || *sql == '\t' || *sql == '\r';
        if (white && space)
            continue;
        out[n++] = white ? ' ' : *sql;
        space = white;
    }
    if (*sql && n > 3)
        memset(out + n - 3, '.', 3);
    out[n] = '\0';
}

int db_fail(const struct db *db, struct errinfo *ei, int code, const char *message, const char *sql)
{
    char start[96] = "", text[120];
    squeeze(message ? message : err_name(code), text, sizeof(text));
    ctr_inc(CTR_db_errors);
    if (sql)
        squeeze(sql, start, sizeof(start));
    if (log_on(LOG_SQL, LOG_SUMMARY)) {
        log_line(&sql_log, LOG_SUMMARY, "%s: failed: %s%s%s", db->where,
                 message ? message : err_name(code), sql ? "; statement: " : "", sql ? sql : "");
    }
    return err_set(ei, code, "%s%s%s", text, sql ? "; statement: " : "", start);
}

/* Who could not even start says so himself. */
int db_unreachable(struct db *db, struct errinfo *ei, const char *message)
{
    char text[200];
    int64_t there = -1;
    squeeze(message, text, sizeof(text));
    if (atomic_compare_exchange_strong(&db->away_ms, &there, MAX(clock_mono_ms(), 1)))
        log_error("database %s cannot be reached: %s; mail is put off and logins are refused until "
                  "it answers; start it, or name another one in config/database",
                  db->where, text);
    return db_fail(db, ei, E_TEMP, message, NULL);
}

void db_reached(struct db *db)
{
    int64_t since = atomic_exchange(&db->away_ms, -1);
    if (since > 0)
        log_warn("database %s is there again, after %" PRId64 " s", db->where,
                 (clock_mono_ms() - since) / 1000);
}

void db_note_query(const char *sql)
{
    ctr_inc(CTR_db_queries);
    if (log_on(LOG_SQL, LOG_DEBUG))
        log_line(&sql_log, LOG_DEBUG, "%s", sql);
}

void db_note_connect(const struct db *db, const char *what)
{
    if (log_on(LOG_SQL, LOG_EXTENDED))
        log_line(&sql_log, LOG_EXTENDED, "%s: %s", db->where, what);
}

int db_note_result(struct dbc *c, int r)
{
    if (r < 0 && c->in_tx && c->tx_err == 0)
        c->tx_err = r;
    return r;
}
