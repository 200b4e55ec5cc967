#include "cli/health/health.h"

#include "util/mem.h"

#include <string.h>

#define MAX_REPORT_BYTES (64 * MIB)
#define MAX_REPORTS 1000
#define MAX_LIST 10000

struct merging {
	json_t *places, *repositories;
	const json_t *report; /* the one that is being added */

	struct err *e;
};

static enum health_state state_of(const json_t *o)
{
	enum health_state s = HEALTH_UNKNOWN;
	const char *name = json_text(o, "state");
	return name && health_state_parse(name, &s) ? s : HEALTH_UNKNOWN;
}

static void worsen(json_t *o, enum health_state s)
{
	if (json_text(o, "state"))
		s = health_worse(state_of(o), s);
	json_put_string(o, "state", health_state_name(s));
}

/* The element whose member has this value; it is made if there is none. */
static json_t *element(json_t *list, const char *key, const char *value)
{
	json_t *o;
	size_t i;
	json_array_foreach (list, i, o)
		if (strcmp(json_text(o, key), value) == 0)
			return o;
	o = json_push_object(list);
	json_put_string(o, key, value);
	return o;
}

/* ---- what reports of other machines say: checked, and copied member by member ---- */

static int copy_finding(const struct merging *v, const json_t *from, const char *at, json_t *to)
{
	const char *check, *state, *found, *reason, *since;
	enum health_check c;
	enum health_state s, looked;
	int64_t since_s;
	int rc = json_get_string(from, at, "check", &check, v->e);
	if (rc == 0)
		rc = json_get_string(from, at, "state", &state, v->e);
	if (rc == 0)
		rc = json_opt_string(from, at, "found", &found, v->e);
	if (rc == 0)
		rc = json_get_string(from, at, "reason", &reason, v->e);
	if (rc == 0)
		rc = json_get_string(from, at, "since", &since, v->e);
	if (rc < 0)
		return rc;
	if (!health_check_parse(check, &c) || !health_state_parse(state, &s) ||
	    (found && !health_state_parse(found, &looked)) || !parse_time(since, &since_s))
		return err_set(v->e, ERR_INTEGRITY, "%s is not a finding", at);
	json_put_string(to, "check", check);
	json_put_string(to, "state", state);
	json_put_string(to, "found", found);
	json_put_string(to, "reason", reason);
	json_put_string(to, "since", since);
	return 0;
}

static int copy_findings(const struct merging *v, const json_t *from, const char *at, json_t *list)
{
	json_t *all;
	int rc = json_get_array(from, at, "findings", HEALTH_CHECKS, &all, v->e);
	for (size_t i = 0; rc == 0 && i < json_array_size(all); i++) {
		CLEANUP(json_release) json_t *one = json_object();
		rc = copy_finding(v, json_array_get(all, i), at, one);
		if (rc == 0 && state_of(one) != HEALTH_OK)
			json_push(list, json_incref(one));
	}
	return rc;
}

static int copy_number(const struct merging *v, const json_t *from, const char *at, const char *key,
		       json_t *to, const char *as)
{
	uint64_t value = 0;
	int rc = json_opt_u64(from, at, key, 0, &value, v->e);
	if (rc == 0 && value)
		json_put_u64(to, as, value);
	return rc;
}

static int copy_time(const struct merging *v, const json_t *m, const char *at, json_t *to)
{
	json_t *times = NULL;
	int rc = json_opt_object(m, at, "times_us", &times, v->e);
	return rc < 0 || !times ? rc : copy_number(v, times, at, "first_byte", to, "first_byte_us");
}

static int get_state(const struct merging *v, const json_t *o, const char *at,
		     enum health_state *out)
{
	const char *name;
	int rc = json_get_string(o, at, "state", &name, v->e);
	if (rc == 0 && !health_state_parse(name, out))
		rc = err_set(v->e, ERR_INTEGRITY, "%s.state is not a state", at);
	return rc;
}

/* ---- one report ---- */

static int add_place_of(const struct merging *v, const json_t *from, const char *at, json_t *to,
			enum health_state *state)
{
	json_t *sees = json_push_object(json_object_get(to, "places"));
	json_put_string(sees, "place", json_text(v->report, "place"));
	json_put_string(sees, "time", json_text(v->report, "time"));
	bool up = false;
	int rc = get_state(v, from, at, state);
	if (rc == 0)
		rc = json_opt_bool(from, at, "up", false, &up, v->e);
	if (rc == 0)
		rc = copy_number(v, from, at, "release", sees, "release");
	if (rc == 0)
		rc = copy_time(v, from, at, sees);
	if (rc == 0)
		rc = copy_number(v, from, at, "read_bytes_per_second", sees,
				 "read_bytes_per_second");
	if (rc < 0)
		return rc;
	json_put_string(sees, "state", health_state_name(*state));
	json_put_bool(sees, "up", up);
	if (json_object_get(from, "silenced")) {
		json_put_bool(sees, "silenced", true);
		*state = HEALTH_OK;
	}
	json_put_u64(to, "up_at", json_number(to, "up_at") + up);
	return copy_findings(v, from, at, json_put_array(sees, "findings"));
}

static int add_mirror(const struct merging *v, const json_t *from, json_t *repository)
{
	static const char at[] = "repositories.mirrors";
	enum health_state state;
	const char *id;
	int rc = json_get_string(from, at, "id", &id, v->e);
	if (rc < 0)
		return rc;
	json_t *to = element(json_object_get(repository, "mirrors"), "id", id);
	if (!json_object_get(to, "places"))
		json_put_array(to, "places");
	rc = add_place_of(v, from, at, to, &state);
	if (rc < 0)
		return rc;
	worsen(to, state);
	worsen(repository, state);
	return 0;
}

/* Of two places, the worse finding on the repository counts. */
static void join_findings(json_t *to, json_t *found)
{
	json_t *list = json_object_get(to, "findings"), *f;
	size_t i;
	json_array_foreach (found, i, f) {
		json_t *mine = element(list, "check", json_text(f, "check"));
		bool worse = !json_text(mine, "state") ||
			     health_worse(state_of(mine), state_of(f)) != state_of(mine);
		if (worse)
			json_object_update(mine, f);
		worsen(to, state_of(f));
	}
}

static int add_repository(const struct merging *v, const json_t *from)
{
	static const char at[] = "repositories";
	CLEANUP(json_release) json_t *found = json_array();
	json_t *mirrors;
	const char *name;
	uint64_t newest = 0;
	int rc = json_get_string(from, at, "name", &name, v->e);
	if (rc == 0)
		rc = json_opt_u64(from, at, "newest", 0, &newest, v->e);
	if (rc == 0)
		rc = json_get_array(from, at, "mirrors", MAX_LIST, &mirrors, v->e);
	if (rc == 0)
		rc = copy_findings(v, from, at, found);
	if (rc < 0)
		return rc;
	json_t *to = element(v->repositories, "name", name);
	if (!json_object_get(to, "mirrors")) {
		json_put_array(to, "findings");
		json_put_array(to, "mirrors");
		worsen(to, HEALTH_OK);
	}
	if (newest > json_number(to, "newest"))
		json_put_u64(to, "newest", newest);
	join_findings(to, found);
	for (size_t i = 0; rc == 0 && i < json_array_size(mirrors); i++)
		rc = add_mirror(v, json_array_get(mirrors, i), to);
	return rc;
}

static int add_head(const struct merging *v)
{
	const char *place, *time, *command;
	enum health_state state;
	int64_t time_s;
	int rc = json_get_string(v->report, "", "command", &command, v->e);
	if (rc == 0)
		rc = json_get_string(v->report, "", "place", &place, v->e);
	if (rc == 0)
		rc = json_get_string(v->report, "", "time", &time, v->e);
	if (rc == 0)
		rc = get_state(v, v->report, "", &state);
	if (rc < 0)
		return rc;
	if (strcmp(command, "health") != 0 || !parse_time(time, &time_s))
		return err_set(v->e, ERR_INTEGRITY, "is not a report of `ferry health --json`");
	json_t *one = element(v->places, "place", place);
	if (json_text(one, "time")) {
		err_set(v->e, ERR_USAGE, "is a second report of the place %s", place);
		return err_hint(v->e, "give each place a name of its own: place in [health]");
	}
	json_put_string(one, "time", time);
	json_put_string(one, "state", health_state_name(state));
	return 0;
}

int merged_add(json_t *document, const json_t *report, struct err *e)
{
	const struct merging v = {
		.places = json_object_get(document, "places"),
		.repositories = json_object_get(document, "repositories"),
		.report = report,
		.e = e,
	};
	json_t *repositories;
	int rc = add_head(&v);
	if (rc == 0)
		rc = json_get_array(report, "", "repositories", MAX_LIST, &repositories, e);
	for (size_t i = 0; rc == 0 && i < json_array_size(repositories); i++)
		rc = add_repository(&v, json_array_get(repositories, i));
	return rc;
}

/* ---- all of them ---- */

static int by_state(const void *a, const void *b)
{
	static const int gravity[] = {
		[HEALTH_OK] = 0, [HEALTH_UNKNOWN] = 1, [HEALTH_WARNING] = 2, [HEALTH_CRITICAL] = 3
	};
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	int order = gravity[state_of(y)] - gravity[state_of(x)];
	return order ? order : strcmp(json_text(x, "id"), json_text(y, "id"));
}

static void sort_mirrors(json_t *repository)
{
	json_t *list = json_object_get(repository, "mirrors");
	size_t count = json_array_size(list);
	CLEANUP(mem_free_ptr) json_t **all = mem_alloc((count + 1) * sizeof(json_t *));
	json_t *sorted = json_array();
	for (size_t i = 0; i < count; i++)
		all[i] = json_array_get(list, i);
	qsort(all, count, sizeof *all, by_state);
	for (size_t i = 0; i < count; i++)
		json_push(sorted, json_incref(all[i]));
	json_put(repository, "mirrors", sorted);
}

void merged_begin(json_t *document)
{
	json_put_array(document, "places");
	json_put_array(document, "repositories");
}

void merged_end(json_t *document)
{
	json_t *r;
	size_t i;
	worsen(document, HEALTH_OK);
	json_array_foreach (json_object_get(document, "repositories"), i, r) {
		sort_mirrors(r);
		worsen(document, state_of(r));
	}
}

int merged_document(struct cli *cli, json_t **out, struct err *e)
{
	const struct json_limits limits = { .max_bytes = MAX_REPORT_BYTES };
	CLEANUP(json_release) json_t *document = cli_document(cli);
	int rc = 0;
	if (cli->count > MAX_REPORTS)
		return err_set(e, ERR_USAGE, "more than %d reports", MAX_REPORTS);
	merged_begin(document);
	for (int i = 0; rc == 0 && i < cli->count; i++) {
		CLEANUP(json_release) json_t *report = NULL;
		rc = json_parse_file(cli->operands[i], &limits, &report, e);
		if (rc < 0)
			return rc;
		rc = merged_add(document, report, e);
		if (rc < 0)
			err_context(e, "%s", cli->operands[i]);
	}
	if (rc < 0)
		return rc;
	merged_end(document);
	*out = STEAL(document);
	return 0;
}
