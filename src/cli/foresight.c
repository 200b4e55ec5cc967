#include "cli/foresight.h"

#include "util/mem.h"
#include "util/path.h"

#include <string.h>

/* ---- the document ---- */

static void put_sum(json_t *o, uint64_t size, uint64_t download, uint64_t in_store, uint64_t kept,
		    uint64_t reused)
{
	json_put_u64(o, "size", size);
	json_put_u64(o, "download", download);
	json_put_u64(o, "in_store", in_store);
	json_put_u64(o, "kept", kept);
	json_put_u64(o, "reused", reused);
}

static void put_disk(json_t *disks, const char *path, uint64_t needed, uint64_t space)
{
	json_t *o = json_push_object(disks);
	json_put_string(o, "path", path);
	json_put_u64(o, "needed", needed);
	if (space != UINT64_MAX)
		json_put_u64(o, "free", space);
	json_put_bool(o, "enough", space >= needed);
}

static void put_planned(json_t *o, const struct retrieval *r, const struct preview *p)
{
	put_sum(o, p->size, p->download, p->in_store, p->kept, p->reused);
	if (p->replaces)
		json_put_u64(o, "replaces", p->replaces);
	json_t *files = json_put_array(o, "files"), *mirrors = json_put_array(o, "mirrors");
	for (size_t i = 0; i < p->count; i++) {
		const struct preview_file *f = &p->files[i];
		json_t *file = json_push_object(files);
		json_put_string(file, "name", f->card->name);
		json_put_string(file, "role", f->card->role);
		json_put_hex(file, "sha256", &f->card->sha256, DIGEST_SIZE);
		put_sum(file, f->card->size, f->download, f->in_store ? f->card->size : 0, f->kept,
			f->reused);
	}
	for (size_t i = 0; i < p->source_count; i++)
		json_push_string(mirrors, p->sources[i]);
	json_t *disks = json_put_array(o, "disks");
	put_disk(disks, r->client.store.home, p->room.store, p->room.store_free);
	if (p->room.output)
		put_disk(disks, p->output, p->room.output, p->room.output_free);
}

/* The store's model, without the catalog. */
static void put_stored(json_t *o, const struct fetch_result *r)
{
	put_sum(o, r->size, 0, r->size, 0, 0);
	json_t *files = json_put_array(o, "files");
	for (size_t i = 0; i < r->count; i++) {
		json_t *file = json_push_object(files);
		json_put_string(file, "name", r->files[i].name);
		json_put_string(file, "role", r->files[i].role);
		json_put_hex(file, "sha256", &r->files[i].sha256, DIGEST_SIZE);
		put_sum(file, r->files[i].size, 0, r->files[i].size, 0, 0);
	}
	json_put_array(o, "mirrors");
	json_put_array(o, "disks");
}

void foresight_put(json_t *object, const struct retrieval *r, const struct retrieved *m)
{
	retrieve_put(object, m);
	if (m->fallback)
		put_stored(object, &m->files);
	else
		put_planned(object, r, &m->preview);
}

void foresight_sum(json_t *document)
{
	const json_t *model;
	uint64_t sum = 0;
	size_t i;
	json_array_foreach (json_object_get(document, "models"), i, model)
		sum += json_number(model, "download");
	json_put_bool(document, "dry_run", true);
	json_put_u64(document, "download", sum);
}

/* ---- for people ---- */

static void tell_part(struct cli *cli, const json_t *model, const char *member,
		      const char *template)
{
	if (json_number(model, member))
		cli_say(cli, model, template);
}

void foresight_tell(struct cli *cli, const json_t *model)
{
	CLEANUP(mem_free_ptr) char *mirrors = cli_join(json_object_get(model, "mirrors"), "{}",
						       ", ");
	const json_t *disk;
	size_t i;
	cli_say(cli, model, "{repository}/{model}:{variant}  version {version}, {size:size}");
	tell_part(cli, model, "replaces", "  replaces       version {replaces} in the store");
	cli_say(cli, model, "  download       {download:size}");
	if (mirrors[0])
		cli_line(cli, "  from           %s", mirrors);
	tell_part(cli, model, "in_store", "  in the store   {in_store:size}");
	tell_part(cli, model, "kept", "  kept           {kept:size} of an earlier run");
	tell_part(cli, model, "reused",
		  "  reused         {reused:size} of other files in the store");
	json_array_foreach (json_object_get(model, "disks"), i, disk)
		if (json_number(disk, "needed"))
			cli_say(cli, disk,
				"  disk           {needed:size} needed, {free:size} free in "
				"{path}{enough?:: not enough}");
}
