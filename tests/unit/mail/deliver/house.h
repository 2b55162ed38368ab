/* A whole house for the tests of delivery: database, accounts, mail store, queue, deliverer, a
 * captured log, and names that resolve as the test says. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/clock.h"
#include "conf/conf.h"
#include "db/db.h"
#include "log/log.h"
#include "mail/account/script.h"
#include "mail/archive/archive.h"
#include "mail/deliver/deliver_priv.h"
#include "mail/deliver/route.h"
#include "net/dns.h"
#include "os/file.h"
#include "stats/shm.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct house {
    char root[64];
    struct db *db;
    struct accounts *accounts;
    struct mailstore *store;
    struct queue *queue;
    struct archive *archive; /* of tests that want one */
    struct deliver *deliver;
    struct buf log;
};

static struct house house;

#define OK(call)                                                                                   \
    do {                                                                                           \
        struct errinfo ei = { .text = "" };                                                        \
        int _r = (call);                                                                           \
        if (_r < 0)                                                                                \
            fail_msg("%s: %d (%s) %s", #call, _r, err_name(_r), ei.text);                          \
    } while (0)

/* --- names --- */

struct name {
    const char *name;
    enum dns_type type;
    int error; /* or the answer: */
    uint16_t prio;
    const char *text;
};
static const struct name *names;
static size_t n_names;

static inline int resolve(const char *name, enum dns_type type, struct dns_answer **ret)
{
    const char *texts[16];
    uint16_t prios[16];
    size_t n = 0;
    bool known = false;
    for (size_t i = 0; i < n_names; i++) {
        if (strcasecmp(names[i].name, name) != 0)
            continue;
        known = true;
        if (names[i].type != type)
            continue;
        if (names[i].error)
            return names[i].error;
        texts[n] = names[i].text;
        prios[n++] = names[i].prio;
    }
    if (!n)
        return known ? E_NODATA : E_NXDOMAIN;
    *ret = dns_answer_make(n, texts, prios);
    return 0;
}

static inline void use_names(const struct name *list, size_t n)
{
    names = list;
    n_names = n;
    dns_test_hook(resolve);
}

/* --- settings: defaults for tests, then pairs --- */

static inline void house_conf(const struct conf_pair *more, size_t n_more)
{
    struct conf_pair pairs[40] = {
        { "system.hostname", "mx.home.test" }, { "queue.journal_segment", "1MiB" },
        { "queue.min_free_space", "0" },       { "deliver.local_workers", "2" },
        { "deliver.remote_workers", "4" },     { "deliver.connect_timeout", "2s" },
        { "deliver.command_timeout", "2s" },   { "deliver.data_timeout", "2s" },
        { "auth.argon2_memory", "1MiB" },      { "auth.argon2_passes", "1" },
    };
    size_t n = 10;
    for (size_t i = 0; i < n_more; i++)
        pairs[n++] = more[i];
    struct conf *c = NULL;
    OK(conf_build(pairs, n, &c, &ei));
    conf_publish(c);
}

static inline void mk_account(const char *address, const char *quota)
{
    struct account_spec s = { .password = "{PLAIN}x", .quota = quota };
    OK(account_create(house.accounts, "test", sv_c(address), &s, &ei));
}

static inline void open_store(void)
{
    static char path[128], temp[128];
    snprintf(path, sizeof(path), "%s/mail", house.root);
    snprintf(temp, sizeof(temp), "%s/temp-store", house.root);
    OK(os_mkdirs(path, 0700, &ei));
    OK(os_mkdirs(temp, 0700, &ei));
    OK(mailstore_open(&(struct mailstore_opts){ .root = path, .temp_dir = temp }, &house.store,
                      &ei));
}

static inline void open_queue(void)
{
    char out[128], temp[128];
    snprintf(out, sizeof(out), "%s/mail/_outgoing", house.root);
    snprintf(temp, sizeof(temp), "%s/temp", house.root);
    struct queue_opts q = { out, temp, house.root, "", route_key };
    OK(queue_open(&q, &house.queue, &ei));
}

static inline void house_start(void)
{
    struct deliver_opts o = { house.queue, house.store, house.accounts, NULL, house.archive };
    OK(deliver_start(&o, &house.deliver, &ei));
}

static inline void house_stop(void)
{
    deliver_stop(house.deliver, 3000);
    house.deliver = NULL;
    queue_close(house.queue);
    house.queue = NULL;
}

static inline void house_open(const struct conf_pair *more, size_t n_more)
{
    char dsn[128];
    memset(&house, 0, sizeof(house));
    snprintf(house.root, sizeof(house.root), "/tmp/posthorn-deliver-XXXXXX");
    assert_non_null(mkdtemp(house.root));
    house_conf(more, n_more);
    log_set_level(LOG_MAINTENANCE, LOG_NONE);
    buf_init(&house.log, 16 * MiB);
    log_test_capture(&house.log);
    snprintf(dsn, sizeof(dsn), "sqlite:%s/system.db", house.root);
    OK(db_open(dsn, &house.db, &ei));
    OK(db_migrate(house.db, account_migrations, account_migrations_count, &ei));
    OK(accounts_open(house.db, &house.accounts, &ei));
    OK(domain_create(house.accounts, "test", &(struct domain_spec){ .name = "home.test" }, &ei));
    mk_account("ann@home.test", NULL);
    mk_account("bob@home.test", NULL);
    open_store();
    open_queue();
}

static inline void house_close(void)
{
    if (house.deliver)
        house_stop();
    if (house.queue)
        queue_close(house.queue);
    archive_close(house.archive);
    mailstore_close(house.store);
    accounts_close(house.accounts);
    db_close(house.db);
    log_test_capture(NULL);
    buf_done(&house.log);
    dns_test_hook(NULL);
    clock_test_freeze(0);
    os_remove_tree(house.root, NULL);
}

/* Of a test that has nothing of its own to set. */
static inline int house_setup(void **state)
{
    (void)state;
    house_open(NULL, 0);
    use_names(NULL, 0);
    return 0;
}

static inline int house_teardown(void **state)
{
    (void)state;
    house_close();
    return 0;
}

/* --- messages --- */

static inline struct message *new_message(const char *sender, const char *content)
{
    struct message *m = message_new();
    struct buf b;
    message_assign_ids(m);
    message_set(&m->sender, sv_c(sender));
    buf_init(&b, 16 * MiB);
    OK(buf_addf(&b, "Return-Path: <%s>\r\nReceived: from x by y;\r\n\ttoday\r\n%s", sender,
                content));
    message_take_content(m, &b);
    return m;
}

static inline struct rcpt *to_local(struct message *m, const char *address)
{
    const struct account *a = NULL;
    OK(account_find_address(house.accounts, sv_c(address), &a, &ei));
    struct rcpt *r = message_add_rcpt(m, sv_c(address), RCPT_LOCAL);
    r->account_id = a->id;
    account_unref(a);
    return r;
}

static inline struct rcpt *to_remote(struct message *m, const char *address)
{
    return message_add_rcpt(m, sv_c(address), RCPT_REMOTE);
}

static inline void submit(struct message *m)
{
    OK(queue_accept(house.queue, m, &ei));
    message_unref(m);
}

/* --- what became of it --- */

#define WAIT_FOR(cond)                                                                             \
    do {                                                                                           \
        int _i = 0;                                                                                \
        while (!(cond) && _i++ < 12000)                                                            \
            usleep(5000);                                                                          \
        if (!(cond))                                                                               \
            fail_msg("waited in vain for %s; log:\n%.*s", #cond, (int)house.log.n, house.log.p);   \
    } while (0)

static inline struct mailbox *open_mailbox(const char *address)
{
    const struct account *a = NULL;
    struct mailbox *mb = NULL;
    OK(account_find_address(house.accounts, sv_c(address), &a, &ei));
    OK(mailbox_open(house.store, a->id, sv_c(address), &mb, &ei));
    account_unref(a);
    return mb;
}

static inline uint32_t inbox_count(const char *address)
{
    _cleanup_(mailbox_unrefp) struct mailbox *mb = open_mailbox(address);
    _cleanup_(snap_unrefp) const struct snap *s = NULL;
    OK(mailbox_snapshot(mb, mailbox_inbox_id(mb), NULL, &s, &ei));
    return s->n;
}

static inline bool first_key(const struct msg_row *row, void *arg)
{
    *(uint64_t *)arg = row->key;
    return true; /* the last one stays */
}

/* The newest message of the inbox, NUL-terminated; free it. ret_links: names of its file. */
static inline char *inbox_newest(const char *address, unsigned *ret_links)
{
    _cleanup_(mailbox_unrefp) struct mailbox *mb = open_mailbox(address);
    uint64_t key = 0, size;
    int fd;
    struct stat st;
    OK(mailbox_rows(mb, mailbox_inbox_id(mb), 1, UINT32_MAX, MSG_META, first_key, &key, &ei));
    OK(mailbox_open_message(mb, key, &fd, &size, &ei));
    char *p = xcalloc(1, size + 1);
    assert_int_equal(pread(fd, p, size, 0), size);
    assert_int_equal(fstat(fd, &st), 0);
    if (ret_links)
        *ret_links = (unsigned)st.st_nlink;
    close(fd);
    return p;
}

static inline uint32_t folder_count(const char *address, const char *name)
{
    _cleanup_(mailbox_unrefp) struct mailbox *mb = open_mailbox(address);
    _cleanup_(snap_unrefp) const struct snap *s = NULL;
    _cleanup_(arena_done) struct arena a;
    struct folder f;
    arena_init(&a, 64 * KiB);
    if (mailbox_folder(mb, sv_c(name), &a, &f, NULL) < 0 || !f.exists)
        return 0;
    OK(mailbox_snapshot(mb, f.id, NULL, &s, &ei));
    return s->n;
}

struct first_info {
    char answer[600], id[20];
    unsigned n, n_waiting, attempts;
    bool active;
};

static inline bool note_first(const struct queue_info *i, void *arg)
{
    struct first_info *f = arg;
    if (f->n++ == 0) {
        snprintf(f->answer, sizeof(f->answer), "%s", i->answer);
        snprintf(f->id, sizeof(f->id), "%s", i->id);
        f->n_waiting = i->n_waiting;
        f->attempts = i->attempts;
        f->active = i->active;
    }
    return true;
}

static inline struct first_info queue_first(void)
{
    struct first_info f = { 0 };
    queue_each(house.queue, note_first, &f);
    return f;
}

static inline bool deferred(void)
{
    struct first_info f = queue_first();
    return f.n && f.attempts && !f.active;
}

static inline void assert_contains(const char *text, const char *part)
{
    if (!text || !strstr(text, part))
        fail_msg("'%s' is not in:\n%s", part, text ? text : "(null)");
}

static inline void assert_log(const char *part)
{
    OK(buf_terminate(&house.log));
    assert_contains(house.log.p, part);
}

static inline void deliver_to(const char *rcpt, const char *sender, const char *content)
{
    struct message *m = new_message(sender, content);
    to_local(m, rcpt);
    submit(m);
    if (!house.deliver)
        house_start();
    WAIT_FOR(queue_count(house.queue) == 0);
}

/* A delivery to ann@home.test, made now. */
static inline int run_once(struct message *m, struct script_outcome *out)
{
    _cleanup_(account_unrefp) const struct account *acc = NULL;
    _cleanup_(mailbox_unrefp) struct mailbox *mb = open_mailbox("ann@home.test");
    struct script_chain scripts;
    struct errinfo why = { 0 };
    struct deliver d = { .queue = house.queue, .store = house.store, .accounts = house.accounts };
    OK(account_find_address(house.accounts, SV("ann@home.test"), &acc, &ei));
    OK(script_chain_find(&d, acc, &scripts, &ei));
    int r = script_deliver(&d, m, &m->rcpts[0], acc, &scripts, NULL, mb, out, &why);
    script_chain_done(&scripts);
    return r;
}

static inline void use_script(const char *address, const char *text)
{
    OK(account_script_put(house.accounts, "test", sv_c(address), SV("main"), sv_c(text), &ei));
    OK(account_script_activate(house.accounts, "test", sv_c(address), SV("main"), &ei));
}

/* Delivers m to Ann twice by hand, as after a crash, and then lets the house deliver it. */
static inline void deliver_again_and_again(struct message *m)
{
    struct message *taken;
    struct script_outcome out;
    to_local(m, "ann@home.test");
    submit(message_ref(m));
    assert_int_equal(queue_take(house.queue, RCPT_LOCAL, &taken, 1), 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(run_once(taken, &out), 0);
        assert_int_equal(out.state, RCPT_DELIVERED);
        assert_true(out.stored);
    }
    queue_give_back(house.queue, taken, RCPT_LOCAL);
    house_start();
    WAIT_FOR(queue_count(house.queue) == 0);
}
