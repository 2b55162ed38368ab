/* Shared by the files that print answers. */
#pragma once

#include "cli/tool.h"

/* Text for a terminal: what peers have sent must not steer it. */
void print_safe(const char *s, char *out, size_t cap);
const char *print_text(json_t *o, const char *key); /* "" when it is not there */

/* print_dns.c */
void print_dns(json_t *reply);
void print_dns_test_head(void);
void print_dns_test_row(json_t *row);

/* print_secure.c */
void print_certificate(json_t *reply);
/* print_sms.c */
void print_sms(json_t *reply);

/* print_events.c */
void print_events(json_t *rows);
void print_trace(json_t *reply); /* a message with its events, or several messages */
void print_transcript(json_t *reply);

/* print_archive.c */
void print_archived(json_t *m);
void print_archive_sent(json_t *m);
void print_archive_status(json_t *m);
size_t print_piece(json_t *m); /* the bytes of a piece of a message, as they are; their number */
