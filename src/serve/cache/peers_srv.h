/*
 * Names of peers in DNS: SRV records (RFC 2782), asked for as the system does (/etc/resolv.conf),
 * within seconds. Priorities and weights are not used: all peers are asked.
 */
#ifndef FERRY_SERVE_CACHE_PEERS_SRV_H
#define FERRY_SERVE_CACHE_PEERS_SRV_H

#include "util/err.h"
#include "util/text.h"

/* Appends a URL for each record: https for port 443, else http. ERR_NETWORK. */
WARN_UNUSED int peers_srv_ask(const char *name, struct str_list *out, struct err *e);
/* The same for an answer, which is foreign bytes. ERR_INTEGRITY. */
WARN_UNUSED int peers_srv_parse(const unsigned char *answer, size_t len, struct str_list *out,
				struct err *e);

#endif
