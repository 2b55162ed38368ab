/* Tables web_session and api_token. */
#include "mail/account/web_auth.h"

#include <openssl/evp.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/rand.h"
#include "mail/account/accounts_priv.h"

#define SEEN_MS         60000 /* a session's last use is noted this often */
#define MAX_PER_ACCOUNT 100
#define TOKEN_PREFIX    "pht_"

static void put_hex(const uint8_t *in, size_t n, char *ret)
{
    for (size_t i = 0; i < n; i++)
        snprintf(ret + 2 * i, 3, "%02x", in[i]);
}

static void make_secret(char ret[WEB_SECRET])
{
    uint8_t random[32];
    rand_bytes(random, sizeof(random));
    put_hex(random, sizeof(random), ret);
    explicit_bzero(random, sizeof(random));
}

static void hash_secret(struct sv secret, char ret[WEB_SECRET])
{
    uint8_t digest[32];
    if (!EVP_Digest(secret.p, secret.n, digest, NULL, EVP_sha256(), NULL))
        panic("SHA-256 failed");
    put_hex(digest, sizeof(digest), ret);
}

/* --- sessions --- */

static int insert_session(struct dbc *c, int64_t account_id, const char *hash, const char *peer,
                          const char *agent, int64_t lifetime_ms, struct errinfo *ei)
{
    int64_t now = clock_wall_ms(), n = 0;
    int r = db_run(c, ei, "DELETE FROM web_session WHERE expires_ms < ?", "i", now);
    if (r == 0)
        r = db_value(c, &n, ei, "SELECT COUNT(*) FROM web_session WHERE account_id = ?", "i",
                     account_id);
    if (r == 0 && n >= MAX_PER_ACCOUNT)
        r = db_run(c, ei,
                   "DELETE FROM web_session WHERE account_id = ? AND created_ms <="
                   " (SELECT MIN(m) FROM (SELECT MIN(created_ms) AS m FROM web_session"
                   " WHERE account_id = ?) AS oldest)",
                   "ii", account_id, account_id);
    if (r == 0)
        r = db_run(c, ei,
                   "INSERT INTO web_session (hash, account_id, created_ms, seen_ms, expires_ms,"
                   " peer, agent) VALUES (?, ?, ?, ?, ?, ?, ?)",
                   "siiiivv", hash, account_id, now, now, now + lifetime_ms,
                   sv_take(sv_c(peer), 64), sv_take(sv_c(agent), 200));
    return r;
}

int web_session_create(struct accounts *a, int64_t account_id, const char *peer, const char *agent,
                       int64_t lifetime_ms, char ret[WEB_SECRET], struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    char hash[WEB_SECRET];
    make_secret(ret);
    hash_secret(sv_c(ret), hash);
    int r = db_get_writer(a->db, &c, ei);
    if (r == 0)
        r = db_begin(c, ei);
    if (r == 0)
        r = insert_session(c, account_id, hash, peer, agent, lifetime_ms, ei);
    return r == 0 ? db_commit(c, ei) : r;
}

static int read_session(struct dbc *c, const char *hash, int64_t idle_ms, int64_t *ret_account,
                        int64_t *ret_expires_ms, int64_t *ret_seen_ms, struct errinfo *ei)
{
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int64_t now = clock_wall_ms();
    int r = db_query(c, &s, ei,
                     "SELECT account_id, expires_ms, seen_ms FROM web_session WHERE hash = ?", "s",
                     hash);
    if (r == 0)
        r = db_step(s, ei);
    if (r < 0)
        return r;
    if (r == 0)
        return E_NOTFOUND;
    *ret_account = db_col_int(s, 0);
    *ret_expires_ms = db_col_int(s, 1);
    *ret_seen_ms = db_col_int(s, 2);
    return *ret_expires_ms < now || *ret_seen_ms + idle_ms < now ? E_NOTFOUND : 0;
}

int web_session_find(struct accounts *a, struct sv secret, int64_t idle_ms, bool used,
                     int64_t *ret_account, char ret_hash[WEB_SECRET], int64_t *ret_expires_ms,
                     struct errinfo *ei)
{
    int64_t seen_ms = 0;
    int r;
    if (secret.n != WEB_SECRET - 1)
        return E_NOTFOUND;
    hash_secret(secret, ret_hash);
    {
        _cleanup_(db_putp) struct dbc *c = NULL;
        r = db_get(a->db, &c, ei);
        if (r == 0)
            r = read_session(c, ret_hash, idle_ms, ret_account, ret_expires_ms, &seen_ms, ei);
    }
    if (r == 0 && used && clock_wall_ms() - seen_ms > MIN(SEEN_MS, idle_ms / 4)) {
        _cleanup_(db_putp) struct dbc *c = NULL;
        r = db_get_writer(a->db, &c, ei);
        if (r == 0)
            r = db_run(c, ei, "UPDATE web_session SET seen_ms = ? WHERE hash = ?", "is",
                       clock_wall_ms(), ret_hash);
    }
    return r;
}

int web_session_each(struct accounts *a, int64_t account_id, int64_t idle_ms,
                     bool (*fn)(const struct web_session *s, void *arg), void *arg,
                     struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int64_t now = clock_wall_ms();
    int r = db_get(a->db, &c, ei);
    if (r == 0)
        r = db_query(c, &s, ei,
                     "SELECT hash, peer, agent, created_ms, seen_ms, expires_ms FROM web_session"
                     " WHERE account_id = ? AND expires_ms >= ? AND seen_ms >= ?"
                     " ORDER BY created_ms DESC, hash",
                     "iii", account_id, now, now - idle_ms);
    while (r == 0 && (r = db_step(s, ei)) == 1) {
        struct web_session w = { .created_ms = db_col_int(s, 3),
                                 .seen_ms = db_col_int(s, 4),
                                 .expires_ms = db_col_int(s, 5) };
        sv_copy(w.hash, sizeof(w.hash), db_col_text(s, 0));
        sv_copy(w.peer, sizeof(w.peer), db_col_text(s, 1));
        sv_copy(w.agent, sizeof(w.agent), db_col_text(s, 2));
        r = fn(&w, arg) ? 0 : 1;
    }
    return r < 0 ? r : 0;
}

int web_session_end(struct accounts *a, const char *hash, struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    int r = db_get_writer(a->db, &c, ei);
    return r < 0 ? r : db_run(c, ei, "DELETE FROM web_session WHERE hash = ?", "s", hash);
}

int web_sessions_end(struct change *ch, int64_t account_id, const char *keep, int64_t *ret)
{
    int64_t all = 0, kept = 0, now = clock_wall_ms();
    int r = db_run(ch->c, ch->ei, "DELETE FROM web_session WHERE account_id = ? AND expires_ms < ?",
                   "ii", account_id, now);
    if (r == 0)
        r = db_value(ch->c, &all, ch->ei, "SELECT COUNT(*) FROM web_session WHERE account_id = ?",
                     "i", account_id);
    if (r == 0 && all > 0)
        r = db_run(ch->c, ch->ei, "DELETE FROM web_session WHERE account_id = ? AND hash <> ?",
                   "is", account_id, keep ? keep : "");
    if (r == 0 && all > 0)
        r = db_value(ch->c, &kept, ch->ei, "SELECT COUNT(*) FROM web_session WHERE account_id = ?",
                     "i", account_id);
    if (ret)
        *ret = all - kept;
    return r < 0 ? r : change_note_int(ch, "console sessions", all, kept);
}

struct sign_out {
    struct addr addr;
    bool with_sessions, with_tokens;
    int64_t sessions, tokens;
};

static int sign_out_in(struct change *ch, void *arg)
{
    struct sign_out *o = arg;
    int64_t account = 0;
    int r = db_value(ch->c, &account, ch->ei, "SELECT id FROM account WHERE address = ?", "v",
                     addr_sv(&o->addr));
    if (r == E_NOTFOUND)
        return err_set(ch->ei, r, "account '%.150s' does not exist", o->addr.text);
    if (r == 0 && o->with_sessions)
        r = web_sessions_end(ch, account, NULL, &o->sessions);
    if (r < 0 || !o->with_tokens)
        return r;
    r = db_value(ch->c, &o->tokens, ch->ei, "SELECT COUNT(*) FROM api_token WHERE account_id = ?",
                 "i", account);
    if (r == 0)
        r = db_run(ch->c, ch->ei, "DELETE FROM api_token WHERE account_id = ?", "i", account);
    return r < 0 ? r : change_note_int(ch, "tokens", o->tokens, 0);
}

static int run_sign_out(struct accounts *a, const char *admin, struct sv address,
                        struct sign_out *o, struct errinfo *ei)
{
    int r = addr_parse(sv_trim(address), &o->addr, ei);
    return r < 0 ? r : change_run(a, admin, "account", addr_sv(&o->addr), sign_out_in, o, ei);
}

int account_sign_out(struct accounts *a, const char *admin, struct sv address, bool with_tokens,
                     int64_t *ret_sessions, int64_t *ret_tokens, struct errinfo *ei)
{
    struct sign_out o = { .with_sessions = true, .with_tokens = with_tokens };
    int r = run_sign_out(a, admin, address, &o, ei);
    *ret_sessions = o.sessions;
    *ret_tokens = o.tokens;
    return r;
}

int account_withdraw_tokens(struct accounts *a, const char *admin, struct sv address,
                            int64_t *ret_tokens, struct errinfo *ei)
{
    struct sign_out o = { .with_tokens = true };
    int r = run_sign_out(a, admin, address, &o, ei);
    *ret_tokens = o.tokens;
    return r;
}

int web_proof_exists(struct accounts *a, const char *hash, int64_t idle_ms, struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    int64_t n = 0, now = clock_wall_ms();
    int r = db_get(a->db, &c, ei);
    if (r == 0)
        r = db_value(c, &n, ei,
                     "SELECT (SELECT COUNT(*) FROM web_session WHERE hash = ? AND expires_ms >= ?"
                     " AND seen_ms >= ?)"
                     " + (SELECT COUNT(*) FROM api_token WHERE hash = ? AND (expires_ms = 0 OR"
                     " expires_ms >= ?))",
                     "siisi", hash, now, now - idle_ms, hash, now);
    return r < 0 ? r : n > 0 ? 0 : E_NOTFOUND;
}

/* --- tokens --- */

struct token_change {
    struct addr addr;
    const char *name, *scopes, *hash;
    int64_t expires_ms, id;
};

static int create_in(struct change *ch, void *arg)
{
    struct token_change *t = arg;
    int64_t account = 0, n = 0;
    int r = db_value(ch->c, &account, ch->ei, "SELECT id FROM account WHERE address = ?", "s",
                     t->addr.text);
    if (r == E_NOTFOUND)
        return err_set(ch->ei, r, "account '%.150s' does not exist", t->addr.text);
    if (r == 0)
        r = db_value(ch->c, &n, ch->ei, "SELECT COUNT(*) FROM api_token WHERE account_id = ?", "i",
                     account);
    if (r == 0 && n >= MAX_PER_ACCOUNT)
        return err_set(ch->ei, E_LIMIT, "%.80s has %d tokens; delete one first", t->addr.text,
                       MAX_PER_ACCOUNT);
    if (r == 0)
        r = id_next(ch->c, "api_token", &t->id, ch->ei);
    if (r == 0)
        r = db_run(ch->c, ch->ei,
                   "INSERT INTO api_token (id, hash, account_id, name, scopes, created_ms,"
                   " expires_ms, used_ms) VALUES (?, ?, ?, ?, ?, ?, ?, 0)",
                   "isissii", t->id, t->hash, account, t->name, t->scopes, clock_wall_ms(),
                   t->expires_ms);
    return r < 0 ? r : change_note(ch, "token", NULL, t->name);
}

static int check_name(const char *name, struct errinfo *ei)
{
    struct sv n = sv_c(name);
    if (n.n == 0 || n.n > 100 || !utf8_valid(n))
        return err_set(ei, E_PARSE, "name: a token's name has 1 to 100 bytes");
    for (const char *p = name; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return err_set(ei, E_PARSE, "name: control characters are not allowed");
    return 0;
}

int api_token_create(struct accounts *a, const char *admin, struct sv address, const char *name,
                     const char *scopes, int64_t expires_ms, int64_t *ret_id,
                     char ret[WEB_SECRET + 4], struct errinfo *ei)
{
    char hash[WEB_SECRET];
    struct token_change t = {
        .name = name, .scopes = scopes, .hash = hash, .expires_ms = expires_ms
    };
    int r = addr_parse(sv_trim(address), &t.addr, ei);
    if (r == 0)
        r = check_name(name, ei);
    if (r < 0)
        return r;
    memcpy(ret, TOKEN_PREFIX, 4);
    make_secret(ret + 4);
    hash_secret(sv_c(ret), hash);
    r = change_run(a, admin, "account", addr_sv(&t.addr), create_in, &t, ei);
    if (r == 0)
        *ret_id = t.id;
    return r;
}

static int delete_in(struct change *ch, void *arg)
{
    const struct token_change *t = arg;
    int r = db_run(ch->c, ch->ei, "DELETE FROM api_token WHERE id = ?", "i", t->id);
    return r < 0 ? r : change_note(ch, "token", t->name, NULL);
}

static void from_row(struct db_stmt *s, struct api_token *t)
{
    *t = (struct api_token){
        .id = db_col_int(s, 0),
        .account_id = db_col_int(s, 1),
        .created_ms = db_col_int(s, 5),
        .expires_ms = db_col_int(s, 6),
        .used_ms = db_col_int(s, 7),
    };
    sv_copy(t->address, sizeof(t->address), db_col_text(s, 2));
    sv_copy(t->name, sizeof(t->name), db_col_text(s, 3));
    sv_copy(t->scopes, sizeof(t->scopes), db_col_text(s, 4));
}

#define TOKEN_COLUMNS                                                                              \
    "SELECT t.id, t.account_id, a.address, t.name, t.scopes, t.created_ms, t.expires_ms,"          \
    " t.used_ms FROM api_token t JOIN account a ON a.id = t.account_id"

static int read_token(struct accounts *a, const char *sql, const char *fmt, int64_t id,
                      const char *hash, struct api_token *ret, struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r = db_get(a->db, &c, ei);
    if (r == 0)
        r = *fmt == 'i' ? db_query(c, &s, ei, sql, "i", id) : db_query(c, &s, ei, sql, "s", hash);
    if (r == 0)
        r = db_step(s, ei);
    if (r == 1)
        from_row(s, ret);
    return r < 0 ? r : r == 1 ? 0 : E_NOTFOUND;
}

int api_token_delete(struct accounts *a, const char *admin, int64_t id, struct errinfo *ei)
{
    struct api_token t;
    int r = read_token(a, TOKEN_COLUMNS " WHERE t.id = ?", "i", id, NULL, &t, ei);
    if (r == E_NOTFOUND)
        return err_set(ei, r, "token '%" PRId64 "' does not exist", id);
    if (r < 0)
        return r;
    struct token_change ch = { .name = t.name, .id = id };
    return change_run(a, admin, "account", sv_c(t.address), delete_in, &ch, ei);
}

int api_token_each(struct accounts *a, bool (*fn)(const struct api_token *t, void *arg), void *arg,
                   struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    struct api_token t;
    int r = db_get(a->db, &c, ei);
    if (r == 0)
        r = db_query(c, &s, ei, TOKEN_COLUMNS " ORDER BY t.id", "");
    while (r == 0 && (r = db_step(s, ei)) == 1) {
        from_row(s, &t);
        r = fn(&t, arg) ? 0 : 1;
    }
    return r < 0 ? r : 0;
}

int api_token_find(struct accounts *a, struct sv secret, struct api_token *ret,
                   char ret_hash[WEB_SECRET], struct errinfo *ei)
{
    int64_t now = clock_wall_ms();
    if (secret.n != WEB_SECRET + 3 || !sv_starts(secret, SV(TOKEN_PREFIX)))
        return E_NOTFOUND;
    hash_secret(secret, ret_hash);
    int r = read_token(a, TOKEN_COLUMNS " WHERE t.hash = ?", "s", 0, ret_hash, ret, ei);
    if (r < 0)
        return r;
    if (ret->expires_ms && ret->expires_ms < now)
        return E_NOTFOUND;
    if (now - ret->used_ms > SEEN_MS) {
        _cleanup_(db_putp) struct dbc *c = NULL;
        r = db_get_writer(a->db, &c, ei);
        if (r == 0)
            r = db_run(c, ei, "UPDATE api_token SET used_ms = ? WHERE id = ?", "ii", now, ret->id);
    }
    return r;
}
