/*
 * settings.h - inside config/: the table of all settings, by which a file is read and a blob
 * is written. Others see of it what config_setting_at() tells.
 *
 * Invariants: a row's offset is that of a field of its kind in struct config; the default of
 * each is a right value of its kind.
 */
#ifndef ROOST_CONFIG_SETTINGS_H
#define ROOST_CONFIG_SETTINGS_H

#include "config/config.h"

enum setting_kind {
    KIND_TEXT,
    KIND_PATH,     /* made absolute */
    KIND_LIST,     /* of texts */
    KIND_PATHS,    /* a list of paths, each made absolute */
    KIND_SWITCH,   /* yes or no */
    KIND_NUMBER,   /* min..max */
    KIND_SIZE,     /* bytes, with K, M, G or T */
    KIND_OCTAL,    /* a file mode */
    KIND_UNTIL,    /* "never" or "until YYYY-MM-DD" */
    KIND_CHOICE,   /* one of the words; the value is its place */
    KIND_WORD,     /* one of the words; the value is the text */
    KIND_PERCENTS, /* a few numbers of 1 to 100, ascending */
};

struct setting {
    const char *name;
    enum setting_kind kind;
    size_t offset;
    const char *value; /* the default; a list's items are separated by spaces */
    uint64_t min, max;
    const char *words; /* separated by spaces */
    const char *doc;
};

extern const struct setting config_table[];
extern const size_t config_table_count;

/* Has it any number of values? */
bool setting_is_list(const struct setting *setting);
/* Its field, of the type that its kind has. */
void *setting_field(struct config *config, const struct setting *setting);

#endif
