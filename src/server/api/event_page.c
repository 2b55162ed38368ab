/* Cursors and times of lists made from events. */
#include "server/api/event_page.h"

#include "base/clock.h"
#include "server/api/page.h"

int64_t api_query_time_us(const struct api_call *c, const char *name)
{
    const char *text = api_query(c, name);
    int64_t ms = 0;

    return text && api_parse_time(text, clock_wall_ms(), &ms) ? ms * 1000 : 0;
}

bool api_event_cursor(struct api_call *c, struct event_cursor *ret)
{
    char text[EVENT_CURSOR_TEXT];

    *ret = (struct event_cursor){ 0 };
    if (!api_query(c, "cursor"))
        admin_write_events(api_admin_of(c));
    if (!api_page_cursor(c, text, sizeof(text)))
        return false;
    if (!*text || event_cursor_parse(sv_c(text), ret) == 0)
        return true;
    api_fail(c, 400, "invalid_parameter", "cursor", "cursor: not of this list");
    return false;
}

void api_event_page(struct api_call *c, int r, const struct errinfo *ei, json_t *items,
                    const struct event_cursor *next)
{
    char text[EVENT_CURSOR_TEXT];

    if (r < 0) {
        json_decref(items);
        api_fail_err(c, r, ei->text);
        return;
    }
    if (next)
        event_cursor_text(next, text);
    api_page_answer(c, items, next ? text : NULL, (int64_t)json_array_size(items),
                    !next && !api_query(c, "cursor"));
}
