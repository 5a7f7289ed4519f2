/*
 * corpus.h - a folder of real mail, message by message: files .eml, .mbox.zst and .tar.zst, and
 * folders of them. Line ends become CRLF, as on the way in. Needs zstd's command.
 */
#ifndef ROOST_BENCH_CORPUS_H
#define ROOST_BENCH_CORPUS_H

#include "base/slice.h"

/* For each message, with the name of the file it comes from (folders: their name). The message
 * lives until fn returns. Ends the program if something cannot be read. */
void corpus_each(const char *folder,
                 void (*fn)(void *ctx, const char *name, struct slice message), void *ctx);

#endif
