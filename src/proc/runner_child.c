#include "proc/runner_child.h"

#include <fcntl.h>
#include <jansson.h>
#include <pwd.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "log/log.h"
#include "os/packet.h"
#include "proc/child.h"

enum { BACKOFF_FIRST_MS = 200, BACKOFF_MAX_MS = 60000, STABLE_MS = 60000, STOP_MS = 3000 };

int runner_child_init(struct runner_child *r, const char *dir, struct errinfo *ei)
{
    if (!dir || !*dir)
        dir = getenv("POSTHORN_COMMANDS");
    *r = (struct runner_child){ .life = -1, .link = { -1, -1 } };
    r->dir = xstrdup(dir && *dir ? dir : "/etc/posthorn/commands");
    return os_packet_pair(r->link, ei);
}

void runner_child_configure(struct runner_child *r, const struct conf *c)
{
    bool wanted = *c->smtp.commands;
    if (wanted == r->wanted)
        return;
    r->wanted = wanted;
    r->restart_ms = r->backoff_ms = 0;
    if (!wanted) {
        closep(&r->life);
        r->life = -1;
    }
}

bool runner_child_due(const struct runner_child *r)
{
    return r->wanted && !r->stopping && !r->pid && clock_mono_ms() >= r->restart_ms;
}

static void later(struct runner_child *r)
{
    r->backoff_ms = MIN(MAX(r->backoff_ms * 2, (int64_t)BACKOFF_FIRST_MS), (int64_t)BACKOFF_MAX_MS);
    r->restart_ms = clock_mono_ms() + r->backoff_ms;
}

/* Whom it runs as; "" = as we do. */
static int choose_user(bool root, const char *server_user, char ret[64], struct errinfo *ei)
{
    _cleanup_(conf_unrefp) const struct conf *c = conf_pin();
    const char *want = c->system.command_user;
    ret[0] = '\0';
    if (!root)
        return 0;
    const struct passwd *pw = getpwnam(want);
    if (!pw)
        return err_set(ei, E_NOTFOUND,
                       "user '%s' does not exist; create it (useradd --system %s) or name another "
                       "in system.command_user",
                       want, want);
    uid_t uid = pw->pw_uid;
    const struct passwd *server = getpwnam(server_user); /* takes the place of pw */
    if (uid == 0 || !strcmp(want, server_user) || (server && server->pw_uid == uid))
        return err_set(ei, E_PERM,
                       "commands may not run as '%s'; name a user in system.command_user that has "
                       "no other duty",
                       want);
    (void)sv_copy(ret, 64, sv_c(want));
    return 0;
}

static pid_t start(const struct runner_child *r, const char *user, int life)
{
    char *argv[] = { (char *)"posthorn", (char *)"module", (char *)"commands", NULL };
    const int keep[] = { r->link[1], life };
    json_t *j =
        json_pack("{s:i, s:i, s:s, s:s, s:I, s:b}", "link", r->link[1], "life", life, "user", user,
                  "dir", r->dir, "owner", (json_int_t)getuid(), "own_user", *user != '\0');
    char *text = json_dumps(j, JSON_COMPACT);
    char **env = child_environment("POSTHORN_RUNNER", text ? text : "");
    pid_t pid = fork();
    if (pid == 0)
        child_exec(argv, env, keep, ARRAY_LEN(keep));
    child_environment_free(env);
    free(text);
    json_decref(j);
    return pid;
}

void runner_child_start(struct runner_child *r, bool root, const char *server_user)
{
    struct errinfo ei;
    char user[64];
    int life[2];
    if (choose_user(root, server_user, user, &ei) < 0) {
        log_error("commands (smtp.commands) are not run: %s", ei.text);
        later(r);
        return;
    }
    closep(&r->life);
    r->life = -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, life) < 0) {
        log_error("commands are not run: %s", strerror(errno));
        later(r);
        return;
    }
    pid_t pid = start(r, user, life[1]);
    close(life[1]);
    r->life = life[0];
    r->started_ms = clock_mono_ms();
    r->pid = MAX(pid, 0);
    if (pid < 0) {
        log_error("commands are not run: fork: %s", strerror(errno));
        later(r);
    } else if (!*user && !r->backoff_ms) {
        log_warn("commands run as the user of the server, who was not started by root");
    }
}

bool runner_child_ended(struct runner_child *r, pid_t pid, int status)
{
    if (pid != r->pid || pid == 0)
        return false;
    r->pid = 0;
    if (clock_mono_ms() - r->started_ms > STABLE_MS)
        r->backoff_ms = 0;
    if (r->stopping || !r->wanted)
        return true;
    later(r);
    log_error("the process for commands (%d) %s %d; it starts again in %" PRId64 " ms", (int)pid,
              WIFSIGNALED(status) ? "was ended by signal" : "ended with status",
              WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), r->backoff_ms);
    return true;
}

void runner_child_stop(struct runner_child *r)
{
    int64_t until = clock_mono_ms() + STOP_MS;
    r->stopping = true;
    closep(&r->life);
    r->life = -1;
    while (r->pid && waitpid(r->pid, NULL, WNOHANG) == 0 && clock_mono_ms() < until)
        (void)usleep(10000);
    closep(&r->link[0]);
    closep(&r->link[1]);
    r->link[0] = r->link[1] = -1;
    free(take_ptr(r->dir));
}
