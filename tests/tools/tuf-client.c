/*
 * The TUF client behind the command line that the public conformance suite asks for:
 *   tuf-client --metadata-dir DIR init ROOT
 *   tuf-client --metadata-dir DIR --metadata-url URL refresh
 *   tuf-client --metadata-dir DIR --metadata-url URL --target-name PATH…
 *              --target-base-url URL --target-dir DIR download
 * Exits 0 or 1. The clock is libc's, so that faketime works.
 */
#include "http/http.h"
#include "tuf/client.h"
#include "tuf/metadata.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define MAX_NAME 240     /* bytes, below what file systems allow */
#define ARTIFACT_MAX GIB /* it is held in memory while it is verified */

struct options {
	const char *metadata_dir, *metadata_url, *target_dir, *target_url;
	struct str_list targets;
};

struct place {
	struct http_client *http;
	const char *url;
};

/* Slashes separate folders; what else a path segment may hold is sent as it is, a percent
 * sign too: target paths are relative URLs. */
static int get(const struct place *place, const char *name, const char *keep, struct buf *out,
	       struct err *e)
{
	CLEANUP(mem_free_ptr) char *encoded = path_percent_encode(name, keep);
	CLEANUP(mem_free_ptr) char *url = mem_printf("%s%s%s", place->url,
						     str_ends(place->url, "/") ? "" : "/", encoded);
	struct http_request q = { .url = url, .what = name, .into = out };
	return http_perform(place->http, &q, NULL, e);
}

static int get_metadata(void *ctx, const char *name, struct buf *out, struct err *e)
{
	/* The name is encoded as far as it must be. */
	if (get(ctx, name, "%", out, e) < 0 && err_is(e, ERR_AUTH))
		err_class_set(e, ERR_NOT_FOUND);
	return -(int)e->class;
}

/* The suite tells the order of downloads by the files' times, which the kernel takes from a
 * clock that may stand still for 10 ms. */
static int get_artifact(const struct place *place, const char *name, struct buf *out, struct err *e)
{
	nanosleep(&(struct timespec){ .tv_nsec = 11000000 }, NULL);
	return get(place, name, "%/!$&'()*+,;=:@", out, e);
}

static int local_path(const char *dir, const char *path, char **out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *name = path_percent_encode(path, "");
	if (strlen(name) > MAX_NAME)
		return err_set(e, ERR_USAGE, "%.80s…: too long for a file name", name);
	/* "." and ".." have nothing to encode. */
	bool dots = strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || !*name;
	*out = dots ? mem_printf("%s/%%%s", dir, name) : mem_printf("%s/%s", dir, name);
	return 0;
}

/* Is the file there, as signed? */
static bool is_cached(const char *file, const struct tuf_meta *meta)
{
	CLEANUP(buf_release) struct buf have = BUF_INIT((size_t)meta->length);
	struct err ignored = ERR_INIT;
	return file_read_all(file, &have, &ignored) == 0 &&
	       tuf_meta_check(meta, buf_str(&have), have.len, file, &ignored) == 0;
}

static int fetch_artifact(struct tuf_client *c, const char *path, const struct tuf_meta *meta,
			  const struct place *from, const char *file, struct err *e)
{
	CLEANUP(buf_release) struct buf raw = BUF_INIT((size_t)meta->length);
	const char *hex = tuf_hashes_first(meta->hashes);
	if (!hex)
		return err_set(e, ERR_INTEGRITY, "%s: no hash of a known algorithm is signed",
			       path);
	CLEANUP(mem_free_ptr) char *name = tuf_client_hashed_name(c, path, hex);
	int rc = get_artifact(from, name, &raw, e);
	if (rc == 0)
		rc = buf_ok(&raw, path, e);
	if (rc == 0)
		rc = tuf_meta_check(meta, buf_str(&raw), raw.len, path, e);
	return rc < 0 ? rc : file_write_atomic(file, buf_str(&raw), raw.len, 0644, e);
}

/* Puts the target into dir, where its name is the percent-encoded path, so that no path leaves
 * the folder. A file that is there with the signed length and hashes is not fetched again. */
static int download(struct tuf_client *c, const char *path, const struct place *from,
		    const char *dir, struct err *e)
{
	CLEANUP(mem_free_ptr) char *file = NULL;
	const json_t *entry;
	const char *signer;
	int rc = tuf_client_find(c, path, &entry, &signer, e);
	if (rc == 0)
		rc = local_path(dir, path, &file, e);
	if (rc < 0)
		return rc;
	struct tuf_meta meta = { .has_length = true, .hashes = json_object_get(entry, "hashes") };
	rc = json_get_u64(entry, path, "length", &meta.length, e);
	if (rc < 0)
		return rc;
	if (meta.length > ARTIFACT_MAX)
		return err_set(e, ERR_INTEGRITY,
			       "%s: %llu bytes are signed, too many for this "
			       "client",
			       path, (unsigned long long)meta.length);
	return is_cached(file, &meta) ? 0 : fetch_artifact(c, path, &meta, from, file, e);
}

static int init(const struct options *o, const char *file, struct err *e)
{
	CLEANUP(buf_release) struct buf root = BUF_INIT(tuf_limits_default.root);
	int rc = file_read_all(file, &root, e);
	return rc < 0 ? rc : tuf_client_init(o->metadata_dir, buf_str(&root), root.len, e);
}

static int refresh(const struct options *o, bool and_download, struct err *e)
{
	CLEANUP_PTR(http_client_free) struct http_client *http = NULL;
	CLEANUP_PTR(tuf_client_close) struct tuf_client *client = NULL;
	int rc = http_client_new(NULL, &http, e);
	if (rc < 0)
		return rc;
	struct place metadata = { http, o->metadata_url }, targets = { http, o->target_url };
	struct tuf_transport transport = { .get = get_metadata, .ctx = &metadata };
	rc = tuf_client_open(o->metadata_dir, &transport, NULL, time(NULL), &client, e);
	if (rc == 0)
		rc = tuf_client_refresh(client, e);
	for (size_t i = 0; rc == 0 && and_download && i < o->targets.count; i++)
		rc = download(client, o->targets.at[i], &targets, o->target_dir, e);
	return rc;
}

static int usage(struct err *e)
{
	return err_set(e, ERR_USAGE,
		       "usage: tuf-client --metadata-dir DIR [--metadata-url URL] "
		       "[--target-name PATH…] [--target-base-url URL] "
		       "[--target-dir DIR] init ROOT | refresh | download");
}

static int run(const struct options *o, int argc, char **argv, struct err *e)
{
	const char *command = argc ? argv[0] : "";
	if (!o->metadata_dir)
		return usage(e);
	if (strcmp(command, "init") == 0 && argc == 2)
		return init(o, argv[1], e);
	if (!o->metadata_url || argc != 1)
		return usage(e);
	if (strcmp(command, "refresh") == 0)
		return refresh(o, false, e);
	if (strcmp(command, "download") == 0 && o->target_dir && o->target_url && o->targets.count)
		return refresh(o, true, e);
	return usage(e);
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "metadata-dir", required_argument, NULL, 'd' },
		{ "metadata-url", required_argument, NULL, 'u' },
		{ "target-name", required_argument, NULL, 'n' },
		{ "target-dir", required_argument, NULL, 't' },
		{ "target-base-url", required_argument, NULL, 'b' },
		{ 0 },
	};
	struct options o = { 0 };
	struct err e = ERR_INIT;
	int c, rc = 0;
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'd':
			o.metadata_dir = optarg;
			break;
		case 'u':
			o.metadata_url = optarg;
			break;
		case 'n':
			str_list_add(&o.targets, optarg);
			break;
		case 't':
			o.target_dir = optarg;
			break;
		case 'b':
			o.target_url = optarg;
			break;
		default:
			rc = usage(&e);
		}
	}
	if (rc == 0)
		rc = run(&o, argc - optind, argv + optind, &e);
	if (rc < 0) {
		CLEANUP(mem_free_ptr) char *text = text_escaped(e.text);
		fprintf(stderr, "tuf-client: %s\n", text);
	}
	str_list_release(&o.targets);
	return rc < 0;
}
