#include "s3/credentials_internal.h"

#include "util/mem.h"
#include "util/os.h"
#include "util/text.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#define MARGIN_S 300     /* keys are refreshed this long before they expire */
#define RETRY_PAUSE_S 10 /* after a refresh that failed while the old keys are valid */
#define SLICE_MS 100     /* a signal may arrive while a thread waits */

struct s3_credentials {
	struct s3_credentials_options options; /* its texts are below */
	char *profile, *region;

	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t changed;
	struct s3_keys keys;
	int64_t refresh_s;       /* when to ask for new keys; 0: never */
	bool refused;            /* a server does not accept the keys */
	bool refreshing;         /* a thread asks the sources */
	uint64_t rounds;         /* of asking, that have ended */
	struct err failure;      /* of the last round, if it failed */
	struct str_list sources; /* texts that were given out, the current one last */
};

struct s3_credentials *s3_credentials_new(const struct s3_credentials_options *o)
{
	struct s3_credentials *c = NEW(struct s3_credentials);
	c->options = *o;
	c->profile = o->profile ? mem_strdup(o->profile) : NULL;
	c->region = o->region ? mem_strdup(o->region) : NULL;
	c->options.profile = c->options.region = NULL;
	pthread_mutex_init(&c->lock, NULL);
	os_cond_init(&c->changed);
	return c;
}

void s3_credentials_free(struct s3_credentials *c)
{
	if (!c)
		return;
	s3_keys_release(&c->keys);
	str_list_release(&c->sources);
	pthread_cond_destroy(&c->changed);
	pthread_mutex_destroy(&c->lock);
	free(c->profile);
	free(c->region);
	free(c);
}

/* -- the sources, in their order --------------------------------------------------- */

/* A profile that was named must exist. */
static int from_profile(struct credentials_search *s, const char *named, struct s3_keys *out,
			struct err *e)
{
	CLEANUP(credentials_files_wipe) struct credentials_files f = { 0 };
	const char *profile = named ? named : credentials_env("AWS_PROFILE");
	int rc = credentials_files_load(&f, e);
	if (rc == 0 && profile && !credentials_files_have(&f, profile)) {
		CLEANUP(mem_free_ptr) char *shown = text_escaped(profile);
		return err_set(e, ERR_USAGE, "profile '%s' is neither in %s nor in %s", shown,
			       f.config_path ? f.config_path : "~/.aws/config",
			       f.credentials_path ? f.credentials_path : "~/.aws/credentials");
	}
	if (rc == 0)
		rc = credentials_profile(s, &f, profile ? profile : "default", out, e);
	return rc;
}

/* As in AWS's own tools, a profile named in the configuration takes precedence over keys in the
 * environment; one named by AWS_PROFILE does not. */
static int ask_sources(const struct s3_credentials *c, struct credentials_search *s,
		       struct s3_keys *out, struct err *e)
{
	int rc = c->profile ? 0 : credentials_environment(s, out, e);
	if (rc == 0 && !out->id && !c->profile)
		rc = credentials_environment_role(s, out, e);
	if (rc == 0 && !out->id)
		rc = from_profile(s, c->profile, out, e);
	if (rc == 0 && !out->id)
		rc = credentials_container(s, out, e);
	if (rc == 0 && !out->id)
		rc = credentials_instance(s, out, e);
	return rc;
}

/* STS has a server in each region of AWS. Servers by others have regions like "auto". */
static const char *sts_region(const struct s3_credentials *c)
{
	const char *region = c->region;
	if (!region || !strchr(region, '-'))
		region = credentials_env("AWS_REGION");
	return region ? region : credentials_env("AWS_DEFAULT_REGION");
}

static int not_found(const struct credentials_search *s, struct err *e)
{
	CLEANUP(mem_free_ptr) char *tried = text_escaped(buf_str(&s->tried));
	err_set(e, ERR_AUTH, "no access keys for the S3 server were found");
	return err_hint(e,
			"set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile; "
			"see ferry-s3(7). Tried: %s",
			tried);
}

static int expired(const struct credentials_search *s, const struct s3_keys *k, struct err *e)
{
	char when[TIME_TEXT];
	format_time(when, k->expires_s);
	return err_set(e, ERR_AUTH, "the access keys from %s expired at %s", s->source, when);
}

/* Asks the sources. *source is owned by the caller. */
static int search(const struct s3_credentials *c, struct s3_keys *out, char **source, struct err *e)
{
	struct credentials_search s = {
		.cancel = c->options.cancel,
		.clock = c->options.clock,
		.region = sts_region(c),
		.tried = BUF_INIT(CREDENTIALS_TRIED_MAX),
	};
	CLEANUP(s3_keys_release) struct s3_keys found = { 0 };
	int rc = ask_sources(c, &s, &found, e);
	if (rc == 0 && !found.id)
		rc = not_found(&s, e);
	else if (rc == 0 && found.expires_s && found.expires_s <= clock_wall_s(s.clock))
		rc = expired(&s, &found, e);
	if (rc == 0) {
		*out = found;
		*source = STEAL(s.source);
		found = (struct s3_keys){ 0 };
	}
	free(s.source);
	buf_release(&s.tried);
	return rc;
}

/* -- refreshing, with the lock held -------------------------------------------------- */

static bool is_valid(const struct s3_credentials *c, int64_t now_s)
{
	return c->keys.id && !c->refused && (!c->keys.expires_s || now_s < c->keys.expires_s);
}

static bool is_fresh(const struct s3_credentials *c, int64_t now_s)
{
	return is_valid(c, now_s) && (!c->refresh_s || now_s < c->refresh_s);
}

/* A margin before the expiry; half of the lifetime if that is shorter than two margins. */
static int64_t refresh_time(int64_t now_s, int64_t expires_s)
{
	return expires_s ? expires_s - MIN(MARGIN_S, (expires_s - now_s) / 2) : 0;
}

static void take_keys(struct s3_credentials *c, struct s3_keys *found, char *source)
{
	s3_keys_release(&c->keys);
	c->keys = *found;
	c->refused = false;
	c->refresh_s = refresh_time(clock_wall_s(c->options.clock), found->expires_s);
	if (!c->sources.count || strcmp(c->sources.at[c->sources.count - 1], source) != 0)
		str_list_take(&c->sources, source);
	else
		free(source);
}

/* This thread asks for all of them, without the lock, so that others can use valid keys meanwhile.
 */
static int refresh(struct s3_credentials *c, struct err *e)
{
	struct s3_keys found = { 0 };
	char *source = NULL;
	c->refreshing = true;
	pthread_mutex_unlock(&c->lock);
	int rc = search(c, &found, &source, e);
	pthread_mutex_lock(&c->lock);
	c->refreshing = false;
	c->rounds++;
	if (rc == 0)
		take_keys(c, &found, source);
	else
		c->refresh_s = clock_wall_s(c->options.clock) + RETRY_PAUSE_S;
	c->failure = *e;
	pthread_cond_broadcast(&c->changed);
	return rc;
}

/* Waits until another thread has asked; its failure is also this thread's. */
static int wait_for_round(struct s3_credentials *c, struct err *e)
{
	uint64_t round = c->rounds;
	int rc = 0;
	while (rc == 0 && c->rounds == round) {
		os_cond_wait(&c->changed, &c->lock, SLICE_MS);
		rc = cancel_check(c->options.cancel, e);
	}
	if (rc == 0 && c->failure.class != ERR_NONE) {
		*e = c->failure;
		rc = -(int)e->class;
	}
	return rc;
}

/* Makes c->keys valid. */
static int provide(struct s3_credentials *c, struct err *e)
{
	int64_t now_s = clock_wall_s(c->options.clock);
	if (is_fresh(c, now_s) || (c->refreshing && is_valid(c, now_s)))
		return 0;
	struct err failed = ERR_INIT;
	int rc = c->refreshing ? wait_for_round(c, &failed) : refresh(c, &failed);
	if (rc == 0 || (is_valid(c, now_s) && !err_is(&failed, ERR_CANCELLED)))
		return 0;
	*e = failed;
	return rc;
}

int s3_credentials_get(struct s3_credentials *c, struct s3_keys *out, struct err *e)
{
	pthread_mutex_lock(&c->lock);
	int rc = provide(c, e);
	if (rc == 0) {
		*out = (struct s3_keys){ 0 };
		credentials_set(out, c->keys.id, c->keys.secret, c->keys.token);
		out->expires_s = c->keys.expires_s;
	}
	pthread_mutex_unlock(&c->lock);
	return rc;
}

void s3_credentials_refuse(struct s3_credentials *c, const struct s3_keys *refused)
{
	pthread_mutex_lock(&c->lock);
	const struct s3_keys *k = &c->keys;
	if (k->id && strcmp(k->id, refused->id) == 0 && strcmp(k->secret, refused->secret) == 0 &&
	    strcmp(k->token ? k->token : "", refused->token ? refused->token : "") == 0)
		c->refused = true;
	pthread_mutex_unlock(&c->lock);
}

const char *s3_credentials_source(struct s3_credentials *c)
{
	pthread_mutex_lock(&c->lock);
	const char *source = c->sources.count ? c->sources.at[c->sources.count - 1] : "";
	pthread_mutex_unlock(&c->lock);
	return source;
}

/* -- the region --------------------------------------------------------------------- */

int s3_credentials_region(struct s3_credentials *c, char **out, struct err *e)
{
	CLEANUP(credentials_files_wipe) struct credentials_files f = { 0 };
	const char *profile = c->profile ? c->profile : credentials_env("AWS_PROFILE");
	const char *region = credentials_env("AWS_REGION");
	if (!region)
		region = credentials_env("AWS_DEFAULT_REGION");
	int rc = region ? 0 : credentials_files_load(&f, e);
	if (rc == 0 && !region)
		region = credentials_files_get(&f, profile ? profile : "default", "region");
	if (rc == 0)
		*out = region ? mem_strdup(region) : NULL;
	return rc;
}
