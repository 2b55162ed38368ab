/* Copies with a URL for each member (RFC 8058), as another server gets them: from memory and from a
 * file, one transaction each. */
#include "peer.h"

#include "mail/account/members.h"
#include "mail/account/unsubscribe.h"

#define LIST "dev@home.test"

static const struct name names_there[] = {
    { "far.test", DNS_MX, 0, 10, "mail.far.test" },
    { "mail.far.test", DNS_A, 0, 0, "127.0.0.1" },
};

static void set_members(const char *add, const char *remove)
{
    OK(account_members_change(house.accounts, "test", SV(LIST),
                              &(struct member_change){ .add = add, .remove = remove }, &ei));
}

static int setup(void **state)
{
    (void)state;
    static char port[8];
    peer_listen();
    snprintf(port, sizeof(port), "%u", peer.port);
    const struct conf_pair more[] = { { "deliver.port", port }, { "deliver.starttls", "never" } };
    house_open(more, ARRAY_LEN(more));
    use_names(names_there, ARRAY_LEN(names_there));
    mk_account(LIST, NULL);
    struct account_spec s = {
        .option = { [OPT_KIND] = "list", [OPT_LIST_POST] = "anyone", [OPT_LIST_ONE_CLICK] = "yes" }
    };
    OK(account_update(house.accounts, "test", SV(LIST), &s, &ei));
    set_members("bob@home.test;x@far.test;y@far.test", NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    peer_end();
    house_close();
    return 0;
}

static void post(const char *content)
{
    static const char *const script[] = {
        "> 220 far", "< EHLO",
        "> 250 far", "< MAIL",
        "> 250 ok",  "< RCPT To:<x@far.test>",
        "> 250 ok",  "< DATA",
        "> 354 go",  "data",
        "> 250 ok",  "< MAIL",
        "> 250 ok",  "< RCPT To:<y@far.test>",
        "> 250 ok",  "< DATA",
        "> 354 go",  "data",
        "> 250 ok",  "< QUIT",
        "> 221 bye", NULL,
    };
    const char *const *const scripts[] = { script };
    peer_play(scripts, 1);
    struct message *m = new_message("ann@home.test", content);
    to_local(m, LIST);
    submit(m);
    house_start();
    WAIT_FOR(queue_count(house.queue) == 0);
    assert_string_equal(peer.error, "");
}

static void check_own_copy(const char *body)
{
    static const char want[] =
        "List-Unsubscribe: "
        "<https://mx.home.test/unsubscribe?list=dev%40home.test&member=y%40far.test&key=";
    OK(buf_terminate(&peer.data));
    assert_true(strncmp(peer.data.p, want, strlen(want)) == 0);
    assert_contains(peer.data.p, ">,\r\n\t<mailto:postmaster@home.test?subject=unsubscribe%20" LIST
                                 ">\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
                                 "Received: by mx.home.test (list " LIST ")\r\n");
    assert_contains(peer.data.p, body);
    /* Its key ends this membership, and no other. */
    const char *key = peer.data.p + strlen(want);
    struct sv k = sv_n(key, strcspn(key, ">"));
    assert_int_equal(unsubscribe_check(house.accounts, SV(LIST), SV("y@far.test"), k, NULL), 1);
    assert_int_equal(unsubscribe_check(house.accounts, SV(LIST), SV("x@far.test"), k, NULL), 0);
    assert_int_equal(
        unsubscribe_check(house.accounts, SV("x@home.test"), SV("y@far.test"), k, NULL), 0);
    assert_int_equal(
        unsubscribe_check(house.accounts, SV(LIST), SV("y@far.test"), sv_take(k, k.n - 1), NULL),
        0);
    assert_int_equal(unsubscribe(house.accounts, SV(LIST), SV("y@far.test"), NULL), 1);
    assert_int_equal(unsubscribe(house.accounts, SV(LIST), SV("y@far.test"), NULL), 0);
    assert_int_equal(unsubscribe(house.accounts, SV("gone@home.test"), SV("y@far.test"), NULL), 0);
}

static void test_small(void **state)
{
    (void)state;
    post("Subject: hi\r\nList-Unsubscribe: <https://other.test/>\r\n\r\nbody\r\n");
    check_own_copy("Subject: hi\r\n\r\nbody\r\n");
    char *text = inbox_newest("bob@home.test", NULL);
    assert_null(strstr(text, "https://"));
    assert_contains(text, "\r\nList-Unsubscribe: <mailto:");
    free(text);
}

static void test_file(void **state)
{
    (void)state;
    size_t n = 300 * KiB, at = 15;
    char *content = xcalloc(1, n + 100);
    memcpy(content, "Subject: hi\r\n\r\n", at);
    for (; at < n; at += 34)
        memcpy(content + at, "01234567890123456789012345678901\r\n", 34);
    static char port[8];
    snprintf(port, sizeof(port), "%u", peer.port);
    house_conf((struct conf_pair[]){ { "queue.memory_limit", "64KiB" },
                                     { "deliver.starttls", "never" },
                                     { "deliver.port", port } },
               3);
    post(content);
    check_own_copy(content);
    free(content);
}

static void test_possible(void **state)
{
    (void)state;
    assert_true(unsubscribe_possible(SV("a+b@c.test")));
    static const char *const no[] = { "", "a;b@c.test", "a,b@c.test", "\"a b\"@c.test",
                                      "a#b@c.test" };
    for (size_t i = 0; i < ARRAY_LEN(no); i++)
        assert_false(unsubscribe_possible(sv_c(no[i])));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = { T(test_small), T(test_file),
                                        cmocka_unit_test(test_possible) };
    return cmocka_run_group_tests_name("mail/deliver/list", tests, NULL, NULL);
}
