#include "commands/flags_offer.h"

#include "imap/print.h"

/* Every flag the mailbox has. */
static struct imap_flags flags_of(const struct mbox *mbox)
{
    const struct mbox_info *info = mbox_info(mbox);

    return (struct imap_flags){
        .bits = FLAGS_ALL, .keywords = info->keywords, .n_keywords = info->n_keywords};
}

/* RFC 4314 5.1.1: those that the rights let the client change; "\*" as long as a new keyword
 * would find room. */
static struct flags_offer offer_of(const struct mbox_view *view)
{
    uint32_t rights = view_reader(view)->rights;
    bool writable = !view_is_read_only(view);
    bool keywords = writable && (rights & RIGHT_WRITE) != 0;

    return (struct flags_offer){
        .bits = writable ? rights_flags(rights) : 0,
        .keywords = keywords,
        .new_keywords = keywords && mbox_info(view_mbox(view))->n_keywords < KEYWORDS_MAX,
    };
}

void flags_offer_say(struct session *session, struct buf *out)
{
    const struct mbox_view *view = session->view;
    struct flags_offer offer = offer_of(view);
    struct imap_flags flags = flags_of(view_mbox(view)), permanent = {0};

    if (offer.keywords)
        permanent = flags;
    permanent.bits = offer.bits;
    buf_str(out, "* FLAGS ");
    imap_print_flag_list(out, &flags);
    buf_str(out, "\r\n* OK ");
    imap_print_code_permanentflags(out, &permanent, offer.new_keywords);
    buf_byte(out, ' ');
    imap_print_text_line(out, view_is_read_only(view) ? "Read-only mailbox" : "Flags permitted",
                         session->mode);
    session->offer = offer;
}

void flags_offer_sync(struct session *session, struct buf *out)
{
    struct flags_offer now = offer_of(session->view), said = session->offer;

    if (now.bits != said.bits || now.keywords != said.keywords ||
        now.new_keywords != said.new_keywords)
        flags_offer_say(session, out);
}
