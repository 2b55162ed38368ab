/* Structure of messages: parts, boundaries, bounds, sections, header fields. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "corpus.h"
#include "proto/mime.h"

static struct arena arena;

static struct mime_part *parse_n(struct sv msg)
{
    struct mime_part *root = NULL;
    arena_done(&arena);
    arena_init(&arena, 64 * MiB);
    assert_int_equal(mime_parse(msg, &arena, &root), 0);
    assert_non_null(root);
    return root;
}

static struct mime_part *parse(const char *text)
{
    return parse_n(sv_c(text));
}

static void assert_sv(struct sv got, const char *want)
{
    if (!sv_eq(got, sv_c(want)))
        fail_msg("got '" SV_FMT "', want '%s'", SV_ARG(got), want);
}

/* "mixed(plain,alternative(plain,html))" */
static void outline(const struct mime_part *p, struct buf *out)
{
    buf_add_sv(out, p->subtype);
    if (!p->children)
        return;
    buf_add_c(out, '(');
    for (const struct mime_part *c = p->children; c; c = c->next) {
        if (c != p->children)
            buf_add_c(out, ',');
        outline(c, out);
    }
    buf_add_c(out, ')');
}

static void assert_outline(const char *text, const char *want)
{
    struct buf b;
    buf_init(&b, 1 * MiB);
    outline(parse(text), &b);
    assert_sv(buf_sv(&b), want);
    buf_done(&b);
}

#define M(b, rest) "Content-Type: multipart/mixed; boundary=" b "\r\n\r\n" rest

static void parts_and_their_bodies(void **state _unused_)
{
    struct mime_part *p = parse(M("b", "preamble\r\n--b\r\nContent-Type: text/html\r\n\r\none\r\n"
                                       "--b\r\n\r\ntwo\r\nlines\r\n\r\n--b--\r\nepilogue"));
    assert_int_equal(p->n_children, 2);
    assert_sv(p->children->subtype, "html");
    assert_sv(p->children->header, "Content-Type: text/html\r\n\r\n");
    assert_sv(p->children->body, "one");
    assert_int_equal(p->children->lines, 0);
    assert_sv(p->children->next->type, "text");
    assert_sv(p->children->next->body, "two\r\nlines\r\n");
    assert_int_equal(p->children->next->lines, 2);
    assert_sv(sv_take(p->body, 8), "preamble");
    assert_true(sv_iends(p->body, SV("epilogue")));
}

static void boundaries(void **state _unused_)
{
    assert_outline(M("b", "--b\r\n\r\n1\r\n--b  \t\r\n\r\n2\r\n--b--"), "mixed(plain,plain)");
    /* What follows the boundary behind a blank or the final "--" does not matter (RFC 2046). */
    assert_outline(M("b", "--b some text\r\n\r\n1\r\n--b-- more\r\n\r\n--b\r\n\r\nnot a part"),
                   "mixed(plain)");
    /* Boundaries that begin alike. */
    assert_outline(M("b",
                     "--b\r\nContent-Type: multipart/mixed; boundary=bb\r\n\r\n--bb\r\n\r\n1\r\n"
                     "--bb--\r\n--b\r\n\r\n2\r\n--b--"),
                   "mixed(mixed(plain),plain)");
    assert_outline(M("b", "--bb\r\n\r\n1\r\n--b--"), "mixed");
    /* One boundary for two levels: the inner one owns it. */
    assert_outline(M("b", "--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n1\r\n"
                          "--b--\r\n--b\r\n\r\n2\r\n--b--"),
                   "mixed(mixed(plain),plain)");
    /* The inner end is missing: the outer boundary ends both. */
    assert_outline(M("b", "--b\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n\r\n1\r\n"
                          "--b\r\n\r\n2\r\n--b--"),
                   "mixed(mixed(plain),plain)");
    assert_outline(M("b", "no part at all"), "mixed");
    assert_outline(M("\"\"", "--\r\n\r\n1"), "mixed");
    assert_outline("Content-Type: multipart/mixed\r\n\r\n--b\r\n\r\n1", "mixed");
    assert_outline(M("\"a b;c\\\"d\"", "--a b;c\"d\r\n\r\n1\r\n--a b;c\"d--"), "mixed(plain)");
    assert_outline("Content-Type: multipart/mixed; boundary*0=ab; boundary*1=\"cd\"\r\n\r\n"
                   "--abcd\r\n\r\n1\r\n--abcd--",
                   "mixed(plain)");
    /* A header block that a boundary cuts short. */
    assert_outline(M("b", "--b\r\nX: y\r\n--b\r\n\r\n2\r\n--b--"), "mixed(plain,plain)");
    assert_outline(M("b", "--b\n\n1\n--b\n\n2\n--b--\n"), "mixed(plain,plain)");
}

static void messages_inside(void **state _unused_)
{
    assert_outline("Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\nbody", "rfc822(plain)");
    assert_outline(
        "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: 1\r\n\r\n1"
        "\r\n--b\r\nContent-Type: text/plain\r\n\r\n2\r\n--b--",
        "digest(rfc822(plain),plain)");
    assert_outline(M("b",
                     "--b\r\nContent-Type: message/rfc822\r\n\r\nContent-Type: multipart/mixed; "
                     "boundary=i\r\n\r\n--i\r\n\r\n1\r\n--b\r\n\r\n2\r\n--b--"),
                   "mixed(rfc822(mixed(plain)),plain)");
}

static void types(void **state _unused_)
{
    static const struct {
        const char *header, *type, *subtype;
    } cases[] = {
        { "Content-Type: image/png", "image", "png" },
        { "content-type:TEXT/HTML;charset=x", "TEXT", "HTML" },
        { "Content-Type : (c) a (c) / (c) b (c) ; x=y", "a", "b" },
        { "Content-Type: text", "text", "plain" },
        { "Content-Type: /x", "text", "plain" },
        { "Content-Type: image/", "text", "plain" },
        { "Content-Type:", "text", "plain" },
        { "Content-Type:\r\n image/\r\n png", "image", "png" },
        { "Content-Type: image/png\r\nContent-Type: image/gif", "image", "png" },
        { "X-Content-Type: image/png", "text", "plain" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[200];
        snprintf(text, sizeof(text), "%s\r\n\r\nx", cases[i].header);
        struct mime_part *p = parse(text);
        assert_sv(p->type, cases[i].type);
        assert_sv(p->subtype, cases[i].subtype);
    }
}

static void header_fields(void **state _unused_)
{
    struct mime_part *p = parse("From: a\r\nno colon here\r\nSubject : two\r\n words\r\n: none\r\n"
                                "X:\r\nFROM: b\r\n\r\nTo: body");
    assert_int_equal(p->n_headers, 4);
    assert_sv(mime_header_get(p, SV("from"))->value, " a");
    assert_sv(mime_header_get(p, SV("subject"))->value, " two\r\n words");
    assert_sv(mime_header_get(p, SV("x"))->raw, "X:\r\n");
    assert_null(mime_header_get(p, SV("To")));
    assert_int_equal(mime_header_length(sv_c("A: b\r\n\r\nc")), 8);
    assert_int_equal(mime_header_length(sv_c("A: b\n\nc")), 6);
    assert_int_equal(mime_header_length(sv_c("A: b\r\n")), 6);
    assert_int_equal(mime_header_length(sv_c("\r\nc")), 2);
    assert_int_equal(mime_header_length(SV_NULL), 0);
}

static void fields_by_name(void **state _unused_)
{
    static const char header[] = "From: a\r\nTo: b\r\n c\r\nSubject: d\r\n\r\n";
    const struct sv two[] = { { "to", 2 }, { "SUBJECT", 7 } };
    struct sv many[40];
    struct buf b;
    buf_init(&b, 4096);
    assert_int_equal(mime_header_fields(sv_c(header), two, 2, false, &b), 0);
    assert_sv(buf_sv(&b), "To: b\r\n c\r\nSubject: d\r\n\r\n");
    buf_reset(&b);
    mime_header_fields(sv_c(header), two, 2, true, &b);
    assert_sv(buf_sv(&b), "From: a\r\n\r\n");
    buf_reset(&b);
    mime_header_fields(sv_c("To: x"), two, 2, false, &b); /* the message ends in its header */
    assert_sv(buf_sv(&b), "To: x\r\n\r\n");
    buf_reset(&b);
    mime_header_fields(SV_NULL, two, 2, false, &b);
    assert_sv(buf_sv(&b), "\r\n");
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = i == 39 ? SV("TO") : i % 2 ? SV("X-One") : SV("x-two");
    buf_reset(&b);
    mime_header_fields(sv_c(header), many, ARRAY_LEN(many), false, &b);
    assert_sv(buf_sv(&b), "To: b\r\n c\r\n\r\n");
    buf_done(&b);
}

static void sections(void **state _unused_)
{
    static const char msg[] =
        "Subject: root\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        "--b\r\nX: 1\r\n\r\none\r\n"
        "--b\r\nContent-Type: message/rfc822\r\n\r\n"
        "Subject: in\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n"
        "--i\r\nX: 21\r\n\r\ninner one\r\n--i\r\n\r\ninner two\r\n--i--\r\n"
        "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: flat\r\n\r\nflat body\r\n--b--\r\n";
    static const struct {
        const char *section, *begins, *ends; /* begins NULL: no such part */
    } cases[] = {
        { "", "Subject: root", "--b--\r\n" },
        { "HEADER", "Subject: root", "boundary=b\r\n\r\n" },
        { "TEXT", "--b\r\nX: 1", "--b--\r\n" },
        { "1", "one", "one" },
        { "1.MIME", "X: 1\r\n\r\n", "X: 1\r\n\r\n" },
        { "1.HEADER", NULL, NULL },
        { "1.TEXT", NULL, NULL },
        { "1.1", NULL, NULL },
        /* The line end of an inner end is not taken for the next boundary's, as Dovecot does. */
        { "2", "Subject: in", "--i--\r\n" },
        { "2.MIME", "Content-Type: message/rfc822\r\n\r\n", "\r\n\r\n" },
        { "2.HEADER", "Subject: in", "boundary=i\r\n\r\n" },
        { "2.TEXT", "--i\r\nX: 21", "--i--\r\n" },
        { "2.1", "inner one", "inner one" },
        { "2.1.MIME", "X: 21\r\n\r\n", "X: 21\r\n\r\n" },
        { "2.2", "inner two", "inner two" },
        { "2.3", NULL, NULL },
        { "3", "Subject: flat", "flat body" },
        { "3.1", "flat body", "flat body" },
        { "3.1.MIME", "Subject: flat\r\n\r\n", "Subject: flat\r\n\r\n" },
        { "3.2", NULL, NULL },
        { "4", NULL, NULL },
        { "0", NULL, NULL },
        { "MIME", NULL, NULL },
        { "99999999999", NULL, NULL },
        { "TEXT.1", NULL, NULL },
    };
    struct mime_part *p = parse(msg);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sv got = SV_NULL;
        int r = mime_section(p, sv_c(msg), sv_c(cases[i].section), &got);
        if (r != (cases[i].begins ? 0 : E_NOTFOUND))
            fail_msg("section %s: %d", cases[i].section, r);
        if (r == 0 &&
            (!sv_starts(got, sv_c(cases[i].begins)) || !sv_iends(got, sv_c(cases[i].ends))))
            fail_msg("section %s: '" SV_FMT "'", cases[i].section, SV_ARG(got));
    }
    p = parse("Subject: plain\r\n\r\nbody");
    struct sv got;
    assert_int_equal(mime_section(p, SV("x"), SV("1"), &got), 0);
    assert_sv(got, "body");
    assert_int_equal(mime_section(p, SV("x"), SV("2"), &got), E_NOTFOUND);
}

static void the_bounds(void **state _unused_)
{
    struct buf b;
    struct mime_part *p;
    unsigned depth = 0;
    buf_init(&b, 64 * MiB);
    buf_add_str(&b, "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
    for (int i = 0; i < MIME_MAX_PARTS + 500; i++)
        buf_addf(&b, "--b\r\n\r\npart %d\r\n", i);
    buf_add_str(&b, "--b--\r\n");
    p = parse_n(buf_sv(&b));
    assert_int_equal(p->n_children, MIME_MAX_PARTS - 1);
    for (p = p->children; p->next;)
        p = p->next;
    assert_true(sv_starts(p->body, SV("part 1998\r\n--b\r\n\r\npart 1999")));
    assert_true(sv_iends(p->body, SV("part 2499")));
    assert_int_equal(p->lines, 501 * 3);
    buf_reset(&b);
    for (int i = 0; i < 200; i++)
        buf_addf(&b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i);
    for (p = parse_n(buf_sv(&b)); p; p = p->children)
        depth++;
    assert_int_equal(depth, MIME_MAX_DEPTH);
    buf_reset(&b);
    for (int i = 0; i < 200; i++)
        buf_add_str(&b, "Content-Type: message/rfc822\r\n\r\n");
    for (depth = 0, p = parse_n(buf_sv(&b)); p; p = p->children)
        depth++;
    assert_int_equal(depth, MIME_MAX_DEPTH);
    buf_done(&b);
}

static void a_full_arena(void **state _unused_)
{
    struct buf b;
    struct arena a;
    struct mime_part *root = NULL;
    buf_init(&b, 1 * MiB);
    for (int i = 0; i < 1000; i++)
        buf_addf(&b, "X-%d: y\r\n", i);
    buf_add_str(&b, "\r\nbody");
    arena_init(&a, 4096);
    assert_int_equal(mime_parse(buf_sv(&b), &a, &root), E_RANGE);
    assert_non_null(root);
    assert_sv(root->body, "body");
    arena_done(&a);
    arena_init(&a, 16);
    assert_int_equal(mime_parse(buf_sv(&b), &a, &root), E_RANGE);
    arena_done(&a);
    buf_done(&b);
}

/* Every octet of a message belongs to the header or the body of the root, and what is inside lies
 * inside, in order. */
static void check_part(const struct mime_part *p, const char *from, const char *to)
{
    const char *at;
    assert_true(p->header.p >= from && p->body.p + p->body.n <= to);
    assert_true(p->header.p + p->header.n <= p->body.p);
    at = p->body.p;
    unsigned n = 0;
    for (const struct mime_part *c = p->children; c; c = c->next) {
        check_part(c, at, p->body.p + p->body.n);
        at = c->body.p + c->body.n;
        n++;
    }
    assert_int_equal(n, p->n_children);
    for (unsigned i = 0; i < p->n_headers; i++) {
        struct sv raw = p->headers[i].raw;
        assert_true(raw.p >= p->header.p && raw.p + raw.n <= p->header.p + p->header.n);
    }
}

static void check_message(const char *name, struct sv m, void *arg _unused_)
{
    struct mime_part *p = parse_n(m);
    struct buf out;
    if (m.n) {
        if (p->header.p != m.p || p->header.n + p->body.n != m.n)
            fail_msg("%s: %zu + %zu of %zu octets", name, p->header.n, p->body.n, m.n);
        check_part(p, m.p, m.p + m.n);
    }
    if (mime_header_length(m) != p->header.n)
        fail_msg("%s: header length %zu, parsed %zu", name, mime_header_length(m), p->header.n);
    buf_init(&out, 64 * MiB);
    assert_int_equal(mime_imap_envelope(p, &out), 0);
    assert_int_equal(mime_imap_bodystructure(p, true, &out), 0);
    assert_int_equal(mime_imap_bodystructure(p, false, &out), 0);
    for (const struct mime_part *c = p; c; c = c->children) {
        for (unsigned i = 0; i < c->n_headers; i++) {
            int64_t t;
            mime_decode_header(c->headers[i].value, &out);
            mime_param(c->headers[i].value, SV("name"), &out);
            mime_date(c->headers[i].value, &t, NULL);
        }
        mime_decode_body(c, &out);
    }
    buf_done(&out);
}

static void every_message_of_the_corpus(void **state _unused_)
{
    print_message("%u messages\n", corpus_each(check_message, NULL));
}

static int done(void **state _unused_)
{
    arena_done(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_and_their_bodies),
        cmocka_unit_test(boundaries),
        cmocka_unit_test(messages_inside),
        cmocka_unit_test(types),
        cmocka_unit_test(header_fields),
        cmocka_unit_test(fields_by_name),
        cmocka_unit_test(sections),
        cmocka_unit_test(the_bounds),
        cmocka_unit_test(a_full_arena),
        cmocka_unit_test(every_message_of_the_corpus),
    };
    return cmocka_run_group_tests(tests, NULL, done);
}
