/* link: server_imap net_test */
/* Whole IMAP sessions on the test driver, with an account and a mailbox in memory. The first byte
 * chooses the state that the session begins in, the second how the input is cut. Checked: responses
 * are well formed (lines, literals, parentheses), message numbers stay within what was told, and
 * cutting changes nothing. */
#include "imap_fakes.h"

#include <stdint.h>

#include "base/clock.h"
#include "conf/conf.h"
#include "log/log.h"
#include "net/conn_test.h"
#include "server/imap/imap_server.h"

static void must(bool ok)
{
    if (!ok)
        abort();
}

struct view {
    uint32_t exists;
    bool selected;
};

/* "* n EXPUNGE" and the like. */
static void check_numbers(struct view *v, struct sv line)
{
    uint32_t n;
    struct sv rest = sv_skip(line, 2);
    struct sv word = sv_split(&rest, ' ');
    if (sv_eq(word, SV("FLAGS")))
        v->selected = true;
    if (sv_to_u32(word, &n) < 0 || !rest.p)
        return;
    if (sv_eq(rest, SV("EXISTS"))) {
        v->exists = n;
    } else if (sv_eq(rest, SV("EXPUNGE"))) {
        must(n >= 1 && n <= v->exists);
        v->exists--;
    } else if (sv_starts(rest, SV("FETCH "))) {
        must(n >= 1 && n <= v->exists);
    }
}

/* One response: a line, or several joined by literals. Strings are skipped. Returns its length. */
static size_t check_response(struct view *v, struct sv out)
{
    size_t i = 0;
    long depth = 0;
    bool quoted = false;
    bool untagged = sv_starts(out, SV("* "));
    bool free_text = sv_starts(out, SV("+ ")) || sv_starts(out, SV("+\r")) ||
                     sv_starts(out, SV("* OK")) || sv_starts(out, SV("* BYE")) ||
                     sv_starts(out, SV("* BAD")) || !untagged;
    must(out.n > 2 && (unsigned char)out.p[0] > 0x20 && (unsigned char)out.p[0] < 0x7f);
    for (;;) {
        must(i < out.n);
        char c = out.p[i];
        if (c == '\r') {
            must(!quoted && i + 1 < out.n && out.p[i + 1] == '\n');
            struct sv line = sv_take(out, i);
            uint64_t size = 0;
            ssize_t brace = sv_rfind(line, '{');
            if (!free_text && line.n && line.p[line.n - 1] == '}' && brace >= 0 &&
                sv_to_u64(sv_n(line.p + brace + 1, line.n - (size_t)brace - 2), &size) == 0) {
                must(size <= out.n - i - 2);
                i += 2 + (size_t)size;
                continue;
            }
            must(free_text || depth == 0);
            if (untagged)
                check_numbers(v, sv_take(line, line.n));
            return i + 2;
        }
        must(c != '\n' && (free_text || (unsigned char)c < 0x80) && c != '\0');
        if (!free_text) {
            if (c == '"')
                quoted = !quoted;
            else if (quoted && c == '\\')
                i++;
            else if (!quoted)
                depth += (c == '(') - (c == ')');
            must(depth >= 0);
        }
        i++;
    }
}

static void check_responses(struct sv out)
{
    struct view v = { 0 };
    while (out.n)
        out = sv_skip(out, check_response(&v, out));
}

static void publish(bool tight)
{
    const struct conf_pair pairs[] = {
        { "system.hostname", "imap.example" },
        { "imap.max_literal", tight ? "1024" : "64KiB" },
        { "imap.max_command", tight ? "8KiB" : "256KiB" },
        { "imap.max_append", tight ? "2000" : "1MiB" },
        { "imap.max_auth_attempts", "100" },
        { "auth.failure_delay", "0ms" },
    };
    struct conf *cf;
    struct errinfo ei;
    must(conf_build(pairs, ARRAY_LEN(pairs), &cf, &ei) == 0);
    conf_publish(cf);
}

static void fill(void)
{
    static const struct sv messages[] = {
        SV("From: Bob <bob@example.net>\r\nSubject: one\r\nDate: Mon, 5 Feb 2024 10:00:00 +0100\r\n"
           "\r\nThe needle.\r\n"),
        SV("Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\nContent-Type: multipart/mixed; "
           "boundary=b\r\n\r\n"
           "--b\r\n\r\none\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: "
           "in\r\n\r\nx\r\n--b--"),
        SV("no header \"\\\xe4"),
    };
    fake_reset();
    for (size_t i = 0; i < ARRAY_LEN(messages); i++)
        must(fake_put(&fake_folders[0], messages[i], i, 1700000000) > 0);
}

static void session(struct sv in, size_t step, unsigned flags, struct buf *out)
{
    struct imap_server srv = { 0 };
    const struct conn_test facts = { .peer_ip = "192.0.2.1",
                                     .local_ip = "192.0.2.143",
                                     .can_tls = flags & 2,
                                     .trusted = flags & 4,
                                     .tls = flags & 8 };
    fill();
    struct conn *c = conn_test_open(&imap_ops, &srv, &facts);
    if (flags & 12 && flags & 16)
        conn_test_input(c, SV("1 LOGIN bob secret\r\n"));
    if (flags & 12 && flags & 16 && flags & 64)
        conn_test_input(c, flags & 128 ? SV("2 EXAMINE INBOX\r\n") : SV("2 SELECT INBOX\r\n"));
    while (in.n && !conn_test_closed(c)) {
        conn_test_input(c, sv_take(in, step));
        if (conn_test_starttls(c))
            conn_test_secure(c);
        in = sv_skip(in, step);
    }
    must(buf_add_sv(out, conn_test_output(c)) == 0);
    conn_test_free(c, CLOSE_PEER);
    check_responses(buf_sv(out));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct buf all, cut;
    struct sv in = sv_n(data + 2, size - 2);
    clock_test_freeze(1700000000000);
    log_set_level(LOG_IMAP, LOG_NONE);
    publish(data[0] & 32);
    buf_init(&all, 256 * MiB);
    buf_init(&cut, 256 * MiB);
    session(in, in.n ? in.n : 1, data[0], &all);
    session(in, (size_t)data[1] % 64 + 1, data[0], &cut);
    /* With STARTTLS the difference is meant: what comes along with it ends the session. */
    if (!(data[0] & 2))
        must(all.n == cut.n && (all.n == 0 || !memcmp(all.p, cut.p, all.n)));
    buf_done(&all);
    buf_done(&cut);
    return 0;
}
