#include "tuf/metadata.h"

#include "util/mem.h"
#include "util/text.h"

#include <string.h>

static const char *const type_names[] = { "root", "timestamp", "snapshot", "targets" };

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

void tuf_metadata_free(struct tuf_metadata *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->keys.count; i++)
		tuf_key_free(m->keys.at[i]);
	free(m->keys.at);
	for (size_t i = 0; i < TUF_TYPES; i++)
		free(m->roles[i].keyids);
	for (size_t i = 0; i < m->delegated_count; i++)
		free(m->delegated[i].role.keyids);
	free(m->delegated);
	free(m->bins.role.keyids);
	free(m->signatures);
	json_decref(m->json);
	free(m);
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

static int parse_keys(const json_t *object, const char *at, struct tuf_keys *keys,
		      struct err *e)
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

static bool repeated(const char *const *sorted, size_t count)
{
	for (size_t i = 1; i < count; i++)
		if (strcmp(sorted[i - 1], sorted[i]) == 0)
			return true;
	return false;
}

static int parse_role(const json_t *object, const char *at, struct tuf_role *role,
		      struct err *e)
{
	json_t *list, *value;
	size_t i;
	if (!json_is_object(object))
		return err_set(e, ERR_INTEGRITY, "%s: an object wanted", at);
	int rc = json_get_u64(object, at, "threshold", &role->threshold, e);
	if (rc == 0)
		rc = json_get_array(object, at, "keyids", TUF_MAX_KEYS, &list, e);
	if (rc < 0)
		return rc;
	if (role->threshold < 1)
		return err_set(e, ERR_INTEGRITY, "%s: a threshold of 0", at);
	role->keyids = mem_alloc((json_array_size(list) + 1) * sizeof *role->keyids);
	json_array_foreach (list, i, value) {
		if (!json_is_string(value))
			return err_set(e, ERR_INTEGRITY, "%s.keyids: strings wanted", at);
		role->keyids[role->count++] = json_string_value(value);
	}
	if (role->count)
		qsort(role->keyids, role->count, sizeof *role->keyids, str_compare);
	if (repeated(role->keyids, role->count))
		return err_set(e, ERR_INTEGRITY, "%s.keyids: a key id twice", at);
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
			return err_set(e, ERR_INTEGRITY, "%s.hashes: strings wanted", at);
	return 0;
}

static int parse_meta(const json_t *object, const char *at, struct tuf_meta *meta,
		      struct err *e)
{
	json_t *hashes;
	if (!json_is_object(object))
		return err_set(e, ERR_INTEGRITY, "%s: an object wanted", at);
	int rc = json_get_u64(object, at, "version", &meta->version, e);
	if (rc == 0)
		rc = json_opt_u64(object, at, "length", 0, &meta->length, e);
	if (rc == 0)
		rc = json_opt_object(object, at, "hashes", &hashes, e);
	if (rc < 0)
		return rc;
	if (meta->version < 1)
		return err_set(e, ERR_INTEGRITY, "%s: a version of 0", at);
	meta->has_length = json_is_integer(json_object_get(object, "length"));
	meta->hashes = hashes;
	return hashes ? check_hashes(hashes, at, e) : 0;
}

/* Foreign names go into messages: escaped, and not endless. */
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
		CLEANUP(mem_free_ptr) char *at = mem_printf("signed.roles.%s", type_names[i]);
		rc = parse_role(json_object_get(roles, type_names[i]), at, &m->roles[i], e);
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
		rc = parse_meta(value, at, &meta, e);
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
		return err_set(e, ERR_INTEGRITY, "%s: an object wanted", at);
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
			return err_set(e, ERR_INTEGRITY, "%s: strings wanted", at);
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
		return err_set(e, ERR_INTEGRITY, "%s.terminating: true or false wanted", at);
	if (!*d->name || tuf_type_from_name(d->name, &top))
		return err_set(e, ERR_INTEGRITY, "%s: a role named \"%s\" cannot be delegated to",
			       at, d->name);
	if (!paths == !prefixes)
		return err_set(e, ERR_INTEGRITY,
			       "%s: either paths or path_hash_prefixes wanted", at);
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
	if (repeated(names, count))
		return err_set(e, ERR_INTEGRITY, "signed.delegations.roles: a name twice");
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
		return err_set(e, ERR_INTEGRITY, "%s.bit_length: 1 to %d wanted", at,
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
		return err_set(e, ERR_INTEGRITY, "%s: either roles or succinct_roles wanted", at);
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

/* -- the envelope ---------------------------------------------------------------------- */

static int parse_signatures(struct tuf_metadata *m, struct err *e)
{
	json_t *list, *value;
	size_t i;
	int rc = json_get_array(m->json, "", "signatures", TUF_MAX_SIGNATURES, &list, e);
	if (rc < 0)
		return rc;
	size_t count = json_array_size(list);
	m->signatures = mem_alloc((count + 1) * sizeof *m->signatures);
	CLEANUP(mem_free_ptr) const char **ids = mem_alloc((count + 1) * sizeof *ids);
	json_array_foreach (list, i, value) {
		CLEANUP(mem_free_ptr) char *at = mem_printf("signatures[%zu]", i);
		struct tuf_signature *s = &m->signatures[i];
		if (!json_is_object(value))
			return err_set(e, ERR_INTEGRITY, "%s: an object wanted", at);
		rc = json_get_string(value, at, "keyid", &s->keyid, e);
		if (rc == 0)
			rc = json_get_string(value, at, "sig", &s->hex, e);
		if (rc < 0)
			return rc;
		ids[i] = s->keyid;
		m->signature_count++;
	}
	if (count)
		qsort(ids, count, sizeof *ids, str_compare);
	if (repeated(ids, count))
		return err_set(e, ERR_INTEGRITY, "signatures: one key id signed twice");
	return 0;
}

/* "1" or "1.x" or "1.x.y": the major version is what must be understood. */
static bool spec_version_known(const char *s)
{
	return s[0] == '1' && s[1] == '.' && s[2] && s[strspn(s, "0123456789.")] == '\0';
}

/* The specification's form; fractions of a second, which some tools write, are cut off. */
static bool parse_expires(const char *s, int64_t *out)
{
	char whole[TIME_TEXT];
	size_t len = strlen(s), head = TIME_TEXT - 2;
	if (len > head + 2 && s[head] == '.' && s[len - 1] == 'Z' &&
	    strspn(s + head + 1, "0123456789") == len - head - 2) {
		memcpy(whole, s, head);
		memcpy(whole + head, "Z", 2);
		s = whole;
	}
	return parse_time(s, out);
}

static int parse_common(struct tuf_metadata *m, struct err *e)
{
	const char *type, *spec, *expires;
	int rc = json_get_string(m->body, "signed", "_type", &type, e);
	if (rc == 0)
		rc = json_get_string(m->body, "signed", "spec_version", &spec, e);
	if (rc == 0)
		rc = json_get_u64(m->body, "signed", "version", &m->version, e);
	if (rc == 0)
		rc = json_get_string(m->body, "signed", "expires", &expires, e);
	if (rc < 0)
		return rc;
	if (strcmp(type, type_names[m->type]) != 0)
		return err_set(e, ERR_INTEGRITY, "this is not %s metadata", type_names[m->type]);
	if (!spec_version_known(spec)) {
		CLEANUP(mem_free_ptr) char *shown = text_escaped(spec);
		err_set(e, ERR_INTEGRITY, "specification version \"%.40s\" is not understood",
			shown);
		return err_hint(e, "this program understands TUF 1.x; a newer one may be needed");
	}
	if (m->version < 1)
		return err_set(e, ERR_INTEGRITY, "signed.version: 0");
	if (!parse_expires(expires, &m->expires_s))
		return err_set(e, ERR_INTEGRITY, "signed.expires: a time like "
						 "2030-01-02T03:04:05Z wanted");
	return 0;
}

static int parse_all(struct tuf_metadata *m, struct err *e)
{
	json_t *body;
	if (!json_is_object(m->json))
		return err_set(e, ERR_INTEGRITY, "not a JSON object");
	int rc = json_get_object(m->json, "", "signed", &body, e);
	if (rc < 0)
		return rc;
	m->body = body;
	rc = parse_common(m, e);
	if (rc == 0)
		rc = parse_signatures(m, e);
	if (rc < 0)
		return rc;
	switch (m->type) {
	case TUF_ROOT:
		return parse_root(m, e);
	case TUF_TIMESTAMP:
	case TUF_SNAPSHOT:
		return parse_metas(m, e);
	case TUF_TARGETS:
		return parse_targets(m, e);
	}
	return err_set(e, ERR_BUG, "no such kind of metadata");
}

int tuf_metadata_from_json(enum tuf_type type, json_t *value, const char *what,
			   struct tuf_metadata **out, struct err *e)
{
	CLEANUP_PTR(tuf_metadata_free) struct tuf_metadata *m = NEW(struct tuf_metadata);
	m->type = type;
	m->json = json_incref(value);
	if (parse_all(m, e) < 0)
		return err_context(e, "%s", what);
	*out = STEAL(m);
	return 0;
}

int tuf_metadata_parse(enum tuf_type type, const void *data, size_t len, const char *what,
		       struct tuf_metadata **out, struct err *e)
{
	struct json_limits limits = { .max_bytes = len };
	CLEANUP(json_release) json_t *value = NULL;
	int rc = json_parse(data, len, &limits, what, &value, e);
	return rc < 0 ? rc : tuf_metadata_from_json(type, value, what, out, e);
}

bool tuf_metadata_meta(const struct tuf_metadata *m, const char *name, struct tuf_meta *out)
{
	struct err ignored = ERR_INIT;
	const json_t *value = m->meta ? json_object_get(m->meta, name) : NULL;
	return value && parse_meta(value, "meta", out, &ignored) == 0;
}
