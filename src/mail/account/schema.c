/* The system database's tables for domains, accounts, credentials, the audit and the settings. Ids
 * come from id_sequence and are never used again: mailboxes are named by those of accounts. */
#include "mail/account/account.h"

static const char accounts_v1[] =
    "CREATE TABLE id_sequence ("
    " name {TEXT_KEY} NOT NULL PRIMARY KEY,"
    " last_id BIGINT NOT NULL);"
    "INSERT INTO id_sequence (name, last_id) VALUES ('domain', 0);"
    "INSERT INTO id_sequence (name, last_id) VALUES ('account', 0);"
    "INSERT INTO id_sequence (name, last_id) VALUES ('alias', 0);"
    "INSERT INTO id_sequence (name, last_id) VALUES ('app_password', 0);"
    "INSERT INTO id_sequence (name, last_id) VALUES ('audit', 0);"

    "CREATE TABLE domain ("
    " id {BIGINT_PK},"
    " name {TEXT_KEY} NOT NULL,"
    " enabled INTEGER NOT NULL,"
    " is_primary INTEGER NOT NULL,"
    " unknown_action INTEGER NOT NULL," /* enum unknown_action */
    " unknown_to {TEXT} NOT NULL,"
    " quota_bytes BIGINT NOT NULL,"
    " max_message_bytes BIGINT NOT NULL,"
    " created_ms BIGINT NOT NULL);"
    "CREATE UNIQUE INDEX domain_name ON domain (name);"

    "CREATE TABLE account ("
    " id {BIGINT_PK},"
    " domain_id BIGINT NOT NULL,"
    " address {TEXT_KEY} NOT NULL,"
    " name {TEXT} NOT NULL,"
    " enabled INTEGER NOT NULL,"
    " quota_bytes BIGINT NOT NULL,"
    " soft_quota_bytes BIGINT NOT NULL,"
    " max_message_bytes BIGINT NOT NULL,"
    " local_only INTEGER NOT NULL,"
    " created_ms BIGINT NOT NULL);"
    "CREATE UNIQUE INDEX account_address ON account (address);"
    "CREATE INDEX account_domain ON account (domain_id, enabled, id);"

    /* Either account_id (else 0) or target (else '') says where the address leads. */
    "CREATE TABLE alias ("
    " id {BIGINT_PK},"
    " address {TEXT_KEY} NOT NULL,"
    " domain_id BIGINT NOT NULL,"
    " account_id BIGINT NOT NULL,"
    " target {TEXT} NOT NULL);"
    "CREATE INDEX alias_address ON alias (address);"
    "CREATE INDEX alias_domain ON alias (domain_id);"
    "CREATE INDEX alias_account ON alias (account_id);"

    /* version grows with each change of the password. plain: only with auth.keep_plain. The SCRAM
     * columns hold "<iterations>:<salt>:<StoredKey>:<ServerKey>", base64; '' = none. */
    "CREATE TABLE password ("
    " account_id BIGINT NOT NULL PRIMARY KEY,"
    " scheme {TEXT_KEY} NOT NULL,"
    " hash {TEXT} NOT NULL,"
    " scram_sha1 {TEXT} NOT NULL,"
    " scram_sha256 {TEXT} NOT NULL,"
    " plain {TEXT},"
    " version BIGINT NOT NULL,"
    " changed_ms BIGINT NOT NULL);"
    "CREATE INDEX password_scheme ON password (scheme);"

    "CREATE TABLE app_password ("
    " id {BIGINT_PK},"
    " account_id BIGINT NOT NULL,"
    " label {TEXT_KEY} NOT NULL,"
    " salt {TEXT} NOT NULL," /* hex */
    " hash {TEXT} NOT NULL," /* hex of SHA-256(salt, password) */
    " created_s BIGINT NOT NULL,"
    " used_s BIGINT NOT NULL);" /* 0 = never */
    "CREATE UNIQUE INDEX app_password_label ON app_password (account_id, label);"

    /* One random key per installation: salts that must look the same on every node. */
    "CREATE TABLE auth_secret ("
    " name {TEXT_KEY} NOT NULL PRIMARY KEY,"
    " value {TEXT} NOT NULL);" /* hex */

    "CREATE TABLE audit ("
    " id {BIGINT_PK},"
    " at_ms BIGINT NOT NULL,"
    " admin {TEXT_KEY} NOT NULL,"
    " object {TEXT} NOT NULL,"
    " field {TEXT_KEY} NOT NULL,"
    " old_value {TEXT},"
    " new_value {TEXT});"

    "CREATE TABLE setting ("
    " name {TEXT_KEY} NOT NULL PRIMARY KEY,"
    " value {TEXT} NOT NULL)";

static const char admins_v2[] =
    "ALTER TABLE account ADD COLUMN role INTEGER NOT NULL DEFAULT 0;" /* enum account_role */

    "CREATE TABLE admin_domain ("
    " account_id BIGINT NOT NULL,"
    " domain_id BIGINT NOT NULL);"
    "CREATE UNIQUE INDEX admin_domain_key ON admin_domain (account_id, domain_id);"
    "CREATE INDEX admin_domain_domain ON admin_domain (domain_id);"

    /* Signed-in consoles. hash: hex of SHA-256 of the cookie's value. */
    "CREATE TABLE web_session ("
    " hash {TEXT_KEY} NOT NULL PRIMARY KEY,"
    " account_id BIGINT NOT NULL,"
    " created_ms BIGINT NOT NULL,"
    " seen_ms BIGINT NOT NULL,"
    " expires_ms BIGINT NOT NULL,"
    " peer {TEXT} NOT NULL,"
    " agent {TEXT} NOT NULL);"
    "CREATE INDEX web_session_account ON web_session (account_id);"
    "CREATE INDEX web_session_expires ON web_session (expires_ms);"

    /* Programs. scopes: words with a space between them. */
    "CREATE TABLE api_token ("
    " id {BIGINT_PK},"
    " hash {TEXT_KEY} NOT NULL,"
    " account_id BIGINT NOT NULL,"
    " name {TEXT} NOT NULL,"
    " scopes {TEXT} NOT NULL,"
    " created_ms BIGINT NOT NULL,"
    " expires_ms BIGINT NOT NULL," /* 0 = never */
    " used_ms BIGINT NOT NULL);"
    "CREATE UNIQUE INDEX api_token_hash ON api_token (hash);"
    "CREATE INDEX api_token_account ON api_token (account_id);"
    "INSERT INTO id_sequence (name, last_id) VALUES ('api_token', 0)";

static const char charts_v3[] =
    /* What people write beside the charts. */
    "CREATE TABLE annotation ("
    " id {BIGINT_PK},"
    " at_ms BIGINT NOT NULL,"
    " text {TEXT} NOT NULL,"
    " who {TEXT} NOT NULL,"
    " created_ms BIGINT NOT NULL);"
    "CREATE INDEX annotation_at ON annotation (at_ms);"
    "CREATE INDEX audit_at ON audit (at_ms);"
    "INSERT INTO id_sequence (name, last_id) VALUES ('annotation', 0)";

static const char sieve_v4[] =
    "CREATE TABLE sieve_script ("
    " account_id BIGINT NOT NULL,"
    " name {TEXT_KEY} NOT NULL,"
    " content {BLOB} NOT NULL,"
    " active INTEGER NOT NULL," /* 1 for at most one of an account */
    " changed_ms BIGINT NOT NULL);"
    "CREATE UNIQUE INDEX sieve_script_key ON sieve_script (account_id, name);"

    /* What scripts remember: replies that were sent (vacation), messages that were seen
     * (duplicate). id: a letter and hex of SHA-256. message_key: of the message that left the row;
     * a repeated delivery of the same message has not "seen" itself. */
    "CREATE TABLE sieve_seen ("
    " account_id BIGINT NOT NULL,"
    " id {TEXT_KEY} NOT NULL,"
    " message_key BIGINT NOT NULL,"
    " expires_ms BIGINT NOT NULL);"
    "CREATE UNIQUE INDEX sieve_seen_key ON sieve_seen (account_id, id);"
    "CREATE INDEX sieve_seen_expires ON sieve_seen (expires_ms)";

static const char options_v5[] =
    /* Fields of accounts that most do not use: a row each that is not at its default (option.c). */
    "CREATE TABLE account_option ("
    " account_id BIGINT NOT NULL,"
    " name {TEXT_KEY} NOT NULL,"
    " value {TEXT} NOT NULL);"
    "CREATE UNIQUE INDEX account_option_key ON account_option (account_id, name)";

static const char routes_v6[] =
    /* Routes of outgoing mail: conf/routes.h. relay: '' = by MX. */
    "CREATE TABLE mail_route ("
    " pattern {TEXT_KEY} NOT NULL PRIMARY KEY,"
    " place BIGINT NOT NULL,"
    " relay {TEXT} NOT NULL,"
    " login_user {TEXT} NOT NULL,"
    " login_password {TEXT} NOT NULL,"
    " source_ip {TEXT} NOT NULL,"
    " tls {TEXT} NOT NULL,"
    " family {TEXT} NOT NULL,"
    " changed_ms BIGINT NOT NULL)";

static const char lists_v7[] =
    "CREATE TABLE list_member ("
    " list_id BIGINT NOT NULL," /* account.id */
    " address {TEXT_KEY} NOT NULL);"
    "CREATE UNIQUE INDEX list_member_key ON list_member (list_id, address)";

static const char tls_counts_v8[] =
    /* How TLS with other servers went: tls_count.h. id: hex of SHA-256 of the texts behind it. */
    "CREATE TABLE tls_count ("
    " day BIGINT NOT NULL,"
    " domain {TEXT_KEY} NOT NULL,"
    " id {TEXT_KEY} NOT NULL,"
    " policy_type {TEXT} NOT NULL,"
    " policy_domain {TEXT} NOT NULL,"
    " policy {TEXT} NOT NULL,"
    " mx_patterns {TEXT} NOT NULL,"
    " result {TEXT} NOT NULL,"
    " sending_ip {TEXT} NOT NULL,"
    " mx {TEXT} NOT NULL,"
    " ip {TEXT} NOT NULL,"
    " reason {TEXT} NOT NULL,"
    " sessions BIGINT NOT NULL);"
    "CREATE UNIQUE INDEX tls_count_key ON tls_count (day, domain, id);"
    "CREATE INDEX tls_count_domain ON tls_count (domain)";

static const char filters_v9[] =
    /* Rules of content filters: filter_store.h. level: enum filter_level; owner_id: 0 = the server,
     * domain.id, account.id. content: the rule's text. */
    "CREATE TABLE mail_filter ("
    " level INTEGER NOT NULL,"
    " owner_id BIGINT NOT NULL,"
    " name {TEXT_KEY} NOT NULL,"
    " place BIGINT NOT NULL,"
    " content {BLOB} NOT NULL,"
    " hits BIGINT NOT NULL,"
    " hit_ms BIGINT NOT NULL,"
    " changed_ms BIGINT NOT NULL);"
    "CREATE UNIQUE INDEX mail_filter_key ON mail_filter (level, owner_id, name)";

static const char patterns_v10[] =
    /* Named patterns: pattern.h. name: without brackets, small letters. */
    "CREATE TABLE pattern_item ("
    " name {TEXT_KEY} NOT NULL,"
    " place BIGINT NOT NULL,"
    " item {TEXT} NOT NULL);"
    "CREATE UNIQUE INDEX pattern_item_key ON pattern_item (name, place)";

static const char collect_v11[] =
    "ALTER TABLE domain ADD COLUMN kind INTEGER NOT NULL DEFAULT 0;" /* enum domain_type */
    "ALTER TABLE domain ADD COLUMN backup_host {TEXT_KEY} NOT NULL DEFAULT '';"

    /* Accounts elsewhere whose mail is collected: remote_store.h. */
    "CREATE TABLE remote_account ("
    " id {BIGINT_PK},"
    " account_id BIGINT NOT NULL,"
    " protocol INTEGER NOT NULL,"
    " host {TEXT} NOT NULL,"
    " port INTEGER NOT NULL,"
    " tls INTEGER NOT NULL,"
    " verify INTEGER NOT NULL,"
    " login_user {TEXT} NOT NULL,"
    " login_password {TEXT} NOT NULL,"
    " leave_days BIGINT NOT NULL,"
    " interval_s BIGINT NOT NULL,"
    " enabled INTEGER NOT NULL,"
    " next_ms BIGINT NOT NULL,"
    " last_ms BIGINT NOT NULL,"
    " last_result {TEXT} NOT NULL,"
    " last_count BIGINT NOT NULL,"
    " failures BIGINT NOT NULL);"
    "CREATE INDEX remote_account_account ON remote_account (account_id);"
    "CREATE INDEX remote_account_next ON remote_account (next_ms);"
    "INSERT INTO id_sequence (name, last_id) VALUES ('remote_account', 0);"

    /* Messages there that were taken. id: hex of SHA-256. gone_ms: since when the server does not
     * list it any more; 0 = it does. */
    "CREATE TABLE remote_seen ("
    " remote_id BIGINT NOT NULL,"
    " id {TEXT_KEY} NOT NULL,"
    " seen_ms BIGINT NOT NULL,"
    " gone_ms BIGINT NOT NULL);"
    "CREATE UNIQUE INDEX remote_seen_key ON remote_seen (remote_id, id);"

    /* What is done once a day: jobs.h. */
    "CREATE TABLE job ("
    " name {TEXT_KEY} NOT NULL PRIMARY KEY,"
    " done_ms BIGINT NOT NULL)";

static const char senders_v12[] =
    /* Senders that are kept out or let in: sender_list.h. domain_id: 0 = the server. sender:
     * address or domain, canonical. */
    "CREATE TABLE sender_list ("
    " domain_id BIGINT NOT NULL,"
    " sender {TEXT_KEY} NOT NULL,"
    " allow INTEGER NOT NULL,"
    " changed_ms BIGINT NOT NULL,"
    " admin {TEXT} NOT NULL);"
    "CREATE UNIQUE INDEX sender_list_key ON sender_list (domain_id, sender)";

static const char fetched_v13[] =
    /* The account that fetches a backup domain's mail by ATRN; 0 = none. */
    "ALTER TABLE domain ADD COLUMN fetched_by BIGINT NOT NULL DEFAULT 0;"
    "CREATE INDEX domain_fetched_by ON domain (fetched_by);"
    /* Of a remote account by ATRN. */
    "ALTER TABLE remote_account ADD COLUMN domains {TEXT_KEY} NOT NULL DEFAULT ''";

static const char domain_limits_v14[] =
    /* What a domain may send; 0 = any number: domain_limit.c. max_...: each account of it,
     * total_...: all together. */
    "ALTER TABLE domain ADD COLUMN max_messages_hour BIGINT NOT NULL DEFAULT 0;"
    "ALTER TABLE domain ADD COLUMN max_messages_day BIGINT NOT NULL DEFAULT 0;"
    "ALTER TABLE domain ADD COLUMN max_recipients_hour BIGINT NOT NULL DEFAULT 0;"
    "ALTER TABLE domain ADD COLUMN max_recipients_day BIGINT NOT NULL DEFAULT 0;"
    "ALTER TABLE domain ADD COLUMN total_messages_hour BIGINT NOT NULL DEFAULT 0;"
    "ALTER TABLE domain ADD COLUMN total_messages_day BIGINT NOT NULL DEFAULT 0;"
    "ALTER TABLE domain ADD COLUMN total_recipients_hour BIGINT NOT NULL DEFAULT 0;"
    "ALTER TABLE domain ADD COLUMN total_recipients_day BIGINT NOT NULL DEFAULT 0";

static const char domain_quota_v15[] =
    /* Bytes that all mailboxes of a domain may hold; 0 = any number. */
    "ALTER TABLE domain ADD COLUMN total_quota BIGINT NOT NULL DEFAULT 0";

static const char secure_adapted_v16[] =
    /* Domains that prove themselves by a certificate: secure_adapted.h. */
    "CREATE TABLE secure_adapted ("
    " domain {TEXT_KEY} NOT NULL PRIMARY KEY,"
    " name {TEXT} NOT NULL,"
    " subject {TEXT} NOT NULL,"
    " issuer {TEXT} NOT NULL,"
    " ip {TEXT} NOT NULL,"
    " since_ms BIGINT NOT NULL,"
    " seen_ms BIGINT NOT NULL)";

const struct db_migration account_migrations[] = {
    { 1, "domains, accounts, credentials, audit, settings", accounts_v1 },
    { 2, "administrators, signed-in consoles, tokens", admins_v2 },
    { 3, "annotations of charts", charts_v3 },
    { 4, "Sieve scripts and what they remember", sieve_v4 },
    { 5, "further fields of accounts", options_v5 },
    { 6, "routes of outgoing mail", routes_v6 },
    { 7, "members of lists", lists_v7 },
    { 8, "counts of TLS with other servers", tls_counts_v8 },
    { 9, "rules of content filters", filters_v9 },
    { 10, "named patterns", patterns_v10 },
    { 11, "backup domains, remote accounts, daily jobs", collect_v11 },
    { 12, "lists of senders", senders_v12 },
    { 13, "backup domains that are fetched", fetched_v13 },
    { 14, "send limits of domains", domain_limits_v14 },
    { 15, "quotas of domains", domain_quota_v15 },
    { 16, "domains that secure destinations adapt to", secure_adapted_v16 },
};
const size_t account_migrations_count = ARRAY_LEN(account_migrations);
