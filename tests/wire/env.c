/* The surroundings of a wire script: settings, accounts, DNS answers, mail store, queue, log. */
#include "wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "log/log.h"
#include "os/file.h"

static struct { /* DNS answers of the script */
    char name[256];
    enum dns_type type;
    int error;
    char *texts[8];
    uint16_t prios[8];
    size_t n;
} dns[64];
static size_t n_dns;

static struct sv next_word(struct sv *rest)
{
    *rest = sv_trim(*rest);
    struct sv word = sv_split(rest, ' ');
    if (!rest->p)
        *rest = SV("");
    return word;
}

static void check(int r, const struct errinfo *ei, const char *what)
{
    if (r < 0)
        wire_fail("%s: %s (%s)", what, ei->text, err_name(r));
}

/* --- settings --- */

static void publish(struct wire_env *e)
{
    struct conf *cf;
    struct errinfo ei = { 0 };
    check(conf_build(e->settings, e->n_settings, &cf, &ei), &ei, "SET");
    conf_publish(cf);
}

static void set(struct wire_env *e, struct sv pair)
{
    struct sv value = pair;
    struct sv name = sv_split(&value, '=');
    size_t i = 0;
    while (i < e->n_settings && !sv_eq(name, sv_c(e->settings[i].name)))
        i++;
    if (i == ARRAY_LEN(e->settings))
        wire_fail("too many settings");
    if (i == e->n_settings)
        e->settings[e->n_settings++].name = sv_dup(name);
    else
        free((char *)e->settings[i].value);
    e->settings[i].value = sv_dup(value);
    publish(e);
}

/* --- DNS --- */

static enum dns_type dns_type_of(struct sv s)
{
    static const struct {
        struct sv name;
        enum dns_type type;
    } types[] = { { SV("A"), DNS_A },
                  { SV("AAAA"), DNS_AAAA },
                  { SV("MX"), DNS_MX },
                  { SV("TXT"), DNS_TXT },
                  { SV("PTR"), DNS_PTR } };
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (sv_eq(s, types[i].name))
            return types[i].type;
    wire_fail("unknown DNS type " SV_FMT, SV_ARG(s));
}

static void dns_add(struct sv rest)
{
    struct sv name = next_word(&rest);
    struct sv type = next_word(&rest);
    if (n_dns == ARRAY_LEN(dns))
        wire_fail("too many DNS lines");
    (void)sv_copy(dns[n_dns].name, sizeof(dns[n_dns].name), name);
    dns[n_dns].type = dns_type_of(type);
    bool mx = dns[n_dns].type == DNS_MX;
    while (rest.n) {
        struct sv word = next_word(&rest);
        if (sv_eq(word, SV("NXDOMAIN")) || sv_eq(word, SV("NODATA")) ||
            sv_eq(word, SV("SERVFAIL"))) {
            dns[n_dns].error = *word.p == 'S' ? E_TEMP : word.p[1] == 'X' ? E_NXDOMAIN : E_NODATA;
            break;
        }
        uint32_t prio = 0;
        if (mx && sv_to_u32(word, &prio) == 0)
            word = next_word(&rest);
        dns[n_dns].prios[dns[n_dns].n] = (uint16_t)prio;
        dns[n_dns].texts[dns[n_dns].n++] = sv_dup(word);
    }
    n_dns++;
}

int wire_dns_lookup(const char *name, enum dns_type type, struct dns_answer **ret,
                    struct errinfo *ei)
{
    bool known = false;
    for (size_t i = 0; i < n_dns; i++) {
        if (!sv_ieq(sv_c(name), sv_c(dns[i].name)))
            continue;
        known = true;
        if (dns[i].type != type)
            continue;
        if (dns[i].error)
            return err_set(ei, dns[i].error, "%s", name);
        size_t n = dns[i].n;
        *ret = xcalloc(1, sizeof(**ret) + n * sizeof((*ret)->rr[0]));
        (*ret)->n = n;
        for (size_t k = 0; k < n; k++)
            (*ret)->rr[k] =
                (struct dns_rr){ .prio = dns[i].prios[k], .text = xstrdup(dns[i].texts[k]) };
        return 0;
    }
    return err_set(ei, known ? E_NODATA : E_NXDOMAIN, "%s", name);
}

/* Scripts write PTR lines under the address itself: DNS 192.0.2.1 PTR host. */
int wire_dns_lookup_ptr(const char *ip, struct dns_answer **ret, struct errinfo *ei)
{
    return wire_dns_lookup(ip, DNS_PTR, ret, ei);
}

void wire_dns_free(struct dns_answer *a)
{
    for (size_t i = 0; i < a->n; i++)
        free(a->rr[i].text);
    free(a);
}

/* --- accounts --- */

/* Values of "key=value ..." into the string members that rows name. */
struct spec_row {
    const char *key;
    const char **member;
};

static void fill_spec(struct sv rest, const struct spec_row *rows, size_t n)
{
    while (rest.n) {
        struct sv value = next_word(&rest);
        struct sv key = sv_split(&value, '=');
        size_t i = 0;
        while (i < n && !sv_eq(key, sv_c(rows[i].key)))
            i++;
        if (i == n)
            wire_fail("unknown key '" SV_FMT "'", SV_ARG(key));
        *rows[i].member = sv_dup(value);
    }
}

static void free_spec(const struct spec_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free((char *)*rows[i].member);
}

static void add_domain(struct wire_env *e, struct sv rest)
{
    struct errinfo ei = { 0 };
    struct sv name = next_word(&rest);
    struct domain_spec s = { 0 };
    const struct spec_row rows[] = {
        { "enabled", &s.enabled }, { "primary", &s.primary },
        { "unknown", &s.unknown }, { "unknown_to", &s.unknown_to },
        { "quota", &s.quota },     { "max_message", &s.max_message },
        { "type", &s.type },       { "backup_host", &s.backup_host },
    };
    fill_spec(rest, rows, ARRAY_LEN(rows));
    _cleanup_(freep) char *copy = sv_dup(name);
    s.name = copy;
    check(domain_create(e->accounts, "test", &s, &ei), &ei, "DOMAIN");
    free_spec(rows, ARRAY_LEN(rows));
}

static void put_account(struct wire_env *e, struct sv rest, bool create)
{
    struct errinfo ei = { 0 };
    struct sv address = next_word(&rest);
    struct account_spec s = { 0 };
    const struct spec_row rows[] = {
        { "name", &s.name },
        { "enabled", &s.enabled },
        { "quota", &s.quota },
        { "soft_quota", &s.soft_quota },
        { "max_message", &s.max_message },
        { "local_only", &s.local_only },
        { "aliases", &s.aliases },
        { "password", &s.password },
    };
    if (create)
        s.password = sv_dup(next_word(&rest));
    fill_spec(rest, rows, ARRAY_LEN(rows));
    struct sv domain = sv_skip(address, (size_t)(sv_rfind(address, '@') + 1));
    if (create && !account_domain_is_local(e->accounts, domain))
        add_domain(e, domain);
    int r = create ? account_create(e->accounts, "test", address, &s, &ei)
                   : account_update(e->accounts, "test", address, &s, &ei);
    check(r, &ei, "ACCOUNT");
    free_spec(rows, ARRAY_LEN(rows));
}

static void set_alias(struct wire_env *e, struct sv rest)
{
    struct errinfo ei = { 0 };
    struct sv address = next_word(&rest);
    _cleanup_(freep) char *targets = sv_dup(rest);
    check(alias_set(e->accounts, "test", address, targets, &ei), &ei, "ALIAS");
}

static void add_mail(struct wire_env *e, struct sv address, struct sv content)
{
    static uint64_t key = 1;
    struct errinfo ei = { 0 };
    const struct account *a = NULL;
    _cleanup_(mailbox_unrefp) struct mailbox *m = NULL;
    check(account_find_address(e->accounts, address, &a, &ei), &ei, "MAIL");
    check(mailbox_open(e->store, a->id, sv_c(a->address), &m, &ei), &ei, "MAIL");
    struct mailbox_add add = {
        .key = key++, .content = content, .size = content.n, .internal_date_s = 1700000000
    };
    check(mailbox_add(m, mailbox_inbox_id(m), &add, 1, true, 0, NULL, NULL, &ei), &ei, "MAIL");
    account_unref(a);
}

static void add_mail_lines(struct wire_env *e, struct sv address, struct sv body)
{
    struct buf b;
    buf_init(&b, 16 * MiB);
    while (body.n) {
        struct sv line = sv_split(&body, '\n');
        size_t indent = 0;
        while (indent < line.n && indent < 4 && line.p[indent] == ' ')
            indent++;
        wire_expand(sv_skip(line, indent), &b);
        (void)buf_add_str(&b, "\r\n");
    }
    add_mail(e, address, buf_sv(&b));
    buf_done(&b);
}

static void fill_mailbox(struct wire_env *e, struct sv rest)
{
    uint32_t bytes;
    struct sv address = next_word(&rest);
    if (sv_to_u32(next_word(&rest), &bytes) < 0)
        wire_fail("FILL address bytes");
    _cleanup_(freep) char *text = xmalloc(bytes);
    memset(text, 'x', bytes);
    add_mail(e, address, sv_n(text, bytes));
}

/* --- the queue --- */

struct newest {
    char item[64];
};

static bool note_newest(const struct queue_info *qi, void *arg)
{
    struct newest *n = arg;
    if (strcmp(qi->item, n->item) > 0)
        (void)sv_copy(n->item, sizeof(n->item), sv_c(qi->item));
    return true;
}

static struct message *newest_message(struct wire_env *e)
{
    struct newest n = { "" };
    struct message *m;
    queue_each(e->queue, note_newest, &n);
    if (!*n.item || queue_view(e->queue, sv_c(n.item), &m) < 0)
        wire_fail("the queue is empty");
    return m;
}

static void check_queued(struct wire_env *e, struct sv rest)
{
    uint32_t want;
    if (sv_to_u32(sv_trim(rest), &want) < 0 || queue_count(e->queue) != want)
        wire_fail("the queue has %zu messages", queue_count(e->queue));
}

static void check_envelope(struct wire_env *e, struct sv rest)
{
    static const char *const kinds[] = { "local", "remote", "discard" };
    struct message *m = newest_message(e);
    struct buf b;
    buf_init(&b, 64 * KiB);
    (void)buf_addf(&b, "<%s>", m->sender);
    for (size_t i = 0; i < m->n_rcpts; i++)
        (void)buf_addf(&b, " %s %s", m->rcpts[i].address, kinds[m->rcpts[i].kind]);
    if (!wire_match(rest, buf_sv(&b)))
        wire_fail("the envelope is " SV_FMT, SV_ARG(buf_sv(&b)));
    buf_done(&b);
    message_unref(m);
}

static void check_dsn(struct wire_env *e, struct sv rest)
{
    struct message *m = newest_message(e);
    _cleanup_(freep) char *got = xasprintf(
        "ret=%c envid=%s notify=%u orcpt=%s original=%s 8bit=%d utf8=%d transid=%s auth=%s",
        m->ret ? m->ret : '-', m->envid, m->rcpts[0].notify, m->rcpts[0].orcpt,
        m->rcpts[0].original, m->body_8bit, m->smtputf8, m->transid, m->auth_user);
    if (!wire_match(rest, sv_c(got)))
        wire_fail("the message has %s", got);
    message_unref(m);
}

/* Runs fn on the content of the newest message. */
static void with_content(struct wire_env *e, struct sv rest,
                         bool (*fn)(struct sv content, struct sv want))
{
    struct errinfo ei = { 0 };
    struct message *m = newest_message(e);
    struct buf tmp;
    struct sv content;
    buf_init(&tmp, 256 * MiB);
    check(message_read(m, &tmp, &content, &ei), &ei, "content");
    if (!fn(content, rest))
        wire_fail("the message is:\n" SV_FMT, SV_ARG(sv_take(content, 4000)));
    buf_done(&tmp);
    message_unref(m);
}

static bool has_line(struct sv content, struct sv pattern)
{
    while (content.n) {
        ssize_t end = sv_find_sv(content, SV("\r\n"));
        size_t n = end < 0 ? content.n : (size_t)end;
        if (wire_match(pattern, sv_take(content, n)))
            return true;
        content = sv_skip(content, n + 2);
    }
    return false;
}

static bool body_is(struct sv content, struct sv text)
{
    struct buf want;
    buf_init(&want, 64 * MiB);
    wire_expand(text, &want);
    /* Return-Path, then Received with its folded lines. */
    for (int fields = 0; content.n;) {
        bool folded = *content.p == ' ' || *content.p == '\t';
        if (!folded && fields++ == 2)
            break;
        content = sv_skip(content, (size_t)sv_find_sv(content, SV("\r\n")) + 2);
    }
    bool same = sv_eq(content, buf_sv(&want));
    buf_done(&want);
    return same;
}

/* --- the log --- */

static void check_log(struct wire_env *e, struct sv pattern, bool want)
{
    struct sv rest = want ? sv_skip(buf_sv(&e->log), e->log_at) : buf_sv(&e->log);
    while (rest.n) {
        struct sv line = sv_split(&rest, '\n');
        if (!wire_match(pattern, line))
            continue;
        if (!want)
            wire_fail("the log has '" SV_FMT "'", SV_ARG(line));
        e->log_at = (size_t)(line.p + line.n - e->log.p);
        return;
    }
    if (want)
        wire_fail("no such line in the log:\n" SV_FMT, SV_ARG(buf_sv(&e->log)));
}

bool wire_env_directive(struct wire_env *e, struct sv word, struct sv rest, struct sv body)
{
    if (sv_eq(word, SV("SET")))
        set(e, rest);
    else if (sv_eq(word, SV("DNS")))
        dns_add(rest);
    else if (sv_eq(word, SV("DOMAIN")))
        add_domain(e, rest);
    else if (sv_eq(word, SV("ACCOUNT")))
        put_account(e, rest, true);
    else if (sv_eq(word, SV("CHANGE")))
        put_account(e, rest, false);
    else if (sv_eq(word, SV("ALIAS")))
        set_alias(e, rest);
    else if (sv_eq(word, SV("MAIL")))
        add_mail_lines(e, sv_trim(rest), body);
    else if (sv_eq(word, SV("FILL")))
        fill_mailbox(e, rest);
    else if (sv_eq(word, SV("QUEUED")))
        check_queued(e, rest);
    else if (sv_eq(word, SV("ENVELOPE")))
        check_envelope(e, rest);
    else if (sv_eq(word, SV("FACTS")))
        check_dsn(e, rest);
    else if (sv_eq(word, SV("M:")))
        with_content(e, rest, has_line);
    else if (sv_eq(word, SV("BODY")))
        with_content(e, rest, body_is);
    else if (sv_eq(word, SV("LOG")))
        check_log(e, rest, true);
    else if (sv_eq(word, SV("NOLOG")))
        check_log(e, rest, false);
    else
        return false;
    return true;
}

/* --- begin and end --- */

static void open_stores(struct wire_env *e)
{
    struct errinfo ei = { 0 };
    _cleanup_(freep) char *dsn = xasprintf("sqlite:%s/system.db?sync=off", e->dir);
    _cleanup_(freep) char *mail = xasprintf("%s/mail", e->dir);
    _cleanup_(freep) char *out = xasprintf("%s/mail/_outgoing", e->dir);
    _cleanup_(freep) char *temp = xasprintf("%s/temp/SMTP", e->dir);
    _cleanup_(freep) char *append = xasprintf("%s/temp/POP3", e->dir);
    check(db_open(dsn, &e->db, &ei), &ei, "database");
    check(db_migrate_set(e->db, "account", account_migrations, account_migrations_count, &ei), &ei,
          "schema");
    check(accounts_open(e->db, &e->accounts, &ei), &ei, "accounts");
    check(os_mkdirs(out, 0700, &ei), &ei, out);
    check(os_mkdirs(temp, 0700, &ei), &ei, temp);
    check(os_mkdirs(append, 0700, &ei), &ei, append);
    const struct mailstore_opts so = { .root = mail, .temp_dir = append, .alpha_group = 2 };
    check(mailstore_open(&so, &e->store, &ei), &ei, "mail store");
    const struct queue_opts qo = {
        .dir = out, .temp_dir = temp, .sync_path = mail, .server_id = ""
    };
    check(queue_open(&qo, &e->queue, &ei), &ei, "queue");
}

void wire_env_open(struct wire_env *e)
{
    (void)sv_copy(e->dir, sizeof(e->dir), SV("/tmp/posthorn-wire-XXXXXX"));
    if (!mkdtemp(e->dir))
        wire_fail("no temporary directory");
    (void)sv_copy(e->peer_ip, sizeof(e->peer_ip), SV("192.0.2.1"));
    e->facts =
        (struct conn_test){ .peer_ip = e->peer_ip, .local_ip = "192.0.2.25", .peer_port = 40000 };
    set(e, SV("system.hostname=mx.example"));
    set(e, SV("auth.argon2_memory=1MiB"));
    set(e, SV("auth.min_password_length=1"));
    set(e, SV("queue.min_free_space=0"));
    set(e, SV("queue.journal_segment=1MiB"));
    open_stores(e);
    buf_init(&e->log, 16 * MiB);
    log_test_capture(&e->log);
}

void wire_env_close(struct wire_env *e)
{
    struct errinfo ei = { 0 };
    log_test_capture(NULL);
    queue_close(e->queue);
    mailstore_close(e->store);
    accounts_close(e->accounts);
    db_close(e->db);
    os_remove_tree(e->dir, &ei);
    buf_done(&e->log);
    for (size_t i = 0; i < e->n_settings; i++) {
        free((char *)e->settings[i].name);
        free((char *)e->settings[i].value);
    }
    for (size_t i = 0; i < n_dns; i++)
        for (size_t k = 0; k < dns[i].n; k++)
            free(dns[i].texts[k]);
    struct conf *defaults;
    if (conf_build(NULL, 0, &defaults, &ei) == 0)
        conf_publish(defaults);
}
