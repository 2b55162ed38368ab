/* link: mail_account */
/* SASL exchanges with hostile clients. Input: first byte = mechanism, second = session's facts,
 * then messages, each behind a length of two bytes. The same bytes go through the SCRAM parser, the
 * address parser and the key parser. The database is an SQLite file in memory-backed storage with
 * two accounts. */
#include <stdio.h>
#include <unistd.h>

#include "log/log.h"
#include "mail/account/account.h"
#include "mail/account/address.h"
#include "mail/account/auth.h"
#include "mail/account/mechanisms.h"
#include "mail/account/scram.h"
#include "conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct accounts *acc;

static void must(int r, const struct errinfo *ei)
{
    if (r < 0)
        panic("fuzz_sasl: %s", ei->text);
}

static void publish(void)
{
    static const struct conf_pair pairs[] = {
        { "auth.argon2_memory", "1MiB" },
        { "auth.argon2_passes", "1" },
        { "auth.cram_md5", "yes" },
        { "auth.digest_md5", "yes" },
        { "auth.max_failures", "0" },
        { "auth.max_failures_ip", "0" },
        { "auth.plain_without_tls", "always" },
    };
    struct errinfo ei = { 0 };
    struct conf *c = NULL;
    must(conf_build(pairs, ARRAY_LEN(pairs), &c, &ei), &ei);
    conf_publish(c);
}

static void open_once(void)
{
    struct errinfo ei = { 0 };
    struct db *db = NULL;
    char dsn[80];
    if (acc)
        return;
    log_set_level(LOG_AUTH, LOG_NONE);
    log_set_level(LOG_MAINTENANCE, LOG_NONE);
    publish();
    snprintf(dsn, sizeof(dsn), "sqlite:/dev/shm/posthorn-fuzz-sasl-%d.db?sync=off", (int)getpid());
    must(db_open(dsn, &db, &ei), &ei);
    must(db_migrate(db, account_migrations, account_migrations_count, &ei), &ei);
    must(accounts_open(db, &acc, &ei), &ei);
    must(domain_create(acc, "t", &(struct domain_spec){ .name = "a.test" }, &ei), &ei);
    must(account_create(acc, "t", SV("u@a.test"), &(struct account_spec){ .password = "{PLAIN}p" },
                        &ei),
         &ei);
    must(account_create(acc, "t", SV("v@a.test"), &(struct account_spec){ .password = "12345678" },
                        &ei),
         &ei);
    for (const char *end = ""; end; end = !*end ? "-wal" : end[1] == 'w' ? "-shm" : NULL) {
        char path[100];
        snprintf(path, sizeof(path), "/dev/shm/posthorn-fuzz-sasl-%d.db%s", (int)getpid(), end);
        unlink(path); /* the open files stay */
    }
}

static void exchange(enum mech_id id, uint8_t facts, struct sv in)
{
    struct auth_peer p = { .service = "IMAP",
                           .ip = facts & 8 ? "2001:db8::1" : "192.0.2.1",
                           .hostname = facts & 4 ? "mx.a.test" : NULL,
                           .tls = facts & 1 };
    struct sasl *s = NULL;
    struct buf out;
    if (facts & 2) {
        p.cb_type = facts & 16 ? "tls-unique" : "tls-exporter";
        p.cb_data = SV("0123456789abcdef");
    }
    if (sasl_start(acc, &p, sv_c(mechs[id].name), &s, NULL) < 0)
        return;
    buf_init(&out, 16 * KiB);
    int r = 1;
    if (facts & 32) {
        const struct account *a = NULL;
        r = sasl_step(s, SV_NULL, &out, &a, NULL);
    }
    while (r == 1 && in.n >= 2) {
        const struct account *a = NULL;
        size_t n = (size_t)(unsigned char)in.p[0] << 8 | (unsigned char)in.p[1];
        char *copy = sv_dup(sv_take(sv_skip(in, 2), n)); /* exact bounds for the sanitizer */
        n = MIN(n, in.n - 2);
        in = sv_skip(in, 2 + n);
        buf_reset(&out);
        (void)sasl_is_fast(s, sv_n(copy, n));
        r = sasl_step(s, sv_n(copy, n), &out, &a, NULL);
        if ((r == 0) != (a != NULL) || (r < 0 && out.n > 0))
            panic("fuzz_sasl: step gave %d", r);
        account_unref(a);
        free(copy);
    }
    buf_done(&out);
    sasl_free(s);
}

static void parsers(struct sv in)
{
    struct scram_keys k;
    struct scram s;
    struct addr a, again;
    struct buf user, authzid;
    (void)scram_keys_parse(SCRAM_SHA256, in, &k);
    if (addr_parse(in, &a, NULL) == 0 &&
        (addr_parse(addr_sv(&a), &again, NULL) < 0 || !sv_eq(addr_sv(&a), addr_sv(&again))))
        panic("fuzz_sasl: '%s' is not canonical", a.text);
    buf_init(&user, 1024);
    buf_init(&authzid, 1024);
    scram_init(&s, SCRAM_SHA256, false);
    memset(&k, 7, sizeof(k));
    k.salt_n = 16;
    struct sv rest = in;
    struct sv first = sv_split(&rest, '\n');
    if (scram_client_first(&s, first, &user, &authzid, NULL) == 0 &&
        scram_server_first(&s, &k, SV("nonce"), &user) == 0 &&
        scram_client_final(&s, rest, &user, NULL) == 0)
        panic("fuzz_sasl: a proof was guessed");
    scram_done(&s);
    buf_done(&user);
    buf_done(&authzid);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    open_once();
    if (size < 2)
        return 0;
    struct sv rest = sv_n((const char *)data + 2, size - 2);
    exchange((enum mech_id)(data[0] % MECH_COUNT), data[1], rest);
    parsers(rest);
    return 0;
}
