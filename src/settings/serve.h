/* [serve]: the edge of this machine (`ferry serve`). */
#ifndef FERRY_SETTINGS_SERVE_H
#define FERRY_SETTINGS_SERVE_H

#include "settings/conf.h"

/* A place to listen on: "HOST:PORT" (HOST empty: every address; "[::1]:8480") or "unix:PATH". */
struct settings_serve_place {
	char *host; /* without brackets; "": every address; NULL: a Unix socket */
	unsigned port;
	char *path; /* of the Unix socket; NULL: host and port */
	bool loopback;
};

/* A network in CIDR notation; an IPv4 address is in its IPv4-mapped form (RFC 4291, 2.5.5.2). */
struct settings_serve_net {
	uint8_t address[16];
	unsigned bits; /* of the 128 that count */
};

struct settings_serve {
	struct str_list repositories; /* empty: all that are followed */
	struct settings_serve_place *listen;
	size_t listen_count, listen_cap;
	char *admin; /* path of the Unix socket whose callers may do everything; NULL: none */
	char *url;   /* public base URL without a '/' at its end; NULL: as the request says */
	bool public; /* what needs credentials upstream is for everybody, too */
	bool anonymous_said; /* it is set, and no default */
	bool anonymous;      /* callers without credentials may pull */

	char *keys;                        /* file of `ferry serve key`; NULL: none */
	char *jwks;                        /* a file or an https:// URL; NULL: none */
	char *issuer, *audience;           /* NULL: not set; with jwks, audience is */
	struct settings_serve_net *fronts; /* whose X-Forwarded-For counts */
	size_t front_count, front_cap;

	/* For each client; 0: no limit. */
	double requests_s; /* "10" a second, "600/5m" */
	uint64_t burst;    /* requests at once; at least 1 where requests_s is set */
	uint64_t rate;     /* bytes a second */
	unsigned connections;
	char *redis;          /* "redis://HOST:PORT[/DB]", "unix:PATH"; NULL: none */
	char *redis_password; /* secret; NULL: none */

	uint64_t size;        /* bytes of objects that only the edge needs; 0: no limit */
	uint64_t keep_free;   /* bytes */
	unsigned threads;     /* of the server; 0: one for each processor, at most 4 */
	unsigned workers;     /* for what may wait */
	unsigned pulls;       /* objects that are fetched at a time */
	uint64_t refresh_s;   /* between two looks for a new release */
	uint64_t scrub_s;     /* 0: never */
	uint64_t idle_exit_s; /* without a connection; 0: never */
	uint64_t timeout_s;   /* a connection on which nothing happens is closed then */
	uint64_t grace_s;     /* for transfers at the end */
	char *log;            /* file of the access log; "-": standard output; NULL: none */

	struct str_list peers; /* base URLs of other edges */
	char *peers_srv;       /* DNS name whose SRV records name more; NULL: none */
	char *peer_key;        /* secret: for the configured peers only; NULL: none */
};
void settings_serve_release(struct settings_serve *s);

/* Without a section: the defaults. Paths are relative to the folder of ferry.conf. */
WARN_UNUSED int settings_serve_read(const struct conf *c, struct settings_serve *out,
				    struct err *e);

/* Empties s->listen. */
void settings_serve_place_clear(struct settings_serve *s);
/* Appends to s->listen; false for a text that is none. */
bool settings_serve_place_add(struct settings_serve *s, const char *text);

/* "10.0.0.0/8", "::1": false if it is neither an address nor a network. */
bool settings_serve_net_parse(const char *text, struct settings_serve_net *out);
/* Is the address, in the same form, in the network? */
bool settings_serve_net_has(const struct settings_serve_net *n, const uint8_t address[16]);
/* The form of an address as text, "192.0.2.1" or "2001:db8::1"; false if it is none. */
bool settings_serve_address(const char *text, uint8_t out[16]);

#endif
