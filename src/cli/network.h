/*
 * The options of commands that say how mirrors are reached, and which of them: each has its key in
 * [fetch] of ferry.conf, but those that choose mirrors.
 */
#ifndef FERRY_CLI_NETWORK_H
#define FERRY_CLI_NETWORK_H

#include "cli/frame/cli.h"
#include "settings/access.h"
#include "settings/fetch.h"

struct network_opts {
	struct opt_list only, without; /* ids of mirrors */
	const char *region, *ca;
	uint64_t connections, max_memory;
	bool ipv4, ipv6;
};

/* For the table of a command whose struct s has a member of this type. */
#define NETWORK_OPTS(s, member) \
	OPT_HINTED(OPT_LIST, s, member.only, 0, "mirror", "MIRROR", HINT_MIRROR, \
		   "fetch model files only from this mirror; may be given several times"), \
		OPT_HINTED(OPT_LIST, s, member.without, 0, "exclude-mirror", "MIRROR", \
			   HINT_MIRROR, \
			   "fetch nothing from this mirror; may be given several times"), \
		OPT_ENTRY(OPT_STRING, s, member.region, 0, "prefer-region", "REGION", \
			  "ask mirrors of this region first, whatever their priority: eu is also " \
			  "eu-west"), \
		OPT_ENTRY(OPT_U64, s, member.connections, 0, "connections", "NUMBER", \
			  "the most connections to one mirror, up to 64"), \
		OPT_ENTRY(OPT_SIZE, s, member.max_memory, 0, "max-memory", "SIZE", \
			  "memory for pieces that are being downloaded, at least 8M"), \
		OPT_HINTED(OPT_STRING, s, member.ca, 0, "cacert", "FILE", HINT_FILE, \
			   "certificate authorities (PEM) that are trusted instead of the " \
			   "system's"), \
		OPT_ENTRY(OPT_FLAG, s, member.ipv4, '4', "ipv4", NULL, "use only IPv4"), \
		OPT_ENTRY(OPT_FLAG, s, member.ipv6, '6', "ipv6", NULL, "use only IPv6")

/* ERR_USAGE for values that are not allowed, and for a choice of mirrors beside --from (its URL, or
 * NULL). */
WARN_UNUSED int network_check(const struct network_opts *o, const char *from, struct err *e);
/* What the options say instead of the settings. */
void network_apply(const struct network_opts *o, struct settings_fetch *fetch,
		   struct http_access_list *access);

#endif
