/* Shared by the client's commands: the store, the sessions with the repositories, and reports
 * about the sources. */
#ifndef FERRY_CLI_SESSION_H
#define FERRY_CLI_SESSION_H

#include "cli/network.h"
#include "ferry/retrieve.h"

WARN_UNUSED int session_store(struct cli *cli, struct store *out, struct err *e);

/* The settings for repositories, fetching and access in ferry.conf, and cli->network; the caller
 * releases the first and the last. One for publishing in the current folder does not hide the
 * person's own: then both are read. */
WARN_UNUSED int session_settings(struct cli *cli, struct settings_repositories *repositories,
				 struct settings_fetch *fetch, struct http_access_list *access,
				 struct err *e);

/* These settings and the store, not connected; the caller releases it with client_release(). */
WARN_UNUSED int session_client(struct cli *cli, struct client *out, struct err *e);

/* With these settings and the store: connected to the repository, NULL: to all. The caller releases
 * it with client_release(). */
WARN_UNUSED int session_open(struct cli *cli, const char *repository, enum client_mode mode,
			     struct client *out, struct err *e);
/* The same for getting models: retrieve_open(), which asks for consent as consent.h says. from: as
 * client_connect() has it. */
WARN_UNUSED int session_retrieve(struct cli *cli, const struct reference *r, size_t count,
				 bool offline, const char *from, struct retrieval *out,
				 struct err *e);

/* Requests from now on are of one fetch (http_access_fetch()), unless the person does not want
 * that. session_retrieve() has it. */
void session_name_fetch(struct client *c);

/* "[{repository, url, state, version, fault}]": the state of each metadata endpoint. version and
 * fault are left out if unknown. */
json_t *session_endpoints_json(const struct client *s);
/* Those of one repository, appended; without its name if `repository` is NULL. */
void session_put_endpoints(json_t *array, struct remote *c, const char *repository);
/* "[{role, version, expires}]" of the trusted metadata; [] when there is none. */
json_t *session_roles_json(const struct remote *c);
/* ---- session_sources.c: what the mirrors did ---- */

/* "[{repository, id, url, endpoint, bytes, share, rate, wasted, banned, faults: [{fault, count,
 * detail}]}]": every source that sent bytes or failed. */
json_t *session_sources_json(const struct client *s);
/* A warning for each source that failed, with its faults. */
void session_tell_faults(struct cli *cli, const struct client *s);
/* A note for each source that sent model files, if there were several, or bytes were wasted. */
void session_tell_sources(struct cli *cli, const struct client *s);

#endif
