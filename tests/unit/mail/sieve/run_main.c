/* sieve_run DIR FILE...: prints what each case does, as "expect" lines: for writing new cases. */
#include "cases.h"

int main(int argc, char **argv)
{
    for (int i = 2; i < argc; i++) {
        struct sieve_case c;
        struct sieve_problems p;
        struct sieve_result res = { 0 };
        struct arena a;
        struct buf out;
        buf_init(&out, MiB);
        arena_init(&a, SIEVE_ARENA);
        printf("== %s\n", argv[i]);
        if (!case_load(argv[1], argv[i], &c)) {
            printf("cannot read\n");
        } else if (case_run(&c, &res, &p, &a) < 0) {
            printf("refused: line %u: %s\n", p.v[0].line, p.v[0].text);
        } else {
            print_actions(&res, &out);
            printf(SV_FMT, SV_ARG(buf_sv(&out)));
            if (res.error)
                printf("error line %u: %s\n", res.error_line, res.ei.text);
            for (size_t k = 0; k < res.n; k++)
                if (res.v[k].header.p)
                    printf("header:\n" SV_FMT, SV_ARG(res.v[k].header));
            sieve_result_done(&res);
        }
        case_done(&c);
        buf_done(&out);
        arena_done(&a);
    }
    return 0;
}
