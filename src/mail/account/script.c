/* Tables sieve_script and sieve_seen. */
#include "mail/account/script.h"

#include <stdio.h>

#include <openssl/sha.h>

#include "base/clock.h"
#include "base/codec.h"
#include "mail/account/accounts_priv.h"

/* --- the active one --- */

struct script_obj {
    struct obj o;
    struct active_script s;
    char *name, *text;
    struct arena arena;
    int error; /* stored by another version of the program, and not readable by this one */
};

static void script_obj_free(struct obj *o)
{
    struct script_obj *s = container_of(o, struct script_obj, o);
    arena_done(&s->arena);
    free(s->name);
    free(s->text);
    free(s);
}

static struct script_obj *make(struct sv name, struct sv content)
{
    struct script_obj *s = xcalloc(1, sizeof(*s));
    struct sieve_problems problems;
    obj_init(&s->o, script_obj_free);
    arena_init(&s->arena, SIEVE_ARENA);
    s->name = sv_dup(name);
    s->text = sv_dup(content);
    s->s.name = s->name;
    s->error = sieve_parse(sv_n(s->text, content.n), &s->arena, &s->s.script, &problems);
    return s;
}

/* name.p == NULL: the active one. *ret NULL: there is none. */
static int load(struct accounts *a, int64_t id, struct sv name, struct script_obj **ret,
                struct errinfo *ei)
{
    _cleanup_(view_done) struct view v;
    _cleanup_(db_resetp) struct db_stmt *st = NULL;
    struct obj *o = NULL;
    char key[sizeof(id) + SCRIPT_NAME_MAX];
    char kind = name.p ? KEY_NAMED_SCRIPT : KEY_SCRIPT;
    size_t n = MIN(name.n, (size_t)SCRIPT_NAME_MAX);
    memcpy(key, &id, sizeof(id));
    if (n)
        memcpy(key + sizeof(id), name.p, n);
    view_init(&v, a);
    if (accounts_cached(a, kind, sv_n(key, sizeof(id) + n), v.stamp, &o)) {
        *ret = o ? container_of(o, struct script_obj, o) : NULL;
        return 0;
    }
    int r = view_db(&v, ei);
    if (r == 0 && name.p)
        r = db_query(v.c, &st, ei,
                     "SELECT name, content FROM sieve_script WHERE account_id = ? AND name = ?",
                     "iv", id, name);
    else if (r == 0)
        r = db_query(v.c, &st, ei,
                     "SELECT name, content FROM sieve_script WHERE account_id = ? AND active = 1",
                     "i", id);
    if (r == 0)
        r = db_step(st, ei);
    if (r < 0)
        return view_error(r, ei);
    *ret = r == 1 ? make(db_col_text(st, 0), db_col_blob(st, 1)) : NULL;
    accounts_remember(a, kind, sv_n(key, sizeof(id) + n), v.stamp, *ret ? &(*ret)->o : NULL);
    return 0;
}

static int get_script(struct accounts *a, int64_t id, struct sv name,
                      const struct active_script **ret, struct errinfo *ei)
{
    struct script_obj *s = NULL;
    int r = load(a, id, name, &s, ei);
    if (r < 0)
        return r;
    if (!s)
        return E_NOTFOUND;
    if (s->error < 0) {
        r = err_set(ei, E_CORRUPT, "the Sieve script '%.100s' cannot be read", s->name);
        obj_unref(&s->o);
        return r;
    }
    *ret = &s->s;
    return 0;
}

int account_script_active(struct accounts *a, int64_t account_id, const struct active_script **ret,
                          struct errinfo *ei)
{
    return get_script(a, account_id, SV_NULL, ret, ei);
}

int account_script_named(struct accounts *a, int64_t account_id, struct sv name,
                         const struct active_script **ret, struct errinfo *ei)
{
    if (!name.n || name.n > SCRIPT_NAME_MAX)
        return E_NOTFOUND;
    return get_script(a, account_id, name, ret, ei);
}

void active_script_unref(const struct active_script *s)
{
    if (s)
        obj_unref(&container_of(s, struct script_obj, s)->o);
}

/* --- changes --- */

struct script_change {
    struct addr addr;
    struct sv name, new_name, content;
    int64_t max_scripts;
};

/* RFC 5804 1.6: no control characters. */
static int check_name(struct sv name, struct errinfo *ei)
{
    bool bad = !name.n || name.n > SCRIPT_NAME_MAX || !utf8_valid(name);
    for (size_t i = 0; i < name.n; i++)
        bad |= (unsigned char)name.p[i] < ' ' || name.p[i] == 127 || name.p[i] == '/';
    return bad ? err_set(ei, E_RANGE,
                         "the name of a script has 1 to %d bytes of UTF-8, no '/' and no control "
                         "characters",
                         SCRIPT_NAME_MAX)
               : 0;
}

static int check_content(struct sv content, struct errinfo *ei)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    _cleanup_(arena_done) struct arena arena;
    struct sieve_script script;
    struct sieve_problems p;
    arena_init(&arena, SIEVE_ARENA);
    if (content.n > (uint64_t)cf->sieve.max_script_size)
        return err_set(ei, E_RANGE,
                       "the script has %zu bytes; sieve.max_script_size allows %" PRId64, content.n,
                       cf->sieve.max_script_size);
    if (sieve_parse(content, &arena, &script, &p) == 0)
        return 0;
    return err_set(ei, E_PARSE, "line %u, column %u: %s", p.v[0].line, p.v[0].col, p.v[0].text);
}

static bool is_global(const struct addr *a)
{
    return strcmp(a->text, SCRIPT_GLOBAL) == 0;
}

static int find_id(struct dbc *c, const struct addr *a, int64_t *ret, struct errinfo *ei)
{
    *ret = SCRIPT_GLOBAL_ID;
    if (is_global(a))
        return 0;
    int r = db_value(c, ret, NULL, "SELECT id FROM account WHERE address = ?", "s", a->text);
    return r == E_NOTFOUND ? err_set(ei, r, "account '%.150s' does not exist", a->text)
           : r < 0         ? err_set(ei, r, "cannot read the account '%.150s'", a->text)
                           : 0;
}

/* 0 and whether it is active; E_NOTFOUND. */
static int find_script(struct change *ch, int64_t id, struct sv name, int64_t *ret_active)
{
    int r = db_value(ch->c, ret_active, NULL,
                     "SELECT active FROM sieve_script WHERE account_id = ? AND name = ?", "iv", id,
                     name);
    if (r == E_NOTFOUND)
        return err_set(ch->ei, r, "there is no script '" SV_FMT "'", SV_ARG(name));
    return r < 0 ? err_set(ch->ei, r, "cannot read the scripts") : 0;
}

static int note(struct change *ch, struct sv name, const char *old_value, const char *new_value)
{
    char field[SCRIPT_NAME_MAX + 16];
    snprintf(field, sizeof(field), "sieve " SV_FMT, SV_ARG(name));
    return change_note(ch, field, old_value, new_value);
}

static int too_many(int64_t n, struct errinfo *ei)
{
    return err_set(ei, E_QUOTA,
                   "there are %" PRId64 " scripts (sieve.max_scripts); delete one first", n);
}

static int insert(struct change *ch, int64_t id, const struct script_change *sc)
{
    int64_t n = 0;
    int r = db_value(ch->c, &n, ch->ei, "SELECT COUNT(*) FROM sieve_script WHERE account_id = ?",
                     "i", id);
    if (r == 0 && n >= sc->max_scripts)
        return too_many(n, ch->ei);
    if (r == 0)
        r = db_run(ch->c, ch->ei,
                   "INSERT INTO sieve_script (account_id, name, content, active, changed_ms)"
                   " VALUES (?, ?, ?, 0, ?)",
                   "ivbi", id, sc->name, sc->content, clock_wall_ms());
    return r == E_CONFLICT ? E_TEMP : r;
}

static int put_in(struct change *ch, void *arg)
{
    const struct script_change *sc = arg;
    int64_t id = 0, active = 0;
    char size[40];
    int r = find_id(ch->c, &sc->addr, &id, ch->ei);
    bool known = r == 0;
    if (r == 0)
        r = find_script(ch, id, sc->name, &active);
    bool is_new = known && r == E_NOTFOUND;
    if (is_new)
        r = insert(ch, id, sc);
    else if (r == 0)
        r = db_run(ch->c, ch->ei,
                   "UPDATE sieve_script SET content = ?, changed_ms = ?"
                   " WHERE account_id = ? AND name = ?",
                   "biiv", sc->content, clock_wall_ms(), id, sc->name);
    snprintf(size, sizeof(size), "%zu bytes", sc->content.n);
    return r < 0 ? r : note(ch, sc->name, is_new ? NULL : "another text", size);
}

static int delete_in(struct change *ch, void *arg)
{
    const struct script_change *sc = arg;
    int64_t id = 0, active = 0;
    int r = find_id(ch->c, &sc->addr, &id, ch->ei);
    if (r == 0)
        r = find_script(ch, id, sc->name, &active);
    if (r == 0 && active)
        return err_set(ch->ei, E_CONFLICT,
                       "the script '" SV_FMT "' is active; activate another one or none first",
                       SV_ARG(sc->name));
    if (r == 0)
        r = db_run(ch->c, ch->ei, "DELETE FROM sieve_script WHERE account_id = ? AND name = ?",
                   "iv", id, sc->name);
    return r < 0 ? r : note(ch, sc->name, "existed", NULL);
}

/* An active one stays active. */
static int rename_in(struct change *ch, void *arg)
{
    const struct script_change *sc = arg;
    int64_t id = 0, active = 0;
    int r = find_id(ch->c, &sc->addr, &id, ch->ei);
    if (r == 0)
        r = find_script(ch, id, sc->name, &active);
    if (r < 0)
        return r;
    r = find_script(ch, id, sc->new_name, &active);
    if (r == 0)
        return err_set(ch->ei, E_EXISTS, "there is a script '" SV_FMT "' already",
                       SV_ARG(sc->new_name));
    if (r != E_NOTFOUND)
        return r;
    r = db_run(ch->c, ch->ei, "UPDATE sieve_script SET name = ? WHERE account_id = ? AND name = ?",
               "viv", sc->new_name, id, sc->name);
    _cleanup_(freep) char *old_name = sv_dup(sc->name), *new_name = sv_dup(sc->new_name);
    return r < 0 ? r : note(ch, sc->name, old_name, new_name);
}

static int activate_in(struct change *ch, void *arg)
{
    const struct script_change *sc = arg;
    int64_t id = 0, active = 0;
    int r = find_id(ch->c, &sc->addr, &id, ch->ei);
    if (r == 0 && is_global(&sc->addr))
        return err_set(ch->ei, E_CONFLICT,
                       "scripts of the server are included by others; none of them is active");
    if (r == 0 && sc->name.n)
        r = find_script(ch, id, sc->name, &active);
    if (r < 0 || active)
        return r;
    r = db_run(ch->c, ch->ei, "UPDATE sieve_script SET active = 0 WHERE account_id = ?", "i", id);
    if (r == 0 && sc->name.n)
        r = db_run(ch->c, ch->ei,
                   "UPDATE sieve_script SET active = 1 WHERE account_id = ? AND name = ?", "iv", id,
                   sc->name);
    return r < 0 ? r : note(ch, sc->name.n ? sc->name : SV("(none)"), "not active", "active");
}

static int change_script(struct accounts *a, const char *admin, struct sv address,
                         struct script_change *sc, int (*fn)(struct change *, void *),
                         struct errinfo *ei)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    sc->max_scripts = cf->sieve.max_scripts;
    int r = addr_parse(sv_trim(address), &sc->addr, ei);
    return r < 0 ? r
                 : change_run(a, admin, is_global(&sc->addr) ? "scripts" : "account",
                              addr_sv(&sc->addr), fn, sc, ei);
}

int account_script_put(struct accounts *a, const char *admin, struct sv address, struct sv name,
                       struct sv content, struct errinfo *ei)
{
    struct script_change sc = { .name = name, .content = content };
    int r = check_name(name, ei);
    if (r == 0)
        r = check_content(content, ei);
    return r < 0 ? r : change_script(a, admin, address, &sc, put_in, ei);
}

int account_script_delete(struct accounts *a, const char *admin, struct sv address, struct sv name,
                          struct errinfo *ei)
{
    struct script_change sc = { .name = name };
    return change_script(a, admin, address, &sc, delete_in, ei);
}

int account_script_rename(struct accounts *a, const char *admin, struct sv address, struct sv name,
                          struct sv new_name, struct errinfo *ei)
{
    struct script_change sc = { .name = name, .new_name = new_name };
    int r = check_name(new_name, ei);
    return r < 0 ? r : change_script(a, admin, address, &sc, rename_in, ei);
}

int account_script_activate(struct accounts *a, const char *admin, struct sv address,
                            struct sv name, struct errinfo *ei)
{
    struct script_change sc = { .name = name };
    return change_script(a, admin, address, &sc, activate_in, ei);
}

/* --- reading --- */

static int begin_read(struct accounts *a, struct sv address, struct dbc **ret, int64_t *ret_id,
                      struct errinfo *ei)
{
    struct addr addr;
    int r = addr_parse(sv_trim(address), &addr, ei);
    if (r == 0)
        r = db_get(a->db, ret, ei);
    return r < 0 ? r : find_id(*ret, &addr, ret_id, ei);
}

int account_script_each(struct accounts *a, struct sv address,
                        bool (*fn)(const struct script_info *, void *arg), void *arg,
                        struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int64_t id;
    int r = begin_read(a, address, &c, &id, ei);
    if (r == 0)
        r = db_query(c, &s, ei,
                     "SELECT name, LENGTH(content), active, changed_ms FROM sieve_script"
                     " WHERE account_id = ? ORDER BY name",
                     "i", id);
    while (r == 0 && (r = db_step(s, ei)) == 1) {
        _cleanup_(freep) char *name = sv_dup(db_col_text(s, 0));
        struct script_info i = { name, (uint64_t)db_col_int(s, 1), db_col_int(s, 2) != 0,
                                 db_col_int(s, 3) };
        r = fn(&i, arg) ? 0 : 1;
    }
    return MIN(r, 0);
}

int account_script_get(struct accounts *a, struct sv address, struct sv name, struct buf *ret,
                       struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int64_t id;
    int r = begin_read(a, address, &c, &id, ei);
    if (r == 0)
        r = db_query(c, &s, ei,
                     "SELECT content FROM sieve_script WHERE account_id = ? AND name = ?", "iv", id,
                     name);
    if (r == 0)
        r = db_step(s, ei);
    if (r == 0)
        return err_set(ei, E_NOTFOUND, "there is no script '" SV_FMT "'", SV_ARG(name));
    return r < 0 ? r : buf_add_sv(ret, db_col_blob(s, 0));
}

struct counting {
    struct sv name;
    int64_t n;
    bool there;
};

static bool count_script(const struct script_info *i, void *arg)
{
    struct counting *x = arg;
    x->n++;
    x->there |= sv_eq(sv_c(i->name), x->name);
    return true;
}

int account_script_room(struct accounts *a, struct sv address, struct sv name, struct errinfo *ei)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    struct counting x = { .name = name };
    int r = check_name(name, ei);
    if (r == 0)
        r = account_script_each(a, address, count_script, &x, ei);
    if (r == 0 && !x.there && x.n >= cf->sieve.max_scripts)
        r = too_many(x.n, ei);
    return r;
}

/* --- memory --- */

static void digest(char kind, struct sv id, char ret[2 + 2 * SHA256_DIGEST_LENGTH])
{
    unsigned char h[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)(id.n ? id.p : ""), id.n, h);
    ret[0] = kind;
    for (size_t i = 0; i < sizeof(h); i++)
        snprintf(ret + 1 + 2 * i, 3, "%02x", h[i]);
}

int account_script_seen(struct accounts *a, int64_t account_id, char kind, struct sv id,
                        uint64_t message_key, struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    char key[2 + 2 * SHA256_DIGEST_LENGTH];
    int64_t n = 0;
    digest(kind, id, key);
    int r = db_get(a->db, &c, ei);
    if (r == 0)
        r = db_value(c, &n, ei,
                     "SELECT COUNT(*) FROM sieve_seen WHERE account_id = ? AND id = ?"
                     " AND message_key <> ? AND expires_ms > ?",
                     "isii", account_id, key, (int64_t)message_key, clock_wall_ms());
    return r < 0 ? r : n > 0;
}

static int remember(struct dbc *c, int64_t account_id, const char *key, uint64_t message_key,
                    int64_t expires_ms, bool once, struct errinfo *ei)
{
    int64_t now = clock_wall_ms(), n = 0, others = 0;
    int r = db_begin(c, ei);
    if (r == 0)
        r = db_run(c, ei, "DELETE FROM sieve_seen WHERE expires_ms <= ?", "i", now);
    if (r == 0)
        r = db_value(c, &n, ei, "SELECT COUNT(*) FROM sieve_seen WHERE account_id = ? AND id = ?",
                     "is", account_id, key);
    if (r == 0 && n && once)
        r = db_value(c, &others, ei,
                     "SELECT COUNT(*) FROM sieve_seen WHERE account_id = ? AND id = ?"
                     " AND message_key <> ?",
                     "isi", account_id, key, (int64_t)message_key);
    if (r == 0 && others) {
        db_rollback(c);
        return E_EXISTS;
    }
    if (r == 0)
        r = db_run(c, ei,
                   n ? "UPDATE sieve_seen SET message_key = ?, expires_ms = ?"
                       " WHERE account_id = ? AND id = ?"
                     : "INSERT INTO sieve_seen (message_key, expires_ms, account_id, id)"
                       " VALUES (?, ?, ?, ?)",
                   "iiis", (int64_t)message_key, expires_ms, account_id, key);
    return r == 0 ? db_commit(c, ei) : r;
}

int account_script_remember(struct accounts *a, int64_t account_id, char kind, struct sv id,
                            uint64_t message_key, int64_t expires_ms, bool once, struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    char key[2 + 2 * SHA256_DIGEST_LENGTH];
    digest(kind, id, key);
    int r = db_get_writer(a->db, &c, ei);
    if (r == 0)
        r = remember(c, account_id, key, message_key, expires_ms, once, ei);
    return r == E_CONFLICT ? E_TEMP : r; /* another process was faster */
}
