/* The scripts of tests/sieve through Pigeonhole's sieve-test: it must come to the same actions, but
 * for those that say "ours" and why. Compared are kinds, folders, addresses and flags. Skipped (77)
 * where sieve-test is not installed. */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"

static char work[] = "/tmp/posthorn-sieve-XXXXXX";

static void put_file(const char *name, struct sv text)
{
    _cleanup_(freep) char *path = xasprintf("%s/%s", work, name);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(text.p, 1, text.n, f) != text.n || fclose(f) != 0)
        panic("cannot write %s", path);
}

static void put_config(void)
{
    unsigned uid = getuid() ? getuid() : 65534, gid = getuid() ? getgid() : 65534;
    _cleanup_(freep) char *text =
        xasprintf("ssl = no\nmail_location = maildir:%s/mail\nmail_uid = %u\nmail_gid = %u\n"
                  "hostname = mx.example.org\nrecipient_delimiter = +\n"
                  "plugin {\n sieve_extensions = +editheader +vacation-seconds\n"
                  " sieve_max_actions = 32\n sieve_max_redirects = 4\n}\n",
                  work, uid, gid);
    put_file("dovecot.conf", sv_c(text));
    if (chmod(work, 0777) < 0)
        panic("cannot open %s to sieve-test", work);
}

/* Output of sieve-test; 127 = not there. */
static int run_theirs(const struct sieve_case *c, struct buf *out, struct buf *errors)
{
    char conf[64], script[64], mail[64], *files[] = { script, mail };
    int o[2], e[2], status = 0;
    snprintf(conf, sizeof(conf), "%s/dovecot.conf", work);
    snprintf(script, sizeof(script), "%s/script.sieve", work);
    snprintf(mail, sizeof(mail), "%s/message.eml", work);
    put_file("script.sieve", buf_sv(&c->script));
    put_file("message.eml", buf_sv(&c->content));
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        (void)chmod(files[i], 0644);
    if (pipe(o) < 0 || pipe(e) < 0)
        panic("pipe");
    pid_t pid = fork();
    if (pid == 0) {
        dup2(o[1], 1);
        dup2(e[1], 2);
        close(o[0]);
        close(e[0]);
        execlp("sieve-test", "sieve-test", "-C", "-c", conf, "-f", c->from, "-a", c->to, "-r",
               c->to, script, mail, (char *)NULL);
        _exit(127);
    }
    close(o[1]);
    close(e[1]);
    char part[4096];
    for (ssize_t n; (n = read(o[0], part, sizeof(part))) > 0;)
        (void)buf_add(out, part, (size_t)n);
    for (ssize_t n; (n = read(e[0], part, sizeof(part))) > 0;)
        (void)buf_add(errors, part, (size_t)n);
    close(o[0]);
    close(e[0]);
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Words behind `from` in alphabetical order: flags have none. */
static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort_flags(char *flags)
{
    char *v[64], sorted[1024] = "", *save = NULL;
    size_t n = 0;
    for (char *w = strtok_r(flags, " ", &save); w && n < ARRAY_LEN(v);
         w = strtok_r(NULL, " ", &save))
        v[n++] = w;
    qsort(v, n, sizeof(*v), by_text);
    for (size_t i = 0; i < n; i++)
        snprintf(sorted + strlen(sorted), sizeof(sorted) - strlen(sorted), " %s", v[i]);
    snprintf(flags, strlen(flags) + sizeof(sorted), "%s", sorted);
}

/* "fileinto a \seen" a line; texts of replies are left out. */
static void add_action(struct buf *to, const char *what, struct sv target, struct sv flags)
{
    char text[2048] = "";
    sv_copy(text, 1000, flags);
    for (char *p = text; *p; p++)
        *p = ascii_lower(*p);
    sort_flags(text);
    (void)buf_addf(to, "%s%s" SV_FMT "%s\n", what, target.n ? " " : "", SV_ARG(target), text);
}

static void read_theirs(struct sv out, struct buf *to)
{
    static const struct {
        struct sv prefix;
        const char *what;
        bool target;
    } kinds[] = {
        { { "store message in folder: ", 25 }, "fileinto", true },
        { { "redirect message to: ", 21 }, "redirect", true },
        { { "reject message", 14 }, "reject", false },
        { { "send vacation message", 21 }, "vacation", false },
        { { "send notification", 17 }, "notify", false },
    };
    const char *what = NULL;
    struct sv target = SV_NULL, flags = SV_NULL;
    while (out.p) {
        struct sv line = sv_split(&out, '\n'), trimmed = sv_trim(line);
        bool begins = sv_starts(line, SV(" * "));
        if (!begins && sv_starts(trimmed, SV("+ add IMAP flags:")))
            flags = sv_trim(sv_skip(trimmed, 17));
        if ((begins || !out.p) && what) {
            add_action(to, what, target, flags);
            what = NULL;
            flags = SV_NULL;
        }
        for (size_t i = 0; begins && i < ARRAY_LEN(kinds); i++) {
            struct sv rest = sv_skip(line, 3);
            if (!sv_starts(rest, kinds[i].prefix))
                continue;
            what = kinds[i].what;
            target = kinds[i].target ? sv_trim(sv_skip(rest, kinds[i].prefix.n)) : SV_NULL;
            if (target.n > 2 && *target.p == '<')
                target = sv_n(target.p + 1, target.n - 2);
            if (sv_ieq(target, SV("INBOX"))) {
                what = "keep";
                target = SV_NULL;
            }
        }
    }
}

static void read_ours(const struct sieve_result *r, struct buf *to)
{
    static const char *const names[] = { "keep",   "fileinto", "redirect",
                                         "reject", "vacation", "notify" };
    for (size_t i = 0; i < r->n; i++) {
        const struct sieve_action *a = &r->v[i];
        bool inbox = a->kind == SIEVE_DO_FILE && sv_ieq(a->target, SV("INBOX"));
        struct buf flags;
        buf_init(&flags, 4096);
        for (size_t k = 0; k < a->n_flags; k++)
            (void)buf_addf(&flags, " " SV_FMT, SV_ARG(a->flags[k]));
        bool target = (a->kind == SIEVE_DO_FILE && !inbox) || a->kind == SIEVE_DO_REDIRECT;
        add_action(to, inbox ? "keep" : names[a->kind], target ? a->target : SV_NULL,
                   buf_sv(&flags));
        buf_done(&flags);
    }
}

/* False: they differ. */
static bool compare(const char *name, bool *ret_missing, size_t *ret_n)
{
    struct sieve_case c;
    struct sieve_problems p;
    struct sieve_result res = { 0 };
    struct arena a;
    struct buf out, errors, ours, theirs;
    bool same = true;
    struct buf *all[] = { &out, &errors, &ours, &theirs };
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        buf_init(all[i], MiB);
    arena_init(&a, SIEVE_ARENA);
    if (!case_load("tests/sieve", name, &c))
        panic("cannot read %s", name);
    if (!c.ours && case_run(&c, &res, &p, &a) < 0) {
        printf("%s is refused here\n", name);
        same = false;
    } else if (!c.ours) {
        int status = run_theirs(&c, &out, &errors);
        *ret_missing = status == 127;
        read_ours(&res, &ours);
        read_theirs(buf_sv(&out), &theirs);
        if (status != 0 && sv_find_sv(buf_sv(&errors), SV("successful implicit keep")) >= 0)
            (void)buf_add_str(&theirs, "keep\n");
        else if (status != 0 && status != 127)
            (void)buf_addf(&theirs, "exit status %d\n" SV_FMT, status, SV_ARG(buf_sv(&errors)));
        same = *ret_missing || sv_eq(buf_sv(&ours), buf_sv(&theirs));
        (*ret_n)++;
        if (!same)
            printf("%s\nours:\n" SV_FMT "Pigeonhole's:\n" SV_FMT, name, SV_ARG(buf_sv(&ours)),
                   SV_ARG(buf_sv(&theirs)));
        sieve_result_done(&res);
    }
    case_done(&c);
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        buf_done(all[i]);
    arena_done(&a);
    return same;
}

int main(void)
{
    bool missing = false;
    size_t n = 0, differ = 0;
    if (!mkdtemp(work))
        panic("cannot make %s", work);
    put_config();
    DIR *d = opendir("tests/sieve");
    for (struct dirent *e; d && !missing && (e = readdir(d));)
        if (sv_iends(sv_c(e->d_name), SV(".sieve")))
            differ += !compare(e->d_name, &missing, &n);
    if (d)
        closedir(d);
    _cleanup_(freep) char *rm = xasprintf("rm -rf %s", work);
    if (system(rm) != 0)
        printf("%s was left behind\n", work);
    printf("%zu scripts compared, %zu differ\n", n, differ);
    if (missing)
        return 77;
    return differ || n < 60;
}
