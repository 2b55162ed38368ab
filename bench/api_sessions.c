/* The list of sessions while 50,000 are active: time of one GET /sessions through the API, without
 * sockets. Prints the median and the worst of 21 pages in each order. */
#include <stdio.h>

#include "base/clock.h"
#include "server/api/api.h"

#define SESSIONS 50000
#define ROUNDS   21

static int by_value(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static void fill(void)
{
    char peer[46];
    for (int i = 0; i < SESSIONS; i++) {
        snprintf(peer, sizeof(peer), "192.0.%d.%d", i / 250 % 250, i % 250);
        int32_t slot = shm_session_open(SVC_IMAP, shm_session_new_id(), peer, "127.0.0.1:143");
        if (slot < 0)
            panic("session %d found no slot", i);
        snprintf(peer, sizeof(peer), "u%05d@bench.test", i);
        shm_session_account(slot, sv_c(peer));
        shm_session_state(slot, SV("IDLE"));
        shm_session_bytes(slot, (uint64_t)i * 37 % 5000, (uint64_t)i * 17 % 9000);
    }
}

static void measure(struct api *api, const struct api_caller *who, const char *query)
{
    int64_t us[ROUNDS];
    size_t bytes = 0;
    for (int i = 0; i < ROUNDS; i++) {
        struct api_request r = { .method = "GET",
                                 .path = SV("/sessions"),
                                 .query = sv_c(query),
                                 .peer = "local",
                                 .caller = who };
        struct api_response res;
        int64_t began = clock_mono_us();
        api_handle(api, &r, &res);
        us[i] = clock_mono_us() - began;
        if (res.status != 200)
            panic("%.*s", (int)res.body.n, res.body.p);
        bytes = res.body.n;
        api_response_done(&res);
    }
    qsort(us, ROUNDS, sizeof(us[0]), by_value);
    printf("%-40s median %6.1f ms, worst %6.1f ms, %zu bytes\n", query,
           (double)us[ROUNDS / 2] / 1000, (double)us[ROUNDS - 1] / 1000, bytes);
}

int main(void)
{
    static const char *const queries[] = { "limit=100", "limit=2000", "limit=100&sort=-bytes",
                                           "limit=100&sort=account", "limit=100&q=u4999" };
    struct admin admin = { .shm = shm_current() };
    struct api *api = api_new(&(struct api_opts){ .admin = &admin, .hostname = "bench.test" });
    struct api_caller *who = api_caller_local("bench");
    fill();
    for (size_t i = 0; i < ARRAY_LEN(queries); i++)
        measure(api, who, queries[i]);
    api_caller_free(who);
    api_free(api);
    return 0;
}
