/* Measures mail/mailbox alone: deliveries into some mailboxes by some threads, in batches, without
 * sync. mailbox_add [-m mailboxes] [-t threads] [-n messages] [-b batch] [-s bytes] [-p] [DIR] -p:
 * each message is parsed anew (else once for all, as for a message to many). Prints messages per
 * second and CPU time per message; then reads what clients read of 10,000 messages. -l N: instead,
 * one message after the other to a list of N mailboxes; -o: their indexes are opened for it. */
#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rand.h"
#include "mail/mailbox/mailbox.h"
#include "os/file.h"

static struct {
    unsigned mailboxes, threads, messages, batch, bytes, list;
    bool parse, open;
} opt = { 16, 2, 20000, 16, 5120, 0, false, false };

static struct mailstore *store;
static atomic_uint next_batch;
static char *text;
static struct mailbox_parsed *parsed;

static char dir[200] = "/tmp/mailbox-bench-XXXXXX";

static void die(const char *what, const struct errinfo *ei)
{
    fprintf(stderr, "mailbox_add: %s: %s\n", what, ei->text);
    exit(1);
}

static void open_store(void)
{
    struct errinfo ei = { .text = "" };
    struct mailstore_opts o = { .root = dir, .temp_dir = "" };
    if (mailstore_open(&o, &store, &ei) < 0)
        die("store", &ei);
}

static struct mailbox *open_box(unsigned i)
{
    struct errinfo ei = { .text = "" };
    struct mailbox *m = NULL;
    char address[40];
    snprintf(address, sizeof(address), "u%03u@bench.test", i);
    if (mailbox_open(store, 1 + i, sv_c(address), &m, &ei) < 0)
        die("open", &ei);
    return m;
}

static void add_batch(unsigned box, unsigned n)
{
    struct errinfo ei = { .text = "" };
    struct mailbox_add *a = xcalloc(n, sizeof(*a));
    struct mailbox_parsed **p = xcalloc(n, sizeof(*p));
    struct mailbox *m = open_box(box);
    for (unsigned i = 0; i < n; i++) {
        a[i].key = rand_u64();
        a[i].content = sv_n(text, opt.bytes);
        a[i].internal_date_s = clock_wall_s();
        p[i] = opt.parse ? NULL : parsed;
    }
    if (mailbox_add(m, mailbox_inbox_id(m), a, n, false, 0, p, NULL, &ei) < 0)
        die("add", &ei);
    for (unsigned i = 0; i < n; i++) {
        if (a[i].ret_error < 0)
            die("message", &ei);
    }
    mailbox_unref(m);
    free(a);
    free(p);
}

static void *deliver(void *arg)
{
    (void)arg;
    unsigned total = opt.messages / opt.batch;
    for (;;) {
        unsigned i = atomic_fetch_add(&next_batch, 1);
        if (i >= total)
            return NULL;
        add_batch(i % opt.mailboxes, opt.batch);
    }
}

static double cpu_ms(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
}

static void run_deliveries(void)
{
    pthread_t t[64];
    for (unsigned i = 0; i < opt.mailboxes; i++)
        mailbox_unref(open_box(i));
    int64_t start = clock_mono_us();
    double cpu = cpu_ms();
    for (unsigned i = 0; i < opt.threads; i++)
        pthread_create(&t[i], NULL, deliver, NULL);
    for (unsigned i = 0; i < opt.threads; i++)
        pthread_join(t[i], NULL);
    double s = (double)(clock_mono_us() - start) / 1e6;
    unsigned n = opt.messages / opt.batch * opt.batch;
    printf("%u messages of %u bytes into %u mailboxes, %u threads, batches of %u: %.0f messages/s, "
           "%.0f us CPU each\n",
           n, opt.bytes, opt.mailboxes, opt.threads, opt.batch, n / s, (cpu_ms() - cpu) * 1e3 / n);
}

static bool count_row(const struct msg_row *row, void *arg)
{
    *(size_t *)arg += row->envelope.n + row->bodystructure.n;
    return true;
}

static void timed(const char *what, int64_t since_us, double per)
{
    printf("%-44s %10.3f us\n", what, (double)(clock_mono_us() - since_us) / per);
}

static void run_reading(void)
{
    struct errinfo ei = { .text = "" };
    struct mailbox *m = open_box(999);
    int64_t inbox = mailbox_inbox_id(m), t;
    const struct snap *s = NULL, *again = NULL;
    size_t bytes = 0;
    for (unsigned i = 0; i < 10000; i += 250)
        add_batch(999, 250);
    t = clock_mono_us();
    if (mailbox_snapshot(m, inbox, NULL, &s, &ei) < 0)
        die("snapshot", &ei);
    timed("snapshot of 10,000 messages, new", t, 1);
    t = clock_mono_us();
    for (int i = 0; i < 100000; i++) {
        mailbox_snapshot(m, inbox, s, &again, &ei);
        snap_unref(again);
    }
    timed("snapshot, nothing changed", t, 100000);
    t = clock_mono_us();
    for (int i = 0; i < 100; i++) {
        add_batch(999, 1);
        mailbox_snapshot(m, inbox, s, &again, &ei);
        snap_unref(s);
        s = again;
    }
    timed("add 1 message and snapshot", t, 100);
    uint32_t *uids = xcalloc(s->n, sizeof(*uids));
    for (uint32_t i = 0; i < s->n; i++)
        uids[i] = s->m[i].uid;
    t = clock_mono_us();
    for (uint32_t i = 0; i < 100; i++) {
        mailbox_store(m, inbox, &uids[i * 90], 1, STORE_ADD, FLAG_SEEN, NULL, &ei);
        mailbox_snapshot(m, inbox, s, &again, &ei);
        snap_unref(s);
        s = again;
    }
    timed("STORE of 1 message and snapshot", t, 100);
    t = clock_mono_us();
    for (uint32_t i = 0; i < 1000; i++)
        mailbox_store(m, inbox, &uids[i * 9], 1, STORE_REMOVE, FLAG_SEEN, NULL, &ei);
    timed("STORE of 1 message", t, 1000);
    t = clock_mono_us();
    mailbox_store(m, inbox, uids, s->n, STORE_ADD, FLAG_FLAGGED, NULL, &ei);
    timed("STORE 1:10000", t, 1);
    t = clock_mono_us();
    mailbox_rows(m, inbox, 1, UINT32_MAX, MSG_META, count_row, &bytes, &ei);
    timed("rows of 10,000 messages: key, date", t, 1);
    t = clock_mono_us();
    mailbox_rows(m, inbox, 1, UINT32_MAX, MSG_ENVELOPE | MSG_STRUCTURE, count_row, &bytes, &ei);
    timed("rows of 10,000 messages: ENVELOPE, STRUCTURE", t, 1);
    t = clock_mono_us();
    mailbox_expunge(m, inbox, uids, s->n, false, NULL, &ei);
    timed("expunge of 10,000 messages", t, 1);
    free(uids);
    snap_unref(s);
    mailbox_unref(m);
}

static void run_opening(void)
{
    int64_t t = clock_mono_us();
    for (unsigned i = 0; i < 100; i++)
        mailbox_unref(open_box(2000 + i));
    timed("open a new account's mailbox", t, 100);
    mailstore_close(store);
    open_store();
    t = clock_mono_us();
    for (unsigned i = 0; i < 100; i++)
        mailbox_unref(open_box(2000 + i));
    timed("open an account's mailbox again", t, 100);
    t = clock_mono_us();
    for (unsigned i = 0; i < 100000; i++)
        mailbox_unref(open_box(2000 + i % 100));
    timed("open a mailbox that is open", t, 100000);
}

/* --- one message to many, as mail/deliver does it --- */

static struct {
    uint64_t key;
    struct buf file; /* of the first mailbox */
    atomic_uint next;
} news;

static void list_member(unsigned i)
{
    struct errinfo ei = { .text = "" };
    struct mailbox_add a = { .key = news.key, .internal_date_s = clock_wall_s() };
    char address[40];
    snprintf(address, sizeof(address), "m%05u@bench.test", i);
    if (news.file.n)
        a.path = news.file.p;
    else
        a.content = sv_n(text, opt.bytes);
    if (opt.open || mailbox_leave(store, 1 + i, sv_c(address), &a, 1, 0) == 0) {
        struct mailbox *m = NULL;
        if (mailbox_open(store, 1 + i, sv_c(address), &m, &ei) < 0)
            die("open", &ei);
        if (mailbox_add(m, mailbox_inbox_id(m), &a, 1, false, 0, &parsed, NULL, &ei) < 0)
            die("add", &ei);
        mailbox_unref(m);
    }
    if (a.ret_error < 0)
        die("message", &ei);
    if (!news.file.n && (mailstore_message_path(store, sv_c(address), a.key, &news.file) < 0 ||
                         buf_terminate(&news.file) < 0))
        die("path", &ei);
}

static void *list_members(void *arg)
{
    (void)arg;
    for (unsigned i; (i = atomic_fetch_add(&news.next, 1)) < opt.list;)
        list_member(i);
    return NULL;
}

static void run_list(void)
{
    pthread_t t[64];
    buf_init(&news.file, 4096);
    for (unsigned round = 0; round < 4; round++) {
        int64_t start = clock_mono_us();
        double cpu = cpu_ms();
        news.key = rand_u64();
        buf_reset(&news.file);
        list_member(0);
        atomic_store(&news.next, 1);
        for (unsigned i = 0; i < opt.threads; i++)
            pthread_create(&t[i], NULL, list_members, NULL);
        for (unsigned i = 0; i < opt.threads; i++)
            pthread_join(t[i], NULL);
        double s = (double)(clock_mono_us() - start) / 1e6;
        printf("a message to %u %smailboxes, %u threads: %.0f mailboxes/s, %.0f us CPU each\n",
               opt.list, round ? "" : "new ", opt.threads, opt.list / s,
               (cpu_ms() - cpu) * 1e3 / opt.list);
    }
    buf_done(&news.file);
}

static void make_text(void)
{
    int n;
    text = xcalloc(1, opt.bytes + 1024);
    n = snprintf(
        text, 1024,
        "Return-Path: <a@bench.test>\r\nReceived: from x by y; Wed, 05 Oct 2011 10:47:12 "
        "+0200\r\nFrom: Anna <anna@bench.test>\r\nTo: Bob <bob@bench.test>\r\nSubject: A "
        "message\r\nDate: Wed, 05 Oct 2011 10:47:12 +0200\r\nMessage-ID: <1@bench.test>\r\n"
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n");
    for (unsigned i = (unsigned)n; i < opt.bytes; i++)
        text[i] = i % 72 == 70 ? '\r' : i % 72 == 71 ? '\n' : 'x';
    parsed = mailbox_parse(sv_n(text, opt.bytes));
}

int main(int argc, char **argv)
{
    unsigned *fields[128] = { ['m'] = &opt.mailboxes, ['t'] = &opt.threads, ['n'] = &opt.messages,
                              ['b'] = &opt.batch,     ['s'] = &opt.bytes,   ['l'] = &opt.list };
    int c;
    while ((c = getopt(argc, argv, "m:t:n:b:s:l:po")) != -1) {
        if (c == 'p')
            opt.parse = true;
        else if (c == 'o')
            opt.open = true;
        else if (c == '?' || sv_to_u32(sv_c(optarg), fields[c]) < 0)
            return 2;
    }
    if (optind < argc)
        snprintf(dir, sizeof(dir), "%s", argv[optind]);
    else if (!mkdtemp(dir))
        return 1;
    opt.threads = MIN(opt.threads, 64u);
    make_text();
    open_store();
    if (opt.list) {
        run_list();
    } else {
        run_deliveries();
        run_reading();
        run_opening();
    }
    mailstore_close(store);
    os_remove_tree(dir, NULL);
    mailbox_parsed_free(parsed);
    free(text);
    return 0;
}
