/* SEARCH and UID SEARCH, ESEARCH results (RFC 4731). The hits are a bitmap; messages are decided in
 * slices of a few milliseconds, so a long search leaves room for other sessions. RFC 3501
 * section 6.4.4. */
#include "server/imap/search_priv.h"

#include "base/clock.h"

enum { BATCH_ROWS = 64 };
#define SLICE_US   5000
#define BATCH_TEXT (128 * KiB)

/* A message that needs its file: the row is kept. */
struct waiting {
    uint32_t index;
    uint64_t key;
    int64_t date_s;
    size_t envelope, end; /* offsets in texts */
};

struct search_job {
    struct job j;
    const struct snap *snap;
    struct imap_search what;
    struct node *root;
    unsigned fields;
    uint8_t *hits;      /* a bit for each message */
    uint32_t at;        /* next message */
    uint32_t batch_end; /* of the range that rows are read for */
    struct waiting waiting[BATCH_ROWS];
    size_t n_waiting, done_waiting;
    struct buf texts;
    struct subject x;
    struct msg_file file;
    int err;
    /* output */
    int phase;
    uint32_t out_at;
    struct imap_set_writer set;
};

static bool is_hit(const struct search_job *q, uint32_t i)
{
    return q->hits[i / 8] & 1u << (i % 8);
}

static void hit(struct search_job *q, uint32_t i)
{
    q->hits[i / 8] |= (uint8_t)(1u << (i % 8));
}

static void look_at(struct search_job *q, uint32_t i)
{
    q->x.index = i;
    q->x.file_tried = q->x.file_ok = false;
}

/* Decides what the snapshot decides from q->at on; stops at the first message that needs more. */
static void scan_snapshot(struct search_job *q)
{
    for (; q->at < q->snap->n; q->at++) {
        look_at(q, q->at);
        int r = search_eval(q->root, &q->x, LEVEL_SNAP);
        if (r < 0)
            return;
        if (r)
            hit(q, q->at);
    }
}

static bool take_row(const struct msg_row *row, void *arg)
{
    struct search_job *q = arg;
    while (q->at < q->batch_end && q->snap->m[q->at].uid < row->uid)
        q->at++; /* gone meanwhile: no hit */
    if (q->at >= q->batch_end)
        return false;
    if (q->snap->m[q->at].uid > row->uid)
        return true;
    look_at(q, q->at);
    q->x.date_s = row->internal_date_s;
    q->x.key = row->key;
    q->x.envelope = row->envelope;
    int r = search_eval(q->root, &q->x, LEVEL_ROW);
    if (r > 0) {
        hit(q, q->at);
    } else if (r < 0) {
        struct waiting *w = &q->waiting[q->n_waiting++];
        *w = (struct waiting){ q->at, row->key, row->internal_date_s, q->texts.n, 0 };
        if (q->fields & MSG_ENVELOPE)
            buf_add_sv(&q->texts, row->envelope);
        w->end = q->texts.n;
    }
    q->at++;
    return q->n_waiting < BATCH_ROWS && q->texts.n < BATCH_TEXT;
}

/* Reads rows of the next messages, as many as stand together undecided (at most some hundreds). */
static void read_rows(struct search_job *q)
{
    struct errinfo ei = { 0 };
    uint32_t end = q->at + 1;
    for (; end < q->snap->n && end - q->at < 512; end++) {
        look_at(q, end);
        int r = search_eval(q->root, &q->x, LEVEL_SNAP);
        if (r >= 0)
            break;
    }
    q->batch_end = end;
    q->n_waiting = q->done_waiting = 0;
    buf_reset(&q->texts);
    int r =
        mailbox_rows(q->j.s->mb, q->snap->folder_id, q->snap->m[q->at].uid, q->snap->m[end - 1].uid,
                     q->fields ? q->fields : MSG_META, take_row, q, &ei);
    if (r < 0) {
        log_error("IMAP SEARCH of %s: %s", q->j.s->acc->address, ei.text);
        q->err = r;
        q->at = q->snap->n;
    } else if (q->n_waiting < BATCH_ROWS && q->texts.n < BATCH_TEXT) {
        q->at = end;
    }
}

static void read_file(struct search_job *q, const struct waiting *w)
{
    look_at(q, w->index);
    q->x.date_s = w->date_s;
    q->x.key = w->key;
    q->x.envelope = sv_n(q->texts.p ? q->texts.p + w->envelope : "", w->end - w->envelope);
    if (search_eval(q->root, &q->x, LEVEL_FILE) > 0)
        hit(q, w->index);
    msg_file_close(&q->file);
}

/* True when all messages are decided. */
static bool search_slice(struct search_job *q)
{
    int64_t until = clock_mono_us() + SLICE_US;
    do {
        if (q->done_waiting < q->n_waiting) {
            read_file(q, &q->waiting[q->done_waiting++]);
            continue;
        }
        scan_snapshot(q);
        if (q->at >= q->snap->n)
            return true;
        read_rows(q);
    } while (clock_mono_us() < until);
    return false;
}

/* --- results --- */

static uint32_t number(const struct search_job *q, uint32_t i)
{
    return q->j.uid ? q->snap->m[i].uid : i + 1;
}

static void put_min_max(struct search_job *q, struct buf *out)
{
    uint32_t count = 0, min = UINT32_MAX, max = 0;
    for (uint32_t i = 0; i < q->snap->n; i++) {
        if (!is_hit(q, i))
            continue;
        min = MIN(min, i);
        max = i;
        count++;
    }
    if (q->what.returns & RETURN_COUNT)
        buf_addf(out, " COUNT %" PRIu32, count);
    if (count && q->what.returns & RETURN_MIN)
        buf_addf(out, " MIN %" PRIu32, number(q, min));
    if (count && q->what.returns & RETURN_MAX)
        buf_addf(out, " MAX %" PRIu32, number(q, max));
    if (!count || !(q->what.returns & RETURN_ALL))
        q->out_at = q->snap->n;
    else
        buf_add_str(out, " ALL ");
}

static void put_start(struct search_job *q, struct buf *out)
{
    if (!q->what.esearch) {
        buf_add_str(out, "* SEARCH");
        return;
    }
    buf_add_str(out, "* ESEARCH (TAG \"");
    buf_add_sv(out, q->j.tag);
    buf_add_str(out, q->j.uid ? "\") UID" : "\")");
    put_min_max(q, out);
}

/* True when the line is complete. */
static bool put_results(struct search_job *q, struct buf *out)
{
    size_t limit = out->n + JOB_CHUNK;
    q->set.out = out;
    for (; q->out_at < q->snap->n && out->n < limit; q->out_at++) {
        if (!is_hit(q, q->out_at))
            continue;
        if (q->what.esearch) {
            imap_set_add(&q->set, number(q, q->out_at));
        } else {
            buf_add_c(out, ' ');
            imap_put_u64(out, number(q, q->out_at));
        }
    }
    if (q->out_at < q->snap->n)
        return false;
    if (q->what.esearch)
        imap_set_done(&q->set);
    buf_add(out, "\r\n", 2);
    return true;
}

static int search_step(struct job *j, struct buf *out)
{
    struct search_job *q = container_of(j, struct search_job, j);
    if (q->phase == 0) {
        if (!search_slice(q))
            return 1;
        if (q->err) {
            j->failed = xstrdup("[SERVERBUG] Index could not be read");
            return 0;
        }
        q->phase = 1;
        put_start(q, out);
    }
    return put_results(q, out) ? 0 : 1;
}

static void search_done(struct job *j)
{
    struct search_job *q = container_of(j, struct search_job, j);
    msg_file_close(&q->file);
    arena_done(&q->x.scratch);
    buf_done(&q->x.text);
    buf_done(&q->x.fold);
    buf_done(&q->texts);
    free(q->hits);
    snap_unref(q->snap);
}

static bool charset_ok(struct sv charset)
{
    return !charset.p || sv_ieq(charset, SV("US-ASCII")) || sv_ieq(charset, SV("UTF-8")) ||
           sv_ieq(charset, SV("ASCII"));
}

static void start(struct cmd *c, const struct imap_search *what, struct node *root)
{
    struct search_job *q = xcalloc(1, sizeof(*q));
    q->j.step = search_step;
    q->j.done = search_done;
    q->snap = snap_ref(c->s->snap);
    q->what = *what;
    q->root = root;
    q->fields = search_fields(root);
    q->hits = xcalloc(q->snap->n / 8 + 1, 1);
    q->file = MSG_FILE_INIT;
    buf_init(&q->texts, 256 * MiB);
    q->x =
        (struct subject){ .s = c->s, .snap = q->snap, .now_s = clock_wall_s(), .file = &q->file };
    arena_init(&q->x.scratch, 16 * MiB);
    buf_init(&q->x.text, 256 * MiB);
    buf_init(&q->x.fold, 512 * MiB);
    job_start(c, &q->j);
}

void cmd_search(struct cmd *c)
{
    struct imap_search what;
    struct node *root;
    int r = imap_sp(&c->in);
    if (r == 0)
        r = imap_search_parse(&c->in, &what);
    if (r == 0 && !imap_end(&c->in))
        r = E_PARSE;
    if (r == E_LIMIT) {
        cmd_done(c, RES_NO, "[LIMIT] Search program is too large");
        return;
    }
    if (r < 0) {
        cmd_bad_args(c, "search keys");
        return;
    }
    if (!charset_ok(what.charset)) {
        cmd_done(c, RES_NO, "[BADCHARSET (US-ASCII UTF-8)] Charset is not supported");
        return;
    }
    r = search_compile(c->s, what.root, c->a, &root);
    if (r == E_RANGE)
        cmd_done(c, RES_BAD, "Message number beyond the %" PRIu32 " messages of the mailbox",
                 c->s->snap->n);
    else if (r == E_PARSE)
        cmd_done(c, RES_NO, "[BADCHARSET (US-ASCII UTF-8)] Text is not UTF-8");
    else if (r < 0)
        cmd_done(c, RES_NO, "[LIMIT] Search program is too large");
    else
        start(c, &what, root);
}
