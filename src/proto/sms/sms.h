/* SMS as text: telephone numbers, what of a message is sent, how many segments it takes, and the
 * request that hands it to a provider. Pure: bytes in, bytes out; any thread. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

/* --- numbers: E.164 (ITU-T) --- */

enum { SMS_NUMBER_MAX = 15 /* digits */, SMS_NUMBER_TEXT = SMS_NUMBER_MAX + 2 };

/* How numbers are written where the server stands. */
struct sms_plan {
    const char *country; /* calling code, digits only; "" = numbers have theirs */
    const char *trunk;   /* in front of national numbers, not dialled from abroad; "" = none */
};
/* "+39 333 1234567", "0039333...", "333-1234567" -> "+393331234567". E_PARSE: no number; E_RANGE:
 * too short or too long. */
int sms_number(struct sv text, const struct sms_plan *plan, char ret[SMS_NUMBER_TEXT]);

/* --- segments: 3GPP TS 23.038, 23.040 9.2.3.24.1 --- */

enum sms_encoding { SMS_GSM7, SMS_UCS2 };
struct sms_size {
    enum sms_encoding encoding;
    unsigned units;    /* septets, or UTF-16 units */
    unsigned segments; /* 0 = no text */
};
extern const char *const sms_encoding_names[]; /* "GSM-7", "UCS-2" */
struct sms_size sms_measure(struct sv utf8);   /* bytes that are no UTF-8 count as one character */
/* Signs of typography (quotes, dashes, ellipsis, hard spaces) become those of GSM-7. */
int sms_plain_signs(struct sv utf8, struct buf *out);
/* Cuts text to at most max segments, with "..." at its end when something was cut. True: it was. */
bool sms_cut(struct buf *text, unsigned max);

/* --- what of a message is sent --- */

enum sms_content { SMS_BODY, SMS_SUBJECT, SMS_SUBJECT_BODY };
struct sms_extract {
    enum sms_content content; /* SMS_BODY: the subject when there is no body */
    bool unquote;             /* without quotations, and from the signature on nothing */
    bool plain_signs;
};
/* The first text/plain part that is no attachment, or the text of the first text/html part;
 * decoded, valid UTF-8, lines with \n, no white space around it. Appends to out (bounded by
 * out->max, cut there). A message without text gives none. */
void sms_extract(struct sv message, const struct sms_extract *how, struct buf *out);

/* --- the request --- */

/* Values of {to}, {digits}, {from}, {text}, {id}, {secret}. */
struct sms_values {
    struct sv to;   /* +393331234567; {digits}: without the + */
    struct sv from; /* may be empty */
    struct sv text;
    struct sv id; /* the same for each attempt */
    struct sv secret;
};
enum sms_escape { SMS_AS_IS, SMS_JSON, SMS_PERCENT };
/* Appends the template with its placeholders replaced; other braces stay. -ENOMEM: out is full. */
int sms_fill(struct sv template, const struct sms_values *v, enum sms_escape escape,
             struct buf *out);

/* http[s]://host[:port][/path][?query] */
struct sms_url {
    bool tls;
    struct sv host; /* without the [] of IPv6 */
    uint16_t port;
    struct sv path; /* with the query; "" = none */
};
/* E_PARSE: something else, has a user, a fragment, a space, or a placeholder in front of the path.
 */
int sms_url(struct sv text, struct sms_url *ret);
