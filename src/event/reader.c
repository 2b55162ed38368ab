/* Walks over all modules, merged by time. */
#include "event/reader.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "event/walk.h"

void event_cursor_text(const struct event_cursor *c, char ret[EVENT_CURSOR_TEXT])
{
    for (int m = 0; m < MOD_COUNT; m++)
        snprintf(ret + 16 * m, 17, "%08x%08x", c->at[m].segment, c->at[m].offset);
}

static bool parse_hex(struct sv s, uint32_t *ret)
{
    uint32_t v = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = ascii_lower(s.p[i]);
        if (c >= '0' && c <= '9')
            v = v << 4 | (uint32_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            v = v << 4 | (uint32_t)(c - 'a' + 10);
        else
            return false;
    }
    *ret = v;
    return true;
}

int event_cursor_parse(struct sv text, struct event_cursor *ret)
{
    *ret = (struct event_cursor){ .set = true };
    if (text.n != EVENT_CURSOR_TEXT - 1)
        return E_PARSE;
    for (int m = 0; m < MOD_COUNT; m++)
        if (!parse_hex(sv_take(sv_skip(text, (size_t)(16 * m)), 8), &ret->at[m].segment) ||
            !parse_hex(sv_take(sv_skip(text, (size_t)(16 * m + 8)), 8), &ret->at[m].offset))
            return E_PARSE;
    return 0;
}

/* --- filter --- */

struct filter {
    const struct event_query *q;
    enum module module;  /* of the walk that asks */
    bool types[EVT_END]; /* those that the name means */
    bool all_types;
};

static bool is_one_of(uint64_t key, const uint64_t *keys, size_t n)
{
    size_t from = 0;
    while (from < n) {
        size_t middle = from + (n - from) / 2;
        if (keys[middle] == key)
            return true;
        if (keys[middle] < key)
            from = middle + 1;
        else
            n = middle;
    }
    return false;
}

static bool is_name(struct sv want, const char *name)
{
    bool prefix = want.n && want.p[want.n - 1] == '.';
    return prefix ? sv_starts(sv_c(name), want) : sv_eq(want, sv_c(name));
}

static int filter_init(struct filter *f, const struct event_query *q, struct errinfo *ei)
{
    unsigned n = 0;
    *f = (struct filter){ .q = q, .all_types = q->name.n == 0 };
    for (unsigned t = 0; t < EVT_END && q->name.n; t++) {
        f->types[t] = event_defs[t].name && (is_name(q->name, event_defs[t].name) ||
                                             is_name(q->or_name, event_defs[t].name));
        n += f->types[t];
    }
    if (q->name.n && !n)
        return err_set(ei, E_PARSE, "no event is named '%.*s'; docs/events.md lists them",
                       (int)MIN(q->name.n, (size_t)60), q->name.p);
    return 0;
}

static bool has_keys(const struct event_query *q, const struct record *r)
{
    return (!q->msgid.n || record_has(r, KEY_MSGID, q->msgid, 0)) &&
           (!q->address.n || record_has(r, KEY_ADDRESS, q->address, 0)) &&
           (!q->ip.n || record_has(r, KEY_IP, q->ip, 0));
}

static void view(struct event_view *ret, enum module m, const struct record *r)
{
    const struct event_def *d = r->head.type < EVT_END ? &event_defs[r->head.type] : NULL;
    *ret = (struct event_view){ m, *r, d && d->name ? d : NULL };
}

static bool keep(void *arg, const struct event_head *h, struct sv raw)
{
    struct filter *f = arg;
    const struct event_query *q = f->q;
    struct event_view e;
    struct record r;
    if ((q->from_us && h->time_us < q->from_us) || (q->to_us && h->time_us >= q->to_us) ||
        (q->session && h->session != q->session) || (q->message && h->message != q->message) ||
        (q->n_messages && !is_one_of(h->message, q->messages, q->n_messages)) ||
        (q->service && h->service != q->service) ||
        (!f->all_types && (h->type >= EVT_END || !f->types[h->type])))
        return false;
    /* The keys first: most records are none of them, and looking is safe before all is checked. */
    r = (struct record){ *h, sv_skip(raw, sizeof(*h)) };
    if (!has_keys(q, &r) || record_decode(raw, &r) <= 0)
        return false;
    view(&e, f->module, &r);
    if (q->severity && (!e.def || e.def->severity < q->severity))
        return false;
    return !q->match || q->match(&e, q->match_arg);
}

enum { TYPES_BY_INDEX = 8 }; /* more are found by reading on */
_Static_assert((int)EVENT_MESSAGES_MAX <= (int)WALK_HASHES, "one lookup for all");

/* The key that leaves the fewest candidates. */
static void choose_key(const struct filter *f, struct walk_opts *o)
{
    const struct event_query *q = f->q;
    o->n_hashes = 1;
    if (q->message) {
        o->hashes[0] = key_hash_number(KEY_MESSAGE, q->message);
    } else if (q->n_messages) {
        o->n_hashes = (unsigned)q->n_messages;
        for (size_t i = 0; i < q->n_messages; i++)
            o->hashes[i] = key_hash_number(KEY_MESSAGE, q->messages[i]);
    } else if (q->session) {
        o->hashes[0] = key_hash_number(KEY_SESSION, q->session);
    } else if (q->msgid.n) {
        o->hashes[0] = key_hash(KEY_MSGID, q->msgid);
    } else if (q->address.n) {
        o->hashes[0] = key_hash(KEY_ADDRESS, q->address);
    } else if (q->ip.n) {
        o->hashes[0] = key_hash(KEY_IP, q->ip);
    } else {
        o->n_hashes = 0;
        for (unsigned t = 0; t < EVT_END && !f->all_types; t++) {
            if (!f->types[t])
                continue;
            if (o->n_hashes == TYPES_BY_INDEX) {
                o->n_hashes = 0; /* so many: rather all */
                return;
            }
            o->hashes[o->n_hashes++] = key_hash_number(KEY_TYPE, t);
        }
    }
}

/* --- the merge --- */

struct merge {
    struct walk walk[MOD_COUNT];
    char dir[MOD_COUNT][SEGMENT_PATH];
    bool ended[MOD_COUNT];
    bool newest_first;
    int64_t until_ms; /* monotonic; 0 = no end */
};

static struct position begin_of(const struct event_cursor *c, int m, bool newest_first)
{
    if (c && c->set)
        return (struct position){ c->at[m].segment, c->at[m].offset };
    return newest_first ? (struct position){ UINT32_MAX, UINT32_MAX } : (struct position){ 0 };
}

/* Without a cursor newest first means: from what is there now. */
static void pin_begin(struct walk *w)
{
    if (w->o.newest_first && w->bound.segment == UINT32_MAX)
        w->bound = walk_end(w->o.dir, w->o.stream);
}

/* The walk with the next record; -1 = none is left, -2 = the time is up. */
static int find_next(struct merge *g)
{
    int best = -1;
    for (int m = 0; m < MOD_COUNT; m++) {
        enum walk_result r = WALK_AGAIN;
        while (!g->ended[m] && (r = walk_find(&g->walk[m])) == WALK_AGAIN)
            if (g->until_ms && clock_mono_ms() > g->until_ms)
                return -2;
        g->ended[m] |= r == WALK_END;
        if (g->ended[m])
            continue;
        int64_t t = g->walk[m].head.time_us;
        int64_t b = best < 0 ? 0 : g->walk[best].head.time_us;
        if (best < 0 || (g->newest_first ? t > b : t < b))
            best = m;
    }
    return best;
}

static void save_cursor(const struct merge *g, struct event_cursor *c)
{
    if (!c)
        return;
    c->set = true;
    for (int m = 0; m < MOD_COUNT; m++) {
        struct position p = walk_position(&g->walk[m]);
        c->at[m].segment = p.segment;
        c->at[m].offset = p.offset;
    }
}

static void merge_close(struct merge *g)
{
    for (int m = 0; m < MOD_COUNT; m++)
        walk_close(&g->walk[m]);
    free(g);
}

int event_query(const char *data_dir, const struct event_query *q, struct event_cursor *cursor,
                bool (*fn)(const struct event_view *e, void *arg), void *arg, bool *ret_more,
                struct errinfo *ei)
{
    struct filter filters[MOD_COUNT];
    struct merge *g = xcalloc(1, sizeof(*g));
    size_t n = 0;
    int m = 0, r = filter_init(&filters[0], q, ei);
    if (r < 0) {
        free(g);
        return r;
    }
    g->newest_first = !q->oldest_first;
    g->until_ms = q->budget_ms ? clock_mono_ms() + q->budget_ms : 0;
    for (m = 0; m < MOD_COUNT; m++) {
        filters[m] = filters[0];
        filters[m].module = (enum module)m;
        g->ended[m] = q->module && q->module != m + 1;
        store_dir(g->dir[m], data_dir, (enum module)m);
        struct walk_opts o = { .dir = g->dir[m],
                               .stream = STREAM_EVENTS,
                               .newest_first = g->newest_first,
                               .from_us = q->from_us,
                               .to_us = q->to_us,
                               .keep = keep,
                               .arg = &filters[m] };
        choose_key(&filters[m], &o);
        walk_open(&g->walk[m], &o, begin_of(cursor, m, g->newest_first));
        pin_begin(&g->walk[m]);
    }
    while ((m = find_next(g)) >= 0 && (!q->limit || n < q->limit)) {
        struct event_view e;
        struct record rec;
        bool more = true;
        if (record_decode(g->walk[m].raw, &rec) > 0) {
            view(&e, (enum module)m, &rec);
            more = fn(&e, arg);
            n++;
        }
        walk_take(&g->walk[m]);
        if (!more || (g->until_ms && clock_mono_ms() > g->until_ms))
            break;
    }
    if (ret_more)
        *ret_more = m != -1;
    save_cursor(g, cursor);
    merge_close(g);
    return 0;
}

void event_now(const char *data_dir, struct event_cursor *ret)
{
    *ret = (struct event_cursor){ .set = true };
    for (int m = 0; m < MOD_COUNT; m++) {
        char dir[SEGMENT_PATH];
        store_dir(dir, data_dir, (enum module)m);
        struct position p = walk_end(dir, STREAM_EVENTS);
        ret->at[m].segment = p.segment;
        ret->at[m].offset = p.offset;
    }
}

static bool any_since(const char *dir, struct position p)
{
    char path[SEGMENT_PATH];
    struct stat st;
    segment_path(path, dir, STREAM_EVENTS, p.segment, false);
    if (p.segment == 0 || stat(path, &st) < 0) {
        struct position end = walk_end(dir, STREAM_EVENTS);
        return position_cmp(end, p) > 0;
    }
    if ((uint64_t)st.st_size > p.offset)
        return true;
    segment_path(path, dir, STREAM_EVENTS, p.segment + 1, false);
    return access(path, F_OK) == 0;
}

bool event_any_since(const char *data_dir, const struct event_cursor *c)
{
    for (int m = 0; m < MOD_COUNT; m++) {
        char dir[SEGMENT_PATH];
        store_dir(dir, data_dir, (enum module)m);
        if (any_since(dir, (struct position){ c->at[m].segment, c->at[m].offset }))
            return true;
    }
    return false;
}

/* --- transcripts --- */

static bool keep_line(void *arg, const struct event_head *h, struct sv raw)
{
    (void)raw;
    return h->session == *(const uint64_t *)arg;
}

int event_transcript(const char *data_dir, uint64_t session, struct event_cursor *cursor,
                     bool (*fn)(const struct transcript_line *l, void *arg), void *arg)
{
    struct merge *g = xcalloc(1, sizeof(*g));
    int m;
    for (m = 0; m < MOD_COUNT; m++) {
        store_dir(g->dir[m], data_dir, (enum module)m);
        struct walk_opts o = { .dir = g->dir[m],
                               .stream = STREAM_TRANSCRIPTS,
                               .hashes = { key_hash_number(KEY_SESSION, session) },
                               .n_hashes = 1,
                               .keep = keep_line,
                               .arg = &session };
        walk_open(&g->walk[m], &o, begin_of(cursor, m, false));
    }
    while ((m = find_next(g)) >= 0) {
        struct event_head h;
        struct sv text;
        bool more = true;
        if (record_decode_transcript(g->walk[m].raw, &h, &text) > 0)
            more = fn(&(struct transcript_line){ h.time_us, (enum transcript_type)h.type, h.session,
                                                 text },
                      arg);
        walk_take(&g->walk[m]);
        if (!more)
            break;
    }
    save_cursor(g, cursor);
    merge_close(g);
    return 0;
}
