/*
 * The TUF client behind the command line that the public conformance suite asks for:
 *   tuf-client --metadata-dir DIR init ROOT
 *   tuf-client --metadata-dir DIR --metadata-url URL refresh
 *   tuf-client --metadata-dir DIR --metadata-url URL --target-name PATH…
 *              --target-base-url URL --target-dir DIR download
 * Exits 0 or 1. The clock is libc's, so that faketime works.
 */
#include "tuf/artifact.h"
#include "http/http.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

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
static int get(void *ctx, const char *name, const char *keep, struct buf *out, struct err *e)
{
	const struct place *place = ctx;
	CLEANUP(mem_free_ptr) char *encoded = path_percent_encode(name, keep);
	CLEANUP(mem_free_ptr) char *url =
		mem_printf("%s%s%s", place->url, str_ends(place->url, "/") ? "" : "/", encoded);
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
static int get_artifact(void *ctx, const char *name, struct buf *out, struct err *e)
{
	nanosleep(&(struct timespec){ .tv_nsec = 11000000 }, NULL);
	return get(ctx, name, "%/!$&'()*+,;=:@", out, e);
}

static int init(const struct options *o, const char *file, struct err *e)
{
	CLEANUP(buf_release) struct buf root = BUF_INIT(tuf_limits_default.root);
	int rc = file_read_all(file, &root, e);
	return rc < 0 ? rc : tuf_client_init(o->metadata_dir, buf_str(&root), root.len, e);
}

static int refresh(const struct options *o, bool download, struct err *e)
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
	for (size_t i = 0; rc == 0 && download && i < o->targets.count; i++)
		rc = tuf_artifact_fetch(client, o->targets.at[i], get_artifact, &targets,
					o->target_dir, e);
	return rc;
}

static int usage(struct err *e)
{
	return err_set(e, ERR_USAGE, "usage: tuf-client --metadata-dir DIR [--metadata-url URL] "
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
		case 'd': o.metadata_dir = optarg; break;
		case 'u': o.metadata_url = optarg; break;
		case 'n': str_list_add(&o.targets, optarg); break;
		case 't': o.target_dir = optarg; break;
		case 'b': o.target_url = optarg; break;
		default: rc = usage(&e);
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
