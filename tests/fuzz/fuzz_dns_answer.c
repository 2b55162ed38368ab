/* link: net */
/* Answers of the DNS: whatever records hold, texts are whole and host names have no byte that could
 * confuse a log line or a reply. The first byte chooses the type, the rest is records, each behind
 * its length. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unbound.h>

#include "net/dns_priv.h"

enum { MAX_RECORDS = 40 };

static void check(const struct dns_answer *a, enum dns_type type)
{
    for (size_t i = 0; i < a->n; i++) {
        if (!a->rr[i].text)
            abort();
        for (const char *c = a->rr[i].text;
             type != DNS_TXT && type <= DNS_AAAA && type != DNS_SOA && *c; c++)
            if (*c <= ' ' || *c == 127 || *c == '"')
                abort();
        for (const char *c = a->rr[i].text; type > DNS_AAAA && *c; c++)
            if (*c < ' ' || *c >= 127)
                abort();
        if (type == DNS_MX && i && a->rr[i].prio < a->rr[i - 1].prio)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum dns_type types[] = { DNS_A,     DNS_AAAA, DNS_MX,  DNS_NS,
                                           DNS_CNAME, DNS_PTR,  DNS_TXT, DNS_SRV,
                                           DNS_NAPTR, DNS_TLSA, DNS_SOA };
    char *records[MAX_RECORDS + 1] = { NULL };
    int lengths[MAX_RECORDS];
    struct ub_result u = { .data = records, .len = lengths };
    struct dns_answer *a;
    size_t n = 0;
    if (!size)
        return 0;
    enum dns_type type = types[data[0] % (sizeof(types) / sizeof(types[0]))];
    for (size_t at = 1; at < size && n < MAX_RECORDS; n++) {
        size_t len = data[at++];
        len = len < size - at ? len : size - at;
        records[n] = malloc(len ? len : 1); /* of exactly this size: ASAN sees a read behind it */
        memcpy(records[n], data + at, len);
        lengths[n] = (int)len;
        at += len;
    }
    if (dns_decode(&u, type, &a) == 0) {
        check(a, type);
        struct dns_answer *copy = dns_answer_copy(a);
        check(copy, type);
        dns_answer_free(copy);
        dns_answer_free(a);
    }
    for (size_t i = 0; i < n; i++)
        free(records[i]);
    return 0;
}
