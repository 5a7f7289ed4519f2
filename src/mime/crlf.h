/*
 * crlf.h - line ends made CRLF, in pieces of any cut.
 *
 * For what comes by LMTP and import; an APPEND literal is stored as sent. LF without CR becomes
 * CRLF. CR without LF stays: it is no line end (RFC 5321 2.3.8), and a binary part may hold it.
 * NUL stays and is counted, so that a door which may not take it can refuse.
 */
#ifndef ROOST_MIME_CRLF_H
#define ROOST_MIME_CRLF_H

#include "base/buf.h"
#include "base/slice.h"

struct crlf {
    bool after_cr;      /* the last byte was CR */
    uint64_t n_bare_lf; /* line ends completed */
    uint64_t n_bare_cr; /* left alone; a CR at the very end counts at crlf_end */
    uint64_t n_nul;
};

/* Start with a zeroed struct. Output is at most twice the input. */
void crlf_feed(struct crlf *crlf, struct slice bytes, struct buf *out);
void crlf_end(struct crlf *crlf);

#endif
