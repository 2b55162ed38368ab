/* Names, groups, units. */
#include "samples/series.h"

const char *const series_kind_names[] = { [SERIES_COUNTER] = "counter", [SERIES_PEAK] = "peak" };

/* Counters are grouped by the beginning of their names. */
static const struct {
    const char *prefix, *group;
} groups[] = {
    { "smtp_", "smtp" },        { "queue_", "queue" },
    { "deliver_", "delivery" }, { "pop3_", "pop3" },
    { "imap_", "imap" },        { "mailbox_", "mailboxes" },
    { "conn_", "network" },     { "tls_", "network" },
    { "bytes_", "network" },    { "auth_", "logins" },
    { "log_", "logs" },         { "db_", "database" },
    { "web_", "control" },      { "managesieve_", "managesieve" },
};

static const struct {
    const char *name, *group, *help;
} peaks[SVC_COUNT] = {
    [SVC_SMTP] = { "sessions_smtp", "smtp", "SMTP sessions open at once" },
    [SVC_SUBMISSION] = { "sessions_submission", "smtp", "Submission sessions open at once" },
    [SVC_SMTP_CLIENT] = { "sessions_smtp_client", "delivery",
                          "Sessions with other servers open at once" },
    [SVC_POP3] = { "sessions_pop3", "pop3", "POP3 sessions open at once" },
    [SVC_IMAP] = { "sessions_imap", "imap", "IMAP sessions open at once" },
    [SVC_MANAGESIEVE] = { "sessions_managesieve", "managesieve",
                          "ManageSieve sessions open at once" },
    [SVC_CONTROL] = { "sessions_control", "control", "Sessions of administrators open at once" },
};

enum series_kind series_kind(int i)
{
    return i < CTR_COUNT ? SERIES_COUNTER : SERIES_PEAK;
}

const char *series_name(int i)
{
    return i < CTR_COUNT ? counter_names[i] : peaks[i - CTR_COUNT].name;
}

const char *series_group(int i)
{
    if (i >= CTR_COUNT)
        return peaks[i - CTR_COUNT].group;
    for (size_t g = 0; g < ARRAY_LEN(groups); g++)
        if (sv_starts(sv_c(counter_names[i]), sv_c(groups[g].prefix)))
            return groups[g].group;
    return "server";
}

const char *series_unit(int i)
{
    return i < CTR_COUNT && sv_find_sv(sv_c(counter_names[i]), SV("bytes")) >= 0 ? "bytes"
                                                                                 : "count";
}

const char *series_help(int i)
{
    return i < CTR_COUNT ? counter_helps[i] : peaks[i - CTR_COUNT].help;
}

int series_find(struct sv name)
{
    for (int i = 0; i < SERIES_COUNT; i++)
        if (sv_eq(name, sv_c(series_name(i))))
            return i;
    return -1;
}

void series_now(struct shm *s, bool take, uint64_t ret[SERIES_COUNT])
{
    for (int i = 0; i < CTR_COUNT; i++)
        ret[i] = ctr_get(s, (enum counter)i);
    for (int i = CTR_COUNT; i < SERIES_COUNT; i++)
        ret[i] = shm_sessions_peak(s, (enum service)(i - CTR_COUNT), take);
}
