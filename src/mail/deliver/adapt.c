#include "mail/deliver/adapt.h"

#include "base/clock.h"
#include "mail/account/secure_adapted.h"
#include "mail/deliver/tls_outcome.h"
#include "net/dns.h"
#include "net/peer_certificate.h"
#include "os/proc.h"

enum {
    WAITING_MAX = 64, /* certificates; what comes beside them is forgotten: more mail will come */
    KEPT_MS = 3600 * 1000, /* the authorities, as read */
    PRUNE_MS = 3600 * 1000,
    SEEN_PART = 4, /* of the time that it holds, an hour at most: until it is written again */
};

struct note {
    struct list link;
    struct logctx log; /* of the session: where it came from */
    struct peer_certificate *shown;
    char domain[DNS_NAME_TEXT];
};

struct adapt {
    struct deliver *d;
    pthread_mutex_t lock; /* guards what stands below */
    pthread_cond_t changed;
    struct list notes;
    unsigned n_notes;
    bool started, stop;
    pthread_t thread;
    /* The thread's own: */
    struct peer_authorities *authorities; /* NULL: not read yet */
    char *file;                           /* that they are from */
    int64_t read_ms, pruned_ms;           /* monotonic */
};

static void note_free(struct note *n)
{
    peer_certificate_free(n->shown);
    free(n);
}

static bool has_time(int64_t since_ms, int64_t ms)
{
    return since_ms && clock_mono_ms() - since_ms < ms;
}

/* --- one certificate --- */

static int authorities(struct adapt *a, const char *file, struct errinfo *ei)
{
    if (a->authorities && has_time(a->read_ms, KEPT_MS) && !strcmp(a->file, file))
        return 0;
    peer_authorities_free(take_ptr(a->authorities));
    free(a->file);
    a->file = xstrdup(file);
    a->read_ms = clock_mono_ms();
    return peer_authorities_load(file, &a->authorities, ei);
}

/* The domain, or the MX host of it, that the certificate names. 0, E_NOTFOUND, or as dns_lookup. */
static int named(const struct note *n, char ret[DNS_NAME_TEXT], struct errinfo *ei)
{
    _cleanup_(dns_answer_freep) struct dns_answer *mx = NULL;
    int r;
    if (peer_certificate_names(n->shown, n->domain)) {
        sv_copy(ret, DNS_NAME_TEXT, sv_c(n->domain));
        return 0;
    }
    r = dns_lookup(n->domain, DNS_MX, &mx, ei);
    if (r < 0)
        return r;
    for (size_t i = 0; i < mx->n; i++)
        if (peer_certificate_names(n->shown, mx->rr[i].text)) {
            sv_copy(ret, DNS_NAME_TEXT, sv_c(mx->rr[i].text));
            return 0;
        }
    return err_set(ei, E_NOTFOUND, "it names neither the domain nor an MX host of it");
}

static int check(struct adapt *a, const struct note *n, const struct conf *cf,
                 char ret_name[DNS_NAME_TEXT], struct errinfo *ei)
{
    int r = named(n, ret_name, ei);
    if (r == 0)
        r = authorities(a, cf->deliver.ca_file, ei);
    const char *doubt = r == 0 ? peer_certificate_doubt(n->shown, a->authorities) : NULL;
    return doubt ? err_set(ei, E_TLS, "%s", doubt) : r;
}

/* No half of a character for the database. */
static const char *whole(char *text, bool cut)
{
    for (size_t n = strlen(text); cut && n && (unsigned char)text[n - 1] >= 0x80; n--)
        text[n - 1] = '\0';
    return text;
}

static int keep(struct adapt *a, const struct note *n, const char *name, struct errinfo *ei)
{
    struct certificate x;
    int64_t now = clock_wall_ms();
    peer_certificate_describe(n->shown, &x);
    int r = secure_adapted_put(a->d->accounts,
                               &(struct secure_adapted){ .domain = n->domain,
                                                         .name = name,
                                                         .subject = whole(x.subject, x.subject_cut),
                                                         .issuer = whole(x.issuer, x.issuer_cut),
                                                         .ip = n->log.source,
                                                         .since_ms = now,
                                                         .seen_ms = now },
                               ei);
    if (r == 1)
        event(secure_adapted, &n->log, F_STR(domain, n->domain), F_STR(host, name));
    return r;
}

static void judge(struct adapt *a, const struct note *n)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    int64_t holds = cf->deliver.secure_adapt;
    int64_t fresh = clock_wall_ms() - MIN(holds / SEEN_PART, (int64_t)KEPT_MS);
    char name[DNS_NAME_TEXT];
    struct errinfo ei = { 0 };
    int r = holds ? secure_adapted_find(a->d->accounts, n->domain, fresh, &ei) : 1;
    if (r == 1)
        return;
    if (r == 0)
        r = check(a, n, cf, name, &ei);
    if (r == 0)
        r = keep(a, n, name, &ei);
    if (r < 0)
        log_line(&n->log, LOG_DEBUG, "SSL: The client's certificate says nothing about '%s': %s",
                 n->domain, *ei.text ? ei.text : err_name(r));
}

static void prune(struct adapt *a)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    struct errinfo ei = { 0 };
    if (!cf->deliver.secure_adapt || has_time(a->pruned_ms, PRUNE_MS))
        return;
    a->pruned_ms = clock_mono_ms();
    if (secure_adapted_prune(a->d->accounts, clock_wall_ms() - cf->deliver.secure_adapt, &ei) < 0)
        log_warn("Secure destinations: old domains are not forgotten: %s", ei.text);
}

/* --- the thread: made with the first certificate --- */

static void *run(void *arg)
{
    struct adapt *a = arg;
    os_thread_name("adapt");
    pthread_mutex_lock(&a->lock);
    while (!a->stop) {
        if (list_empty(&a->notes)) {
            pthread_cond_wait(&a->changed, &a->lock);
            continue;
        }
        struct note *n = container_of(a->notes.next, struct note, link);
        list_del(&n->link);
        a->n_notes--;
        pthread_mutex_unlock(&a->lock);
        judge(a, n);
        note_free(n);
        prune(a);
        pthread_mutex_lock(&a->lock);
    }
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

struct adapt *adapt_new(struct deliver *d)
{
    struct adapt *a = xcalloc(1, sizeof(*a));
    a->d = d;
    list_init(&a->notes);
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->changed, NULL);
    return a;
}

void adapt_stop(struct adapt *a)
{
    if (!a)
        return;
    pthread_mutex_lock(&a->lock);
    a->stop = true;
    pthread_cond_signal(&a->changed);
    bool started = a->started;
    pthread_mutex_unlock(&a->lock);
    if (started)
        pthread_join(a->thread, NULL);
    list_for_each_safe(it, next, &a->notes) note_free(container_of(it, struct note, link));
    peer_authorities_free(a->authorities);
    free(a->file);
    pthread_mutex_destroy(&a->lock);
    pthread_cond_destroy(&a->changed);
    free(a);
}

static bool give(struct adapt *a, struct note *n)
{
    pthread_mutex_lock(&a->lock);
    bool taken = !a->stop && a->n_notes < WAITING_MAX &&
                 (a->started || deliver_thread(&a->thread, run, a) == 0);
    if (taken) {
        a->started = true;
        a->n_notes++;
        list_add_tail(&a->notes, &n->link);
        pthread_cond_signal(&a->changed);
    }
    pthread_mutex_unlock(&a->lock);
    return taken;
}

void deliver_certified(struct deliver *d, const struct conn *c, const struct logctx *log,
                       const char *domain)
{
    struct note *n = xcalloc(1, sizeof(*n));
    n->shown = peer_certificate_of(c);
    n->log = *log;
    n->log.message_id = n->log.account = NULL; /* these texts do not live as long */
    n->log.message = 0;
    if (!n->shown || !tls_domain(domain, n->domain) || !give(d->adapt, n))
        note_free(n);
}

int adapt_holds(struct deliver *d, const struct conf *cf, const char *domain, struct errinfo *ei)
{
    char name[DNS_NAME_TEXT];
    int64_t ms = cf->deliver.secure_adapt;
    return ms && tls_domain(domain, name)
               ? secure_adapted_find(d->accounts, name, clock_wall_ms() - ms, ei)
               : 0;
}
