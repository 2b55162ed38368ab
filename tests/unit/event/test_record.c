/* Records: what goes in comes out, what is damaged does not, keys are found. */
#include "event_dir.h"

#include "base/rand.h"
#include "event/text.h"

static const struct logctx ctx = { .type = LOG_SMTP,
                                   .id = 0x1b6c,
                                   .source = "192.0.2.7",
                                   .service = 1 + SVC_SUBMISSION,
                                   .session = 0x1234567800001b6c,
                                   .message = 0xfedcba9876543210,
                                   .message_id = "OSA88513",
                                   .account = "alice@example.test" };

static size_t encode(unsigned char *out, const struct event_arg *args, size_t n, struct record *ret)
{
    size_t size = record_encode(EVT_smtp_rcpt_refused, &ctx, args, n, out);
    assert_int_equal(record_decode(sv_n(out, size), ret), 1);
    return size;
}

static void test_round_trip(void **state)
{
    (void)state;
    unsigned char b[RECORD_EVENT_MAX];
    struct record r;
    const struct event_arg args[] = { { 0 },
                                      F_ADDR(rcpt, SV("Bob@Example.test")),
                                      F_CODE(code, 550),
                                      F_STR(reply, "550 5.1.1 User unknown; rejecting"),
                                      F_STR(reason, (const char *)NULL),
                                      F_BYTES(bytes, UINT64_MAX) };
    size_t size = encode(b, args, ARRAY_LEN(args), &r);
    assert_int_equal(size % 8, 0);
    assert_int_equal(r.head.type, EVT_smtp_rcpt_refused);
    assert_true(r.head.session == ctx.session && r.head.message == ctx.message);
    assert_int_equal(r.head.service, 1 + SVC_SUBMISSION);
    assert_true(sv_eq(record_text(&r, FIELD_rcpt), SV("Bob@Example.test")));
    assert_true(sv_eq(record_text(&r, FIELD_peer), SV("192.0.2.7")));
    assert_true(sv_eq(record_text(&r, FIELD_account), SV("alice@example.test")));
    assert_true(sv_eq(record_text(&r, FIELD_msgid), SV("OSA88513")));
    assert_int_equal(record_number(&r, FIELD_code), 550);
    assert_true(record_number(&r, FIELD_bytes) == UINT64_MAX);
    struct event_value v;
    assert_false(record_field(&r, FIELD_reason, &v));
}

static void test_long_texts_are_cut(void **state)
{
    (void)state;
    unsigned char b[RECORD_EVENT_MAX];
    char big[4000];
    struct record r;
    struct event_arg args[30];
    memset(big, 'x', sizeof(big));
    for (size_t i = 0; i < ARRAY_LEN(args); i++)
        args[i] = (struct event_arg)F_STR(text, sv_n(big, sizeof(big)));
    encode(b, args, ARRAY_LEN(args), &r);
    assert_int_equal(record_text(&r, FIELD_text).n, RECORD_TEXT_MAX);
}

static void test_damage_is_refused(void **state)
{
    (void)state;
    unsigned char b[RECORD_EVENT_MAX], bad[RECORD_EVENT_MAX];
    struct record r;
    const struct event_arg args[] = { F_ADDR(rcpt, "b@example.test"), F_CODE(code, 550) };
    size_t size = encode(b, args, ARRAY_LEN(args), &r);
    for (size_t n = 0; n < size; n++)
        assert_int_equal(record_decode(sv_n(b, n), &r), 0);
    for (int i = 0; i < 20000; i++) { /* no crash; what is taken can be read to its end */
        memcpy(bad, b, size);
        bad[rand_below((uint32_t)size)] = (unsigned char)rand_below(256);
        struct record d;
        struct event_value v;
        if (record_decode(sv_n(bad, size), &d) == 1)
            for (struct sv rest = d.fields; record_next(&rest, &v);)
                assert_true(v.text.n <= RECORD_TEXT_MAX);
    }
}

struct hashes {
    uint32_t v[40];
    size_t n;
};

static void add_hash(void *arg, uint32_t h)
{
    struct hashes *l = arg;
    l->v[l->n++] = h;
}

static bool has_hash(const struct hashes *l, uint32_t h)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i] == h)
            return true;
    return false;
}

static void test_keys(void **state)
{
    (void)state;
    unsigned char b[RECORD_EVENT_MAX];
    struct record r;
    struct hashes l = { 0 };
    const struct event_arg args[] = { F_ADDR(rcpt, "Bob@Example.test"), F_KEY(child_key, 77) };
    encode(b, args, ARRAY_LEN(args), &r);
    record_keys(&r, add_hash, &l);
    assert_true(has_hash(&l, key_hash(KEY_ADDRESS, SV("bob@example.TEST"))));
    assert_true(has_hash(&l, key_hash(KEY_ADDRESS, SV("alice@example.test"))));
    assert_true(has_hash(&l, key_hash(KEY_IP, SV("192.0.2.7"))));
    assert_true(has_hash(&l, key_hash(KEY_MSGID, SV("osa88513"))));
    assert_true(has_hash(&l, key_hash_number(KEY_SESSION, ctx.session)));
    assert_true(has_hash(&l, key_hash_number(KEY_MESSAGE, ctx.message)));
    assert_true(has_hash(&l, key_hash_number(KEY_MESSAGE, 77)));
    assert_true(has_hash(&l, key_hash_number(KEY_TYPE, EVT_smtp_rcpt_refused)));
    assert_true(record_has(&r, KEY_ADDRESS, SV("BOB@example.test"), 0));
    assert_false(record_has(&r, KEY_ADDRESS, SV("192.0.2.7"), 0));
    assert_false(record_has(&r, KEY_ADDRESS, SV("ob@example.test"), 0));
}

static void test_sentences(void **state)
{
    (void)state;
    unsigned char b[RECORD_EVENT_MAX];
    struct record r;
    struct buf out;
    const struct event_arg args[] = { F_ADDR(rcpt, "b@example.test"),
                                      F_STR(reply, "550 5.7.1 We do not relay") };
    encode(b, args, ARRAY_LEN(args), &r);
    buf_init(&out, 4096);
    text_sentence(&out, &r);
    assert_true(sv_eq(buf_sv(&out), SV("Recipient b@example.test was refused: 550 5.7.1 We do not "
                                       "relay")));
    buf_reset(&out);
    r.head.type = 4000;
    text_sentence(&out, &r);
    assert_true(sv_find_sv(buf_sv(&out), SV("4000")) >= 0);
    buf_done(&out);
}

/* Every {name} of the templates is a field. */
static void test_templates_name_fields(void **state)
{
    (void)state;
    size_t rows = 0;
    for (unsigned t = 0; t < EVT_END; t++) {
        const char *texts[2] = { event_defs[t].text, event_defs[t].sentence };
        if (!event_defs[t].name)
            continue;
        rows++;
        assert_true(*event_defs[t].help && *event_defs[t].sentence);
        assert_int_equal(texts[0] == NULL, event_defs[t].level == LOG_NONE);
        for (int i = 0; i < 2; i++)
            for (const char *p = texts[i]; p && (p = strchr(p, '{')); p++) {
                size_t n = strcspn(p + 1, "|}");
                bool known = false;
                for (unsigned f = 1; f < FIELD_END; f++)
                    known |= field_defs[f].name && sv_eq(sv_n(p + 1, n), sv_c(field_defs[f].name));
                if (!known)
                    fail_msg("%s: {%.*s}", event_defs[t].symbol, (int)n, p + 1);
            }
    }
    assert_true(rows > 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),        cmocka_unit_test(test_long_texts_are_cut),
        cmocka_unit_test(test_damage_is_refused), cmocka_unit_test(test_keys),
        cmocka_unit_test(test_sentences),         cmocka_unit_test(test_templates_name_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
