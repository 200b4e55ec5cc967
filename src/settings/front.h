/*
 * [front] and [front.MIRROR]: what stands in front of a mirror: a web server, a load balancer, or
 * Cloudflare, whose configuration `ferry mirror config` makes.
 */
#ifndef FERRY_SETTINGS_FRONT_H
#define FERRY_SETTINGS_FRONT_H

#include "settings/conf.h"

struct settings_front {
	char *root;              /* the folder that is served; NULL: the mirror's own */
	struct str_list listen;  /* "80", "192.0.2.1:80", "[::1]:80"; empty: by the URL */
	bool tls;                /* `certificate` is not "no" */
	char *certificate, *key; /* files; NULL: not given */
	char *log;               /* of requests: a file; for haproxy what its `log` takes */
	uint64_t requests;       /* of a client in a second; 0: no limit */
	uint64_t connections;    /* of a client at a time; 0: no limit */
	uint64_t limit_rate;     /* bytes per second of a connection; 0: no limit */
	struct str_list cors;    /* "*" or origins; empty: none */
	struct str_list proxies; /* addresses and networks, whose X-Forwarded-For is believed */
	struct str_list servers; /* "HOST:PORT" that haproxy balances */

	/* Cloudflare */
	char *zone, *account;   /* ids; NULL: not given */
	char *api;              /* base URL */
	char *token_file;       /* or NULL */
	char *destination_file; /* of Logpush: it has a secret; NULL: no Logpush job */
	char *analytics;        /* the data set that a worker writes to; NULL: no worker */
};
void settings_front_release(struct settings_front *f);

/* Of the mirror. What [front.MIRROR] does not have is taken from [front]; `set` are "KEY=VALUE"
 * from a command line, which take precedence. Every text is checked for characters that a
 * configuration or a request cannot have there. */
WARN_UNUSED int settings_front_read(const struct conf *c, const char *mirror,
				    const char *const *set, size_t set_count,
				    struct settings_front *out, struct err *e);

#endif
