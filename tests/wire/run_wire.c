/* Runs wire scripts (README.md): reads lines, drives the connection, compares. A failure ends the
 * child process of that script only. */
#include "wire.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/codec.h"

static struct {
    const char *path;
    unsigned line;
    struct wire_env env;
} run;

void wire_fail(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "%s:%u: ", run.path, run.line);
    vfprintf(stderr, fmt, ap);
    fprintf(stderr, "\n");
    va_end(ap);
    fflush(NULL);
    _exit(1);
}

bool wire_match(struct sv pattern, struct sv text)
{
    ssize_t star = sv_find(pattern, '*');
    if (star < 0)
        return sv_eq(pattern, text);
    if (text.n < (size_t)star ||
        !sv_eq(sv_take(pattern, (size_t)star), sv_take(text, (size_t)star)))
        return false;
    struct sv rest = sv_skip(pattern, (size_t)star + 1);
    for (size_t i = (size_t)star; i <= text.n; i++)
        if (wire_match(rest, sv_skip(text, i)))
            return true;
    return false;
}

static int unhex(char c)
{
    c = ascii_lower(c);
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void add(struct buf *out, const void *p, size_t n)
{
    if (buf_add(out, p, n) < 0)
        wire_fail("text too long");
}

/* After "\": returns how many bytes of text it took. */
static size_t expand_escape(struct sv text, struct buf *out)
{
    static const char names[] = "rnt0\\";
    static const char values[] = "\r\n\t\0\\";
    const char *at = text.n ? strchr(names, *text.p) : NULL;
    if (at) {
        add(out, values + (at - names), 1);
        return 1;
    }
    if (text.n < 3 || *text.p != 'x' || unhex(text.p[1]) < 0 || unhex(text.p[2]) < 0)
        wire_fail("unknown escape in the script");
    char c = (char)(unhex(text.p[1]) * 16 + unhex(text.p[2]));
    add(out, &c, 1);
    return 3;
}

/* "${b64:text}" or "${x*n}": returns the bytes taken behind "${". */
static size_t expand_braces(struct sv text, struct buf *out)
{
    ssize_t end = sv_find(text, '}');
    if (end < 0)
        wire_fail("${ without }");
    struct sv inner = sv_take(text, (size_t)end);
    if (sv_starts(inner, SV("b64:"))) {
        struct buf plain;
        buf_init(&plain, 64 * KiB);
        wire_expand(sv_skip(inner, 4), &plain);
        if (base64_enc(buf_sv(&plain), out) < 0)
            wire_fail("text too long");
        buf_done(&plain);
        return (size_t)end + 1;
    }
    uint32_t n;
    ssize_t star = sv_rfind(inner, '*');
    if (star < 0 || sv_to_u32(sv_skip(inner, (size_t)star + 1), &n) < 0)
        wire_fail("neither ${b64:text} nor ${x*n}");
    struct buf unit;
    buf_init(&unit, 64 * KiB);
    wire_expand(sv_take(inner, (size_t)star), &unit);
    while (n-- > 0)
        add(out, unit.p, unit.n);
    buf_done(&unit);
    return (size_t)end + 1;
}

void wire_expand(struct sv text, struct buf *out)
{
    while (text.n) {
        size_t used = 1;
        if (*text.p == '\\')
            used += expand_escape(sv_skip(text, 1), out);
        else if (sv_starts(text, SV("${")))
            used = 2 + expand_braces(sv_skip(text, 2), out);
        else
            add(out, text.p, 1);
        text = sv_skip(text, used);
    }
}

/* --- the connection --- */

static void *refuse_open(struct conn *c, void *arg)
{
    struct sv *reason = arg;
    char text[32];
    (void)sv_copy(text, sizeof(text), *reason);
    run.env.proto->refuse(c, text);
    return NULL;
}

static void hang_up(void)
{
    conn_test_free(take_ptr(run.env.conn), CLOSE_PEER);
    buf_reset(&run.env.in);
}

static void connect_by(const struct proto_ops *ops, void *arg)
{
    struct wire_env *e = &run.env;
    hang_up();
    e->facts.service = e->proto->service;
    e->facts.local_port = e->proto->port;
    e->facts.tls = e->facts.tls || e->proto->tls;
    e->conn = conn_test_open(ops, arg, &e->facts);
}

static struct conn *connection(void)
{
    struct wire_env *e = &run.env;
    if (!e->conn)
        connect_by(e->proto->ops, e->proto->arg(e));
    return e->conn;
}

static void send_text(struct sv text, bool crlf)
{
    struct buf b;
    buf_init(&b, 64 * MiB);
    wire_expand(text, &b);
    if (crlf)
        add(&b, "\r\n", 2);
    conn_test_input(connection(), buf_sv(&b));
    buf_done(&b);
}

static void pull_output(void)
{
    struct conn *c = connection();
    struct sv out = conn_test_output(c);
    if (buf_add_sv(&run.env.in, out) < 0)
        wire_fail("too much output");
    conn_test_take(c);
}

/* The next line of the server, without CRLF; copied to `line`. */
static struct sv next_line(struct buf *line, struct sv wanted)
{
    pull_output();
    struct sv in = buf_sv(&run.env.in);
    ssize_t end = sv_find_sv(in, SV("\r\n"));
    if (end < 0)
        wire_fail("expected '" SV_FMT "', the server has sent '" SV_FMT "'", SV_ARG(wanted),
                  SV_ARG(in));
    buf_reset(line);
    if (end)
        add(line, in.p, (size_t)end);
    buf_consume(&run.env.in, (size_t)end + 2);
    return buf_sv(line);
}

static void expect(struct sv pattern)
{
    struct buf line;
    struct sv last = SV_NULL, got;
    ssize_t dots = sv_find_sv(pattern, SV(" ... "));
    buf_init(&line, 4 * MiB);
    if (dots >= 0) {
        last = sv_trim(sv_skip(pattern, (size_t)dots + 5));
        pattern = sv_trim(sv_take(pattern, (size_t)dots));
    }
    got = next_line(&line, pattern);
    if (!wire_match(pattern, got))
        wire_fail("expected '" SV_FMT "', got '" SV_FMT "'", SV_ARG(pattern), SV_ARG(got));
    while (last.p && !wire_match(last, got))
        got = next_line(&line, last);
    buf_done(&line);
}

static int64_t duration_ms(struct sv s)
{
    static const struct {
        struct sv unit;
        int64_t ms;
    } units[] = { { SV("ms"), 1 }, { SV("s"), 1000 }, { SV("m"), 60000 }, { SV("h"), 3600000 } };
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        uint64_t n;
        if (sv_iends(s, units[i].unit) && sv_to_u64(sv_take(s, s.n - units[i].unit.n), &n) == 0)
            return (int64_t)n * units[i].ms;
    }
    wire_fail("'" SV_FMT "' is not a time, for example 301s", SV_ARG(s));
}

static void choose_proto(struct sv name)
{
    for (size_t i = 0; i < wire_protos_count; i++)
        if (sv_eq(name, sv_c(wire_protos[i].name))) {
            run.env.proto = &wire_protos[i];
            run.env.facts.tls = false;
            return;
        }
    wire_fail("no listener '" SV_FMT "'", SV_ARG(name));
}

static void early(struct sv text)
{
    struct buf b;
    buf_init(&b, 64 * KiB);
    wire_expand(text, &b);
    conn_test_early(buf_sv(&b));
    buf_done(&b);
}

/* Directives that drive the connection. */
static bool drive(struct sv word, struct sv rest)
{
    struct wire_env *e = &run.env;
    if (sv_eq(word, SV("C:")))
        send_text(rest, true);
    else if (sv_eq(word, SV("C!")))
        send_text(rest, false);
    else if (sv_eq(word, SV("S:")))
        expect(rest);
    else if (sv_eq(word, SV("PROTO")))
        choose_proto(rest);
    else if (sv_eq(word, SV("PEER")))
        (void)sv_copy(e->peer_ip, sizeof(e->peer_ip), rest);
    else if (sv_eq(word, SV("TRUSTED")))
        e->facts.trusted = true;
    else if (sv_eq(word, SV("CAN_TLS")))
        e->facts.can_tls = true;
    else if (sv_eq(word, SV("TLS")))
        e->facts.tls = true;
    else if (sv_eq(word, SV("EARLY")))
        early(rest);
    else if (sv_eq(word, SV("OPEN")))
        connect_by(e->proto->ops, e->proto->arg(e));
    else if (sv_eq(word, SV("REFUSE"))) {
        static struct proto_ops ops;
        ops = *e->proto->ops;
        ops.open = refuse_open;
        connect_by(&ops, &rest);
    } else if (sv_eq(word, SV("ADVANCE")))
        conn_test_advance(connection(), duration_ms(rest));
    else if (sv_eq(word, SV("SECURE")))
        conn_test_secure(connection());
    else if (sv_eq(word, SV("EOF")))
        conn_test_eof(connection());
    else if (sv_eq(word, SV("SHUTDOWN")))
        conn_test_shutdown(connection());
    else
        return false;
    return true;
}

static bool inspect(struct sv word)
{
    if (sv_eq(word, SV("NOTHING"))) {
        pull_output();
        if (run.env.in.n)
            wire_fail("the server has sent '" SV_FMT "'", SV_ARG(buf_sv(&run.env.in)));
    } else if (sv_eq(word, SV("CLOSED"))) {
        if (!conn_test_closed(connection()))
            wire_fail("the connection is open");
    } else if (sv_eq(word, SV("ALIVE"))) {
        if (conn_test_closed(connection()))
            wire_fail("the connection is closed");
    } else {
        return false;
    }
    return true;
}

static struct sv cut_line(struct sv *text)
{
    struct sv line = sv_split(text, '\n');
    return line;
}

static void run_script(struct sv text)
{
    while (text.n) {
        struct sv line = cut_line(&text);
        run.line++;
        if (line.n == 0 || *line.p == '#')
            continue;
        const char *body = text.p;
        unsigned body_lines = 0;
        while (text.n && *text.p == ' ') {
            (void)cut_line(&text);
            body_lines++;
        }
        struct sv rest = line;
        struct sv word = sv_split(&rest, ' ');
        if (!rest.p)
            rest = SV("");
        struct sv indented =
            body_lines ? sv_n(body, (size_t)((text.p ? text.p : body) - body)) : SV("");
        if (!drive(word, rest) && !inspect(word) &&
            !wire_env_directive(&run.env, word, rest, indented))
            wire_fail("unknown directive '" SV_FMT "'", SV_ARG(word));
        run.line += body_lines;
    }
    pull_output();
    if (run.env.in.n)
        wire_fail("at the end the server has more: '" SV_FMT "'", SV_ARG(buf_sv(&run.env.in)));
}

static int run_file(const char *path)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = fopen(path, "rb");
    run.path = path;
    if (!f)
        wire_fail("cannot be opened");
    ssize_t r = getdelim(&text, &n, '\0', f);
    fclose(f);
    clock_test_freeze(1700000000000);
    buf_init(&run.env.in, 16 * MiB);
    run.env.proto = &wire_protos[0];
    wire_env_open(&run.env);
    run_script(sv_n(text, r > 0 ? (size_t)r : 0));
    hang_up();
    buf_done(&run.env.in);
    wire_env_close(&run.env);
    free(text);
    return 0;
}

/* Each script in a process of its own: globals and threads of the rooms start afresh. */
static bool run_apart(const char *path)
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        exit(run_file(path));
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return false;
    bool ok = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!ok)
        fprintf(stderr, "FAILED %s%s\n", path, WIFSIGNALED(status) ? " (killed by a signal)" : "");
    return ok;
}

static int only_scripts(const struct dirent *d)
{
    return sv_iends(sv_c(d->d_name), SV(".wire"));
}

static void run_path(const char *path, unsigned *total, unsigned *failed)
{
    struct stat st;
    struct dirent **names;
    if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode)) {
        ++*total;
        *failed += !run_apart(path);
        return;
    }
    int n = scandir(path, &names, only_scripts, alphasort);
    for (int i = 0; i < n; i++) {
        _cleanup_(freep) char *file = xasprintf("%s/%s", path, names[i]->d_name);
        run_path(file, total, failed);
        free(names[i]);
    }
    if (n >= 0)
        free(names);
}

int main(int argc, char **argv)
{
    unsigned total = 0, failed = 0;
    setenv("TZ", "UTC", 1);
    for (int i = 1; i < argc; i++)
        run_path(argv[i], &total, &failed);
    printf("%u scripts, %u failed\n", total, failed);
    return failed || !total ? 1 : 0;
}
