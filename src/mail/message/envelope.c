/* Envelope <-> bytes. Version 1: little-endian fixed fields, strings as u32 length and bytes.
 * Version 2 has a second byte of flags behind the first, and a third one where the second says so;
 * they are written where one of them is set.
 * Pure; the caller guards the bytes with a checksum, but decode trusts nothing. */
#include "mail/message/message.h"

enum {
    VERSION = 1,
    VERSION_FLAGS = 2,
    MAX_STRING = 65536,
    MIN_RCPT = 1 + 1 + 1 + 8 + 5 * 4, /* bytes of a recipient whose strings are empty */
};

enum {
    F_8BIT = 1,
    F_UTF8 = 2,
    F_BOUNCE = 4,
    F_DELAY_TOLD = 8,
    F_TRANSID = 16,
    F_HIGH = 32,
    F_LOW = 64,
    F_HELD = 128,
    F_RETURNING = F_HIGH | F_LOW, /* has no priority any more */
};

/* The second byte. */
enum {
    F_REQUIRETLS = 1,
    F_TLS_OPTIONAL = 2,
    F_PARENT = 4,
    F_CHILDREN = 8,
    F_MODERATION = 16 | 32, /* enum moderation */
    F_ONE_CLICK = 64,
    F_THIRD = 128, /* a third byte follows */
};

/* The third byte. */
enum { F_ORDERS = 1, F_SUBJECT = 2, F_THIRD_KNOWN = F_ORDERS | F_SUBJECT };
enum { MODERATION_SHIFT = 4 };

/* --- writing --- */

static void put_u64(struct buf *b, uint64_t v, unsigned bytes)
{
    char p[8];
    for (unsigned i = 0; i < bytes; i++)
        p[i] = (char)(v >> (8 * i));
    (void)buf_add(b, p, bytes); /* overflow is sticky and checked at the end */
}

static void put_str(struct buf *b, const char *s)
{
    size_t n = strlen(s);
    put_u64(b, MIN(n, (size_t)MAX_STRING), 4);
    (void)buf_add(b, s, MIN(n, (size_t)MAX_STRING));
}

static void put_rcpt(struct buf *b, const struct message *m, const struct rcpt *r)
{
    put_u64(b, r->kind, 1);
    put_u64(b, r->state, 1);
    put_u64(b, r->notify, 1);
    put_u64(b, (uint64_t)r->account_id, 8);
    put_str(b, r->address);
    put_str(b, r->orcpt);
    put_str(b, r->original);
    put_str(b, r->answer);
    put_str(b, r->remote_mta);
    if (m->n_orders)
        put_u64(b, r->order, 2);
}

static void put_children(struct buf *b, const struct message *m)
{
    put_u64(b, m->children->n, 4);
    for (size_t i = 0; i < m->children->n; i++)
        put_u64(b, m->children->keys[i], 8);
}

static void put_orders(struct buf *b, const struct message *m)
{
    put_u64(b, m->n_orders, 2);
    for (size_t i = 0; i < m->n_orders; i++) {
        const struct rcpt_order *o = &m->orders[i];
        put_str(b, o->folder);
        put_str(b, o->reply);
        put_str(b, o->subject);
        put_u64(b, (uint64_t)o->reply_period, 8);
    }
}

int message_envelope_encode(const struct message *m, struct buf *out)
{
    unsigned flags = (m->body_8bit ? F_8BIT : 0) | (m->smtputf8 ? F_UTF8 : 0) |
                     (m->bounce ? F_BOUNCE : 0) | (m->delay_told ? F_DELAY_TOLD : 0) |
                     (*m->transid ? F_TRANSID : 0) | (m->held ? F_HELD : 0) |
                     (m->returning                   ? F_RETURNING
                      : m->priority == PRIORITY_HIGH ? F_HIGH
                      : m->priority == PRIORITY_LOW  ? F_LOW
                                                     : 0);
    unsigned third = (m->n_orders ? F_ORDERS : 0) | (*m->subject ? F_SUBJECT : 0);
    unsigned more = (m->requiretls ? F_REQUIRETLS : 0) | (m->tls_optional ? F_TLS_OPTIONAL : 0) |
                    (m->parent ? F_PARENT : 0) | (m->children ? F_CHILDREN : 0) |
                    (m->one_click ? F_ONE_CLICK : 0) | (third ? F_THIRD : 0) |
                    (unsigned)m->moderation << MODERATION_SHIFT;
    put_u64(out, more ? VERSION_FLAGS : VERSION, 1);
    put_u64(out, flags, 1);
    if (more)
        put_u64(out, more, 1);
    if (third)
        put_u64(out, third, 1);
    put_u64(out, (unsigned char)m->ret, 1);
    put_u64(out, m->key, 8);
    put_u64(out, m->size, 8);
    put_u64(out, (uint64_t)m->received_ms, 8);
    put_u64(out, (uint64_t)m->next_try_ms, 8);
    put_u64(out, (uint64_t)m->auth_account, 8);
    put_u64(out, m->session_id, 4);
    put_u64(out, m->hops, 4);
    put_u64(out, m->attempts, 4);
    put_str(out, m->id);
    put_str(out, m->item);
    put_str(out, m->original);
    put_str(out, m->peer_ip);
    put_str(out, m->sender);
    put_str(out, m->auth_user);
    put_str(out, m->envid);
    if (*m->transid)
        put_str(out, m->transid);
    if (m->parent)
        put_u64(out, m->parent, 8);
    if (m->children)
        put_children(out, m);
    if (m->n_orders)
        put_orders(out, m);
    if (*m->subject)
        put_str(out, m->subject);
    put_u64(out, m->n_rcpts, 4);
    for (size_t i = 0; i < m->n_rcpts; i++)
        put_rcpt(out, m, &m->rcpts[i]);
    return out->overflow ? -ENOMEM : 0;
}

/* --- reading: `bad` is sticky, reads beyond the end give zeros --- */

struct reader {
    struct sv in;
    bool bad;
};

static uint64_t get_u64(struct reader *r, unsigned bytes)
{
    if (r->bad || r->in.n < bytes) {
        r->bad = true;
        return 0;
    }
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i++)
        v |= (uint64_t)(unsigned char)r->in.p[i] << (8 * i);
    r->in = sv_skip(r->in, bytes);
    return v;
}

static struct sv get_sv(struct reader *r)
{
    uint64_t n = get_u64(r, 4);
    if (r->bad || n > MAX_STRING || n > r->in.n || memchr(r->in.p, 0, n)) {
        r->bad = true;
        return SV("");
    }
    struct sv s = sv_take(r->in, n);
    r->in = sv_skip(r->in, n);
    return s;
}

static void get_str(struct reader *r, char **field)
{
    message_set(field, get_sv(r));
}

static void get_array(struct reader *r, char *dst, size_t cap)
{
    if (!sv_copy(dst, cap, get_sv(r)))
        r->bad = true;
}

static void get_rcpt(struct reader *r, struct message *m)
{
    uint64_t kind = get_u64(r, 1), state = get_u64(r, 1), notify = get_u64(r, 1);
    uint64_t account = get_u64(r, 8);
    if (kind > RCPT_DISCARD || state > RCPT_RELAYED || notify > 15) {
        r->bad = true;
        return;
    }
    struct rcpt *to = message_add_rcpt(m, get_sv(r), (enum rcpt_kind)kind);
    to->state = (enum rcpt_state)state;
    to->told = to->state != RCPT_WAITING;
    to->notify = (unsigned)notify;
    to->account_id = (int64_t)account;
    get_str(r, &to->orcpt);
    message_set_original(to, get_sv(r));
    get_str(r, &to->answer);
    get_str(r, &to->remote_mta);
    if (!m->n_orders)
        return;
    uint64_t order = get_u64(r, 2);
    if (order > m->n_orders)
        r->bad = true;
    else
        to->order = (uint16_t)order;
}

static char *get_copy(struct reader *r)
{
    return sv_dup(get_sv(r));
}

static void get_orders(struct reader *r, struct message *m)
{
    uint64_t n = get_u64(r, 2);
    if (!n || n > MESSAGE_MAX_ORDERS || m->n_orders) {
        r->bad = true;
        return;
    }
    m->orders = xcalloc(n, sizeof(*m->orders));
    for (m->n_orders = 0; m->n_orders < n && !r->bad; m->n_orders++) {
        struct rcpt_order *o = &m->orders[m->n_orders];
        o->folder = get_copy(r);
        o->reply = get_copy(r);
        o->subject = get_copy(r);
        o->reply_period = (int64_t)get_u64(r, 8);
    }
}

static void get_children(struct reader *r, struct message *m)
{
    uint64_t n = get_u64(r, 4);
    if (n > r->in.n / 8)
        r->bad = true;
    for (uint64_t i = 0; i < n && !r->bad; i++)
        message_add_child(m, get_u64(r, 8));
}

static void get_head(struct reader *r, uint64_t version, struct message *m)
{
    uint64_t flags = get_u64(r, 1), more = version == VERSION_FLAGS ? get_u64(r, 1) : 0;
    uint64_t third = more & F_THIRD ? get_u64(r, 1) : 0;
    if (third & ~(uint64_t)F_THIRD_KNOWN)
        r->bad = true;
    m->requiretls = more & F_REQUIRETLS;
    m->tls_optional = more & F_TLS_OPTIONAL;
    m->one_click = more & F_ONE_CLICK;
    m->moderation = (enum moderation)((more & F_MODERATION) >> MODERATION_SHIFT);
    m->returning = (flags & F_RETURNING) == F_RETURNING;
    if (!m->returning)
        m->priority = flags & F_HIGH  ? PRIORITY_HIGH
                      : flags & F_LOW ? PRIORITY_LOW
                                      : PRIORITY_NORMAL;
    m->held = flags & F_HELD;
    m->body_8bit = flags & F_8BIT;
    m->smtputf8 = flags & F_UTF8;
    m->bounce = flags & F_BOUNCE;
    m->delay_told = flags & F_DELAY_TOLD;
    m->ret = (char)get_u64(r, 1);
    m->key = get_u64(r, 8);
    m->size = get_u64(r, 8);
    m->received_ms = (int64_t)get_u64(r, 8);
    m->next_try_ms = (int64_t)get_u64(r, 8);
    m->auth_account = (int64_t)get_u64(r, 8);
    m->session_id = (uint32_t)get_u64(r, 4);
    m->hops = (unsigned)get_u64(r, 4);
    m->attempts = (unsigned)get_u64(r, 4);
    get_array(r, m->id, sizeof(m->id));
    get_array(r, m->item, sizeof(m->item));
    get_array(r, m->original, sizeof(m->original));
    get_array(r, m->peer_ip, sizeof(m->peer_ip));
    get_str(r, &m->sender);
    get_str(r, &m->auth_user);
    get_str(r, &m->envid);
    if (flags & F_TRANSID)
        get_str(r, &m->transid);
    if (more & F_PARENT)
        m->parent = get_u64(r, 8);
    if (more & F_CHILDREN)
        get_children(r, m);
    if (third & F_ORDERS)
        get_orders(r, m);
    if (third & F_SUBJECT)
        get_str(r, &m->subject);
}

int message_envelope_decode(struct sv in, struct message *m, struct errinfo *ei)
{
    struct reader r = { in, false };
    uint64_t version = get_u64(&r, 1);
    if (!r.bad && version != VERSION && version != VERSION_FLAGS)
        return err_set(ei, E_UNSUPPORTED, "envelope has version %u; this program reads version %d",
                       (unsigned)version, VERSION_FLAGS);
    get_head(&r, version, m);
    uint64_t n = get_u64(&r, 4);
    if (n > r.in.n / MIN_RCPT)
        r.bad = true;
    for (uint64_t i = 0; i < n && !r.bad; i++)
        get_rcpt(&r, m);
    if (r.bad || r.in.n)
        return err_set(ei, E_CORRUPT, "envelope of %zu bytes is damaged", in.n);
    return 0;
}
