/* A certificate that was handed in. */
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "cli/print_priv.h"

static const char *sentence(const char *warning)
{
    static const char *const known[][2] = {
        { "expired", "it has expired" },
        { "not-yet-valid", "it is not valid yet" },
        { "subject-unusable", "the subject is not part of an entry: too long, or with ; or |" },
        { "issuer-unusable", "the issuer is not part of an entry: too long, or with ; or |" },
    };

    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (!strcmp(warning, known[i][0]))
            return known[i][1];
    return warning;
}

void print_certificate(json_t *reply)
{
    static const char *const names[] = { "subject", "issuer", "sha256" };
    char text[2000];
    json_t *w;
    size_t i;

    for (i = 0; i < ARRAY_LEN(names); i++) {
        print_safe(print_text(reply, names[i]), text, sizeof(text));
        printf("%s=%s\n", names[i], text);
    }
    json_array_foreach(json_object_get(reply, "warnings"), i, w)
        printf("warning: %s\n", sentence(json_string_value(w)));
}
