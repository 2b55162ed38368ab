/* App passwords of an account: by its administrators and by itself. */
#pragma once

#include "server/api/route.h"

/* They answer; whether the caller may is the caller's to know. */
void api_app_passwords(struct api_call *c, const char *address);
void api_app_password_create(struct api_call *c, const char *address); /* "label" of the body */
void api_app_password_drop(struct api_call *c, const char *address);   /* {label} of the path */
extern const struct api_schema api_app_schema, api_app_new_schema, api_app_shown_schema;
