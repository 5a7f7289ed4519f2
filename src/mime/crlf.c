#include "mime/crlf.h"

void crlf_feed(struct crlf *crlf, struct slice bytes, struct buf *out)
{
    while (bytes.len > 0) {
        size_t lf = slice_find(bytes, '\n');
        struct slice line = slice_sub(bytes, 0, lf);
        bool ends_in_cr = lf > 0 ? line.ptr[lf - 1] == '\r' : crlf->after_cr;

        if (crlf->after_cr && lf > 0)
            crlf->n_bare_cr++;
        crlf->n_bare_cr += slice_count(line, '\r') - (lf > 0 && ends_in_cr ? 1 : 0);
        crlf->n_nul += slice_count(line, '\0');
        buf_append(out, line);
        crlf->after_cr = ends_in_cr;
        if (lf == bytes.len)
            return;
        if (!ends_in_cr) {
            buf_byte(out, '\r');
            crlf->n_bare_lf++;
        }
        buf_byte(out, '\n');
        crlf->after_cr = false;
        bytes = slice_from(bytes, lf + 1);
    }
}

void crlf_end(struct crlf *crlf)
{
    if (crlf->after_cr)
        crlf->n_bare_cr++;
    crlf->after_cr = false;
}
