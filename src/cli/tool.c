/* Reaches the server, or opens the database when none runs, and hands requests to it. */
#include "cli/tool.h"

#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "admin/admin.h"
#include "base/buf.h"
#include "log/log.h"
#include "log/sink.h"
#include "mail/mailbox/mailbox.h"
#include "os/file.h"
#include "proc/boot.h"

#define MAX_WORDS 64
#define MAX_LINE  65536
#define MAX_REPLY (64 * MiB)

struct tool {
    int fd; /* to the server; -1 = offline */
    struct buf in;
    struct boot boot;
    struct db *db;
    struct mailstore *store;
    struct log_sink *sink;
    struct admin admin;
    int lock_fd;
    char who[64];
};

/* --- who we are --- */

static void name_self(struct tool *t)
{
    struct passwd *pw = getpwuid(getuid());

    if (pw)
        snprintf(t->who, sizeof(t->who), "%s", pw->pw_name);
    else
        snprintf(t->who, sizeof(t->who), "uid %u", (unsigned)getuid());
}

/* As root the files must belong to the server's user: --user, else the owner of the data directory,
 * else posthorn. */
static int become_owner(const struct tool_opts *o, const char *dir, struct errinfo *ei)
{
    struct stat st;
    struct passwd *pw = NULL;

    if (geteuid() != 0)
        return 0;
    if (o->user && *o->user) {
        pw = getpwnam(o->user);
        if (!pw)
            return err_set(ei, E_NOTFOUND, "user '%s' does not exist", o->user);
    } else if (stat(dir, &st) == 0 && st.st_uid != 0) {
        pw = getpwuid(st.st_uid);
    } else {
        pw = getpwnam("posthorn");
    }
    if (!pw)
        return err_set(
            ei, E_NOTFOUND,
            "user 'posthorn' does not exist; create it or name the server's user with --user");
    if (os_mkdirs(dir, 0750, ei) < 0)
        return ei->code;
    if (stat(dir, &st) == 0 && st.st_uid == 0 && pw->pw_uid &&
        chown(dir, pw->pw_uid, pw->pw_gid) < 0)
        return err_set_errno(ei, -errno, "%s", dir);
    if (initgroups(pw->pw_name, pw->pw_gid) < 0 || setgid(pw->pw_gid) < 0 || setuid(pw->pw_uid) < 0)
        return err_set_errno(ei, -errno, "switching to user '%s'", pw->pw_name);
    return 0;
}

/* --- online --- */

static int connect_server(struct tool *t, const char *dir, struct errinfo *ei)
{
    _cleanup_(freep) char *path = xasprintf("%s/run/control.sock", dir);
    struct sockaddr_un a = { .sun_family = AF_UNIX };

    if (!sv_copy(a.sun_path, sizeof(a.sun_path), sv_c(path)))
        return err_set(ei, E_RANGE, "%s: the path is too long for a socket", path);
    t->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (t->fd < 0)
        return err_set_errno(ei, -errno, "socket");
    if (connect(t->fd, (struct sockaddr *)&a, sizeof(a)) == 0)
        return 1;
    if (errno == EACCES || errno == EPERM)
        return err_set(ei, E_PERM,
                       "%s: permission denied; run this as root or as the server's user", path);
    close(t->fd);
    t->fd = -1;
    return 0;
}

static json_t *call_server(struct tool *t, json_t *request)
{
    char *text = json_dumps(request, JSON_COMPACT);
    json_error_t je;
    json_t *reply;
    ssize_t eol;
    int r = os_write_all(t->fd, text, strlen(text));

    free(text);
    if (r == 0)
        r = os_write_all(t->fd, "\n", 1);
    if (r < 0)
        return admin_error(r, "the server does not take the request: %s", err_name(r));
    while ((eol = sv_find(buf_sv(&t->in), '\n')) < 0) {
        ssize_t n;

        if (buf_reserve(&t->in, 65536) < 0)
            return admin_error(E_RANGE, "the answer is too long");
        n = recv(t->fd, t->in.p + t->in.n, 65536, 0);
        if (n <= 0)
            return admin_error(E_CLOSED, "the server closed the connection");
        t->in.n += (size_t)n;
    }
    reply = json_loadb(t->in.p, (size_t)eol, 0, &je);
    buf_consume(&t->in, (size_t)eol + 1);
    return reply ? reply : admin_error(E_PARSE, "the server's answer is not JSON: %s", je.text);
}

/* --- offline --- */

static int open_offline(struct tool *t, const struct tool_opts *o, struct errinfo *ei)
{
    _cleanup_(freep) char *lock = NULL, *mail = NULL, *temp = NULL, *temp_dir = NULL, *logs = NULL;
    _cleanup_(conf_unrefp) const struct conf *c = NULL;
    struct accounts *accounts = NULL;
    int r = boot_init(&t->boot, o->data, o->dsn, ei);

    if (r < 0)
        return r;
    lock = boot_path(&t->boot, "run/lock");
    r = os_lock_file(lock, &t->lock_fd, ei);
    if (r == E_CONFLICT)
        return err_set(ei, r, "%s: a server or another tool is just starting or ending; try again",
                       t->boot.data);
    if (r < 0 || (r = boot_open_db(&t->boot, &t->db, ei)) < 0 ||
        (r = accounts_open(t->db, &accounts, ei)) < 0)
        return r;
    c = conf_pin();
    mail = boot_mail_path(&t->boot, c);
    temp = boot_temp_path(&t->boot, c);
    logs = boot_log_path(&t->boot, c);
    temp_dir = xasprintf("%s/Control", temp);
    struct log_sink_conf lc = {
        .dir = logs,
        .server_id = c->system.server_id,
        .rotate_bytes = (uint64_t)c->log.rotate_size,
    };
    struct mailstore_opts so = { mail, temp_dir, (int)c->system.alpha_prefix,
                                 (int)c->system.alpha_group };

    if (log_sink_new(&lc, &t->sink, NULL) == 0)
        log_attach(log_sink_local_fd(t->sink));
    r = os_mkdirs(temp_dir, 0750, ei);
    if (r == 0)
        r = mailstore_open(&so, &t->store, ei);
    if (r < 0) {
        accounts_close(accounts);
        return r;
    }
    t->admin = (struct admin){ .db = t->db, .accounts = accounts, .store = t->store };
    return 0;
}

int tool_open(const struct tool_opts *o, struct tool **ret, struct errinfo *ei)
{
    struct tool *t = xcalloc(1, sizeof(*t));
    const char *dir = o->data && *o->data ? o->data : getenv("POSTHORN_DATA");
    int r;

    if (!dir || !*dir)
        dir = "/var/lib/posthorn";
    t->fd = t->lock_fd = -1;
    buf_init(&t->in, MAX_REPLY);
    name_self(t);
    r = connect_server(t, dir, ei);
    if (r == 0) {
        r = become_owner(o, dir, ei);
        if (r == 0)
            r = open_offline(t, o, ei);
    }
    if (r < 0) {
        tool_close(t);
        return r;
    }
    *ret = t;
    return 0;
}

json_t *tool_call(struct tool *t, json_t *request)
{
    return t->fd >= 0 ? call_server(t, request) : admin_run(&t->admin, t->who, request);
}

void tool_close(struct tool *t)
{
    if (!t)
        return;
    if (t->store)
        mailstore_close(t->store);
    if (t->admin.accounts)
        accounts_close(t->admin.accounts);
    if (t->db)
        db_close(t->db);
    if (t->sink) {
        log_flush();
        log_attach(-1);
        log_sink_free(t->sink);
    }
    closep(&t->lock_fd);
    closep(&t->fd);
    buf_done(&t->in);
    boot_done(&t->boot);
    free(t);
}

/* --- running --- */

/* password=- : one line from standard input, without echo on a terminal; a command line shows in
 * ps. */
static int read_password(json_t *request, struct errinfo *ei)
{
    json_t *args = json_object_get(request, "args");
    const char *v = json_string_value(json_object_get(args, "password"));
    struct termios old, quiet;
    bool tty = isatty(STDIN_FILENO);
    char line[1024];
    char *got;

    if (!v || strcmp(v, "-"))
        return 0;
    if (tty && tcgetattr(STDIN_FILENO, &old) == 0) {
        fprintf(stderr, "password: ");
        quiet = old;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(STDIN_FILENO, TCSANOW, &quiet);
    }
    got = fgets(line, sizeof(line), stdin);
    if (tty) {
        tcsetattr(STDIN_FILENO, TCSANOW, &old);
        fputc('\n', stderr);
    }
    if (!got)
        return err_set(ei, E_PARSE, "no password on standard input");
    line[strcspn(line, "\r\n")] = '\0';
    json_object_set_new(args, "password", json_string(line));
    return 0;
}

static const char *error_text(json_t *reply)
{
    const char *s = json_string_value(json_object_get(json_object_get(reply, "error"), "text"));

    return s ? s : "the answer has no result";
}

static int run_words(struct tool *t, int argc, char *const *argv, bool as_json, struct errinfo *ei)
{
    const struct tool_cmd *cmd = NULL;
    json_t *request = NULL, *reply;
    int r = tool_parse(argc, argv, &cmd, &request, ei);

    if (r == 0)
        r = read_password(request, ei);
    if (r < 0) {
        json_decref(request);
        return r;
    }
    reply = tool_call(t, request);
    json_decref(request);
    if (as_json) {
        json_dumpf(reply, stdout, JSON_INDENT(2));
        putchar('\n');
    }
    if (!json_is_true(json_object_get(reply, "ok")))
        r = err_set(ei, E_CONFLICT, "%s", error_text(reply));
    else if (!as_json)
        tool_print(cmd, reply);
    json_decref(reply);
    return r;
}

int tool_batch(struct tool *t, const char *path)
{
    FILE *f = strcmp(path, "-") ? fopen(path, "re") : stdin;
    _cleanup_(freep) char *line = xmalloc(MAX_LINE);
    unsigned n = 0, bad = 0, done = 0;

    if (!f) {
        fprintf(stderr, "posthorn tool: %s: %s\n", path, strerror(errno));
        return 1;
    }
    while (fgets(line, MAX_LINE, f)) {
        char *words[MAX_WORDS];
        struct errinfo ei = { 0 };
        int r;

        n++;
        line[strcspn(line, "\r\n")] = '\0';
        r = tool_split(line, words, MAX_WORDS, &ei);
        if (r > 0) {
            r = run_words(t, r, words, false, &ei);
            done += r == 0;
        }
        if (r < 0) {
            fprintf(stderr, "%s: line %u: %s\n", path, n, ei.text);
            bad++;
        }
    }
    if (f != stdin)
        fclose(f);
    printf("%u commands done, %u refused\n", done, bad);
    return bad ? 1 : 0;
}

int tool_main(int argc, char **argv)
{
    static const struct option longopts[] = {
        { "data", required_argument, NULL, 'd' }, { "db", required_argument, NULL, 'b' },
        { "user", required_argument, NULL, 'u' }, { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },       { 0 },
    };
    struct tool_opts o = { 0 };
    struct tool *t = NULL;
    struct errinfo ei = { 0 };
    int c, r;

    optind = 1;
    while ((c = getopt_long(argc, argv, "+d:u:jh", longopts, NULL)) != -1)
        switch (c) {
        case 'd':
            o.data = optarg;
            break;
        case 'b':
            o.dsn = optarg;
            break;
        case 'u':
            o.user = optarg;
            break;
        case 'j':
            o.json = true;
            break;
        case 'h':
            tool_help();
            return 0;
        default:
            return 2;
        }
    argc -= optind;
    argv += optind;
    if (argc == 0 || !strcmp(argv[0], "help")) {
        tool_help();
        return argc ? 0 : 2;
    }
    r = tool_open(&o, &t, &ei);
    if (r == 0 && !strcmp(argv[0], "batch") && argc == 2) {
        r = tool_batch(t, argv[1]);
        tool_close(t);
        return r;
    }
    if (r == 0)
        r = run_words(t, argc, argv, o.json, &ei);
    tool_close(t);
    if (r < 0) {
        fprintf(stderr, "posthorn tool: %s\n", ei.text);
        return r == E_PARSE ? 2 : 1;
    }
    return 0;
}
