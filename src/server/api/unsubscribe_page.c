#include "server/api/unsubscribe_page.h"

#include "conf/conf.h"
#include "log/log.h"
#include "mail/account/unsubscribe.h"
#include "server/api/rate.h"

struct wish { /* canonical texts of the URL; "" = absent */
    char list[400], member[400], key[40];
};

bool unsubscribe_is_page(const struct http_request *h)
{
    return sv_eq(h->path, SV(UNSUBSCRIBE_PATH));
}

/* False: not such a URL. */
static bool read_wish(struct sv query, struct wish *ret)
{
    const struct {
        struct sv name;
        char *to;
        size_t cap;
    } fields[] = { { SV("list"), ret->list, sizeof(ret->list) },
                   { SV("member"), ret->member, sizeof(ret->member) },
                   { SV("key"), ret->key, sizeof(ret->key) } };
    struct sv rest = query;

    *ret = (struct wish){ 0 };
    while (rest.p) {
        struct sv value = sv_split(&rest, '&'), name = sv_split(&value, '=');

        for (size_t i = 0; i < ARRAY_LEN(fields); i++)
            if (sv_eq(name, fields[i].name) &&
                (*fields[i].to || !value.p ||
                 !api_percent_decode(value, false, fields[i].to, fields[i].cap)))
                return false;
    }
    return *ret->list && *ret->member && *ret->key;
}

/* RFC 8058 3.1: a form field, urlencoded or multipart. */
static bool is_one_click(struct sv body)
{
    return sv_find_sv(body, SV("List-Unsubscribe")) >= 0 && sv_find_sv(body, SV("One-Click")) >= 0;
}

/* --- pages --- */

static void add_text(struct buf *b, const char *text)
{
    for (; *text; text++) {
        const char *as = *text == '<'   ? "&lt;"
                         : *text == '>' ? "&gt;"
                         : *text == '&' ? "&amp;"
                         : *text == '"' ? "&quot;"
                                        : NULL;

        if (as)
            buf_add_str(b, as);
        else
            buf_add_c(b, *text);
    }
}

static void begin(struct http_response *out, int status, const char *title)
{
    out->status = status;
    out->type = "text/html; charset=utf-8";
    buf_init(&out->body, 64 * KiB);
    buf_addf(&out->body,
             "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
             "<meta name=\"viewport\" content=\"width=device-width\">"
             "<meta name=\"robots\" content=\"noindex\"><title>%s</title></head>\n"
             "<body><main><h1>%s</h1>\n",
             title, title);
}

static void end(struct http_response *out)
{
    buf_add_str(&out->body, "</main></body></html>\n");
    buf_add_str(&out->headers, "Cache-Control: no-store\n");
}

static void say(struct http_response *out, int status, const char *title, const char *text)
{
    begin(out, status, title);
    buf_addf(&out->body, "<p>%s</p>\n", text);
    end(out);
}

static void ask(struct http_response *out, const struct wish *w)
{
    begin(out, 200, "Leave the mailing list?");
    buf_add_str(&out->body, "<p><b>");
    add_text(&out->body, w->member);
    buf_add_str(&out->body, "</b> will get no more messages of the list <b>");
    add_text(&out->body, w->list);
    buf_add_str(&out->body, "</b>.</p>\n<form method=\"post\"><input type=\"hidden\" "
                            "name=\"List-Unsubscribe\" value=\"One-Click\">"
                            "<button type=\"submit\">Leave the list</button></form>\n");
    end(out);
}

static void told(struct http_response *out, const struct wish *w)
{
    begin(out, 200, "You have left the mailing list");
    buf_add_str(&out->body, "<p><b>");
    add_text(&out->body, w->member);
    buf_add_str(&out->body, "</b> is no member of the list <b>");
    add_text(&out->body, w->list);
    buf_add_str(&out->body,
                "</b> any more. Messages that are on their way may still arrive.</p>\n");
    end(out);
}

/* --- */

static void unavailable(struct http_response *out)
{
    say(out, 503, "Not now", "The server cannot do this now. Please try again later.");
}

static void leave(struct api *a, const struct wish *w, struct http_response *out)
{
    struct errinfo ei = { 0 };
    int r = unsubscribe(a->o.admin->accounts, sv_c(w->list), sv_c(w->member), &ei);

    if (r < 0) {
        log_error("A member cannot leave the list %s: %s", w->list, ei.text);
        unavailable(out);
    } else {
        told(out, w);
    }
}

static void answer(struct api *a, const struct http_request *h, struct http_response *out)
{
    bool post = !strcmp(h->method, "POST");
    struct wish w;
    int r;

    if (!post && strcmp(h->method, "GET") && strcmp(h->method, "HEAD")) {
        say(out, 405, "Not possible", "This page can be read, and its form can be sent.");
        buf_add_str(&out->headers, "Allow: GET, POST\n");
        return;
    }
    r = read_wish(h->query, &w) ? unsubscribe_check(a->o.admin->accounts, sv_c(w.list),
                                                    sv_c(w.member), sv_c(w.key), NULL)
                                : 0;
    if (r < 0)
        unavailable(out);
    else if (r == 0)
        say(out, 404, "This link is not valid",
            "Perhaps it was cut off. Use the whole link of a newer message of the list, or write "
            "to the list's owner.");
    else if (!post)
        ask(out, &w);
    else if (!is_one_click(h->body))
        say(out, 400, "Nothing was done", "The request lacks List-Unsubscribe=One-Click.");
    else
        leave(a, &w, out);
}

void unsubscribe_page(struct api *a, const struct http_request *h, struct http_response *out)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    int wait_s;

    if (h->trusted || rate_take(a->unsubscribe_rate, h->peer, cf->web.unsubscribe_rate, &wait_s)) {
        answer(a, h, out);
    } else {
        say(out, 429, "Too often",
            "Too many requests came from your network. Please try again in "
            "a minute.");
        buf_addf(&out->headers, "Retry-After: %d\n", wait_s);
    }
    log_line(log_here(), LOG_SUMMARY, "%s " UNSUBSCRIBE_PATH " %d", h->method, out->status);
}
