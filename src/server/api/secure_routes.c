/* Secure destinations: what an entry can ask of a certificate. The entries themselves are the
 * setting deliver.secure_destinations. */
#include "server/api/api_priv.h"

enum { PEM_MAX = 64 * 1024 }; /* net/certificate.h takes no more */

static const struct api_field pem_fields[] = {
    { "pem", API_TEXT, API_REQUIRED, 1, PEM_MAX, NULL, NULL,
      "With one certificate; other blocks are passed over, and nothing of it is kept." },
    { 0 },
};
static const struct api_schema pem_schema = { "CertificatePem", "A certificate as text.",
                                              pem_fields };
static const struct api_field certificate_fields[] = {
    { "subject", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "As `openssl x509` shows it." },
    { "issuer", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "The same." },
    { "sha256", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Fingerprint: AB:CD:..." },
    { "valid_from", API_TIME, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "valid_until", API_TIME, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "warnings", API_TEXTS, API_REQUIRED, 0, 0, NULL, NULL,
      "expired, not-yet-valid; subject-unusable, issuer-unusable: it is too long for an entry, or "
      "has a ; or |." },
    { 0 },
};
static const struct api_schema certificate_schema = { "Certificate", "What is known of it.",
                                                      certificate_fields };

static json_t *time_of(json_t *reply, const char *name)
{
    return api_time(json_integer_value(json_object_get(reply, name)));
}

static void read_certificate(struct api_call *c)
{
    json_t *reply =
        api_admin(c, "secure.read", json_pack("{s:s}", "text", api_body_text(c, "pem")));

    if (!reply)
        return;
    api_reply(
        c, 200,
        json_pack("{s:O, s:O, s:O, s:o, s:o, s:O}", "subject", json_object_get(reply, "subject"),
                  "issuer", json_object_get(reply, "issuer"), "sha256",
                  json_object_get(reply, "sha256"), "valid_from", time_of(reply, "valid_from_ms"),
                  "valid_until", time_of(reply, "valid_until_ms"), "warnings",
                  json_object_get(reply, "warnings")));
    json_decref(reply);
}

const struct api_route api_secure_routes[] = {
    { .method = "POST",
      .path = "/secure-destinations/certificate",
      .scope = SCOPE_SETTINGS_READ,
      .id = "readCertificate",
      .body = &pem_schema,
      .status = 200,
      .response = &certificate_schema,
      .body_max = 128 * KiB,
      .run = read_certificate,
      .help = "Subject, issuer and fingerprint of a certificate, as entries of "
              "deliver.secure_destinations have them. Changes nothing." },
    { 0 },
};
