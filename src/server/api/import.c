/* CSV to accounts. The first row names the columns. A dry run checks every row and shows what would
 * come of it; the import itself runs as an operation, row by row. */
#include "server/api/import.h"

#include "base/codec.h"
#include "mail/account/address.h"
#include "server/api/api_priv.h"
#include "server/api/operations.h"

#define MAX_ROWS    10000
#define MAX_COLUMNS 16
#define MAX_FIELD   4096

static const struct api_field import_fields[] = {
    { "csv", API_TEXT, API_REQUIRED | API_WRITEONLY, 1, 8 * 1048576, NULL, NULL,
      "First row: names of the columns (address, password, name, enabled, quota, soft_quota, "
      "max_message, local_only, aliases), separated by , or ; or tab." },
    { 0 },
};
const struct api_schema api_import_schema = { "AccountImport", "Accounts as CSV text.",
                                              import_fields };

static const struct api_field preview_row_fields[] = {
    { "line", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Row of the text." },
    { "address", API_TEXT, 0, 0, 0, NULL, NULL, NULL },
    { "ok", API_BOOL, API_REQUIRED, 0, 0, NULL, NULL, "It would be created." },
    { "detail", API_TEXT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, "Why not." },
    { 0 },
};
static const struct api_schema preview_row_schema = { "ImportRow", "What would come of a row.",
                                                      preview_row_fields };
static const struct api_field preview_fields[] = {
    { "total", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Rows." },
    { "good", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Rows that would be created." },
    { "rows", API_LIST, API_REQUIRED, 0, 0, NULL, &preview_row_schema, "The first 2000." },
    { 0 },
};
const struct api_schema api_import_preview_schema = { "ImportPreview", "What an import would do.",
                                                      preview_fields };

static const char *const columns[] = {
    "address",    "password",    "name",       "enabled", "quota",
    "soft_quota", "max_message", "local_only", "aliases",
};

int api_csv_field(struct sv *rest, char sep, struct buf *out)
{
    bool quoted = rest->n && rest->p[0] == '"';

    buf_reset(out);
    if (quoted)
        *rest = sv_skip(*rest, 1);
    while (rest->n) {
        char ch = rest->p[0];

        *rest = sv_skip(*rest, 1);
        if (quoted && ch == '"' && rest->n && rest->p[0] == '"') {
            *rest = sv_skip(*rest, 1);
        } else if (quoted && ch == '"') {
            quoted = false;
            continue;
        } else if (!quoted && (ch == sep || ch == '\n')) {
            return buf_terminate(out) < 0 ? E_RANGE : ch == sep;
        } else if (!quoted && ch == '\r' && (!rest->n || rest->p[0] == '\n')) {
            continue;
        }
        if (buf_add_c(out, ch) < 0)
            return E_RANGE;
    }
    if (quoted)
        return E_PARSE;
    return buf_terminate(out) < 0 ? E_RANGE : 0;
}

struct import {
    struct api_call *c;
    struct sv rest;
    char sep;
    unsigned line;
    const char *column[MAX_COLUMNS];
    size_t n_columns;
    struct buf field;
};

static bool fail_row(struct import *im, const char *fmt, ...) _printf_(2, 3);
static bool fail_row(struct import *im, const char *fmt, ...)
{
    char text[300];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    api_fail(im->c, 422, "invalid_field", "csv", "csv: row %u: %s", im->line, text);
    return false;
}

static bool next_field(struct import *im, bool *ret_more)
{
    int r = api_csv_field(&im->rest, im->sep, &im->field);

    if (r == E_PARSE)
        return fail_row(im, "a quoted field does not end");
    if (r < 0)
        return fail_row(im, "a field has more than %d bytes", MAX_FIELD);
    *ret_more = r == 1;
    return true;
}

static bool read_header(struct import *im)
{
    struct sv first = im->rest;
    struct sv line = sv_split(&first, '\n');
    bool more = true;

    im->sep = sv_find(line, '\t') >= 0 ? '\t' : sv_find(line, ';') >= 0 ? ';' : ',';
    im->line = 1;
    while (more) {
        size_t i = 0;

        if (!next_field(im, &more))
            return false;
        while (i < ARRAY_LEN(columns) && !sv_ieq(sv_trim(buf_sv(&im->field)), sv_c(columns[i])))
            i++;
        if (i == ARRAY_LEN(columns))
            return fail_row(im, "'%.60s' is not a column; columns: address, password, name, ...",
                            im->field.p);
        if (im->n_columns == MAX_COLUMNS)
            return fail_row(im, "more than %d columns", MAX_COLUMNS);
        im->column[im->n_columns++] = columns[i];
    }
    for (size_t i = 0; i < im->n_columns; i++)
        if (!strcmp(im->column[i], "address"))
            return true;
    return fail_row(im, "the first row must name the columns, with 'address' among them");
}

/* *ret: fields of the row as texts; NULL = an empty line. */
static bool read_row(struct import *im, json_t **ret)
{
    json_t *row = json_object();
    bool more = true;
    size_t n = 0;

    *ret = NULL;
    im->line++;
    while (more) {
        if (!next_field(im, &more))
            break;
        if (n < im->n_columns && im->field.n &&
            json_object_set_new(row, im->column[n], json_stringn(im->field.p, im->field.n)) < 0) {
            more = fail_row(im, "%s: is not UTF-8 text", im->column[n]);
            break;
        }
        n++;
        if (!more) {
            if (!json_object_size(row)) { /* an empty line */
                json_decref(row);
                return true;
            }
            if (n > im->n_columns) {
                fail_row(im, "has %zu fields, the first row %zu", n, im->n_columns);
                break;
            }
            json_object_set_new(row, "line", json_integer(im->line));
            *ret = row;
            return true;
        }
    }
    json_decref(row);
    return false;
}

/* What admin/ would say of the row; the caller's rights come first. NULL = nothing is wrong.
 * with_password: hashing thousands of them would take minutes, a dry run leaves them out. */
static json_t *create(struct api *api, const char *who, json_t *row, bool dry)
{
    struct admin a = *api->o.admin;
    json_t *args = json_copy(row), *req, *reply;

    json_object_del(args, "line");
    json_object_del(args, "refused");
    if (dry)
        json_object_del(args, "password");
    a.dry_run = dry;
    req = json_pack("{s:s, s:o}", "op", "account.create", "args", args);
    reply = admin_run(&a, who, req);
    json_decref(req);
    return reply;
}

static const char *why_not(json_t *reply)
{
    return json_string_value(json_object_get(json_object_get(reply, "error"), "text"));
}

/* Marks a row that the caller may not import. */
static void check_rights(struct api_call *c, json_t *row)
{
    const char *address = json_string_value(json_object_get(row, "address")), *field;
    const char *aliases = json_string_value(json_object_get(row, "aliases"));
    struct addr a;
    json_t *spec = json_object();
    char *domain;

    if (addr_parse(sv_trim(sv_c(address ? address : "")), &a, NULL) < 0 || !addr_domain(&a).n) {
        json_object_set_new(row, "refused", json_string("address: write user@domain"));
    } else if (!api_sees_domain(c->caller, addr_domain(&a))) {
        json_object_set_new(row, "refused", json_string("address: the domain is not yours"));
    } else if (aliases) {
        struct sv rest = sv_c(aliases);
        json_t *list = json_array();

        while (rest.p) {
            struct sv one = sv_trim(sv_split(&rest, ';'));

            if (one.n)
                json_array_append_new(list, json_stringn(one.p, one.n));
        }
        json_object_set_new(spec, "aliases", list);
        domain = sv_dup(addr_domain(&a));
        if (!api_may_set(c->caller, spec, domain, &field))
            json_object_set_new(row, "refused", json_string("aliases: not in your domains"));
        free(domain);
    }
    json_decref(spec);
}

static json_t *read_rows(struct api_call *c)
{
    struct import im = { .c = c, .rest = sv_c(api_body_text(c, "csv")) };
    json_t *rows = json_array(), *row;
    bool ok;

    if (sv_starts(im.rest, SV("\xef\xbb\xbf")))
        im.rest = sv_skip(im.rest, 3);
    buf_init(&im.field, MAX_FIELD);
    ok = read_header(&im);
    while (ok && im.rest.n) {
        ok = read_row(&im, &row);
        if (ok && row) {
            check_rights(c, row);
            json_array_append_new(rows, row);
        }
        if (ok && json_array_size(rows) > MAX_ROWS)
            ok = fail_row(&im, "more than %d accounts; divide the file", MAX_ROWS);
    }
    buf_done(&im.field);
    if (ok)
        return rows;
    json_decref(rows);
    return NULL;
}

/* "No such account yet", "exists already": row by row, the first 2000 of them. */
static void preview(struct api_call *c, json_t *rows)
{
    json_t *items = json_array(), *row;
    size_t i, good = 0;

    json_array_foreach(rows, i, row)
    {
        const char *refused = json_string_value(json_object_get(row, "refused")), *why = refused;
        json_t *reply = refused ? NULL : create(c->api, c->caller->who, row, true);

        why = refused ? refused : why_not(reply);
        good += !why;
        if (json_array_size(items) < API_ITEMS_MAX)
            json_array_append_new(items, json_pack("{s:O, s:O?, s:b, s:o}", "line",
                                                   json_object_get(row, "line"), "address",
                                                   json_object_get(row, "address"), "ok", !why,
                                                   "detail", why ? api_text(why) : json_null()));
        json_decref(reply);
    }
    api_reply(c, 200,
              json_pack("{s:I, s:I, s:o}", "total", (json_int_t)i, "good", (json_int_t)good, "rows",
                        items));
}

static int import_row(struct api *api, const char *who, const char *action _unused_, json_t *row,
                      struct errinfo *ei)
{
    const char *refused = json_string_value(json_object_get(row, "refused")), *why;
    json_t *reply;
    int r = 0;

    if (refused)
        return err_set(ei, E_PERM, "row %d: %s",
                       (int)json_integer_value(json_object_get(row, "line")), refused);
    reply = create(api, who, row, false);
    why = why_not(reply);
    if (why)
        r = err_set(ei, E_PARSE, "row %d: %.180s",
                    (int)json_integer_value(json_object_get(row, "line")), why);
    json_decref(reply);
    return r;
}

void api_import(struct api_call *c)
{
    struct operation_spec s = { .kind = "accounts.import", .action = "import", .run = import_row };
    json_t *rows = read_rows(c);

    if (!rows)
        return;
    if (c->dry_run) {
        preview(c, rows);
        json_decref(rows);
        return;
    }
    s.items = rows;
    operation_start(c, &s);
}
