#include "web/mobileconfig.h"

#include "web/markup.h"

/* RFC 9562 5.4: version 4, variant 10, in the text form of its section 4. */
static void put_uuid(struct buf *out, const uint8_t id[16])
{
    for (size_t i = 0; i < 16; i++) {
        uint8_t byte = id[i];

        if (i == 4 || i == 6 || i == 8 || i == 10)
            buf_byte(out, '-');
        if (i == 6)
            byte = (uint8_t) ((byte & 0x0F) | 0x40);
        if (i == 8)
            byte = (uint8_t) ((byte & 0x3F) | 0x80);
        buf_printf(out, "%02X", byte);
    }
}

/* key is one of our own words. */
static void put_key(struct buf *out, const char *key)
{
    MARKUP(out, "<key>");
    markup_text(out, slice_from_str(key));
    MARKUP(out, "</key>");
}

static void put_string(struct buf *out, const char *key, struct slice value)
{
    put_key(out, key);
    MARKUP(out, "<string>");
    markup_text(out, value);
    MARKUP(out, "</string>\n");
}

static void put_number(struct buf *out, const char *key, uint64_t value)
{
    put_key(out, key);
    MARKUP(out, "<integer>");
    buf_u64(out, value);
    MARKUP(out, "</integer>\n");
}

static void put_true(struct buf *out, const char *key)
{
    put_key(out, key);
    MARKUP(out, "<true/>\n");
}

static void put_id(struct buf *out, const uint8_t id[16])
{
    MARKUP(out, "<key>PayloadIdentifier</key><string>roost.");
    put_uuid(out, id);
    MARKUP(out, "</string>\n<key>PayloadUUID</key><string>");
    put_uuid(out, id);
    MARKUP(out, "</string>\n");
}

static void put_account(struct buf *out, const struct mobileconfig *config)
{
    MARKUP(out, "<dict>\n");
    put_string(out, "PayloadType", SLICE("com.apple.mail.managed"));
    put_number(out, "PayloadVersion", 1);
    put_id(out, config->payload_id);
    put_string(out, "PayloadDisplayName", config->user);
    put_string(out, "EmailAccountDescription", config->user);
    put_string(out, "EmailAccountType", SLICE("EmailTypeIMAP"));
    put_string(out, "EmailAddress", config->user);
    put_string(out, "IncomingMailServerAuthentication", SLICE("EmailAuthPassword"));
    put_string(out, "IncomingMailServerHostName", config->imap_host);
    put_number(out, "IncomingMailServerPortNumber", config->imap_port);
    put_true(out, "IncomingMailServerUseSSL");
    put_string(out, "IncomingMailServerUsername", config->user);
    put_string(out, "IncomingPassword", config->password);
    put_string(out, "OutgoingMailServerAuthentication", SLICE("EmailAuthPassword"));
    put_string(out, "OutgoingMailServerHostName", config->smtp_host);
    put_number(out, "OutgoingMailServerPortNumber", config->smtp_port);
    put_true(out, "OutgoingMailServerUseSSL");
    put_string(out, "OutgoingMailServerUsername", config->user);
    put_true(out, "OutgoingPasswordSameAsIncomingPassword");
    MARKUP(out, "</dict>\n");
}

void mobileconfig_print(struct buf *out, const struct mobileconfig *config)
{
    MARKUP(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "
                "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"
                "<plist version=\"1.0\">\n<dict>\n");
    put_string(out, "PayloadType", SLICE("Configuration"));
    put_number(out, "PayloadVersion", 1);
    put_id(out, config->profile_id);
    put_string(out, "PayloadDisplayName", config->user);
    put_string(out, "PayloadDescription", config->device);
    put_key(out, "PayloadContent");
    MARKUP(out, "<array>\n");
    put_account(out, config);
    MARKUP(out, "</array>\n</dict>\n</plist>\n");
}
