/*
 * syslog_frame.h - an audited event as a syslog message, framed for a stream.
 *
 * Spec: RFC 5424 section 6 (the message), RFC 5425 section 4.3 (octet counting; RFC 6587 3.4.1
 * is the same without TLS).
 *
 *     LEN <109>1 2026-01-31T12:00:00.123456Z mail.example.org roost auth login.refused
 *     [meta sequenceId="7"][origin software="Roost"] BOM{"event.sequence":7,...}
 *
 * The facility is 13, "log audit"; the severity that of the event; PROCID the process that said
 * it, MSGID the event's name. MSG is the line of the audit log to the octet, so that who has
 * received all lines can check chain and signatures himself. It holds no control bytes.
 */
#ifndef ROOST_EVENTS_SYSLOG_FRAME_H
#define ROOST_EVENTS_SYSLOG_FRAME_H

#include "base/buf.h"

#define SYSLOG_HEAD_MAX_BYTES 768u /* what may stand around a line */

/* Append the frame of a line of the audit log (audit_tail.h) with that number. */
void syslog_frame(struct buf *out, const char *hostname, struct slice line, uint64_t sequence);

#endif
