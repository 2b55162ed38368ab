/* Cases of tests/sieve: a script each, whose first lines say what it runs over and what must come
 * out:
 *   # message: list.eml       of tests/sieve/messages
 *   # from: a@b.org           reverse path; sender@example.com when it is not there
 *   # to: c@d.org             recipient as given
 *   # folders: Lists, Work    that exist
 *   # ours: why               what Pigeonhole does otherwise: it is not compared
 *   # expect: fileinto Lists \Seen      one line an action, in order
 */
#pragma once

#include <dirent.h>
#include <stdio.h>

#include "mail/sieve/sieve_run.h"

struct sieve_case {
    char path[300], name[120];
    char message[120], from[120], to[120], folders[200];
    bool ours;
    char expect[4096];
    struct buf script, content;
};

static inline bool read_file(const char *path, struct buf *b)
{
    FILE *f = fopen(path, "rb");
    char part[8192];
    size_t n;
    buf_init(b, 16 * MiB);
    if (!f)
        return false;
    while ((n = fread(part, 1, sizeof(part), f)) > 0)
        (void)buf_add(b, part, n);
    fclose(f);
    return !b->overflow;
}

static inline void take_line(struct sieve_case *c, struct sv line)
{
    struct sv value = line, key = sv_trim(sv_skip(sv_split(&value, ':'), 1));
    value = sv_trim(value);
    if (sv_eq(key, SV("message")))
        sv_copy(c->message, sizeof(c->message), value);
    else if (sv_eq(key, SV("from")))
        sv_copy(c->from, sizeof(c->from), value);
    else if (sv_eq(key, SV("to")))
        sv_copy(c->to, sizeof(c->to), value);
    else if (sv_eq(key, SV("folders")))
        sv_copy(c->folders, sizeof(c->folders), value);
    else if (sv_eq(key, SV("ours")))
        c->ours = true;
    else if (sv_eq(key, SV("expect")))
        snprintf(c->expect + strlen(c->expect), sizeof(c->expect) - strlen(c->expect), SV_FMT "\n",
                 SV_ARG(value));
}

/* False: a file is missing. Messages are stored with LF and run with CRLF. */
static inline bool case_load(const char *dir, const char *file, struct sieve_case *c)
{
    struct buf lf;
    char path[400];
    *c = (struct sieve_case){ .message = "plain.eml",
                              .from = "sender@example.com",
                              .to = "ken@example.org" };
    sv_copy(c->name, sizeof(c->name), sv_c(file));
    snprintf(c->path, sizeof(c->path), "%s/%s", dir, file);
    if (!read_file(c->path, &c->script))
        return false;
    for (struct sv rest = buf_sv(&c->script); rest.n && *rest.p == '#';)
        take_line(c, sv_split(&rest, '\n'));
    snprintf(path, sizeof(path), "%s/messages/%s", dir, c->message);
    bool ok = read_file(path, &lf);
    buf_init(&c->content, 32 * MiB);
    for (size_t i = 0; i < lf.n; i++) {
        if (lf.p[i] == '\n')
            (void)buf_add_c(&c->content, '\r');
        (void)buf_add_c(&c->content, lf.p[i]);
    }
    buf_done(&lf);
    return ok;
}

static inline void case_done(struct sieve_case *c)
{
    buf_done(&c->script);
    buf_done(&c->content);
}

static inline int case_folder(void *arg, struct sv folder)
{
    const struct sieve_case *c = arg;
    struct sv rest = sv_c(c->folders);
    if (sv_ieq(folder, SV("INBOX")))
        return 1;
    while (rest.p)
        if (sv_eq(sv_trim(sv_split(&rest, ',')), folder))
            return 1;
    return 0;
}

static inline struct sieve_env case_env(struct sieve_case *c)
{
    return (struct sieve_env){
        .message = buf_sv(&c->content),
        .sender = sv_c(c->from),
        .rcpt = sv_c(c->to),
        .auth = SV(""),
        .delimiters = SV("+"),
        .now_s = 1796000000, /* 2026-11-29 */
        .max_actions = 32,
        .max_redirects = 4,
        .mailbox_exists = case_folder,
        .arg = c,
    };
}

/* The actions as the lines after "expect:"; flags without order in lower case. */
static inline void print_actions(const struct sieve_result *r, struct buf *out)
{
    static const char *const names[] = { "keep",   "fileinto", "redirect",
                                         "reject", "vacation", "notify" };
    for (size_t i = 0; i < r->n; i++) {
        const struct sieve_action *a = &r->v[i];
        bool inbox = a->kind == SIEVE_DO_FILE && sv_ieq(a->target, SV("INBOX"));
        (void)buf_add_str(out, inbox ? "keep" : names[a->kind]);
        if ((a->kind == SIEVE_DO_FILE && !inbox) || a->kind == SIEVE_DO_REDIRECT ||
            a->kind == SIEVE_DO_NOTIFY)
            (void)buf_addf(out, " " SV_FMT, SV_ARG(a->target));
        if (a->kind == SIEVE_DO_REJECT || a->kind == SIEVE_DO_VACATION)
            (void)buf_addf(out, " " SV_FMT, SV_ARG(sv_trim(a->text)));
        for (size_t k = 0; k < a->n_flags; k++) {
            (void)buf_add_c(out, ' ');
            for (size_t j = 0; j < a->flags[k].n; j++)
                (void)buf_add_c(out, ascii_lower(a->flags[k].p[j]));
        }
        (void)buf_add_c(out, '\n');
    }
    if (!r->n)
        (void)buf_add_str(out, "discard\n");
}

/* 0 = ran; else the script was refused. */
static inline int case_run(struct sieve_case *c, struct sieve_result *res,
                           struct sieve_problems *problems, struct arena *a)
{
    struct sieve_script s;
    struct sieve_env e = case_env(c);
    int r = sieve_parse(buf_sv(&c->script), a, &s, problems);
    return r < 0 ? r : sieve_run(&s, &e, res);
}
