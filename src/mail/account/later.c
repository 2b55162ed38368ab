/* The background thread behind logins. Failures of the database are left to the next login. */
#include "mail/account/later.h"

#include <openssl/crypto.h>

#include "base/rand.h"
#include "mail/account/password.h"

#define QUEUE 64

struct job {
    struct accounts *a;
    int64_t id;     /* account, or app password */
    int64_t n;      /* version, or time */
    char *password; /* NULL = app_used */
};

struct later {
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t idle;
    struct job jobs[QUEUE];
    size_t head, n;
    bool running; /* the thread exists */
};

struct later *later_new(void)
{
    struct later *l = xcalloc(1, sizeof(*l));
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->idle, NULL);
    return l;
}

static void wait_idle(struct later *l)
{
    pthread_mutex_lock(&l->lock);
    while (l->running)
        pthread_cond_wait(&l->idle, &l->lock);
    pthread_mutex_unlock(&l->lock);
}

void later_wait(struct accounts *a)
{
    wait_idle(a->later);
}

void later_free(struct later *l)
{
    if (!l)
        return;
    wait_idle(l);
    pthread_cond_destroy(&l->idle);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

static void make_keys(struct sv password, struct buf *ret)
{
    struct buf prepared;
    buf_init(&prepared, 8 * PASSWORD_MAX);
    password_prep(password, &prepared);
    for (int h = 0; h < SCRAM_HASH_COUNT; h++) {
        uint8_t salt[16];
        struct scram_keys k;
        rand_bytes(salt, sizeof(salt));
        if (scram_derive((enum scram_hash)h, buf_sv(&prepared), sv_n(salt, sizeof(salt)),
                         SCRAM_ITERATIONS, &k) == 0)
            scram_keys_format((enum scram_hash)h, &k, &ret[h]);
        OPENSSL_cleanse(&k, sizeof(k));
    }
    if (prepared.n)
        OPENSSL_cleanse(prepared.p, prepared.n);
    buf_done(&prepared);
}

static int run_sql(struct job *j, const struct buf *keys)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    int r = db_get_writer(j->a->db, &c, NULL);
    if (r == 0)
        r = db_begin(c, NULL);
    if (r == 0 && keys)
        r = db_run(c, NULL,
                   "UPDATE password SET scram_sha1 = ?, scram_sha256 = ?"
                   " WHERE account_id = ? AND version = ?",
                   "vvii", buf_sv(&keys[SCRAM_SHA1]), buf_sv(&keys[SCRAM_SHA256]), j->id, j->n);
    else if (r == 0)
        r = db_run(c, NULL, "UPDATE app_password SET used_s = ? WHERE id = ? AND used_s < ?", "iii",
                   j->n, j->id, j->n);
    if (r == 0)
        r = db_commit(c, NULL);
    return r;
}

static void run_job(struct job *j)
{
    if (!j->password) {
        (void)run_sql(j, NULL);
        return;
    }
    struct buf keys[SCRAM_HASH_COUNT];
    for (int h = 0; h < SCRAM_HASH_COUNT; h++)
        buf_init(&keys[h], 1024);
    make_keys(sv_c(j->password), keys);
    /* No epoch: a login must not empty everybody's cache. Here the entry is dropped; other
     * processes ask the database again when they miss keys. */
    if (run_sql(j, keys) == 0)
        cache_drop(j->a->found, KEY_PASSWORD, key_id(&j->id));
    for (int h = 0; h < SCRAM_HASH_COUNT; h++)
        buf_done(&keys[h]);
    OPENSSL_cleanse(j->password, strlen(j->password));
    free(j->password);
}

static void *thread(void *arg)
{
    struct later *l = arg;
    pthread_mutex_lock(&l->lock);
    while (l->n > 0) {
        struct job j = l->jobs[l->head];
        l->head = (l->head + 1) % QUEUE;
        l->n--;
        pthread_mutex_unlock(&l->lock);
        run_job(&j);
        pthread_mutex_lock(&l->lock);
    }
    l->running = false;
    pthread_cond_broadcast(&l->idle);
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

static void submit(struct later *l, struct job j)
{
    pthread_mutex_lock(&l->lock);
    bool dropped = l->n == QUEUE;
    for (size_t i = 0; i < l->n && !dropped; i++) {
        const struct job *q = &l->jobs[(l->head + i) % QUEUE];
        dropped = q->id == j.id && !q->password == !j.password;
    }
    if (!dropped) {
        l->jobs[(l->head + l->n++) % QUEUE] = j;
        pthread_t t;
        pthread_attr_t attr;
        pthread_attr_init(&attr);
        pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
        if (!l->running && pthread_create(&t, &attr, thread, l) == 0)
            l->running = true;
        pthread_attr_destroy(&attr);
    }
    pthread_mutex_unlock(&l->lock);
    if (dropped && j.password) {
        OPENSSL_cleanse(j.password, strlen(j.password));
        free(j.password);
    }
}

void later_store_scram(struct accounts *a, int64_t account_id, int64_t version, struct sv password)
{
    submit(a->later,
           (struct job){ .a = a, .id = account_id, .n = version, .password = sv_dup(password) });
}

void later_app_used(struct accounts *a, int64_t app_id, int64_t used_s)
{
    submit(a->later, (struct job){ .a = a, .id = app_id, .n = used_s });
}
