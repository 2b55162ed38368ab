/* FETCH piece by piece: rows of the index are read in batches, each response is written item by
 * item, and whatever is large is sent from where it lies. Memory does not grow with the number of
 * messages. Runs on workers. RFC 3501 section 7.4.2. */
#include "server/imap/fetch_priv.h"

#include "base/clock.h"

enum { BATCH_ROWS = 256 };
#define BATCH_TEXT (256 * KiB)

static bool take_row(const struct msg_row *row, void *arg)
{
    struct fetch_job *f = arg;
    while (!set_iter_end(&f->it) && f->snap->m[f->it.i].uid < row->uid) {
        f->missing = true;
        set_iter_next(&f->it);
    }
    if (set_iter_end(&f->it))
        return false;
    if (f->snap->m[f->it.i].uid > row->uid)
        return true;
    struct fetch_row *r = &f->rows[f->n_rows++];
    *r = (struct fetch_row){ .index = f->it.i, .key = row->key, .date_s = row->internal_date_s };
    r->envelope = f->texts.n;
    if (f->row_fields & MSG_ENVELOPE)
        buf_add_sv(&f->texts, row->envelope);
    r->body = f->texts.n;
    if (f->what.items & FETCH_BODY)
        buf_add_sv(&f->texts, row->body);
    r->structure = f->texts.n;
    if (f->what.items & FETCH_BODYSTRUCTURE)
        buf_add_sv(&f->texts, row->bodystructure);
    r->end = f->texts.n;
    set_iter_next(&f->it);
    return f->n_rows < BATCH_ROWS && f->texts.n < BATCH_TEXT;
}

/* False when there are no more. */
static bool read_rows(struct fetch_job *f)
{
    struct errinfo ei = { 0 };
    f->n_rows = f->row = 0;
    if (!f->rows) {
        f->rows = xcalloc(BATCH_ROWS, sizeof(*f->rows));
        buf_init(&f->texts, 256 * MiB);
    }
    while (f->n_rows == 0 && !set_iter_end(&f->it)) {
        buf_reset(&f->texts);
        uint32_t hi = set_iter_span(&f->it);
        int r = mailbox_rows(f->j.s->mb, f->snap->folder_id, f->snap->m[f->it.i].uid,
                             f->snap->m[hi].uid, f->row_fields, take_row, f, &ei);
        if (r < 0) {
            log_error("IMAP FETCH of %s: %s", f->j.s->acc->address, ei.text);
            f->err = r;
            f->n_rows = 0;
            return false;
        }
        if (f->n_rows == BATCH_ROWS || f->texts.n >= BATCH_TEXT)
            break;
        while (!set_iter_end(&f->it) && f->it.i <= hi) {
            f->missing = true;
            set_iter_next(&f->it);
        }
    }
    return f->n_rows > 0;
}

/* False when all have been sent. */
static bool next_message(struct fetch_job *f)
{
    if (!f->row_fields) {
        if (set_iter_end(&f->it))
            return false;
        f->index = f->it.i;
        set_iter_next(&f->it);
        return true;
    }
    for (;;) {
        if (f->row >= f->n_rows && !read_rows(f))
            return false;
        const struct fetch_row *r = &f->rows[f->row++];
        f->index = r->index;
        if (f->what.n == 0)
            return true;
        int err = msg_file_open(&f->file, f->j.s, r->key);
        if (err == 0)
            return true;
        if (err == E_NOTFOUND)
            f->missing = true;
        else
            f->err = err;
    }
}

static void item(struct fetch_job *f, struct buf *out, const char *name, size_t n)
{
    if (!f->first)
        buf_add_c(out, ' ');
    f->first = false;
    buf_add(out, name, n);
}
#define ITEM(f, out, name) item(f, out, name, sizeof(name) - 1)

static void put_head(struct fetch_job *f, struct buf *out)
{
    const struct snap_msg *m = &f->snap->m[f->index];
    unsigned items = f->what.items;
    uint64_t flags = m->flags;
    while (f->seen_at < f->n_seen && f->seen[f->seen_at] < m->uid)
        f->seen_at++;
    if (f->seen_at < f->n_seen && f->seen[f->seen_at] == m->uid) {
        items |= FETCH_FLAGS;
        flags |= FLAG_SEEN;
    }
    buf_add(out, "* ", 2);
    imap_put_u64(out, f->index + 1);
    buf_add(out, " FETCH (", 8);
    f->first = true;
    if (items & FETCH_UID) {
        ITEM(f, out, "UID ");
        imap_put_u64(out, m->uid);
    }
    if (items & FETCH_FLAGS) {
        ITEM(f, out, "FLAGS ");
        imap_put_flags(out, flags, recent_has(&f->j.s->recent, m->uid), f->snap->keywords,
                       f->snap->n_keywords);
    }
    if (items & FETCH_INTERNALDATE) {
        char date[40];
        clock_imap(f->rows[f->row - 1].date_s, date);
        ITEM(f, out, "INTERNALDATE \"");
        buf_add_str(out, date);
        buf_add_c(out, '"');
    }
    if (items & FETCH_SIZE) {
        ITEM(f, out, "RFC822.SIZE ");
        imap_put_u64(out, m->size);
    }
}

static void put_text(struct fetch_job *f, struct buf *out, const char *name, size_t n, size_t from,
                     size_t to)
{
    item(f, out, name, n);
    if (to - from <= 16 * KiB) {
        buf_add(out, f->texts.p + from, to - from);
        return;
    }
    f->src.p = f->texts.p + from;
    f->src.left = to - from;
}

/* Pieces: 0 head, 1 envelope, 2 body, 3 structure, 4.. sections, end. True: the message is
 * complete. */
static bool put_piece(struct fetch_job *f, struct buf *out)
{
    const struct fetch_row *r = f->row_fields ? &f->rows[f->row - 1] : NULL;
    unsigned p = f->piece++;
    if (p == 0) {
        put_head(f, out);
        if (!(f->row_fields & (MSG_ENVELOPE | MSG_STRUCTURE)))
            f->piece = 4;
    } else if (p == 1) {
        if (f->what.items & FETCH_ENVELOPE)
            put_text(f, out, "ENVELOPE ", 9, r->envelope, r->body);
    } else if (p == 2) {
        if (f->what.items & FETCH_BODY)
            put_text(f, out, "BODY ", 5, r->body, r->structure);
    } else if (p == 3) {
        if (f->what.items & FETCH_BODYSTRUCTURE)
            put_text(f, out, "BODYSTRUCTURE ", 14, r->structure, r->end);
    } else if (p - 4 < f->what.n) {
        const struct imap_section *s = &f->what.sections[p - 4];
        item(f, out, s->label.p, s->label.n);
        int err = fetch_section(f, s, out);
        if (err < 0) {
            f->err = err;
            buf_add_str(out, " NIL");
        }
    } else {
        buf_add(out, ")\r\n", 3);
        return true;
    }
    return false;
}

int fetch_step(struct job *j, struct buf *out)
{
    struct fetch_job *f = container_of(j, struct fetch_job, j);
    size_t limit = out->n + JOB_CHUNK;
    uint64_t sent = 0;
    int r = 1;
    while (out->n < limit) {
        if (f->src.left) {
            r = fetch_pump(f, out, limit - out->n);
            if (r < 0)
                return r; /* a literal cannot be taken back */
            r = 1;
            continue;
        }
        if (f->piece == 0 && !next_message(f)) {
            r = 0;
            break;
        }
        if (put_piece(f, out)) {
            f->piece = 0;
            sent++;
            if (f->file.fd >= 0)
                msg_file_close(&f->file);
            f->src = (struct source){ .fd = -1 };
        }
    }
    ctr_add(CTR_imap_fetch_messages, sent);
    j->s->fetched += (uint32_t)sent;
    if (r == 0 && f->err)
        j->failed = xstrdup("[SERVERBUG] Some messages could not be read");
    else if (r == 0 && f->missing)
        j->failed = xstrdup("[EXPUNGEISSUED] Some of the messages no longer exist");
    return r;
}

void fetch_done(struct job *j)
{
    struct fetch_job *f = container_of(j, struct fetch_job, j);
    msg_file_close(&f->file);
    buf_done(&f->fields);
    snap_unref(f->snap);
    free(f->rows);
    buf_done(&f->texts);
}
