#include "fetch/room.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/os.h"
#include "util/path.h"

#include <string.h>
#include <unistd.h>

/* Where -o puts a file of the variant. */
static char *path_of(const struct store_variant *v, const char *output, const char *name)
{
	bool folder = v->file_count > 1 || file_is_dir(output) || str_ends(output, "/");
	return folder ? path_join(output, name) : mem_strdup(output);
}

static uint64_t size_of(const struct store_variant *v)
{
	uint64_t size = 0;
	for (size_t i = 0; i < v->file_count; i++)
		size += v->files[i].size;
	return size;
}

/* ---- where ------------------------------------------------------------------------ */

static bool same_device(const char *a, const char *b)
{
	CLEANUP(mem_free_ptr) char *x = file_nearest(a);
	CLEANUP(mem_free_ptr) char *y = file_nearest(b);
	struct stat p, q;
	return stat(x, &p) == 0 && stat(y, &q) == 0 && p.st_dev == q.st_dev;
}

/* The file there is the blob itself. */
static bool is_placed(const struct fetch_room *r, const struct store_file *f)
{
	CLEANUP(mem_free_ptr) char *blob = store_blob_path(r->store, &f->sha256);
	CLEANUP(mem_free_ptr) char *path = path_of(r->variant, r->output, f->name);
	struct stat a, b;
	return stat(blob, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

static bool has_links(const struct store_traits *t)
{
	return t->symlinks || t->links || t->clones;
}

/* Bytes of the copies for the names that engines need. One file is used as it is. */
static uint64_t for_names(const struct fetch_room *r, const struct store_traits *t)
{
	bool copies = !r->linked && r->variant->file_count > 1 && !has_links(t);
	return copies ? size_of(r->variant) : 0;
}

/* Bytes of the copies for -o. Root, who can write to a read-only file, gets no link to a blob. */
static uint64_t for_output(const struct fetch_room *r, const struct store_traits *t, bool same)
{
	uint64_t size = 0;
	bool shares = same && (t->clones || (t->links && geteuid() != 0));
	for (size_t i = 0; r->output && !shares && i < r->variant->file_count; i++)
		if (!is_placed(r, &r->variant->files[i]))
			size += r->variant->files[i].size;
	return size;
}

/* ---- checks ----------------------------------------------------------------------- */

static int check_sizes(const struct fetch_room *r, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < r->variant->file_count; i++) {
		uint64_t size = r->variant->files[i].size;
		CLEANUP(mem_free_ptr) char *path = path_join(r->store->home,
							     r->variant->files[i].name);
		if (r->to_fetch)
			rc = file_need_size(path, size, e);
		if (rc == 0 && r->output)
			rc = file_need_size(r->output, size, e);
	}
	return rc;
}

/* Does another model need a blob of this one? */
static bool is_shared(const struct fetch_room *r)
{
	struct store by_size = *r->store;
	CLEANUP(store_variants_release) struct store_variants all = { 0 };
	struct err ignored = ERR_INIT;
	bool shared = false;
	by_size.by_size = true;
	(void)!store_list(&by_size, &all, &ignored);
	for (size_t i = 0; i < all.count; i++) {
		const struct store_variant *v = &all.at[i];
		bool own = strcmp(v->repository, r->variant->repository) == 0 &&
			   strcmp(v->model, r->variant->model) == 0 &&
			   strcmp(v->variant, r->variant->variant) == 0;
		shared = shared || (!own && store_variant_has_any(v, r->variant));
	}
	return shared;
}

/* On one disk. If the files do not fit there twice, they can be moved to the output. */
static int check_together(const struct fetch_room *r, uint64_t names, uint64_t output, bool *moves,
			  struct err *e)
{
	uint64_t have, all = r->to_fetch + names + output;
	char size[SIZE_TEXT];
	int rc = file_space(r->store->home, &have, e);
	if (rc < 0)
		return rc;
	*moves = output && have < all && have >= r->to_fetch && !r->store->read_only &&
		 !is_shared(r);
	if (!*moves)
		return file_need_space(r->store->home, all, e);
	report_note(r->report,
		    "there is no room for a second copy (%s): the model is moved out of the store "
		    "to %s",
		    format_size(size, output), r->output);
	return 0;
}

static int check_space(const struct fetch_room *r, uint64_t names, uint64_t output, bool same,
		       bool *moves, struct err *e)
{
	uint64_t need = r->to_fetch + names;
	int rc = 0;
	if (same && (need || output))
		return check_together(r, names, output, moves, e);
	if (need)
		rc = file_need_space(r->store->home, need, e);
	return rc == 0 && output ? file_need_space(r->output, output, e) : rc;
}

static void tell_lacks(const struct fetch_room *r, const struct store_traits *t)
{
	CLEANUP(buf_release) struct buf lacks = BUF_INIT(KIB);
	store_traits_describe(t, &lacks);
	if (lacks.len)
		report_detail(r->report, "the file system of %s has no %s", r->store->home,
			      buf_str(&lacks));
}

static void tell_names(const struct fetch_room *r, uint64_t names)
{
	char size[SIZE_TEXT];
	if (names)
		report_note(r->report,
			    "%s has no links: the files are copied to get their names, which "
			    "takes another %s",
			    r->store->home, format_size(size, names));
}

/* The store alone. */
static int check_store(const struct fetch_room *r, const struct store_traits *t,
		       const struct store_file *largest, uint64_t fetch, uint64_t names,
		       struct err *e)
{
	int rc = 0;
	tell_lacks(r, t);
	if (largest) {
		CLEANUP(mem_free_ptr) char *path = path_join(r->store->home, largest->name);
		rc = file_need_size(path, largest->size, e);
	}
	if (rc == 0 && fetch + names)
		rc = file_need_space(r->store->home, fetch + names, e);
	if (rc == 0)
		tell_names(r, names);
	return rc;
}

int fetch_room_check(const struct fetch_room *r, bool *moves, struct err *e)
{
	struct store_traits t;
	char size[SIZE_TEXT];
	bool same = r->output && same_device(r->store->home, r->output);
	*moves = false;
	int rc = check_sizes(r, e);
	if (rc < 0 || (!r->to_fetch && r->linked && !r->output))
		return rc;
	store_traits(r->store, &t);
	uint64_t names = for_names(r, &t), output = for_output(r, &t, same);
	tell_lacks(r, &t);
	rc = check_space(r, names, output, same, moves, e);
	if (rc < 0 || *moves)
		return rc;
	tell_names(r, names);
	if (same && output && !t.links)
		report_note(r->report, "%s has no links: the output is a copy, which takes %s",
			    r->store->home, format_size(size, output));
	return 0;
}

int fetch_room_need(const struct fetch_room *r, struct fetch_room_need *out, struct err *e)
{
	struct store_traits t;
	bool same = r->output && same_device(r->store->home, r->output);
	*out = (struct fetch_room_need){ 0 };
	int rc = file_space(r->store->home, &out->store_free, e);
	if (rc < 0 || (!r->to_fetch && r->linked && !r->output))
		return rc;
	store_traits(r->store, &t);
	out->store = r->to_fetch + for_names(r, &t);
	if (same)
		out->store += for_output(r, &t, same);
	else if (r->output)
		out->output = for_output(r, &t, same);
	return out->output ? file_space(r->output, &out->output_free, e) : 0;
}

int fetch_room_check_now(const char *home, uint64_t missing, struct err *e)
{
	char need[SIZE_TEXT], have_text[SIZE_TEXT], lack[SIZE_TEXT];
	uint64_t have;
	if (!missing || !os_has_holes(home))
		return 0;
	int rc = file_space(home, &have, e);
	if (rc < 0 || have >= missing)
		return rc;
	err_set(e, ERR_SYSTEM,
		"%s: the disk is filling up: %s are still to be written, %s are free, "
		"%s are missing",
		home, format_size(need, missing), format_size(have_text, have),
		format_size(lack, missing - have));
	return err_hint(e, "free some space, then run the same command again: all verified pieces "
			   "are kept");
}

int fetch_room_check_all(const struct fetch_room *all, size_t count, struct err *e)
{
	const struct store_file *largest = NULL;
	struct store_traits t;
	uint64_t fetch = 0, names = 0;
	bool known = false;
	for (size_t i = 0; i < count; i++) {
		const struct fetch_room *r = &all[i];
		for (size_t k = 0; r->to_fetch && k < r->variant->file_count; k++)
			if (!largest || r->variant->files[k].size > largest->size)
				largest = &r->variant->files[k];
		if (!known && (r->to_fetch || !r->linked))
			store_traits(r->store, &t);
		known |= r->to_fetch || !r->linked;
		fetch += r->to_fetch;
		names += known ? for_names(r, &t) : 0;
	}
	return known ? check_store(all, &t, largest, fetch, names, e) : 0;
}

/* ---- what is there ---------------------------------------------------------------- */

static bool is_right(const struct fetch_room *r, const struct store_file *f, const char *path)
{
	struct err why = ERR_INIT;
	struct digest have;
	struct stat st;
	uint64_t size;
	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != f->size)
		return false;
	report_begin(r->report, path, f->size, 0);
	int rc = sha256_of_file(path, r->store->cancel, &have, &size, &why);
	report_advance(r->report, path, (int64_t)f->size);
	report_end(r->report, path, rc == 0);
	return rc == 0 && digest_equal(&have, &f->sha256);
}

bool fetch_room_is_delivered(const struct fetch_room *r, struct str_list *paths)
{
	bool right = r->output && r->to_fetch;
	for (size_t i = 0; right && i < r->variant->file_count; i++) {
		const struct store_file *f = &r->variant->files[i];
		CLEANUP(mem_free_ptr) char *path = path_of(r->variant, r->output, f->name);
		right = is_right(r, f, path);
		str_list_take(paths, path_absolute(path));
	}
	return right;
}
