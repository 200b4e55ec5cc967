#include "prepare/obtain.h"

#include "gguf/gguf.h"
#include "http/url.h"
#include "prepare/archive.h"
#include "prepare/download.h"
#include "prepare/shard_urls.h"
#include "prepare/walk.h"
#include "prepare/wanted.h"
#include "prepare/huggingface.h"
#include "prepare/choose.h"
#include "prepare/download_probe.h"
#include "gguf/sniff.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/os.h"
#include "util/path.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

void obtain_release(struct obtained *s)
{
	for (size_t i = 0; i < s->count; i++) {
		free(s->files[i].path);
		free(s->files[i].name);
	}
	for (size_t i = 0; i < s->source_count; i++) {
		free(s->sources[i].uri);
		free(s->sources[i].name);
		free(s->sources[i].path);
	}
	free(s->sources);
	free(s->files);
	free(s->hf_dir);
	free(s->url);
	workdir_scratch_release(&s->scratch);
	str_list_release(&s->downloads);
	*s = (struct obtained){ 0 };
}

void obtain_forget(const struct obtained *s)
{
	for (size_t i = 0; i < s->downloads.count; i++) {
		CLEANUP(mem_free_ptr) char *dir = path_dir(s->downloads.at[i]);
		download_forget(s->downloads.at[i]);
		file_remove_dir_if_empty(dir);
	}
}

static bool is_url(const char *operand)
{
	return strstr(operand, "://") || str_starts_nocase(operand, "file:");
}

char *obtain_operand(const char *operand)
{
	CLEANUP(mem_free_ptr) char *tidy = url_tidy(operand);
	return is_url(tidy) ? STEAL(tidy) : mem_strdup(operand);
}

/* "example.org/x.gguf", "localhost:8080/x.gguf": more likely a URL than a folder that is missing.
 */
static bool is_like_url(const char *operand)
{
	size_t first = strcspn(operand, "/");
	return operand[first] == '/' && operand[0] != '.' &&
	       (memchr(operand, '.', first) || memchr(operand, ':', first));
}

static int check_url(const char *s, struct err *e)
{
	CLEANUP(url_release) struct url url = { 0 };
	if (str_starts_nocase(s, "file:"))
		return 0;
	if (str_starts_nocase(s, "http://") || str_starts_nocase(s, "https://"))
		return url_parse(s, &url, e);
	CLEANUP(mem_free_ptr) char *shown = url_redact(s);
	err_set(e, ERR_USAGE, "%s: this kind of URL is not supported", shown);
	return err_hint(e, "supported are http, https and file");
}

bool obtain_is_hub(const struct obtain_request *r)
{
	return r->count > 0 && hub_name_is(r->operands[0]);
}

static int check_hub(const struct obtain_request *r, struct err *e)
{
	CLEANUP(hub_name_release) struct hub_name name = { 0 };
	if (r->count > 1) {
		err_set(e, ERR_USAGE, "%.200s must be the only SOURCE", r->operands[0]);
		return err_hint(e, "of a model in several files, name one: the others are found");
	}
	return hub_name_parse(r->operands[0], &name, e);
}

static bool is_page(const char *operand)
{
	CLEANUP(mem_free_ptr) char *name = hub_name_of_page(operand);
	return name && (is_url(operand) || !file_exists(operand));
}

static int refuse_page(const char *operand, struct err *e)
{
	CLEANUP(mem_free_ptr) char *name = hub_name_of_page(operand);
	CLEANUP(mem_free_ptr) char *word = text_shell_quoted(name);
	err_set(e, ERR_USAGE, "%.300s is a page of the Hugging Face Hub, not a file", operand);
	return err_hint(e, "write %s", word);
}

int obtain_check(const struct obtain_request *r, struct err *e)
{
	size_t urls = 0;
	if (obtain_is_hub(r))
		return check_hub(r, e);
	for (size_t i = 0; i < r->count; i++) {
		const char *s = r->operands[i];
		if (!*s)
			return err_set(e, ERR_USAGE, "a SOURCE is empty");
		if (is_page(s))
			return refuse_page(s, e);
		urls += is_url(s);
		int rc = is_url(s) ? check_url(s, e) : 0;
		if (rc < 0)
			return rc;
	}
	if (urls && urls < r->count) {
		err_set(e, ERR_USAGE, "SOURCE must be either files or URLs, not both");
		return err_hint(e,
				"to use a file as a fallback for a URL, write it as file:///path");
	}
	return 0;
}

static void add_file(struct obtained *s, const char *path, const char *name, bool ours,
		     const struct digest *sha256)
{
	size_t cap = s->count;
	s->files = mem_grow(s->files, s->count, &cap, sizeof *s->files);
	s->files[s->count++] = (struct obtain_file){
		.path = mem_strdup(path),
		.name = mem_strdup(path_base(name)),
		.in_work = ours,
		.ours = ours,
		.sha256 = sha256,
	};
}

/* Returns the record, for what else is known of it. */
static struct obtain_source *add_source(struct obtained *s, const char *uri, const char *name,
					const char *path)
{
	s->sources = mem_grow(s->sources, s->source_count, &s->source_cap, sizeof *s->sources);
	struct obtain_source *to = &s->sources[s->source_count++];
	*to = (struct obtain_source){
		.uri = uri ? mem_strdup(uri) : NULL,
		.name = mem_strdup(path_base(name)),
		.path = mem_strdup(path),
	};
	return to;
}

/* Resolve symbolic links: the cache of Hugging Face's tools consists of them. */
static int real_path(const char *path, struct str_list *out, struct err *e)
{
	char *real = realpath(path, NULL);
	if (!real) {
		int rc = err_sys(e, errno, "%s", path);
		return e->sys == ENOENT && is_like_url(path)
			       ? err_hint(e, "if this is a URL, write https:// in front of it")
			       : rc;
	}
	str_list_take(out, real);
	return 0;
}

/* ---- folders and archives ----------------------------------------------------------- */

static int take_picked(struct obtained *s, const struct choose *p, const char *dir, bool ours,
		       struct err *e)
{
	for (size_t i = 0; i < p->files.count; i++) {
		CLEANUP(mem_free_ptr) char *path = path_join(dir, p->files.at[i]);
		CLEANUP(str_list_release) struct str_list real = { 0 };
		int rc = real_path(path, &real, e);
		if (rc < 0)
			return rc;
		add_file(s, real.at[0], p->files.at[i], ours, NULL);
	}
	if (!p->hf_dir)
		return 0;
	struct hf_summary sum;
	s->hf_dir = strcmp(p->hf_dir, ".") == 0 ? mem_strdup(dir) : path_join(dir, p->hf_dir);
	int rc = huggingface_check(s->hf_dir, &sum, e);
	if (rc == 0)
		s->hf_bytes = sum.bytes;
	return rc;
}

static int add_folder_sources(struct obtained *s, struct err *e)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	for (size_t i = 0; i < s->count; i++)
		add_source(s, NULL, s->files[i].name, s->files[i].path);
	int rc = s->hf_dir ? file_list_dir(s->hf_dir, &names, e) : 0;
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *path = path_join(s->hf_dir, names.at[i]);
		if (hub_pick_is_input(names.at[i]) && !file_is_dir(path))
			add_source(s, NULL, names.at[i], path);
	}
	return rc;
}

static int take_folder(const char *dir, struct obtained *s, struct err *e)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	CLEANUP(choose_release) struct choose p = { 0 };
	int rc = walk_files(dir, &names, e);
	if (rc == 0)
		rc = choose_model(dir, &names, dir, &p, e);
	if (rc == 0)
		rc = take_picked(s, &p, dir, false, e);
	return rc < 0 ? rc : add_folder_sources(s, e);
}

static int take_archive(const struct obtain_request *r, const struct workdir *w, const char *path,
			const char *name, struct obtained *s, struct err *e)
{
	struct archive_limits limits = ARCHIVE_LIMITS_INIT;
	CLEANUP(str_list_release) struct str_list files = { 0 };
	CLEANUP(choose_release) struct choose p = { 0 };
	limits.max_bytes = r->archive_max_bytes ? r->archive_max_bytes : limits.max_bytes;
	int rc = workdir_scratch(w, &s->scratch, e);
	if (rc == 0)
		rc = archive_extract(path, name, s->scratch, &limits, r->report, r->cancel, &files,
				     e);
	if (rc == 0)
		rc = choose_model(s->scratch, &files, name, &p, e);
	return rc < 0 ? rc : take_picked(s, &p, s->scratch, true, e);
}

/* One file: a GGUF, an archive, or something that is refused with its kind. */
static int take_file(const struct obtain_request *r, const struct workdir *w, const char *path,
		     const char *name, bool ours, const struct digest *sha256, struct obtained *s,
		     struct err *e)
{
	enum sniff kind;
	int rc = sniff_file(path, &kind, e);
	if (rc < 0)
		return rc;
	if (kind == SNIFF_GGUF || (kind == SNIFF_IMATRIX_OLD && r->imatrix)) {
		add_file(s, path, name, ours, sha256);
		return 0;
	}
	if (kind != SNIFF_ARCHIVE)
		return sniff_refuse_file(kind, path, name, e);
	rc = wanted_check_file(path, name, sha256, "file", r->cancel, e);
	return rc < 0 ? rc : take_archive(r, w, path, name, s, e);
}

/* ---- local sources ------------------------------------------------------------------ */

static int wrong_count(size_t files, size_t digests, struct err *e)
{
	err_set(e, ERR_USAGE, "--sha256 was given %zu time%s for %zu file%s", digests,
		digests == 1 ? "" : "s", files, files == 1 ? "" : "s");
	return err_hint(e, "give one for each file, in the same order, or none");
}

static int take_local(const struct obtain_request *r, const struct workdir *w, struct obtained *s,
		      struct err *e)
{
	CLEANUP(str_list_release) struct str_list paths = { 0 };
	int rc = 0;
	if (r->count == 1 && file_is_dir(r->operands[0])) {
		if (r->sha256_count)
			return err_set(e, ERR_USAGE, "--sha256 is for files, but %s is a folder",
				       r->operands[0]);
		return take_folder(r->operands[0], s, e);
	}
	if (r->count == 1)
		rc = choose_shards(r->operands[0], &paths, e);
	else
		for (size_t i = 0; i < r->count; i++)
			str_list_add(&paths, r->operands[i]);
	if (rc < 0)
		return rc;
	if (r->sha256_count && r->sha256_count != paths.count)
		return wrong_count(paths.count, r->sha256_count, e);
	for (size_t i = 0; rc == 0 && i < paths.count; i++) {
		CLEANUP(str_list_release) struct str_list real = { 0 };
		if (r->count > 1 && file_is_dir(paths.at[i]))
			return err_set(e, ERR_USAGE, "%s is a folder: it must be the only SOURCE",
				       paths.at[i]);
		rc = real_path(paths.at[i], &real, e);
		if (rc == 0)
			add_source(s, NULL, paths.at[i], real.at[0]);
		if (rc == 0)
			rc = take_file(r, w, real.at[0], paths.at[i], false,
				       r->sha256_count ? &r->sha256[i] : NULL, s, e);
		if (rc == 0 && paths.count > 1 && (s->scratch || s->hf_dir))
			return err_set(e, ERR_USAGE, "%s is an archive: it must be the only SOURCE",
				       paths.at[i]);
	}
	return rc;
}

/* ---- URLs --------------------------------------------------------------------------- */

static int take_group(const struct obtain_request *r, const struct workdir *w,
		      const struct shard_urls_model *g, const struct digest *sha256,
		      struct obtained *s, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s/download/%s", w->path, g->name);
	CLEANUP(download_result_release) struct download_result got = { 0 };
	struct download d = {
		.urls = (const char *const *)g->urls.at,
		.url_count = g->urls.count,
		.path = path,
		.sha256 = sha256,
		.any_kind = r->imatrix,
		.unsized_max = r->download_max_bytes,
		.report = r->report,
		.cancel = r->cancel,
	};
	int rc = file_mkdirs_for(path, FILE_DIR_MODE, e);
	if (rc == 0)
		rc = download_run(&d, &got, e);
	if (rc < 0)
		return rc;
	if (got.ours)
		str_list_add(&s->downloads, path);
	else
		download_forget(path);
	s->received += got.received;
	CLEANUP(str_list_release) struct str_list real = { 0 };
	rc = real_path(got.path, &real, e);
	if (rc == 0)
		add_source(s, got.url, g->name, real.at[0]);
	if (!s->url)
		s->url = STEAL(got.url);
	/* The digest was already checked while other URLs could still be tried. */
	return rc < 0 ? rc : take_file(r, w, real.at[0], g->name, got.ours, NULL, s, e);
}

static int take_urls(const struct obtain_request *r, const struct workdir *w, struct obtained *s,
		     struct err *e)
{
	CLEANUP(shard_urls_release) struct shard_urls groups = { 0 };
	shard_urls_make(r->operands, r->count, &groups);
	if (r->sha256_count && r->sha256_count != groups.count)
		return wrong_count(groups.count, r->sha256_count, e);
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < groups.count; i++)
		rc = take_group(r, w, &groups.at[i], r->sha256_count ? &r->sha256[i] : NULL, s, e);
	return rc;
}

/* ---- the Hub ------------------------------------------------------------------------ */

/* Of a snapshot a folder of its own, called as its commit, so that the converter does not take the
 * folder's name for the model's. */
static char *hub_path(const struct obtain_request *r, const struct workdir *w, size_t i)
{
	const struct from_hub *hub = r->hub;
	const char *name = path_base(hub->pick.files[i]->path);
	return hub->pick.snapshot
		       ? mem_printf("%s/download/%s/%s", w->path, hub->repo.model.commit, name)
		       : mem_printf("%s/download/%s", w->path, name);
}

static void add_hub_source(const struct from_hub *hub, size_t i, const char *path,
			   struct obtained *s)
{
	const struct hub_file *f = hub->pick.files[i];
	CLEANUP(mem_free_ptr) char *url = hub_file_url(hub->hub, &hub->repo, f);
	struct obtain_source *to = add_source(s, url, f->path, path);
	to->has_sha256 = f->lfs;
	to->has_git_blob = !f->lfs;
	to->sha256 = f->sha256;
	memcpy(to->git_blob, f->blob, sizeof to->git_blob);
}

static int take_hub_file(const struct obtain_request *r, const struct workdir *w, size_t i,
			 struct obtained *s, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = hub_path(r, w, i);
	CLEANUP(str_list_release) struct str_list real = { 0 };
	int rc = file_mkdirs_for(path, FILE_DIR_MODE, e);
	if (rc == 0)
		rc = from_hub_download(r->hub, i, path, &s->received, e);
	if (rc < 0)
		return rc;
	str_list_add(&s->downloads, path);
	rc = real_path(path, &real, e);
	if (rc == 0)
		add_hub_source(r->hub, i, real.at[0], s);
	return rc < 0 || r->hub->pick.snapshot
		       ? rc
		       : take_file(r, w, real.at[0], path_base(path), true, NULL, s, e);
}

static int take_hub(const struct obtain_request *r, const struct workdir *w, struct obtained *s,
		    struct err *e)
{
	const struct hub_pick *pick = &r->hub->pick;
	struct hf_summary sum;
	if (r->sha256_count && (pick->snapshot || r->sha256_count != pick->count))
		return wrong_count(pick->snapshot ? 0 : pick->count, r->sha256_count, e);
	int rc = from_hub_check(r->hub, r->sha256, r->sha256_count, e);
	for (size_t i = 0; rc == 0 && i < pick->count; i++)
		rc = take_hub_file(r, w, i, s, e);
	if (rc < 0 || !pick->snapshot)
		return rc;
	CLEANUP(mem_free_ptr) char *any = hub_path(r, w, 0);
	s->hf_dir = path_dir(any);
	rc = huggingface_check(s->hf_dir, &sum, e);
	if (rc == 0)
		s->hf_bytes = sum.bytes;
	return rc;
}

int obtain_run(const struct obtain_request *r, const struct workdir *w, struct obtained *out,
	       struct err *e)
{
	int rc = obtain_check(r, e);
	if (rc == 0)
		rc = r->hub                   ? take_hub(r, w, out, e)
		     : is_url(r->operands[0]) ? take_urls(r, w, out, e)
					      : take_local(r, w, out, e);
	return rc;
}

/* ---- identity ----------------------------------------------------------------------- */

/* False when it cannot be accessed. */
static bool add_stat(json_t *array, const char *path)
{
	struct stat st;
	CLEANUP(mem_free_ptr) char *real = realpath(path, NULL);
	if (!real || stat(real, &st) < 0)
		return false;
	json_t *o = json_object();
	json_put_string(o, "path", real);
	json_put_u64(o, "size", (uint64_t)st.st_size);
	json_put_u64(o, "inode", (uint64_t)st.st_ino & INT64_MAX);
	json_put_u64(o, "modified_ns", os_modified_ns(&st));
	json_push(array, o);
	return true;
}

static bool add_local(json_t *array, const char *path)
{
	struct err ignored = ERR_INIT;
	CLEANUP(str_list_release) struct str_list names = { 0 };
	if (!file_is_dir(path))
		return add_stat(array, path);
	if (walk_files(path, &names, &ignored) < 0)
		return false;
	for (size_t i = 0; i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *file = path_join(path, names.at[i]);
		if (!add_stat(array, file))
			return false;
	}
	return true;
}

static bool identify_local(const struct obtain_request *r, json_t *out)
{
	CLEANUP(str_list_release) struct str_list paths = { 0 };
	struct err ignored = ERR_INIT;
	json_t *files = json_array();
	bool ok = true;
	json_put(out, "files", files);
	if (r->count == 1 && choose_shards(r->operands[0], &paths, &ignored) < 0)
		return false;
	for (size_t i = 0; r->count > 1 && i < r->count; i++)
		str_list_add(&paths, r->operands[i]);
	for (size_t i = 0; ok && i < paths.count; i++)
		ok = add_local(files, paths.at[i]);
	return ok;
}

static bool identify_urls(const struct obtain_request *r, json_t *out)
{
	CLEANUP(shard_urls_release) struct shard_urls groups = { 0 };
	json_t *versions = json_array();
	json_put(out, "versions", versions);
	/* A digest identifies the bytes, whichever URL serves them. */
	if (r->sha256_count)
		return true;
	shard_urls_make(r->operands, r->count, &groups);
	for (size_t i = 0; i < groups.count; i++) {
		const struct str_list *urls = &groups.at[i].urls;
		char *version;
		struct digest key;
		char hex[DIGEST_HEX];
		if (urls->count && str_starts(urls->at[0], "file:")) {
			struct err ignored = ERR_INIT;
			CLEANUP(mem_free_ptr) char *path = NULL;
			if (url_file_path(urls->at[0], &path, &ignored) < 0 ||
			    !add_stat(versions, path))
				return false;
			continue;
		}
		if (!urls->count || !download_probe_version((const char *const *)urls->at,
							    urls->count, r->cancel, &version))
			return false;
		sha256_of(urls->at[0], strlen(urls->at[0]), &key);
		json_push(versions, json_string(digest_hex(hex, &key)));
		json_push_string(versions, version);
		free(version);
	}
	return true;
}

json_t *obtain_identity(const struct obtain_request *r)
{
	CLEANUP(json_release) json_t *out = json_object();
	json_t *digests = json_array();
	json_put(out, "sha256", digests);
	for (size_t i = 0; i < r->sha256_count; i++) {
		char hex[DIGEST_HEX];
		json_push(digests, json_string(digest_hex(hex, &r->sha256[i])));
	}
	bool known = true;
	if (r->hub)
		json_put(out, "hub", from_hub_identity(r->hub));
	else
		known = is_url(r->operands[0]) ? identify_urls(r, out) : identify_local(r, out);
	return known ? STEAL(out) : NULL;
}
