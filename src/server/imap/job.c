/* Jobs: commands whose output may be large or whose work may be long (FETCH, SEARCH). The first
 * piece is made at once; what does not end with it becomes a generator of the connection, so a job
 * holds a worker only for one piece at a time. RFC 3501 section 5.5: no other command of the
 * session runs meanwhile. */
#include "server/imap/imap_priv.h"

static void job_free(void *arg)
{
    struct job *j = arg;
    if (j->done)
        j->done(j);
    if (j->sync) {
        sync_end(j->sync);
        free(j->sync);
    }
    free(j->failed);
    free(j->final);
    arena_done(&j->arena);
    free(j);
}

static int end_step(struct job *j, struct buf *out)
{
    struct session *s = j->s;
    if (!j->sync && !j->final) {
        struct sync y;
        int r = sync_begin(s, j->uid || !(j->def->flags & CMD_USES_SEQ), NULL, j->uid, &y);
        if (r < 0) {
            buf_add_str(out, "* BYE The selected mailbox is not there any more\r\n");
            s->state = ST_LOGOUT;
            conn_close(s->c);
            return 0;
        }
        if (r > 0) {
            j->sync = xcalloc(1, sizeof(*j->sync));
            *j->sync = y;
        }
    }
    if (j->sync && sync_put(s, j->sync, out, JOB_CHUNK))
        return 1;
    size_t start = out->n;
    if (!j->final)
        buf_add_sv(out, j->tag);
    if (j->final)
        buf_add_str(out, j->final);
    else if (j->failed)
        buf_addf(out, " NO %s\r\n", j->failed);
    else
        buf_addf(out, " OK %s%s completed\r\n", j->uid ? "UID " : "", j->def->name);
    session_log_out(s, sv_skip(buf_sv(out), start));
    s->bad_in_row = 0;
    return 0;
}

/* One piece: up to about JOB_CHUNK octets, or as much work as step does at a time. */
static int job_piece(void *arg, struct buf *out)
{
    struct job *j = arg;
    size_t start = out->n;
    int r = 1;
    if (j->step) {
        r = j->step(j, out);
        if (!j->first_logged && out->n > start) {
            session_log_out(j->s, sv_skip(buf_sv(out), start));
            j->first_logged = true;
        }
        if (r == 0)
            j->step = NULL;
    }
    if (r >= 0 && !j->step && out->n - start < JOB_CHUNK)
        r = end_step(j, out);
    else if (r == 0)
        r = 1;
    return out->overflow ? E_FULL : r;
}

void job_start(struct cmd *c, struct job *j)
{
    struct buf out;
    c->detached = true;
    j->s = c->s;
    j->def = c->def;
    j->tag = c->tag;
    j->uid = c->uid;
    j->arena = *c->a;
    arena_init(c->a, 0);
    buf_init(&out, 4 * MiB);
    buf_add_sv(&out, buf_sv(&c->out));
    int r = job_piece(j, &out);
    if (r < 0) {
        session_bye(c->s, "Internal error");
        buf_done(&out);
        job_free(j);
        return;
    }
    session_write(c->s, &out);
    if (r == 0) {
        job_free(j);
        return;
    }
    if (conn_write_gen(c->s->c, job_piece, job_free, j) < 0)
        conn_close(c->s->c);
}

void job_news(struct session *s, struct sync *y, char *final, struct arena *a)
{
    struct job *j = xcalloc(1, sizeof(*j));
    j->s = s;
    j->final = final;
    j->sync = xcalloc(1, sizeof(*j->sync));
    *j->sync = *y;
    if (a) {
        j->arena = *a;
        arena_init(a, 0);
    }
    if (conn_write_gen(s->c, job_piece, job_free, j) < 0)
        conn_close(s->c);
}
