#include "settings/front.h"

#include "http/url.h"
#include "util/mem.h"
#include "util/path.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#define REQUESTS 20
#define CONNECTIONS 32
#define MAX_NUMBER 100000
#define API "https://api.cloudflare.com/client/v4"

static const char *const keys[] = {
	"root",      "listen",   "certificate", "certificate-key",
	"log",       "requests", "connections", "limit-rate",
	"cors",      "proxies",  "servers",     "zone",
	"account",   "api",      "token-file",  "log-destination-file",
	"analytics", NULL,
};

void settings_front_release(struct settings_front *f)
{
	free(f->root);
	str_list_release(&f->listen);
	free(f->certificate);
	free(f->key);
	free(f->log);
	str_list_release(&f->cors);
	str_list_release(&f->proxies);
	str_list_release(&f->servers);
	free(f->zone);
	free(f->account);
	free(f->api);
	free(f->token_file);
	free(f->destination_file);
	free(f->analytics);
	*f = (struct settings_front){ 0 };
}

/* ---- where a key is looked for ---- */

struct place {
	const struct conf *conf;
	const struct conf_section *section;
};

struct places {
	struct conf set; /* of the command line */
	struct place at[3];
	size_t count;
};

static void places_release(struct places *p)
{
	conf_release(&p->set);
}

static void add_place(struct places *p, const struct conf *c, const struct conf_section *s)
{
	if (s)
		p->at[p->count++] = (struct place){ c, s };
}

static int read_set(const char *mirror, const char *const *set, size_t count, struct conf *out,
		    struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(CONF_MAX_BYTES);
	buf_addf(&text, "[front.%s]\n", mirror);
	for (size_t i = 0; i < count; i++) {
		const char *equals = strchr(set[i], '=');
		if (!equals || equals == set[i])
			return err_set(e, ERR_USAGE, "--set '%s': must be KEY=VALUE", set[i]);
		for (const char *c = set[i]; *c; c++)
			if (iscntrl((unsigned char)*c))
				return err_set(e, ERR_USAGE,
					       "--set: the value has a control character");
		buf_addf(&text, "%.*s = %s\n", (int)(equals - set[i]), set[i], equals + 1);
	}
	int rc = buf_ok(&text, "--set", e);
	if (rc == 0)
		rc = conf_parse(buf_str(&text), text.len, "--set", out, e);
	out->unwritten = 1;
	return rc;
}

static int find_places(const struct conf *c, const char *mirror, const char *const *set,
		       size_t count, struct places *p, struct err *e)
{
	int rc = read_set(mirror, set, count, &p->set, e);
	if (rc < 0)
		return rc;
	add_place(p, &p->set, conf_nth(&p->set, "front", 0));
	add_place(p, c, conf_find(c, "front", mirror));
	add_place(p, c, conf_find(c, "front", ""));
	for (size_t i = 0; i < p->count && rc == 0; i++)
		rc = conf_check_keys(p->at[i].conf, p->at[i].section, keys, e);
	return rc;
}

/* The first that has the key, else a place without values. */
static struct place find(const struct places *p, const char *key)
{
	for (size_t i = 0; i < p->count; i++)
		if (conf_get(p->at[i].section, key))
			return p->at[i];
	return (struct place){ &p->set, NULL };
}

/* ---- values ---- */

static int fault(const struct places *p, const char *key, const char *why, struct err *e)
{
	struct place at = find(p, key);
	return conf_err(at.conf, at.section, key, e, "%s: %s", key, why);
}

static int read_number(const struct places *p, const char *key, uint64_t *out, struct err *e)
{
	struct place at = find(p, key);
	int rc = conf_get_u64(at.conf, at.section, key, out, e);
	return rc == 0 && *out > MAX_NUMBER ? fault(p, key, "must be at most 100000", e) : rc;
}

static void read_words(const struct places *p, const char *key, struct str_list *out)
{
	conf_get_words(find(p, key).section, key, out);
}

/* Web servers replace '$' in what they read, without a way to say that it is meant. */
static int read_path(const struct places *p, const char *key, char **out, struct err *e)
{
	struct place at = find(p, key);
	CLEANUP(mem_free_ptr) char *path = conf_get_path(at.conf, at.section, key);
	if (!path)
		return 0;
	for (const char *c = path; *c; c++)
		if (iscntrl((unsigned char)*c) || *c == '$')
			return fault(p, key,
				     "web servers cannot be given a path with a '$' or a "
				     "control character",
				     e);
	*out = path_absolute(path);
	return 0;
}

typedef bool word_fn(const char *word);

static int check_words(const struct places *p, const char *key, const struct str_list *words,
		       word_fn *ok, const char *wanted, struct err *e)
{
	for (size_t i = 0; i < words->count; i++)
		if (!ok(words->at[i])) {
			CLEANUP(mem_free_ptr) char *shown = text_escaped(words->at[i]);
			CLEANUP(mem_free_ptr)
			char *why = mem_printf("'%.200s' is not %s", shown, wanted);
			return fault(p, key, why, e);
		}
	return 0;
}

static int read_checked(const struct places *p, const char *key, word_fn *ok, const char *wanted,
			struct str_list *out, struct err *e)
{
	read_words(p, key, out);
	return check_words(p, key, out, ok, wanted, e);
}

static int read_word(const struct places *p, const char *key, word_fn *ok, const char *wanted,
		     char **out, struct err *e)
{
	const char *value = conf_get(find(p, key).section, key);
	CLEANUP(str_list_release) struct str_list word = { 0 };
	if (!value)
		return 0;
	str_list_add(&word, value);
	*out = mem_strdup(value);
	return check_words(p, key, &word, ok, wanted, e);
}

/* ---- what a word may be ---- */

static bool is_port(const char *s)
{
	uint64_t port;
	return parse_u64(s, &port) && port >= 1 && port <= 65535;
}

static bool is_address(const char *s, size_t len, bool brackets)
{
	uint8_t raw[sizeof(struct in6_addr)];
	CLEANUP(mem_free_ptr) char *text = mem_strndup(s, len);
	if (brackets && len > 2 && text[0] == '[' && text[len - 1] == ']') {
		text[len - 1] = '\0';
		return inet_pton(AF_INET6, text + 1, raw) == 1;
	}
	return inet_pton(AF_INET, text, raw) == 1 ||
	       (!brackets && inet_pton(AF_INET6, text, raw) == 1);
}

static bool is_host_name(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)s[i]) && s[i] != '-' && s[i] != '.' && s[i] != '_')
			return false;
	return len > 0 && len <= 253 && s[0] != '-' && s[0] != '.';
}

static bool is_listen(const char *s)
{
	const char *colon = strrchr(s, ':');
	return colon ? is_address(s, (size_t)(colon - s), true) && is_port(colon + 1) : is_port(s);
}

static bool is_server(const char *s)
{
	const char *colon = strrchr(s, ':');
	size_t len = colon ? (size_t)(colon - s) : 0;
	return colon && is_port(colon + 1) && (is_host_name(s, len) || is_address(s, len, true));
}

static bool is_network(const char *s)
{
	size_t len = strcspn(s, "/");
	uint64_t bits = 0;
	return is_address(s, len, false) &&
	       (!s[len] || (parse_u64(s + len + 1, &bits) && bits <= (strchr(s, ':') ? 128 : 32)));
}

/* https://fetch.spec.whatwg.org/#origin-header */
static bool is_origin(const char *s)
{
	CLEANUP(url_release) struct url u = { 0 };
	struct err ignored = ERR_INIT;
	if (strcmp(s, "*") == 0)
		return true;
	if (url_parse(s, &u, &ignored) < 0 || u.user || u.query)
		return false;
	CLEANUP(mem_free_ptr) char *host = url_host_header(&u);
	CLEANUP(mem_free_ptr) char *origin = mem_printf("%s://%s", u.scheme, host);
	return strcmp(s, origin) == 0 &&
	       strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789.-_:[]") == strlen(host);
}

/* What Cloudflare's own ids and names of data sets are made of. */
static bool is_name(const char *s)
{
	for (const char *c = s; *c; c++)
		if (!isalnum((unsigned char)*c) && *c != '_' && *c != '-')
			return false;
	return *s && strlen(s) <= 64;
}

static bool is_log(const char *s)
{
	for (const char *c = s; *c; c++)
		if (iscntrl((unsigned char)*c) || *c == '$')
			return false;
	return *s != '\0';
}

/* ---- all of it ---- */

static int read_limits(const struct places *p, struct settings_front *f, struct err *e)
{
	struct place at = find(p, "limit-rate");
	f->requests = REQUESTS;
	f->connections = CONNECTIONS;
	int rc = read_number(p, "requests", &f->requests, e);
	if (rc == 0)
		rc = read_number(p, "connections", &f->connections, e);
	if (rc == 0)
		rc = conf_get_size(at.conf, at.section, "limit-rate", &f->limit_rate, e);
	return rc;
}

static int read_server(const struct places *p, struct settings_front *f, struct err *e)
{
	const char *certificate = conf_get(find(p, "certificate").section, "certificate");
	f->tls = !certificate || strcmp(certificate, "no") != 0;
	int rc = read_path(p, "root", &f->root, e);
	if (rc == 0)
		rc = read_checked(p, "listen", is_listen, "PORT or ADDRESS:PORT", &f->listen, e);
	if (rc == 0 && f->tls)
		rc = read_path(p, "certificate", &f->certificate, e);
	if (rc == 0)
		rc = read_path(p, "certificate-key", &f->key, e);
	if (rc == 0)
		rc = read_word(p, "log", is_log, "a path", &f->log, e);
	if (rc == 0)
		rc = read_checked(p, "proxies", is_network, "an address or a network", &f->proxies,
				  e);
	if (rc == 0)
		rc = read_checked(p, "servers", is_server, "HOST:PORT", &f->servers, e);
	return rc;
}

static int read_cors(const struct places *p, struct settings_front *f, struct err *e)
{
	struct place at = find(p, "cors");
	const char *value = conf_get(at.section, "cors");
	if (value && strcmp(value, "no") == 0)
		return 0;
	if (!value)
		str_list_add(&f->cors, "*");
	int rc = read_checked(p, "cors", is_origin, "'*' or an origin such as https://example.org",
			      &f->cors, e);
	if (rc == 0 && f->cors.count > 1 && str_list_has(&f->cors, "*"))
		rc = fault(p, "cors", "'*' stands alone", e);
	return rc;
}

static int read_cloudflare(const struct places *p, struct settings_front *f, struct err *e)
{
	CLEANUP(url_release) struct url api = { 0 };
	int rc = read_word(p, "zone", is_name, "the id of a zone", &f->zone, e);
	if (rc == 0)
		rc = read_word(p, "account", is_name, "the id of an account", &f->account, e);
	if (rc == 0)
		rc = read_word(p, "analytics", is_name, "the name of a data set", &f->analytics, e);
	if (rc == 0)
		rc = read_path(p, "token-file", &f->token_file, e);
	if (rc == 0)
		rc = read_path(p, "log-destination-file", &f->destination_file, e);
	const char *url = conf_get(find(p, "api").section, "api");
	if (rc == 0)
		rc = url_parse(url ? url : API, &api, e);
	if (rc == 0)
		f->api = STEAL(api.text);
	return rc;
}

int settings_front_read(const struct conf *c, const char *mirror, const char *const *set,
			size_t set_count, struct settings_front *out, struct err *e)
{
	CLEANUP(settings_front_release) struct settings_front f = { 0 };
	CLEANUP(places_release) struct places p = { 0 };
	int rc = find_places(c, mirror, set, set_count, &p, e);
	if (rc == 0)
		rc = read_limits(&p, &f, e);
	if (rc == 0)
		rc = read_server(&p, &f, e);
	if (rc == 0)
		rc = read_cors(&p, &f, e);
	if (rc == 0)
		rc = read_cloudflare(&p, &f, e);
	if (rc < 0)
		return rc;
	*out = f;
	f = (struct settings_front){ 0 };
	return 0;
}
