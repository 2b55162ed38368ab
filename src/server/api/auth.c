/* Sessions and tokens to callers. */
#include "server/api/auth.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "conf/conf.h"
#include "mail/account/web_auth.h"

void api_csrf_token(struct sv secret, char ret[40])
{
    static const char label[] = "posthorn csrf";
    uint8_t in[sizeof(label) + WEB_SECRET], digest[32];
    size_t n = MIN(secret.n, (size_t)WEB_SECRET);

    memcpy(in, label, sizeof(label));
    memcpy(in + sizeof(label), secret.p, n);
    if (!EVP_Digest(in, sizeof(label) + n, digest, NULL, EVP_sha256(), NULL))
        panic("SHA-256 failed");
    for (size_t i = 0; i < 16; i++)
        snprintf(ret + 2 * i, 3, "%02x", digest[i]);
    OPENSSL_cleanse(in, sizeof(in));
}

int api_caller_session(struct accounts *a, struct sv secret, bool used, struct api_caller **ret,
                       struct errinfo *ei)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    char hash[WEB_SECRET];
    int64_t account = 0, expires_ms = 0;
    int r =
        web_session_find(a, secret, cf->web.session_idle, used, &account, hash, &expires_ms, ei);

    if (r == 0)
        r = api_caller_account(a, account, ret, ei);
    if (r < 0)
        return r;
    (*ret)->proof = PROOF_SESSION;
    (*ret)->expires_ms = expires_ms;
    sv_copy((*ret)->session, sizeof((*ret)->session), sv_c(hash));
    api_csrf_token(secret, (*ret)->csrf);
    return 0;
}

int api_caller_token(struct accounts *a, struct sv secret, struct api_caller **ret,
                     struct errinfo *ei)
{
    struct api_token t;
    char hash[WEB_SECRET];
    uint32_t scopes = SCOPES_ALL;
    int r = api_token_find(a, secret, &t, hash, ei);

    if (r == 0 && *t.scopes)
        r = api_scopes_parse(sv_c(t.scopes), &scopes, ei);
    if (r == 0)
        r = api_caller_account(a, t.account_id, ret, ei);
    if (r < 0)
        return r;
    (*ret)->proof = PROOF_TOKEN;
    (*ret)->scopes &= scopes;
    (*ret)->expires_ms = t.expires_ms;
    sv_copy((*ret)->session, sizeof((*ret)->session), sv_c(hash));
    return 0;
}
