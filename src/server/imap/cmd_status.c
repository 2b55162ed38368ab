/* STATUS, also in LIST's answers. RFC 3501 section 6.3.10, RFC 8438 (SIZE), RFC 7889 (APPENDLIMIT).
 */
#include "server/imap/imap_priv.h"

enum {
    ST_MESSAGES = 1,
    ST_RECENT = 2,
    ST_UIDNEXT = 4,
    ST_UIDVALIDITY = 8,
    ST_UNSEEN = 16,
    ST_SIZE = 32,
    ST_LIMIT = 64
};

int status_items(struct imap_in *in, unsigned *ret)
{
    static const struct {
        const char *name;
        unsigned bit;
    } items[] = {
        { "MESSAGES", ST_MESSAGES },       { "RECENT", ST_RECENT }, { "UIDNEXT", ST_UIDNEXT },
        { "UIDVALIDITY", ST_UIDVALIDITY }, { "UNSEEN", ST_UNSEEN }, { "SIZE", ST_SIZE },
        { "APPENDLIMIT", ST_LIMIT },
    };
    *ret = 0;
    if (!imap_char(in, '('))
        return E_PARSE;
    do {
        bool known = false;
        for (size_t i = 0; i < ARRAY_LEN(items) && !known; i++) {
            known = imap_word(in, sv_c(items[i].name));
            if (known)
                *ret |= items[i].bit;
        }
        if (!known)
            return E_PARSE;
    } while (imap_char(in, ' '));
    return imap_char(in, ')') ? 0 : E_PARSE;
}

void put_status(struct buf *out, struct sv name, const struct folder *f, unsigned items)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    int64_t limit = cf->imap.max_append ? cf->imap.max_append : cf->smtp.max_message_size;
    const struct {
        unsigned bit;
        const char *name;
        uint64_t value;
    } values[] = {
        { ST_MESSAGES, "MESSAGES", f->messages }, { ST_RECENT, "RECENT", f->recent },
        { ST_UIDNEXT, "UIDNEXT", f->uidnext },    { ST_UIDVALIDITY, "UIDVALIDITY", f->uidvalidity },
        { ST_UNSEEN, "UNSEEN", f->unseen },       { ST_SIZE, "SIZE", f->bytes },
    };
    const char *sep = "";
    buf_add_str(out, "* STATUS ");
    put_mailbox(out, name);
    buf_add_str(out, " (");
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        if (!(items & values[i].bit))
            continue;
        buf_addf(out, "%s%s %" PRIu64, sep, values[i].name, values[i].value);
        sep = " ";
    }
    if (items & ST_LIMIT && limit > 0)
        buf_addf(out, "%sAPPENDLIMIT %" PRId64, sep, limit);
    else if (items & ST_LIMIT)
        buf_addf(out, "%sAPPENDLIMIT NIL", sep);
    buf_add_str(out, ")\r\n");
}

void cmd_status(struct cmd *c)
{
    struct sv name;
    unsigned items;
    struct folder f = { 0 };
    struct errinfo ei = { 0 };
    if (cmd_mailbox(c, &name) < 0)
        return;
    if (imap_sp(&c->in) < 0 || status_items(&c->in, &items) < 0 || !imap_end(&c->in)) {
        cmd_bad_args(c, "list of status items");
        return;
    }
    int r = mailbox_folder(c->s->mb, name, c->a, &f, &ei);
    if (r == 0 && !f.exists)
        r = E_NOTFOUND;
    if (r < 0)
        cmd_error(c, r, &ei, NULL);
    else
        put_status(&c->out, name, &f, items);
}
