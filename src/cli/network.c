#include "cli/network.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

int network_check(const struct network_opts *o, const char *from, struct err *e)
{
	if (from && (o->only.count || o->without.count || o->region))
		return err_set(e, ERR_USAGE,
			       "--from reads from one place: it excludes --mirror, "
			       "--exclude-mirror and --prefer-region");
	if (o->ipv4 && o->ipv6)
		return err_set(e, ERR_USAGE, "--ipv4 and --ipv6 exclude each other");
	if (o->ca && !file_exists(o->ca))
		return err_set(e, ERR_USAGE, "--cacert %s: there is no such file", o->ca);
	struct err why = ERR_INIT;
	if (settings_fetch_check(o->connections, o->max_memory, o->region, &why) < 0)
		return err_set(e, ERR_USAGE, "--%s", why.text);
	return 0;
}

void network_apply(const struct network_opts *o, struct settings_fetch *fetch,
		   struct http_access_list *access)
{
	if (o->connections)
		fetch->connections = (unsigned)o->connections;
	if (o->max_memory)
		fetch->max_memory = o->max_memory;
	if (o->region)
		fetch->prefer_region = o->region;
	if (o->ca) {
		free(access->ca);
		access->ca = path_absolute(o->ca);
	}
	if (o->ipv4 || o->ipv6)
		access->ip = o->ipv4 ? 4 : 6;
}
