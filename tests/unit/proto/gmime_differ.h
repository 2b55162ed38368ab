/* Messages of the corpus whose structure differs from GMime's, and why. */
#pragma once

static const struct {
    const char *file, *why; /* file: end of its path */
} differ[] = {
    /* No usable type: we say text/plain as RFC 2045 5.2 does, GMime application/octet-stream. */
    { "spam/apache-spamassassin/badctype1.eml", "type without subtype" },
    { "ham/apache-spamassassin/mime8.eml", "type without subtype inside" },
    { "mail/jstedfast-mimekit/missing-subtype.eml", "type without subtype" },
    { "mail/apache-james-mime4j/multi-digest.eml", "type without subtype inside" },
    /* A multipart stays one for clients, GMime replaces it by its default type. */
    { "spam/apache-spamassassin/badmime2.eml", "multipart without a boundary line" },
    { "spam/apache-spamassassin/015.eml", "the header does not end: its last line is a blank" },
    { "mail/stalwartlabs-mail-parser/007~2.eml", "multipart cut short in its header" },
    /* Which of two Content-Type fields counts: with us the first. */
    { "mail/apache-james-mime4j/multi-bad.eml", "two Content-Type fields" },
    { "mail/mikel-mail/multiple_content_types.eml", "two Content-Type fields" },
    { "mail/stalwartlabs-mail-parser/020~2.eml", "two Content-Type fields" },
    { "mail/stalwartlabs-mail-parser/021~2.eml", "two Content-Type fields" },
    /* A part without content is a part. */
    { "mail/stalwartlabs-mail-parser/000~2.eml", "empty part" },
    { "mail/stalwartlabs-mail-parser/013~2.eml", "empty part at the end" },
    { "mail/stalwartlabs-mail-parser/014~2.eml", "empty part at the end" },
    { "mail/apache-james-mime4j/double-bound.eml", "empty parts between doubled boundaries" },
    { "mail/apache-james-mime4j/2002_06_12_doublebound.eml",
      "empty parts between doubled boundaries" },
    { "mail/apache-james-mime4j/multipartemptypart.eml", "empty part" },
    /* An encoded message/rfc822 (RFC 2046 5.2.1 forbids it) is not decoded to be looked into. */
    { "mail/apache-james-mime4j/base64encoded-rfc822message.eml", "message in base64" },
    { "mail/apache-james-mime4j/base64encoded-rfc822message-nested.eml", "message in base64" },
    { "mail/apache-james-mime4j/bad-newlines-multiple-parts-base64.eml", "message in base64" },
    { "mail/stalwartlabs-mail-parser/008~3.eml", "message in base64" },
    { "mail/apache-james-mime4j/multi-2gifs-base64.eml", "message in base64" },
    /* Boundaries: text behind one is ignored (RFC 2046 5.1.1), blanks at its end do not count. */
    { "mail/apache-james-mime4j/ending-boundaries.eml", "text behind the boundary" },
    { "mail/apache-james-mime4j/very-long-boundary.eml", "boundary that ends in blanks" },
    { "mail/apache-james-mime4j/very-very-long-boundary.eml", "boundary of 6 KB" },
    { "mail/apache-james-mime4j/weird-boundary.eml", "boundary that ends in blanks" },
    { "spam/apache-spamassassin/bsmtp.eml", "batch SMTP commands before the header" },
};
