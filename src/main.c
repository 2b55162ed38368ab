/* The one binary. `posthorn serve` is the supervisor, which executes the same program again as
 * `posthorn module NAME`; `posthorn tool` is the administrator's command line. */
#include <getopt.h>
#include <stdio.h>

#include "cli/tool.h"
#include "proc/module.h"
#include "proc/runner.h"
#include "proc/supervisor.h"

static const struct module_def *const modules[] = { &module_smtp, &module_access, &module_control };

static void help(void)
{
    printf("Posthorn %s, an all-in-one mail server\n\n"
           "  posthorn serve [--data DIR] [--db DSN] [--user USER] [--commands DIR] [--quiet]\n"
           "                                                                   run the server in "
           "the foreground\n"
           "  posthorn tool COMMAND                                            administer it; "
           "`posthorn tool help`\n"
           "  posthorn why ID | [from=ADDRESS] [to=ADDRESS] [since=1d]         what became of a "
           "message, and why\n"
           "  posthorn --version\n\n"
           "DIR is /var/lib/posthorn unless $POSTHORN_DATA or --data names another. Manual: "
           "posthorn(8), posthorn-tool(8).\n",
           POSTHORN_VERSION);
}

static int serve(int argc, char **argv)
{
    static const struct option longopts[] = {
        { "data", required_argument, NULL, 'd' },
        { "db", required_argument, NULL, 'b' },
        { "user", required_argument, NULL, 'u' },
        { "quiet", no_argument, NULL, 'q' },
        { "commands", required_argument, NULL, 'c' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    static char name[] = "posthorn serve";
    struct supervisor_opts o = { 0 };
    int c;

    argv[0] = name; /* getopt names the program in its messages */
    while ((c = getopt_long(argc, argv, "d:u:c:qh", longopts, NULL)) != -1)
        switch (c) {
        case 'd':
            o.data = optarg;
            break;
        case 'b':
            o.dsn = optarg;
            break;
        case 'u':
            o.user = optarg;
            break;
        case 'c':
            o.commands = optarg;
            break;
        case 'q':
            o.quiet = true;
            break;
        case 'h':
            help();
            return 0;
        default:
            return 2;
        }
    if (optind < argc) {
        fprintf(stderr, "posthorn serve: unexpected argument '%s'\n", argv[optind]);
        return 2;
    }
    return supervisor_main(&o);
}

static int module(const char *name)
{
    if (!strcmp(name, "commands"))
        return runner_main();
    for (size_t i = 0; i < ARRAY_LEN(modules); i++)
        if (!strcmp(name, module_names[modules[i]->self]))
            return module_main(modules[i]);
    fprintf(stderr, "posthorn: no module '%s'\n", name);
    return 2;
}

int main(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "";

    if (!strcmp(verb, "serve"))
        return serve(argc - 1, argv + 1);
    if (!strcmp(verb, "module") && argc == 3)
        return module(argv[2]);
    if (!strcmp(verb, "tool"))
        return tool_main(argc - 1, argv + 1, NULL);
    if (!strcmp(verb, "why")) /* the question of 3 a.m. is not to be looked for */
        return tool_main(argc - 1, argv + 1, argv[1]);
    if (!strcmp(verb, "--version") || !strcmp(verb, "version")) {
        puts("posthorn " POSTHORN_VERSION);
        return 0;
    }
    help();
    if (*verb && strcmp(verb, "help") && strcmp(verb, "--help") && strcmp(verb, "-h")) {
        fprintf(stderr, "\nposthorn: unknown command '%s'\n", verb);
        return 2;
    }
    return *verb ? 0 : 2;
}
