/* Answers of the name servers: records as zone files have them, and what is known about them. */
#include <stdio.h>

#include "base/sv.h"
#include "cli/print_priv.h"

static const char *yes_if(const char *text, const char *none)
{
    return *text ? text : none;
}

void print_dns(json_t *reply)
{
    json_t *row;
    char text[1200];
    size_t i;
    json_int_t ms = json_integer_value(json_object_get(reply, "took_ms"));

    json_array_foreach(json_object_get(reply, "rows"), i, row)
    {
        print_safe(print_text(row, "name"), text, sizeof(text));
        printf("%-31s %8" JSON_INTEGER_FORMAT " %s %-6s ", text,
               json_integer_value(json_object_get(row, "ttl")), print_text(row, "class"),
               print_text(row, "type"));
        print_safe(print_text(row, "result"), text, sizeof(text));
        puts(text);
    }
    printf("status: %s", print_text(reply, "status"));
    if (*print_text(reply, "text")) {
        print_safe(print_text(reply, "text"), text, sizeof(text));
        printf(" (%s)", text);
    }
    printf("\nDNSSEC: %s\nserver: %s%s\ntime:   %" JSON_INTEGER_FORMAT " ms\n",
           yes_if(print_text(reply, "dnssec"), "not known"),
           yes_if(print_text(reply, "server"), "none answered"),
           json_is_true(json_object_get(reply, "cached")) ? " (from the cache)" : "", ms);
}

void print_dns_test_head(void)
{
    printf("%5s  %-30s %-6s %-9s %-9s %8s\n", "ROUND", "SERVER", "RESULT", "STATUS", "DNSSEC",
           "TIME");
}

void print_dns_test_row(json_t *row)
{
    char text[400];

    print_safe(print_text(row, "text"), text, sizeof(text));
    printf("%5" JSON_INTEGER_FORMAT "  %-30s %-6s %-9s %-9s %5" JSON_INTEGER_FORMAT " ms %s\n",
           json_integer_value(json_object_get(row, "round")), print_text(row, "server"),
           json_is_true(json_object_get(row, "passed")) ? "pass" : "fail",
           print_text(row, "status"), yes_if(print_text(row, "dnssec"), "-"),
           json_integer_value(json_object_get(row, "took_ms")), text);
}
