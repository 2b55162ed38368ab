/* Host program: prints docs/openapi.json; with --check FILE it compares and fails when the file is
 * stale. */
#include <stdio.h>

#include "os/file.h"
#include "server/api/api.h"

int main(int argc, char **argv)
{
    json_t *doc = api_openapi();
    char *text = json_dumps(doc, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
    struct errinfo ei = { 0 };
    struct buf have;
    int r = 0;

    json_decref(doc);
    if (argc < 3 || strcmp(argv[1], "--check")) {
        puts(text);
        free(text);
        return 0;
    }
    buf_init(&have, 16 * MiB);
    if (os_read_file(argv[2], &have, &ei) < 0) {
        fprintf(stderr, "%s\n", ei.text);
        r = 1;
    } else if (!sv_eq(sv_trim(buf_sv(&have)), sv_c(text))) {
        fprintf(stderr, "%s is stale: make docs\n", argv[2]);
        r = 1;
    }
    buf_done(&have);
    free(text);
    return r;
}
