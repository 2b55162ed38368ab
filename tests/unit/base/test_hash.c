/* Tests of base/hash.h: keyed hash, CRC-32C and FNV vectors, the map against a model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/hash.h"
#include "base/rand.h"

#include <sys/wait.h>
#include <unistd.h>

uint32_t crc32c_portable(uint32_t crc, const void *data, size_t n);

static void test_hash(void **state)
{
    (void)state;
    /* Any change of any byte, or of the length, gives another hash. */
    unsigned char m[64] = { 0 };
    uint64_t seen[65];
    for (size_t n = 0; n <= 64; n++) {
        seen[n] = hash_bytes(m, n);
        assert_true(seen[n] == hash_bytes(m, n));
        for (size_t k = 0; k < n; k++)
            assert_true(seen[n] != seen[k]);
        for (size_t k = 0; k < n; k++) {
            m[k] = 1;
            assert_true(hash_bytes(m, n) != seen[n]);
            m[k] = 0;
        }
    }
    assert_true(hash_bytes(NULL, 0) == seen[0]);
}

static void test_hash_alignment(void **state)
{
    (void)state;
    char text[64];
    for (size_t off = 0; off < 16; off++) {
        memcpy(text + off, "the same bytes elsewhere", 24);
        assert_true(hash_bytes(text + off, 24) == hash_bytes("the same bytes elsewhere", 24));
    }
}

static void test_hash_fold(void **state)
{
    (void)state;
    /* hash_isv is hash_bytes of the lowered text: for all bytes, at all positions in a word. */
    for (size_t pos = 0; pos < 20; pos++) {
        for (int c = 0; c < 256; c++) {
            char raw[20], low[20];
            memset(raw, 'Q', sizeof(raw));
            raw[pos] = (char)c;
            for (size_t i = 0; i < sizeof(raw); i++)
                low[i] = ascii_lower(raw[i]);
            assert_true(hash_isv(sv_n(raw, sizeof(raw))) == hash_bytes(low, sizeof(low)));
        }
    }
    assert_true(hash_isv(SV_NULL) == hash_bytes("", 0));
    /* The length goes into the last word; a length of 'A' must not be folded to 'a'. */
    char a[97];
    memset(a, 'x', sizeof(a));
    assert_true(hash_isv(sv_n(a, 65)) == hash_bytes(a, 65));
}

static void test_hash_key(void **state)
{
    (void)state;
    /* Two processes that have not hashed before they parted draw different keys. */
    uint64_t h[2];
    for (int i = 0; i < 2; i++) {
        int fd[2];
        assert_int_equal(pipe(fd), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            uint64_t v = hash_bytes("x", 1);
            _exit(write(fd[1], &v, sizeof(v)) == sizeof(v) ? 0 : 1);
        }
        close(fd[1]);
        assert_int_equal(read(fd[0], &h[i], sizeof(h[i])), sizeof(h[i]));
        close(fd[0]);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
    }
    assert_true(h[0] != h[1]);
}

static void check_crc(uint32_t (*crc)(uint32_t, const void *, size_t))
{
    unsigned char m[32];
    assert_int_equal(crc(0, "123456789", 9), 0xE3069283u);
    assert_int_equal(crc(0, NULL, 0), 0);
    /* RFC 3720, B.4 */
    memset(m, 0, sizeof(m));
    assert_int_equal(crc(0, m, sizeof(m)), 0x8a9136aau);
    memset(m, 0xff, sizeof(m));
    assert_int_equal(crc(0, m, sizeof(m)), 0x62a8ab43u);
    for (size_t i = 0; i < sizeof(m); i++)
        m[i] = (unsigned char)i;
    assert_int_equal(crc(0, m, sizeof(m)), 0x46dd794eu);
    for (size_t i = 0; i < sizeof(m); i++)
        m[i] = (unsigned char)(31 - i);
    assert_int_equal(crc(0, m, sizeof(m)), 0x113fdb5cu);
}

static void test_crc(void **state)
{
    (void)state;
    check_crc(crc32c);
    check_crc(crc32c_portable);
    unsigned char m[300];
    rand_bytes(m, sizeof(m));
    for (size_t n = 0; n <= sizeof(m); n++) {
        uint32_t whole = crc32c(0, m, n);
        assert_true(whole == crc32c_portable(0, m, n));
        size_t cut = n / 3; /* in pieces, and from an odd address */
        assert_true(whole == crc32c(crc32c(0, m, cut), m + cut, n - cut));
        assert_true(whole == crc32c_portable(crc32c_portable(0, m, cut), m + cut, n - cut));
    }
}

static void test_fnv(void **state)
{
    (void)state;
    assert_true(fnv1a64("", 0) == 0xcbf29ce484222325u);
    assert_true(fnv1a64("a", 1) == 0xaf63dc4c8601ec8cu);
    assert_true(fnv1a64("foobar", 6) == 0x85944171f73967e8u);
}

static void test_map_basic(void **state)
{
    (void)state;
    struct map *m = map_new();
    int v[3];
    assert_int_equal(map_count(m), 0);
    assert_null(map_get(m, SV("a")));
    assert_null(map_del(m, SV("a")));
    char key[] = "alpha";
    assert_null(map_put(m, sv_c(key), &v[0]));
    key[0] = 'X'; /* the map has its own copy */
    assert_ptr_equal(map_get(m, SV("alpha")), &v[0]);
    assert_null(map_get(m, SV("Alpha")));
    assert_null(map_get(m, SV("alph")));
    assert_ptr_equal(map_put(m, SV("alpha"), &v[1]), &v[0]);
    assert_int_equal(map_count(m), 1);
    assert_null(map_put(m, SV_NULL, &v[2])); /* the empty key is a key */
    assert_ptr_equal(map_get(m, SV("")), &v[2]);
    assert_null(map_put(m, SV("a\0b"), &v[0]));
    assert_null(map_get(m, SV("a\0c")));
    assert_null(map_get(m, SV("a")));
    assert_int_equal(map_count(m), 3);
    assert_ptr_equal(map_del(m, SV("alpha")), &v[1]);
    assert_null(map_del(m, SV("alpha")));
    assert_null(map_put(m, SV("null"), NULL));
    assert_int_equal(map_count(m), 3);
    map_free(m, NULL);
    map_free(NULL, NULL);
}

static size_t freed;

static void count_free(void *p)
{
    free(p);
    freed++;
}

struct walk {
    size_t calls, stop_at;
    uint64_t sum;
};

static bool add_up(struct sv key, void *value, void *arg)
{
    struct walk *w = arg;
    uint64_t k = 0;
    assert_int_equal(sv_to_u64(sv_skip(key, 1), &k), 0);
    assert_true(*(uint64_t *)value == k);
    w->sum += k;
    return ++w->calls != w->stop_at;
}

static struct sv key_of(char buf[32], uint64_t k)
{
    return sv_n(buf, (size_t)snprintf(buf, 32, "k%" PRIu64, k));
}

static void test_map_over(void **state)
{
    (void)state;
    char a[] = "key", b[] = "key";
    int v[2];
    struct map *m = map_new_over();
    assert_null(map_put(m, sv_c(a), &v[0]));
    assert_ptr_equal(map_put(m, sv_c(b), &v[1]), &v[0]);
    a[0] = 'x'; /* the entry's key is b now */
    assert_ptr_equal(map_get(m, SV("key")), &v[1]);
    assert_ptr_equal(map_del(m, SV("key")), &v[1]);
    map_free(m, NULL);
}

static void test_map_large(void **state)
{
    (void)state;
    const uint64_t n = 100000;
    char kb[32];
    struct map *m = map_new();
    for (uint64_t k = 0; k < n; k++) {
        uint64_t *v = xmalloc(sizeof(*v));
        *v = k;
        assert_null(map_put(m, key_of(kb, k), v));
    }
    assert_int_equal(map_count(m), n);
    for (uint64_t k = 0; k < n; k++) {
        uint64_t *v = map_get(m, key_of(kb, k));
        assert_non_null(v);
        assert_true(*v == k);
    }
    assert_null(map_get(m, key_of(kb, n)));
    for (uint64_t k = 0; k < n; k++) {
        if (k % 3 == 0)
            continue;
        uint64_t *v = map_del(m, key_of(kb, k));
        assert_non_null(v);
        assert_true(*v == k);
        free(v);
    }
    uint64_t left = 0, sum = 0;
    for (uint64_t k = 0; k < n; k++) {
        assert_true((map_get(m, key_of(kb, k)) != NULL) == (k % 3 == 0));
        left += k % 3 == 0;
        sum += k % 3 == 0 ? k : 0;
    }
    assert_int_equal(map_count(m), left);
    struct walk w = { 0 };
    map_each(m, add_up, &w);
    assert_int_equal(w.calls, left);
    assert_true(w.sum == sum);
    w = (struct walk){ .stop_at = 5 };
    map_each(m, add_up, &w);
    assert_int_equal(w.calls, 5);
    freed = 0;
    map_free(m, count_free);
    assert_int_equal(freed, left);
}

static void test_map_churn(void **state)
{
    (void)state;
    /* Random puts and deletions against a plain array; the key range decides how full it gets. */
    static char model[2000];
    char kb[32];
    for (uint32_t range = 1; range <= ARRAY_LEN(model); range = range * 3 + 1) {
        memset(model, 0, sizeof(model));
        struct map *m = map_new();
        size_t count = 0;
        for (int step = 0; step < 20000; step++) {
            uint32_t k = rand_below(range);
            bool put = rand_below(100) < (step / 5000 % 2 ? 10 : 70);
            void *was = model[k] ? &model[k] : NULL;
            void *got = put ? map_put(m, key_of(kb, k), &model[k]) : map_del(m, key_of(kb, k));
            assert_ptr_equal(got, was);
            count = count + put - (was != NULL);
            model[k] = put;
            assert_int_equal(map_count(m), count);
        }
        for (uint32_t k = 0; k < range; k++)
            assert_ptr_equal(map_get(m, key_of(kb, k)), model[k] ? &model[k] : NULL);
        for (uint32_t k = 0; k < range; k++)
            map_del(m, key_of(kb, k));
        assert_int_equal(map_count(m), 0);
        map_free(m, NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash_key), /* first: this process must not have a key yet */
        cmocka_unit_test(test_hash),      cmocka_unit_test(test_hash_alignment),
        cmocka_unit_test(test_hash_fold), cmocka_unit_test(test_crc),
        cmocka_unit_test(test_fnv),       cmocka_unit_test(test_map_basic),
        cmocka_unit_test(test_map_over),  cmocka_unit_test(test_map_large),
        cmocka_unit_test(test_map_churn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
