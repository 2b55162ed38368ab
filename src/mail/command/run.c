/* Asking the process that runs commands. */
#include "mail/command/command.h"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/deadline.h"
#include "mail/command/wire.h"
#include "os/packet.h"

enum {
    TICK_MS = 200,   /* how soon a cancel is seen */
    TAKEN_MS = 5000, /* an order is read so soon, or nobody is there */
    REST_MS = 10000, /* then others do not wait for it in vain */
    GRACE_MS = 2000, /* for the end of a command that is late */
};

struct commands {
    int link;
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t changed;
    unsigned running;
    int64_t rest_until_ms;
};

struct commands *commands_new(int link)
{
    struct commands *c = xcalloc(1, sizeof(*c));
    c->link = link;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->changed, NULL);
    return c;
}

void commands_free(struct commands *c)
{
    if (!c)
        return;
    closep(&c->link);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->changed);
    free(c);
}

static bool cancelled(const struct command_ask *a)
{
    return a->cancel && atomic_load(a->cancel);
}

static int stopped(struct errinfo *ei)
{
    return err_set(ei, E_CANCELLED, "the server stops");
}

/* --- whose turn it is --- */

static int take_turn(struct commands *c, const struct command_ask *a, int64_t deadline_ms,
                     struct errinfo *ei)
{
    int r = 0;
    pthread_mutex_lock(&c->lock);
    while (r == 0 && c->running >= a->at_once) {
        const struct timespec until = deadline_in(TICK_MS);
        (void)deadline_wait(&c->changed, &c->lock, &until);
        if (cancelled(a))
            r = stopped(ei);
        else if (clock_mono_ms() >= deadline_ms)
            r = err_set(ei, E_TIMEOUT, "other commands ran all the time (smtp.commands_max)");
    }
    if (r == 0 && clock_mono_ms() < c->rest_until_ms)
        r = err_set(ei, E_TEMP, "the process that runs commands has not answered lately");
    if (r == 0)
        c->running++;
    pthread_mutex_unlock(&c->lock);
    return r;
}

static void end_turn(struct commands *c)
{
    pthread_mutex_lock(&c->lock);
    c->running--;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

static int nobody_there(struct commands *c, struct errinfo *ei)
{
    pthread_mutex_lock(&c->lock);
    c->rest_until_ms = clock_mono_ms() + REST_MS;
    pthread_mutex_unlock(&c->lock);
    return err_set(ei, E_TEMP, "the process that runs commands does not answer");
}

/* --- one run --- */

static int gone(struct errinfo *ei)
{
    return err_set(ei, E_CLOSED, "the process that runs commands has ended meanwhile");
}

/* The next packet until then; E_TIMEOUT. */
static ssize_t receive(int sock, const struct command_ask *a, int64_t until_ms, char *p, size_t cap,
                       struct errinfo *ei)
{
    for (;;) {
        int fd;
        ssize_t n = os_recv_packet(sock, p, cap, &fd);
        closep(&fd);
        if (n > 0)
            return n;
        if (n != -EAGAIN)
            return gone(ei);
        int64_t left = until_ms - clock_mono_ms();
        if (left <= 0)
            return err_set(ei, E_TIMEOUT, "it was not done in time");
        if (cancelled(a))
            return stopped(ei);
        struct pollfd pfd = { .fd = sock, .events = POLLIN };
        (void)poll(&pfd, 1, (int)MIN(left, (int64_t)TICK_MS));
    }
}

/* Our end of a connection whose other end the process has been given. */
static int connect_runner(struct commands *c, int *ret, struct errinfo *ei)
{
    int pair[2];
    char byte = 0;
    struct iovec iov = { &byte, 1 };
    if (c->link < 0)
        return err_set(ei, E_TEMP, "no process runs commands");
    int r = os_packet_pair(pair, ei);
    if (r < 0)
        return r;
    r = os_send_packet(c->link, &iov, 1, pair[1]);
    close(pair[1]);
    if (r == 0) {
        *ret = pair[0];
        return 0;
    }
    close(pair[0]);
    return r == -EAGAIN ? nobody_there(c, ei) : gone(ei);
}

static int send_order(int sock, const struct command_ask *a, int64_t deadline_ms,
                      struct errinfo *ei)
{
    _cleanup_(buf_done) struct buf b = { 0 };
    const struct command_order o = {
        .deadline_ms = deadline_ms,
        .memory_bytes = a->conf->memory_bytes,
        .name = a->conf->name,
        .env = a->env,
    };
    buf_init(&b, COMMAND_MAX_ORDER);
    if (command_put_order(&o, &b) < 0)
        return err_set(ei, E_RANGE, "the envelope is too long for it");
    struct iovec iov = { b.p, b.n };
    return os_send_packet(sock, &iov, 1, a->message) < 0 ? gone(ei) : 0;
}

static struct sv first_line(struct sv text)
{
    return sv_trim(sv_take(sv_split(&text, '\n'), 120));
}

/* What the end of the process means. */
static int judge(const struct command_ask *a, const struct command_result *res,
                 struct command_answer *ret, struct errinfo *ei)
{
    struct sv said = first_line(res->errors);
    const char *colon = said.n ? ": " : "";
    switch (res->end) {
    case COMMAND_EXITED:
        ret->verdict = (enum command_verdict)a->conf->verdict[res->code & 0xff];
        if (ret->verdict != COMMAND_FAILED)
            return 0;
        return err_set(ei, E_TEMP, "it ended with status %d%s" SV_FMT, res->code, colon,
                       SV_ARG(said));
    case COMMAND_SIGNALLED:
        return err_set(ei, E_TEMP, "it was ended by signal %d (%s)%s" SV_FMT, res->code,
                       strsignal(res->code), colon, SV_ARG(said));
    case COMMAND_TOO_LATE:
        return err_set(ei, E_TIMEOUT, "it was not done after %" PRId64 " ms and was ended",
                       a->conf->timeout_ms);
    case COMMAND_TOO_LOUD:
        return err_set(ei, E_RANGE, "it wrote more than %d bytes and was ended",
                       COMMAND_MAX_OUTPUT);
    case COMMAND_NOT_STARTED:
        return err_set(ei, E_NOTFOUND, SV_FMT, SV_ARG(said));
    case COMMAND_ENDS:
        break;
    }
    return gone(ei);
}

/* A reply must fit the verdict: a refusal for good is none for now. */
static int check_reply(const struct command_answer *a, struct errinfo *ei)
{
    struct sv r = a->output.reply;
    if (r.n && ((a->verdict == COMMAND_REJECT && r.p[0] != '5') ||
                (a->verdict == COMMAND_DEFER && r.p[0] != '4')))
        return err_set(ei, E_PARSE, "its reply '" SV_FMT "' does not fit its exit status, %s",
                       SV_ARG(sv_take(r, 60)), command_verdict_names[a->verdict]);
    return 0;
}

static int ask(int sock, const struct command_ask *a, int64_t deadline_ms, char *packet,
               struct command_answer *ret, struct errinfo *ei)
{
    struct command_result res;
    ssize_t n = receive(sock, a, deadline_ms + GRACE_MS, packet, COMMAND_MAX_RESULT, ei);
    if (n < 0)
        return (int)n;
    if (command_parse_result(sv_n(packet, (size_t)n), &res) < 0)
        return gone(ei);
    int r = judge(a, &res, ret, ei);
    if (r < 0)
        return r;
    ret->text = sv_dup(res.output);
    r = command_parse_output(sv_n(ret->text, res.output.n), &ret->output, ei);
    return r < 0 ? r : check_reply(ret, ei);
}

static int run(struct commands *c, const struct command_ask *a, int64_t deadline_ms,
               struct command_answer *ret, struct errinfo *ei)
{
    _cleanup_(closep) int sock = -1;
    _cleanup_(freep) char *packet = xmalloc(COMMAND_MAX_RESULT);
    int r = connect_runner(c, &sock, ei);
    if (r == 0)
        r = send_order(sock, a, deadline_ms, ei);
    if (r < 0)
        return r;
    int64_t taken_ms = clock_mono_ms() + TAKEN_MS;
    ssize_t n = receive(sock, a, MIN(deadline_ms, taken_ms), packet, 1, ei);
    if (n == E_TIMEOUT && taken_ms <= deadline_ms)
        return nobody_there(c, ei);
    return n < 0 ? (int)n : ask(sock, a, deadline_ms, packet, ret, ei);
}

int command_run(struct commands *c, const struct command_ask *a, struct command_answer *ret,
                struct errinfo *ei)
{
    int64_t deadline_ms = clock_mono_ms() + a->conf->timeout_ms;
    *ret = (struct command_answer){ 0 };
    int r = take_turn(c, a, deadline_ms, ei);
    if (r < 0)
        return r;
    r = run(c, a, deadline_ms, ret, ei);
    end_turn(c);
    if (r < 0)
        command_answer_done(ret);
    return r;
}

void command_answer_done(struct command_answer *a)
{
    free(take_ptr(a->text));
}
