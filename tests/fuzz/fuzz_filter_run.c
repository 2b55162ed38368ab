/* link: mail_filter */
/* Rules that look at everything and, as input, a message: whatever it is, the run ends and stays
 * within its memory. */
#include <stdint.h>

#include "mail/filter/filter_run.h"

static const char text[] =
    "rule \"a\" if sender contains \"@\" or header \"*\" matches \"*x*\" then score 1\n"
    "rule \"b\" if body contains \"pills\" or body regex \"a+b\" then score 1\n"
    "rule \"c\" if attachment-name matches \"*.exe\" then score 1\n"
    "rule \"d\" if attachment-type is \"application/zip\" then score 1\n"
    "rule \"e\" if encrypted-archive or unreadable-archive or attachments over 3 then score 1\n"
    "rule \"f\" if size over 1K and time from \"08:00\" to \"18:00\" then reject\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct filter_rules rules;
    struct filter_result res = { 0 };
    struct sv rcpt = SV("bob@b.test");
    const struct filter_facts f = {
        .message = sv_n(data, size),
        .sender = SV("ann@a.test"),
        .rcpts = &rcpt,
        .n_rcpts = 1,
        .ip = "192.0.2.1",
        .now_s = 1798113600,
    };
    if (filter_parse(sv_c(text), &rules, NULL) < 0)
        abort();
    struct filter_view *v = filter_view_new(&f);
    int r = filter_run(v, &rules, &res, NULL);
    if (r != 0 && r != E_LIMIT && r != E_RANGE)
        abort();
    if (res.n > rules.n)
        abort();
    filter_view_free(v);
    filter_result_done(&res);
    filter_rules_done(&rules);
    return 0;
}
