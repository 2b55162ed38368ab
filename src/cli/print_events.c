/* Events, messages and transcripts for people. */
#include "cli/print_priv.h"

#include <stdio.h>
#include <time.h>

#include "base/base.h"

/* "2026-11-27T02:21:43.123456Z" as local time. */
static void local_time(const char *rfc3339, char *out, size_t cap)
{
    struct tm tm = { 0 };
    int us = 0;
    time_t t;

    if (sscanf(rfc3339, "%d-%d-%dT%d:%d:%d.%6d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
               &tm.tm_min, &tm.tm_sec, &us) != 7) {
        snprintf(out, cap, "-");
        return;
    }
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    t = timegm(&tm);
    if (localtime_r(&t, &tm)) {
        size_t n = strftime(out, cap, "%Y-%m-%d %H:%M:%S", &tm);
        snprintf(out + n, cap - n, ".%03d", us / 1000);
    }
}

static void print_event(json_t *e)
{
    char at[40], text[1024];
    const char *session = print_text(e, "session");

    local_time(print_text(e, "time"), at, sizeof(at));
    print_safe(print_text(e, "sentence"), text, sizeof(text));
    printf("%s  %-4s  %-24s %s\n", at, strlen(session) == 16 ? session + 12 : "",
           print_text(e, "name"), text);
}

void print_events(json_t *rows)
{
    size_t i;
    json_t *e;

    json_array_foreach(rows, i, e) print_event(e);
    if (i == 0)
        puts("no events");
}

static void print_explanation(json_t *e, const char *indent)
{
    if (!json_is_object(e))
        return;
    printf("%scause:   %s\n%sremedy:  %s\n", indent, print_text(e, "cause"), indent,
           print_text(e, "remedy"));
    if (*print_text(e, "setting"))
        printf("%ssetting: %s\n", indent, print_text(e, "setting"));
}

static void print_verdict(json_t *m)
{
    char text[1024], at[40];
    json_t *rcpts = json_object_get(m, "recipients"), *r;
    size_t i;

    print_safe(print_text(m, "sender"), text, sizeof(text));
    printf("%s from <%s>: %s\n", *print_text(m, "id") ? print_text(m, "id") : "(no id)", text,
           print_text(m, "verdict"));
    json_array_foreach(rcpts, i, r)
    {
        print_safe(print_text(r, "address"), text, sizeof(text));
        printf("  %-10s %s", print_text(r, "state"), text);
        print_safe(print_text(r, "reply"), text, sizeof(text));
        printf("%s%s\n", *text ? ": " : "", text);
        print_explanation(json_object_get(r, "explanation"), "             ");
    }
    if (json_array_size(rcpts) == 0 && json_is_object(json_object_get(m, "decisive"))) {
        print_safe(print_text(json_object_get(m, "decisive"), "sentence"), text, sizeof(text));
        printf("  %s\n", text);
        print_explanation(json_object_get(m, "explanation"), "  ");
    }
    if (*print_text(m, "next_try")) {
        local_time(print_text(m, "next_try"), at, sizeof(at));
        printf("  next try %s\n", at);
    }
}

/* A message with its events, or several messages. */
void print_trace(json_t *reply)
{
    json_t *m = json_object_get(reply, "message"), *rows = json_object_get(reply, "rows"), *row;
    size_t i;

    if (m) {
        print_verdict(m);
        json_array_foreach(rows, i, row) print_event(row);
        return;
    }
    json_array_foreach(rows, i, row)
    {
        char at[40];

        local_time(print_text(row, "time"), at, sizeof(at));
        printf("%s  ", at);
        print_verdict(row);
    }
    if (i == 0)
        puts("no message; since=7d looks further back");
}

void print_transcript(json_t *reply)
{
    json_t *rows = json_object_get(reply, "rows"), *l, *end = json_object_get(reply, "end");
    char at[40], text[4096];
    size_t i;

    printf("session %s\n", print_text(reply, "session"));
    json_array_foreach(rows, i, l)
    {
        const char *type = print_text(l, "type"), *rest = print_text(l, "text");
        const char *mark = !strcmp(type, "in") ? "<<< " : !strcmp(type, "out") ? ">>> " : "";

        local_time(print_text(l, "time"), at, sizeof(at));
        printf("%s %s", at + 11, mark);
        for (const char *nl; (nl = strchr(rest, '\n')); rest = nl + 1) {
            _cleanup_(freep) char *line = xstrndup(rest, (size_t)(nl - rest));

            print_safe(line, text, sizeof(text));
            puts(text);
        }
        print_safe(rest, text, sizeof(text));
        puts(text);
    }
    if (i == 0)
        puts("no lines of it are kept (events.transcripts, events.transcript_days)");
    if (json_is_object(end))
        print_event(end);
}
