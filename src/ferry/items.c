#include "ferry/items.h"

#include <stdio.h>
#include <string.h>

size_t ferry_result_count(const struct ferry_result *r)
{
	return r ? r->count : 0;
}

const struct ferry_item *ferry_result_at(const struct ferry_result *r, size_t i)
{
	return i < ferry_result_count(r) ? r->at[i] : NULL;
}

void ferry_result_free(struct ferry_result *r)
{
	if (!r)
		return;
	owned_release(&r->memory);
	free(r->at);
	free(r);
}

struct ferry_item *items_add(struct ferry_result *r, const char *reference)
{
	struct ferry_item *item = owned_new(&r->memory, sizeof *item);
	r->at = mem_grow(r->at, r->count, &r->cap, sizeof *r->at);
	r->at[r->count++] = item;
	item->reference = owned_text(&r->memory, reference);
	return item;
}

void items_fail(struct ferry_result *r, struct ferry_item *item, const struct err *why)
{
	struct ferry_error *error = owned_new(&r->memory, sizeof *error);
	error_give(why, error);
	*item = (struct ferry_item){ .reference = item->reference, .error = error };
}

void items_name(struct ferry_result *r, struct ferry_item *item, const struct items_name *n)
{
	struct owned *o = &r->memory;
	item->repository = owned_text(o, n->repository);
	item->model = owned_text(o, n->model);
	item->variant = owned_text(o, n->variant);
	item->version = n->version;
	item->kind = owned_text(o, n->kind);
}

void items_begin_files(struct ferry_result *r, struct ferry_item *item, size_t count)
{
	item->files = owned_new(&r->memory, (count + 1) * sizeof *item->files);
	item->file_count = 0;
}

void items_add_file(struct ferry_result *r, struct ferry_item *item, const struct items_file *f)
{
	struct owned *o = &r->memory;
	char hex[DIGEST_HEX];
	struct ferry_file *out = owned_new(o, sizeof *out);
	digest_hex(hex, f->sha256);
	*out = (struct ferry_file){
		.name = owned_text(o, f->name),
		.path = owned_text(o, f->path),
		.sha256 = owned_text(o, hex),
		.size = f->size,
		.role = owned_text(o, f->role),
	};
	((const struct ferry_file **)item->files)[item->file_count++] = out;
	item->size += f->size;
}

int items_result(struct ferry_result *r, struct ferry_error *error)
{
	for (size_t i = 0; i < r->count; i++) {
		if (!r->at[i]->error)
			continue;
		if (error)
			*error = *r->at[i]->error;
		return -r->at[i]->error->code;
	}
	return 0;
}
