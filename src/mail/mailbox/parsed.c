/* ENVELOPE, BODYSTRUCTURE and BODY of a message as the index stores them: one blob, two lengths in
 * front. Made once per message, whoever gets it. Any thread, no locks. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mail/mailbox/mailbox_priv.h"
#include "proto/mime.h"

#define TREE_MAX (32 * MiB)
#define TEXT_MAX (4 * MiB)
#define HEAD     8

/* What is told of a message whose structure is beyond the bounds: a plain text without header
 * fields. */
static void fallback(struct sv content, struct buf *env, struct buf *bs, struct buf *body)
{
    buf_reset(env);
    buf_reset(bs);
    buf_reset(body);
    buf_add_str(env, "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
    buf_addf(body, "(\"TEXT\" \"PLAIN\" NIL NIL NIL \"8BIT\" %zu 0)", content.n);
    buf_addf(bs, "(\"TEXT\" \"PLAIN\" NIL NIL NIL \"8BIT\" %zu 0 NIL NIL NIL NIL)", content.n);
}

static void put_u32(char *p, size_t v)
{
    uint32_t n = (uint32_t)v;
    memcpy(p, &n, sizeof(n));
}

static size_t get_u32(const char *p)
{
    uint32_t n;
    memcpy(&n, p, sizeof(n));
    return n;
}

struct mailbox_parsed *mailbox_parse(struct sv content)
{
    _cleanup_(arena_done) struct arena a = { .cap = 0 };
    _cleanup_(buf_done) struct buf env = { .p = NULL }, bs = { .p = NULL }, body = { .p = NULL };
    struct mime_part *root = NULL;
    arena_init(&a, TREE_MAX);
    buf_init(&env, TEXT_MAX);
    buf_init(&bs, TEXT_MAX);
    buf_init(&body, TEXT_MAX);
    int r = mime_parse(content, &a, &root);
    if ((r < 0 && r != E_RANGE) || !root || mime_imap_envelope(root, &env) < 0 ||
        mime_imap_bodystructure(root, true, &bs) < 0 ||
        mime_imap_bodystructure(root, false, &body) < 0 || env.overflow || bs.overflow ||
        body.overflow)
        fallback(content, &env, &bs, &body);
    size_t n = HEAD + env.n + bs.n + body.n;
    struct mailbox_parsed *p = xmalloc(sizeof(*p) + n);
    p->n = n;
    put_u32(p->data, env.n);
    put_u32(p->data + 4, bs.n);
    memcpy(p->data + HEAD, env.p, env.n);
    memcpy(p->data + HEAD + env.n, bs.p, bs.n);
    memcpy(p->data + HEAD + env.n + bs.n, body.p, body.n);
    return p;
}

void mailbox_parsed_free(struct mailbox_parsed *p)
{
    free(p);
}

void parsed_split(struct sv data, struct msg_row *ret)
{
    ret->envelope = ret->bodystructure = ret->body = SV_NULL;
    if (data.n < HEAD)
        return;
    size_t env = get_u32(data.p), bs = get_u32(data.p + 4);
    struct sv rest = sv_skip(data, HEAD);
    if (env > rest.n || bs > rest.n - env)
        return;
    ret->envelope = sv_take(rest, env);
    ret->bodystructure = sv_take(sv_skip(rest, env), bs);
    ret->body = sv_skip(rest, env + bs);
}

struct mailbox_parsed *parsed_from_file(const char *path)
{
    struct stat st;
    _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return NULL;
    if (st.st_size == 0)
        return mailbox_parse(SV(""));
    void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED)
        return NULL;
    struct mailbox_parsed *parsed = mailbox_parse(sv_n(p, (size_t)st.st_size));
    munmap(p, (size_t)st.st_size);
    return parsed;
}
