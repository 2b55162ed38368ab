/* The little that must be known about SQL text: where statements end and where placeholders stand,
 * both outside quotes and comments. Pure. */
#include "db/db_priv.h"

/* Length of the quoted text or comment that starts at p, or 0. Quotes are doubled inside quotes, as
 * standard SQL does it. */
static size_t skip_opaque(const char *p, size_t n)
{
    if (*p == '\'' || *p == '"') {
        const char *end = memchr(p + 1, *p, n - 1);
        return end ? (size_t)(end - p) + 1 : n;
    }
    if (n >= 2 && p[0] == '-' && p[1] == '-') {
        const char *end = memchr(p, '\n', n);
        return end ? (size_t)(end - p) + 1 : n;
    }
    if (n >= 2 && p[0] == '/' && p[1] == '*') {
        const char *end = memmem(p + 2, n - 2, "*/", 2);
        return end ? (size_t)(end - p) + 2 : n;
    }
    return 0;
}

bool db_sql_next(struct sv *rest, struct sv *ret)
{
    while (rest->n > 0) {
        size_t i = 0;
        bool text = false;
        while (i < rest->n && rest->p[i] != ';') {
            size_t skip = skip_opaque(rest->p + i, rest->n - i);
            bool quoted = rest->p[i] == '\'' || rest->p[i] == '"';
            if (skip == 0)
                text = text || !strchr(" \t\r\n", rest->p[i]);
            else
                text = text || quoted;
            i += skip ? skip : 1;
        }
        *ret = sv_trim(sv_take(*rest, i));
        *rest = sv_skip(*rest, i + 1);
        if (text)
            return true;
    }
    return false;
}

int db_sql_number(const char *sql, struct buf *out)
{
    int count = 0;
    size_t n = strlen(sql);
    for (size_t i = 0; i < n;) {
        size_t skip = skip_opaque(sql + i, n - i);
        if (skip > 0) {
            buf_add(out, sql + i, skip);
            i += skip;
            continue;
        }
        if (sql[i] == '?')
            buf_addf(out, "$%d", ++count);
        else
            buf_add_c(out, sql[i]);
        i++;
    }
    buf_terminate(out);
    return count;
}

bool db_sql_reads_only(const char *sql)
{
    return sv_istarts(sv_trim(sv_c(sql)), SV("SELECT"));
}
