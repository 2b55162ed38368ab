/* What the language knows: extensions, commands, tests, tags. One row each. */
#include "proto/sieve/sieve_priv.h"

static const char *const ext_names[SIEVE_EXT_COUNT] = {
    [SIEVE_EXT_FILEINTO] = "fileinto",
    [SIEVE_EXT_REJECT] = "reject",
    [SIEVE_EXT_EREJECT] = "ereject",
    [SIEVE_EXT_ENVELOPE] = "envelope",
    [SIEVE_EXT_ENCODED_CHARACTER] = "encoded-character",
    [SIEVE_EXT_BODY] = "body",
    [SIEVE_EXT_VARIABLES] = "variables",
    [SIEVE_EXT_VACATION] = "vacation",
    [SIEVE_EXT_VACATION_SECONDS] = "vacation-seconds",
    [SIEVE_EXT_IMAP4FLAGS] = "imap4flags",
    [SIEVE_EXT_SUBADDRESS] = "subaddress",
    [SIEVE_EXT_RELATIONAL] = "relational",
    [SIEVE_EXT_COPY] = "copy",
    [SIEVE_EXT_MAILBOX] = "mailbox",
    [SIEVE_EXT_EDITHEADER] = "editheader",
    [SIEVE_EXT_ENOTIFY] = "enotify",
    [SIEVE_EXT_DUPLICATE] = "duplicate",
    [SIEVE_EXT_REGEX] = "regex",
    [SIEVE_EXT_DATE] = "date",
    [SIEVE_EXT_INDEX] = "index",
    [SIEVE_EXT_INCLUDE] = "include",
    [SIEVE_EXT_NUMERIC] = "comparator-i;ascii-numeric",
    [SIEVE_EXT_OCTET] = "comparator-i;octet",
    [SIEVE_EXT_CASEMAP] = "comparator-i;ascii-casemap",
};

#define E(x) SIEVE_EXT_##x
/* clang-format off */
static const struct sieve_spec specs[] = {
    { "require",    SIEVE_REQUIRE,      false, E(NONE),       "L",   TESTS_NONE, false },
    { "if",         SIEVE_IF,           false, E(NONE),       "",    TESTS_ONE,  true },
    { "elsif",      SIEVE_ELSIF,        false, E(NONE),       "",    TESTS_ONE,  true },
    { "else",       SIEVE_ELSE,         false, E(NONE),       "",    TESTS_NONE, true },
    { "stop",       SIEVE_STOP,         false, E(NONE),       "",    TESTS_NONE, false },
    { "keep",       SIEVE_KEEP,         false, E(NONE),       "",    TESTS_NONE, false },
    { "discard",    SIEVE_DISCARD,      false, E(NONE),       "",    TESTS_NONE, false },
    { "redirect",   SIEVE_REDIRECT,     false, E(NONE),       "S",   TESTS_NONE, false },
    { "fileinto",   SIEVE_FILEINTO,     false, E(FILEINTO),   "S",   TESTS_NONE, false },
    { "reject",     SIEVE_REJECT,       false, E(REJECT),     "S",   TESTS_NONE, false },
    { "ereject",    SIEVE_EREJECT,      false, E(EREJECT),    "S",   TESTS_NONE, false },
    { "set",        SIEVE_SET,          false, E(VARIABLES),  "SS",  TESTS_NONE, false },
    { "vacation",   SIEVE_VACATION,     false, E(VACATION),   "S",   TESTS_NONE, false },
    { "setflag",    SIEVE_SETFLAG,      false, E(IMAP4FLAGS), "?SL", TESTS_NONE, false },
    { "addflag",    SIEVE_ADDFLAG,      false, E(IMAP4FLAGS), "?SL", TESTS_NONE, false },
    { "removeflag", SIEVE_REMOVEFLAG,   false, E(IMAP4FLAGS), "?SL", TESTS_NONE, false },
    { "addheader",  SIEVE_ADDHEADER,    false, E(EDITHEADER), "SS",  TESTS_NONE, false },
    { "deleteheader", SIEVE_DELETEHEADER, false, E(EDITHEADER), "SL?", TESTS_NONE, false },
    { "notify",     SIEVE_NOTIFY,       false, E(ENOTIFY),    "S",   TESTS_NONE, false },
    { "include",    SIEVE_INCLUDE,      false, E(INCLUDE),    "S",   TESTS_NONE, false },
    { "return",     SIEVE_RETURN,       false, E(INCLUDE),    "",    TESTS_NONE, false },
    { "global",     SIEVE_GLOBAL,       false, E(INCLUDE),    "L",   TESTS_NONE, false },
    { "address",    SIEVE_ADDRESS,      true,  E(NONE),       "LL",  TESTS_NONE, false },
    { "allof",      SIEVE_ALLOF,        true,  E(NONE),       "",    TESTS_LIST, false },
    { "anyof",      SIEVE_ANYOF,        true,  E(NONE),       "",    TESTS_LIST, false },
    { "envelope",   SIEVE_ENVELOPE,     true,  E(ENVELOPE),   "LL",  TESTS_NONE, false },
    { "exists",     SIEVE_EXISTS,       true,  E(NONE),       "L",   TESTS_NONE, false },
    { "false",      SIEVE_FALSE,        true,  E(NONE),       "",    TESTS_NONE, false },
    { "header",     SIEVE_HEADER,       true,  E(NONE),       "LL",  TESTS_NONE, false },
    { "not",        SIEVE_NOT,          true,  E(NONE),       "",    TESTS_ONE,  false },
    { "size",       SIEVE_SIZE,         true,  E(NONE),       "N",   TESTS_NONE, false },
    { "true",       SIEVE_TRUE,         true,  E(NONE),       "",    TESTS_NONE, false },
    { "body",       SIEVE_BODY,         true,  E(BODY),       "L",   TESTS_NONE, false },
    { "string",     SIEVE_STRING,       true,  E(VARIABLES),  "LL",  TESTS_NONE, false },
    { "hasflag",    SIEVE_HASFLAG,      true,  E(IMAP4FLAGS), "?LL", TESTS_NONE, false },
    { "mailboxexists", SIEVE_MAILBOXEXISTS, true, E(MAILBOX), "L",   TESTS_NONE, false },
    { "date",       SIEVE_DATE,         true,  E(DATE),       "SSL", TESTS_NONE, false },
    { "currentdate", SIEVE_CURRENTDATE, true,  E(DATE),       "SL",  TESTS_NONE, false },
    { "duplicate",  SIEVE_DUPLICATE,    true,  E(DUPLICATE),  "",    TESTS_NONE, false },
    { "valid_notify_method", SIEVE_VALID_NOTIFY_METHOD, true, E(ENOTIFY), "L", TESTS_NONE, false },
    { "notify_method_capability", SIEVE_NOTIFY_METHOD_CAPABILITY, true, E(ENOTIFY), "SSL",
      TESTS_NONE, false },
};

#define W(x) (UINT64_C(1) << SIEVE_##x)
#define MATCHING (W(ADDRESS) | W(ENVELOPE) | W(HEADER) | W(BODY) | W(STRING) | W(HASFLAG) | W(DATE) | \
                  W(CURRENTDATE) | W(DELETEHEADER) | W(NOTIFY_METHOD_CAPABILITY))
#define ADDRESSES (W(ADDRESS) | W(ENVELOPE))
#define INDEXED (W(HEADER) | W(ADDRESS) | W(DATE))
static const struct sieve_tag_spec tags[] = {
    { "is",         SIEVE_T_IS,         0,   GROUP_MATCH, E(NONE),       MATCHING },
    { "contains",   SIEVE_T_CONTAINS,   0,   GROUP_MATCH, E(NONE),       MATCHING },
    { "matches",    SIEVE_T_MATCHES,    0,   GROUP_MATCH, E(NONE),       MATCHING },
    { "regex",      SIEVE_T_REGEX,      0,   GROUP_MATCH, E(REGEX),      MATCHING },
    { "count",      SIEVE_T_COUNT,      'S', GROUP_MATCH, E(RELATIONAL), MATCHING },
    { "value",      SIEVE_T_VALUE,      'S', GROUP_MATCH, E(RELATIONAL), MATCHING },
    { "comparator", SIEVE_T_COMPARATOR, 'S', GROUP_NONE,  E(NONE),       MATCHING },
    { "all",        SIEVE_T_ALL,        0,   GROUP_PART,  E(NONE),       ADDRESSES },
    { "localpart",  SIEVE_T_LOCALPART,  0,   GROUP_PART,  E(NONE),       ADDRESSES },
    { "domain",     SIEVE_T_DOMAIN,     0,   GROUP_PART,  E(NONE),       ADDRESSES },
    { "user",       SIEVE_T_USER,       0,   GROUP_PART,  E(SUBADDRESS), ADDRESSES },
    { "detail",     SIEVE_T_DETAIL,     0,   GROUP_PART,  E(SUBADDRESS), ADDRESSES },
    { "over",       SIEVE_T_OVER,       0,   GROUP_SIZE,  E(NONE),       W(SIZE) },
    { "under",      SIEVE_T_UNDER,      0,   GROUP_SIZE,  E(NONE),       W(SIZE) },
    { "raw",        SIEVE_T_RAW,        0,   GROUP_BODY,  E(NONE),       W(BODY) },
    { "content",    SIEVE_T_CONTENT,    'L', GROUP_BODY,  E(NONE),       W(BODY) },
    { "text",       SIEVE_T_TEXT,       0,   GROUP_BODY,  E(NONE),       W(BODY) },
    { "copy",       SIEVE_T_COPY,       0,   GROUP_NONE,  E(COPY),       W(FILEINTO) | W(REDIRECT) },
    { "create",     SIEVE_T_CREATE,     0,   GROUP_NONE,  E(MAILBOX),    W(FILEINTO) },
    { "flags",      SIEVE_T_FLAGS,      'L', GROUP_NONE,  E(IMAP4FLAGS), W(FILEINTO) | W(KEEP) },
    { "days",       SIEVE_T_DAYS,       'N', GROUP_PERIOD, E(NONE),      W(VACATION) },
    { "seconds",    SIEVE_T_SECONDS,    'N', GROUP_PERIOD, E(VACATION_SECONDS), W(VACATION) },
    { "seconds",    SIEVE_T_SECONDS,    'N', GROUP_PERIOD, E(NONE),      W(DUPLICATE) },
    { "subject",    SIEVE_T_SUBJECT,    'S', GROUP_NONE,  E(NONE),       W(VACATION) },
    { "from",       SIEVE_T_FROM,       'S', GROUP_NONE,  E(NONE),       W(VACATION) | W(NOTIFY) },
    { "addresses",  SIEVE_T_ADDRESSES,  'L', GROUP_NONE,  E(NONE),       W(VACATION) },
    { "mime",       SIEVE_T_MIME,       0,   GROUP_NONE,  E(NONE),       W(VACATION) },
    { "handle",     SIEVE_T_HANDLE,     'S', GROUP_NONE,  E(NONE),       W(VACATION) | W(DUPLICATE) },
    { "lower",      SIEVE_T_LOWER,      0,   GROUP_CASE,  E(NONE),       W(SET) },
    { "upper",      SIEVE_T_UPPER,      0,   GROUP_CASE,  E(NONE),       W(SET) },
    { "lowerfirst", SIEVE_T_LOWERFIRST, 0,   GROUP_FIRST, E(NONE),       W(SET) },
    { "upperfirst", SIEVE_T_UPPERFIRST, 0,   GROUP_FIRST, E(NONE),       W(SET) },
    { "quotewildcard", SIEVE_T_QUOTEWILDCARD, 0, GROUP_QUOTE, E(NONE),   W(SET) },
    { "quoteregex", SIEVE_T_QUOTEREGEX, 0,   GROUP_QUOTE, E(REGEX),      W(SET) },
    { "encodeurl",  SIEVE_T_ENCODEURL,  0,   GROUP_NONE,  E(ENOTIFY),    W(SET) },
    { "length",     SIEVE_T_LENGTH,     0,   GROUP_NONE,  E(NONE),       W(SET) },
    { "zone",       SIEVE_T_ZONE,       'S', GROUP_ZONE,  E(NONE),       W(DATE) | W(CURRENTDATE) },
    { "originalzone", SIEVE_T_ORIGINALZONE, 0, GROUP_ZONE, E(NONE),      W(DATE) },
    { "index",      SIEVE_T_INDEX,      'N', GROUP_NONE,  E(INDEX),      INDEXED },
    { "index",      SIEVE_T_INDEX,      'N', GROUP_NONE,  E(NONE),       W(DELETEHEADER) },
    { "last",       SIEVE_T_LAST,       0,   GROUP_NONE,  E(INDEX),      INDEXED },
    { "last",       SIEVE_T_LAST,       0,   GROUP_NONE,  E(NONE),
      W(DELETEHEADER) | W(ADDHEADER) | W(DUPLICATE) },
    { "importance", SIEVE_T_IMPORTANCE, 'S', GROUP_NONE,  E(NONE),       W(NOTIFY) },
    { "options",    SIEVE_T_OPTIONS,    'L', GROUP_NONE,  E(NONE),       W(NOTIFY) },
    { "message",    SIEVE_T_MESSAGE,    'S', GROUP_NONE,  E(NONE),       W(NOTIFY) },
    { "header",     SIEVE_T_HEADER,     'S', GROUP_ID,    E(NONE),       W(DUPLICATE) },
    { "uniqueid",   SIEVE_T_UNIQUEID,   'S', GROUP_ID,    E(NONE),       W(DUPLICATE) },
    { "personal",   SIEVE_T_PERSONAL,   0,   GROUP_LOCATION, E(NONE),    W(INCLUDE) },
    { "global",     SIEVE_T_GLOBAL,     0,   GROUP_LOCATION, E(NONE),    W(INCLUDE) },
    { "once",       SIEVE_T_ONCE,       0,   GROUP_NONE,  E(NONE),       W(INCLUDE) },
    { "optional",   SIEVE_T_OPTIONAL,   0,   GROUP_NONE,  E(NONE),       W(INCLUDE) },
};
/* clang-format on */

const char *sieve_ext_name(enum sieve_ext e)
{
    return ext_names[e];
}

enum sieve_ext sieve_find_ext(struct sv name)
{
    for (unsigned e = SIEVE_EXT_NONE + 1; e < SIEVE_EXT_COUNT; e++)
        if (sv_eq(name, sv_c(ext_names[e])))
            return (enum sieve_ext)e;
    return SIEVE_EXT_NONE;
}

const struct sieve_spec *sieve_find_spec(struct sv name)
{
    for (size_t i = 0; i < ARRAY_LEN(specs); i++)
        if (sv_ieq(name, sv_c(specs[i].name)))
            return &specs[i];
    return NULL;
}

const struct sieve_tag_spec *sieve_find_tag(struct sv name, enum sieve_word w, bool *ret_other)
{
    *ret_other = false;
    for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
        if (!sv_ieq(name, sv_c(tags[i].name)))
            continue;
        if (tags[i].words >> w & 1)
            return &tags[i];
        *ret_other = true;
    }
    return NULL;
}

const struct sieve_option *sieve_option(const struct sieve_node *n, enum sieve_tag t)
{
    for (const struct sieve_option *o = n->options; o; o = o->next)
        if (o->tag == t)
            return o;
    return NULL;
}
