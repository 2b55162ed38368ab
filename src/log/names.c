/* One table for who writes the files and who reads them. Pure. */
#include "log/names.h"

/* letter in the log directory itself, or a subdirectory. */
static const struct {
    const char *letter, *subdir;
} places[LOG_TYPE_COUNT] = {
    [LOG_SMTP] = { "s", NULL },
    [LOG_POP3] = { "p", NULL },
    [LOG_IMAP] = { "m", NULL },
    [LOG_WEB] = { "c", NULL },
    [LOG_ERRORS] = { "e", NULL },
    [LOG_AUTH] = { "", "auth" },
    [LOG_MAINTENANCE] = { "", "maintenance" },
    [LOG_MAILFLOW] = { "", "mailflow" },
    [LOG_DNS] = { "", "dns" },
    [LOG_SQL] = { "", "sql" },
    [LOG_MANAGESIEVE] = { "v", NULL },
};

const char *const log_type_names[LOG_TYPE_COUNT] = {
    [LOG_SMTP] = "smtp",
    [LOG_POP3] = "pop3",
    [LOG_IMAP] = "imap",
    [LOG_WEB] = "control",
    [LOG_ERRORS] = "errors",
    [LOG_AUTH] = "auth",
    [LOG_MAINTENANCE] = "maintenance",
    [LOG_MAILFLOW] = "mailflow",
    [LOG_DNS] = "dns",
    [LOG_SQL] = "sql",
    [LOG_MANAGESIEVE] = "managesieve",
};

const char *log_letter(enum log_type t)
{
    return places[t].letter;
}

const char *log_subdir(enum log_type t)
{
    return places[t].subdir;
}

char *log_dir_of(const char *dir, enum log_type t)
{
    return places[t].subdir ? xasprintf("%s/%s", dir, places[t].subdir) : xstrdup(dir);
}

bool log_name_parse(enum log_type t, const char *server_id, struct sv name, uint32_t *ret_ymd,
                    unsigned *ret_nn)
{
    if (!sv_starts(name, sv_c(places[t].letter)))
        return false;
    name = sv_skip(name, strlen(places[t].letter));
    if (server_id && !sv_starts(name, sv_c(server_id)))
        return false;
    ssize_t dash = sv_rfind(name, '-');
    if (dash < 8 || dash > 10)
        return false;
    size_t id = server_id ? strlen(server_id) : (size_t)dash - 8;
    struct sv date = sv_take(sv_skip(name, id), 8), rest = sv_skip(name, id + 8);
    if (!sv_starts(rest, SV("-")) || !sv_iends(rest, SV(".log")) || rest.n < 7)
        return false;
    return date.n == 8 && sv_to_u32(date, ret_ymd) == 0 && *ret_ymd >= 10000101 &&
           sv_to_u32(sv_n(rest.p + 1, rest.n - 5), ret_nn) == 0;
}
