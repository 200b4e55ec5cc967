#include "store/pinned.h"

#include "store/record.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <errno.h>
#include <string.h>

#define FORMAT "model-ferry-pin"

static char *pin_path(const struct store *s, const char *repository, const char *model,
		      const char *variant)
{
	CLEANUP(mem_free_ptr) char *dir = store_variant_dir(s, repository, model, variant);
	return path_join(dir, PINNED_NAME);
}

static int load(const char *path, uint64_t *version, struct err *e)
{
	static const struct json_limits limits = { .max_bytes = PINNED_MAX_BYTES };
	CLEANUP(json_release) json_t *object = NULL;
	const char *format;
	int rc = json_parse_file(path, &limits, &object, e);
	if (rc == 0)
		rc = json_get_string(object, "", "format", &format, e);
	if (rc == 0 && strcmp(format, FORMAT) != 0)
		rc = err_set(e, ERR_INTEGRITY, "not a pin");
	return rc < 0 ? rc : json_get_u64(object, "", "variant_version", version, e);
}

bool store_pin_of(const struct store *s, const char *repository, const char *model,
		  const char *variant, uint64_t *version)
{
	CLEANUP(mem_free_ptr) char *path = pin_path(s, repository, model, variant);
	struct err why = ERR_INIT;
	*version = 0;
	if (!file_exists(path))
		return false;
	if (load(path, version, &why) < 0)
		report_warn(s->report, "%s cannot be read (%s): %s:%s stays as it is", path,
			    why.text, model, variant);
	return true;
}

bool store_is_pinned(const struct store *s, const struct store_variant *v)
{
	CLEANUP(mem_free_ptr) char *path = pin_path(s, v->repository, v->model, v->variant);
	return file_exists(path);
}

/* The version that the plain name leads to; 0: none. */
static uint64_t version_there(const struct store *s, const struct store_variant *v)
{
	CLEANUP(mem_free_ptr) char *dir = store_variant_dir(s, v->repository, v->model, v->variant);
	CLEANUP(store_variant_release) struct store_variant old = { 0 };
	struct err ignored = ERR_INIT;
	return record_load(dir, RECORD_NAME, &old, &ignored) == 0 ? old.version : 0;
}

int store_pin_check(const struct store *s, const struct store_variant *v, struct err *e)
{
	uint64_t version;
	if (!store_is_pinned(s, v) ||
	    !store_pin_of(s, v->repository, v->model, v->variant, &version))
		return 0;
	if (!version)
		version = version_there(s, v);
	if (!version || version == v->version)
		return 0;
	err_set(e, ERR_CONFLICT, "%s/%s:%s is pinned at version %llu", v->repository, v->model,
		v->variant, (unsigned long long)version);
	return err_hint(e, "`ferry unpin %s/%s:%s` lets it change", v->repository, v->model,
			v->variant);
}

int store_unpin(const struct store *s, const struct store_variant *v, struct err *e)
{
	CLEANUP(mem_free_ptr) char *plain = store_variant_plain(v);
	CLEANUP(mem_free_ptr) char *path = pin_path(s, v->repository, v->model, plain);
	int rc = file_remove(path, e);
	return rc < 0 && e->sys == EACCES ? err_hint(e, FILE_GROUP_HINT) : rc;
}

int store_pin_record(const struct store *s, const struct store_variant *v, struct err *e)
{
	CLEANUP(json_release) json_t *object = json_object();
	CLEANUP(buf_release) struct buf text = BUF_INIT(PINNED_MAX_BYTES);
	CLEANUP(mem_free_ptr) char *path = pin_path(s, v->repository, v->model, v->variant);
	json_put_string(object, "format", FORMAT);
	json_put_u64(object, "version", 1);
	json_put_u64(object, "variant_version", v->version);
	json_put_time(object, "pinned", clock_wall_s(s->clock));
	int rc = json_pretty(object, &text, e);
	return rc < 0 ? rc : file_write_own(path, buf_str(&text), text.len, FILE_MODE, e);
}
