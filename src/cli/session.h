/* Shared by the client's commands: the store, the sessions with the repositories, and reports
 * about the sources. */
#ifndef FERRY_CLI_SESSION_H
#define FERRY_CLI_SESSION_H

#include "cli/frame/cli.h"
#include "fetch/remote.h"

WARN_UNUSED int session_store(struct cli *cli, struct store *out, struct err *e);

/* The settings for repositories and fetching in ferry.conf; the caller releases the first. One for
 * publishing in the current folder does not hide the person's own: then both are read. */
WARN_UNUSED int session_settings(struct cli *cli, struct settings_repositories *repositories,
				 struct settings_fetch *fetch, struct err *e);

struct session {
	struct store store;
	struct remotes remotes;
};
enum session_mode { SESSION_ONLINE, SESSION_OFFLINE, SESSION_HURRY /* remote_options.hurry */ };
/* repository NULL: all of the configuration's. */
WARN_UNUSED int session_open(struct cli *cli, const char *repository, enum session_mode mode,
			     struct session *out, struct err *e);
/* The same from this base URL alone, whose metadata must be as new as what is trusted; NULL: from
 * where the settings say. */
WARN_UNUSED int session_open_from(struct cli *cli, const char *repository, enum session_mode mode,
				  const char *from, struct session *out, struct err *e);
void session_release(struct session *s); /* safe twice; for CLEANUP */

/* "[{repository, id, url, endpoint, bytes, wasted, banned, faults: [{fault, count, detail}]}]":
 * every source that sent bytes or failed. */
json_t *session_sources_json(const struct session *s);
/* "[{repository, url, state, version, fault}]": the state of each metadata endpoint. version and
 * fault are left out if unknown. */
json_t *session_endpoints_json(const struct session *s);
/* Those of one repository, appended; without its name if `repository` is NULL. */
void session_put_endpoints(json_t *array, struct remote *c, const char *repository);
/* "[{role, version, expires}]" of the trusted metadata; [] when there is none. */
json_t *session_roles_json(const struct remote *c);
/* A warning for each source that failed, with its faults. */
void session_tell_faults(struct cli *cli, const struct session *s);

#endif
