#include "fetch/fetch_internal.h"
#include "util/mem.h"

void fetch_result_release(struct fetch_result *r)
{
	for (size_t i = 0; i < r->count; i++)
		free(r->files[i].path);
	free(r->files);
	*r = (struct fetch_result){ 0 };
}

void fetch_result_of(struct fetching *f)
{
	struct fetch_result *r = &f->result;
	r->files = mem_alloc((f->plan.count + 1) * sizeof *r->files);
	for (size_t i = 0; i < f->plan.count; i++) {
		const struct card_file *card = f->plan.files[i].card;
		r->files[r->count++] = (struct fetch_file){
			.name = card->name,
			.role = card->role,
			.size = card->size,
			.sha256 = card->sha256,
		};
		r->size += card->size;
	}
}
