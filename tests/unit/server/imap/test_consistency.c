/* Several sessions change one mailbox at random. Each client replays what it is told by the rules
 * of RFC 3501; at the end its view equals the truth. POSTHORN_SEED repeats a run. */
#include "imap_test.h"

enum { SESSIONS = 3, STEPS = 400, MAX = 4096 };

struct client {
    struct conn *c;
    bool read_only;
    uint32_t n;
    uint32_t uid[MAX];  /* 0 = not asked for yet */
    int flags[MAX];     /* bits of flag_names; -1 = not known */
    bool numbers_fixed; /* a command with sequence numbers runs: no EXPUNGE allowed */
};

static const char *const flag_names[] = { "\\Seen",     "\\Deleted", "\\Flagged",
                                          "\\Answered", "$A",        "$B" };

static int flag_bits(struct sv list)
{
    int bits = 0;
    while (list.p) {
        struct sv name = sv_split(&list, ' ');
        for (size_t i = 0; i < ARRAY_LEN(flag_names); i++)
            bits |= sv_eq(name, sv_c(flag_names[i])) << i;
    }
    return bits;
}

static uint64_t seed;
static uint32_t rnd(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % n;
}

static void told_expunge(struct client *k, uint32_t number)
{
    if (k->numbers_fixed)
        fail_msg("EXPUNGE while a command with sequence numbers runs");
    assert_true(number >= 1 && number <= k->n);
    k->n--;
    for (uint32_t i = number - 1; i < k->n; i++) {
        k->uid[i] = k->uid[i + 1];
        k->flags[i] = k->flags[i + 1];
    }
}

static void told_fetch(struct client *k, uint32_t number, struct sv items)
{
    assert_true(number >= 1 && number <= k->n);
    ssize_t at = sv_find_sv(items, SV("UID "));
    if (at >= 0) {
        struct sv rest = sv_skip(items, (size_t)at + 4);
        size_t len = 0;
        uint32_t uid;
        while (len < rest.n && rest.p[len] >= '0' && rest.p[len] <= '9')
            len++;
        assert_int_equal(sv_to_u32(sv_take(rest, len), &uid), 0);
        if (k->uid[number - 1] && k->uid[number - 1] != uid)
            fail_msg("message %u was uid %u and is now %u", number, k->uid[number - 1], uid);
        k->uid[number - 1] = uid;
    }
    at = sv_find_sv(items, SV("FLAGS ("));
    if (at >= 0) {
        struct sv rest = sv_skip(items, (size_t)at + 7);
        k->flags[number - 1] = flag_bits(sv_split(&rest, ')'));
    }
}

static void replay(struct client *k, struct sv out)
{
    while (out.n) {
        ssize_t eol = sv_find_sv(out, SV("\r\n"));
        assert_true(eol >= 0);
        struct sv line = sv_take(out, (size_t)eol);
        out = sv_skip(out, (size_t)eol + 2);
        if (!sv_starts(line, SV("* ")))
            continue;
        struct sv rest = sv_skip(line, 2);
        struct sv word = sv_split(&rest, ' ');
        uint32_t number;
        if (sv_to_u32(word, &number) < 0)
            continue;
        if (sv_eq(rest, SV("EXPUNGE"))) {
            told_expunge(k, number);
        } else if (sv_eq(rest, SV("EXISTS"))) {
            assert_true(number >= k->n);
            for (; k->n < number; k->n++) {
                k->uid[k->n] = 0;
                k->flags[k->n] = -1;
            }
        } else if (sv_starts(rest, SV("FETCH "))) {
            told_fetch(k, number, rest);
        }
    }
}

static void run(struct client *k, bool numbers_fixed, const char *command)
{
    k->numbers_fixed = numbers_fixed;
    struct sv out = imap_cmd(k->c, "%s", command);
    if (has(out, "x BAD"))
        fail_msg("%s: " SV_FMT, command, SV_ARG(out));
    replay(k, out);
    k->numbers_fixed = false;
}

/* What a client makes of its own STORE .SILENT: nobody tells it. */
static void believe(struct client *k, bool uid, uint32_t a, uint32_t b, const char *mode,
                    const char *flags)
{
    int bits = flag_bits(sv_c(flags));
    for (uint32_t i = 0; i < k->n; i++) {
        uint32_t number = uid ? k->uid[i] : i + 1;
        if (number && (number < MIN(a, b) || number > MAX(a, b)))
            continue;
        if (!number || k->flags[i] < 0)
            k->flags[i] = -1;
        else if (mode[0] == '+')
            k->flags[i] |= bits;
        else if (mode[0] == '-')
            k->flags[i] &= ~bits;
        else
            k->flags[i] = bits;
    }
}

static void step(struct client *k)
{
    static const char *const flags[] = { "\\Seen", "\\Deleted", "\\Flagged",
                                         "$A",     "$B",        "\\Answered $A" };
    static const char *const modes[] = { "FLAGS",         "+FLAGS",       "-FLAGS",
                                         "+FLAGS.SILENT", "FLAGS.SILENT", "-FLAGS.SILENT" };
    char set[40], cmd[200];
    bool uid = rnd(2);
    uint32_t what = rnd(100);
    if (k->n == 0 || (what < 20 && k->n < 60)) {
        k->numbers_fixed = false;
        struct sv out = imap_append(k->c, rnd(3) ? "INBOX" : "INBOX (\\Flagged)", MESSAGE("m"));
        expect(out, "x OK");
        replay(k, out);
        return;
    }
    uint32_t a = 1 + rnd(uid ? 600 : k->n), b = 1 + rnd(uid ? 600 : k->n);
    const char *mode = modes[rnd(6)], *list = flags[rnd(6)];
    (void)snprintf(set, sizeof(set), "%u:%u", a, b);
    const char *u = uid ? "UID " : "";
    if (what < 50)
        (void)snprintf(cmd, sizeof(cmd), "%sSTORE %s %s (%s)", u, set, mode, list);
    else if (what < 60)
        (void)snprintf(cmd, sizeof(cmd), "%sFETCH %s (UID FLAGS)", u, set);
    else if (what < 65)
        (void)snprintf(cmd, sizeof(cmd), "%sFETCH %s BODY[TEXT]", u, set);
    else if (what < 70)
        (void)snprintf(cmd, sizeof(cmd), "%sSEARCH NOT SEEN", u);
    else if (what < 75)
        (void)snprintf(cmd, sizeof(cmd), "EXPUNGE");
    else if (what < 80)
        (void)snprintf(cmd, sizeof(cmd), "%sCOPY %s INBOX", u, k->n < 60 ? set : "1");
    else if (what < 84)
        (void)snprintf(cmd, sizeof(cmd), "%sMOVE %u Archive", u, 1 + rnd(k->n));
    else
        (void)snprintf(cmd, sizeof(cmd), "NOOP");
    if (k->read_only && (strstr(cmd, "STORE") || strstr(cmd, "EXPUNGE") || strstr(cmd, "MOVE")))
        (void)snprintf(cmd, sizeof(cmd), "NOOP");
    bool fixed = !uid && (strncmp(cmd, "STORE", 5) == 0 || strncmp(cmd, "FETCH", 5) == 0 ||
                          strncmp(cmd, "SEARCH", 6) == 0);
    if (strstr(cmd, ".SILENT"))
        believe(k, uid, a, b, mode, list);
    run(k, fixed, cmd);
}

/* What a client knows must be what a new session sees. */
static void compare(struct client *k, struct client *truth)
{
    run(k, false, "NOOP");
    assert_int_equal(k->n, truth->n);
    for (uint32_t i = 0; i < k->n; i++) {
        if (k->uid[i])
            assert_int_equal(k->uid[i], truth->uid[i]);
        if (k->flags[i] >= 0 && k->flags[i] != truth->flags[i])
            fail_msg("message %u (uid %u): told %x, is %x", i + 1, truth->uid[i],
                     (unsigned)k->flags[i], (unsigned)truth->flags[i]);
    }
}

static void one_history(struct env *e, const char *user)
{
    env_account(e, user, NULL);
    static struct client clients[SESSIONS], truth;
    memset(clients, 0, sizeof(clients));
    for (int i = 0; i < SESSIONS; i++) {
        clients[i].c = imap_login(e, user);
        clients[i].read_only = i == 2;
        run(&clients[i], false, i == 2 ? "EXAMINE INBOX" : "SELECT INBOX");
    }
    for (int s = 0; s < STEPS; s++)
        step(&clients[rnd(SESSIONS)]);
    memset(&truth, 0, sizeof(truth));
    truth.c = imap_login(e, user);
    run(&truth, false, "EXAMINE INBOX");
    if (truth.n)
        run(&truth, true, "FETCH 1:* (UID FLAGS)");
    for (int i = 0; i < SESSIONS; i++) {
        compare(&clients[i], &truth);
        conn_test_free(clients[i].c, CLOSE_QUIT);
    }
    conn_test_free(truth.c, CLOSE_QUIT);
}

static void views_equal_the_truth(void **state _unused_)
{
    struct env e;
    const char *s = getenv("POSTHORN_SEED"), *r = getenv("POSTHORN_ROUNDS");
    uint64_t first = s ? strtoull(s, NULL, 10) : rand_u64() % 1000000;
    unsigned rounds = r ? (unsigned)strtoul(r, NULL, 10) : 4;
    env_open(&e);
    for (unsigned i = 0; i < rounds; i++) {
        seed = first + i;
        print_message("POSTHORN_SEED=%" PRIu64 "\n", first + i);
        char user[64];
        (void)snprintf(user, sizeof(user), "user%u@example.org", i);
        one_history(&e, user);
    }
    env_close(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(views_equal_the_truth) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
