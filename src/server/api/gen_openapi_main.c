/* Host program: prints docs/openapi.json; with --check FILE it compares and fails when the file is
 * stale. */
#include "base/generated.h"
#include "server/api/api.h"

int main(int argc, char **argv)
{
    json_t *doc = api_openapi();
    char *text = json_dumps(doc, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
    struct buf b;

    json_decref(doc);
    buf_init(&b, 16 * MiB);
    buf_add_str(&b, text);
    buf_add_c(&b, '\n');
    free(text);
    int r = generated_main(&b, "gen-openapi [--check FILE]", argc, argv);
    buf_done(&b);
    return r;
}
