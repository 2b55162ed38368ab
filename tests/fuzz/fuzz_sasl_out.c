/* link: mail_deliver */
/* Challenges of a relay, one a line; the first byte chooses the mechanism. What we say is bounded,
 * and no impostor of SCRAM is taken for somebody who knows the password. */
#include <stdint.h>
#include <stdlib.h>

#include "proto/sasl_out.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sasl_out c;
    struct buf out;
    struct errinfo ei;
    if (!size)
        return 0;
    enum sasl_mech mech = (enum sasl_mech)(data[0] % SASL_MECHS);
    struct sv rest = sv_n(data + 1, size - 1);
    bool asked = false;
    /* The work that a relay may ask for is bounded, but not by what a fuzzer has time for. */
    if (sv_find_sv(rest, SV(",i=")) >= 0 && size > (size_t)sv_find_sv(rest, SV(",i=")) + 10)
        return 0;
    sasl_out_init(&c, mech, SV("us,er"), SV("password"), "nonce");
    buf_init(&out, 8192);
    int r = sasl_out_first(&c) ? sasl_out_step(&c, SV(""), &out, &ei) : 0;
    while (r == 0 && rest.p) {
        buf_reset(&out);
        asked |= c.step == 1;
        r = sasl_out_step(&c, sv_split(&rest, '\n'), &out, &ei);
    }
    if (asked && c.proven && (mech == SASL_SCRAM_SHA256 || mech == SASL_SCRAM_SHA1) && c.step < 3)
        abort();
    buf_done(&out);
    sasl_out_done(&c);
    return 0;
}
