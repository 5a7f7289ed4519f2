/*
 * pages.h - the HTML of each page. Markup is literal, the rest goes through markup_text().
 */
#ifndef ROOST_WEB_PAGES_H
#define ROOST_WEB_PAGES_H

#include "web/site.h"

struct page_token {
    char text[FORM_TOKEN_CHARS + 1];
};

/* error: NULL, or a line above the form. */
void page_login(struct buf *out, const struct page_token *token, const char *error);

struct page_devices {
    const struct site *site;
    const struct site_reply *reply;
    struct page_token create, revoke, confirm, logout;
};
void page_devices(struct buf *out, const struct page_devices *page);

struct page_created {
    const struct site *site;
    struct slice user, name, password;
    unsigned scope;
    struct page_token profile;
};
void page_created(struct buf *out, const struct page_created *page);

/* A line of text, and a way back. */
void page_message(struct buf *out, const char *title, struct slice text);

/* The style of all pages: static. */
struct slice page_style(void);

#endif
