/*
 * log_pack.h - log fields as the bytes of a LOG_EVENT message, and back.
 *
 * Format: docs/formats/ipc.md, "Log". What comes out of log_unpack_next() is checked for form
 * only: a key may be any bytes and a text may hold any byte; the writer escapes.
 */
#ifndef ROOST_IPC_LOG_PACK_H
#define ROOST_IPC_LOG_PACK_H

#include "base/buf.h"
#include "base/log.h"
#include "base/scan.h"

#define LOG_KEY_MAX 64u

struct log_unpacked {
    struct slice key;
    bool is_number;
    struct slice text;
    int64_t number;
};

/* Append fields; keys are cut to LOG_KEY_MAX, texts to LOG_FIELD_TEXT_BYTES. */
void log_pack(struct buf *out, const struct log_field *fields, size_t n);
/* The next field, or false at the end and where the bytes are broken. */
bool log_unpack_next(struct scan *packed, struct log_unpacked *out);

#endif
