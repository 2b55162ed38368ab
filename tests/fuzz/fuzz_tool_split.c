/* link: cli */
/* Batch lines of `posthorn tool batch`: words, then a request. Nothing is run. */
#include <stdlib.h>

#include "base/sv.h"
#include "cli/tool.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sv rest = sv_n(data, size);
    while (rest.p) {
        char *line = sv_dup(sv_split(&rest, '\n')); /* a NUL ends it, as in the program */
        size_t n = strlen(line);
        char *words[8];
        struct errinfo ei = { 0 };
        const struct tool_cmd *cmd = NULL;
        json_t *req = NULL;
        int k = tool_split(line, words, 8, &ei);
        if (k > 8 || (k < 0 && !*ei.text))
            abort();
        for (int i = 0; i < k; i++)
            if (words[i] < line || words[i] + strlen(words[i]) > line + n)
                abort();
        if (k > 0 && tool_parse(k, words, &cmd, &req, &ei) == 0) {
            if (!cmd || !json_is_object(json_object_get(req, "args")))
                abort();
            json_decref(req);
        }
        free(line);
    }
    return 0;
}
