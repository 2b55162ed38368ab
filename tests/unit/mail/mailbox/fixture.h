/* A mail store in a directory of its own under /tmp, and short forms for the tests of this room.
 * Include after cmocka.h. */
#pragma once

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/rand.h"
#include "mail/mailbox/mailbox_priv.h"
#include "os/file.h"

struct fixture {
    char root[64];
    struct mailstore *s;
    struct mailbox *m;
};

#define ok(call)                                                                                   \
    do {                                                                                           \
        struct errinfo ei = { .text = "" };                                                        \
        int _r = (call);                                                                           \
        if (_r < 0)                                                                                \
            fail_msg("%s: %d (%s) %s", #call, _r, err_name(_r), ei.text);                          \
    } while (0)

static inline struct mailstore *fx_store(const char *root)
{
    struct mailstore_opts o = { .root = root, .temp_dir = "" };
    struct mailstore *s = NULL;
    ok(mailstore_open(&o, &s, &ei));
    return s;
}

static inline struct mailbox *fx_open(struct mailstore *s, const char *address)
{
    struct mailbox *m = NULL;
    ok(mailbox_open(s, (int64_t)strlen(address), sv_c(address), &m, &ei));
    return m;
}

static inline int fx_setup_in(void **state, const char *dir)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    snprintf(f->root, sizeof(f->root), "%s/posthorn-mbox-XXXXXX", dir);
    if (!mkdtemp(f->root))
        return -1;
    f->s = fx_store(f->root);
    f->m = fx_open(f->s, "anna@example.org");
    *state = f;
    return 0;
}

static inline int fx_setup(void **state)
{
    return fx_setup_in(state, "/tmp");
}

/* In memory, for tests that make thousands of files and are not about the disk. */
static inline int fx_setup_shm(void **state)
{
    return fx_setup_in(state, access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
}

static inline int fx_teardown(void **state)
{
    struct fixture *f = *state;
    if (f->m)
        mailbox_unref(f->m);
    if (f->s)
        mailstore_close(f->s);
    os_remove_tree(f->root, NULL);
    free(f);
    return 0;
}

/* Closes everything and opens it again, as another process would. */
static inline void fx_reopen(struct fixture *f)
{
    if (f->m)
        mailbox_unref(f->m);
    if (f->s)
        mailstore_close(f->s);
    f->s = fx_store(f->root);
    f->m = fx_open(f->s, "anna@example.org");
}

static inline struct sv fx_message(const char *subject)
{
    static _Thread_local char text[1024];
    int n = snprintf(text, sizeof(text),
                     "From: Bob <bob@example.net>\r\nTo: anna@example.org\r\nSubject: %s\r\n"
                     "Date: Wed, 05 Oct 2011 10:47:12 +0200\r\nMessage-ID: <%s@example.net>\r\n\r\n"
                     "Text of %s.\r\n",
                     subject, subject, subject);
    return sv_n(text, (size_t)n);
}

/* Adds one message; returns its uid. */
static inline uint32_t fx_add(struct mailbox *m, int64_t folder, uint64_t key, const char *subject,
                              uint64_t flags)
{
    struct mailbox_add a = {
        .key = key, .content = fx_message(subject), .internal_date_s = 1317804432, .flags = flags
    };
    ok(mailbox_add(m, folder, &a, 1, false, 0, NULL, NULL, &ei));
    assert_int_equal(a.ret_error, 0);
    return a.ret_uid;
}

static inline int64_t fx_folder(struct mailbox *m, const char *name)
{
    struct arena a;
    struct folder f = { .id = 0 };
    arena_init(&a, 64 * KiB);
    ok(mailbox_folder(m, sv_c(name), &a, &f, &ei));
    arena_done(&a);
    return f.id;
}

static inline const struct snap *fx_snap(struct mailbox *m, int64_t folder, const struct snap *prev)
{
    const struct snap *s = NULL;
    ok(mailbox_snapshot(m, folder, prev, &s, &ei));
    return s;
}

static inline bool fx_has_file(struct mailbox *m, uint64_t key)
{
    uint64_t size;
    return blob_size(m, key, &size) == 0;
}

static inline unsigned fx_n_open(struct mailstore *s)
{
    pthread_mutex_lock(&s->lock);
    unsigned n = s->n_open;
    pthread_mutex_unlock(&s->lock);
    return n;
}

/* Lets time pass until maintenance has checkpointed m and closed all indexes. */
static inline void fx_settle(struct mailbox *m)
{
    for (int i = 0; i < 200; i++) {
        if (fx_n_open(m->store) == 0 && !atomic_load(&m->page->wal_dirty) &&
            !atomic_load(&m->trash))
            return;
        clock_test_advance(31000);
        usleep(100000);
    }
    fail_msg("maintenance did not settle");
}
