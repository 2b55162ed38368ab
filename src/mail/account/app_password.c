/* App passwords: 24 random base32 characters (120 bits), so a salted SHA-256 is enough and they
 * cost microseconds. Row lists and changes come from the CLI and the control module;
 * app_password_match runs in every login. */
#include "mail/account/app_password.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/rand.h"
#include "mail/account/audit.h"

#define APP_CHARS    24
#define APP_GROUP    4
#define MAX_PER_USER 50

struct app_change {
    struct addr addr;
    const char *label;
    char salt[33], hash[65]; /* hex */
};

static void hash_app(const uint8_t salt[16], const char *text, uint8_t ret[32])
{
    uint8_t in[16 + APP_CHARS];
    memcpy(in, salt, 16);
    memcpy(in + 16, text, APP_CHARS);
    if (!EVP_Digest(in, sizeof(in), ret, NULL, EVP_sha256(), NULL))
        panic("SHA-256 failed");
    OPENSSL_cleanse(in, sizeof(in));
}

/* What was typed, without the groups' separators; false when it cannot be an app password. */
static bool canonical(struct sv in, char ret[APP_CHARS])
{
    size_t n = 0;
    for (size_t i = 0; i < in.n; i++) {
        char c = ascii_lower(in.p[i]);
        if (c == '-' || c == ' ')
            continue;
        if (n == APP_CHARS || !((c >= 'a' && c <= 'z') || (c >= '2' && c <= '7')))
            return false;
        ret[n++] = c;
    }
    return n == APP_CHARS;
}

struct app_password *app_password_match(const struct password_obj *p, struct sv password)
{
    char text[APP_CHARS];
    uint8_t got[32];
    struct app_password *found = NULL;
    if (p->n_app == 0 || !canonical(password, text))
        return NULL;
    for (size_t i = 0; i < p->n_app && !found; i++) {
        hash_app(p->app[i].salt, text, got);
        if (CRYPTO_memcmp(got, p->app[i].hash, sizeof(got)) == 0)
            found = &p->app[i];
    }
    OPENSSL_cleanse(text, sizeof(text));
    return found;
}

static void put_hex(const uint8_t *in, size_t n, char *ret)
{
    for (size_t i = 0; i < n; i++)
        snprintf(ret + 2 * i, 3, "%02x", in[i]);
}

static int check_label(const char *label, struct errinfo *ei)
{
    struct sv l = sv_c(label);
    if (sv_trim(l).n != l.n || l.n == 0 || l.n > 100 || !utf8_valid(l))
        return err_set(ei, E_PARSE,
                       "app password: the label must have 1 to 100 bytes, no outer spaces");
    for (size_t i = 0; i < l.n; i++) {
        if ((unsigned char)l.p[i] < 0x20 || l.p[i] == 0x7f)
            return err_set(ei, E_PARSE, "app password: control characters in the label");
    }
    return 0;
}

static int find_account(struct change *ch, const struct addr *a, int64_t *ret)
{
    int r = db_value(ch->c, ret, ch->ei, "SELECT id FROM account WHERE address = ?", "s", a->text);
    if (r == E_NOTFOUND)
        return err_set(ch->ei, r, "account '%.150s' does not exist", a->text);
    return r;
}

static int create_in(struct change *ch, void *arg)
{
    const struct app_change *ac = arg;
    int64_t id = 0, same = 0, all = 0;
    int r = find_account(ch, &ac->addr, &id);
    if (r == 0)
        r = db_value(ch->c, &same, ch->ei,
                     "SELECT COUNT(*) FROM app_password WHERE account_id = ? AND label = ?", "is",
                     id, ac->label);
    if (r == 0)
        r = db_value(ch->c, &all, ch->ei, "SELECT COUNT(*) FROM app_password WHERE account_id = ?",
                     "i", id);
    if (r == 0 && same)
        r = err_set(ch->ei, E_EXISTS, "app password '%.100s' of %.80s exists already", ac->label,
                    ac->addr.text);
    if (r == 0 && all >= MAX_PER_USER)
        r = err_set(ch->ei, E_LIMIT, "%.80s has %d app passwords; delete one first", ac->addr.text,
                    MAX_PER_USER);
    if (r < 0)
        return r;
    int64_t app = 0;
    r = id_next(ch->c, "app_password", &app, ch->ei);
    if (r == 0)
        r = db_run(ch->c, ch->ei,
                   "INSERT INTO app_password (id, account_id, label, salt, hash, created_s, used_s)"
                   " VALUES (?, ?, ?, ?, ?, ?, 0)",
                   "iisssi", app, id, ac->label, ac->salt, ac->hash, clock_wall_s());
    if (r == E_CONFLICT)
        return E_TEMP;
    return r < 0 ? r : change_note(ch, "app_password", NULL, ac->label);
}

int account_app_password_create(struct accounts *a, const char *admin, struct sv address,
                                const char *label, char ret[40], struct errinfo *ei)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
    struct app_change ac = { .label = label };
    uint8_t salt[16], hash[32], random[APP_CHARS];
    char text[APP_CHARS];
    int r = addr_parse(sv_trim(address), &ac.addr, ei);
    if (r == 0)
        r = check_label(label, ei);
    if (r < 0)
        return r;
    rand_bytes(salt, sizeof(salt));
    rand_bytes(random, sizeof(random));
    for (size_t i = 0; i < APP_CHARS; i++)
        text[i] = alphabet[random[i] & 31];
    hash_app(salt, text, hash);
    put_hex(salt, sizeof(salt), ac.salt);
    put_hex(hash, sizeof(hash), ac.hash);
    r = change_run(a, admin, "account", addr_sv(&ac.addr), create_in, &ac, ei);
    size_t n = 0;
    for (size_t i = 0; r == 0 && i < APP_CHARS; i++) {
        if (i > 0 && i % APP_GROUP == 0)
            ret[n++] = '-';
        ret[n++] = text[i];
    }
    if (r == 0)
        ret[n] = '\0';
    OPENSSL_cleanse(text, sizeof(text));
    OPENSSL_cleanse(random, sizeof(random));
    return r;
}

static int delete_in(struct change *ch, void *arg)
{
    const struct app_change *ac = arg;
    int64_t id = 0, app = 0;
    int r = find_account(ch, &ac->addr, &id);
    if (r == 0)
        r = db_value(ch->c, &app, ch->ei,
                     "SELECT id FROM app_password WHERE account_id = ? AND label = ?", "is", id,
                     ac->label);
    if (r == E_NOTFOUND && id)
        return err_set(ch->ei, r, "%.80s has no app password '%.100s'", ac->addr.text, ac->label);
    if (r == 0)
        r = db_run(ch->c, ch->ei, "DELETE FROM app_password WHERE id = ?", "i", app);
    return r < 0 ? r : change_note(ch, "app_password", ac->label, NULL);
}

int account_app_password_delete(struct accounts *a, const char *admin, struct sv address,
                                const char *label, struct errinfo *ei)
{
    struct app_change ac = { .label = label };
    int r = addr_parse(sv_trim(address), &ac.addr, ei);
    return r < 0 ? r : change_run(a, admin, "account", addr_sv(&ac.addr), delete_in, &ac, ei);
}

struct listed {
    char label[128];
    int64_t created_s, used_s;
};

static int read_list(struct accounts *a, int64_t id, struct listed *ret, size_t *ret_n,
                     struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r = db_get(a->db, &c, ei);
    if (r == 0)
        r = db_query(c, &s, ei,
                     "SELECT label, created_s, used_s FROM app_password WHERE account_id = ?"
                     " ORDER BY id",
                     "i", id);
    while (r == 0 && *ret_n < MAX_PER_USER && (r = db_step(s, ei)) == 1) {
        struct listed *l = &ret[(*ret_n)++];
        sv_copy(l->label, sizeof(l->label), db_col_text(s, 0));
        l->created_s = db_col_int(s, 1);
        l->used_s = db_col_int(s, 2);
        r = 0;
    }
    return r;
}

int account_app_password_each(struct accounts *a, struct sv address,
                              bool (*fn)(const char *label, int64_t created_s, int64_t used_s,
                                         void *arg),
                              void *arg, struct errinfo *ei)
{
    _cleanup_(account_unrefp) const struct account *acc = NULL;
    size_t n = 0;
    int r = account_find_address(a, address, &acc, ei);
    if (r < 0)
        return r;
    struct listed *l = xcalloc(MAX_PER_USER, sizeof(*l));
    r = read_list(a, acc->id, l, &n, ei);
    for (size_t i = 0; r == 0 && i < n; i++) {
        if (!fn(l[i].label, l[i].created_s, l[i].used_s, arg))
            break;
    }
    free(l);
    return r;
}
