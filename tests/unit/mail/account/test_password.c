/* Password schemes against hashes made elsewhere (Python's crypt and hashlib, the Argon2
 * reference), the refusals at import, and new hashes. */
#include "account_suite.h"
#include "base/buf.h"
#include "mail/account/password.h"
#include "mail/account/scram.h"

#define PW "p\xc3\xa4ssw\xc3\xb6rd 1"

static const struct {
    const char *text, *password;
    bool fast;
} vectors[] = {
    { "{PLAIN}" PW, PW, true },
    { "{plain}" PW, PW, true },
    { "{CLEARTEXT}" PW, PW, true },
    { "{ARGON2ID}$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/"
      "uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
      "password", false },
    { "{ARGON2I}$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+"
      "sCcFanM2xBT63UP2sghkUoHLIUpWRS8",
      "password", false },
    { "{SHA512-CRYPT}$6$rounds=1000$saltsalt$rGVzqU4uACWMxotJ.Z0clZnAiusc8xJHIM9zy."
      "uFYcRhwINLHfoWwkjzdce6ksXTn6MDVlSvckR6DrjCXOGT5/",
      PW, false },
    { "{SHA256-CRYPT}$5$saltstring$tRveeBE08OC0Xt.1FqH3L9Vgf4d.lly6LSun3wGlEr9", PW, false },
    { "{BLF-CRYPT}$2y$04$abcdefghijklmnopqrstuuttEEnz76zm7MjVN//MHDv0G89wKAxhO", PW, false },
    { "{MD5-CRYPT}$1$saltsalt$TgSjy78ElG..7yBJossD0.", PW, false },
    { "{CRYPT}$1$saltsalt$TgSjy78ElG..7yBJossD0.", PW, false },
    { "{CRYPT}abzp3RXJm5gNA", PW, false },
    { "{CRYPT}$y$j75$saltsaltsalt$kESICDogOw570DNCn7oFBii2Qo/YZJOGWVhQWB86UCD", PW, false },
    { "{SHA}/Hrn08gEogcgvDjo5YNQSGibZVE=", PW, true },
    { "{SHA1}/Hrn08gEogcgvDjo5YNQSGibZVE", PW, true }, /* unpadded */
    { "{SHA1.HEX}fc7ae7d3c804a20720bc38e8e5835048689b6551", PW, true },
    { "{SHA}fc7ae7d3c804a20720bc38e8e5835048689b6551", PW, true },
    { "{SHA256}UODX5JZHe18JVwv9yvMbAoeS719Y7fwn28vMuM/OHRU=", PW, true },
    { "{SHA256.hex}50e0d7e496477b5f09570bfdcaf31b028792ef5f58edfc27dbcbccb8cfce1d15", PW, true },
    { "{SHA512.b64}MGrCWX/OaIyw5xBZ0RrM2vwe1YHoo2MD/"
      "NKt2+vkfLiudEOMnHxXTsVXCSooO5eehIdUJFylnTmr3TTyK23wMw==",
      PW, true },
    { "{SSHA}13528LZ4GRQwF5JHthEUB7KFpLsBc2FsdA==", PW, true },
    { "{SSHA.HEX}d77e76f0b678191430179247b6111407b285a4bb0173616c74", PW, true },
    { "{SSHA256}Bz7KpWJ/Tk9TKwtDSRzTOw0pr7ynLyr2MhN1tGqqnMoBc2FsdA==", PW, true },
    { "{SSHA512}rdUheQCIyYqUrBaLr6teLbwFTBwYgdBgggPBd7gMGKd/"
      "L8Pwpqmx9F/K0vmz6zb/8v58yuNTidR2BoBl9CMcKgFzYWx0",
      PW, true },
    { "{SMD5}MJzKiC6OAaGNzxwbv6hVbQFzYWx0", PW, true },
    { "{PBKDF2}$1$SaltSaltSaltSalt$5000$e4d6ad5be0365b3147234b39dedd40dfaf4cd814", PW, false },
};

static void known_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        struct password_new n = { 0 };
        char wrong[64];
        print_message("%.40s\n", vectors[i].text);
        OK(password_prepare(acc, vectors[i].text, &n, EI));
        assert_int_equal(password_is_fast(n.scheme), vectors[i].fast);
        assert_int_equal(password_verify(n.scheme, n.hash, sv_c(vectors[i].password)), 1);
        snprintf(wrong, sizeof(wrong), "x%s", vectors[i].password);
        assert_int_equal(password_verify(n.scheme, n.hash, sv_c(wrong)), 0);
        assert_int_equal(password_verify(n.scheme, n.hash, SV("")), 0);
        assert_int_equal(password_verify(n.scheme, n.hash, SV_NULL), 0);
        wrong[0] = '\0';
        snprintf(wrong, sizeof(wrong), "%s", vectors[i].password);
        assert_int_equal(password_verify(n.scheme, n.hash, sv_n(wrong, strlen(wrong) + 1)), 0);
        password_new_done(&n);
    }
}

static void refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int code;
        const char *part;
    } bad[] = {
        { "{MD4}abc", E_UNSUPPORTED, "unknown scheme {MD4}; known: ARGON2ID ARGON2I SHA512-CRYPT" },
        { "{PLAIN.HEX}6162", E_UNSUPPORTED, "unknown scheme" },
        { "{PLAIN}", E_RANGE, "1 to 1024" },
        { "{ARGON2ID}$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$aaaa", E_PARSE, "begin with" },
        { "{ARGON2ID}$argon2id$v=19$t=2,p=1$c29tZXNhbHQ$aaaa", E_PARSE, "is missing" },
        { "{ARGON2ID}$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHQ$aaaa", E_RANGE,
          "costs too much" },
        { "{ARGON2ID}$argon2id$v=19$m=256,t=2000,p=1$c29tZXNhbHQ$aaaa", E_RANGE, "costs too much" },
        { "{ARGON2ID}$argon2id$v=19$m=256,t=2,p=1$!!$!!", E_PARSE, "not a {ARGON2ID} hash" },
        { "{SHA512-CRYPT}$5$salt$x", E_PARSE, "must begin with $6$" },
        { "{SHA512-CRYPT}$6$rounds=900000000$salt$x", E_RANGE, "rounds at most" },
        { "{BLF-CRYPT}$2y$31$abcdefghijklmnopqrstuuttEEnz76zm7MjVN//MHDv0G89wKAxhO", E_RANGE,
          "cost" },
        { "{CRYPT}*", E_PARSE, "libcrypt" },
        { "{CRYPT}", E_PARSE, "" },
        { "{SSHA}13528LZ4GRQwF5JHthEUB7KFpLs=", E_PARSE, "digest and salt" },
        { "{SHA256}AAAA", E_PARSE, "of the digest" },
        { "{SHA256}", E_PARSE, "of the digest" },
        { "{SHA}not base64 at all!!!!!!!!!!!", E_PARSE, "of the digest" },
        { "{PBKDF2}$2$salt$5000$00", E_PARSE, "$1$salt$rounds$hex" },
        { "{PBKDF2}$1$salt$0$e4d6ad5be0365b3147234b39dedd40dfaf4cd814", E_PARSE, "$1$salt" },
        { "{PBKDF2}$1$salt$500000000$e4d6ad5be0365b3147234b39dedd40dfaf4cd814", E_RANGE, "rounds" },
        { "seven77", E_RANGE, "min_password_length=8" },
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct password_new n = { 0 };
        BAD(bad[i].code, bad[i].part, password_prepare(acc, bad[i].text, &n, EI));
        assert_null(n.scheme);
    }
    char longer[PASSWORD_MAX + 2];
    struct password_new n = { 0 };
    memset(longer, 'x', sizeof(longer));
    longer[sizeof(longer) - 1] = '\0';
    BAD(E_RANGE, "longer than 1024", password_prepare(acc, longer, &n, EI));
}

static void new_hashes(void **state)
{
    (void)state;
    struct password_new n = { 0 };
    struct scram_keys k;
    /* Braces that are no scheme belong to the password. */
    static const char *const texts[] = { "correct horse", "{ not a scheme}", "{}empty braces", PW };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        OK(password_prepare(acc, texts[i], &n, EI));
        assert_string_equal(n.scheme, "ARGON2ID");
        assert_null(n.plain);
        assert_int_equal(strncmp(n.hash, "$argon2id$v=19$m=1024,t=1,p=1$", 30), 0);
        assert_int_equal(password_verify(n.scheme, n.hash, sv_c(texts[i])), 1);
        assert_int_equal(password_verify(n.scheme, n.hash, SV("other")), 0);
        OK(scram_keys_parse(SCRAM_SHA1, sv_c(n.scram_sha1), &k));
        OK(scram_keys_parse(SCRAM_SHA256, sv_c(n.scram_sha256), &k));
        assert_int_equal(k.iterations, SCRAM_ITERATIONS);
        password_new_done(&n);
    }
    OK(password_prepare(acc, "", &n, EI));
    assert_int_equal(password_verify(n.scheme, n.hash, SV("")), 0);
    password_new_done(&n);
    assert_int_equal(password_verify("NOSUCH", "x", SV("x")), E_UNSUPPORTED);
    assert_int_equal(password_verify("ARGON2ID", "damaged", SV("x")), E_CORRUPT);
    assert_int_equal(password_verify("SSHA", "damaged", SV("x")), E_CORRUPT);
}

static const struct CMUnitTest tests[] = {
    SUITE_TEST(known_vectors),
    SUITE_TEST(refused),
    SUITE_TEST(new_hashes),
};
SUITE_MAIN("passwords")
