/*
 * The country of an address, from a MaxMind DB file that the operator names: MaxMind's own
 * ("country.iso_code") or one with a flat "country_code", as those of ip-location-db. The only user
 * of libmaxminddb.
 *
 * Prefix: stats_country.
 */
#ifndef FERRY_STATS_COUNTRY_H
#define FERRY_STATS_COUNTRY_H

#include "util/base.h"
#include "util/err.h"

struct stats_country;

/* ERR_USAGE for a file that cannot be read or is none. */
WARN_UNUSED int stats_country_open(const char *path, struct stats_country **out, struct err *e);
void stats_country_close(struct stats_country *c);
DEFINE_CLEANUP(struct stats_country, stats_country_close);

/* address: 16 bytes of IPv6, or of IPv4 as ::ffff:a.b.c.d. Two capital letters; false if it is not
 * known. */
bool stats_country_find(struct stats_country *c, const uint8_t address[16], char out[2]);
/* Are these two capital letters? */
bool stats_country_is_code(const char *text, size_t len);

#endif
