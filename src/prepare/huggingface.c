#include "prepare/huggingface.h"

#include "json/json.h"
#include "gguf/sniff.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <stdio.h>
#include <string.h>

#define HEADER_MAX (32 * MIB)
#define JSON_MAX (64 * MIB)
#define INDEX_NAME "model.safetensors.index.json"

/* The end of the last tensor, from the start of the data. */
static int data_end(const json_t *header, const char *what, uint64_t *out, struct err *e)
{
	const char *name;
	json_t *tensor;
	*out = 0;
	json_object_foreach ((json_t *)header, name, tensor) {
		const json_t *offsets = json_object_get(tensor, "data_offsets");
		const json_t *from = json_array_get(offsets, 0), *to = json_array_get(offsets, 1);
		if (strcmp(name, "__metadata__") == 0)
			continue;
		if (!json_is_integer(from) || !json_is_integer(to) ||
		    json_array_size(offsets) != 2 || json_integer_value(from) < 0 ||
		    json_integer_value(to) < json_integer_value(from))
			return err_set(e, ERR_INTEGRITY, "%s: a tensor has no valid data_offsets",
				       what);
		*out = MAX(*out, (uint64_t)json_integer_value(to));
	}
	return 0;
}

static int cut_off(const char *what, uint64_t have, uint64_t want, struct err *e)
{
	err_set(e, ERR_INTEGRITY, "%s is %s: it has %llu bytes and should have %llu", what,
		have < want ? "truncated" : "too long", (unsigned long long)have,
		(unsigned long long)want);
	return err_hint(e, "download it again");
}

int huggingface_check_safetensors(const char *path, const char *what, uint64_t *size, struct err *e)
{
	CLEANUP(file_close) int fd = -1;
	CLEANUP(json_release) json_t *header = NULL;
	uint64_t total = 0, end = 0, want = UINT64_MAX, len = 0;
	unsigned char prefix[8];
	enum sniff kind;
	int rc = sniff_file(path, &kind, e);
	if (rc == 0)
		rc = file_open_regular(path, &fd, &total, e);
	if (rc < 0)
		return rc;
	if (kind != SNIFF_SAFETENSORS) {
		if (kind == SNIFF_UNKNOWN)
			return err_set(e, ERR_INTEGRITY, "%s is not a safetensors file", what);
		return sniff_refuse_file(kind, path, what, e);
	}
	if ((rc = file_pread(fd, prefix, sizeof prefix, 0, what, e)) < 0)
		return rc;
	for (int i = 7; i >= 0; i--)
		len = len << 8 | prefix[i];
	if (len > HEADER_MAX)
		return err_set(e, ERR_INTEGRITY, "%s: the header of %llu bytes is too large", what,
			       (unsigned long long)len);
	if (len + 8 > total)
		return cut_off(what, total, len + 8, e);
	CLEANUP(mem_free_ptr) void *text = NULL;
	rc = mem_array(&text, len, 1, HEADER_MAX, what, e);
	if (rc == 0)
		rc = file_pread(fd, text, len, 8, what, e);
	if (rc == 0)
		rc = json_lenient(text, len, HEADER_MAX, what, &header, e);
	if (rc == 0)
		rc = data_end(header, what, &end, e);
	if (rc < 0)
		return rc;
	if (!add_u64(end, len + 8, &want) || want != total)
		return cut_off(what, total, want, e);
	*size = total;
	return 0;
}

/* A JSON file of the folder, which is often something else: a pointer, or a login page. */
static int load_json(const char *path, json_t **out, struct err *e)
{
	enum sniff kind;
	int rc = sniff_file(path, &kind, e);
	if (rc == 0 && (kind == SNIFF_LFS_POINTER || kind == SNIFF_HTML))
		return sniff_refuse_file(kind, path, path, e);
	return rc < 0 ? rc : json_lenient_file(path, JSON_MAX, out, e);
}

/* The files in the index, each once; none without an index. */
static int indexed_files(const char *dir, struct str_list *out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = path_join(dir, INDEX_NAME);
	CLEANUP(json_release) json_t *index = NULL, *seen = json_object();
	json_t *map, *value;
	const char *key;
	if (!file_exists(path))
		return 0;
	int rc = load_json(path, &index, e);
	if (rc < 0)
		return rc;
	if (json_get_object(index, "", "weight_map", &map, e) < 0)
		return err_context(e, "%s", path);
	json_object_foreach (map, key, value) {
		const char *file = json_string_value(value);
		if (!file || !path_is_name(file))
			return err_set(e, ERR_INTEGRITY,
				       "%s: weight_map contains a name that is not allowed", path);
		if (!json_object_get(seen, file)) {
			json_put_bool(seen, file, true);
			str_list_add(out, file);
		}
	}
	return 0;
}

#define PART_TAIL "-%05u-of-%05u.safetensors"

/* "model-00002-of-00003.safetensors": the length of "model" and the number of parts. */
static bool part_of(const char *name, int *stem, unsigned *count)
{
	char again[sizeof "-00001-of-00001.safetensors"];
	size_t len = strlen(name), tail = sizeof again - 1;
	unsigned no;
	if (len <= tail || sscanf(name + len - tail, "-%5u-of-%5u", &no, count) != 2)
		return false;
	snprintf(again, sizeof again, PART_TAIL, no % 100000, *count % 100000);
	*stem = (int)(len - tail);
	return strcmp(again, name + len - tail) == 0;
}

static int missing_part(const char *dir, const char *name, const char *of, struct err *e)
{
	err_set(e, ERR_INTEGRITY, "%s: %s is missing: the name of %s says that there is one", dir,
		name, of);
	return err_hint(e, "download the rest of the folder");
}

/* Without an index only the names say how many parts there are. */
static int check_parts(const char *dir, const struct str_list *names, struct err *e)
{
	CLEANUP(json_release) json_t *there = json_object(), *done = json_object();
	unsigned count;
	int stem;
	for (size_t i = 0; i < names->count; i++)
		json_put_bool(there, names->at[i], true);
	for (size_t i = 0; i < names->count; i++) {
		const char *name = names->at[i];
		if (!part_of(name, &stem, &count))
			continue;
		CLEANUP(mem_free_ptr) char *set = mem_printf("%.*s of %u", stem, name, count);
		for (unsigned n = 1; !json_object_get(done, set) && n <= count; n++) {
			CLEANUP(mem_free_ptr) char *part = mem_printf("%.*s" PART_TAIL, stem, name,
								      n, count);
			if (!json_object_get(there, part))
				return missing_part(dir, part, name, e);
		}
		json_put_bool(done, set, true);
	}
	return 0;
}

/* Nothing is taken from it: it must only be JSON, as the converter will read it. */
static int check_config(const char *dir, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = path_join(dir, "config.json");
	CLEANUP(json_release) json_t *config = NULL;
	return load_json(path, &config, e);
}

int huggingface_check(const char *dir, struct hf_summary *out, struct err *e)
{
	CLEANUP(str_list_release) struct str_list names = { 0 }, wanted = { 0 };
	struct hf_summary sum = { 0 };
	int rc = check_config(dir, e);
	if (rc == 0)
		rc = file_list_dir(dir, &names, e);
	if (rc == 0)
		rc = indexed_files(dir, &wanted, e);
	for (size_t i = 0; rc == 0 && i < wanted.count; i++)
		if (!str_list_has(&names, wanted.at[i])) {
			err_set(e, ERR_INTEGRITY, "%s: %s is missing, but it is listed in %s", dir,
				wanted.at[i], INDEX_NAME);
			return err_hint(e, "download the rest of the folder");
		}
	if (rc == 0 && wanted.count == 0)
		rc = check_parts(dir, &names, e);
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		uint64_t size;
		CLEANUP(mem_free_ptr) char *path = path_join(dir, names.at[i]);
		if (!str_ends(names.at[i], ".safetensors"))
			continue;
		rc = huggingface_check_safetensors(path, path, &size, e);
		if (rc == 0) {
			sum.bytes += size;
			sum.files++;
		}
	}
	if (rc == 0)
		*out = sum;
	return rc;
}
