#include "settings/prepare.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <unistd.h>

void settings_prepare_release(struct settings_prepare *p)
{
	free(p->llama_quantize);
	free(p->convert_hf_to_gguf);
	free(p->python);
	*p = (struct settings_prepare){ 0 };
}

static int read_path(const struct conf *c, const struct conf_section *s, const char *key,
		     int access_mode, char **out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = conf_get_path(c, s, key);
	if (!path)
		return 0;
	if (access(path, access_mode) < 0 || file_is_dir(path)) {
		conf_err(c, s, key, e, "%s: %s is %s", key, path,
			 !file_exists(path) ? "missing" : "not executable");
		return err_hint(e, "correct the path, or remove the line to search on PATH");
	}
	*out = path_absolute(path);
	return 0;
}

int settings_prepare_read(const struct conf *c, struct settings_prepare *out, struct err *e)
{
	static const char *const keys[] = { "llama-quantize",   "convert-hf-to-gguf", "python",
					    "archive-max-size", "download-max-size",  NULL };
	CLEANUP(settings_prepare_release) struct settings_prepare p = { 0 };
	const struct conf_section *s = conf_find(c, "prepare", "");
	int rc = conf_check_keys(c, s, keys, e);
	if (rc == 0)
		rc = read_path(c, s, "llama-quantize", X_OK, &p.llama_quantize, e);
	if (rc == 0)
		rc = read_path(c, s, "convert-hf-to-gguf", R_OK, &p.convert_hf_to_gguf, e);
	if (rc == 0)
		rc = read_path(c, s, "python", X_OK, &p.python, e);
	if (rc == 0)
		rc = conf_get_size(c, s, "archive-max-size", &p.archive_max, e);
	if (rc == 0)
		rc = conf_get_size(c, s, "download-max-size", &p.download_max, e);
	if (rc < 0)
		return rc;
	*out = p;
	p = (struct settings_prepare){ 0 };
	return 0;
}
