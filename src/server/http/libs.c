/* Loads the libraries that only this room uses. */
#include "server/http/libs_priv.h"

struct http_libmicrohttpd lib_mhd;
struct http_libgnutls lib_tls;

int http_libs_load(struct errinfo *ei)
{
#define SYMBOL(function) { #function, (void **)&lib_mhd.function },
    static const struct library_symbol mhd_symbols[] = { LIBMICROHTTPD(SYMBOL) };
#undef SYMBOL
#define SYMBOL(function) { #function, (void **)&lib_tls.function },
    static const struct library_symbol tls_symbols[] = { LIBGNUTLS(SYMBOL) };
#undef SYMBOL
    int r = library_load("libmicrohttpd.so.12", "libmicrohttpd12", mhd_symbols,
                         ARRAY_LEN(mhd_symbols), ei);
    if (r < 0)
        return r;
    return library_load("libgnutls.so.30", "libgnutls30", tls_symbols, ARRAY_LEN(tls_symbols), ei);
}
