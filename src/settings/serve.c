#include "settings/serve.h"

#include "settings/secret.h"
#include "util/mem.h"
#include "util/path.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DAY_S ((uint64_t)86400)
#define DEFAULT_LISTEN "127.0.0.1:8480"

void settings_serve_place_clear(struct settings_serve *s)
{
	for (size_t i = 0; i < s->listen_count; i++) {
		free(s->listen[i].host);
		free(s->listen[i].path);
	}
	free(s->listen);
	s->listen = NULL;
	s->listen_count = s->listen_cap = 0;
}

void settings_serve_release(struct settings_serve *s)
{
	settings_serve_place_clear(s);
	free(s->fronts);
	char *const texts[] = { s->admin,    s->url,   s->keys, s->jwks,     s->issuer,
				s->audience, s->redis, s->log,  s->peers_srv };
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		free(texts[i]);
	settings_secret_free(s->redis_password);
	settings_secret_free(s->peer_key);
	str_list_release(&s->repositories);
	str_list_release(&s->peers);
	*s = (struct settings_serve){ 0 };
}

/* ---- addresses ---- */

bool settings_serve_address(const char *text, uint8_t out[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	if (strchr(text, ':'))
		return inet_pton(AF_INET6, text, out) == 1;
	memcpy(out, mapped, sizeof mapped);
	return inet_pton(AF_INET, text, out + sizeof mapped) == 1;
}

bool settings_serve_net_parse(const char *text, struct settings_serve_net *out)
{
	struct settings_serve_net n = { .bits = 128 };
	const char *slash = strchr(text, '/');
	CLEANUP(mem_free_ptr)
	char *address = mem_strndup(text, slash ? (size_t)(slash - text) : strlen(text));
	unsigned before = strchr(address, ':') ? 0 : 96;
	uint64_t bits = 128 - before;
	if (!settings_serve_address(address, n.address) ||
	    (slash && (!parse_u64(slash + 1, &bits) || bits > 128 - before)))
		return false;
	n.bits = before + (unsigned)bits;
	*out = n;
	return true;
}

bool settings_serve_net_has(const struct settings_serve_net *n, const uint8_t address[16])
{
	unsigned whole = n->bits / 8, rest = n->bits % 8;
	if (memcmp(n->address, address, whole) != 0)
		return false;
	return rest == 0 || ((n->address[whole] ^ address[whole]) >> (8 - rest)) == 0;
}

static bool is_loopback(const char *host)
{
	uint8_t address[16];
	struct settings_serve_net v4, v6;
	if (strcmp(host, "localhost") == 0)
		return true;
	return settings_serve_address(host, address) &&
	       settings_serve_net_parse("127.0.0.0/8", &v4) &&
	       settings_serve_net_parse("::1", &v6) &&
	       (settings_serve_net_has(&v4, address) || settings_serve_net_has(&v6, address));
}

/* "[::1]" without its brackets, or NULL if it is no host. */
static char *host_of(const char *text, size_t len)
{
	if (len >= 2 && text[0] == '[' && text[len - 1] == ']')
		return mem_strndup(text + 1, len - 2);
	if (len == 1 && text[0] == '*')
		return mem_strdup("");
	if (memchr(text, ':', len) || memchr(text, '[', len) || memchr(text, '/', len))
		return NULL;
	return mem_strndup(text, len);
}

bool settings_serve_place_add(struct settings_serve *s, const char *text)
{
	struct settings_serve_place p = { 0 };
	const char *colon = strrchr(text, ':');
	uint64_t port;
	if (str_starts(text, "unix:")) {
		if (text[5] != '/')
			return false;
		p.path = mem_strdup(text + 5);
		p.loopback = true;
	} else {
		if (!colon || !parse_u64(colon + 1, &port) || port > 65535)
			return false;
		p.host = host_of(text, (size_t)(colon - text));
		p.port = (unsigned)port;
		if (!p.host)
			return false;
		p.loopback = is_loopback(p.host);
	}
	s->listen = mem_grow(s->listen, s->listen_count, &s->listen_cap, sizeof *s->listen);
	s->listen[s->listen_count++] = p;
	return true;
}

/* ---- values ---- */

struct reading {
	const struct conf *c;
	const struct conf_section *s;
	struct err *e;
};

static int read_listen(const struct reading *r, struct settings_serve *t)
{
	CLEANUP(str_list_release) struct str_list words = { 0 };
	conf_get_words(r->s, "listen", &words);
	if (words.count == 0)
		str_list_add(&words, DEFAULT_LISTEN);
	for (size_t i = 0; i < words.count; i++)
		if (!settings_serve_place_add(t, words.at[i]))
			return conf_err(r->c, r->s, "listen", r->e,
					"listen: HOST:PORT or unix:/PATH, not '%s'", words.at[i]);
	return 0;
}

static int read_fronts(const struct reading *r, struct settings_serve *t)
{
	CLEANUP(str_list_release) struct str_list words = { 0 };
	conf_get_words(r->s, "fronts", &words);
	for (size_t i = 0; i < words.count; i++) {
		t->fronts = mem_grow(t->fronts, t->front_count, &t->front_cap, sizeof *t->fronts);
		if (!settings_serve_net_parse(words.at[i], &t->fronts[t->front_count]))
			return conf_err(r->c, r->s, "fronts", r->e,
					"fronts: addresses and networks, such as 10.0.0.0/8, "
					"not '%s'",
					words.at[i]);
		t->front_count++;
	}
	return 0;
}

/* "10" a second, or "600/5m". */
static int read_requests(const struct reading *r, struct settings_serve *t)
{
	const char *value = conf_get(r->s, "requests"), *slash;
	uint64_t count, span_s = 1;
	if (!value)
		return 0;
	slash = strchr(value, '/');
	CLEANUP(mem_free_ptr)
	char *number = mem_strndup(value, slash ? (size_t)(slash - value) : strlen(value));
	if (!parse_u64(number, &count) || count > 1000000 ||
	    (slash && (!parse_duration(slash + 1, &span_s) || span_s == 0)))
		return conf_err(r->c, r->s, "requests", r->e,
				"requests: a number for each second, or NUMBER/DURATION, such as "
				"600/5m");
	t->requests_s = (double)count / (double)span_s;
	return 0;
}

static int read_numbers(const struct reading *r, struct settings_serve *t)
{
	struct {
		const char *key;
		unsigned *out;
		unsigned least, most;
	} all[] = {
		{ "connections", &t->connections, 0, 1000000 },
		{ "threads", &t->threads, 1, 64 },
		{ "workers", &t->workers, 1, 256 },
		{ "pulls", &t->pulls, 1, 64 },
	};
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		uint64_t number = *all[i].out;
		int rc = conf_get_u64(r->c, r->s, all[i].key, &number, r->e);
		if (rc < 0)
			return rc;
		if (conf_get(r->s, all[i].key) && (number < all[i].least || number > all[i].most))
			return conf_err(r->c, r->s, all[i].key, r->e, "%s: must be %u to %u",
					all[i].key, all[i].least, all[i].most);
		*all[i].out = (unsigned)number;
	}
	return conf_get_u64(r->c, r->s, "burst", &t->burst, r->e);
}

static int read_durations(const struct reading *r, struct settings_serve *t)
{
	const struct {
		const char *key;
		uint64_t *out, least;
	} all[] = {
		{ "refresh", &t->refresh_s, 1 },     { "scrub", &t->scrub_s, 0 },
		{ "idle-exit", &t->idle_exit_s, 0 }, { "timeout", &t->timeout_s, 1 },
		{ "grace", &t->grace_s, 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		int rc = conf_get_duration(r->c, r->s, all[i].key, all[i].out, r->e);
		if (rc == 0 && *all[i].out < all[i].least)
			rc = conf_err(r->c, r->s, all[i].key, r->e, "%s: must be at least 1s",
				      all[i].key);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int read_sizes(const struct reading *r, struct settings_serve *t)
{
	int rc = conf_get_size(r->c, r->s, "size", &t->size, r->e);
	if (rc == 0)
		rc = conf_get_size(r->c, r->s, "keep-free", &t->keep_free, r->e);
	return rc < 0 ? rc : conf_get_size(r->c, r->s, "rate", &t->rate, r->e);
}

/* A base URL: no user name, no query; without the '/' at its end. */
static int read_url(const struct reading *r, const char *key, const char *url, char **out)
{
	bool ok = str_starts(url, "https://") || str_starts(url, "http://");
	const char *host = ok ? strstr(url, "://") + 3 : "";
	size_t len = strlen(url);
	for (const char *p = host; *p; p++)
		ok = ok && (unsigned char)*p > ' ' && (unsigned char)*p < 0x7f &&
		     !strchr("?#@\"'<>\\`{|}^", *p);
	if (!ok || !*host || *host == '/')
		return conf_err(r->c, r->s, key, r->e,
				"%s: not a URL such as https://edge.example.org", key);
	while (len && url[len - 1] == '/')
		len--;
	*out = mem_strndup(url, len);
	return 0;
}

static int read_urls(const struct reading *r, struct settings_serve *t)
{
	CLEANUP(str_list_release) struct str_list words = { 0 };
	const char *url = conf_get(r->s, "url");
	int rc = url ? read_url(r, "url", url, &t->url) : 0;
	conf_get_words(r->s, "peers", &words);
	for (size_t i = 0; i < words.count && rc == 0; i++) {
		char *peer = NULL;
		rc = read_url(r, "peers", words.at[i], &peer);
		if (rc == 0)
			str_list_take(&t->peers, peer);
	}
	return rc;
}

/* The environment comes first, as for access. */
static int read_secret(const struct reading *r, const char *key, const char *variable, char **out)
{
	const char *set = getenv(variable);
	CLEANUP(mem_free_ptr) char *path = conf_get_path(r->c, r->s, key);
	if (set && *set) {
		*out = mem_strdup(set);
		return 0;
	}
	if (!path)
		return 0;
	int rc = settings_secret_read(path, out, r->e);
	return rc < 0 ? err_context(r->e, "%s", key) : 0;
}

static int read_secrets(const struct reading *r, struct settings_serve *t)
{
	int rc = read_secret(r, "redis-password-file", "FERRY_REDIS_PASSWORD", &t->redis_password);
	return rc < 0 ? rc : read_secret(r, "peer-key-file", "FERRY_PEER_KEY", &t->peer_key);
}

static int read_redis(const struct reading *r, struct settings_serve *t)
{
	const char *value = conf_get(r->s, "redis");
	if (!value)
		return 0;
	if (!str_starts(value, "redis://") && !str_starts(value, "unix:/"))
		return conf_err(r->c, r->s, "redis", r->e,
				"redis: redis://HOST:PORT[/DB] or unix:/PATH");
	if (strchr(value, '@'))
		return conf_err(r->c, r->s, "redis", r->e,
				"redis: no password; put it into a file, and name that with "
				"redis-password-file");
	t->redis = mem_strdup(value);
	return 0;
}

static int read_tokens(const struct reading *r, struct settings_serve *t)
{
	const char *jwks = conf_get(r->s, "jwks");
	const char *issuer = conf_get(r->s, "issuer"), *audience = conf_get(r->s, "audience");
	if (jwks && strstr(jwks, "://") && !str_starts(jwks, "https://"))
		return conf_err(r->c, r->s, "jwks", r->e, "jwks: a file or an https:// URL");
	if (jwks && !audience)
		return conf_err(r->c, r->s, "jwks", r->e,
				"jwks: needs audience, too: the name of this edge in the tokens");
	if (jwks)
		t->jwks = strstr(jwks, "://") ? mem_strdup(jwks)
					      : conf_get_path(r->c, r->s, "jwks");
	t->issuer = issuer ? mem_strdup(issuer) : NULL;
	t->audience = audience ? mem_strdup(audience) : NULL;
	return 0;
}

static char *default_admin(void)
{
	const char *run = getenv("XDG_RUNTIME_DIR");
	if (geteuid() == 0)
		return mem_strdup("/run/ferry/serve.sock");
	return run && *run == '/' ? mem_printf("%s/ferry/serve.sock", run) : NULL;
}

static void read_places(const struct reading *r, struct settings_serve *t)
{
	const char *log = conf_get(r->s, "log"), *srv = conf_get(r->s, "peers-srv");
	const char *admin = conf_get(r->s, "admin");
	t->log = log && strcmp(log, "-") == 0 ? mem_strdup("-") : conf_get_path(r->c, r->s, "log");
	t->keys = conf_get_path(r->c, r->s, "keys");
	t->peers_srv = srv ? mem_strdup(srv) : NULL;
	if (!admin)
		t->admin = default_admin();
	else if (strcmp(admin, "no") != 0)
		t->admin = conf_get_path(r->c, r->s, "admin");
	conf_get_words(r->s, "repository", &t->repositories);
}

/* Whoever is on this machine may pull what it has; others only if that was decided. */
static int read_anonymous(const struct reading *r, struct settings_serve *t)
{
	t->anonymous = true;
	t->anonymous_said = conf_get(r->s, "anonymous") != NULL;
	for (size_t i = 0; i < t->listen_count; i++)
		t->anonymous = t->anonymous && t->listen[i].loopback;
	int rc = conf_get_bool(r->c, r->s, "anonymous", &t->anonymous, r->e);
	return rc < 0 ? rc : conf_get_bool(r->c, r->s, "public", &t->public, r->e);
}

int settings_serve_read(const struct conf *c, struct settings_serve *out, struct err *e)
{
	static const char *const keys[] = { "repository",
					    "listen",
					    "admin",
					    "url",
					    "public",
					    "anonymous",
					    "keys",
					    "jwks",
					    "issuer",
					    "audience",
					    "fronts",
					    "requests",
					    "burst",
					    "rate",
					    "connections",
					    "redis",
					    "redis-password-file",
					    "size",
					    "keep-free",
					    "threads",
					    "workers",
					    "pulls",
					    "refresh",
					    "scrub",
					    "idle-exit",
					    "grace",
					    "timeout",
					    "log",
					    "peers",
					    "peers-srv",
					    "peer-key-file",
					    NULL };
	const struct reading r = { c, conf_find(c, "serve", ""), e };
	CLEANUP(settings_serve_release) struct settings_serve t = {
		.burst = 0,
		.keep_free = GIB,
		.workers = 16,
		.pulls = 4,
		.refresh_s = 300,
		.scrub_s = 30 * DAY_S,
		.timeout_s = 60,
		.grace_s = 30,
	};
	int rc = conf_check_keys(c, r.s, keys, e);
	static int (*const parts[])(const struct reading *r, struct settings_serve *t) = {
		read_listen, read_fronts,  read_requests, read_numbers, read_durations, read_sizes,
		read_urls,   read_secrets, read_redis,    read_tokens,  read_anonymous,
	};
	for (size_t i = 0; i < ARRAY_LEN(parts) && rc == 0; i++)
		rc = parts[i](&r, &t);
	if (rc < 0)
		return rc;
	if (t.requests_s > 0 && t.burst == 0)
		t.burst = (uint64_t)(t.requests_s * 10) + 1;
	read_places(&r, &t);
	*out = t;
	t = (struct settings_serve){ 0 };
	return 0;
}
