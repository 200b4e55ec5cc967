#include "cli/opsdb.h"

#include "util/mem.h"
#include "util/path.h"

int opsdb_path(const char *name, char **out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *state = NULL;
	int rc = path_xdg("XDG_STATE_HOME", ".local/state", &state, e);
	if (rc == 0)
		*out = mem_printf("%s/ferry/%s", state, name);
	return rc;
}
