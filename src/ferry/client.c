#include "ferry/client.h"

#include "mirror/kinds.h"

void client_release(struct client *c)
{
	remotes_release(&c->remotes);
	store_close(&c->store);
	http_access_list_release(&c->access);
	settings_repositories_release(&c->repositories);
}

int client_connect(struct client *c, const char *repository, enum client_mode mode,
		   const char *from, struct err *e)
{
	const struct remote_options options = {
		.offline = mode == CLIENT_OFFLINE,
		.hurry = mode == CLIENT_HURRY,
		.strict = from,
		.only_from = from,
		.only = c->only,
		.without = c->without,
		.report = c->report,
		.cancel = c->cancel,
		.kinds = mirror_kinds_client,
	};
	c->fetch.access = &c->access;
	return remotes_open(&c->repositories, &c->fetch, repository, &c->store, &options,
			    &c->remotes, e);
}

int client_recall(struct client *c, const char *repository, struct remotes *out, struct err *e)
{
	const struct remote_options options = {
		.offline = true,
		.cancel = c->cancel,
		.kinds = mirror_kinds_client,
	};
	c->fetch.access = &c->access;
	return remotes_open(&c->repositories, &c->fetch, repository, &c->store, &options, out, e);
}
