/* link: proto */
/* Arguments of SMTP commands: the first byte chooses the parser. What is accepted keeps the
 * promises of the header. */
#include <stdint.h>

#include "base/codec.h"
#include "proto/smtp_args.h"

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void inside(struct sv part, struct sv whole)
{
    must(part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n));
}

static void check_path(const struct smtp_path *p, struct sv line)
{
    inside(p->address, line);
    inside(p->local, line);
    inside(p->domain, line);
    must(p->local.n <= SMTP_MAX_LOCAL && p->domain.n <= SMTP_MAX_DOMAIN);
    for (size_t i = 0; i < p->address.n; i++)
        must((unsigned char)p->address.p[i] >= 32 && p->address.p[i] != 127);
    must(p->utf8 == sv_has_8bit(p->address) && utf8_valid(p->address));
}

static void check_xtext(struct sv s)
{
    struct buf b;
    buf_init(&b, s.n);
    must(smtp_xtext_valid(s) == (smtp_xtext_decode(s, &b) == 0));
    buf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    char *copy = sv_dup(sv_n(data + 1, size - 1)); /* the exact size lets ASAN see overreads */
    struct sv line = sv_n(copy, size - 1), args;
    struct smtp_mail_args m;
    struct smtp_rcpt_args r;
    struct smtp_path path;
    uint64_t n;
    bool last;
    switch (data[0] % 7) {
    case 0:
        if (smtp_parse_mail(line, &m) == SMTP_ARG_OK) {
            check_path(&m.from, line);
            must(!m.envid.p || smtp_xtext_valid(m.envid));
        }
        break;
    case 1:
        if (smtp_parse_rcpt(line, &r) == SMTP_ARG_OK) {
            check_path(&r.to, line);
            must(r.to.address.n > 0);
            must(!(r.notify & SMTP_NOTIFY_NEVER) || r.notify == SMTP_NOTIFY_NEVER);
        }
        break;
    case 2:
        if (smtp_parse_path(line, &path) == SMTP_ARG_OK)
            check_path(&path, line);
        break;
    case 3:
        (void)smtp_parse_bdat(line, &n, &last);
        break;
    case 4:
        if (smtp_helo_valid(line))
            must(line.n && !memchr(line.p, '\n', line.n) && !memchr(line.p, '\0', line.n));
        break;
    case 5:
        check_xtext(line);
        break;
    case 6:
        inside(smtp_verb(line, &args), line);
        inside(args, line);
        must(smtp_arg_count(args) <= args.n);
        break;
    }
    free(copy);
    return 0;
}
