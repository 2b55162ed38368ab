/* Fields of requests and responses: one description checks what comes in and becomes the OpenAPI
 * document. */
#pragma once

#include <jansson.h>

#include "base/base.h"

enum api_type {
    API_TEXT, /* string of min to max bytes */
    API_INT,  /* min to max */
    API_BOOL,
    API_TIME,   /* RFC 3339; in queries also an age such as "2h" */
    API_ENUM,   /* one of choices "a|b" */
    API_TEXTS,  /* array of strings, min to max of them */
    API_INTS,   /* array of integers, with null among them (responses) */
    API_OBJECT, /* of */
    API_LIST,   /* array of objects: of; min to max of them */
    API_MAP,    /* object with free names */
    API_ANY,    /* text, number or boolean */
};
enum {
    API_REQUIRED = 1,
    API_NULL = 2,      /* may be null (responses) */
    API_WRITEONLY = 4, /* passwords */
};

struct api_schema;
struct api_field {
    const char *name;
    enum api_type type;
    unsigned flags;
    int64_t min, max; /* both 0: the type's own bounds */
    const char *choices;
    const struct api_schema *of;
    const char *help;
};
struct api_schema {
    const char *id, *help;
    const struct api_field *fields; /* ended by one without name */
};

#define API_TEXT_MAX  4096 /* bytes of a text without bounds of its own */
#define API_ITEMS_MAX 2000

/* What is wrong with a request: where and why, for people. */
struct api_fault {
    char field[80]; /* "filter.sender", "" = the whole body */
    char text[300];
};

/* Checks a body. False and the first fault: unknown field, missing field, wrong type, bounds. */
bool api_check_body(const struct api_schema *s, json_t *body, struct api_fault *ret);
/* Checks one value of a query and converts it. NULL and the fault; else a new reference. */
json_t *api_check_text(const struct api_field *f, const char *text, struct api_fault *ret);
/* "2026-03-12T08:50:00Z" or an age "90m", "2h", "7d" before now, to milliseconds. */
bool api_parse_time(const char *text, int64_t now_ms, int64_t *ret_ms);
/* Does one of choices "a|b|c" equal text? */
bool api_is_choice(const char *choices, const char *text);
/* A field's schema for the OpenAPI document. New reference. */
json_t *api_field_schema(const struct api_field *f);
