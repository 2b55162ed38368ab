/* Lists in pages: sorted, filtered by q, continued by a cursor that names the last row given, so
 * that rows that come or go between two pages neither repeat nor hide others. */
#pragma once

#include "base/top.h"
#include "mail/account/address.h"
#include "server/api/route.h"

#define API_PAGE_DEFAULT 100

/* What a row is sorted by: a number or a text, and the id that makes it unique. Rows with equal
 * numbers are ordered by text, then id. */
struct api_key {
    int64_t n;
    char text[104]; /* compared up to here */
    char id[ADDR_MAX + 8];
};

/* A page of rows that are looked at one by one, whatever their number: memory for one page only. */
struct api_page {
    struct api_call *c;
    size_t limit, total;
    char sort[24]; /* without its sign */
    bool down, from_cursor;
    struct api_key after;
    struct top top;
};
/* Reads limit, cursor and sort. False: answered (bad cursor). payload: bytes of a row. dflt: the
 * order without a sort parameter, such as "-age". */
bool api_page_begin(struct api_page *p, struct api_call *c, size_t payload, const char *dflt);
/* Counts the row and keeps it when it belongs to this page. */
void api_page_add(struct api_page *p, const struct api_key *k, const void *payload);
/* Answers and frees. row: makes the item, or NULL to leave it out. */
void api_page_end(struct api_page *p, json_t *(*row)(struct api_call *c, const void *payload));

/* The pieces, for lists that the database pages by itself. */
size_t api_page_limit(const struct api_call *c);
/* The id of the cursor; "" = from the start. False: answered. */
bool api_page_cursor(struct api_call *c, char *ret, size_t cap);
bool api_page_bad_cursor(struct api_call *c); /* answers that it names no row; false */
json_t *api_cursor_json(const char *id);      /* that api_page_cursor reads. New reference. */
/* items: taken. last_id: of the last item when there are more rows, else NULL. */
void api_page_answer(struct api_call *c, json_t *items, const char *last_id, int64_t total,
                     bool exact);
/* A page of a list that is there as a whole: of the items that fit q, those behind the cursor.
 * items: taken. id: the field that names an item. */
void api_page_of(struct api_call *c, json_t *items, const char *id, bool exact);
/* Does q (texts with ; between them, - in front = not) fit the row's texts? */
bool api_q_matches(const char *q, const char *const *texts, size_t n);
bool api_q_fits(const char *q, struct sv text); /* the same for one text */
