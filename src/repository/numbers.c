#include "repository/numbers.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#define MAX_BYTES (64 * MIB)

static char *record_path(const char *dir)
{
	return mem_printf("%s/cards/.versions.json", dir);
}

int numbers_load(const char *dir, json_t **out, struct err *e)
{
	static const struct json_limits limits = { .max_bytes = MAX_BYTES };
	CLEANUP(mem_free_ptr) char *path = record_path(dir);
	CLEANUP(json_release) json_t *json = NULL;
	int rc = file_exists(path) ? json_parse_file(path, &limits, &json, e) : 0;
	if (rc < 0)
		return err_hint(e, "it has the highest version of each variant that was removed: "
				   "take an earlier copy of it");
	*out = json_is_object(json) ? json_incref(json) : json_object();
	return 0;
}

int numbers_save(const char *dir, const json_t *numbers, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = record_path(dir);
	CLEANUP(buf_release) struct buf text = BUF_INIT(MAX_BYTES);
	int rc = json_pretty(numbers, &text, e);
	return rc < 0 ? rc : file_write_atomic(path, text.data, text.len, FILE_MODE, e);
}

uint64_t numbers_highest(const json_t *numbers, const char *model, const char *variant)
{
	CLEANUP(mem_free_ptr) char *key = mem_printf("%s:%s", model, variant);
	return json_number(numbers, key);
}

bool numbers_raise(json_t *numbers, const char *path)
{
	CLEANUP(card_release) struct card c = { 0 };
	struct err unread = ERR_INIT;
	bool raised = false;
	if (card_load(path, &c, &unread) < 0)
		return false;
	for (size_t i = 0; i < c.variant_count; i++) {
		const struct card_variant *v = &c.variants[i];
		CLEANUP(mem_free_ptr) char *key = mem_printf("%s:%s", c.id, v->id);
		if (v->file_count == 0 || json_number(numbers, key) >= v->version)
			continue;
		json_put_u64(numbers, key, v->version);
		raised = true;
	}
	return raised;
}

int numbers_load_model(const char *dir, const char *model, json_t **out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *folder = mem_printf("%s/targets/models/%s", dir, model);
	CLEANUP(str_list_release) struct str_list names = { 0 };
	CLEANUP(json_release) json_t *numbers = NULL;
	int rc = numbers_load(dir, &numbers, e);
	if (rc == 0)
		rc = file_list_dir(folder, &names, e);
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *path = path_join(folder, names.at[i]);
		if (str_ends(names.at[i], CARD_SUFFIX))
			(void)numbers_raise(numbers, path);
	}
	if (rc == 0)
		*out = json_incref(numbers);
	return rc;
}
