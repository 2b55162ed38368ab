/* The resolver against a name server of this test (a thread that answers from a table and counts
 * what it is asked), and against knotd when it is installed. */
#include "net_fixture.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "log/log.h"
#include "net/dns.h"

struct answer {
    const char *name;
    int type, rcode; /* rcode -1: no answer at all */
    uint32_t ttl;
    const char *data[4]; /* as text, see put_data */
};

static const struct answer table[] = {
    { "a.example.test", DNS_A, 0, 300, { "192.0.2.1", "192.0.2.2" } },
    { "a.example.test", DNS_AAAA, 0, 300, { "2001:db8::1" } },
    { "example.test",
      DNS_MX,
      0,
      300,
      { "20 far.example.test", "5 near.example.test", "10 mid.example.test" } },
    { "null.test", DNS_MX, 0, 300, { "0 ." } },
    { "txt.example.test", DNS_TXT, 0, 300, { "v=spf1 |a -all", "second" } },
    { "1.2.0.192.in-addr.arpa", DNS_PTR, 0, 300, { "host.example.test" } },
    { "1.0.0.127.in-addr.arpa", DNS_PTR, 0, 300, { "me.example.test" } },
    { "5.1.168.192.in-addr.arpa", DNS_PTR, 0, 300, { "lan.example.test" } },
    { "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
      DNS_PTR,
      0,
      300,
      { "six.example.test" } },
    { "short.example.test", DNS_A, 0, 1, { "192.0.2.7" } },
    { "x1.example.test", DNS_A, 0, 300, { "192.0.2.11" } },
    { "x2.example.test", DNS_A, 0, 300, { "192.0.2.12" } },
    { "x3.example.test", DNS_A, 0, 300, { "192.0.2.13" } },
    { "xn--mnchen-3ya.test", DNS_A, 0, 300, { "192.0.2.8" } },
    { "_dmarc.example.test", DNS_TXT, 0, 300, { "v=DMARC1" } },
    { "host.invalid", DNS_A, 0, 300, { "192.0.2.9" } },
    { "nodata.example.test", DNS_A, 0, 60, { NULL } },
    { "fail.example.test", DNS_A, 2, 0, { NULL } },
    { "silent.example.test", DNS_A, -1, 0, { NULL } },
};

struct server {
    int fd;
    uint16_t port;
    pthread_t thread;
    atomic_int asked, asked_row[ARRAY_LEN(table)], asked_nx;
    atomic_bool stop, deaf;
};
static struct server srv;
static pid_t knot_pid;

static size_t put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
    return 2;
}

static size_t put_name(uint8_t *p, const char *name)
{
    struct sv rest = sv_c(name);
    size_t n = 0;
    while (rest.p && rest.n > 0) {
        struct sv label = sv_split(&rest, '.');
        if (label.n == 0)
            break;
        p[n++] = (uint8_t)label.n;
        memcpy(p + n, label.p, label.n);
        n += label.n;
    }
    p[n++] = 0;
    return n;
}

static size_t put_data(uint8_t *p, int type, const char *text)
{
    if (type == DNS_A || type == DNS_AAAA) {
        inet_pton(type == DNS_A ? AF_INET : AF_INET6, text, p);
        return type == DNS_A ? 4 : 16;
    }
    if (type == DNS_MX) {
        struct sv rest = sv_c(text);
        uint32_t prio = 0;
        (void)sv_to_u32(sv_split(&rest, ' '), &prio);
        put16(p, prio);
        return 2 + put_name(p + 2, rest.p);
    }
    if (type == DNS_PTR)
        return put_name(p, text);
    struct sv rest = sv_c(text);
    size_t n = 0;
    while (rest.p) { /* TXT: strings separated by | */
        struct sv s = sv_split(&rest, '|');
        p[n++] = (uint8_t)s.n;
        memcpy(p + n, s.p, s.n);
        n += s.n;
    }
    return n;
}

static size_t put_rr(uint8_t *p, const char *name, int type, uint32_t ttl, const char *data)
{
    size_t n = put_name(p, name);
    n += put16(p + n, (unsigned)type);
    n += put16(p + n, 1);
    n += put16(p + n, ttl >> 16);
    n += put16(p + n, ttl & 0xffff);
    size_t len_at = n;
    n += 2;
    if (type == 6) { /* SOA, for negative answers */
        n += put_name(p + n, "ns.test");
        n += put_name(p + n, "root.test");
        memset(p + n, 0, 20);
        put16(p + n + 18, ttl);
        n += 20;
    } else {
        n += put_data(p + n, type, data);
    }
    put16(p + len_at, (unsigned)(n - len_at - 2));
    return n;
}

static size_t reply(const uint8_t *q, size_t qn, uint8_t *p)
{
    char name[300] = "";
    size_t at = 12, len = 0;
    while (at < qn && q[at]) {
        if (len)
            name[len++] = '.';
        for (size_t i = 1; i <= q[at]; i++)
            name[len++] = ascii_lower((char)q[at + i]);
        at += q[at] + 1u;
    }
    name[len] = '\0';
    int type = q[at + 1] << 8 | q[at + 2], rcode = 3;
    size_t question = at + 5, n = question;
    unsigned answers = 0;
    memcpy(p, q, question);
    bool known = false;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        const struct answer *a = &table[i];
        if (strcmp(a->name, name) != 0)
            continue;
        known = true;
        if (a->type != type)
            continue;
        srv.asked_row[i]++;
        if (a->rcode < 0)
            return 0;
        rcode = a->rcode;
        for (int k = 0; k < 4 && a->data[k]; k++, answers++)
            n += put_rr(p + n, name, type, a->ttl, a->data[k]);
    }
    if (known && rcode == 3)
        rcode = 0;
    srv.asked_nx += rcode == 3;
    put16(p + 2, 0x8180u | (unsigned)rcode);
    put16(p + 4, 1);
    put16(p + 6, answers);
    put16(p + 8, answers == 0 && rcode != 2);
    put16(p + 10, 0);
    if (answers == 0 && rcode != 2)
        n += put_rr(p + n, "test", 6, 60, NULL);
    return n;
}

static void *serve(void *arg)
{
    (void)arg;
    while (!srv.stop) {
        uint8_t q[1500], p[4096];
        struct sockaddr_in from;
        socklen_t len = sizeof(from);
        struct pollfd pfd = { .fd = srv.fd, .events = POLLIN };
        if (poll(&pfd, 1, 50) <= 0)
            continue;
        ssize_t n = recvfrom(srv.fd, q, sizeof(q), 0, (struct sockaddr *)&from, &len);
        if (n < 17)
            continue;
        srv.asked++;
        size_t r = srv.deaf ? 0 : reply(q, (size_t)n, p);
        if (r > 0)
            sendto(srv.fd, p, r, 0, (struct sockaddr *)&from, len);
    }
    return NULL;
}

static void configure(const char *servers, const char *cache, const char *size, const char *timeout)
{
    const struct conf_pair p[] = { { "dns.servers", servers },
                                   { "dns.cache", cache },
                                   { "dns.cache_size", size },
                                   { "dns.timeout", timeout } };
    struct errinfo ei = { 0 };
    fx_conf(p, ARRAY_LEN(p));
    if (dns_configure(&ei) < 0)
        fail_msg("%s", ei.text);
}

static void configure_here(const char *cache, const char *size, const char *timeout)
{
    char text[64];
    snprintf(text, sizeof(text), "127.0.0.1@%u", srv.port);
    configure(text, cache, size, timeout);
}

static int start_server(void **state)
{
    (void)state;
    struct sockaddr_in a = { .sin_family = AF_INET };
    socklen_t n = sizeof(a);
    memset(&srv, 0, sizeof(srv));
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    srv.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(srv.fd, (struct sockaddr *)&a, sizeof(a)), 0);
    getsockname(srv.fd, (struct sockaddr *)&a, &n);
    srv.port = ntohs(a.sin_port);
    pthread_create(&srv.thread, NULL, serve, NULL);
    configure_here("yes", "100", "5s");
    return 0;
}

static void stop_knot(void)
{
    if (knot_pid > 0) {
        kill(knot_pid, SIGTERM);
        waitpid(knot_pid, NULL, 0);
    }
    knot_pid = 0;
}

static int stop_server(void **state)
{
    (void)state;
    stop_knot();
    log_test_capture(NULL);
    srv.stop = true;
    pthread_join(srv.thread, NULL);
    close(srv.fd);
    fx_conf(NULL, 0);
    return dns_configure(NULL);
}

/* "text text" in order, or the error's name. */
static const char *look(const char *name, enum dns_type type)
{
    static char out[1024];
    _cleanup_(dns_answer_freep) struct dns_answer *a = NULL;
    struct errinfo ei = { 0 };
    int r = dns_lookup(name, type, &a, &ei);
    if (r < 0) {
        assert_null(a);
        assert_true(ei.text[0] != '\0');
        snprintf(out, sizeof(out), "%d", r);
        return out;
    }
    out[0] = '\0';
    for (size_t i = 0, n = 0; i < a->n; i++)
        n += (size_t)snprintf(out + n, sizeof(out) - n, "%s%s", i ? "," : "", a->rr[i].text);
    return out;
}

static void expect_code(const char *name, enum dns_type type, int code)
{
    char want[16];
    snprintf(want, sizeof(want), "%d", code);
    assert_string_equal(look(name, type), want);
}

static void test_types(void **state)
{
    (void)state;
    const char *a = look("a.example.test", DNS_A);
    assert_true(strcmp(a, "192.0.2.1,192.0.2.2") == 0 || strcmp(a, "192.0.2.2,192.0.2.1") == 0);
    assert_string_equal(look("a.example.test", DNS_AAAA), "2001:db8::1");
    assert_string_equal(look("example.test", DNS_MX),
                        "near.example.test,mid.example.test,far.example.test");
    assert_string_equal(look("null.test", DNS_MX), "");
    const char *t = look("txt.example.test", DNS_TXT);
    assert_non_null(strstr(t, "v=spf1 a -all"));
    assert_non_null(strstr(t, "second"));
    assert_string_equal(look("_dmarc.example.test", DNS_TXT), "v=DMARC1");
}

static void test_reserved_zones_and_ptr(void **state)
{
    (void)state;
    static const struct {
        const char *ip, *name;
    } rows[] = {
        { "192.0.2.1", "host.example.test" },
        { "127.0.0.1", "me.example.test" },
        { "192.168.1.5", "lan.example.test" },
        { "2001:db8::1", "six.example.test" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_(dns_answer_freep) struct dns_answer *a = NULL;
        struct errinfo ei = { 0 };
        if (dns_lookup_ptr(rows[i].ip, &a, &ei) < 0)
            fail_msg("%s: %s", rows[i].ip, ei.text);
        assert_string_equal(a->rr[0].text, rows[i].name);
    }
    struct dns_answer *a = NULL;
    assert_int_equal(dns_lookup_ptr("not an ip", &a, NULL), E_PARSE);
    assert_string_equal(look("host.invalid", DNS_A), "192.0.2.9");
}

static void test_idn(void **state)
{
    (void)state;
    assert_string_equal(look("münchen.test", DNS_A), "192.0.2.8");
    assert_string_equal(look("MÜNCHEN.test", DNS_A), "192.0.2.8");
    assert_string_equal(look("xn--mnchen-3ya.test", DNS_A), "192.0.2.8");
}

static void test_errors(void **state)
{
    (void)state;
    configure_here("yes", "100", "400ms");
    expect_code("nothing.example.test", DNS_A, E_NXDOMAIN);
    expect_code("nodata.example.test", DNS_A, E_NODATA);
    expect_code("a.example.test", DNS_MX, E_NODATA);
    int64_t start = clock_mono_ms();
    expect_code("silent.example.test", DNS_A, E_TIMEOUT);
    int64_t took = clock_mono_ms() - start;
    assert_true(took >= 380);
    /* The others go on meanwhile. */
    assert_string_equal(look("x1.example.test", DNS_A), "192.0.2.11");
    configure_here("yes", "100", "8s");
    expect_code("fail.example.test", DNS_A, E_TEMP);
    char longest[400];
    memset(longest, 'a', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    struct dns_answer *a = NULL;
    assert_true(dns_lookup(longest, DNS_A, &a, NULL) < 0);
    assert_true(dns_lookup("", DNS_A, &a, NULL) < 0);
    assert_true(dns_lookup("a..test", DNS_A, &a, NULL) < 0);
}

static int asked_for(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (strcmp(table[i].name, name) == 0)
            return srv.asked_row[i];
    }
    return -1;
}

static void test_cache(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        look("x1.example.test", DNS_A);
        expect_code("nothing.example.test", DNS_A, E_NXDOMAIN);
    }
    assert_int_equal(asked_for("x1.example.test"), 1);
    assert_int_equal(srv.asked_nx, 1);
    look("short.example.test", DNS_A);
    look("short.example.test", DNS_A);
    assert_int_equal(asked_for("short.example.test"), 1);
    usleep(2100000);
    assert_string_equal(look("short.example.test", DNS_A), "192.0.2.7");
    assert_int_equal(asked_for("short.example.test"), 2);
    /* A reload forgets. */
    configure_here("yes", "2", "5s");
    look("x1.example.test", DNS_A);
    assert_int_equal(asked_for("x1.example.test"), 2);
    configure_here("no", "2", "5s");
    for (int i = 0; i < 3; i++)
        look("x2.example.test", DNS_A);
    assert_int_equal(asked_for("x2.example.test"), 3);
}

/* One more than there is room for: the oldest goes, the others stay. */
static void test_cache_limit(void **state)
{
    (void)state;
    static const struct {
        const char *size;
        int first_asked;
    } rows[] = { { "2", 2 }, { "3", 1 } };
    static const char *const names[] = { "x1.example.test", "x2.example.test", "x3.example.test" };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int before[ARRAY_LEN(names)];
        configure_here("yes", rows[i].size, "5s");
        for (size_t k = 0; k < ARRAY_LEN(names); k++) {
            before[k] = asked_for(names[k]);
            look(names[k], DNS_A);
        }
        for (size_t k = ARRAY_LEN(names); k-- > 0;)
            look(names[k], DNS_A);
        assert_int_equal(asked_for(names[2]) - before[2], 1);
        assert_int_equal(asked_for(names[1]) - before[1], 1);
        assert_int_equal(asked_for(names[0]) - before[0], rows[i].first_asked);
    }
}

static void test_second_server(void **state)
{
    (void)state;
    char text[96];
    snprintf(text, sizeof(text), "127.0.0.1@1;127.0.0.1@%u", srv.port);
    configure(text, "yes", "100", "10s");
    assert_string_equal(look("x1.example.test", DNS_A), "192.0.2.11");
    assert_string_equal(look("x2.example.test", DNS_A), "192.0.2.12");
}

/* Nobody reads there: a server that is silent, not one that refuses. */
static int silent_socket(uint16_t *ret_port)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    socklen_t n = sizeof(a);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
    getsockname(fd, (struct sockaddr *)&a, &n);
    *ret_port = ntohs(a.sin_port);
    return fd;
}

/* Each server has dns.timeout; one that was silent comes last afterwards. */
static void test_silent_server(void **state)
{
    (void)state;
    char text[96];
    uint16_t port;
    int fd = silent_socket(&port);
    struct dns_reply r;
    static struct buf log; /* stop_server ends the capture */

    buf_init(&log, MiB);
    log_test_capture(&log);
    log_set_level(LOG_DNS, LOG_DEBUG);
    snprintf(text, sizeof(text), "127.0.0.1@%u;127.0.0.1@%u", port, srv.port);
    configure(text, "no", "0", "700ms");
    assert_int_equal(
        dns_ask(&(struct dns_question){ .name = "x1.example.test", .type = DNS_A }, &r, NULL), 0);
    assert_true(r.took_ms >= 680 && r.took_ms < 5000);
    assert_string_equal(r.answer->rr[0].text, "192.0.2.11");
    assert_int_equal(r.security, DNS_INSECURE);
    snprintf(text, sizeof(text), "127.0.0.1@%u", srv.port);
    assert_string_equal(r.server, text);
    dns_reply_done(&r);
    assert_int_equal(
        dns_ask(&(struct dns_question){ .name = "x2.example.test", .type = DNS_A }, &r, NULL), 0);
    assert_true(r.took_ms < 600);
    dns_reply_done(&r);
    /* All are asked before it is given up. */
    srv.deaf = true;
    int64_t start = clock_mono_ms();
    expect_code("x3.example.test", DNS_A, E_TIMEOUT);
    assert_true(clock_mono_ms() - start >= 1380);
    log_test_capture(NULL);
    assert_true(sv_find_sv(buf_sv(&log), SV("DNS query 'x1.example.test' A [OK - 1] insecure from "
                                            "127.0.0.1@")) >= 0);
    assert_true(sv_find_sv(buf_sv(&log), SV("DNS answer 'x1.example.test' 0 A 192.0.2.11")) >= 0);
    assert_true(sv_find_sv(buf_sv(&log), SV("DNS query 'x3.example.test' A [")) >= 0);
    buf_done(&log);
    close(fd);
}

/* A question may name its server and its time, and do without the caches. */
static void test_question(void **state)
{
    (void)state;
    char here[64];
    struct dns_reply r;
    uint16_t port;
    int fd = silent_socket(&port);
    char list[DNS_MAX_SERVERS][DNS_SERVER_TEXT];

    for (int i = 0; i < 3; i++) {
        assert_int_equal(
            dns_ask(
                &(struct dns_question){ .name = "x1.example.test", .type = DNS_A, .fresh = i > 0 },
                &r, NULL),
            0);
        assert_false(r.cached);
        assert_int_equal(r.ttl_s, 300);
        dns_reply_done(&r);
    }
    assert_int_equal(asked_for("x1.example.test"), 3);
    assert_int_equal(
        dns_ask(&(struct dns_question){ .name = "x1.example.test", .type = DNS_A }, &r, NULL), 0);
    assert_true(r.cached);
    assert_true(r.ttl_s > 290 && r.ttl_s <= 300);
    dns_reply_done(&r);
    snprintf(here, sizeof(here), "127.0.0.1@%u", port);
    int64_t start = clock_mono_ms();
    assert_int_equal(dns_ask(&(struct dns_question){ .name = "x1.example.test",
                                                     .type = DNS_A,
                                                     .server = here,
                                                     .timeout_ms = 300 },
                             &r, NULL),
                     E_TIMEOUT);
    assert_true(clock_mono_ms() - start < 2000);
    dns_reply_done(&r);
    snprintf(here, sizeof(here), "127.0.0.1@%u", srv.port);
    assert_int_equal(dns_servers(list, NULL), 1);
    assert_string_equal(list[0], here);
    close(fd);
}

static void *many(void *arg)
{
    atomic_int *bad = arg;
    for (int i = 0; i < 40; i++) {
        struct dns_answer *a = NULL;
        char name[64];
        snprintf(name, sizeof(name), i % 3 ? "x%d.example.test" : "nx%d.example.test", i % 3);
        int r = dns_lookup(name, DNS_A, &a, NULL);
        *bad += i % 3 ? r != 0 : r != E_NXDOMAIN;
        dns_answer_free(a);
    }
    return NULL;
}

/* Answers, deadlines and reconfigurations at the same time. */
static void test_threads_and_reloads(void **state)
{
    (void)state;
    atomic_int bad = 0;
    pthread_t t[8];
    configure_here("no", "0", "5s");
    for (int i = 0; i < 8; i++)
        pthread_create(&t[i], NULL, many, &bad);
    for (int i = 0; i < 5; i++) {
        usleep(20000);
        dns_configure(NULL);
    }
    for (int i = 0; i < 8; i++)
        pthread_join(t[i], NULL);
    assert_int_equal(bad, 0);
    /* Deadlines that race with late answers. */
    configure_here("no", "0", "100ms");
    srv.deaf = true;
    for (int i = 0; i < 5; i++)
        expect_code("x1.example.test", DNS_A, E_TIMEOUT);
    srv.deaf = false;
}

static unsigned long sent_datagrams(void)
{
    char line[512];
    unsigned long in, no, err, out = 0;
    FILE *f = fopen("/proc/self/net/snmp", "re");
    while (f && fgets(line, sizeof(line), f)) {
        if (sscanf(line, "Udp: %lu %lu %lu %lu", &in, &no, &err, &out) == 4)
            break;
    }
    if (f)
        fclose(f);
    return out;
}

/* Attempts to reach what is not here: in a namespace that has loopback only, each is one more
 * without a route. */
static unsigned long attempts_to_leave(void)
{
    char names[1024], values[1024];
    unsigned long n = 0;
    FILE *f = fopen("/proc/self/net/snmp", "re");
    while (f && fgets(names, sizeof(names), f) && fgets(values, sizeof(values), f)) {
        struct sv a = sv_c(names), b = sv_c(values);
        while (a.p && b.p) {
            struct sv name = sv_trim(sv_split(&a, ' ')), value = sv_trim(sv_split(&b, ' '));
            uint64_t v = 0;
            if (sv_eq(name, SV("OutNoRoutes")) && sv_to_u64(value, &v) == 0)
                n += v;
        }
    }
    if (f)
        fclose(f);
    f = fopen("/proc/self/net/snmp6", "re");
    while (f && fgets(names, sizeof(names), f)) {
        unsigned long v;
        if (sscanf(names, "Ip6OutNoRoutes %lu", &v) == 1)
            n += v;
    }
    if (f)
        fclose(f);
    return n;
}

static void try_to_leave(void)
{
    struct sockaddr_in root = { .sin_family = AF_INET, .sin_port = htons(53) };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    inet_pton(AF_INET, "198.41.0.4", &root.sin_addr);
    assert_int_equal(sendto(fd, "x", 1, 0, (struct sockaddr *)&root, sizeof(root)), -1);
    close(fd);
}

/* Whatever is wrong with the server (dead, silent, failing, without the name), with the anchor,
 * with the cache: nobody else is asked. */
static void test_nothing_leaves(void **state)
{
    (void)state;
    if (!getenv("POSTHORN_NETNS")) {
        print_message("not in a namespace of its own (tools/netns.sh)\n");
        skip();
    }
    unsigned long before = attempts_to_leave();
    try_to_leave();
    assert_true(attempts_to_leave() > before); /* the measure works */
    before = attempts_to_leave();
    char servers[3][96];
    snprintf(servers[0], sizeof(servers[0]), "127.0.0.1@%u", srv.port);
    snprintf(servers[1], sizeof(servers[1]), "127.0.0.1@1");
    snprintf(servers[2], sizeof(servers[2]), "127.0.0.1@1;127.0.0.1@%u", srv.port);
    for (int i = 0; i < 6; i++) {
        srv.deaf = i == 4;
        configure(servers[i % 3], i < 3 ? "yes" : "no", "10", "500ms");
        (void)look("x1.example.test", DNS_A);
        (void)look("fail.example.test", DNS_A);
        (void)look("nothing.example.test", DNS_MX);
        (void)look("www.example.com", DNS_A);
        (void)look("com", DNS_NS);
    }
    assert_int_equal(attempts_to_leave(), before);
}

static bool hide_resolv_conf(const char *content)
{
    static bool mounted;
    if (!mounted) {
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("none", "/tmp", "tmpfs", 0, NULL) < 0)
            return false;
        int fd = open("/tmp/resolv.conf", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
        close(fd);
        mounted =
            fd >= 0 && mount("/tmp/resolv.conf", "/etc/resolv.conf", NULL, MS_BIND, NULL) == 0;
    }
    FILE *f = mounted ? fopen("/tmp/resolv.conf", "we") : NULL;
    if (!f)
        return false;
    fputs(content, f);
    fclose(f);
    return true;
}

static void test_no_server_asks_nobody(void **state)
{
    (void)state;
    if (!hide_resolv_conf("# none\nsearch example.test\n")) {
        print_message("no private mounts here (needs root)\n");
        skip();
    }
    static const char *const none[] = { "", " ; ", "not-an-address", "10.0.0.1@99999",
                                        "10.0.0.1@x" };
    unsigned long before = sent_datagrams();
    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        const struct conf_pair p[] = { { "dns.servers", none[i] }, { "dns.timeout", "1s" } };
        struct conf *cf;
        if (conf_build(p, ARRAY_LEN(p), &cf, NULL) < 0)
            continue; /* refused as a setting: as good */
        conf_publish(cf);
        (void)dns_configure(NULL);
        expect_code("a.example.test", DNS_A, E_TEMP);
        expect_code("com", DNS_NS, E_TEMP);
    }
    assert_int_equal(sent_datagrams(), before);
    /* The system's servers. */
    char text[64];
    snprintf(text, sizeof(text), "nameserver 127.0.0.1@%u\n", srv.port);
    assert_true(hide_resolv_conf(text));
    assert_int_equal(dns_configure(NULL), 0);
    assert_string_equal(look("x1.example.test", DNS_A), "192.0.2.11");
}

static int canned(const char *name, enum dns_type type, struct dns_answer **ret)
{
    static const char *const texts[] = { "mx1.hook.test" };
    static const uint16_t prios[] = { 10 };
    if (type != DNS_MX)
        return E_NODATA;
    if (strcmp(name, "hook.test") != 0)
        return E_NXDOMAIN;
    *ret = dns_answer_make(1, texts, prios);
    return 0;
}

static void test_hook(void **state)
{
    (void)state;
    dns_test_hook(canned);
    assert_string_equal(look("hook.test", DNS_MX), "mx1.hook.test");
    expect_code("hook.test", DNS_A, E_NODATA);
    expect_code("other.test", DNS_MX, E_NXDOMAIN);
    dns_test_hook(NULL);
    assert_int_equal(srv.asked, 0);
    assert_string_equal(look("x1.example.test", DNS_A), "192.0.2.11");
}

static void test_equal_mx_are_shuffled(void **state)
{
    (void)state;
    static const char *const texts[] = { "a", "b", "c", "d" };
    static const uint16_t prios[] = { 10, 5, 10, 10 };
    int first[4] = { 0 };
    for (int i = 0; i < 300; i++) {
        struct dns_answer *a = dns_answer_make(4, texts, prios);
        assert_string_equal(a->rr[0].text, "b");
        assert_int_equal(a->rr[0].prio, 5);
        first[a->rr[1].text[0] - 'a']++;
        dns_answer_free(a);
    }
    assert_int_equal(first[1], 0);
    assert_true(first[0] > 30 && first[2] > 30 && first[3] > 30);
}

/* --- a real name server: knotd with signed zones --- */

static char knot_dir[] = "/tmp/net_dns.XXXXXX";

static void write_file(const char *name, const char *fmt, ...)
{
    char path[128];
    va_list ap;
    snprintf(path, sizeof(path), "%s/%s", knot_dir, name);
    FILE *f = fopen(path, "we");
    va_start(ap, fmt);
    vfprintf(f, fmt, ap);
    va_end(ap);
    fclose(f);
}

static void start_knot(void)
{
    char conf[96], log[96];
    memcpy(knot_dir + sizeof(knot_dir) - 7, "XXXXXX", 6);
    assert_non_null(mkdtemp(knot_dir));
    write_file("knot.conf",
               "server:\n    rundir: \"%s\"\n    listen: 127.0.0.1@5399\n    udp-workers: 1\n"
               "    tcp-workers: 1\n    background-workers: 1\ndatabase:\n    storage: \"%s\"\n"
               "policy:\n  - id: p\n    algorithm: ecdsap256sha256\n    single-type-signing: on\n"
               "template:\n  - id: default\n    storage: \"%s\"\n    zonefile-sync: -1\n"
               "zone:\n  - domain: knot.test\n    dnssec-signing: on\n    dnssec-policy: p\n"
               "  - domain: forged.test\n    dnssec-signing: on\n    dnssec-policy: p\n"
               "  - domain: plain.test\n",
               knot_dir, knot_dir, knot_dir);
    write_file("knot.test.zone",
               "$ORIGIN knot.test.\n$TTL 300\n@ SOA ns root 1 3600 600 86400 60\n@ NS ns\nns A "
               "127.0.0.1\n@ MX 10 mail\nmail A 192.0.2.20\nmail AAAA 2001:db8::20\n"
               "alias CNAME mail\nlong TXT \"%.200s\" \"%.200s\"\n"
               "_sip._tcp 77 SRV 10 60 5060 sip\nnone._tcp SRV 0 0 0 .\n"
               "e164 NAPTR 100 10 \"u\" \"E2U+sip\" \"!^.*$!sip:info@knot.test!\" .\n"
               "_25._tcp.mail TLSA 3 1 1 ( 00ff%060d )\n",
               "0123456789012345678901234567890123456789012345678901234567890123456789",
               "abcdefghij", 0);
    write_file("forged.test.zone", "$ORIGIN forged.test.\n$TTL 300\n@ SOA ns root 1 3600 600 86400 "
                                   "60\n@ NS ns\nns A 127.0.0.1\nwww A 192.0.2.66\n");
    write_file("plain.test.zone", "$ORIGIN plain.test.\n$TTL 300\n@ SOA ns root 1 3600 600 86400 60"
                                  "\n@ NS ns\nns A 127.0.0.1\nwww A 192.0.2.67\n");
    snprintf(conf, sizeof(conf), "%s/knot.conf", knot_dir);
    snprintf(log, sizeof(log), "%s/log", knot_dir);
    knot_pid = fork();
    if (knot_pid == 0) {
        int fd = open(log, O_CREAT | O_WRONLY, 0600);
        dup2(fd, 1);
        dup2(fd, 2);
        execl("/usr/sbin/knotd", "knotd", "-c", conf, (char *)NULL);
        _exit(127);
    }
}

static void wait_for_knot(void)
{
    const char *got = "";
    for (int i = 0; i < 100; i++) {
        dns_configure(NULL);
        got = look("mail.knot.test", DNS_A);
        if (strcmp(got, "192.0.2.20") == 0)
            break;
        usleep(100000);
    }
    assert_string_equal(got, "192.0.2.20");
}

static void test_with_knot(void **state)
{
    (void)state;
    if (access("/usr/sbin/knotd", X_OK) < 0) {
        print_message("knotd is not installed (apt install knot)\n");
        skip();
    }
    start_knot();
    configure("127.0.0.1@5399", "yes", "100", "2s");
    wait_for_knot();
    assert_string_equal(look("knot.test", DNS_MX), "mail.knot.test");
    assert_string_equal(look("alias.knot.test", DNS_AAAA), "2001:db8::20");
    assert_string_equal(look("alias.knot.test", DNS_CNAME), "mail.knot.test");
    assert_non_null(strstr(look("long.knot.test", DNS_TXT), "6789abcdefghij"));
    assert_string_equal(look("_sip._tcp.knot.test", DNS_SRV), "10 60 5060 sip.knot.test");
    assert_string_equal(look("none._tcp.knot.test", DNS_SRV), "0 0 0 .");
    assert_string_equal(look("e164.knot.test", DNS_NAPTR),
                        "100 10 \"u\" \"E2U+sip\" \"!^.*$!sip:info@knot.test!\" .");
    assert_string_equal(look("_25._tcp.mail.knot.test", DNS_TLSA),
                        "3 1 1 00ff000000000000000000000000000000000000000000000000000000000000");
    assert_true(strncmp(look("knot.test", DNS_SOA), "ns.knot.test root.knot.test ", 28) == 0);
    expect_code("none.knot.test", DNS_A, E_NXDOMAIN);
    expect_code("mail.knot.test", DNS_MX, E_NODATA);
    stop_knot();
    /* The server is gone: what is cached stays, the rest fails. */
    assert_string_equal(look("mail.knot.test", DNS_A), "192.0.2.20");
    struct dns_answer *a = NULL;
    int r = dns_lookup("new.knot.test", DNS_A, &a, NULL);
    assert_true(r == E_TEMP || r == E_TIMEOUT);
}

/* The zone's DS as the trust anchor; of forged.test one that does not fit. */
static void write_anchors(void)
{
    char cmd[256], line[512];
    struct buf text;
    static const char *const zones[] = { "knot.test", "forged.test" };
    buf_init(&text, 4096);
    for (size_t i = 0; i < ARRAY_LEN(zones); i++) {
        snprintf(cmd, sizeof(cmd), "keymgr -c %s/knot.conf %s ds", knot_dir, zones[i]);
        FILE *f = popen(cmd, "re"); /* NOLINT: fixed words */
        bool found = false;
        while (f && fgets(line, sizeof(line), f)) {
            size_t n = strlen(line);
            if (!strstr(line, " 13 2 ") || n < 80)
                continue;
            found = true;
            if (i == 1)
                line[n - 10] = line[n - 10] == '0' ? '1' : '0';
            assert_int_equal(buf_add_str(&text, line), 0);
        }
        pclose(f);
        assert_true(found);
    }
    write_file("anchors", "%.*s", (int)text.n, text.p);
    buf_done(&text);
}

static void expect_security(const char *name, enum dns_type type, int result, enum dns_security s)
{
    for (int i = 0; i < 2; i++) { /* the second time from the cache */
        struct dns_reply r;
        struct errinfo ei = { 0 };
        assert_int_equal(dns_ask(&(struct dns_question){ .name = name, .type = type }, &r, &ei),
                         result);
        if (r.security != s)
            fail_msg("%s %s is %s, not %s: %s", name, dns_type_name(type),
                     dns_security_name(r.security), dns_security_name(s), ei.text);
        assert_true(result < 0 || r.answer->secure == (s == DNS_SECURE));
        assert_int_equal(r.cached, i == 1 && s != DNS_BOGUS);
        dns_reply_done(&r);
    }
}

static void test_validation(void **state)
{
    (void)state;
    char path[96];
    if (access("/usr/sbin/knotd", X_OK) < 0)
        skip();
    start_knot();
    configure("127.0.0.1@5399", "yes", "100", "2s");
    wait_for_knot();
    expect_security("mail.knot.test", DNS_AAAA, 0, DNS_INSECURE); /* no anchor, no validation */
    write_anchors();
    snprintf(path, sizeof(path), "%s/anchors", knot_dir);
    const struct conf_pair p[] = { { "dns.servers", "127.0.0.1@5399" },
                                   { "dns.timeout", "5s" },
                                   { "dns.trust_anchor", path } };
    fx_conf(p, ARRAY_LEN(p));
    dns_configure(NULL);
    static const enum dns_type secure[] = { DNS_A, DNS_AAAA };
    for (size_t i = 0; i < ARRAY_LEN(secure); i++)
        expect_security("mail.knot.test", secure[i], 0, DNS_SECURE);
    expect_security("knot.test", DNS_MX, 0, DNS_SECURE);
    expect_security("knot.test", DNS_NS, 0, DNS_SECURE);
    expect_security("long.knot.test", DNS_TXT, 0, DNS_SECURE);
    expect_security("alias.knot.test", DNS_CNAME, 0, DNS_SECURE);
    expect_security("_sip._tcp.knot.test", DNS_SRV, 0, DNS_SECURE);
    expect_security("e164.knot.test", DNS_NAPTR, 0, DNS_SECURE);
    expect_security("_25._tcp.mail.knot.test", DNS_TLSA, 0, DNS_SECURE);
    expect_security("none.knot.test", DNS_A, E_NXDOMAIN, DNS_SECURE);
    expect_security("mail.knot.test", DNS_MX, E_NODATA, DNS_SECURE);
    expect_security("www.plain.test", DNS_A, 0, DNS_INSECURE);
    expect_security("none.plain.test", DNS_A, E_NXDOMAIN, DNS_INSECURE);
    expect_security("www.forged.test", DNS_A, E_TEMP, DNS_BOGUS);
    expect_security("none.forged.test", DNS_A, E_TEMP, DNS_BOGUS);
    struct dns_reply r;
    assert_int_equal(
        dns_ask(&(struct dns_question){ .name = "alias.knot.test", .type = DNS_A }, &r, NULL), 0);
    assert_string_equal(r.canonical, "mail.knot.test");
    dns_reply_done(&r);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, start_server, stop_server)
    const struct CMUnitTest tests[] = {
        T(test_types),
        T(test_reserved_zones_and_ptr),
        T(test_idn),
        T(test_errors),
        T(test_cache),
        T(test_cache_limit),
        T(test_second_server),
        T(test_silent_server),
        T(test_question),
        T(test_hook),
        T(test_equal_mx_are_shuffled),
        T(test_with_knot),
        T(test_validation),
        T(test_threads_and_reloads),
        T(test_nothing_leaves),
        T(test_no_server_asks_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
