/* Table setting: reading it into a snapshot, changing it with audit. Rows logcfg.maint, api.var.*.
 * Used by each module at start and on EPOCH_SETTINGS, by the CLI and the API for changes; any
 * thread. */
#include "mail/account/settings_store.h"

#include "conf/patterns.h"
#include "event/event.h"
#include "mail/account/audit.h"
#include "mail/account/pattern.h"
#include "mail/account/route_store.h"
#include "stats/shm.h"

struct rows {
    struct conf_pair *pairs;
    size_t n;
};

static void rows_done(struct rows *r)
{
    for (size_t i = 0; i < r->n; i++) {
        free((char *)r->pairs[i].name);
        free((char *)r->pairs[i].value);
    }
    free(r->pairs);
}

static void warn(struct buf *warnings, const char *name, const char *why)
{
    if (warnings)
        buf_addf(warnings, "setting %s is ignored: %s\n", name, why);
}

/* A row that conf refuses is left out here, so that conf_build cannot fail on it. */
static void keep_row(struct rows *rows, struct sv name, struct sv value, struct buf *warnings)
{
    struct errinfo why = { 0 };
    char *canonical = NULL;
    char *n = sv_dup(name);
    const struct setting *s = conf_find(name);
    if (!s || conf_check(s, value, &canonical, &why) < 0) {
        warn(warnings, n, s ? why.text : "this version has no such setting");
        free(n);
        return;
    }
    free(n);
    rows->pairs = xrealloc(rows->pairs, (rows->n + 1) * sizeof(*rows->pairs));
    rows->pairs[rows->n].name = xstrdup(s->name);
    rows->pairs[rows->n].value = canonical;
    rows->n++;
}

/* Sorted here: databases do not agree on the order of texts. */
static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct conf_backup *)a)->name, ((const struct conf_backup *)b)->name);
}

static int read_backups(struct dbc *c, struct conf_backups **ret, struct errinfo *ei)
{
    struct conf_backups *l = xcalloc(1, sizeof(*l));
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r =
        db_query(c, &s, ei,
                 "SELECT name, backup_host, fetched_by FROM domain WHERE kind = ? AND enabled = 1",
                 "i", (int64_t)DOMAIN_BACKUP);
    while (r == 0 && (r = db_step(s, ei)) == 1) {
        conf_backups_add(l, db_col_text(s, 0), db_col_text(s, 1), db_col_int(s, 2) != 0);
        r = 0;
    }
    if (r < 0) {
        conf_backups_free(l);
        return r;
    }
    if (l->n)
        qsort(l->v, l->n, sizeof(*l->v), by_name);
    *ret = l;
    return 0;
}

int settings_load_warn(struct db *db, struct conf **ret, struct buf *warnings, struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    _cleanup_(rows_done) struct rows rows = { 0 };
    int r = db_get(db, &c, ei);
    if (r < 0)
        return r;
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    r = db_query(c, &s, ei, "SELECT name, value FROM setting ORDER BY name", "");
    while (r == 0 && (r = db_step(s, ei)) == 1) {
        keep_row(&rows, db_col_text(s, 0), db_col_text(s, 1), warnings);
        r = 0;
    }
    if (r < 0)
        return r;
    db_reset(take_ptr(s)); /* a further statement of the connection begins */
    struct conf_routes *routes = NULL;
    struct conf_backups *backups = NULL;
    struct conf_patterns *patterns = NULL;
    r = routes_read_from(c, &routes, ei);
    if (r == 0)
        r = read_backups(c, &backups, ei);
    if (r == 0)
        r = patterns_read_from(c, &patterns, ei);
    if (r == 0)
        r = conf_build(rows.pairs, rows.n, ret, ei);
    if (r < 0) {
        conf_routes_free(routes);
        conf_backups_free(backups);
        conf_patterns_free(patterns);
        return r;
    }
    conf_set_routes(*ret, routes);
    conf_set_backups(*ret, backups);
    conf_set_patterns(*ret, patterns);
    return r;
}

int settings_load(struct db *db, struct conf **ret, struct errinfo *ei)
{
    struct buf warnings;
    buf_init(&warnings, 64 * KiB);
    int r = settings_load_warn(db, ret, &warnings, ei);
    struct sv rest = buf_sv(&warnings);
    while (rest.n > 0) {
        struct sv line = sv_split(&rest, '\n');
        log_warn(SV_FMT, SV_ARG(line));
    }
    buf_done(&warnings);
    return r;
}

struct setting_change {
    const struct setting *s;
    char *value;
    bool is_default;
    bool changed;
    char *was, *is; /* as the logs show them */
};

static void forget_shown(struct setting_change *sc)
{
    free(sc->was);
    free(sc->is);
    sc->was = sc->is = NULL;
}

static char *shown(const struct setting *s, const char *value)
{
    return xstrdup(s->type != SET_SECRET ? value : *value ? AUDIT_SECRET : "");
}

/* The stored value, or the default's canonical text. *ret_row tells whether there was a row. */
static int read_old(struct dbc *c, const struct setting *s, char **ret, bool *ret_row,
                    struct errinfo *ei)
{
    _cleanup_(db_resetp) struct db_stmt *st = NULL;
    int r = db_query(c, &st, ei, "SELECT value FROM setting WHERE name = ?", "s", s->name);
    if (r == 0)
        r = db_step(st, ei);
    if (r < 0)
        return r;
    *ret_row = r == 1;
    *ret = r == 1 ? sv_dup(db_col_text(st, 0)) : NULL;
    return 0;
}

static int write_row(struct dbc *c, const char *admin, struct setting_change *sc,
                     struct errinfo *ei)
{
    const struct setting *s = sc->s;
    _cleanup_(freep) char *old = NULL;
    bool have = false;
    int r = read_old(c, s, &old, &have, ei);
    if (r < 0)
        return r;
    if (!have)
        old = xstrdup(s->dflt);
    bool same = strcmp(old, sc->value) == 0;
    if (have && sc->is_default)
        r = db_run(c, ei, "DELETE FROM setting WHERE name = ?", "s", s->name);
    else if (have && !same)
        r = db_run(c, ei, "UPDATE setting SET value = ? WHERE name = ?", "ss", sc->value, s->name);
    else if (!have && !sc->is_default)
        r = db_run(c, ei, "INSERT INTO setting (name, value) VALUES (?, ?)", "ss", s->name,
                   sc->value);
    sc->changed = have ? sc->is_default || !same : !sc->is_default;
    if (r < 0 || !sc->changed)
        return r;
    char object[160];
    snprintf(object, sizeof(object), "setting %s", s->name);
    forget_shown(sc);
    sc->was = shown(s, old);
    sc->is = shown(s, sc->value);
    return audit_write(c, admin, object, "value", sc->was, sc->is, ei);
}

/* Inside of the transaction, which sees the patterns as they are when the values come into force.
 * ret_failed: whose value it is. */
static int check_patterns(struct dbc *c, const struct setting_change *v, size_t n,
                          size_t *ret_failed, struct errinfo *ei)
{
    _cleanup_(conf_patterns_freep) struct conf_patterns *l = NULL;
    int r = 0;
    for (size_t i = 0; i < n && r == 0; i++) {
        if (conf_pattern_use(v[i].s) == CONF_PATTERN_NONE || !strchr(v[i].value, '['))
            continue;
        if (!l)
            r = patterns_read_from(c, &l, ei);
        if (r == 0 && (r = conf_patterns_check(l, v[i].s, sv_c(v[i].value), ei)) < 0)
            *ret_failed = i;
    }
    return r;
}

static int store_once(struct db *db, const char *admin, struct setting_change *v, size_t n,
                      size_t *ret_failed, struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    int r = db_get_writer(db, &c, ei);
    if (r == 0)
        r = db_begin(c, ei);
    if (r == 0)
        r = check_patterns(c, v, n, ret_failed, ei);
    for (size_t i = 0; i < n && r == 0; i++)
        r = write_row(c, admin, &v[i], ei);
    return r == 0 ? db_commit(c, ei) : r;
}

static int store(struct db *db, const char *admin, struct setting_change *v, size_t n,
                 size_t *ret_failed, struct errinfo *ei)
{
    bool changed = false;
    int r = E_TEMP;
    for (int i = 0; r == E_TEMP && i < 3; i++)
        r = store_once(db, admin, v, n, ret_failed, ei);
    for (size_t i = 0; i < n && r == 0; i++)
        changed |= v[i].changed;
    if (changed)
        epoch_bump(EPOCH_SETTINGS);
    for (size_t i = 0; i < n && r == 0; i++)
        if (v[i].changed)
            event(setting_changed, log_here(), F_STR(object, v[i].s->name), F_STR(admin, admin),
                  F_STR(old, v[i].was), F_STR(new, v[i].is));
    return r;
}

static int prepare(const struct setting_value *v, struct setting_change *ret, struct errinfo *ei)
{
    const struct setting *s = conf_find(sv_c(v->name));
    if (!s)
        return err_set(ei, E_NOTFOUND, "there is no setting '" SV_FMT "'; see the list of settings",
                       SV_ARG(sv_take(sv_c(v->name), 80)));
    *ret = (struct setting_change){ .s = s, .is_default = !v->value };
    if (!v->value) {
        ret->value = xstrdup(s->dflt);
        return 0;
    }
    _cleanup_(freep) char *dflt = NULL;
    int r = conf_check(s, sv_c(v->value), &ret->value, ei);
    if (r < 0)
        return r;
    ret->is_default =
        conf_check(s, sv_c(s->dflt), &dflt, NULL) == 0 && strcmp(dflt, ret->value) == 0;
    return 0;
}

int settings_change(struct db *db, const char *admin, const struct setting_value *v, size_t n,
                    size_t *ret_failed, struct errinfo *ei)
{
    struct setting_change *changes = xcalloc(n ? n : 1, sizeof(*changes));
    size_t ready = 0;
    int r = 0;
    while (ready < n && (r = prepare(&v[ready], &changes[ready], ei)) == 0)
        ready++;
    if (r == 0 && n)
        r = store(db, admin && *admin ? admin : "SYSTEM", changes, n, &ready, ei);
    if (ret_failed)
        *ret_failed = ready;
    for (size_t i = 0; i < n; i++) {
        forget_shown(&changes[i]);
        free(changes[i].value);
    }
    free(changes);
    return r;
}

int settings_set(struct db *db, const char *admin, struct sv name, struct sv value,
                 struct errinfo *ei)
{
    _cleanup_(freep) char *n = sv_dup(name);
    _cleanup_(freep) char *v = sv_dup(value);
    return settings_change(db, admin, &(struct setting_value){ n, v }, 1, NULL, ei);
}

int settings_reset(struct db *db, const char *admin, struct sv name, struct errinfo *ei)
{
    _cleanup_(freep) char *n = sv_dup(name);
    return settings_change(db, admin, &(struct setting_value){ n, NULL }, 1, NULL, ei);
}
