/*
 * qr.h - a few bytes as a QR code (ISO/IEC 18004, by libqrencode), drawn as SVG inside a page,
 * or with blocks on a terminal.
 *
 * The drawing is one path in the page's own markup: no script, no image to be fetched.
 */
#ifndef ROOST_WEB_QR_H
#define ROOST_WEB_QR_H

#include "base/buf.h"

#define QR_DATA_MAX_BYTES 2048u /* level M holds 2,331 */

/* RC_LIMIT: more than QR_DATA_MAX_BYTES; out is as it was. */
MUST_CHECK enum rc qr_print_svg(struct buf *out, struct slice data, struct err *err);
/*
 * The same for a terminal: each character is two modules, one above the other (U+2580, U+2584),
 * black on white whatever the terminal's colours are. As many lines as half its height.
 */
MUST_CHECK enum rc qr_print_terminal(struct buf *out, struct slice data, struct err *err);

#endif
