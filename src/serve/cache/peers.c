#include "serve/cache/peers.h"

#include "http/http.h"
#include "serve/cache/peers_srv.h"
#include "util/mem.h"
#include "util/os.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define ASK_MS 1000
#define DOWN_LEAST_MS 250 /* after the first answer that did not come; doubled with each */
#define DOWN_MS 5000

struct peer {
	char *url; /* without a '/' at its end */
	char *id;  /* for messages */
	struct http_access_list access;
	bool configured;
	_Atomic bool gone; /* DNS does not name it any more */
	_Atomic bool self; /* it is this edge */
	_Atomic bool up;
	_Atomic bool silent;     /* it is not, because it did not answer in time */
	_Atomic unsigned missed; /* answers, since the last one */
	_Atomic uint64_t down_until_ms;
};

struct peers {
	struct peers_options o;
	char *srv, *key;
	uint64_t self;
	struct cancel ending;
	pthread_t thread;
	bool runs; /* the thread */

	pthread_mutex_t lock; /* of what follows */
	struct peer *at[PEERS_MAX];
	size_t count;
	unsigned generation;
};

/* -- the list ---------------------------------------------------------------------------------- */

static void copy_certificates(const struct peers *p, const char *url, struct http_access *to)
{
	const struct http_access *a = http_access_find_text(p->o.access, url);
	if (!a)
		return;
	to->ca = a->ca ? mem_strdup(a->ca) : NULL;
	to->cert = a->cert ? mem_strdup(a->cert) : NULL;
	to->key = a->key ? mem_strdup(a->key) : NULL;
	to->key_phrase = a->key_phrase ? mem_strdup(a->key_phrase) : NULL;
	to->ip = a->ip;
}

static void peer_free(struct peer *x)
{
	http_access_list_release(&x->access);
	free(x->url);
	free(x->id);
	free(x);
}

static struct peer *peer_new(const struct peers *p, const char *url, bool configured, struct err *e)
{
	struct peer *x = NEW(struct peer);
	size_t len = strlen(url);
	while (len && url[len - 1] == '/')
		len--;
	x->url = mem_strndup(url, len);
	x->configured = configured;
	struct http_access *a = http_access_add(&x->access);
	if (url_parse(x->url, &a->url, e) < 0) {
		peer_free(x);
		return NULL;
	}
	x->id = mem_printf("peer %s:%u", a->url.host, a->url.port);
	a->name = mem_strdup(x->id);
	a->header = mem_strdup("Ferry-Peer: 1");
	copy_certificates(p, x->url, a);
	if (configured && p->key) {
		a->token = mem_strdup(p->key);
		a->token_from = mem_strdup("peer-key of [serve]");
	}
	if (p->o.access)
		memcpy(x->access.agent, p->o.access->agent, sizeof x->access.agent);
	return x;
}

/* With the lock; or NULL. */
static struct peer *find(struct peers *p, const char *url)
{
	for (size_t i = 0; i < p->count; i++)
		if (strcmp(p->at[i]->url, url) == 0)
			return p->at[i];
	return NULL;
}

static int add(struct peers *p, const char *url, bool configured, struct err *e)
{
	struct peer *x = peer_new(p, url, configured, e);
	if (!x)
		return err_context(e, "peer of [serve]");
	pthread_mutex_lock(&p->lock);
	struct peer *old = find(p, x->url);
	bool taken = !old && p->count < PEERS_MAX;
	if (old && atomic_exchange(&old->gone, false))
		p->generation++;
	if (taken) {
		p->at[p->count++] = x;
		p->generation++;
	}
	pthread_mutex_unlock(&p->lock);
	if (!taken)
		peer_free(x);
	return 0;
}

/* -- those that DNS names ---------------------------------------------------------------------- */

/* While DNS does not answer, the list stays as it is. */
static void ask_dns(struct peers *p)
{
	CLEANUP(str_list_release) struct str_list urls = { 0 };
	struct err why = ERR_INIT;
	if (peers_srv_ask(p->srv, &urls, &why) < 0) {
		report_detail(p->o.report, "%s", why.text);
		return;
	}
	pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < p->count; i++) {
		struct peer *x = p->at[i];
		if (!x->configured && !str_list_has(&urls, x->url) &&
		    !atomic_exchange(&x->gone, true))
			p->generation++;
	}
	pthread_mutex_unlock(&p->lock);
	for (size_t i = 0; i < urls.count; i++) {
		struct err ignored = ERR_INIT;
		(void)!add(p, urls.at[i], false, &ignored);
	}
}

static void *watch_dns(void *arg)
{
	struct peers *p = arg;
	struct err ignored = ERR_INIT;
	do
		ask_dns(p);
	while (clock_sleep_ms(p->o.clock, PEERS_SRV_S * 1000ULL, &p->ending, &ignored) == 0);
	return NULL;
}

/* -- all of them ------------------------------------------------------------------------------- */

int peers_new(const struct peers_options *o, struct peers **out, struct err *e)
{
	CLEANUP_PTR(peers_free) struct peers *p = NEW(struct peers);
	pthread_mutex_init(&p->lock, NULL);
	p->o = *o;
	p->o.urls = NULL;
	p->key = o->key ? mem_strdup(o->key) : NULL;
	p->srv = o->srv ? mem_strdup(o->srv) : NULL;
	p->ending.also = o->cancel;
	if (!os_random(&p->self, sizeof p->self))
		return err_set(e, ERR_SYSTEM, "the system gives no random numbers");
	for (size_t i = 0; o->urls && i < o->urls->count; i++) {
		int rc = add(p, o->urls->at[i], true, e);
		if (rc < 0)
			return rc;
	}
	p->runs = p->srv && pthread_create(&p->thread, NULL, watch_dns, p) == 0;
	*out = STEAL(p);
	return 0;
}

void peers_free(struct peers *p)
{
	if (!p)
		return;
	cancel_ask(&p->ending, 1);
	if (p->runs)
		pthread_join(p->thread, NULL);
	for (size_t i = 0; i < p->count; i++)
		peer_free(p->at[i]);
	if (p->key)
		mem_wipe(p->key, strlen(p->key));
	free(p->key);
	free(p->srv);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

uint64_t peers_self(const struct peers *p)
{
	return p->self;
}

unsigned peers_generation(struct peers *p)
{
	pthread_mutex_lock(&p->lock);
	unsigned n = p->generation;
	pthread_mutex_unlock(&p->lock);
	return n;
}

static bool is_used(const struct peer *x)
{
	return !atomic_load(&x->gone) && !atomic_load(&x->self);
}

void peers_count(struct peers *p, unsigned *known, unsigned *up)
{
	*known = *up = 0;
	pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < p->count; i++) {
		*known += is_used(p->at[i]);
		*up += is_used(p->at[i]) && atomic_load(&p->at[i]->up);
	}
	pthread_mutex_unlock(&p->lock);
}

/* -- sources ----------------------------------------------------------------------------------- */

static void add_source(struct peers *p, struct peer *x, const char *repository,
		       struct source_list *l)
{
	CLEANUP(mem_free_ptr) char *url = mem_printf("%s/%s", x->url, repository);
	const struct mirror_env env = {
		.stall_s = 5,
		.cancel = l->cancel,
		.clock = l->clock,
		.access = &x->access,
	};
	struct err ignored = ERR_INIT;
	size_t before = l->count;
	struct source *s = source_add(l, x->id, url, false);
	/* The same URL is also a mirror: it stays one. */
	if (l->count == before)
		return;
	s->peer = s->excluded = true;
	s->objects = mirror_open_url(p->o.kinds, &env, x->id, url, &s->mirror, &ignored) == 0;
}

void peers_add_sources(struct peers *p, const char *repository, struct source_list *l)
{
	struct peer *now[PEERS_MAX];
	pthread_mutex_lock(&p->lock);
	size_t count = p->count;
	memcpy(now, p->at, count * sizeof *now);
	pthread_mutex_unlock(&p->lock);
	for (size_t i = 0; i < count; i++)
		if (is_used(now[i]))
			add_source(p, now[i], repository, l);
}

struct peer *peers_of(struct peers *p, const struct source *s)
{
	struct peer *found = NULL;
	pthread_mutex_lock(&p->lock);
	for (size_t i = 0; s->peer && i < p->count; i++)
		if (strcmp(p->at[i]->id, s->id) == 0)
			found = p->at[i];
	pthread_mutex_unlock(&p->lock);
	return found;
}

/* -- asking ------------------------------------------------------------------------------------ */

struct peers_asker {
	struct peers *peers;
	struct {
		struct peer *peer;
		struct http_client *client;
	} at[PEERS_MAX];
	size_t count;
};

struct peers_asker *peers_asker_new(struct peers *p)
{
	struct peers_asker *a = NEW(struct peers_asker);
	a->peers = p;
	return a;
}

void peers_asker_free(struct peers_asker *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->count; i++)
		http_client_free(a->at[i].client);
	free(a);
}

/* Or NULL. */
static struct http_client *client_for(struct peers_asker *a, struct peer *x)
{
	const struct http_options o = {
		.access = &x->access,
		.cancel = &a->peers->ending,
		.clock = a->peers->o.clock,
	};
	struct http_client *c = NULL;
	struct err ignored = ERR_INIT;
	for (size_t i = 0; i < a->count; i++)
		if (a->at[i].peer == x)
			return a->at[i].client;
	if (a->count == PEERS_MAX || http_client_new(&o, &c, &ignored) < 0)
		return NULL;
	a->at[a->count].peer = x;
	a->at[a->count++].client = c;
	return c;
}

/* Remembers whether it answered. If not, no pull asks it for a while. */
static void note(struct peers *p, struct peer *x, int rc, const struct err *why)
{
	bool up = rc == 0 || err_is(why, ERR_NOT_FOUND);
	bool was = atomic_exchange(&x->up, up);
	atomic_store(&x->silent, !up && why->cause == CAUSE_STALLED);
	if (up) {
		atomic_store(&x->missed, 0);
		return;
	}
	unsigned missed = MIN(atomic_fetch_add(&x->missed, 1), 8);
	uint64_t pause_ms = MIN(DOWN_MS, DOWN_LEAST_MS << missed);
	atomic_store(&x->down_until_ms, clock_now_ms(p->o.clock) + pause_ms);
	if (was)
		report_detail(p->o.report, "%s: %s", x->id, why->text);
}

enum peers_answer peers_ask(struct peers_asker *a, struct peer *x, const struct digest *sha256,
			    uint32_t count, struct peers_have *out)
{
	CLEANUP(buf_release) struct buf body = BUF_INIT(PEERS_ANSWER_MAX);
	char hex[DIGEST_HEX];
	CLEANUP(mem_free_ptr) char *url = mem_printf("%s/v1/have/%s", x->url,
						     digest_hex(hex, sha256));
	const struct http_request q = { .url = url, .deadline_ms = ASK_MS, .into = &body };
	struct err why = ERR_INIT;
	if (is_used(x) && atomic_load(&x->down_until_ms) > clock_now_ms(a->peers->o.clock))
		return atomic_load(&x->silent) ? PEERS_SILENT : PEERS_NONE;
	struct http_client *c = is_used(x) ? client_for(a, x) : NULL;
	if (!c)
		return PEERS_NONE;
	int rc = http_perform(c, &q, NULL, &why);
	note(a->peers, x, rc, &why);
	if (rc < 0)
		return why.cause == CAUSE_STALLED ? PEERS_SILENT : PEERS_NONE;
	if (!peers_have_parse(buf_str(&body), body.len, count, out))
		return PEERS_NONE;
	if (out->edge != a->peers->self)
		return PEERS_ANSWER;
	atomic_store(&x->self, true);
	pthread_mutex_lock(&a->peers->lock);
	a->peers->generation++;
	pthread_mutex_unlock(&a->peers->lock);
	return PEERS_NONE;
}
