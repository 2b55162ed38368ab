/* Every message of a corpus goes in by APPEND and comes back octet by octet; its parts fit
 * together. The directory is named by POSTHORN_CORPUS; without it a few broken messages of this
 * file are used. */
#include "imap_test.h"

#include <dirent.h>
#include <sys/stat.h>

static struct sv built_in[] = {
    SV("Subject: plain\r\n\r\nbody\r\n"),
    SV("no header at all"),
    SV("\r\n"),
    SV("Subject: no end"),
    SV("Subject: 8bit \xe4\xf6\r\nTo: \"a\\\"b\" <x@y>\r\n\r\n\x80\x81\r\n"),
    SV("Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\na\r\n--x\r\n\r\nb"),
    SV("Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\ntext"),
    SV("Subject: a\nbare LF\n\nbody\n"),
    SV("Subject: cr\rhere\r\n\r\nx\ry\r\n"),
};

/* Lone LF becomes CRLF, as a client would do; NUL cannot be sent in a literal. */
static void wire_form(struct sv in, struct buf *out)
{
    for (size_t i = 0; i < in.n; i++) {
        if (in.p[i] == '\n' && (i == 0 || in.p[i - 1] != '\r'))
            buf_add_c(out, '\r');
        buf_add_c(out, in.p[i]);
    }
}

/* The literal behind label in an answer. */
static struct sv literal_of(struct sv out, const char *label)
{
    ssize_t at = sv_find_sv(out, sv_c(label));
    assert_true(at >= 0);
    struct sv rest = sv_skip(out, (size_t)at + strlen(label));
    if (!sv_starts(rest, SV(" {")))
        return SV_NULL;
    rest = sv_skip(rest, 2);
    struct sv number = sv_split(&rest, '}');
    uint64_t n;
    assert_int_equal(sv_to_u64(number, &n), 0);
    assert_true(rest.n >= n + 2);
    return sv_n(rest.p + 2, (size_t)n);
}

static struct conn *conn;
static unsigned count;

static void one_message(struct sv message, const char *name)
{
    if (message.n == 0)
        return;
    struct sv out = imap_append(conn, "INBOX", message);
    if (!has(out, "x OK [APPENDUID"))
        fail_msg("%s: " SV_FMT, name, SV_ARG(sv_take(out, 300)));
    count++;
    out = imap_cmd(conn, "FETCH %u (RFC822.SIZE BODY.PEEK[])", count);
    struct sv whole = literal_of(out, "BODY[]");
    if (!sv_eq(whole, message))
        fail_msg("%s: comes back different", name);
    out = imap_cmd(conn, "FETCH %u (BODY.PEEK[HEADER] BODY.PEEK[TEXT])", count);
    struct sv header = literal_of(out, "BODY[HEADER]"), text = literal_of(out, "BODY[TEXT]");
    if (header.n + text.n != message.n || !sv_eq(header, sv_take(message, header.n)) ||
        !sv_eq(text, sv_skip(message, header.n)))
        fail_msg("%s: header and text are not the message", name);
    /* In pieces. */
    struct buf joined;
    buf_init(&joined, message.n + 1);
    for (size_t off = 0; off < message.n; off += 5000) {
        char label[40];
        out = imap_cmd(conn, "FETCH %u BODY.PEEK[]<%zu.5000>", count, off);
        (void)snprintf(label, sizeof(label), "BODY[]<%zu>", off);
        buf_add_sv(&joined, literal_of(out, label));
    }
    assert_true(sv_eq(buf_sv(&joined), message));
    buf_done(&joined);
    out = imap_cmd(conn, "FETCH %u (ENVELOPE BODY BODYSTRUCTURE BODY.PEEK[1] BODY.PEEK[1.MIME])",
                   count);
    if (!has(out, "x OK FETCH"))
        fail_msg("%s: " SV_FMT, name, SV_ARG(sv_take(out, 300)));
}

static void one_file(const char *path)
{
    struct buf raw, wire;
    struct errinfo ei = { 0 };
    buf_init(&raw, 64 * MiB);
    buf_init(&wire, 128 * MiB);
    must_be_ok(os_read_file(path, &raw, &ei), &ei, path);
    wire_form(buf_sv(&raw), &wire);
    one_message(buf_sv(&wire), path);
    buf_done(&raw);
    buf_done(&wire);
}

static void each_file(const char *dir)
{
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        struct stat st;
        if (e->d_name[0] == '.')
            continue;
        _cleanup_(freep) char *path = xasprintf("%s/%s", dir, e->d_name);
        if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
            each_file(path);
        else if (sv_iends(sv_c(path), SV(".eml")))
            one_file(path);
    }
    closedir(d);
}

static void bytes_come_back(void **state _unused_)
{
    struct env e;
    env_open(&e);
    conn = imap_login(&e, "ann");
    expect(imap_cmd(conn, "SELECT INBOX"), "x OK");
    for (size_t i = 0; i < ARRAY_LEN(built_in); i++)
        one_message(built_in[i], "built-in");
    const char *dir = getenv("POSTHORN_CORPUS");
    if (dir)
        each_file(dir);
    /* All at once, and searched. */
    struct sv out = imap_cmd(conn, "FETCH 1:* (UID ENVELOPE BODYSTRUCTURE BODY.PEEK[])");
    expect(out, "x OK FETCH completed");
    unsigned fetched = 0;
    for (struct sv rest = out; rest.n;) {
        ssize_t at = sv_find_sv(rest, SV(" FETCH (UID "));
        if (at < 0)
            break;
        fetched++;
        rest = sv_skip(rest, (size_t)at + 12);
    }
    assert_true(fetched >= count);
    expect(imap_cmd(conn, "SEARCH TEXT xyzzyqwert"), "* SEARCH\r\nx OK");
    expect(imap_cmd(conn, "SEARCH OR BODY e HEADER Received from"), "x OK");
    print_message("%u messages\n", count);
    conn_test_free(conn, CLOSE_QUIT);
    env_close(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(bytes_come_back) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
