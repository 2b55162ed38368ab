/* Reading IMAP commands: a cursor over one complete command whose literals stand in the text as
 * "{n}CRLF<n octets>". Pure. RFC 3501 section 9, RFC 7888 (literals with +). */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/sv.h"

struct imap_in {
    const char *p, *end;
    struct arena *a; /* for strings that must be unescaped */
};

static inline struct imap_in imap_in_sv(struct sv s, struct arena *a)
{
    return (struct imap_in){ s.p, s.p + s.n, a };
}

/* All return 0 and move the cursor, or E_PARSE and leave it anywhere; E_RANGE for numbers that do
 * not fit, E_LIMIT when the arena is full. Slices point into the command or into the arena. */
int imap_tag(struct imap_in *in, struct sv *ret);
int imap_atom(struct imap_in *in, struct sv *ret);         /* 1*ATOM-CHAR */
int imap_astring(struct imap_in *in, struct sv *ret);      /* atom (with "]"), quoted or literal */
int imap_string(struct imap_in *in, struct sv *ret);       /* quoted or literal */
int imap_list_mailbox(struct imap_in *in, struct sv *ret); /* astring with % and * */
int imap_flag(struct imap_in *in, struct sv *ret);         /* \Seen or keyword */
int imap_u32(struct imap_in *in, uint32_t *ret);
int imap_u64(struct imap_in *in, uint64_t *ret);
int imap_sp(struct imap_in *in); /* one space */
/* "d-Mon-yyyy", quoted or not: the day. */
struct imap_day {
    int year, month, day; /* month 1..12 */
};
int imap_date(struct imap_in *in, struct imap_day *ret);
/* "dd-Mon-yyyy hh:mm:ss +zzzz" in quotes -> seconds since the epoch. */
int imap_date_time(struct imap_in *in, int64_t *ret);
/* Days since 1970-01-01 of a date (proleptic Gregorian). */
int64_t imap_day_number(struct imap_day d);

/* The next octet without moving, '\0' at the end. */
static inline char imap_peek(const struct imap_in *in)
{
    return in->p < in->end ? *in->p : '\0';
}
bool imap_char(struct imap_in *in, char c); /* takes c when it is next */
bool imap_word(struct imap_in *in,
               struct sv word);    /* takes an atom that equals word, ignoring case */
bool imap_end(struct imap_in *in); /* only spaces are left (clients that add one exist) */

/* Does a line (without CRLF) announce a literal at its end? Its size, capped at UINT64_MAX. */
bool imap_line_literal(struct sv line, uint64_t *ret_size, bool *ret_nonsync);

/* --- sets of numbers (RFC 3501 sequence-set) --- */
struct imap_range {
    uint32_t lo, hi; /* as written; IMAP_STAR = "*" */
};
#define IMAP_STAR 0u /* no message has number 0 */
struct imap_set {
    struct imap_range *r;
    size_t n;
};
int imap_set_parse(struct imap_in *in, struct imap_set *ret);

/* Mailbox name against a LIST pattern: * is anything, % anything but '/'. INBOX is matched in any
 * case. No exponential patterns. */
bool imap_pattern_match(struct sv pattern, struct sv name);
