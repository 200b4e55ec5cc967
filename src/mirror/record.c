#include "mirror/record.h"

#include "http/url.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define FORMAT "model-ferry-mirror-record"

const struct mirror_can_name mirror_can_names[] = {
	{ MIRROR_CAN_WRITE, "write" },
	{ MIRROR_CAN_LIST, "list" },
	{ MIRROR_CAN_RANGE, "range" },
	{ MIRROR_CAN_COPY, "copy" },
	{ MIRROR_CAN_COPY_PIECES, "copy-pieces" },
	{ MIRROR_CAN_CREATE_ONLY, "create-only" },
	{ MIRROR_CAN_REPLACE_IF, "replace-if" },
	{ MIRROR_CAN_SHA256, "sha256" },
	{ MIRROR_CAN_PIECES_SHA256, "pieces-sha256" },
	{ 0, NULL },
};

void mirror_record_release(struct mirror_record *r)
{
	json_release(&r->can);
	json_release(&r->measured);
	r->probed_s = 0;
}

/* -- the file -------------------------------------------------------------------- */

/* The caller frees it. */
static char *place_of(const struct mirror *m)
{
	return m->place ? mem_strdup(m->place) : m->url ? url_redact(m->url) : mem_strdup("");
}

/* NULL where nothing is kept. */
static char *file_of(const struct mirror *m, const char *place, const char *suffix)
{
	struct digest d;
	char hex[DIGEST_HEX];
	if (!m->env.state_dir || !path_is_id(m->id) || !*place)
		return NULL;
	sha256_of(place, strlen(place), &d);
	return mem_printf("%s/%s-%.8s.%s", m->env.state_dir, m->id, digest_hex(hex, &d), suffix);
}

/* -- reading --------------------------------------------------------------------- */

/* All of one type, with valid names. */
static int check_values(const json_t *values, const char *what, json_type type, json_type or_this,
			struct err *e)
{
	const char *name;
	json_t *value;
	if (json_object_size(values) > MIRROR_RECORD_MAX_NAMES)
		return err_set(e, ERR_INTEGRITY, "%s: more than %d values", what,
			       MIRROR_RECORD_MAX_NAMES);
	json_object_foreach ((json_t *)values, name, value)
		if (!path_is_id(name) ||
		    (json_typeof(value) != type && json_typeof(value) != or_this) ||
		    (json_is_integer(value) && json_integer_value(value) < 0))
			return err_set(e, ERR_INTEGRITY, "%s: an invalid value", what);
	return 0;
}

static int check_head(const json_t *object, const char *place, int64_t *probed_s, struct err *e)
{
	const char *format, *recorded, *time;
	uint64_t version = 0;
	int rc = json_get_string(object, "", "format", &format, e);
	if (rc == 0)
		rc = json_get_u64(object, "", "version", &version, e);
	if (rc == 0 && (strcmp(format, FORMAT) != 0 || version != 1))
		rc = err_set(e, ERR_INTEGRITY, "not the record of a mirror");
	if (rc == 0)
		rc = json_get_string(object, "", "place", &recorded, e);
	if (rc == 0 && strcmp(recorded, place) != 0)
		rc = err_set(e, ERR_INTEGRITY, "the record is about another location");
	if (rc == 0)
		rc = json_get_string(object, "", "probed", &time, e);
	if (rc == 0 && (!parse_time(time, probed_s) || *probed_s <= 0))
		rc = err_set(e, ERR_INTEGRITY, "'probed' is not a time");
	return rc;
}

int mirror_record_parse(const char *text, size_t len, const char *place, struct mirror_record *out,
			struct err *e)
{
	static const struct json_limits limits = {
		.max_bytes = MIRROR_RECORD_MAX_BYTES,
		.max_depth = 4,
	};
	CLEANUP(json_release) json_t *object = NULL;
	json_t *can = NULL, *measured = NULL;
	int64_t probed_s = 0;
	int rc = json_parse(text, len, &limits, "the record", &object, e);
	if (rc == 0)
		rc = check_head(object, place, &probed_s, e);
	if (rc == 0)
		rc = json_get_object(object, "", "can", &can, e);
	if (rc == 0)
		rc = json_get_object(object, "", "measured", &measured, e);
	if (rc == 0)
		rc = check_values(can, "can", JSON_TRUE, JSON_FALSE, e);
	if (rc == 0)
		rc = check_values(measured, "measured", JSON_INTEGER, JSON_INTEGER, e);
	if (rc < 0)
		return rc;
	*out = (struct mirror_record){
		.probed_s = probed_s,
		.can = json_incref(can),
		.measured = json_incref(measured),
	};
	return 0;
}

void mirror_record_load(const struct mirror *m, struct mirror_record *out)
{
	CLEANUP(mem_free_ptr) char *place = place_of(m);
	CLEANUP(mem_free_ptr) char *path = file_of(m, place, "json");
	CLEANUP(buf_release) struct buf text = BUF_INIT(MIRROR_RECORD_MAX_BYTES);
	struct err ignored = ERR_INIT;
	*out = (struct mirror_record){ 0 };
	if (path && file_read_all(path, &text, &ignored) == 0)
		(void)!mirror_record_parse(buf_str(&text), text.len, place, out, &ignored);
}

/* -- writing --------------------------------------------------------------------- */

static json_t *copy_of(const json_t *values)
{
	return values ? json_copy((json_t *)values) : json_object();
}

int mirror_record_save(const struct mirror *m, struct mirror_record *r, struct err *e)
{
	CLEANUP(mem_free_ptr) char *place = place_of(m);
	CLEANUP(mem_free_ptr) char *path = file_of(m, place, "json");
	CLEANUP(json_release) json_t *object = json_object();
	if (!path)
		return 0;
	r->probed_s = clock_wall_s(m->env.clock);
	json_put_string(object, "format", FORMAT);
	json_put_u64(object, "version", 1);
	json_put_string(object, "mirror", m->id);
	json_put_string(object, "place", place);
	json_put_time(object, "probed", r->probed_s);
	json_put(object, "can", copy_of(r->can));
	json_put(object, "measured", copy_of(r->measured));
	int rc = file_mkdirs(m->env.state_dir, FILE_DIR_MODE, e);
	return rc < 0 ? rc : json_write_file(path, object, FILE_MODE, e);
}

/* -- did it hold a release? -------------------------------------------------------- */

static char *held_file(const struct mirror *m)
{
	CLEANUP(mem_free_ptr) char *place = place_of(m);
	return file_of(m, place, "held");
}

bool mirror_record_is_held(const struct mirror *m)
{
	CLEANUP(mem_free_ptr) char *path = held_file(m);
	return path && file_exists(path);
}

void mirror_record_set_held(const struct mirror *m, bool held)
{
	CLEANUP(mem_free_ptr) char *path = held_file(m);
	struct err ignored = ERR_INIT;
	if (path && !held)
		(void)!file_remove(path, &ignored);
	else if (path && file_mkdirs(m->env.state_dir, FILE_DIR_MODE, &ignored) == 0)
		(void)!file_write_atomic(path, "", 0, FILE_MODE, &ignored);
}

/* -- its values ------------------------------------------------------------------ */

bool mirror_record_can(const struct mirror_record *r, const char *name, bool *out)
{
	const json_t *value = json_object_get(r->can, name);
	if (!value)
		return false;
	*out = json_is_true(value);
	return true;
}

bool mirror_record_measured(const struct mirror_record *r, const char *name, uint64_t *out)
{
	const json_t *value = json_object_get(r->measured, name);
	if (!value)
		return false;
	*out = (uint64_t)json_integer_value(value);
	return true;
}

void mirror_record_set_can(struct mirror_record *r, const char *name, bool value)
{
	if (!r->can)
		r->can = json_object();
	json_put_bool(r->can, name, value);
}

void mirror_record_set_capabilities(struct mirror_record *r, const struct mirror *m)
{
	for (const struct mirror_can_name *c = mirror_can_names; c->name; c++)
		mirror_record_set_can(r, c->name, mirror_can(m, c->bit));
}

void mirror_record_set_measured(struct mirror_record *r, const char *name, uint64_t value)
{
	if (!r->measured)
		r->measured = json_object();
	json_put_u64(r->measured, name, value);
}

void mirror_record_forget(struct mirror_record *r, const char *name)
{
	json_object_del(r->can, name);
	json_object_del(r->measured, name);
}
