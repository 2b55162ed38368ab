/* The structure of real messages as GMime sees it, beside ours: number, order and types of the
 * parts. Messages where the two differ on purpose are named with the reason. Built where GMime is
 * installed. */
#include <gmime/gmime.h>
#undef MIN
#undef MAX

#include "corpus.h"
#include "gmime_differ.h"
#include "proto/mime.h"

static struct {
    unsigned same, differ, failed;
    bool verbose;
} count;

static void add_type(const char *type, size_t n, const char *subtype, size_t m, struct buf *out)
{
    for (size_t i = 0; i < n; i++)
        buf_add_c(out, ascii_lower(type[i]));
    buf_add_c(out, '/');
    for (size_t i = 0; i < m; i++)
        buf_add_c(out, ascii_lower(subtype[i]));
}

static void outline_ours(const struct mime_part *p, struct buf *out)
{
    add_type(p->type.p, p->type.n, p->subtype.p, p->subtype.n, out);
    if (!p->children)
        return;
    buf_add_c(out, '(');
    for (const struct mime_part *c = p->children; c; c = c->next) {
        if (c != p->children)
            buf_add_c(out, ' ');
        outline_ours(c, out);
    }
    buf_add_c(out, ')');
}

static void outline_theirs(GMimeObject *o, struct buf *out)
{
    GMimeContentType *t = g_mime_object_get_content_type(o);
    const char *type = g_mime_content_type_get_media_type(t),
               *subtype = g_mime_content_type_get_media_subtype(t);
    add_type(type, strlen(type), subtype, strlen(subtype), out);
    if (GMIME_IS_MULTIPART(o) && g_mime_multipart_get_count(GMIME_MULTIPART(o)) > 0) {
        int n = g_mime_multipart_get_count(GMIME_MULTIPART(o));
        buf_add_c(out, '(');
        for (int i = 0; i < n; i++) {
            if (i > 0)
                buf_add_c(out, ' ');
            outline_theirs(g_mime_multipart_get_part(GMIME_MULTIPART(o), i), out);
        }
        buf_add_c(out, ')');
    } else if (GMIME_IS_MESSAGE_PART(o) && g_mime_message_part_get_message(GMIME_MESSAGE_PART(o))) {
        GMimeMessage *m = g_mime_message_part_get_message(GMIME_MESSAGE_PART(o));
        buf_add_c(out, '(');
        if (g_mime_message_get_mime_part(m))
            outline_theirs(g_mime_message_get_mime_part(m), out);
        buf_add_c(out, ')');
    }
}

static const char *reason(const char *name)
{
    const char *base = strrchr(name, '/');
    for (size_t i = 0; i < ARRAY_LEN(differ); i++)
        if (strstr(name, differ[i].file))
            return differ[i].why;
    return base ? NULL : "one of our own, broken in ways that GMime refuses";
}

static void compare(const char *name, struct sv m, void *arg _unused_)
{
    struct arena a;
    struct mime_part *root = NULL;
    struct buf ours, theirs;
    GMimeStream *stream = g_mime_stream_mem_new_with_buffer(m.p, m.n);
    GMimeParser *parser = g_mime_parser_new_with_stream(stream);
    GMimeMessage *message = g_mime_parser_construct_message(parser, NULL);
    arena_init(&a, 64 * MiB);
    buf_init(&ours, 1 * MiB);
    buf_init(&theirs, 1 * MiB);
    mime_parse(m, &a, &root);
    outline_ours(root, &ours);
    if (message && g_mime_message_get_mime_part(message))
        outline_theirs(g_mime_message_get_mime_part(message), &theirs);
    if (sv_eq(buf_sv(&ours), buf_sv(&theirs))) {
        count.same++;
    } else if (reason(name)) {
        count.differ++;
    } else {
        count.failed++;
        printf("%s\n  ours:  " SV_FMT "\n  GMime: " SV_FMT "\n", name, SV_ARG(buf_sv(&ours)),
               SV_ARG(buf_sv(&theirs)));
    }
    buf_done(&ours);
    buf_done(&theirs);
    arena_done(&a);
    if (message)
        g_object_unref(message);
    g_object_unref(parser);
    g_object_unref(stream);
}

int main(void)
{
    g_mime_init();
    unsigned n = corpus_each(compare, NULL);
    g_mime_shutdown();
    printf("%u messages: %u the same, %u differ for a known reason, %u differ\n", n, count.same,
           count.differ, count.failed);
    return count.failed ? 1 : 0;
}
