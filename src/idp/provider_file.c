#include "idp/provider_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* libconfuse's callback has no context of ours: what it met first in the file being read. */
struct complaint {
    int line;
    bool unknown_name;
};

static _Thread_local struct complaint *complaint;

static void on_error(cfg_t *cfg, const char *fmt, va_list args)
{
    (void) args; /* they may be values */
    if (complaint->line != 0)
        return;
    complaint->line = cfg->line;
    complaint->unknown_name = strstr(fmt, "no such option") != NULL;
}

static enum rc check_file(const char *path, struct err *err)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return err_set(err, RC_NOT_FOUND, "Bad configuration", "%s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode) || st.st_size > (off_t) PROVIDER_FILE_MAX_BYTES)
        return err_set(err, RC_LIMIT, "Bad configuration", "%s: no file of at most %u bytes",
                       path, PROVIDER_FILE_MAX_BYTES);
    if ((st.st_mode & S_IRWXO) != 0)
        return err_set(err, RC_DENIED, "Bad configuration",
                       "%s: everybody may read it; chmod o= it", path);
    return RC_OK;
}

enum rc provider_file_read(const char *path, cfg_opt_t *options, cfg_t **out, struct err *err)
{
    struct complaint first = {0};
    enum rc rc = check_file(path, err);
    cfg_t *cfg;
    int result;

    if (rc)
        return rc;
    cfg = cfg_init(options, CFGF_NONE);
    if (cfg == NULL)
        die("cfg_init: %s", strerror(errno));
    (void) cfg_set_error_function(cfg, on_error);
    complaint = &first;
    result = cfg_parse(cfg, path);
    complaint = NULL;
    if (result == CFG_SUCCESS) {
        *out = cfg;
        return RC_OK;
    }
    (void) cfg_free(cfg); /* nothing to report */
    return err_set(err, RC_INVALID, "Bad configuration", "%s: line %d: %s", path, first.line,
                   first.unknown_name ? "no such setting" : "cannot be read");
}

void provider_file_freep(cfg_t **cfg)
{
    if (*cfg != NULL)
        (void) cfg_free(*cfg); /* nothing to report */
    *cfg = NULL;
}

struct slice provider_file_text(cfg_t *cfg, const char *name, struct arena *arena)
{
    const char *value = cfg_getstr(cfg, name);
    struct slice text = slice_from_str(value != NULL ? value : "");

    return slice_of(arena_cstr(arena, text), text.len);
}

enum rc provider_file_list(cfg_t *cfg, const char *name, struct arena *arena,
                           struct provider_list *out, struct err *err)
{
    unsigned n = cfg_size(cfg, name);

    if (n > PROVIDER_LIST_MAX)
        return err_set(err, RC_LIMIT, "Bad configuration", "%s: more than %u values", name,
                       PROVIDER_LIST_MAX);
    out->n = n;
    for (unsigned i = 0; i < n; i++)
        out->items[i] = arena_dup(arena, slice_from_str(cfg_getnstr(cfg, name, i)));
    return RC_OK;
}

bool provider_list_has(const struct provider_list *list, struct slice item)
{
    for (size_t i = 0; i < list->n; i++) {
        if (slice_eq(list->items[i], item))
            return true;
    }
    return false;
}

enum rc provider_read_whole(const char *path, size_t max, struct arena *arena,
                            struct slice *out, struct err *err)
{
    AUTO(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    size_t len = 0;
    char *text;

    if (fd < 0 || fstat(fd, &st) != 0)
        return err_set(err, RC_NOT_FOUND, "Bad configuration", "%s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode) || st.st_size < 0 || (uint64_t) st.st_size > max)
        return err_set(err, RC_LIMIT, "Bad configuration", "%s: no file of at most %zu bytes",
                       path, max);
    text = arena_alloc(arena, (size_t) st.st_size + 1);
    while (len < (size_t) st.st_size) {
        ssize_t got = read(fd, text + len, (size_t) st.st_size - len);

        if (got < 0)
            return err_set(err, RC_IO, "Bad configuration", "%s: %s", path, strerror(errno));
        if (got == 0)
            break; /* it became shorter meanwhile */
        len += (size_t) got;
    }
    text[len] = '\0';
    *out = slice_of(text, len);
    return RC_OK;
}
