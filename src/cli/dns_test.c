/* The test of the name servers, as it goes on. */
#include <stdio.h>

#include "cli/print_priv.h"

static void show(json_t *rows)
{
    json_t *row;
    size_t i;

    json_array_foreach(rows, i, row) print_dns_test_row(row);
    fflush(stdout);
}

json_t *tool_dns_test(struct tool *t, json_t *request, bool shown)
{
    json_t *args = json_object_get(request, "args"), *all = json_array(), *reply, *rows, *next;

    if (!json_object_get(args, "from"))
        json_object_set_new(args, "from", json_string("0"));
    for (bool first = true;; first = false) {
        reply = tool_call(t, request);
        rows = json_object_get(reply, "rows");
        next = json_object_get(reply, "next");
        if (shown && first && rows)
            print_dns_test_head();
        if (shown)
            show(rows);
        json_array_extend(all, rows);
        if (!json_is_integer(next))
            break;
        json_object_set_new(args, "from",
                            json_sprintf("%" JSON_INTEGER_FORMAT, json_integer_value(next)));
        json_decref(reply);
    }
    if (rows)
        json_object_set(reply, "rows", all);
    json_decref(all);
    return reply;
}
