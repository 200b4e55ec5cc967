#include "mirror/github.h"

#include "http/url.h"
#include "mirror/web.h"
#include "util/mem.h"

#include <string.h>

#define DEFAULT_TAG "models"

struct mirror_github *mirror_github_state(struct mirror *m)
{
	struct mirror_github *s = NEW(struct mirror_github);
	m->state = s;
	pthread_mutex_init(&s->lock, NULL);
	web_options(m, &s->http);
	s->part_size = GITHUB_NAME_PART_SIZE;
	s->tag = mem_strdup(DEFAULT_TAG);
	return s;
}

static void free_release(struct mirror_github_release *r)
{
	for (size_t i = 0; i < r->count; i++)
		github_asset_release(&r->assets[i]);
	pthread_mutex_destroy(&r->lock);
	github_release_release(&r->about);
	free(r->assets);
	free(r);
}

void mirror_github_close(struct mirror *m)
{
	struct mirror_github *s = m->state;
	for (size_t i = 0; i < s->count; i++)
		free_release(s->releases[i]);
	github_place_release(&s->place);
	str_list_release(&s->split);
	str_list_release(&s->sending);
	pthread_mutex_destroy(&s->lock);
	free(s->releases);
	free(s->tag);
	free(s);
	m->state = NULL;
}

/* ---- by its entry in a catalog -------------------------------------------------------- */

static int check_tag(const char *tag, struct err *e)
{
	if (github_name_is_base(tag))
		return 0;
	CLEANUP(mem_free_ptr) char *shown = text_escaped(tag);
	return err_set(e, ERR_INTEGRITY, "'%.100s' is not a valid tag", shown);
}

static int read_entry(struct mirror_github *s, const json_t *entry, const char **api, struct err *e)
{
	const char *tag = NULL;
	int rc = json_opt_string(entry, "", "tag", &tag, e);
	if (rc == 0)
		rc = json_opt_string(entry, "", "api", api, e);
	if (rc == 0)
		rc = json_opt_u64(entry, "", "part_size", GITHUB_NAME_PART_SIZE, &s->part_size, e);
	if (rc == 0 && !s->part_size)
		rc = err_set(e, ERR_INTEGRITY, "part_size: must not be 0");
	if (rc == 0 && tag)
		rc = check_tag(tag, e);
	if (rc == 0 && tag) {
		free(s->tag);
		s->tag = mem_strdup(tag);
	}
	return rc;
}

/* Files that are private are read through the API, which is known from the URL. */
static int open_api(struct mirror *m, struct mirror_github *s, const char *given, struct err *e)
{
	CLEANUP(mem_free_ptr) char *api = NULL;
	CLEANUP(mem_free_ptr) char *owner = NULL;
	CLEANUP(mem_free_ptr) char *repo = NULL;
	if (!github_place_of_url(m->url, &api, &owner, &repo))
		return 0;
	struct github_place_options o = {
		.api = given ? given : api,
		.owner = owner,
		.repo = repo,
		.clock = m->env.clock,
		.cancel = m->env.cancel,
	};
	struct err ignored = ERR_INIT;
	s->has_api = github_place_open(&s->place, &o, given ? e : &ignored) == 0;
	return -(int)e->class;
}

bool mirror_github_has_credentials(const struct mirror *m)
{
	const struct mirror_github *s = m->state;
	return s->has_api && s->place.token;
}

int mirror_github_open_entry(struct mirror *m, struct err *e)
{
	struct mirror_github *s = mirror_github_state(m);
	CLEANUP(url_release) struct url url = { 0 };
	const char *api = NULL;
	m->can = MIRROR_CAN_RANGE;
	int rc = url_parse(m->url, &url, e);
	if (rc == 0)
		rc = m->entry ? read_entry(s, m->entry, &api, e) : 0;
	return rc < 0 ? rc : open_api(m, s, api, e);
}
