/* dlopen with words. */
#include "os/library.h"

#include <dlfcn.h>
#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards everybody's pointers */

static int load(const char *soname, const char *package, const struct library_symbol *symbols,
                size_t n, struct errinfo *ei)
{
    void *lib = dlopen(soname, RTLD_NOW | RTLD_LOCAL);
    if (!lib)
        return err_set(ei, E_NOTFOUND, "%s; install the package %s", dlerror(), package);
    for (size_t i = n; i-- > 0;) { /* the first pointer last: it says that all are there */
        void *found = dlsym(lib, symbols[i].name);
        if (!found)
            return err_set(ei, E_NOTFOUND, "library %s has no %s: it is too old", soname,
                           symbols[i].name);
        *symbols[i].where = found;
    }
    return 0;
}

int library_load(const char *soname, const char *package, const struct library_symbol *symbols,
                 size_t n, struct errinfo *ei)
{
    pthread_mutex_lock(&lock);
    int r = *symbols[0].where ? 0 : load(soname, package, symbols, n, ei);
    pthread_mutex_unlock(&lock);
    return r;
}
