/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/library.h"

#include <dlfcn.h>
#include <link.h>

int library_open(const char *soname, const char *what, const struct library_symbol *symbols,
                 size_t n, void *table, const char **path, struct err *err)
{
    struct link_map *map;
    void *handle = dlopen(soname, RTLD_NOW | RTLD_NODELETE);

    if (!handle) {
        err_set(err, 0, "%s: %s", what, dlerror());
        return err_hint(err, "install the package that has %s", soname);
    }
    for (size_t i = 0; i < n; i++) {
        if (!dlsym(handle, symbols[i].name)) {
            dlclose(handle);
            return err_set(err, 0, "%s: %s lacks %s", what, soname, symbols[i].name);
        }
    }
    /* POSIX lets a data pointer from dlsym be read as a function pointer, ISO C does not. */
    for (size_t i = 0; i < n; i++)
        *(void **)((char *)table + symbols[i].offset) = dlsym(handle, symbols[i].name);
    if (path)
        *path = dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0 ? map->l_name : soname;
    return 0;
}
