/* What POP3 and IMAP servers say to a client that collects mail. RFC 1939, RFC 3501. Lines come
 * without CRLF. Pure. */
#pragma once

#include "base/sv.h"

/* True: +OK. *ret_text: what stands behind the word. A line that is neither is a refusal. */
bool pop3_reply(struct sv line, struct sv *ret_text);
enum { POP3_MAX_UID = 200 }; /* RFC 1939 7 says 70 */
/* A line of UIDL's list: "12 whqtswO00WBw418f9t5JxYwZ". */
bool pop3_uidl(struct sv line, uint32_t *ret_number, struct sv *ret_uid);

enum imap_line { IMAP_UNTAGGED, IMAP_CONTINUE, IMAP_OK, IMAP_NO, IMAP_BAD_REPLY, IMAP_OTHER };
/* OK, NO and BAD are those of the tag, text what stands behind; untagged: text behind "* ".
 * IMAP_OTHER: nothing that the protocol knows. */
enum imap_line imap_reply(struct sv line, struct sv tag, struct sv *ret_text);
/* "OK [UIDVALIDITY 3857529045] ...", an untagged text. */
bool imap_uidvalidity(struct sv text, uint32_t *ret);
/* Is it "SEARCH ..."? *rest: the numbers. */
bool imap_search(struct sv text, struct sv *ret_rest);
/* The next number; false: no more, or no number. */
bool imap_next_number(struct sv *rest, uint32_t *ret);
/* The length of the literal that a line ends with: "{123}". False: none. */
bool imap_literal(struct sv line, uint64_t *ret_bytes);
/* A word of a list of words, any case. */
bool imap_has_word(struct sv words, struct sv word);
