/* The pure parts: tokens, dates, sets, patterns, FETCH items, SEARCH keys, names, formatting,
 * frames. */
#include "imap_test.h"

#include "base/codec.h"
#include "proto/imap_fetch.h"
#include "proto/imap_fold.h"
#include "proto/imap_format.h"
#include "proto/imap_framer.h"
#include "proto/imap_mutf7.h"
#include "proto/imap_search.h"

static struct arena arena;

static struct imap_in in_of(const char *s)
{
    arena_reset(&arena);
    return imap_in_sv(sv_c(s), &arena);
}

static int setup(void **state _unused_)
{
    arena_init(&arena, 4 * MiB);
    return 0;
}

static int teardown(void **state _unused_)
{
    arena_done(&arena);
    return 0;
}

static void strings(void **state _unused_)
{
    static const struct {
        const char *in, *out; /* NULL: refused */
    } rows[] = {
        { "abc", "abc" },
        { "a]b", "a]b" },
        { "\"\"", "" },
        { "\"a b\"", "a b" },
        { "\"a\\\"b\\\\\"", "a\"b\\" },
        { "{3}\r\nabc", "abc" },
        { "{3+}\r\nabc", "abc" },
        { "{0}\r\n", "" },
        { "", NULL },
        { "\"a", NULL },
        { "\"a\\", NULL },
        { "\"a\\b\"", NULL },
        { "\"a\r\n\"", NULL },
        { "{3}\r\nab", NULL },
        { "{3}abc", NULL },
        { "{}\r\n", NULL },
        { "{99999999999999999999}\r\n", NULL },
        { "(", NULL },
        { "%", NULL },
        { "*", NULL },
        { " a", NULL },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct imap_in in = in_of(rows[i].in);
        struct sv s;
        int r = imap_astring(&in, &s);
        assert_int_equal(r, rows[i].out ? 0 : r < 0 ? r : 1);
        if (rows[i].out) {
            assert_true(sv_eq(s, sv_c(rows[i].out)));
            assert_true(imap_end(&in));
        }
    }
}

static void literal_announcements(void **state _unused_)
{
    static const struct {
        const char *line;
        bool found, nonsync;
        uint64_t size;
    } rows[] = {
        { "a LOGIN {5}", true, false, 5 },
        { "a LOGIN {5+}", true, true, 5 },
        { "{0}", true, false, 0 },
        { "a {99999999999999999999999}", true, false, UINT64_MAX },
        { "a {}", false, false, 0 },
        { "a {+}", false, false, 0 },
        { "a {5", false, false, 0 },
        { "a {x5}", false, false, 0 },
        { "5}", false, false, 0 },
        { "}", false, false, 0 },
        { "", false, false, 0 },
        { "a {5} ", false, false, 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t size = 0;
        bool nonsync = false;
        assert_int_equal(imap_line_literal(sv_c(rows[i].line), &size, &nonsync), rows[i].found);
        assert_int_equal(size, rows[i].size);
        assert_int_equal(nonsync, rows[i].nonsync);
    }
}

static void dates(void **state _unused_)
{
    static const struct {
        const char *in;
        int64_t s; /* -1: refused */
    } rows[] = {
        { "\"05-Feb-2024 10:00:00 +0100\"", 1707123600 },
        { "\" 5-feb-2024 10:00:00 +0100\"", 1707123600 },
        { "\"01-Jan-1970 00:00:00 +0000\"", 0 },
        { "\"29-Feb-2024 23:59:60 -0130\"", 1709256600 },
        { "\"29-Feb-2023 00:00:00 +0000\"", -1 },
        { "\"31-Apr-2023 00:00:00 +0000\"", -1 },
        { "\"00-Apr-2023 00:00:00 +0000\"", -1 },
        { "\"01-Foo-2023 00:00:00 +0000\"", -1 },
        { "\"01-Jan-2023 24:00:00 +0000\"", -1 },
        { "\"01-Jan-2023 00:00:00 +0099\"", -1 },
        { "\"01-Jan-2023 00:00:00 0000\"", -1 },
        { "\"01-Jan-2023 00:00:00 +0000", -1 },
        { "01-Jan-2023 00:00:00 +0000", -1 },
        { "\"01-Jan-23 00:00:00 +0000\"", -1 },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct imap_in in = in_of(rows[i].in);
        int64_t s = -1;
        int r = imap_date_time(&in, &s);
        assert_int_equal(r < 0 ? -1 : s, rows[i].s);
    }
    struct imap_in in = in_of("1-Feb-1994");
    struct imap_day d;
    assert_int_equal(imap_date(&in, &d), 0);
    assert_int_equal(imap_day_number(d), 8797);
    in = in_of("\"1-Feb-1994");
    assert_true(imap_date(&in, &d) < 0);
}

static void sets(void **state _unused_)
{
    struct imap_set set;
    struct imap_in in = in_of("1,3:5,*:2,*,4294967295 x");
    assert_int_equal(imap_set_parse(&in, &set), 0);
    assert_int_equal(set.n, 5);
    assert_int_equal(set.r[1].lo, 3);
    assert_int_equal(set.r[1].hi, 5);
    assert_int_equal(set.r[2].lo, IMAP_STAR);
    assert_int_equal(set.r[3].hi, IMAP_STAR);
    assert_int_equal(set.r[4].hi, UINT32_MAX);
    assert_int_equal(imap_peek(&in), ' ');
    static const char *const bad[] = { "",   "0",    "1:",         ":1", "1,",
                                       ",1", "1::2", "4294967296", "a",  "1:0" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        in = in_of(bad[i]);
        assert_true(imap_set_parse(&in, &set) < 0);
    }
}

/* The meaning of a pattern, by trying everything. */
static bool slow_match(struct sv p, struct sv n)
{
    if (p.n == 0)
        return n.n == 0;
    if (p.p[0] == '*' || p.p[0] == '%') {
        for (size_t i = 0;; i++) {
            if (slow_match(sv_skip(p, 1), sv_skip(n, i)))
                return true;
            if (i >= n.n || (p.p[0] == '%' && n.p[i] == '/'))
                return false;
        }
    }
    return n.n && p.p[0] == n.p[0] && slow_match(sv_skip(p, 1), sv_skip(n, 1));
}

static void patterns(void **state _unused_)
{
    assert_true(imap_pattern_match(SV("inbox"), SV("INBOX")));
    assert_true(imap_pattern_match(SV("*b*"), SV("INBOX")));
    assert_false(imap_pattern_match(SV("inbox/%"), SV("INBOX")));
    for (int i = 0; i < 300000; i++) {
        static const char pa[] = "ab/*%", na[] = "ab/";
        char p[8], n[10];
        size_t pn = rand_below(7), nn = rand_below(9);
        for (size_t k = 0; k < pn; k++)
            p[k] = pa[rand_below(5)];
        for (size_t k = 0; k < nn; k++)
            n[k] = na[rand_below(3)];
        struct sv pat = sv_n(p, pn), name = sv_n(n, nn);
        if (imap_pattern_match(pat, name) != slow_match(pat, name))
            fail_msg("pattern '" SV_FMT "' name '" SV_FMT "'", SV_ARG(pat), SV_ARG(name));
    }
    /* Many wildcards stay cheap. */
    char name[2000];
    memset(name, 'a', sizeof(name));
    int64_t t = clock_mono_ms();
    assert_false(imap_pattern_match(SV("*a*a*a*a*a*a*a*a*%a%a%a%a%a%b"), sv_n(name, sizeof(name))));
    assert_true(clock_mono_ms() - t < 60000); /* without care it is longer than anybody waits */
}

static void fetch_items(void **state _unused_)
{
    struct imap_fetch f;
    struct imap_in in =
        in_of("(FLAGS UID BODY.PEEK[1.2.HEADER.FIELDS (To \"Cc\")]<5.10> BODY[] RFC822)");
    assert_int_equal(imap_fetch_parse(&in, &f), 0);
    assert_int_equal(f.items, FETCH_FLAGS | FETCH_UID);
    assert_int_equal(f.n, 3);
    const struct imap_section *s = f.sections;
    assert_int_equal(s->kind, SECTION_FIELDS);
    assert_true(sv_eq(s->part, SV("1.2")));
    assert_true(sv_eq(s->path, SV("1.2.HEADER")));
    assert_int_equal(s->n_names, 2);
    assert_true(sv_eq(s->names[1], SV("Cc")));
    assert_true(s->partial && s->offset == 5 && s->length == 10 && !s->sets_seen);
    assert_true(sv_eq(s->label, SV("BODY[1.2.HEADER.FIELDS (To \"Cc\")]<5>")));
    assert_true(f.sections[1].sets_seen && sv_eq(f.sections[1].label, SV("BODY[]")));
    assert_true(sv_eq(f.sections[2].label, SV("RFC822")));
    static const char *const good[] = { "ALL",          "full",
                                        "FAST",         "BODY",
                                        "BODY[1]",      "body.peek[text]",
                                        "BODY[1.MIME]", "(BODYSTRUCTURE BODY)",
                                        "RFC822.TEXT" };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        in = in_of(good[i]);
        assert_int_equal(imap_fetch_parse(&in, &f), 0);
        assert_true(imap_end(&in));
    }
    static const char *const bad[] = { "",
                                       "()",
                                       "(ALL)",
                                       "BODY.PEEK",
                                       "BODY[MIME]",
                                       "BODY[0]",
                                       "BODY[1.]",
                                       "BODY[1",
                                       "BODY[HEADER.FIELDS]",
                                       "BODY[HEADER.FIELDS ()]",
                                       "BODY[]<1>",
                                       "BODY[]<1.0>",
                                       "BODY[1..2]",
                                       "BODY[.1]",
                                       "FLAGS)x(",
                                       "(FLAGS  UID)",
                                       "BODY[TEXT.1]",
                                       "BODY[99999999999]" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        in = in_of(bad[i]);
        if (imap_fetch_parse(&in, &f) == 0 && imap_end(&in))
            fail_msg("accepted: %s", bad[i]);
    }
}

static void search_keys(void **state _unused_)
{
    struct imap_search s;
    struct imap_in in =
        in_of("RETURN (MIN ALL) CHARSET UTF-8 OR NOT SEEN (FROM a UID 1:2) HEADER x \"\" NEW 1,2");
    assert_int_equal(imap_search_parse(&in, &s), 0);
    assert_int_equal(s.returns, RETURN_MIN | RETURN_ALL);
    assert_true(sv_eq(s.charset, SV("UTF-8")));
    const struct imap_search_key * or = s.root->children;
    assert_int_equal(or->key, KEY_OR);
    assert_int_equal(or->children->key, KEY_NOT);
    assert_int_equal(or->children->children->number, 1);
    assert_int_equal(or->children->next->key, KEY_AND);
    assert_int_equal(or->next->key, KEY_HEADER);
    assert_int_equal(or->next->next->key, KEY_AND);
    assert_int_equal(or->next->next->next->key, KEY_SEQSET);
    static const char *const bad[] = { "",
                                       "FROM",
                                       "OR SEEN",
                                       "NOT",
                                       "(SEEN",
                                       "SEEN)",
                                       "ON x",
                                       "LARGER -1",
                                       "KEYWORD \\Seen",
                                       "CHARSET UTF-8",
                                       "RETURN (FROB) ALL",
                                       "UID x",
                                       "SEEN  SEEN" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        in = in_of(bad[i]);
        if (imap_search_parse(&in, &s) == 0 && imap_end(&in))
            fail_msg("accepted: %s", bad[i]);
    }
}

static void names(void **state _unused_)
{
    static const struct {
        const char *wire, *utf8; /* utf8 NULL: refused */
    } rows[] = {
        { "INBOX", "INBOX" },
        { "&-", "&" },
        { "a&-b", "a&b" },
        { "Entw&APw-rfe", "Entwürfe" },
        { "~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語" },
        { "&2D3eAA-", "😀" },
        { "&Jjo-!", "☺!" },
        { "&AGE-", NULL }, /* "a" must stand for itself */
        { "&", NULL },
        { "&AP", NULL },
        { "&APw", NULL },
        { "&APx-", NULL }, /* bits left over */
        { "&2D0-", NULL }, /* lone surrogate */
        { "&3gA-", NULL },
        { "&APw-&APw-", NULL }, /* two shifts in a row */
        { "&A/w-", NULL },
        { "a\x80", NULL },
        { "a\x01", NULL },
        { "&AAAA-", NULL },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf b;
        buf_init(&b, 1 * KiB);
        int r = imap_mutf7_to_utf8(sv_c(rows[i].wire), &b);
        if ((r == 0) != (rows[i].utf8 != NULL))
            fail_msg("%s: %d", rows[i].wire, r);
        if (rows[i].utf8) {
            assert_true(sv_eq(buf_sv(&b), sv_c(rows[i].utf8)));
            buf_reset(&b);
            assert_int_equal(imap_utf8_to_mutf7(sv_c(rows[i].utf8), &b), 0);
            assert_true(sv_eq(buf_sv(&b), sv_c(rows[i].wire)));
        }
        buf_done(&b);
    }
}

/* Any UTF-8 -> wire -> the same UTF-8; any wire form that is accepted is the only one of its name.
 */
static void names_round_trip(void **state _unused_)
{
    for (int i = 0; i < 100000; i++) {
        struct buf u, w, back;
        buf_init(&u, 1 * KiB);
        buf_init(&w, 1 * KiB);
        buf_init(&back, 1 * KiB);
        for (unsigned n = rand_below(8); n; n--) {
            static const char *const pieces[] = { "a", "&", "-", "ü", "日", "😀",
                                                  "/", "~", "é", "+", "," };
            buf_add_str(&u, pieces[rand_below(ARRAY_LEN(pieces))]);
        }
        assert_int_equal(imap_utf8_to_mutf7(buf_sv(&u), &w), 0);
        assert_int_equal(imap_mutf7_to_utf8(buf_sv(&w), &back), 0);
        assert_true(sv_eq(buf_sv(&u), buf_sv(&back)));
        buf_reset(&w);
        buf_reset(&back);
        for (unsigned n = rand_below(12); n; n--)
            buf_add_c(&w, "&-AwPg2D,+a/"[rand_below(12)]);
        buf_reset(&u);
        if (imap_mutf7_to_utf8(buf_sv(&w), &u) == 0) {
            assert_true(utf8_valid(buf_sv(&u)));
            assert_int_equal(imap_utf8_to_mutf7(buf_sv(&u), &back), 0);
            assert_true(sv_eq(buf_sv(&w), buf_sv(&back)));
        }
        buf_done(&u);
        buf_done(&w);
        buf_done(&back);
    }
}

static void formatting(void **state _unused_)
{
    struct buf b;
    buf_init(&b, 1 * KiB);
    static const struct {
        const char *in, *out;
    } rows[] = {
        { "abc", "abc" },
        { "", "\"\"" },
        { "a b", "\"a b\"" },
        { "a\"b", "\"a\\\"b\"" },
        { "nil", "\"nil\"" },
        { "a\\", "\"a\\\\\"" },
        { "a\xc3", "{2}\r\na\xc3" },
        { "a%", "\"a%\"" },
        { "a*", "\"a*\"" },
        { "a]", "a]" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        buf_reset(&b);
        imap_put_astring(&b, sv_c(rows[i].in));
        assert_true(sv_eq(buf_sv(&b), sv_c(rows[i].out)));
    }
    static const char *const kw[] = { "x", "y" };
    buf_reset(&b);
    imap_put_flags(&b, 1 | 8 | 1 << 9, true, kw, 2);
    assert_true(sv_eq(buf_sv(&b), SV("(\\Seen \\Deleted y \\Recent)")));
    buf_reset(&b);
    struct imap_set_writer w = { .out = &b };
    static const uint32_t v[] = { 1, 2, 3, 7, 9, 10, UINT32_MAX };
    for (size_t i = 0; i < ARRAY_LEN(v); i++)
        imap_set_add(&w, v[i]);
    imap_set_done(&w);
    assert_true(sv_eq(buf_sv(&b), SV("1:3,7,9:10,4294967295")));
    buf_reset(&b);
    imap_put_u64(&b, UINT64_MAX);
    assert_true(sv_eq(buf_sv(&b), SV("18446744073709551615")));
    buf_done(&b);
    assert_int_equal(imap_system_flag(SV("\\deleted")), 8);
    assert_int_equal(imap_system_flag(SV("\\Recent")), 0);
}

static void folding(void **state _unused_)
{
    struct buf b;
    buf_init(&b, 1 * KiB);
    assert_int_equal(imap_fold(SV("ABC ÄÖÜ ÅŁŽ ΑΣς ПРИВЕТ Ё Ա Ａ ß ÿŸ \xff"), &b), 0);
    assert_true(sv_eq(buf_sv(&b), SV("abc äöü åłž ασσ привет ё ա ａ ß ÿÿ \xff")));
    struct buf tmp;
    buf_init(&tmp, 1 * KiB);
    assert_true(imap_fold_contains(SV("Viele GRÜSSE"), SV("grü"), &tmp));
    assert_false(imap_fold_contains(SV("Viele GRUSSE"), SV("grü"), &tmp));
    assert_true(imap_fold_contains(SV("abc"), SV(""), &tmp));
    buf_done(&b);
    buf_done(&tmp);
    for (int i = 0; i < 200000; i++) {
        char h[24], n[4];
        size_t hn = rand_below(sizeof(h)), nn = rand_below(sizeof(n) + 1);
        for (size_t k = 0; k < hn; k++)
            h[k] = "aAbBz-"[rand_below(6)];
        for (size_t k = 0; k < nn; k++)
            n[k] = "aAbBz-"[rand_below(6)];
        struct sv hay = sv_n(h, hn), needle = sv_n(n, nn);
        assert_int_equal(imap_ascii_contains(hay, needle), sv_ifind_sv(hay, needle) >= 0);
    }
}

/* The same frames come out however the input is cut. */
static void frames_do_not_depend_on_pieces(void **state _unused_)
{
    static const char text[] = "a LOGIN {3}\r\nabc {2+}\r\nxy\r\nb NOOP\r\nc\n"
                               "d 012345678901234567890123456789012345678901234567890123456789\r\n"
                               "e NOOP\r\n";
    char want[4096] = "";
    for (int round = 0; round < 2000; round++) {
        struct imap_framer f = { .max_line = 40 };
        char got[4096] = "";
        size_t n = 0, at = 0, end = sizeof(text) - 1, avail = round ? 0 : end;
        struct imap_frame fr;
        while (at < end) {
            if (imap_framer_next(&f, sv_n(text + at, avail - at), &fr) == 0) {
                assert_true(avail < end);
                avail += 1 + rand_below(MIN(8, (uint32_t)(end - avail)));
                continue;
            }
            imap_framer_took(&f, (int)fr.kind, fr.used);
            at += fr.used;
            uint64_t size;
            bool nonsync;
            if (fr.kind == IMAP_PART && imap_line_literal(fr.data, &size, &nonsync))
                f.literal_left = size;
            if (fr.kind == IMAP_CHUNK)
                n += (size_t)snprintf(got + n, sizeof(got) - n, SV_FMT, SV_ARG(fr.data));
            else if (fr.kind != IMAP_SKIP && fr.kind != IMAP_LONG_END)
                n += (size_t)snprintf(got + n, sizeof(got) - n, "<%d:" SV_FMT ">", (int)fr.kind,
                                      SV_ARG(fr.data));
        }
        if (round == 0)
            memcpy(want, got, sizeof(want));
        assert_string_equal(got, want);
    }
    assert_non_null(strstr(want, "<0:b NOOP><3:c>"));
    assert_non_null(strstr(want, "<0:e NOOP>"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings),
        cmocka_unit_test(literal_announcements),
        cmocka_unit_test(dates),
        cmocka_unit_test(sets),
        cmocka_unit_test(patterns),
        cmocka_unit_test(fetch_items),
        cmocka_unit_test(search_keys),
        cmocka_unit_test(names),
        cmocka_unit_test(names_round_trip),
        cmocka_unit_test(formatting),
        cmocka_unit_test(folding),
        cmocka_unit_test(frames_do_not_depend_on_pieces),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
