/* SEARCH keys that need the message itself: HEADER, BODY, TEXT. Bodies are decoded (transfer
 * encoding and charset) before they are searched; messages that hold nothing encoded are searched
 * as they lie. */
#include "server/imap/search_priv.h"

#include "proto/imap_fold.h"

static bool open_file(struct subject *x)
{
    if (!x->file_tried) {
        x->file_tried = true;
        x->file_ok = msg_file_open(x->file, x->s, x->key) == 0;
    }
    return x->file_ok;
}

static bool contains(const struct node *n, struct subject *x, struct sv hay)
{
    return imap_fold_contains(hay, n->text, &x->fold);
}

static bool header_contains(const struct node *n, struct subject *x, const struct mime_part *p)
{
    for (unsigned i = 0; i < p->n_headers; i++) {
        buf_reset(&x->text);
        buf_add_sv(&x->text, p->headers[i].name);
        buf_add(&x->text, ": ", 2);
        mime_decode_header(p->headers[i].value, &x->text);
        if (contains(n, x, buf_sv(&x->text)))
            return true;
    }
    return false;
}

static bool part_contains(const struct node *n, struct subject *x, const struct mime_part *p)
{
    bool message = sv_ieq(p->type, SV("message"));
    for (const struct mime_part *c = p->children; c; c = c->next) {
        if ((message && header_contains(n, x, c)) || part_contains(n, x, c))
            return true;
    }
    if (p->n_children || !(message || sv_ieq(p->type, SV("text"))))
        return false;
    buf_reset(&x->text);
    mime_decode_body(p, &x->text);
    return contains(n, x, buf_sv(&x->text));
}

/* True when the message surely lacks the text: nothing in it is encoded, and it is not there. */
static bool surely_not(const struct node *n, struct sv raw)
{
    for (size_t i = 0; i < n->text.n; i++) {
        char c = n->text.p[i];
        if (c & 0x80 || c == ' ' || c == '\t')
            return false;
    }
    return !imap_ascii_contains(raw, n->text) && !imap_ascii_contains(raw, SV("=?")) &&
           !imap_ascii_contains(raw, SV("quoted-printable")) &&
           !imap_ascii_contains(raw, SV("base64")) && !imap_ascii_contains(raw, SV("utf-7"));
}

static int in_message(const struct node *n, struct subject *x)
{
    struct msg_file *f = x->file;
    if (msg_file_load(f, f->size) < 0)
        return -1;
    if (n->text.n == 0)
        return 1;
    if (surely_not(n, msg_file_loaded(f)))
        return 0;
    if (msg_file_parse(f) < 0)
        return -1;
    if (n->key == KEY_TEXT && header_contains(n, x, f->root))
        return 1;
    return part_contains(n, x, f->root);
}

static int in_header(const struct node *n, struct subject *x)
{
    struct sv header;
    struct arena a;
    struct mime_part *p = NULL;
    int found = 0;
    if (msg_file_header(x->file, &header) < 0)
        return -1;
    arena_init(&a, 4 * MiB);
    mime_parse(header, &a, &p);
    for (unsigned i = 0; p && !found && i < p->n_headers; i++) {
        if (!sv_ieq(p->headers[i].name, n->name))
            continue;
        buf_reset(&x->text);
        mime_decode_header(p->headers[i].value, &x->text);
        found = n->text.n == 0 || contains(n, x, buf_sv(&x->text));
    }
    arena_done(&a);
    return found;
}

int search_eval_text(const struct node *n, struct subject *x)
{
    if (!open_file(x))
        return -1;
    return n->key == KEY_HEADER ? in_header(n, x) : in_message(n, x);
}
