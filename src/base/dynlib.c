/* dynlib.c - libraries found at run time, so that arcane starts without them.
 */
#include "base/dynlib.h"

#include <dlfcn.h>
#include <stddef.h>

dynlib *dynlib_open(const char *const *names) {
    for (; *names; names++) {
        void *lib = dlopen(*names, RTLD_NOW | RTLD_LOCAL);
        if (lib) return lib;
    }
    return NULL;
}

void *dynlib_symbol(dynlib *lib, const char *name) { return dlsym(lib, name); }
