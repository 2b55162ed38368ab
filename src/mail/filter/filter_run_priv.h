/* A message while rules are asked about it. */
#pragma once

#include "base/buf.h"
#include "mail/filter/filter_run.h"
#include "proto/mime.h"

struct filter_words { /* lower case, in the view's arena */
    struct sv *v;
    size_t n, cap;
};

struct filter_view {
    const struct filter_facts *f;
    int64_t score;
    uint64_t steps, steps_at_check;
    int64_t cpu_start_us;
    struct arena a;
    bool parsed;
    struct mime_part *root;
    bool have_body;
    struct buf *texts; /* the text parts, decoded, lower case */
    size_t n_texts, text_bytes;
    bool have_attachments;
    struct filter_words names, types;
    size_t n_attachments, n_entries, inflated;
    bool encrypted, unreadable;
};

/* Counts effort. E_LIMIT. */
int filter_charge(struct filter_view *v, uint64_t bytes);
/* E_RANGE: no memory is left for it. */
int filter_word(struct filter_view *v, struct filter_words *w, struct sv text);
/* E_RANGE. ret: in the arena. */
int filter_lower(struct filter_view *v, struct sv text, struct sv *ret);

/* Each makes its part of the view, the first time. E_LIMIT, E_RANGE. */
int filter_need_header(struct filter_view *v);
int filter_need_body(struct filter_view *v);
int filter_need_attachments(struct filter_view *v);

/* type.c: what the first bytes of a file say it is; p == NULL: unknown. */
struct sv filter_signature(struct sv begin);
/* An archive whose content cannot be seen. */
bool filter_is_closed_archive(struct sv type);
/* archive.c: names and types of what is in a zip; raises encrypted and unreadable. */
int filter_look_into(struct filter_view *v, struct sv zip, unsigned depth);
