/* Filters of the queue. Pure but for the clock and the settings. */
#include "proc/queue_filter.h"

#include "base/clock.h"
#include "conf/conf.h"
#include "proto/imap_fold.h"

enum { MAX_FOLDED = 64 * 1024 };

const char *const queue_state_names[QS_COUNT] = { "queued", "sending", "waiting",   "overdue",
                                                  "held",   "paused",  "moderation" };

struct sv queue_domain_of(const char *address)
{
    struct sv a = sv_c(address);
    ssize_t at = sv_rfind(a, '@');

    return at < 0 ? SV_NULL : sv_skip(a, (size_t)at + 1);
}

static const char *text_of(json_t *o, const char *name)
{
    return json_string_value(json_object_get(o, name));
}

static void read_ids(struct queue_filter *f, json_t *ids)
{
    json_t *id;
    size_t i;

    f->ids = json_is_array(ids) ? map_new() : NULL;
    json_array_foreach(ids, i, id) if (json_is_string(id))
        map_put(f->ids, sv_c(json_string_value(id)), f);
}

/* As long as it may be: a text that were cut would mean more messages. */
static void read_folded(struct buf *b, const char *text)
{
    struct sv whole = sv_c(text);

    buf_init(b, 3 * whole.n + 1);
    if (whole.n)
        (void)imap_fold(whole, b);
}

void queue_filter_read(struct queue_filter *f, json_t *args)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    json_t *o = json_object_get(args, "filter");

    *f = (struct queue_filter){
        .domains = json_object_get(args, "domains"),
        .sender = text_of(o, "sender"),
        .recipient = text_of(o, "recipient"),
        .destination = text_of(o, "destination"),
        .state = text_of(o, "state"),
        .priority = text_of(o, "priority"),
        .answer = text_of(o, "answer"),
        .id = text_of(o, "id"),
        .queue = text_of(o, "queue"),
        .older_ms = json_integer_value(json_object_get(o, "older_s")) * 1000,
        .larger =
            json_object_get(o, "larger") ? json_integer_value(json_object_get(o, "larger")) : -1,
        .now_ms = clock_wall_ms(),
        .moderated = json_is_true(json_object_get(o, "moderated")),
    };
    read_folded(&f->q, text_of(o, "q"));
    read_folded(&f->subject, text_of(o, "subject"));
    sv_copy(f->sms_domain, sizeof(f->sms_domain), sv_c(cf->sms.domain));
    read_ids(f, json_object_get(o, "ids"));
}

void queue_filter_done(struct queue_filter *f)
{
    if (f->ids)
        map_free(f->ids, NULL);
    buf_done(&f->q);
    buf_done(&f->subject);
}

static bool sees_domain_of(const struct queue_filter *f, const char *address)
{
    struct sv domain = queue_domain_of(address);
    json_t *d;
    size_t k;

    if (!json_is_array(f->domains))
        return true;
    json_array_foreach(f->domains, k,
                       d) if (sv_ieq(domain, sv_c(json_string_value(d)))) return true;
    return false;
}

static bool sees_rcpt(const struct queue_filter *f, const struct rcpt *r)
{
    return r->state == RCPT_WAITING &&
           (sees_domain_of(f, r->address) || (*r->original && sees_domain_of(f, r->original)));
}

/* The first of those who wait that the caller sees; NULL: none, or nobody knows now. */
static const struct rcpt *first_seen(const struct queue_filter *f, const struct queue_info *i)
{
    for (size_t k = 0; i->rcpts && k < i->n_rcpts; k++)
        if (sees_rcpt(f, &i->rcpts[k]))
            return &i->rcpts[k];
    return NULL;
}

static bool may_see(const struct queue_filter *f, const struct queue_info *i)
{
    return sees_domain_of(f, i->sender) || sees_domain_of(f, i->rcpt) || first_seen(f, i);
}

bool queue_filter_reaches(const struct queue_filter *f, const struct queue_info *i,
                          const struct rcpt *r)
{
    if (sees_domain_of(f, r->address) || (*r->original && sees_domain_of(f, r->original)))
        return true;
    if (*i->login)
        return sees_domain_of(f, i->login);
    return r->kind == RCPT_REMOTE && !*r->original && sees_domain_of(f, i->sender);
}

/* Other recipients than his own are not shown to one who sees the message for his own only. */
void queue_filter_show(const struct queue_filter *f, const struct queue_info *whole,
                       struct queue_info *ret)
{
    bool all = !json_is_array(f->domains) || sees_domain_of(f, whole->sender) ||
               sees_domain_of(f, whole->rcpt);
    const struct rcpt *own = all ? NULL : first_seen(f, whole);

    *ret = *whole;
    if (own) {
        ret->rcpt = own->address;
        ret->original = own->original;
        ret->answer = own->answer;
    }
    if (*ret->original && !sees_domain_of(f, ret->rcpt) && !sees_domain_of(f, ret->original))
        ret->rcpt = ret->original;
}

static bool contains(const char *text, const char *part)
{
    return !part || sv_ifind_sv(sv_c(text), sv_c(part)) >= 0;
}

static bool has_subject(const struct queue_filter *f, const struct queue_info *i)
{
    _cleanup_(buf_done) struct buf tmp = { 0 };

    buf_init(&tmp, MAX_FOLDED);
    return imap_fold_contains(sv_c(i->subject), buf_sv(&f->subject), &tmp);
}

/* Texts with ; between them, each in some field; - in front: in none. */
static bool matches_q(struct sv q, const struct queue_info *i)
{
    const char *const fields[] = { i->id, i->item, i->sender, i->rcpt, i->answer, i->subject };
    _cleanup_(buf_done) struct buf tmp = { 0 };

    buf_init(&tmp, MAX_FOLDED);
    while (q.p) {
        struct sv word = sv_trim(sv_split(&q, ';'));
        bool not = word.n > 1 && word.p[0] == '-', found = false;

        word = not ? sv_skip(word, 1) : word;
        for (size_t k = 0; word.n && k < ARRAY_LEN(fields) && !found; k++)
            found = imap_fold_contains(sv_c(fields[k]), word, &tmp);
        if (word.n && found == not )
            return false;
    }
    return true;
}

/* incoming: not let in yet, as it waits for a list's moderators; retry: tried in vain; mda: for a
 * mailbox; sms: for a telephone number; outgoing: for another server. */
static const char *list_of(const struct queue_filter *f, const struct queue_info *i)
{
    if (i->moderated)
        return "incoming";
    if (i->attempts > 0)
        return "retry";
    if (i->local)
        return "mda";
    return *f->sms_domain && sv_ieq(queue_domain_of(i->rcpt), sv_c(f->sms_domain)) ? "sms"
                                                                                   : "outgoing";
}

bool queue_filter_is_list(const char *name)
{
    static const char *const names[] = { "outgoing", "incoming", "mda", "sms", "retry" };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (!strcmp(names[i], name))
            return true;
    return false;
}

bool queue_filter_matches(const struct queue_filter *f, const struct queue_info *whole)
{
    struct queue_info shown;
    const struct queue_info *i = &shown;

    queue_filter_show(f, whole, &shown);
    return may_see(f, whole) &&
           (!f->id || sv_ieq(sv_c(f->id), sv_c(i->id)) || sv_ieq(sv_c(f->id), sv_c(i->item))) &&
           (!f->ids || map_get(f->ids, sv_c(i->id)) || map_get(f->ids, sv_c(i->item))) &&
           (!f->moderated || i->moderated) && (!f->queue || !strcmp(f->queue, list_of(f, whole))) &&
           contains(i->sender, f->sender) && contains(i->rcpt, f->recipient) &&
           contains(i->answer, f->answer) && has_subject(f, i) &&
           (!f->destination || sv_ieq(queue_domain_of(i->rcpt), sv_c(f->destination))) &&
           (!f->state || !strcmp(f->state, queue_state_names[queue_state_of(i, f->now_ms)])) &&
           (!f->priority || !strcmp(f->priority, queue_priority_names[i->priority])) &&
           f->now_ms - i->received_ms >= f->older_ms && (int64_t)i->size > f->larger &&
           matches_q(buf_sv(&f->q), i);
}

bool queue_filter_is_all(const struct queue_filter *f)
{
    return !json_is_array(f->domains) && !f->q.n && !f->subject.n && !f->sender && !f->recipient &&
           !f->destination && !f->state && !f->priority && !f->answer && !f->id && !f->queue &&
           !f->ids && !f->moderated && !f->older_ms && f->larger < 0;
}
