/* What belongs to accounts goes with them: one by one, or all of a domain. A table whose rows name
 * an account has its row here (tests/unit/mail/account/test_gone.c compares with the schema). */
#include "mail/account/accounts_priv.h"

/* also: a further condition, with AND before it. */
#define OF_ACCOUNT(table, column, also)                                                            \
    {                                                                                              \
        ("DELETE FROM " table " WHERE " column " = ?" also),                                       \
            ("DELETE FROM " table " WHERE " column                                                 \
             " IN (SELECT id FROM account WHERE domain_id = ?)" also)                              \
    }
static const struct {
    const char *one, *all_of_domain;
} tables[] = {
    OF_ACCOUNT("password", "account_id", ""),
    OF_ACCOUNT("app_password", "account_id", ""),
    OF_ACCOUNT("alias", "account_id", ""),
    OF_ACCOUNT("admin_domain", "account_id", ""),
    OF_ACCOUNT("web_session", "account_id", ""),
    OF_ACCOUNT("api_token", "account_id", ""),
    OF_ACCOUNT("sieve_script", "account_id", ""),
    OF_ACCOUNT("sieve_seen", "account_id", ""),
    OF_ACCOUNT("account_option", "account_id", ""),
    OF_ACCOUNT("list_member", "list_id", ""),
    OF_ACCOUNT("remote_seen", "remote_id IN (SELECT id FROM remote_account WHERE account_id", ")"),
    OF_ACCOUNT("remote_account", "account_id", ""),          /* after what refers to it */
    OF_ACCOUNT("mail_filter", "owner_id", " AND level = 4"), /* FILTER_ACCOUNT */
    /* A backup domain stays, and waits for somebody else. */
    { "UPDATE domain SET fetched_by = 0 WHERE fetched_by = ?",
      "UPDATE domain SET fetched_by = 0 WHERE fetched_by IN"
      " (SELECT id FROM account WHERE domain_id = ?)" },
};

int account_rows_delete(struct change *ch, int64_t account_id)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_LEN(tables); i++)
        r = db_run(ch->c, ch->ei, tables[i].one, "i", account_id);
    return r < 0 ? r : db_run(ch->c, ch->ei, "DELETE FROM account WHERE id = ?", "i", account_id);
}

int domain_accounts_delete(struct change *ch, int64_t domain_id)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_LEN(tables); i++)
        r = db_run(ch->c, ch->ei, tables[i].all_of_domain, "i", domain_id);
    return r < 0 ? r
                 : db_run(ch->c, ch->ei, "DELETE FROM account WHERE domain_id = ?", "i", domain_id);
}
