/* Names in the mail store: account directories (rows dir.alpha) and message files. Pure.
 * With alphabetical sorting an account's directory may lie inside another one's (jo/jo and
 * jo/jo/jojo), so removal never takes whole trees, and a group is never spelled like one of our own
 * files. */
#include "base/codec.h"
#include "mail/mailbox/mailbox_priv.h"

static bool plain_byte(char c)
{
    unsigned char u = (unsigned char)c;
    return u > 0x20 && u != 0x7f && c != '/' && c != '%' && c != '?' && c != '\\';
}

static bool reserved(struct sv s)
{
    return sv_eq(s, SV("msg")) || sv_eq(s, SV("lock")) || sv_starts(s, SV("index.db"));
}

/* What could confuse a path becomes %xx; our own names and hidden files too. */
int path_component(struct buf *ret, struct sv s)
{
    bool first = s.n > 0 && (s.p[0] == '.' || s.p[0] == '_' || reserved(s));
    size_t start = ret->n;
    if (s.n == 0)
        return E_RANGE;
    buf_add_c(ret, '/');
    for (size_t i = 0; i < s.n; i++) {
        char c = ascii_lower(s.p[i]);
        if (plain_byte(c) && !(first && i == 0))
            buf_add_c(ret, c);
        else
            buf_addf(ret, "%%%02x", (unsigned char)c);
    }
    return ret->overflow || ret->n - start > 255 ? E_RANGE : 0;
}

/* Bytes of the first n characters. */
static size_t chars(struct sv s, size_t n)
{
    size_t i = 0;
    while (i < s.n && n > 0) {
        i++;
        while (i < s.n && ((unsigned char)s.p[i] & 0xc0) == 0x80)
            i++;
        n--;
    }
    return i;
}

int mailstore_account_dir(const struct mailstore_opts *o, struct sv address, struct buf *ret)
{
    ssize_t at = sv_rfind(address, '@');
    if (at <= 0 || !utf8_valid(address))
        return E_RANGE;
    struct sv local = sv_take(address, (size_t)at), domain = sv_skip(address, (size_t)at + 1);
    int r = 0;
    buf_add_str(ret, o->root);
    r = path_component(ret, domain);
    struct sv rest = sv_take(local, chars(local, (size_t)MAX(o->alpha_prefix, 0)));
    while (r == 0 && rest.n > 0) {
        size_t n = chars(rest, (size_t)MAX(o->alpha_group, 1));
        r = path_component(ret, sv_take(rest, n));
        rest = sv_skip(rest, n);
    }
    if (r == 0)
        r = path_component(ret, local);
    return ret->overflow ? E_RANGE : r;
}

void blob_name(uint64_t key, char ret[24])
{
    snprintf(ret, 24, "%016" PRIx64 ".eml", key);
}

bool blob_name_key(const char *name, uint64_t *ret)
{
    uint64_t key = 0;
    if (strlen(name) != 20 || memcmp(name + 16, ".eml", 4) != 0)
        return false;
    for (int i = 0; i < 16; i++) {
        char c = name[i];
        bool digit = c >= '0' && c <= '9';
        if (!digit && !(c >= 'a' && c <= 'f'))
            return false;
        key = key << 4 | (uint64_t)(digit ? c - '0' : c - 'a' + 10);
    }
    *ret = key;
    return true;
}

char *blob_path(const struct mailbox *m, uint64_t key)
{
    char name[24];
    size_t n = strlen(m->dir);
    char *p = xmalloc(n + 40);
    blob_name(key, name);
    memcpy(p, m->dir, n);
    snprintf(p + n, 40, "/msg/%s", name);
    return p;
}

static int add_message_path(struct buf *ret, uint64_t key)
{
    char name[24];
    blob_name(key, name);
    return buf_addf(ret, "/msg/%s", name);
}

int mailbox_message_path(struct mailbox *m, uint64_t key, struct buf *ret)
{
    buf_add_str(ret, m->dir);
    return add_message_path(ret, key);
}

int mailstore_message_path(struct mailstore *s, struct sv address, uint64_t key, struct buf *ret)
{
    int r = mailstore_account_dir(&s->opts, address, ret);
    return r < 0 ? r : add_message_path(ret, key);
}
