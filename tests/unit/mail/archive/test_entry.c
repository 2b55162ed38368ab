/* Names and envelopes of archived messages: what is written is read, what is broken is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "mail/archive/entry.h"

#include <stdio.h>

static void test_names(void **state)
{
    (void)state;
    char name[ENTRY_NAME], folder[ENTRY_FOLDER];
    int64_t at;
    struct sv id;
    entry_name(INT64_C(1795811896123), "OSA88513", UINT64_C(0x1122aabbccdd), name);
    assert_string_equal(name, "20261127T203816-OSA88513-00001122AABBCCDD");
    assert_true(entry_name_parse(sv_c(name), &at, &id));
    assert_int_equal(at, 1795811896);
    assert_true(sv_eq(id, SV("OSA88513")));
    entry_folder(name, folder);
    assert_string_equal(folder, "2026-11-27/20");
    static const char *const bad[] = { "",
                                       "20261127T203816",
                                       "20261127T203816-OSA88513",
                                       "20261127T203816-OSA88513-0000112",
                                       "20261127T203816-OSA88513-00001122AABBCCDX",
                                       "20261327T203816-OSA88513-00001122AABBCCDD",
                                       "20261127T253816-OSA88513-00001122AABBCCDD",
                                       "2026112/T203816-OSA88513-00001122AABBCCDD",
                                       "20261127T203816-../.../-00001122AABBCCDD",
                                       "20261127T203816-OSA88513-00001122AABBCCDD-",
                                       "../../etc/passwd" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(entry_name_parse(sv_c(bad[i]), NULL, NULL));
}

static void write_one(struct buf *b)
{
    struct entry_rcpt to[] = { { SV("ann@home.test"), SV("Info@home.test"), true },
                               { SV("far@else.test"), SV(""), false },
                               { SV("\"a> by <b\"@else.test"), SV(""), false },
                               { SV("bo\r\nX-Archive-Login: x@y\x7f@home.test"), SV(""), true } };
    struct entry e = { .id = SV("OSA88513"),
                       .sender = SV("x@else.test"),
                       .login = SV(""),
                       .peer = SV("192.0.2.1"),
                       .parent = SV("OSA88512"),
                       .received_s = 1795811896,
                       .rcpts = to,
                       .n_rcpts = ARRAY_LEN(to) };
    buf_init(b, 1 * MiB);
    assert_int_equal(entry_write(&e, b), 0);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct buf b;
    struct arena a;
    struct entry e;
    write_one(&b);
    arena_init(&a, 1 * MiB);
    assert_int_equal(entry_length(buf_sv(&b)), b.n);
    assert_int_equal(entry_read(buf_sv(&b), &a, &e, NULL), 0);
    assert_true(sv_eq(e.id, SV("OSA88513")));
    assert_true(sv_eq(e.sender, SV("x@else.test")));
    assert_int_equal(e.login.n, 0);
    assert_true(sv_eq(e.peer, SV("192.0.2.1")));
    assert_true(sv_eq(e.parent, SV("OSA88512")));
    assert_int_equal(e.received_s, 1795811896);
    assert_int_equal(e.n_rcpts, 4);
    assert_true(sv_eq(e.rcpts[0].address, SV("ann@home.test")));
    assert_true(sv_eq(e.rcpts[0].original, SV("Info@home.test")));
    assert_true(e.rcpts[0].local);
    assert_true(sv_eq(e.rcpts[1].address, SV("far@else.test")));
    assert_int_equal(e.rcpts[1].original.n, 0);
    assert_false(e.rcpts[1].local);
    assert_true(sv_eq(e.rcpts[3].address, SV("bo??X-Archive-Login: x@y?@home.test")));
    buf_done(&b);
    arena_done(&a);
}

static void test_null_sender(void **state)
{
    (void)state;
    struct entry in = { .id = SV("AAA00001"), .sender = SV("") }, e;
    struct buf b;
    struct arena a;
    buf_init(&b, 1 * MiB);
    arena_init(&a, 1 * MiB);
    assert_int_equal(entry_write(&in, &b), 0);
    assert_int_equal(entry_read(buf_sv(&b), &a, &e, NULL), 0);
    assert_int_equal(e.sender.n, 0);
    assert_int_equal(e.n_rcpts, 0);
    buf_done(&b);
    arena_done(&a);
}

/* Each byte of it changed in some ways, and each beginning: no crash, and no recipient too many. */
static void test_broken(void **state)
{
    (void)state;
    static const char bytes[] = { '\0', '\n', '\r', '>', '<', ' ', ':', '9', (char)0xff };
    struct buf b;
    write_one(&b);
    for (size_t i = 0; i < b.n; i++) {
        char was = b.p[i];
        for (size_t k = 0; k < sizeof(bytes); k++) {
            struct arena a;
            struct entry e;
            arena_init(&a, 1 * MiB);
            b.p[i] = bytes[k];
            if (entry_read(buf_sv(&b), &a, &e, NULL) == 0)
                assert_true(e.n_rcpts <= 5);
            arena_done(&a);
        }
        b.p[i] = was;
    }
    for (size_t n = 0; n < b.n; n++) {
        struct arena a;
        struct entry e;
        arena_init(&a, 1 * MiB);
        assert_int_equal(entry_read(sv_n(b.p, n), &a, &e, NULL), E_CORRUPT);
        arena_done(&a);
    }
    assert_int_equal(entry_length(SV("Return-Path: <x@y>\r\n")), 0);
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_null_sender),
        cmocka_unit_test(test_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
