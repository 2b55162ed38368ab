/* A small load client: one figure per line, with the server's CPU time per operation. No libraries
 * but OpenSSL. Talks to 127.0.0.1 only. The users u000... of bench/posthorn.sh must exist and their
 * mailboxes should be new. load BASEPORT SUPERVISOR-PID PASSWORD [FIGURE ...] */
#include <arpa/inet.h>
#include <errno.h>
#include <dirent.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    SMTP = 25,
    SUBMISSION = 587,
    IMAP = 143,
    IMAPS = 993,
    POP3 = 110,
    MANAGESIEVE = 419,
    BODY = 5000
};
enum { ACCEPT_SESSIONS = 20, LOGIN_CLIENTS = 16, LOGIN_S = 3, IDLE_SESSIONS = 1000, NOTICES = 100 };
/* Which users a workload has for itself. */
enum { U_LATENCY = 0, U_ACCEPT = 20, N_ACCEPT = 40, U_DELIVER = 60, N_DELIVER = 16, U_POP3 = 98 };

static int base_port;
static pid_t server;
static const char *password;
static char *message;
static size_t message_n;
static SSL_CTX *tls;

struct peer {
    int fd;
    SSL *ssl;
    size_t at, n;
    char in[65536];
};

static _Noreturn void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static _Noreturn void fail(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("load: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    exit(1);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* --- connections --- */

static void begin_tls(struct peer *p)
{
    p->ssl = SSL_new(tls);
    SSL_set_fd(p->ssl, p->fd);
    if (SSL_connect(p->ssl) != 1)
        fail("TLS handshake failed");
}

static struct peer *dial(int port)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_port = htons((uint16_t)(base_port + port)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct peer *p = malloc(sizeof(*p));
    int on = 1;
    if (!p)
        fail("no memory");
    p->ssl = NULL;
    p->at = p->n = 0;
    p->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (p->fd < 0 || connect(p->fd, (struct sockaddr *)&a, sizeof(a)) < 0)
        fail("port %d: %s", base_port + port, strerror(errno));
    setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (port == IMAPS)
        begin_tls(p);
    return p;
}

static void hang_up(struct peer *p)
{
    if (p->ssl) {
        SSL_shutdown(p->ssl);
        SSL_free(p->ssl);
    }
    close(p->fd);
    free(p);
}

static void put(struct peer *p, const char *s, size_t n)
{
    while (n > 0) {
        ssize_t r = p->ssl ? SSL_write(p->ssl, s, (int)n) : send(p->fd, s, n, MSG_NOSIGNAL);
        if (r <= 0)
            fail("the server closed the connection");
        s += r;
        n -= (size_t)r;
    }
}

static void say(struct peer *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct peer *p, const char *fmt, ...)
{
    char line[1000];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    put(p, line, (size_t)n);
}

/* The next line without its end; valid until the next call. */
static char *hear(struct peer *p)
{
    for (;;) {
        char *start = p->in + p->at, *end = memchr(start, '\n', p->n - p->at);
        if (end) {
            p->at = (size_t)(end - p->in) + 1;
            *end = '\0';
            if (end > start && end[-1] == '\r')
                end[-1] = '\0';
            return start;
        }
        memmove(p->in, start, p->n - p->at);
        p->n -= p->at;
        p->at = 0;
        ssize_t r = p->ssl ? SSL_read(p->ssl, p->in + p->n, (int)(sizeof(p->in) - p->n))
                           : recv(p->fd, p->in + p->n, sizeof(p->in) - p->n, 0);
        if (r <= 0)
            fail("the server closed the connection");
        p->n += (size_t)r;
    }
}

/* Reads up to the line that begins with `want`; lines before it must begin with '*', or be an SMTP
 * continuation. */
static char *expect(struct peer *p, const char *want)
{
    for (;;) {
        char *l = hear(p);
        if (strncmp(l, want, strlen(want)) == 0 && !(l[0] >= '0' && l[0] <= '9' && l[3] == '-'))
            return l;
        if (l[0] != '*' && l[0] != '"' && !(l[0] == want[0] && l[3] == '-'))
            fail("expected %s, got %s", want, l);
    }
}

/* --- building blocks --- */

static void smtp_hello(struct peer *p)
{
    expect(p, "220");
    say(p, "EHLO load.test\r\n");
    expect(p, "250");
}

static void smtp_send(struct peer *p, int user)
{
    say(p, "MAIL FROM:<u000@bench.test>\r\nRCPT TO:<u%03d@bench.test>\r\nDATA\r\n", user);
    expect(p, "250");
    expect(p, "250");
    expect(p, "354");
    put(p, message, message_n);
    expect(p, "250");
}

static void smtp_bye(struct peer *p)
{
    say(p, "QUIT\r\n");
    expect(p, "221");
    hang_up(p);
}

static struct peer *imap_login(int port, int user)
{
    struct peer *p = dial(port);
    expect(p, "* OK");
    say(p, "a LOGIN u%03d@bench.test %s\r\n", user, password);
    expect(p, "a OK");
    return p;
}

static void imap_bye(struct peer *p)
{
    say(p, "z LOGOUT\r\n");
    expect(p, "z OK");
    hang_up(p);
}

static long in_mailbox(struct peer *p)
{
    say(p, "s STATUS INBOX (MESSAGES)\r\n");
    char *l = expect(p, "* STATUS"), *at = strstr(l, "MESSAGES ");
    long n = at ? strtol(at + 9, NULL, 10) : -1;
    expect(p, "s OK");
    return n;
}

/* --- the server's side: CPU time and memory of its process tree --- */

static bool is_ours(pid_t pid, double *cpu_s)
{
    char path[64], text[1024];
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
    if (f)
        fclose(f);
    text[n] = '\0';
    char *at = strrchr(text, ')');
    int parent = 0;
    unsigned long user = 0, sys = 0;
    if (!at || sscanf(at + 2, "%*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &parent, &user,
                      &sys) != 3)
        return false;
    if (pid != server && parent != server)
        return false;
    *cpu_s = (double)(user + sys) / (double)sysconf(_SC_CLK_TCK);
    return true;
}

static long pss_kb(pid_t pid)
{
    char path[64], line[200];
    long kb = 0;
    snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof(line), f))
        if (sscanf(line, "Pss: %ld", &kb) == 1)
            break;
    if (f)
        fclose(f);
    return kb;
}

static void look_at_server(double *cpu_s, long *kb)
{
    DIR *d = opendir("/proc");
    *cpu_s = 0;
    *kb = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);
        double cpu;
        if (pid > 0 && is_ours(pid, &cpu)) {
            *cpu_s += cpu;
            *kb += pss_kb(pid);
        }
    }
    if (d)
        closedir(d);
}

static double server_cpu(void)
{
    double cpu;
    long kb;
    look_at_server(&cpu, &kb);
    return cpu;
}

/* Until the server has delivered everything: no more CPU time is used. */
static double settle(void)
{
    double last = server_cpu();
    for (int calm = 0; calm < 3;) {
        usleep(200000);
        double cpu = server_cpu();
        calm = cpu - last < 0.015 ? calm + 1 : 0;
        last = cpu;
    }
    return last;
}

/* --- many clients at once --- */

struct crowd {
    void (*work)(struct crowd *c, int nr);
    atomic_long next, done;
    long total;
    double until; /* for those that work for LOGIN_S */
    int port;
};

struct member {
    struct crowd *c;
    int nr;
    pthread_t thread;
};

static void *member_main(void *arg)
{
    struct member *m = arg;
    m->c->work(m->c, m->nr);
    return NULL;
}

static double run_crowd(struct crowd *c, int n)
{
    struct member m[64];
    double start = now();
    c->until = start + LOGIN_S;
    for (int i = 0; i < n; i++) {
        m[i] = (struct member){ .c = c, .nr = i };
        if (pthread_create(&m[i].thread, NULL, member_main, &m[i]) != 0)
            fail("cannot start a thread");
    }
    for (int i = 0; i < n; i++)
        pthread_join(m[i].thread, NULL);
    return now() - start;
}

static void report(const char *what, double value, const char *unit, double cpu_s, long ops)
{
    printf("%-34s %10.1f %-8s", what, value, unit);
    if (ops > 0)
        printf(" %8.3f ms CPU each", 1000 * cpu_s / (double)ops);
    putchar('\n');
    fflush(stdout);
}

static void run_figure(const char *what, const char *unit, struct crowd *c, int n)
{
    double cpu = settle();
    double s = run_crowd(c, n);
    long done = atomic_load(&c->done);
    report(what, (double)done / s, unit, settle() - cpu, done);
}

/* --- workloads --- */

static void send_many(struct crowd *c, int nr)
{
    (void)nr;
    struct peer *p = dial(SMTP);
    smtp_hello(p);
    for (long i; (i = atomic_fetch_add(&c->next, 1)) < c->total; atomic_fetch_add(&c->done, 1))
        smtp_send(p, U_ACCEPT + (int)(i % N_ACCEPT));
    smtp_bye(p);
}

static void accept_many(void)
{
    struct crowd c = { .work = send_many, .total = 6000 };
    run_figure("accept, 20 sessions", "msg/s", &c, ACCEPT_SESSIONS);
}

static void accept_one(void)
{
    struct crowd c = { .work = send_many, .total = 500 };
    run_figure("accept, one session", "msg/s", &c, 1);
}

static void submit_work(struct crowd *c, int nr)
{
    (void)nr;
    char plain[200], coded[300];
    for (long i; (i = atomic_fetch_add(&c->next, 1)) < c->total; atomic_fetch_add(&c->done, 1)) {
        int n = snprintf(plain, sizeof(plain), "%cu000@bench.test%c%s", 0, 0, password);
        EVP_EncodeBlock((unsigned char *)coded, (unsigned char *)plain, n);
        struct peer *p = dial(SUBMISSION);
        smtp_hello(p);
        say(p, "STARTTLS\r\n");
        expect(p, "220");
        begin_tls(p);
        say(p, "EHLO load.test\r\n");
        expect(p, "250");
        say(p, "AUTH PLAIN %s\r\n", coded);
        expect(p, "235");
        smtp_send(p, U_ACCEPT + (int)(i % N_ACCEPT));
        smtp_bye(p);
    }
}

static void submit(void)
{
    struct crowd c = { .work = submit_work, .total = 1000 };
    run_figure("submission, STARTTLS, 1 msg each", "msg/s", &c, ACCEPT_SESSIONS);
}

static void deliver_work(struct crowd *c, int nr)
{
    (void)nr;
    struct peer *p = dial(SMTP);
    smtp_hello(p);
    for (long i; (i = atomic_fetch_add(&c->next, 1)) < c->total;)
        smtp_send(p, U_DELIVER + (int)(i % N_DELIVER));
    smtp_bye(p);
}

static void deliver_as(const char *name)
{
    struct crowd c = { .work = deliver_work, .total = 2000 };
    struct peer *box[N_DELIVER];
    long before = 0, have = 0;
    for (int i = 0; i < N_DELIVER; i++) {
        box[i] = imap_login(IMAP, U_DELIVER + i);
        before += in_mailbox(box[i]);
    }
    double cpu = settle(), start = now();
    run_crowd(&c, ACCEPT_SESSIONS);
    for (double until = now() + 30; have < before + c.total; usleep(1000)) {
        have = 0;
        for (int i = 0; i < N_DELIVER; i++)
            have += in_mailbox(box[i]);
        if (now() > until)
            fail("only %ld of %ld messages were delivered", have - before, c.total);
    }
    double s = now() - start;
    for (int i = 0; i < N_DELIVER; i++)
        imap_bye(box[i]);
    report(name, (double)c.total / s, "msg/s", settle() - cpu, c.total);
}

static void deliver(void)
{
    deliver_as("accept until in the mailbox");
}

/* What a person with many lists and some rules has. None fits the message: all are tried, and it
 * goes to the inbox as without a script. */
static size_t make_script(char *text, size_t cap)
{
    size_t n =
        (size_t)snprintf(text, cap, "require [\"fileinto\", \"mailbox\", \"imap4flags\"];\r\n");
    for (int i = 0; i < 8; i++)
        n += (size_t)snprintf(text + n, cap - n,
                              "if header :contains \"list-id\" \"list%d.lists.example\" {\r\n"
                              "    fileinto :create \"Lists.%d\";\r\n    stop;\r\n}\r\n",
                              i, i);
    for (int i = 0; i < 6; i++)
        n += (size_t)snprintf(text + n, cap - n,
                              "if address :is [\"from\", \"sender\"] [\"boss%d@example.com\", "
                              "\"board%d@example.com\"] {\r\n    addflag \"\\\\Flagged\";\r\n}\r\n",
                              i, i);
    for (int i = 0; i < 4; i++)
        n +=
            (size_t)snprintf(text + n, cap - n,
                             "if allof (header :matches \"subject\" \"*[project-%d]*\", not exists "
                             "\"x-draft\") {\r\n    fileinto :create \"Projects\";\r\n}\r\n",
                             i);
    for (int i = 0; i < 2; i++)
        n += (size_t)snprintf(text + n, cap - n,
                              "if anyof (size :over %dM, header :contains [\"x-spam\", "
                              "\"x-spam-flag\"] \"yes\") {\r\n    discard;\r\n}\r\n",
                              10 + i);
    return n;
}

/* text NULL: leaves the user without an active script. */
static void use_script(int user, const char *text, size_t n)
{
    struct peer *p = dial(MANAGESIEVE);
    char plain[100], secret[200];
    int len = snprintf(plain, sizeof(plain), "%cu%03d@bench.test%c%s", 0, user, 0, password);
    EVP_EncodeBlock((unsigned char *)secret, (const unsigned char *)plain, len);
    expect(p, "OK");
    say(p, "AUTHENTICATE \"PLAIN\" \"%s\"\r\n", secret);
    expect(p, "OK");
    if (text) {
        say(p, "PUTSCRIPT \"bench\" {%zu+}\r\n", n);
        put(p, text, n);
        say(p, "\r\n");
        expect(p, "OK");
    }
    say(p, "SETACTIVE \"%s\"\r\n", text ? "bench" : "");
    expect(p, "OK");
    say(p, "LOGOUT\r\n");
    expect(p, "OK");
    hang_up(p);
}

static void sieve(void)
{
    char text[8000];
    size_t n = make_script(text, sizeof(text));
    for (int i = 0; i < N_DELIVER; i++)
        use_script(U_DELIVER + i, text, n);
    deliver_as("the same, by scripts of 20 rules");
    for (int i = 0; i < N_DELIVER; i++)
        use_script(U_DELIVER + i, NULL, 0);
}

static void login_work(struct crowd *c, int nr)
{
    for (int i = nr; now() < c->until; i++, atomic_fetch_add(&c->done, 1))
        imap_bye(imap_login(c->port, i % 100));
}

static void login(void)
{
    struct crowd c = { .work = login_work, .port = IMAP };
    run_figure("IMAP login and logout", "/s", &c, LOGIN_CLIENTS);
}

static void login_tls(void)
{
    struct crowd c = { .work = login_work, .port = IMAPS };
    run_figure("IMAP login and logout, TLS", "/s", &c, LOGIN_CLIENTS);
}

static void pop3(void)
{
    enum { N = 1000 };
    struct peer *p = dial(SMTP), *box = imap_login(IMAP, U_POP3);
    smtp_hello(p);
    for (int i = 0; i < N; i++)
        smtp_send(p, U_POP3);
    smtp_bye(p);
    while (in_mailbox(box) < N)
        usleep(10000);
    imap_bye(box);
    double cpu = settle();
    p = dial(POP3);
    expect(p, "+OK");
    say(p, "USER u%03d@bench.test\r\n", U_POP3);
    expect(p, "+OK");
    say(p, "PASS %s\r\n", password);
    expect(p, "+OK");
    double start = now();
    for (int i = 1; i <= N; i++) {
        say(p, "RETR %d\r\n", i);
        expect(p, "+OK");
        while (strcmp(hear(p), ".") != 0)
            ;
    }
    double s = now() - start;
    say(p, "QUIT\r\n");
    expect(p, "+OK");
    hang_up(p);
    report("POP3 RETR, one by one", N / s, "/s", settle() - cpu, N);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void latency(void)
{
    double ms[NOTICES];
    struct peer *smtp = dial(SMTP), *box = imap_login(IMAP, U_LATENCY);
    smtp_hello(smtp);
    say(box, "b SELECT INBOX\r\n");
    expect(box, "b OK");
    say(box, "c IDLE\r\n");
    expect(box, "+");
    for (int i = 0; i < NOTICES; i++) {
        usleep(5000 + (useconds_t)(i * 7919 % 30) * 1000);
        double start = now();
        smtp_send(smtp, U_LATENCY);
        char *l;
        do
            l = expect(box, "* ");
        while (!strstr(l, "EXISTS"));
        ms[i] = 1000 * (now() - start);
    }
    qsort(ms, NOTICES, sizeof(ms[0]), by_value);
    smtp_bye(smtp);
    hang_up(box);
    report("sent until IDLE tells, median", ms[NOTICES / 2], "ms", 0, 0);
    report("  99 of 100 within", ms[NOTICES * 99 / 100], "ms", 0, 0);
}

static void idle_port(int port, const char *what)
{
    static struct peer *p[IDLE_SESSIONS];
    double cpu;
    long before, after;
    settle();
    sleep(2);
    look_at_server(&cpu, &before);
    for (int i = 0; i < IDLE_SESSIONS; i++) {
        p[i] = imap_login(port, i % 100);
        say(p[i], "b SELECT INBOX\r\nc IDLE\r\n");
        expect(p[i], "b OK");
        expect(p[i], "+");
    }
    sleep(3);
    look_at_server(&cpu, &after);
    report(what, (double)after / IDLE_SESSIONS, "kB each", 0, 0);
    report("  of this by the sessions", (double)(after - before) / IDLE_SESSIONS, "kB each", 0, 0);
    for (int i = 0; i < IDLE_SESSIONS; i++)
        hang_up(p[i]);
}

static void idle(void)
{
    idle_port(IMAP, "memory (PSS), 1,000 idle IMAP");
}

static void idle_tls(void)
{
    idle_port(IMAPS, "memory (PSS), 1,000 idle IMAP, TLS");
}

static const struct {
    const char *name;
    void (*run)(void);
} figures[] = {
    { "accept", accept_many },  { "accept1", accept_one }, { "submit", submit },
    { "deliver", deliver },     { "sieve", sieve },        { "login", login },
    { "login.tls", login_tls }, { "pop3", pop3 },          { "latency", latency },
    { "idle", idle },           { "idle.tls", idle_tls },
};

static void make_message(void)
{
    static char text[BODY + 200];
    int n = snprintf(text, sizeof(text),
                     "From: <u000@bench.test>\r\nTo: <you@bench.test>\r\nSubject: load\r\n"
                     "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\nMessage-ID: <1@load.test>\r\n\r\n");
    while (n < BODY)
        n += snprintf(text + n, sizeof(text) - (size_t)n,
                      "The quick brown fox jumps over the lazy dog, %d times in all.\r\n", n);
    n += snprintf(text + n, sizeof(text) - (size_t)n, ".\r\n");
    message = text;
    message_n = (size_t)n;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fputs("usage: load BASEPORT SUPERVISOR-PID PASSWORD [FIGURE ...]\n", stderr);
        return 2;
    }
    base_port = (int)strtol(argv[1], NULL, 10);
    server = (pid_t)strtol(argv[2], NULL, 10);
    password = argv[3];
    struct rlimit l;
    if (getrlimit(RLIMIT_NOFILE, &l) == 0) {
        l.rlim_cur = l.rlim_max;
        setrlimit(RLIMIT_NOFILE, &l);
    }
    tls = SSL_CTX_new(TLS_client_method());
    make_message();
    for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
        bool wanted = argc == 4;
        for (int k = 4; k < argc; k++)
            wanted |= strcmp(argv[k], figures[i].name) == 0;
        if (wanted)
            figures[i].run();
    }
    SSL_CTX_free(tls);
    return 0;
}
