#include "repository/backup_last.h"

#include "json/json.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define FORMAT "model-ferry-last-backup"
#define VERSION 1
#define MAX_BYTES (64 * KIB)

void backup_last_release(struct backup_last *b)
{
	free(b->path);
	*b = (struct backup_last){ 0 };
}

static int check_format(const json_t *json, const char *path, struct err *e)
{
	const char *format = json_text(json, "format");
	if (format && strcmp(format, FORMAT) == 0 && json_number(json, "version") == VERSION)
		return 0;
	return err_set(e, ERR_INTEGRITY, "%s: not in the format of this version", path);
}

int backup_last_read(const char *dir, struct backup_last *out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = path_join(dir, BACKUP_LAST);
	CLEANUP(json_release) json_t *json = NULL;
	CLEANUP(backup_last_release) struct backup_last b = { 0 };
	const struct json_limits limits = { .max_bytes = MAX_BYTES };
	const char *time = NULL, *file = NULL;
	int rc = json_parse_file(path, &limits, &json, e);
	if (rc == 0)
		rc = check_format(json, path, e);
	if (rc == 0)
		rc = json_get_string(json, "", "time", &time, e);
	if (rc == 0 && !parse_time(time, &b.time_s))
		rc = err_set(e, ERR_INTEGRITY, "%s: time: not a time", path);
	if (rc == 0)
		rc = json_get_u64(json, "", "release", &b.release, e);
	if (rc == 0)
		rc = json_get_u64(json, "", "root", &b.root, e);
	if (rc == 0)
		rc = json_get_u64(json, "", "keys", &b.keys, e);
	if (rc == 0)
		rc = json_get_string(json, "", "path", &file, e);
	if (rc < 0)
		return rc;
	b.path = mem_strdup(file);
	*out = b;
	b = (struct backup_last){ 0 };
	return 0;
}

int backup_last_write(const char *dir, const struct backup_last *b, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = path_join(dir, BACKUP_LAST);
	CLEANUP(json_release) json_t *json = json_object();
	json_put_string(json, "format", FORMAT);
	json_put_u64(json, "version", VERSION);
	json_put_time(json, "time", b->time_s);
	json_put_u64(json, "release", b->release);
	json_put_u64(json, "root", b->root);
	json_put_u64(json, "keys", b->keys);
	json_put(json, "path", json_string_lossy(b->path, strlen(b->path)));
	int rc = file_mkdirs_for(path, FILE_DIR_MODE, e);
	return rc < 0 ? rc : json_write_file(path, json, FILE_MODE, e);
}

uint64_t backup_last_root(const char *dir)
{
	CLEANUP(mem_free_ptr) char *metadata = path_join(dir, "metadata");
	CLEANUP(str_list_release) struct str_list names = { 0 };
	struct err ignored = ERR_INIT;
	uint64_t newest = 0, version;
	if (file_list_dir(metadata, &names, &ignored) < 0)
		return 0;
	for (size_t i = 0; i < names.count; i++) {
		size_t digits = strcspn(names.at[i], ".");
		CLEANUP(mem_free_ptr) char *number = mem_strndup(names.at[i], digits);
		if (strcmp(names.at[i] + digits, ".root.json") == 0 && parse_u64(number, &version))
			newest = MAX(newest, version);
	}
	return newest;
}
