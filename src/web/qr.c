#include "web/qr.h"

#include <qrencode.h>

#include "web/markup.h"

#define QUIET_MODULES 4 /* light ones around: ISO/IEC 18004 asks for four */
#define IS_DARK       1u

static void free_codep(QRcode **code)
{
    if (*code != NULL)
        QRcode_free(*code);
}

/* Each run of dark modules of a row is a rectangle one high. */
static void put_row(struct buf *out, const unsigned char *row, int width, int y)
{
    int x = 0;

    while (x < width) {
        int from = x;

        while (x < width && (row[x] & IS_DARK) != 0)
            x++;
        if (x > from)
            buf_printf(out, "M%d %dh%dv1h-%dz", from + QUIET_MODULES, y + QUIET_MODULES,
                       x - from, x - from);
        else
            x++;
    }
}

static enum rc encode(struct slice data, QRecLevel level, QRcode **out, struct err *err)
{
    if (data.len == 0 || data.len > QR_DATA_MAX_BYTES)
        return err_set(err, RC_LIMIT, "Too long for a code", "qr: %zu bytes", data.len);
    *out = QRcode_encodeData((int) data.len, (const unsigned char *) data.ptr, 0, level);
    if (*out == NULL)
        return err_set(err, RC_LIMIT, "Too long for a code", "qr: %zu bytes do not fit",
                       data.len);
    return RC_OK;
}

enum rc qr_print_svg(struct buf *out, struct slice data, struct err *err)
{
    AUTO(free_codep) QRcode *code = NULL;
    enum rc rc = encode(data, QR_ECLEVEL_M, &code, err);
    int side;

    if (rc)
        return rc;
    side = code->width + 2 * QUIET_MODULES;
    buf_printf(out,
               "<svg class=\"qr\" role=\"img\" aria-label=\"QR code\" viewBox=\"0 0 %d %d\" "
               "xmlns=\"http://www.w3.org/2000/svg\">",
               side, side);
    buf_printf(out, "<path fill=\"#fff\" d=\"M0 0h%dv%dH0z\"/><path d=\"", side, side);
    for (int y = 0; y < code->width; y++)
        put_row(out, code->data + (size_t) y * (size_t) code->width, code->width, y);
    MARKUP(out, "\"/></svg>");
    return RC_OK;
}

static bool is_dark(const QRcode *code, int x, int y)
{
    return x >= 0 && y >= 0 && x < code->width && y < code->width &&
           (code->data[y * code->width + x] & IS_DARK) != 0;
}

enum rc qr_print_terminal(struct buf *out, struct slice data, struct err *err)
{
    static const char *const blocks[] = {" ", "\u2584", "\u2580", "\u2588"};
    AUTO(free_codep) QRcode *code = NULL;
    enum rc rc = encode(data, QR_ECLEVEL_L, &code, err); /* a screen has no scratches */

    if (rc)
        return rc;
    for (int y = -QUIET_MODULES; y < code->width + QUIET_MODULES; y += 2) {
        buf_str(out, "\033[30;107m");
        for (int x = -QUIET_MODULES; x < code->width + QUIET_MODULES; x++)
            buf_str(out, blocks[(is_dark(code, x, y) ? 2 : 0) + is_dark(code, x, y + 1)]);
        buf_str(out, "\033[0m\n");
    }
    return RC_OK;
}
