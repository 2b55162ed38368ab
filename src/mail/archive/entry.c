/* Names and envelopes of archived messages. Fields have one line each; an address that holds
 * control characters, which no parser of SMTP lets through, gets question marks. */
#include "mail/archive/entry.h"

#include <stdio.h>
#include <time.h>

#define FIRST "X-Archive: version=1 bytes="

enum { DIGITS = 10, MAX_ID = 11, KEY = 16 };

/* --- names --- */

void entry_name(int64_t received_ms, const char *id, uint64_t key, char ret[ENTRY_NAME])
{
    time_t s = (time_t)(received_ms / 1000);
    struct tm tm = { 0 };
    char stamp[24];
    gmtime_r(&s, &tm);
    strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%S", &tm);
    snprintf(ret, ENTRY_NAME, "%.15s-%.11s-%016" PRIX64, stamp, id, key);
}

static bool digits(struct sv s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return s.n > 0;
}

static int number(struct sv s, size_t at, size_t n)
{
    int v = 0;
    for (size_t i = at; i < at + n; i++)
        v = v * 10 + (s.p[i] - '0');
    return v;
}

/* YYYYMMDDThhmmss */
static bool parse_stamp(struct sv s, int64_t *ret_s)
{
    if (s.n != ENTRY_STAMP || !digits(sv_take(s, 8)) || s.p[8] != 'T' || !digits(sv_skip(s, 9)))
        return false;
    struct tm tm = { .tm_year = number(s, 0, 4) - 1900,
                     .tm_mon = number(s, 4, 2) - 1,
                     .tm_mday = number(s, 6, 2),
                     .tm_hour = number(s, 9, 2),
                     .tm_min = number(s, 11, 2),
                     .tm_sec = number(s, 13, 2) };
    if (tm.tm_mon < 0 || tm.tm_mon > 11 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 ||
        tm.tm_min > 59 || tm.tm_sec > 60)
        return false;
    *ret_s = (int64_t)timegm(&tm);
    return true;
}

static bool is_key(struct sv s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!(s.p[i] >= '0' && s.p[i] <= '9') && !(s.p[i] >= 'A' && s.p[i] <= 'F'))
            return false;
    return s.n == KEY;
}

static bool is_id(struct sv s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!(s.p[i] >= '0' && s.p[i] <= '9') && !(s.p[i] >= 'A' && s.p[i] <= 'Z'))
            return false;
    return s.n > 0 && s.n <= MAX_ID;
}

bool entry_name_parse(struct sv name, int64_t *ret_s, struct sv *ret_id)
{
    struct sv rest = name;
    if (name.n >= ENTRY_NAME)
        return false;
    struct sv stamp = sv_split(&rest, '-'), id = sv_split(&rest, '-');
    int64_t s;
    if (!parse_stamp(stamp, &s) || !id.p || !is_id(id) || !rest.p || !is_key(rest))
        return false;
    if (ret_s)
        *ret_s = s;
    if (ret_id)
        *ret_id = id;
    return true;
}

void entry_folder(const char *name, char ret[ENTRY_FOLDER])
{
    snprintf(ret, ENTRY_FOLDER, "%.4s-%.2s-%.2s/%.2s", name, name + 4, name + 6, name + 9);
}

/* --- writing --- */

static void put_text(struct buf *out, struct sv s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        buf_add_c(out, c < ' ' || c == 0x7f ? '?' : (char)c);
    }
}

static void put_field(struct buf *out, const char *name, struct sv value)
{
    if (!value.n)
        return;
    buf_addf(out, "X-Archive-%s: ", name);
    put_text(out, value);
    buf_add_str(out, "\r\n");
}

static void put_path(struct buf *out, struct sv address)
{
    buf_add_c(out, '<');
    put_text(out, address);
    buf_add_c(out, '>');
}

static void put_rcpt(struct buf *out, const struct entry_rcpt *r)
{
    buf_addf(out, "X-Archive-Recipient: %s ", r->local ? "local" : "remote");
    put_path(out, r->address);
    if (r->original.n && !sv_eq(r->original, r->address)) {
        buf_add_str(out, " by ");
        put_path(out, r->original);
    }
    buf_add_str(out, "\r\n");
}

int entry_write(const struct entry *e, struct buf *out)
{
    time_t s = (time_t)e->received_s;
    struct tm tm = { 0 };
    char at[32], number[DIGITS + 1];
    size_t start = out->n;
    gmtime_r(&s, &tm);
    strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%SZ", &tm);
    buf_add_str(out, FIRST "0000000000\r\n");
    put_field(out, "Id", e->id);
    put_field(out, "Received", sv_c(at));
    put_field(out, "Peer", e->peer);
    put_field(out, "Login", e->login);
    put_field(out, "Original", e->parent);
    buf_add_str(out, "X-Archive-Sender: ");
    put_path(out, e->sender);
    buf_add_str(out, "\r\n");
    for (size_t i = 0; i < e->n_rcpts; i++)
        put_rcpt(out, &e->rcpts[i]);
    if (out->overflow || out->n - start >= ENTRY_MAX)
        return E_RANGE;
    snprintf(number, sizeof(number), "%010zu", out->n - start);
    memcpy(out->p + start + strlen(FIRST), number, DIGITS);
    return 0;
}

/* --- reading --- */

size_t entry_length(struct sv first)
{
    size_t head = strlen(FIRST);
    uint64_t n = 0;
    if (first.n < head + DIGITS + 2 || !sv_eq(sv_take(first, head), SV(FIRST)))
        return 0;
    struct sv number_text = sv_take(sv_skip(first, head), DIGITS);
    if (!digits(number_text) || sv_to_u64(number_text, &n) < 0 || n >= ENTRY_MAX ||
        n < head + DIGITS + 2)
        return 0;
    return (size_t)n;
}

/* "<a@b>", and what stands behind it. */
static bool take_path(struct sv *s, struct sv *ret)
{
    ssize_t end = sv_find(*s, '>');
    /* Quoted local parts may hold a '>': the last one before " by " or the end is meant. */
    ssize_t by = sv_find_sv(*s, SV("> by <"));
    if (by >= 0)
        end = by;
    else if (s->n && s->p[s->n - 1] == '>')
        end = (ssize_t)s->n - 1;
    if (end < 1 || s->p[0] != '<')
        return false;
    *ret = sv_n(s->p + 1, (size_t)end - 1);
    *s = sv_skip(*s, (size_t)end + 1);
    return true;
}

static bool read_rcpt(struct sv value, struct entry_rcpt *ret)
{
    struct sv rest = value, kind = sv_split(&rest, ' ');
    *ret = (struct entry_rcpt){ .local = sv_eq(kind, SV("local")), .original = SV("") };
    if ((!ret->local && !sv_eq(kind, SV("remote"))) || !rest.p || !take_path(&rest, &ret->address))
        return false;
    if (!rest.n)
        return true;
    if (!sv_eq(sv_take(rest, 4), SV(" by ")))
        return false;
    rest = sv_skip(rest, 4);
    return take_path(&rest, &ret->original) && !rest.n;
}

static bool read_time(struct sv v, int64_t *ret)
{
    char stamp[ENTRY_STAMP + 1];
    if (v.n != 20)
        return false;
    snprintf(stamp, sizeof(stamp), "%.4s%.2s%.2sT%.2s%.2s%.2s", v.p, v.p + 5, v.p + 8, v.p + 11,
             v.p + 14, v.p + 17);
    return parse_stamp(sv_c(stamp), ret);
}

static bool read_field(struct sv name, struct sv value, struct entry *e, size_t max_rcpts)
{
    if (sv_eq(name, SV("X-Archive-Id")))
        e->id = value;
    else if (sv_eq(name, SV("X-Archive-Peer")))
        e->peer = value;
    else if (sv_eq(name, SV("X-Archive-Login")))
        e->login = value;
    else if (sv_eq(name, SV("X-Archive-Original")))
        e->parent = value;
    else if (sv_eq(name, SV("X-Archive-Received")))
        return read_time(value, &e->received_s);
    else if (sv_eq(name, SV("X-Archive-Sender")))
        return take_path(&value, &e->sender) && !value.n;
    else if (sv_eq(name, SV("X-Archive-Recipient")))
        return e->n_rcpts < max_rcpts && read_rcpt(value, &e->rcpts[e->n_rcpts++]);
    return true; /* of a later version */
}

static size_t lines(struct sv text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++)
        n += text.p[i] == '\n';
    return n;
}

int entry_read(struct sv text, struct arena *a, struct entry *ret, struct errinfo *ei)
{
    size_t n = entry_length(text), max = lines(text);
    *ret = (struct entry){ .id = SV(""),
                           .sender = SV(""),
                           .login = SV(""),
                           .peer = SV(""),
                           .parent = SV(""),
                           .length = n };
    if (!n || n != text.n)
        return err_set(ei, E_CORRUPT, "the file does not begin with the archive's fields");
    ret->rcpts = arena_alloc(a, (max + 1) * sizeof(*ret->rcpts));
    if (!ret->rcpts)
        return err_set(ei, E_RANGE, "the envelope is too large");
    while (text.n) {
        struct sv line = sv_split(&text, '\n');
        ssize_t colon = sv_find(line, ':');
        if (line.n < 3 || line.p[line.n - 1] != '\r' || colon < 0 || (size_t)colon + 3 > line.n ||
            line.p[colon + 1] != ' ')
            return err_set(ei, E_CORRUPT, "the archive's fields are damaged");
        struct sv value = sv_skip(sv_take(line, line.n - 1), (size_t)colon + 2);
        if (!read_field(sv_take(line, (size_t)colon), value, ret, max))
            return err_set(ei, E_CORRUPT, "the archive's field " SV_FMT " is damaged",
                           SV_ARG(sv_take(line, MIN((size_t)colon, 60))));
    }
    return 0;
}
