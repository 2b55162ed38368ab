/* Directories, system database and settings: the same steps for the supervisor, the modules and the
 * offline tool. */
#include "proc/boot.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "event/event.h"
#include "mail/account/account.h"
#include "mail/account/settings_store.h"
#include "os/file.h"

static int read_dsn(struct boot *b, struct errinfo *ei)
{
    _cleanup_(freep) char *path = boot_path(b, "config/database");
    struct buf text;
    int r;

    if (access(path, F_OK) < 0) {
        b->dsn = xasprintf("sqlite:%s/config/system.db", b->data);
        return 0;
    }
    buf_init(&text, 4096);
    r = os_read_file(path, &text, ei);
    if (r == 0) {
        struct sv rest = buf_sv(&text);

        b->dsn = sv_dup(sv_trim(sv_split(&rest, '\n')));
        if (!*b->dsn)
            r = err_set(
                ei, E_PARSE,
                "%s: the first line must name the database, such as postgresql://user@host/db",
                path);
    }
    buf_done(&text);
    return r;
}

static const char *data_directory(const char *dir)
{
    if (!dir || !*dir)
        dir = getenv("POSTHORN_DATA");
    return dir && *dir ? dir : "/var/lib/posthorn";
}

static bool is_empty(int dirfd)
{
    DIR *d = fdopendir(dup(dirfd));
    unsigned n = 0;

    while (d && n < 3 && readdir(d))
        n++;
    if (d)
        closedir(d);
    return d && n <= 2;
}

int boot_give_data(const char *dir, const char *user, struct errinfo *ei)
{
    struct passwd *pw = getpwnam(user), *owner;
    _cleanup_(closep) int fd = -1;
    struct stat st;
    int r;

    if (!pw)
        return err_set(
            ei, E_NOTFOUND,
            "user '%s' does not exist; create it (useradd --system %s) or name another with --user",
            user, user);
    dir = data_directory(dir);
    r = os_mkdirs(dir, 0750, ei);
    if (r < 0)
        return r;
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set_errno(ei, -errno, "data directory %s", dir);
    if (st.st_uid == pw->pw_uid)
        return 0;
    if (st.st_uid == 0 && is_empty(fd)) {
        if (fchown(fd, pw->pw_uid, pw->pw_gid) < 0)
            return err_set_errno(ei, -errno, "%s cannot be given to user %s", dir, user);
        return 0;
    }
    owner = getpwuid(st.st_uid);
    return err_set(ei, E_PERM,
                   "data directory %s belongs to %s, not to %s; chown -R %s, or name another user "
                   "with --user",
                   dir, owner ? owner->pw_name : "somebody", user, user);
}

int boot_init(struct boot *b, const char *dir, const char *dsn, struct errinfo *ei)
{
    static const char *const below[] = {
        "config", "certs", "run", "status", "mail", "temp", "logs"
    };
    char real[PATH_MAX];
    int r;

    memset(b, 0, sizeof(*b));
    b->user = xstrdup("");
    dir = data_directory(dir);
    r = os_mkdirs(dir, 0750, ei);
    if (r < 0)
        return r;
    if (!realpath(dir, real))
        return err_set_errno(ei, -errno, "data directory %s", dir);
    b->data = xstrdup(real);
    bool fresh = false;
    for (size_t i = 0; i < ARRAY_LEN(below); i++) {
        _cleanup_(freep) char *p = boot_path(b, below[i]);

        fresh |= access(p, F_OK) < 0;
        r = os_mkdirs(p, 0750, ei);
        if (r < 0)
            return r;
    }
    if (fresh) { /* mail that is accepted next is to be found after a power cut */
        r = os_fsync_dir(b->data);
        if (r < 0)
            return err_set_errno(ei, r, "cannot sync directory %s", b->data);
        (void)os_fsync_parent(b->data); /* may not be ours to read */
    }
    if (dsn && *dsn) {
        b->dsn = xstrdup(dsn);
        return 0;
    }
    return read_dsn(b, ei);
}

void boot_done(struct boot *b)
{
    free(b->data);
    free(b->dsn);
    free(b->user);
    memset(b, 0, sizeof(*b));
}

int boot_load_settings(struct db *db, struct errinfo *ei)
{
    struct conf *c = NULL;
    int r = settings_load(db, &c, ei);

    if (r < 0)
        return r;
    int64_t levels[LOG_TYPE_COUNT] = {
        [LOG_SMTP] = c->log.smtp,
        [LOG_POP3] = c->log.pop3,
        [LOG_IMAP] = c->log.imap,
        [LOG_WEB] = c->log.control,
        [LOG_ERRORS] = LOG_EXTENDED,
        [LOG_AUTH] = c->log.auth,
        [LOG_MAINTENANCE] = c->log.maintenance,
        [LOG_MAILFLOW] = c->log.mailflow,
        [LOG_DNS] = c->log.dns,
        [LOG_SQL] = c->log.sql,
        [LOG_MANAGESIEVE] = c->log.managesieve,
    };
    log_configure_levels(levels);
    log_set_max_line((size_t)c->log.max_line);
    event_configure(&(struct event_conf){
        .enabled = c->events.enabled,
        .transcripts = c->events.transcripts,
        .days = (unsigned)c->events.retention_days,
        .transcript_days = (unsigned)c->events.transcript_days,
        .max_bytes = (uint64_t)c->events.max_size,
        .transcript_max_bytes = (uint64_t)c->events.transcript_max_size,
        .peer_share = (unsigned)c->events.peer_share,
    });
    conf_publish(c);
    return 0;
}

int boot_open_db(const struct boot *b, struct db **ret, struct errinfo *ei)
{
    struct db *db = NULL;
    int r = db_open(b->dsn, &db, ei);

    if (r < 0)
        return r;
    r = db_migrate(db, account_migrations, account_migrations_count, ei);
    if (r == 0)
        r = boot_load_settings(db, ei);
    if (r < 0) {
        db_close(db);
        return r;
    }
    *ret = db;
    return 0;
}

char *boot_path(const struct boot *b, const char *below)
{
    return xasprintf("%s/%s", b->data, below);
}

char *boot_mail_path(const struct boot *b, const struct conf *c)
{
    return *c->system.mail_path ? xstrdup(c->system.mail_path) : boot_path(b, "mail");
}

char *boot_temp_path(const struct boot *b, const struct conf *c)
{
    return *c->system.temp_path ? xstrdup(c->system.temp_path) : boot_path(b, "temp");
}

char *boot_log_path(const struct boot *b, const struct conf *c)
{
    return *c->system.log_path ? xstrdup(c->system.log_path) : boot_path(b, "logs");
}

char *boot_hostname(const struct conf *c)
{
    char name[256] = "";

    if (*c->system.hostname)
        return xstrdup(c->system.hostname);
    if (gethostname(name, sizeof(name) - 1) < 0 || !*name)
        return xstrdup("localhost");
    return xstrdup(name);
}
