/* Messages of the mail archive. */
#include <stdio.h>
#include <time.h>

#include "base/buf.h"
#include "base/codec.h"
#include "cli/print_priv.h"

static void put(const char *title, const char *value)
{
    char text[1200];

    print_safe(value, text, sizeof(text));
    if (*text)
        printf("%-11s %s\n", title, text);
}

void print_archived(json_t *m)
{
    char at[40] = "", size[40];
    time_t s = (time_t)(json_integer_value(json_object_get(m, "received_ms")) / 1000);
    json_t *r;
    struct tm tm;
    size_t i;

    if (localtime_r(&s, &tm))
        strftime(at, sizeof(at), "%Y-%m-%d %H:%M:%S %z", &tm);
    snprintf(size, sizeof(size), "%" JSON_INTEGER_FORMAT " bytes",
             json_integer_value(json_object_get(m, "size")));
    put("name:", print_text(m, "name"));
    put("message id:", print_text(m, "id"));
    put("made from:", print_text(m, "original"));
    put("received:", at);
    put("from host:", print_text(m, "peer"));
    put("login:", print_text(m, "login"));
    put("sender:", *print_text(m, "sender") ? print_text(m, "sender") : "<>");
    json_array_foreach(json_object_get(m, "recipients"), i, r)
    {
        char text[700];

        snprintf(text, sizeof(text), "%s%s%s%s", print_text(r, "address"),
                 *print_text(r, "original") ? " by " : "", print_text(r, "original"),
                 json_is_true(json_object_get(r, "local")) ? "" : " (another server)");
        put("recipient:", text);
    }
    put("from:", print_text(m, "from"));
    put("to:", print_text(m, "to"));
    put("subject:", print_text(m, "subject"));
    put("size:", size);
}

void print_archive_sent(json_t *m)
{
    put("message id:", print_text(m, "id"));
}

void print_archive_status(json_t *m)
{
    char text[60];
    int64_t keep_s = json_integer_value(json_object_get(m, "keep_s"));
    const char *least = json_is_true(json_object_get(m, "complete")) ? "" : "at least ";

    put("enabled:", json_is_true(json_object_get(m, "enabled")) ? "yes" : "no");
    put("path:", print_text(m, "path"));
    snprintf(text, sizeof(text), "%" PRId64 " days", keep_s / 86400);
    put("kept:", keep_s ? text : "for ever");
    snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT,
             json_integer_value(json_object_get(m, "days")));
    put("days:", text);
    put("first:", print_text(m, "first_day"));
    put("last:", print_text(m, "last_day"));
    snprintf(text, sizeof(text), "%s%" JSON_INTEGER_FORMAT, least,
             json_integer_value(json_object_get(m, "messages")));
    put("messages:", text);
    snprintf(text, sizeof(text), "%s%" JSON_INTEGER_FORMAT " bytes", least,
             json_integer_value(json_object_get(m, "bytes")));
    put("size:", text);
}

size_t print_piece(json_t *m)
{
    struct buf b;
    const char *text = print_text(m, "content");
    size_t n;

    buf_init(&b, strlen(text) + 1);
    n = base64_dec(sv_c(text), &b) == 0 && b.n ? fwrite(b.p, 1, b.n, stdout) : 0;
    buf_done(&b);
    return n;
}
