/* What a large queue costs by itself, without a server around it: bench_queue_large [DIR [MESSAGES
 * [DESTINATIONS]]]. Messages of 300 bytes to destinations that nobody delivers to, from files as
 * after some days. Each part has a process of its own, so that the memory is that of the part: the
 * growth of its resident set. */
#include "base/clock.h"
#include "base/rand.h"
#include "conf/conf.h"
#include "mail/queue/queue.h"
#include "os/file.h"
#include "os/memory.h"
#include "proc/queue_requests.h"

#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 64, PAGES = 5 };

static char out[256], temp[256], ids[256], root[200];
static size_t messages = 100000, destinations = 5000;
static struct queue *queue;

static size_t memory(const char *what)
{
    struct buf b;
    uint64_t kb = 0;
    buf_init(&b, 64 * KiB);
    if (os_read_file("/proc/self/status", &b, NULL) == 0) {
        ssize_t at = sv_find_sv(buf_sv(&b), sv_c(what));
        struct sv rest = at < 0 ? SV("") : sv_trim(sv_skip(buf_sv(&b), (size_t)at + strlen(what)));
        (void)sv_to_u64(sv_split(&rest, ' '), &kb);
    }
    buf_done(&b);
    return (size_t)kb * 1024;
}

static double ms_since(int64_t begin_us)
{
    return (double)(clock_mono_us() - begin_us) / 1000;
}

static void open_queue(void)
{
    struct errinfo ei;
    struct queue_opts o = { .dir = out, .temp_dir = temp, .sync_path = root, .server_id = "" };
    if (queue_open(&o, &queue, &ei) < 0 || message_ids_open(ids, "", &ei) < 0)
        panic("%s", ei.text);
}

static void *accept_share(void *arg)
{
    struct errinfo ei = { 0 };
    for (size_t i = (uintptr_t)arg; i < messages; i += THREADS) {
        struct message *m = message_new();
        struct buf b;
        char to[64], from[64];
        buf_init(&b, 64 * KiB);
        (void)buf_addf(&b, "Subject: waits\r\n\r\n%0280zu\r\n", i);
        message_take_content(m, &b);
        message_assign_ids(m);
        snprintf(from, sizeof(from), "u%03zu@bench.test", i % 100);
        snprintf(to, sizeof(to), "x@d%05zu.silent.test", i % destinations);
        message_set(&m->sender, sv_c(from));
        message_add_rcpt(m, sv_c(to), RCPT_REMOTE);
        if (queue_accept(queue, m, &ei) < 0)
            panic("%s", ei.text);
        message_unref(m);
    }
    return NULL;
}

static void fill(void)
{
    pthread_t t[THREADS];
    size_t before = memory("VmRSS:");
    int64_t begin = clock_mono_us();
    open_queue();
    for (size_t i = 0; i < THREADS; i++)
        pthread_create(&t[i], NULL, accept_share, (void *)i);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    printf("accepted in %.0f ms, %zu bytes of memory each\n", ms_since(begin),
           (memory("VmRSS:") - before) / messages);
    begin = clock_mono_us();
    queue_close(queue);
    printf("closed in %.0f ms\n", ms_since(begin));
}

static void page(const char *what, const char *sort, int limit)
{
    double worst = 0, sum = 0;
    for (int i = 0; i < PAGES; i++) {
        json_t *args = json_pack("{s:i, s:s}", "limit", limit, "sort", sort);
        int64_t begin = clock_mono_us();
        json_t *reply = queue_request(queue, NULL, "queue.page", args);
        double ms = ms_since(begin);
        if ((size_t)json_integer_value(json_object_get(reply, "total")) != messages)
            panic("the page's total is not %zu", messages);
        sum += ms;
        worst = MAX(worst, ms);
        json_decref(reply);
        json_decref(args);
    }
    printf("page, %s: mean %.1f ms, worst %.1f ms\n", what, sum / PAGES, worst);
}

static void act(const char *what, enum queue_action action)
{
    struct queue_steer s = { .action = action, .admin = "bench" };
    struct queue_steered done;
    struct errinfo ei = { 0 };
    int64_t begin = clock_mono_us();
    if (queue_steer(queue, &s, &done, &ei) < 0)
        panic("%s", ei.text);
    printf("%s: %zu in %.0f ms\n", what, done.n[STEER_DONE], ms_since(begin));
}

static void start_and_act(void)
{
    size_t before = memory("VmRSS:");
    int64_t begin = clock_mono_us();
    open_queue();
    double took = ms_since(begin);
    malloc_trim(0); /* as the server's module does when it has become quiet */
    printf("opened %zu in %.0f ms, %zu bytes of memory each, at most %zu\n", queue_count(queue),
           took, (memory("VmRSS:") - before) / messages, (memory("VmHWM:") - before) / messages);
    page("oldest first", "-age", 50);
    page("newest first", "age", 50);
    page("by sender", "sender", 50);
    page("destinations", "-age", 0);
    act("send now", QUEUE_SEND_NOW);
    act("hold", QUEUE_HOLD);
    act("release", QUEUE_RELEASE);
    act("delete", QUEUE_DELETE);
    begin = clock_mono_us();
    queue_close(queue);
    printf("closed in %.0f ms\n", ms_since(begin));
}

static void apart(void (*part)(void))
{
    int status;
    fflush(stdout);
    pid_t pid = fork();
    if (!pid) {
        part();
        fflush(stdout);
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) < 0 || status)
        panic("a part failed");
}

int main(int argc, char **argv)
{
    uint32_t v;
    os_memory_init();
    snprintf(root, sizeof(root), "%s/queue-large-XXXXXX", argc > 1 ? argv[1] : "/var/tmp");
    if (argc > 2 && sv_to_u32(sv_c(argv[2]), &v) == 0 && v)
        messages = v;
    if (argc > 3 && sv_to_u32(sv_c(argv[3]), &v) == 0 && v)
        destinations = v;
    if (!mkdtemp(root))
        panic("cannot make a directory %s", root);
    snprintf(out, sizeof(out), "%s/_outgoing", root);
    snprintf(temp, sizeof(temp), "%s/temp", root);
    snprintf(ids, sizeof(ids), "%s/ids", root);
    apart(fill);
    apart(start_and_act);
    return os_remove_tree(root, NULL) < 0;
}
