/* A trial of the gateway for SMS. */
#include <stdio.h>

#include "cli/print_priv.h"

static void line(const char *name, const char *value)
{
    char text[4000];

    print_safe(value, text, sizeof(text));
    printf("%-9s %s\n", name, text);
}

void print_sms(json_t *reply)
{
    json_t *header;
    size_t i;

    line("number:", print_text(reply, "number"));
    line("text:", print_text(reply, "text"));
    printf("%-9s %s, %" JSON_INTEGER_FORMAT " in %" JSON_INTEGER_FORMAT " segments%s\n",
           "encoding:", print_text(reply, "encoding"),
           json_integer_value(json_object_get(reply, "units")),
           json_integer_value(json_object_get(reply, "segments")),
           json_is_true(json_object_get(reply, "cut")) ? ", cut" : "");
    if (*print_text(reply, "url")) {
        line("method:", print_text(reply, "method"));
        line("url:", print_text(reply, "url"));
    }
    json_array_foreach(json_object_get(reply, "headers"), i, header)
        line("header:", json_string_value(header));
    if (*print_text(reply, "body"))
        line("body:", print_text(reply, "body"));
    line("result:", print_text(reply, "result"));
    if (*print_text(reply, "answer"))
        line("answer:", print_text(reply, "answer"));
}
