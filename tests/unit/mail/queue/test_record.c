/* Tests of the journal's bytes: round trip, torn and forged records, headers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/rand.h"
#include "mail/queue/record.h"

static void put_rec(struct buf *b, uint64_t salt, enum rec_type type, uint64_t key,
                    struct sv payload)
{
    char head[REC_HEAD], pad[REC_ALIGN] = { 0 };
    rec_head(head, salt, type, key, 0, payload.n, crc32c(0, payload.p, payload.n));
    assert_int_equal(buf_add(b, head, REC_HEAD), 0);
    assert_int_equal(buf_add_sv(b, payload), 0);
    assert_int_equal(buf_add(b, pad, rec_size(payload.n) - REC_HEAD - payload.n), 0);
}

static void test_sequence(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, MiB);
    for (uint64_t i = 1; i <= 20; i++)
        put_rec(&b, 7, REC_MSG, i, sv_n("0123456789abcdefghijklmnop", i));
    uint64_t off = 0;
    struct rec r;
    for (uint64_t i = 1; i <= 20; i++) {
        assert_true(rec_next(buf_sv(&b), 7, &off, &r));
        assert_true(r.key == i && r.type == REC_MSG && r.payload.n == i);
        assert_memory_equal(r.payload.p, "0123456789abcdefghijklmnop", i);
    }
    assert_false(rec_next(buf_sv(&b), 7, &off, &r));
    off = 0;
    assert_false(rec_next(buf_sv(&b), 8, &off, &r)); /* an earlier use of the segment */
    buf_done(&b);
}

/* Each bit flip loses exactly one record; a cut loses only the last. */
static void test_damage(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, MiB);
    for (uint64_t i = 1; i <= 4; i++)
        put_rec(&b, 7, REC_STATE, i, SV("payload of a record"));
    struct rec r;
    for (size_t at = 0; at < b.n; at++) {
        bool padding = at % 64 >= REC_HEAD + 19;
        b.p[at] ^= 0x10;
        unsigned n = 0;
        for (uint64_t off = 0; rec_next(buf_sv(&b), 7, &off, &r); n++)
            ;
        b.p[at] ^= 0x10;
        assert_int_equal(n, padding ? 4 : 3);
    }
    for (size_t cut = 0; cut < b.n; cut++) {
        unsigned n = 0;
        for (uint64_t off = 0; rec_next(sv_n(b.p, cut), 7, &off, &r); n++)
            ;
        assert_int_equal(n, (cut + 64 - REC_HEAD - 19) / 64);
    }
    buf_done(&b);
}

/* A message that contains a journal record of its own is one record. */
static void test_forged(void **state)
{
    (void)state;
    struct buf inner, b;
    buf_init(&inner, MiB);
    buf_init(&b, MiB);
    assert_int_equal(buf_add(&inner, "12345678", 8), 0);
    put_rec(&inner, 6, REC_REVOKE, 1, SV("")); /* the salt is a guess */
    put_rec(&b, 7, REC_MSG, 1, buf_sv(&inner));
    b.p[5] ^= 1; /* even when the outer one is torn */
    uint64_t off = 0;
    struct rec r;
    assert_false(rec_next(buf_sv(&b), 7, &off, &r));
    buf_done(&inner);
    buf_done(&b);
}

static void test_header(void **state)
{
    (void)state;
    char block[SEG_HEAD];
    struct seg_head h = { .gen = 5, .salt = 6, .size = 1 << 20, .boot = "boot" }, back;
    seg_head_encode(&h, block);
    assert_int_equal(seg_head_decode(sv_n(block, SEG_HEAD), &back), 0);
    assert_true(back.gen == 5 && back.salt == 6 && back.size == 1 << 20);
    assert_string_equal(back.boot, "boot");
    for (int i = 0; i < 2000; i++) {
        size_t at = rand_below(SEG_HEAD);
        block[at] ^= 4;
        assert_int_equal(seg_head_decode(sv_n(block, SEG_HEAD), &back), E_CORRUPT);
        block[at] ^= 4;
    }
    assert_int_equal(seg_head_decode(sv_n(block, SEG_HEAD - 1), &back), E_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sequence),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_forged),
        cmocka_unit_test(test_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
