#include "base/library.h"

#include <dlfcn.h>
#include <string.h>

static void *open_first(const struct library *library)
{
    int flags = RTLD_NOW | (library->is_global ? RTLD_GLOBAL : RTLD_LOCAL);
    void *handle = NULL;

    for (size_t i = 0; i < LIBRARY_FILES_MAX && library->files[i] != NULL && handle == NULL;
         i++)
        handle = dlopen(library->files[i], flags);
    return handle;
}

enum rc library_load(const struct library *library, void *calls, struct err *err)
{
    void *handle = open_first(library), *scope = library->is_global ? RTLD_DEFAULT : handle;

    if (handle == NULL)
        return err_set(err, RC_NOT_FOUND, "A library is missing", "%s: %s", library->wanted,
                       dlerror());
    for (size_t i = 0; library->names[i] != NULL; i++) {
        if (dlsym(scope, library->names[i]) != NULL)
            continue;
        (void) dlclose(handle); /* whether it goes or stays, nothing of it is called */
        return err_set(err, RC_NOT_FOUND, "A library is too old", "%s: it has no %s",
                       library->wanted, library->names[i]);
    }
    for (size_t i = 0; library->names[i] != NULL; i++) {
        void *symbol = dlsym(scope, library->names[i]);

        /* POSIX: a pointer of dlsym's is one to a function, too. */
        memcpy((char *) calls + i * sizeof(symbol), &symbol, sizeof(symbol));
    }
    return RC_OK;
}
