/* Eight threads that resolve, log in and change at the same time, for the thread sanitizer; the
 * cache alone under the same load. */
#include "account_suite.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/rand.h"
#include "mail/account/accounts_priv.h"
#include "mail/account/later.h"

#define THREADS 8
#define ROUNDS  400

static const struct auth_peer peer = {
    .service = "IMAP", .ip = "192.0.2.1", .hostname = "h", .tls = true
};
static atomic_int wrong;

static void login(const char *user, const char *password, bool want)
{
    const struct account *a = NULL;
    int r = auth_password(acc, &peer, sv_c(user), sv_c(password), &a, NULL);
    if ((r == 0) != want && r != E_TEMP)
        atomic_fetch_add(&wrong, 1);
    account_unref(a);
}

static void resolve_one(unsigned k)
{
    char address[40];
    struct resolved r;
    snprintf(address, sizeof(address), k % 4 == 0 ? "ghost%u@a.test" : "u%u@a.test", k % 20);
    if (account_resolve(acc, sv_c(address), &r, NULL) < 0) {
        atomic_fetch_add(&wrong, 1);
        return;
    }
    for (size_t i = 0; i < r.n; i++)
        if (!sv_eq(sv_c(r.accounts[i]->domain), SV("a.test")))
            atomic_fetch_add(&wrong, 1);
    resolved_done(&r);
}

static void change_one(unsigned k)
{
    char address[40], label[40], app[40];
    struct errinfo ei = { 0 };
    snprintf(address, sizeof(address), "u%u@a.test", k % 20);
    snprintf(label, sizeof(label), "l%u", k);
    int r = account_update(acc, "t", sv_c(address),
                           &(struct account_spec){ .name = k % 2 ? "one" : "two" }, &ei);
    if (r == 0 && k % 8 == 0)
        r = account_app_password_create(acc, "t", sv_c(address), label, app, &ei);
    if (r < 0 && r != E_TEMP && r != E_EXISTS && r != E_LIMIT) {
        printf("change: %d %s\n", r, ei.text);
        atomic_fetch_add(&wrong, 1);
    }
}

static void scram_one(unsigned k)
{
    struct sasl *s;
    struct buf out;
    const struct account *a = NULL;
    char first[64];
    snprintf(first, sizeof(first), "n,,n=u%u,r=abc", k % 30);
    if (sasl_start(acc, &peer, SV("SCRAM-SHA-1"), &s, NULL) < 0)
        return;
    buf_init(&out, 4096);
    int r = sasl_step(s, sv_c(first), &out, &a, NULL);
    if (r != 1 && r != E_TEMP)
        atomic_fetch_add(&wrong, 1);
    buf_done(&out);
    sasl_free(s);
}

static void *worker(void *arg)
{
    unsigned self = (unsigned)(uintptr_t)arg;
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned k = rand_below(1000);
        resolve_one(k);
        switch (i % 8) {
        case 0:
            login("u1", "plain-secret", true);
            break;
        case 1:
            login("slow", "slow-secret", true);
            break;
        case 2:
            login("u2", "bad", false);
            break;
        case 3:
            login("ghost", "bad", false);
            break;
        case 4:
            scram_one(k);
            break;
        case 5:
            (void)auth_is_fast(acc, SV("slow"));
            break;
        case 6:
            login("imported", "p\xc3\xa4ssw\xc3\xb6rd 1", true);
            break;
        default:
            if (self < 2)
                change_one(k);
        }
    }
    return NULL;
}

static void run(void *(*fn)(void *))
{
    pthread_t t[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, fn, (void *)i), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
}

static void everything(void **state)
{
    (void)state;
    mk_domain("a.test");
    for (int i = 0; i < 20; i++) {
        char address[40];
        snprintf(address, sizeof(address), "u%d@a.test", i);
        mk_account(address, "{PLAIN}plain-secret");
    }
    mk_account("slow@a.test", "slow-secret");
    mk_account("imported@a.test", "{SSHA}13528LZ4GRQwF5JHthEUB7KFpLsBc2FsdA==");
    suite_conf("auth.max_failures=0;auth.max_failures_ip=0");
    run(worker);
    assert_int_equal(atomic_load(&wrong), 0);
    later_wait(acc);
}

struct number {
    struct obj o;
    int n;
};
static atomic_int alive;

static void number_free(struct obj *o)
{
    atomic_fetch_sub(&alive, 1);
    free(container_of(o, struct number, o));
}

static struct cache *cache;

static void *cache_worker(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20000; i++) {
        int n = (int)rand_below(3000);
        uint64_t stamp = (uint64_t)i / 5000;
        struct obj *o = NULL;
        if (cache_get(cache, 'k', sv_n(&n, sizeof(n)), stamp, &o)) {
            if (container_of(o, struct number, o)->n != n)
                atomic_fetch_add(&wrong, 1);
        } else {
            struct number *v = xcalloc(1, sizeof(*v));
            obj_init(&v->o, number_free);
            v->n = n;
            atomic_fetch_add(&alive, 1);
            cache_put(cache, 'k', sv_n(&n, sizeof(n)), stamp, &v->o);
            o = &v->o;
        }
        if (i % 97 == 0)
            cache_drop(cache, 'k', sv_n(&n, sizeof(n)));
        obj_unref(o);
    }
    return NULL;
}

static void cache_alone(void **state)
{
    (void)state;
    cache = cache_new(1024);
    run(cache_worker);
    assert_true(cache_count(cache) <= 1024);
    assert_int_equal(atomic_load(&wrong), 0);
    cache_free(cache);
    assert_int_equal(atomic_load(&alive), 0);
}

static const struct CMUnitTest tests[] = {
    SUITE_TEST(everything),
    SUITE_TEST(cache_alone),
};
SUITE_MAIN("threads")
