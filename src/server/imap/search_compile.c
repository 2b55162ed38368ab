/* SEARCH keys against a mailbox: sets become indexes, keywords become bits, dates become seconds,
 * and each key learns what it costs. RFC 3501 section 6.4.4. */
#include "server/imap/search_priv.h"

#include <time.h>

#include "base/codec.h"
#include "proto/imap_fold.h"

/* Midnight of a day in local time: INTERNALDATE is shown in local time too. */
static int64_t local_midnight(struct imap_day d, int plus_days)
{
    struct tm tm = { .tm_year = d.year - 1900,
                     .tm_mon = d.month - 1,
                     .tm_mday = d.day + plus_days,
                     .tm_isdst = -1 };
    return (int64_t)mktime(&tm);
}

static int fold_text(struct arena *a, struct sv in, struct sv *ret)
{
    struct buf b;
    if (!utf8_valid(in))
        return E_PARSE;
    buf_init(&b, in.n * 2 + 16);
    int r = imap_fold(in, &b);
    if (r == 0)
        *ret = arena_sv(a, buf_sv(&b));
    buf_done(&b);
    return r < 0 || !ret->p ? E_LIMIT : 0;
}

static int keyword(struct session *s, const struct imap_search_key *k, struct node *n)
{
    n->key = KEY_FLAGS;
    n->never = true;
    for (uint32_t i = 0; i < s->snap->n_keywords; i++) {
        if (sv_ieq(k->name, sv_c(s->snap->keywords[i]))) {
            n->number = 1ull << (FLAG_KEYWORD0 + i);
            n->never = false;
        }
    }
    return 0;
}

/* Header fields that the envelope holds as they are. Their absence is not told from emptiness
 * there, so "HEADER X """ looks at the file. */
static void header_field(struct node *n)
{
    static const struct {
        const char *name;
        enum envelope_field field;
    } rows[] = {
        { "SUBJECT", ENV_SUBJECT },
        { "MESSAGE-ID", ENV_MESSAGE_ID },
        { "IN-REPLY-TO", ENV_IN_REPLY_TO },
    };
    n->level = LEVEL_FILE;
    for (size_t i = 0; n->text.n && i < ARRAY_LEN(rows); i++) {
        if (sv_ieq(n->name, sv_c(rows[i].name))) {
            n->level = LEVEL_ROW;
            n->field = rows[i].field;
        }
    }
}

static int leaf(struct session *s, const struct imap_search_key *k, struct arena *a, struct node *n)
{
    static const enum envelope_field fields[KEY_COUNT] = {
        [KEY_FROM] = ENV_FROM, [KEY_TO] = ENV_TO,           [KEY_CC] = ENV_CC,
        [KEY_BCC] = ENV_BCC,   [KEY_SUBJECT] = ENV_SUBJECT,
    };
    int r = 0;
    switch (k->key) {
    case KEY_ALL:
    case KEY_AND:
    case KEY_OR:
    case KEY_NOT:
    case KEY_FLAGS:
    case KEY_RECENT:
    case KEY_LARGER:
    case KEY_SMALLER:
    case KEY_COUNT:
        break;
    case KEY_KEYWORD:
        return keyword(s, k, n);
    case KEY_SEQSET:
    case KEY_UIDSET:
        return index_set_resolve(&k->set, k->key == KEY_UIDSET, s->snap, a, &n->set);
    case KEY_BEFORE:
    case KEY_ON:
    case KEY_SINCE:
        n->level = LEVEL_ROW;
        n->from = k->key == KEY_BEFORE ? INT64_MIN : local_midnight(k->day, 0);
        n->to = k->key == KEY_SINCE ? INT64_MAX : local_midnight(k->day, k->key == KEY_ON);
        break;
    case KEY_SENTBEFORE:
    case KEY_SENTON:
    case KEY_SENTSINCE:
        n->level = LEVEL_ROW;
        n->day = imap_day_number(k->day);
        break;
    case KEY_YOUNGER:
    case KEY_OLDER:
        n->level = LEVEL_ROW;
        break;
    case KEY_FROM:
    case KEY_TO:
    case KEY_CC:
    case KEY_BCC:
    case KEY_SUBJECT:
        n->level = LEVEL_ROW;
        n->field = fields[k->key];
        r = fold_text(a, k->text, &n->text);
        break;
    case KEY_HEADER:
        r = fold_text(a, k->text, &n->text);
        header_field(n);
        break;
    case KEY_BODY:
    case KEY_TEXT:
        n->level = LEVEL_FILE;
        r = fold_text(a, k->text, &n->text);
        break;
    }
    return r;
}

/* Cheap children first, so that an expensive one is only asked when it decides. */
static void insert_by_level(struct node **head, struct node *n)
{
    while (*head && (*head)->level <= n->level)
        head = &(*head)->next;
    n->next = *head;
    *head = n;
}

int search_compile(struct session *s, const struct imap_search_key *k, struct arena *a,
                   struct node **ret)
{
    struct node *n = arena_alloc(a, sizeof(*n));
    if (!n)
        return E_LIMIT;
    n->key = k->key;
    n->number = k->number;
    n->name = k->name;
    int r = leaf(s, k, a, n);
    for (const struct imap_search_key *child = k->children; r == 0 && child; child = child->next) {
        struct node *c;
        r = search_compile(s, child, a, &c);
        if (r == 0) {
            n->level = MAX(n->level, c->level);
            insert_by_level(&n->children, c);
        }
    }
    if (r == 0)
        *ret = n;
    return r;
}

unsigned search_fields(const struct node *n)
{
    unsigned f = 0;
    for (const struct node *c = n->children; c; c = c->next)
        f |= search_fields(c);
    if (n->children || n->level == LEVEL_SNAP)
        return f;
    if (n->level == LEVEL_FILE || n->key == KEY_BEFORE || n->key == KEY_ON || n->key == KEY_SINCE ||
        n->key == KEY_YOUNGER || n->key == KEY_OLDER)
        return f | MSG_META;
    return f | MSG_ENVELOPE;
}
