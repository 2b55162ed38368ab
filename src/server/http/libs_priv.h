/* What is called of libmicrohttpd and GnuTLS. Only module control serves HTTP: linked, the two and
 * what they bring would cost 1.5 MB of private memory in the other processes (os/library.h). */
#pragma once

#include <gnutls/abstract.h>
#include <microhttpd.h>

#include "os/library.h"

/* clang-format off */
#define LIBMICROHTTPD(X) \
    X(MHD_add_response_header) X(MHD_create_response_from_buffer) \
    X(MHD_create_response_from_callback) X(MHD_destroy_response) X(MHD_get_connection_info) \
    X(MHD_get_connection_values) X(MHD_lookup_connection_value) X(MHD_queue_response) \
    X(MHD_quiesce_daemon) X(MHD_resume_connection) X(MHD_start_daemon) X(MHD_stop_daemon) \
    X(MHD_suspend_connection)
#define LIBGNUTLS(X) \
    X(gnutls_pcert_deinit) X(gnutls_pcert_import_x509) X(gnutls_privkey_deinit) \
    X(gnutls_privkey_import_x509) X(gnutls_privkey_init) X(gnutls_protocol_get_version) \
    X(gnutls_server_name_get) \
    X(gnutls_strerror) X(gnutls_x509_crt_deinit) X(gnutls_x509_crt_get_dn_by_oid) \
    X(gnutls_x509_crt_get_expiration_time) X(gnutls_x509_crt_get_subject_alt_name) \
    X(gnutls_x509_crt_list_import2) \
    X(gnutls_x509_privkey_deinit) X(gnutls_x509_privkey_import2) X(gnutls_x509_privkey_init)
/* clang-format on */

struct http_libmicrohttpd {
    LIBMICROHTTPD(LIBRARY_POINTER)
};
struct http_libgnutls {
    LIBGNUTLS(LIBRARY_POINTER)
};
extern struct http_libmicrohttpd lib_mhd;
extern struct http_libgnutls lib_tls;

/* First of all in this room. E_NOTFOUND: names the package that is missing. */
int http_libs_load(struct errinfo *ei);
