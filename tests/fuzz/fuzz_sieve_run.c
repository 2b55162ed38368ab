/* link: mail_sieve */
/* A script and, behind a line "--", a message: whatever both are, the run ends, stays within its
 * memory, and leaves actions whose texts lie inside it. */
#include <stdint.h>

#include "base/codec.h"
#include "mail/sieve/sieve_run.h"

static void must(bool ok)
{
    if (!ok)
        abort();
}

static volatile size_t sink;

static void readable(struct sv s)
{
    for (size_t i = 0; i < s.n; i++)
        sink += (unsigned char)s.p[i];
}

static int some_exist(void *arg _unused_, struct sv folder)
{
    return folder.n % 2 == 0;
}

static int some_seen(void *arg _unused_, struct sv id, int64_t seconds _unused_, bool refresh)
{
    return id.n % 2 == 0 || refresh;
}

static void check(const struct sieve_env *e, const struct sieve_result *r)
{
    struct sv header, body;
    must(r->n <= e->max_actions + 1 && r->n_marks <= e->max_actions);
    must(r->error == 0 || (r->n == 1 && r->v[0].kind == SIEVE_DO_KEEP && *r->ei.text));
    must(r->n || r->discard_line);
    for (size_t i = 0; i < r->n; i++) {
        const struct sieve_action *a = &r->v[i];
        readable(a->target);
        readable(a->text);
        readable(a->subject);
        for (size_t k = 0; k < a->n_flags; k++)
            must(a->flags[k].n > 0 && a->flags[k].n <= 100);
        must(a->kind != SIEVE_DO_FILE || (a->target.n && utf8_valid(a->target)));
        must(a->kind != SIEVE_DO_REDIRECT || sieve_is_address(a->target));
        sieve_content(e, r, a, &header, &body);
        readable(header);
        readable(body);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct sieve_script s;
    struct sieve_problems p;
    struct sieve_result r;
    struct sv script = sv_n(data, size), message = SV("");
    ssize_t cut = sv_find_sv(script, SV("\n--\n"));
    if (size > 64 * KiB)
        return 0;
    if (cut >= 0) {
        message = sv_skip(script, (size_t)cut + 4);
        script = sv_take(script, (size_t)cut + 1);
    }
    struct sieve_env e = { .message = message,
                           .sender = SV("tim@example.com"),
                           .rcpt = SV("ken+x@example.org"),
                           .auth = SV("tim"),
                           .delimiters = SV("+"),
                           .now_s = 1796000000,
                           .max_actions = 32,
                           .max_redirects = 4,
                           .mailbox_exists = some_exist,
                           .seen = some_seen };
    arena_init(&a, SIEVE_ARENA);
    if (sieve_parse(script, &a, &s, &p) == 0) {
        must(sieve_run(&s, &e, &r) == 0);
        check(&e, &r);
        must(r.arena.used <= SIEVE_RUN_MEMORY);
        sieve_result_done(&r);
    }
    arena_done(&a);
    return 0;
}
