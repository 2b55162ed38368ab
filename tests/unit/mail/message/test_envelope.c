/* Tests of the envelope codec: round trip of every field, damage, limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/rand.h"
#include "mail/message/message.h"

static struct message *sample(void)
{
    struct message *m = message_new();
    message_set(&m->sender, SV("a@b.example"));
    message_set(&m->auth_user, SV("u@b.example"));
    message_set(&m->envid, SV("x+3Dy"));
    message_set(&m->transid, SV("201110051047140042@b.example"));
    m->auth_account = -7;
    m->ret = 'H';
    m->body_8bit = m->bounce = m->delay_told = true;
    m->hops = 3;
    m->attempts = 9;
    m->next_try_ms = 1234567890123;
    m->received_ms = 1234567000000;
    m->session_id = 0xdeadbeef;
    m->size = 1ull << 33;
    sv_copy(m->id, sizeof(m->id), SV("OSA88513"));
    sv_copy(m->item, sizeof(m->item), SV("0220081513012254910000"));
    sv_copy(m->original, sizeof(m->original), SV("VYQ98320"));
    sv_copy(m->peer_ip, sizeof(m->peer_ip), SV("2001:db8::1"));
    struct rcpt *r = message_add_rcpt(m, SV("x@y.example"), RCPT_REMOTE);
    message_set(&r->orcpt, SV("rfc822;x@z"));
    message_set_original(r, SV("alias@y.example"));
    message_set(&r->answer, SV("451 4.3.0 later"));
    message_set(&r->remote_mta, SV("mx.y.example"));
    r->notify = NOTIFY_SUCCESS | NOTIFY_DELAY;
    r->state = RCPT_RELAYED;
    r = message_add_rcpt(m, SV("l@b.example"), RCPT_LOCAL);
    r->account_id = INT64_MAX;
    return m;
}

static void assert_same(const struct message *a, const struct message *b)
{
    assert_true(a->key == b->key && a->received_ms == b->received_ms);
    assert_true(a->next_try_ms == b->next_try_ms && a->auth_account == b->auth_account);
    assert_true(a->session_id == b->session_id && a->size == b->size);
    assert_true(a->hops == b->hops && a->attempts == b->attempts && a->ret == b->ret);
    assert_true(a->body_8bit == b->body_8bit && a->smtputf8 == b->smtputf8);
    assert_true(a->bounce == b->bounce && a->delay_told == b->delay_told);
    assert_int_equal(a->one_click, b->one_click);
    assert_int_equal(a->moderation, b->moderation);
    assert_true(a->requiretls == b->requiretls && a->tls_optional == b->tls_optional);
    assert_string_equal(a->id, b->id);
    assert_string_equal(a->item, b->item);
    assert_string_equal(a->original, b->original);
    assert_string_equal(a->peer_ip, b->peer_ip);
    assert_string_equal(a->sender, b->sender);
    assert_string_equal(a->auth_user, b->auth_user);
    assert_string_equal(a->envid, b->envid);
    assert_string_equal(a->transid, b->transid);
    assert_string_equal(a->subject, b->subject);
    assert_true(a->parent == b->parent);
    assert_int_equal(a->children != NULL, b->children != NULL);
    if (a->children) {
        assert_int_equal(a->children->n, b->children->n);
        assert_memory_equal(a->children->keys, b->children->keys,
                            a->children->n * sizeof(a->children->keys[0]));
    }
    assert_int_equal(a->n_orders, b->n_orders);
    for (size_t i = 0; i < a->n_orders; i++) {
        const struct rcpt_order *x = &a->orders[i], *y = &b->orders[i];
        assert_string_equal(x->folder, y->folder);
        assert_string_equal(x->reply, y->reply);
        assert_string_equal(x->subject, y->subject);
        assert_true(x->reply_period == y->reply_period);
    }
    assert_int_equal(a->n_rcpts, b->n_rcpts);
    for (size_t i = 0; i < a->n_rcpts; i++) {
        const struct rcpt *x = &a->rcpts[i], *y = &b->rcpts[i];
        assert_string_equal(x->address, y->address);
        assert_string_equal(x->orcpt, y->orcpt);
        assert_string_equal(x->original, y->original);
        assert_string_equal(x->answer, y->answer);
        assert_string_equal(x->remote_mta, y->remote_mta);
        assert_true(x->kind == y->kind && x->state == y->state && x->notify == y->notify);
        assert_true(x->account_id == y->account_id);
        assert_int_equal(x->order, y->order);
    }
}

static void check_roundtrip(const struct message *m)
{
    _cleanup_(message_unrefp) struct message *back = message_new();
    struct buf b;
    buf_init(&b, 64 * KiB);
    assert_int_equal(message_envelope_encode(m, &b), 0);
    assert_int_equal(message_envelope_decode(buf_sv(&b), back, NULL), 0);
    assert_same(m, back);
    buf_done(&b);
}

static void test_roundtrip(void **state)
{
    (void)state;
    _cleanup_(message_unrefp) struct message *m = sample();
    check_roundtrip(m);
    message_set(&m->transid, SV(""));
    check_roundtrip(m);
    m->requiretls = true; /* version 2 */
    check_roundtrip(m);
    m->requiretls = false;
    m->tls_optional = true;
    check_roundtrip(m);
    message_set(&m->subject, SV("Größe"));
    check_roundtrip(m);
    m->parent = UINT64_MAX;
    check_roundtrip(m);
    for (uint64_t i = 0; i < 1000; i++)
        message_add_child(m, i << 40);
    check_roundtrip(m);
    m->parent = 0;
    check_roundtrip(m);
    m->one_click = true;
    check_roundtrip(m);
    for (int i = MODERATION_NONE; i <= MODERATION_REJECTED; i++) {
        m->moderation = (enum moderation)i;
        check_roundtrip(m);
    }
}

static char *text(const char *s)
{
    return (char *)(uintptr_t)s;
}

/* What rules have ordered for the delivery: equal ones are one; every cut is noticed. */
static void test_orders(void **state)
{
    (void)state;
    _cleanup_(message_unrefp) struct message *m = sample();
    struct rcpt_order a = { text("Spam"), text(""), text(""), -1 },
                      b = { text("Spam"), text("I am away\nfor a while"), text("Away"), 86400 };
    struct buf bytes;
    assert_null(message_order(m, &m->rcpts[0]));
    assert_int_equal(message_give_order(m, &m->rcpts[1], &a), 0);
    check_roundtrip(m);
    message_add_rcpt(m, SV("k@b.example"), RCPT_LOCAL);
    assert_int_equal(message_give_order(m, &m->rcpts[2], &a), 0);
    assert_int_equal(m->n_orders, 1);
    assert_int_equal(message_give_order(m, &m->rcpts[2], &b), 0);
    assert_int_equal(m->n_orders, 2);
    assert_string_equal(message_order(m, &m->rcpts[2])->subject, "Away");
    m->moderation = MODERATION_WAITS;
    message_set(&m->subject, SV("both in one record"));
    check_roundtrip(m);
    buf_init(&bytes, 64 * KiB);
    assert_int_equal(message_envelope_encode(m, &bytes), 0);
    for (size_t n = 0; n < bytes.n; n++) {
        _cleanup_(message_unrefp) struct message *back = message_new();
        assert_int_equal(message_envelope_decode(sv_n(bytes.p, n), back, NULL), E_CORRUPT);
    }
    bytes.p[bytes.n - 2] = 3; /* the last recipient's: there are two */
    _cleanup_(message_unrefp) struct message *back = message_new();
    assert_int_equal(message_envelope_decode(buf_sv(&bytes), back, NULL), E_CORRUPT);
    buf_done(&bytes);
    for (int i = 0; i < MESSAGE_MAX_ORDERS - 2; i++) {
        a.reply_period = i;
        assert_int_equal(message_give_order(m, &m->rcpts[1], &a), 0);
    }
    a.reply_period = -2;
    assert_int_equal(message_give_order(m, &m->rcpts[1], &a), E_LIMIT);
}

/* Byte for byte what was written before there were orders and subjects. */
static void test_old_record(void **state)
{
    (void)state;
    static const char v1[] = "\1\0\0"
                             "\1\0\0\0\0\0\0\0"
                             "\5\0\0\0\0\0\0\0"
                             "\2\0\0\0\0\0\0\0"
                             "\0\0\0\0\0\0\0\0"
                             "\0\0\0\0\0\0\0\0"
                             "\0\0\0\0"
                             "\1\0\0\0"
                             "\0\0\0\0"
                             "\2\0\0\0ID"
                             "\4\0\0\0ITEM"
                             "\0\0\0\0"
                             "\0\0\0\0"
                             "\3\0\0\0a@b"
                             "\0\0\0\0"
                             "\0\0\0\0"
                             "\1\0\0\0"
                             "\0\0\0"
                             "\7\0\0\0\0\0\0\0"
                             "\3\0\0\0c@d"
                             "\0\0\0\0"
                             "\0\0\0\0"
                             "\0\0\0\0"
                             "\0\0\0\0";
    _cleanup_(message_unrefp) struct message *m = message_new_without_key();
    struct buf again;
    assert_int_equal(message_envelope_decode(sv_n(v1, sizeof(v1) - 1), m, NULL), 0);
    assert_int_equal(m->rcpts[0].account_id, 7);
    assert_int_equal(m->n_orders, 0);
    assert_null(message_order(m, &m->rcpts[0]));
    assert_string_equal(m->subject, "");
    buf_init(&again, KiB);
    assert_int_equal(message_envelope_encode(m, &again), 0);
    assert_true(sv_eq(buf_sv(&again), sv_n(v1, sizeof(v1) - 1)));
    buf_done(&again);
}

static void test_damage(void **state)
{
    (void)state;
    _cleanup_(message_unrefp) struct message *m = sample();
    struct buf b;
    struct errinfo ei;
    buf_init(&b, 64 * KiB);
    assert_int_equal(message_envelope_encode(m, &b), 0);
    for (size_t n = 0; n < b.n; n++) { /* every truncation is noticed */
        _cleanup_(message_unrefp) struct message *back = message_new();
        assert_int_equal(message_envelope_decode(sv_n(b.p, n), back, &ei), E_CORRUPT);
    }
    assert_int_equal(buf_add_c(&b, 'x'), 0);
    _cleanup_(message_unrefp) struct message *back = message_new();
    assert_int_equal(message_envelope_decode(buf_sv(&b), back, &ei), E_CORRUPT);
    b.n--;
    b.p[0] = 2; /* the byte behind the flags is not what version 2 knows */
    _cleanup_(message_unrefp) struct message *back3 = message_new();
    assert_int_equal(message_envelope_decode(buf_sv(&b), back3, &ei), E_CORRUPT);
    b.p[0] = 9;
    _cleanup_(message_unrefp) struct message *back2 = message_new();
    assert_int_equal(message_envelope_decode(buf_sv(&b), back2, &ei), E_UNSUPPORTED);
    for (int i = 0; i < 20000; i++) { /* random bytes: no crash */
        char junk[200];
        rand_bytes(junk, sizeof(junk));
        junk[0] = 1;
        _cleanup_(message_unrefp) struct message *j = message_new();
        (void)message_envelope_decode(sv_n(junk, sizeof(junk)), j, &ei);
    }
    buf_done(&b);
}

static void test_bounded(void **state)
{
    (void)state;
    _cleanup_(message_unrefp) struct message *m = sample();
    struct buf b;
    buf_init(&b, 50);
    assert_int_equal(message_envelope_encode(m, &b), -ENOMEM);
    buf_done(&b);
}

static void test_many_recipients(void **state)
{
    (void)state;
    _cleanup_(message_unrefp) struct message *m = message_new(), *back = message_new();
    for (int i = 0; i < 5000; i++) {
        char a[40];
        int n = snprintf(a, sizeof(a), "u%d@many.example", i);
        message_add_rcpt(m, sv_n(a, (size_t)n), i % 2 ? RCPT_LOCAL : RCPT_REMOTE);
    }
    assert_int_equal(message_waiting(m, RCPT_LOCAL), 2500);
    struct buf b;
    buf_init(&b, 4 * MiB);
    assert_int_equal(message_envelope_encode(m, &b), 0);
    assert_int_equal(message_envelope_decode(buf_sv(&b), back, NULL), 0);
    assert_same(m, back);
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_roundtrip),  cmocka_unit_test(test_orders),
        cmocka_unit_test(test_old_record), cmocka_unit_test(test_damage),
        cmocka_unit_test(test_bounded),    cmocka_unit_test(test_many_recipients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
