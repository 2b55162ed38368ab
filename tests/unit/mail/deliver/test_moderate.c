/* Moderated lists: whose posts wait, the notice, decisions by mail, the end of waiting. */
#include "house.h"

#include "mail/account/members.h"

#define BODY "From: bob@home.test\r\nTo: dev@home.test\r\nSubject: hi\r\n\r\nbody\r\n"
#define LIST "dev@home.test"

static void set_field(enum account_option o, const char *value)
{
    struct account_spec s = { .option = { [0] = NULL } };
    s.option[o] = value;
    OK(account_update(house.accounts, "test", SV(LIST), &s, &ei));
}

/* ann moderates, bob is a member. */
static int setup(void **state)
{
    house_setup(state);
    mk_account(LIST, NULL);
    mk_account("cat@home.test", NULL);
    set_field(OPT_KIND, "list");
    set_field(OPT_LIST_POST, "anyone");
    set_field(OPT_LIST_MODERATORS, "ann@home.test");
    set_field(OPT_LIST_MODERATE, "nonmembers");
    OK(account_members_change(house.accounts, "test", SV(LIST),
                              &(struct member_change){ .add = "bob@home.test" }, &ei));
    house_start();
    return 0;
}

static void post_to(const char *sender, const char *login, const char *original,
                    const char *content)
{
    struct message *m = new_message(sender, content);
    message_set(&m->auth_user, sv_c(login));
    message_set_original(to_local(m, LIST), sv_c(original));
    submit(m);
}

static void post(const char *sender, const char *login)
{
    post_to(sender, login, LIST, BODY);
}

static bool note_moderated(const struct queue_info *i, void *arg)
{
    *(unsigned *)arg += i->moderated && !i->active && i->attempts;
    return true;
}

/* Posts that wait, and whose moderators have been told. */
static unsigned n_waiting(void)
{
    unsigned n = 0;
    queue_each(house.queue, note_moderated, &n);
    return n;
}

/* The address behind a word of the newest notice. */
static void address_of(const char *word, char ret[200])
{
    char *text = inbox_newest("ann@home.test", NULL), *p = strstr(text, word);
    assert_non_null(p);
    p = strchr(p, '<');
    snprintf(ret, 200, "%.*s", (int)strcspn(p + 1, ">"), p + 1);
    free(text);
}

static void wait_for_notice(uint32_t n)
{
    WAIT_FOR(inbox_count("ann@home.test") == n && n_waiting() == 1 &&
             queue_count(house.queue) == 1);
}

static void test_whose(void **state)
{
    (void)state;
    const struct account *list = NULL;
    static const struct {
        const char *moderate, *sender, *login;
        int waits;
    } rows[] = {
        { "no", "x@else.test", "", 0 },
        { "nonmembers", "x@else.test", "", 1 },
        { "nonmembers", "Bob@home.test", "", 0 },
        { "nonmembers", "x@else.test", "bob@home.test", 0 },
        { "nonmembers", "ann@home.test", "", 0 },
        { "all", "bob@home.test", "bob@home.test", 1 },
        { "all", "ann@home.test", "", 1 }, /* anybody can write that */
        { "all", "x@else.test", "ann@home.test", 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        set_field(OPT_LIST_MODERATE, rows[i].moderate);
        OK(account_find_address(house.accounts, SV(LIST), &list, &ei));
        assert_int_equal(account_post_waits(house.accounts, list, sv_c(rows[i].sender),
                                            sv_c(rows[i].login), NULL),
                         rows[i].waits);
        account_unref(list);
    }
}

static void test_approve_by_mail(void **state)
{
    (void)state;
    char approve[200], reject[200];
    post("x@else.test", "");
    wait_for_notice(1);
    assert_int_equal(inbox_count("bob@home.test"), 0);
    char *text = inbox_newest("ann@home.test", NULL);
    assert_true(strncmp(text, "Return-Path: <>\r\n", 17) == 0);
    assert_contains(text, "\r\nAuto-Submitted: auto-generated\r\n");
    assert_contains(text, "\r\nReply-To: <dev+approve.");
    assert_contains(text, "posthorn tool list approve ");
    assert_contains(text, "Content-Type: message/rfc822\r\n\r\nReceived: from x by y;");
    assert_contains(text, BODY);
    free(text);
    address_of("To approve it", approve);
    address_of("To reject it", reject);
    /* What does not count: strangers, other signatures, programs. */
    post_to("bob@home.test", "", approve, BODY);
    WAIT_FOR(inbox_count("bob@home.test") == 1); /* the report */
    text = inbox_newest("bob@home.test", NULL);
    assert_contains(text, "550 5.7.2 You may not decide about posts to " LIST);
    free(text);
    char other[300];
    char *id = strchr(reject, '.');
    snprintf(other, sizeof(other), "dev+approve%s", id); /* the signature of the other decision */
    post_to("ann@home.test", "", other, BODY);
    WAIT_FOR(inbox_count("ann@home.test") == 2);
    post_to("ann@home.test", "", approve, "Auto-Submitted: auto-replied\r\n" BODY);
    WAIT_FOR(inbox_count("ann@home.test") == 3);
    assert_int_equal(n_waiting(), 1);
    /* In letters of any case: relays may change them. */
    for (char *p = approve; p < strchr(approve, '@'); p++)
        *p = (char)(*p >= 'a' && *p <= 'z' ? *p - 32 : *p);
    post_to("ann@home.test", "", approve, BODY);
    WAIT_FOR(inbox_count("bob@home.test") == 2 && queue_count(house.queue) == 0);
    text = inbox_newest("bob@home.test", NULL);
    assert_contains(text, "\r\nList-Id: <dev.home.test>\r\n");
    assert_contains(text, BODY);
    free(text);
    post_to("ann@home.test", "", approve, BODY); /* once is enough */
    WAIT_FOR(inbox_count("ann@home.test") == 4);
    text = inbox_newest("ann@home.test", NULL);
    assert_contains(text, "550 5.7.2 You may not decide about posts to " LIST);
    free(text);
    assert_int_equal(inbox_count("bob@home.test"), 2);
}

static void test_reject_by_mail(void **state)
{
    (void)state;
    char reject[200];
    post("cat@home.test", "");
    wait_for_notice(1);
    address_of("To reject it", reject);
    post_to("y@else.test", "ann@home.test", reject, BODY);
    WAIT_FOR(queue_count(house.queue) == 0);
    assert_int_equal(inbox_count("bob@home.test"), 0);
    char *text = inbox_newest("cat@home.test", NULL);
    assert_contains(text, "550 5.7.2 The moderators of " LIST " did not accept the message");
    free(text);
}

/* A restart forgets nothing, and the moderators are told once. */
static void test_too_late(void **state)
{
    (void)state;
    clock_test_freeze(1700000000000);
    post("cat@home.test", "");
    wait_for_notice(1);
    house_stop();
    open_queue();
    house_start();
    clock_test_advance(6ll * 86400000); /* older than messages get that cannot be delivered */
    OK(queue_retry(house.queue, SV("")));
    WAIT_FOR(queue_first().attempts == 2 && !queue_first().active);
    assert_int_equal(inbox_count("ann@home.test"), 1);
    assert_int_equal(inbox_count("cat@home.test"), 0);
    clock_test_advance(1ll * 86400000);
    WAIT_FOR(queue_count(house.queue) == 0);
    char *text = inbox_newest("cat@home.test", NULL);
    assert_contains(text, "550 5.7.2 No moderator of " LIST " approved the message in time");
    free(text);
    assert_int_equal(inbox_count("bob@home.test"), 0);
}

/* Of a large post the notice has the header. */
static void test_large(void **state)
{
    (void)state;
    house_conf((struct conf_pair[]){ { "queue.memory_limit", "64KiB" },
                                     { "deliver.bounce_max_content", "64KiB" } },
               2);
    size_t n = 300 * KiB, at = strlen(BODY);
    char *content = xcalloc(1, n + 200);
    memcpy(content, BODY, at);
    for (; at < n; at += 34)
        memcpy(content + at, "01234567890123456789012345678901\r\n", 34);
    post_to("x@else.test", "", LIST, content);
    wait_for_notice(1);
    char *text = inbox_newest("ann@home.test", NULL), approve[200];
    assert_contains(text, "Content-Type: text/rfc822-headers\r\n");
    assert_contains(text, "Subject: hi\r\n");
    assert_null(strstr(text, "body\r\n"));
    free(text);
    address_of("To approve it", approve);
    post_to("ann@home.test", "", approve, BODY);
    WAIT_FOR(inbox_count("bob@home.test") == 1);
    text = inbox_newest("bob@home.test", NULL);
    assert_contains(text, content);
    free(text);
    free(content);
}

/* Nobody moderates: the postmaster is told, who decides by the tool. */
static void test_postmaster(void **state)
{
    (void)state;
    set_field(OPT_LIST_MODERATORS, "");
    post("x@else.test", "");
    wait_for_notice(1); /* ann is the domain's first account */
    char *text = inbox_newest("ann@home.test", NULL);
    assert_null(strstr(text, "Reply-To"));
    assert_contains(text, "posthorn tool list reject ");
    free(text);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, house_teardown)
    const struct CMUnitTest tests[] = {
        T(test_whose),    T(test_approve_by_mail), T(test_reject_by_mail),
        T(test_too_late), T(test_large),           T(test_postmaster),
    };
    return cmocka_run_group_tests_name("mail/deliver/moderate", tests, NULL, NULL);
}
