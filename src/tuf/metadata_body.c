#include "tuf/metadata_body.h"

#include "util/mem.h"
#include "util/text.h"

#include <string.h>

static const char *const type_names[] = { "root", "timestamp", "snapshot", "targets" };
const enum tuf_type tuf_type_order[] = { TUF_ROOT, TUF_TARGETS, TUF_SNAPSHOT, TUF_TIMESTAMP };

const char *tuf_type_name(enum tuf_type type)
{
	return type_names[type];
}

bool tuf_type_from_name(const char *name, enum tuf_type *out)
{
	for (size_t i = 0; i < ARRAY_LEN(type_names); i++) {
		if (strcmp(name, type_names[i]) == 0) {
			*out = (enum tuf_type)i;
			return true;
		}
	}
	return false;
}

static int key_compare(const void *a, const void *b)
{
	return strcmp((*(struct tuf_key *const *)a)->id, (*(struct tuf_key *const *)b)->id);
}

const struct tuf_key *tuf_keys_find(const struct tuf_keys *keys, const char *id)
{
	struct tuf_key wanted = { .id = (char *)id }, *p = &wanted;
	if (!keys->count)
		return NULL;
	struct tuf_key **found = bsearch(&p, keys->at, keys->count, sizeof p, key_compare);
	return found ? *found : NULL;
}

/* -- parts that several documents have ------------------------------------------------ */

static int parse_keys(const json_t *object, const char *at, struct tuf_keys *keys, struct err *e)
{
	json_t *list, *value;
	const char *id;
	int rc = json_get_object(object, at, "keys", &list, e);
	if (rc < 0)
		return rc;
	if (json_object_size(list) > TUF_MAX_KEYS)
		return err_set(e, ERR_INTEGRITY, "more than %d keys", TUF_MAX_KEYS);
	keys->at = mem_alloc((json_object_size(list) + 1) * sizeof *keys->at);
	json_object_foreach (list, id, value) {
		rc = tuf_key_parse(id, value, &keys->at[keys->count], e);
		if (rc < 0)
			return err_context(e, "%s%skeys", at, *at ? "." : "");
		keys->count++;
	}
	if (keys->count)
		qsort(keys->at, keys->count, sizeof *keys->at, key_compare);
	return 0;
}

bool tuf_metadata_repeated(const char *const *sorted, size_t count)
{
	for (size_t i = 1; i < count; i++)
		if (strcmp(sorted[i - 1], sorted[i]) == 0)
			return true;
	return false;
}

static int parse_role(const json_t *object, const char *at, struct tuf_role *role, struct err *e)
{
	json_t *list, *value;
	size_t i;
	if (!json_is_object(object))
		return err_set(e, ERR_INTEGRITY, "%s: expected an object", at);
	int rc = json_get_u64(object, at, "threshold", &role->threshold, e);
	if (rc == 0)
		rc = json_get_array(object, at, "keyids", TUF_MAX_KEYS, &list, e);
	if (rc < 0)
		return rc;
	if (role->threshold < 1)
		return err_set(e, ERR_INTEGRITY, "%s: the threshold is 0", at);
	role->keyids = mem_alloc((json_array_size(list) + 1) * sizeof *role->keyids);
	json_array_foreach (list, i, value) {
		if (!json_is_string(value))
			return err_set(e, ERR_INTEGRITY, "%s.keyids: expected strings", at);
		role->keyids[role->count++] = json_string_value(value);
	}
	if (role->count)
		qsort(role->keyids, role->count, sizeof *role->keyids, str_compare);
	if (tuf_metadata_repeated(role->keyids, role->count))
		return err_set(e, ERR_INTEGRITY, "%s.keyids: a key id appears twice", at);
	return 0;
}

static int check_hashes(const json_t *hashes, const char *at, struct err *e)
{
	const char *name;
	json_t *value;
	if (json_object_size(hashes) == 0)
		return err_set(e, ERR_INTEGRITY, "%s.hashes: empty", at);
	json_object_foreach ((json_t *)hashes, name, value)
		if (!json_is_string(value))
			return err_set(e, ERR_INTEGRITY, "%s.hashes: expected strings", at);
	return 0;
}

int tuf_metadata_parse_meta(const json_t *object, const char *at, struct tuf_meta *meta,
			    struct err *e)
{
	json_t *hashes;
	if (!json_is_object(object))
		return err_set(e, ERR_INTEGRITY, "%s: expected an object", at);
	int rc = json_get_u64(object, at, "version", &meta->version, e);
	if (rc == 0)
		rc = json_opt_u64(object, at, "length", 0, &meta->length, e);
	if (rc == 0)
		rc = json_opt_object(object, at, "hashes", &hashes, e);
	if (rc < 0)
		return rc;
	if (meta->version < 1)
		return err_set(e, ERR_INTEGRITY, "%s: the version is 0", at);
	meta->has_length = json_is_integer(json_object_get(object, "length"));
	meta->hashes = hashes;
	return hashes ? check_hashes(hashes, at, e) : 0;
}

/* Foreign names in messages are escaped and cut. */
static char *place(const char *list, const char *name)
{
	CLEANUP(mem_free_ptr) char *shown = text_escaped(name);
	return mem_printf("%s[\"%.80s\"]", list, shown);
}

/* -- the four kinds -------------------------------------------------------------------- */

static int parse_root(struct tuf_metadata *m, struct err *e)
{
	json_t *roles;
	int rc = json_opt_bool(m->body, "signed", "consistent_snapshot", false,
			       &m->consistent_snapshot, e);
	if (rc == 0)
		rc = parse_keys(m->body, "signed", &m->keys, e);
	if (rc == 0)
		rc = json_get_object(m->body, "signed", "roles", &roles, e);
	for (size_t i = 0; rc == 0 && i < TUF_TYPES; i++) {
		CLEANUP(mem_free_ptr) char *at = mem_printf("signed.roles.%s",
							    tuf_type_name((enum tuf_type)i));
		rc = parse_role(json_object_get(roles, tuf_type_name((enum tuf_type)i)), at,
				&m->roles[i], e);
	}
	return rc;
}

static int parse_metas(struct tuf_metadata *m, struct err *e)
{
	json_t *list, *value;
	const char *name;
	struct tuf_meta meta;
	int rc = json_get_object(m->body, "signed", "meta", &list, e);
	if (rc < 0)
		return rc;
	m->meta = list;
	json_object_foreach (list, name, value) {
		CLEANUP(mem_free_ptr) char *at = place("signed.meta", name);
		rc = tuf_metadata_parse_meta(value, at, &meta, e);
		if (rc < 0)
			return rc;
	}
	if (m->type == TUF_TIMESTAMP && !json_object_get(list, "snapshot.json"))
		return err_set(e, ERR_INTEGRITY, "signed.meta lists no snapshot.json");
	return 0;
}

static int check_target(const json_t *target, const char *at, struct err *e)
{
	uint64_t length;
	json_t *hashes;
	if (!json_is_object(target))
		return err_set(e, ERR_INTEGRITY, "%s: expected an object", at);
	int rc = json_get_u64(target, at, "length", &length, e);
	if (rc == 0)
		rc = json_get_object(target, at, "hashes", &hashes, e);
	return rc < 0 ? rc : check_hashes(hashes, at, e);
}

static int check_strings(const json_t *list, const char *at, struct err *e)
{
	size_t i;
	json_t *value;
	json_array_foreach (list, i, value)
		if (!json_is_string(value))
			return err_set(e, ERR_INTEGRITY, "%s: expected strings", at);
	return 0;
}

static int parse_delegated(const json_t *object, const char *at, struct tuf_delegated *d,
			   struct err *e)
{
	json_t *paths, *prefixes;
	enum tuf_type top;
	int rc = parse_role(object, at, &d->role, e);
	if (rc == 0)
		rc = json_get_string(object, at, "name", &d->name, e);
	if (rc == 0)
		rc = json_opt_array(object, at, "paths", SIZE_MAX, &paths, e);
	if (rc == 0)
		rc = json_opt_array(object, at, "path_hash_prefixes", SIZE_MAX, &prefixes, e);
	if (rc < 0)
		return rc;
	const json_t *terminating = json_object_get(object, "terminating");
	if (!json_is_boolean(terminating))
		return err_set(e, ERR_INTEGRITY, "%s.terminating: expected true or false", at);
	if (!*d->name || tuf_type_from_name(d->name, &top))
		return err_set(e, ERR_INTEGRITY,
			       "%s: delegation to a role named \"%s\" is not allowed", at, d->name);
	if (!paths == !prefixes)
		return err_set(e, ERR_INTEGRITY, "%s: expected either paths or path_hash_prefixes",
			       at);
	d->terminating = json_is_true(terminating);
	d->paths = paths;
	d->hash_prefixes = prefixes;
	return check_strings(paths ? paths : prefixes, at, e);
}

static int delegated_compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int parse_delegated_list(struct tuf_metadata *m, const json_t *list, struct err *e)
{
	size_t i, count = json_array_size(list);
	json_t *value;
	m->delegated = mem_alloc((count + 1) * sizeof *m->delegated);
	CLEANUP(mem_free_ptr) const char **names = mem_alloc((count + 1) * sizeof *names);
	json_array_foreach (list, i, value) {
		CLEANUP(mem_free_ptr) char *at = mem_printf("signed.delegations.roles[%zu]", i);
		m->delegated_count++;
		int rc = parse_delegated(value, at, &m->delegated[i], e);
		if (rc < 0)
			return rc;
		names[i] = m->delegated[i].name;
	}
	if (count)
		qsort(names, count, sizeof *names, delegated_compare);
	if (tuf_metadata_repeated(names, count))
		return err_set(e, ERR_INTEGRITY, "signed.delegations.roles: a name appears twice");
	return 0;
}

static int parse_bins(const json_t *object, struct tuf_bins *bins, struct err *e)
{
	static const char at[] = "signed.delegations.succinct_roles";
	uint64_t bits;
	int rc = parse_role(object, at, &bins->role, e);
	if (rc == 0)
		rc = json_get_u64(object, at, "bit_length", &bits, e);
	if (rc == 0)
		rc = json_get_string(object, at, "name_prefix", &bins->prefix, e);
	if (rc < 0)
		return rc;
	if (bits < 1 || bits > TUF_MAX_BIN_BITS)
		return err_set(e, ERR_INTEGRITY, "%s.bit_length: must be 1 to %d", at,
			       TUF_MAX_BIN_BITS);
	bins->bit_length = (unsigned)bits;
	return 0;
}

static int parse_delegations(struct tuf_metadata *m, const json_t *delegations, struct err *e)
{
	static const char at[] = "signed.delegations";
	json_t *list, *succinct;
	int rc = parse_keys(delegations, at, &m->keys, e);
	if (rc == 0)
		rc = json_opt_array(delegations, at, "roles", TUF_MAX_DELEGATED_ROLES, &list, e);
	if (rc == 0)
		rc = json_opt_object(delegations, at, "succinct_roles", &succinct, e);
	if (rc < 0)
		return rc;
	if (!list == !succinct)
		return err_set(e, ERR_INTEGRITY, "%s: expected either roles or succinct_roles", at);
	return list ? parse_delegated_list(m, list, e) : parse_bins(succinct, &m->bins, e);
}

static int parse_targets(struct tuf_metadata *m, struct err *e)
{
	json_t *list, *value, *delegations;
	const char *path;
	int rc = json_get_object(m->body, "signed", "targets", &list, e);
	if (rc == 0)
		rc = json_opt_object(m->body, "signed", "delegations", &delegations, e);
	if (rc < 0)
		return rc;
	m->targets = list;
	json_object_foreach (list, path, value) {
		CLEANUP(mem_free_ptr) char *at = place("signed.targets", path);
		rc = check_target(value, at, e);
		if (rc < 0)
			return rc;
	}
	return delegations ? parse_delegations(m, delegations, e) : 0;
}

int tuf_metadata_parse_body(struct tuf_metadata *m, struct err *e)
{
	switch (m->type) {
	case TUF_ROOT:
		return parse_root(m, e);
	case TUF_TIMESTAMP:
	case TUF_SNAPSHOT:
		return parse_metas(m, e);
	case TUF_TARGETS:
		return parse_targets(m, e);
	}
	return err_set(e, ERR_BUG, "unknown type of metadata");
}
