#include "commands/section_place.h"

enum digest_form section_form(struct imap_mode mode)
{
    if (mode.utf8_accept)
        return DIGEST_FORM_U;
    return mode.rev2 ? DIGEST_FORM_D : DIGEST_FORM_P;
}

bool section_needs_digest(const struct imap_section *section)
{
    return section->text != IMAP_SECTION_ALL || section->n_parts > 0;
}

bool section_chooses_fields(const struct imap_section *section)
{
    return section->text == IMAP_SECTION_HEADER_FIELDS ||
           section->text == IMAP_SECTION_HEADER_FIELDS_NOT;
}

static enum rc no_section(struct err *err)
{
    return err_set(err, RC_NOT_FOUND, "No such part", "section: not in the message");
}

static enum rc read_header_fields(struct message *message, const struct digest *digest,
                                  const struct imap_section *section,
                                  const struct digest_names *names, struct buf *memory,
                                  struct err *err)
{
    bool not = section->text == IMAP_SECTION_HEADER_FIELDS_NOT;
    AUTO(buf_done) struct buf raw = {0};
    struct digest_header header;
    enum rc rc;

    buf_init(&raw, DIGEST_MESSAGE_MAX_BYTES);
    if (digest_header_of(digest, section->parts, section->n_parts, &header) != RC_OK)
        return no_section(err);
    rc = message_read(message, header.range.offset, header.range.len, &raw, err);
    if (!rc)
        digest_header_fields(digest, &header, buf_slice(&raw), names, not, memory);
    return rc;
}

static enum rc read_fields(struct message *message, const struct digest *digest,
                           const struct imap_section *section, const struct digest_names *names,
                           struct buf *memory, struct section_place *out, struct err *err)
{
    enum rc rc = RC_OK;

    buf_reset(memory);
    if (section->n_parts == 0 && section->text == IMAP_SECTION_HEADER_FIELDS &&
        digest_fields_are_copied(digest, names))
        digest_copied_fields(digest, names, memory);
    else
        rc = read_header_fields(message, digest, section, names, memory, err);
    *out = (struct section_place){.from_memory = true, .len = memory->len};
    return rc;
}

static enum digest_section_kind kind_of(enum imap_section_text text)
{
    switch (text) {
    case IMAP_SECTION_HEADER:
        return DIGEST_HEADER;
    case IMAP_SECTION_TEXT:
        return DIGEST_TEXT_OF;
    case IMAP_SECTION_MIME:
        return DIGEST_MIME;
    case IMAP_SECTION_ALL:
    case IMAP_SECTION_HEADER_FIELDS:
    case IMAP_SECTION_HEADER_FIELDS_NOT:
        break;
    }
    return DIGEST_WHOLE;
}

enum rc section_locate(struct message *message, const struct digest *digest,
                       const struct imap_section *section, const struct digest_names *names,
                       struct buf *memory, struct section_place *out, struct err *err)
{
    struct digest_range range;

    if (section_chooses_fields(section))
        return read_fields(message, digest, section, names, memory, out, err);
    if (!section_needs_digest(section)) {
        *out = (struct section_place){.len = message_size(message)};
        return RC_OK;
    }
    if (digest_section(digest, section->parts, section->n_parts, kind_of(section->text),
                       &range) != RC_OK)
        return no_section(err);
    *out = (struct section_place){.offset = range.offset, .len = range.len};
    return RC_OK;
}
