/*
 * scram_offer.h - may SCRAM be offered? Only where it can prove every password that opens a
 * mailbox: programs prefer it, and do not fall back to PLAIN when it fails.
 *
 * The hashes of a passwd-file cannot serve it, nor can passwords of foreign back-ends, which
 * count while `legacy_passwords` says so.
 */
#ifndef ROOST_CONFIG_SCRAM_OFFER_H
#define ROOST_CONFIG_SCRAM_OFFER_H

#include "config/config.h"

/* By the settings alone; `scram` is one of them. */
bool config_offers_scram(const struct config *config);

#endif
