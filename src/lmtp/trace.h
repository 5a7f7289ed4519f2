/*
 * trace.h - the trace fields a delivery adds, and the Return-Path it replaces.
 *
 * Spec: RFC 5321 4.4 (Return-Path and Received at final delivery), RFC 2033; Delivered-To as
 * other servers write it. The filter works on bytes as they arrive, keeps at most
 * TRACE_NAME_BYTES of a line, and changes nothing but Return-Path fields of the header; those
 * with blanks before the colon (RFC 5322 4.5.7) are meant as well.
 */
#ifndef ROOST_LMTP_TRACE_H
#define ROOST_LMTP_TRACE_H

#include "base/buf.h"

#define TRACE_NAME_BYTES       64u  /* "Return-Path:", with blanks before its colon */
#define TRACE_MESSAGE_ID_BYTES 250u /* kept for the log */

enum trace_state {
    TRACE_LINE_START, /* of a header line; collecting its name */
    TRACE_COPY,       /* the rest of a header line goes through */
    TRACE_DROP,       /* of a Return-Path field */
    TRACE_ID,         /* the first Message-ID: goes through, and is kept for the log */
    TRACE_BODY,
};

/* Zeroed memory is the start of a message. */
struct trace_filter {
    enum trace_state state, last; /* last: of the line before, which a folded line belongs to */
    char name[TRACE_NAME_BYTES];
    size_t n_name;
    char message_id[TRACE_MESSAGE_ID_BYTES];
    size_t n_message_id;
};

/* Bytes with CRLF line ends; what stays is appended to out, which has room for bytes.len +
 * TRACE_NAME_BYTES. */
void trace_filter_feed(struct trace_filter *filter, struct slice bytes, struct buf *out);
/* The message ends: what was held back. */
void trace_filter_end(struct trace_filter *filter, struct buf *out);
struct slice trace_message_id(const struct trace_filter *filter);

struct trace {
    struct slice sender;    /* MAIL FROM's address, may be empty */
    struct slice recipient; /* RCPT TO's address */
    struct slice helo;      /* LHLO's argument */
    struct slice peer;      /* address, or empty for a unix socket */
    const char *hostname;
    uint64_t session;
    bool smtputf8;
    int64_t wall_sec;
};
/* Return-Path, Delivered-To and Received, with CRLF. */
void trace_print(const struct trace *trace, struct buf *out);

#endif
