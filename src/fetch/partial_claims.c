/* What an earlier run left in a partial: where its journal says so, and where the disk does. */
#include "fetch/partial.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/os.h"

#include <fcntl.h>
#include <sys/stat.h>

/* Some systems and file systems do not tell holes: all of a file then seems to have data, even if
 * the disk has fewer bytes of it. */
static bool tells_holes(const struct stat *st, bool has_gaps)
{
	return has_gaps || (uint64_t)st->st_blocks * 512 >= (uint64_t)st->st_size;
}

void partial_claims(int fd, const struct grid *grid, bool has_journal, bool *claimed)
{
	CLEANUP(mem_free_ptr) bool *found = mem_alloc(grid->count + 1);
	struct stat st = { 0 };
	bool has_gaps = false;
	(void)!fstat(fd, &st);
	for (uint32_t i = 0; i < grid->count; i++) {
		uint64_t offset = grid_offset(grid, i), end = offset + grid_length(grid, i);
		bool is_inside = end <= (uint64_t)st.st_size;
		found[i] = is_inside && os_has_data(fd, offset, end);
		claimed[i] &= is_inside;
		has_gaps |= is_inside && !found[i];
	}
	if (has_journal && !tells_holes(&st, has_gaps))
		return;
	for (uint32_t i = 0; i < grid->count; i++)
		claimed[i] |= found[i];
}

static uint64_t sum(const struct grid *grid, const bool *claimed)
{
	uint64_t bytes = 0;
	for (uint32_t i = 0; i < grid->count; i++)
		bytes += claimed[i] ? grid_length(grid, i) : 0;
	return bytes;
}

static int expect_of(const struct store_partial *p, const struct grid *grid, uint64_t *bytes,
		     struct err *e)
{
	CLEANUP(mem_free_ptr) bool *claimed = mem_alloc(grid->count + 1);
	CLEANUP(file_close) int fd = open(p->part, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	bool ours;
	int rc = journal_read(p->journal, grid, &p->sha256, claimed, &ours, e);
	if (rc < 0)
		return rc;
	if (fd >= 0)
		partial_claims(fd, grid, ours, claimed);
	*bytes = MAX(*bytes, sum(grid, claimed));
	return 0;
}

int partial_expect(const struct store *s, const struct digest *sha256, const struct grid *grid,
		   uint64_t *bytes, struct err *e)
{
	CLEANUP(store_partials_release) struct store_partials all = { 0 };
	uint64_t most = 0;
	int rc = store_partials_list(s, sha256, &all, e);
	for (size_t i = 0; rc == 0 && i < all.count; i++)
		if (all.at[i].exists)
			rc = expect_of(&all.at[i], grid, &most, e);
	if (rc == 0)
		*bytes = most;
	return rc;
}
