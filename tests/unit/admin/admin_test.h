/* The administrator's side on a real database and mail store in a directory of its own. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <unistd.h>

#include "admin/admin.h"
#include "base/buf.h"
#include "conf/conf.h"
#include "log/log.h"
#include "mail/mailbox/mailbox.h"
#include "os/file.h"

static char dir[64];
static struct admin admin;
static struct buf log_text;

static void admin_begin(void)
{
    struct errinfo ei = { 0 };
    static const struct conf_pair pairs[] = { { "auth.argon2_memory", "1MiB" } };
    struct conf *cf;
    assert_int_equal(conf_build(pairs, 1, &cf, &ei), 0);
    conf_publish(cf);
    snprintf(dir, sizeof(dir), "/tmp/posthorn-admin-XXXXXX");
    assert_non_null(mkdtemp(dir));
    _cleanup_(freep) char *dsn = xasprintf("sqlite:%s/system.db?sync=off", dir);
    _cleanup_(freep) char *mail = xasprintf("%s/mail", dir), *temp = xasprintf("%s/temp", dir);
    assert_int_equal(os_mkdirs(mail, 0700, &ei), 0);
    assert_int_equal(os_mkdirs(temp, 0700, &ei), 0);
    assert_int_equal(db_open(dsn, &admin.db, &ei), 0);
    assert_int_equal(db_migrate(admin.db, account_migrations, account_migrations_count, &ei), 0);
    assert_int_equal(accounts_open(admin.db, &admin.accounts, &ei), 0);
    assert_int_equal(
        mailstore_open(&(struct mailstore_opts){ .root = mail, .temp_dir = temp, .alpha_group = 2 },
                       &admin.store, &ei),
        0);
    buf_init(&log_text, 16 * MiB);
    log_test_capture(&log_text);
}

static void admin_end(void)
{
    log_test_capture(NULL);
    buf_done(&log_text);
    mailstore_close(admin.store);
    accounts_close(admin.accounts);
    db_close(admin.db);
    os_remove_tree(dir, NULL);
}
