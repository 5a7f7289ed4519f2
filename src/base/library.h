/*
 * library.h - a foreign library that one process needs and the others must not have.
 *
 * What is linked is mapped into every process of the one executable, with all that it is linked
 * with itself, and runs its initialisation in each before main(). A library that is loaded is
 * in the process that asks for it alone, and need not be installed where none does. Its header
 * is needed to build; its calls are a table, written once:
 *
 *   #define EACH_CALL(X) X(curl_easy_init) X(curl_easy_cleanup)
 *   struct curl_calls { EACH_CALL(LIBRARY_MEMBER) };
 *   const struct library library = {
 *       .files = {"libcurl.so.4"},
 *       .wanted = "tokens need the package curl",
 *       .names = (const char *const[]){EACH_CALL(LIBRARY_NAME) NULL},
 *   };
 *
 * A process loads before its sandbox closes and before it has threads.
 */
#ifndef ROOST_BASE_LIBRARY_H
#define ROOST_BASE_LIBRARY_H

#include <stdbool.h>

#include "base/err.h"

#define LIBRARY_FILES_MAX 2 /* one library's sonames in the releases we know */

/* A pointer to what a header declares under that name: a function, or an object. */
#define LIBRARY_MEMBER(name) __typeof__(name) *(name);
#define LIBRARY_NAME(name)   #name,

struct library {
    const char *files[LIBRARY_FILES_MAX]; /* sonames, tried in turn */
    const char *wanted;                   /* who needs which package, for the administrator */
    const char *const *names;             /* NULL behind the last */
    /* What it loads itself finds its names, and who was loaded first is asked first: a library
     * of plug-ins. */
    bool is_global;
};

/* calls: a struct of LIBRARY_MEMBER for each of the names, in their order. RC_NOT_FOUND: it is
 * not installed, or has not all of them. It stays for the life of the process. */
MUST_CHECK enum rc library_load(const struct library *library, void *calls, struct err *err);

#endif
